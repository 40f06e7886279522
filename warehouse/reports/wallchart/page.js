// What can be chosen on the page, and what follows from it. The choice is kept in the address, so that a view can be sent.

const by = (id) => document.getElementById(id);
const choice = { v: released, department: null, statuses: new Set(), search: "", target: null };

const day = (v) => page.vintage.released[v] ? `${page.vintage.day[v]} (${word("latest")})` : word("end_of_day", { day: page.vintage.day[v] });

// lanes

const lanes = page.capability.capability.map((_, c) => {
  const lane = by("lane").content.firstElementChild.cloneNode(true), title = lane.querySelector("h2");
  title.id = `lane-${page.capability.capability[c]}`;
  lane.setAttribute("aria-labelledby", title.id);
  const mine = cells.filter(({ t }) => page.target.capability[t] === c);
  lane.querySelector("ul").append(...mine.map(({ item }) => item));
  by("lanes").append(lane);
  const jump = element("button", [], { type: "button", class: "plain" });
  jump.addEventListener("click", () => {
    lane.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth", block: "start" });
    lane.querySelector("li:not([hidden]) .cell")?.focus({ preventScroll: true });
  });
  by("jump").append(jump);
  return { c, lane, title, sum: lane.querySelector(".sum"), mine, jump };
});

const chips = statuses.map((status) => {
  const chip = element("button", [], { type: "button", class: "chip", "aria-pressed": "false", "data-status": status });
  chip.addEventListener("click", () => {
    if (!choice.statuses.delete(status)) choice.statuses.add(status);
    update();
  });
  by("statuses").append(chip);
  return { status, chip };
});

// what is due next

function dueNext(v) {
  const now = page.vintage.moment[v], openDay = page.vintage.open_day[v], { owed, target } = page;
  const mine = (department) => choice.department === null || department === choice.department;
  const days = new Map(), of = (key) => days.get(key) ?? days.set(key, { owed: [], targets: [] }).get(key);
  const overdue = [];
  owed.due_at.forEach((due, o) => {
    if (!mine(owed.department[o])) return;
    const received = owed.received_at[o] !== null && owed.received_at[o] <= now;
    if (due > now) of(owed.due_day[o]).owed.push({ o, received });
    else if (!received) overdue.push({ o });
  });
  for (const t of targets) {
    const due = at("target", "due", t);
    if (mine(target.department[t]) && due >= openDay) of(due).targets.push(t);
  }
  return { overdue, days: d3.sort(days, ([key]) => key) };
}

const many = (n, one, more) => word(n === 1 ? one : more, { n });

function owing(list) {
  const { owed, period } = page;
  return element("ul", d3.groups(list, ({ o }) => owed.department[o], ({ o }) => owed.period[o]).flatMap(([d, periods]) => periods.map(([p, mine]) =>
    element("li", [element("b", named("department", d)), ` ${period.period[p]}: ${mine.map(({ o }) => named("indicator", owed.indicator[o])).join(inChinese() ? "、" : ", ")}`]))));
}

const SOON = 4; // due dates, and the next at which targets fall due

function drawNext(v) {
  const { overdue, days } = dueNext(v), openDay = page.vintage.open_day[v];
  const near = days.slice(0, SOON), goal = days.slice(SOON).find(([, { targets: due }]) => due.length);
  if (goal && !near.some(([, { targets: due }]) => due.length)) near.push(goal);
  const items = near.map(([key, { owed, targets: due }]) => {
    const open = owed.filter(({ received }) => !received), left = Math.round((instant(key) - instant(openDay)) / A_DAY);
    const when = left === 0 ? word("today") : left === 1 ? word("in_day") : word("in_days", { n: left });
    const lines = [];
    if (owed.length) {
      const whom = new Set(open.map(({ o }) => page.owed.department[o])).size;
      lines.push(open.length ? `${many(open.length, "owed_one", "owed")}${comma()}${many(whom, "by_department", "by_departments")}` : word("owed_all_in"));
    }
    if (due.length) {
      const met = due.filter((t) => shown(t, v).status === "achieved").length;
      lines.push(`⚑ ${many(due.length, "target_due", "targets_due")}${met ? comma() + word("of_these_met", { n: met }) : ""}`);
    }
    return element("li", element("details", [
      element("summary", [element("time", key, { datetime: key }), element("span", when, { class: "when" }), ...lines.map((line) => element("span", line, { class: "said" }))]),
      open.length ? owing(open) : "",
      due.length && due.length <= 20 ? element("ul", due.map((t) => element("li", `${at("target", "target", t)} ${name(t)}`))) : "",
    ]));
  });
  if (overdue.length) items.unshift(element("li", element("details", [
    element("summary", [element("strong", `! ${word("overdue")}`), element("span", many(overdue.length, "overdue_n", "overdue_n"), { class: "said" })]), owing(overdue)]), { class: "overdue" }));
  if (!days.length) items.push(element("li", word("nothing_due"), { class: "calm" }));
  if (days.length > near.length) items.push(element("li", word("more_days", { n: days.length - near.length }), { class: "calm" }));
  document.querySelector("#next ol").replaceChildren(...items);
}

// the whole page

const haystacks = targets.map((t) => ["target", "name_zh", "name_en", "clause", "section"].map((column) => at("target", column, t)).concat(
  ["department", "area"].flatMap((table) => ["name_zh", "name_en"].map((column) => page[table][column][page.target[table][t]]))).join("\n").toLowerCase());

function update() {
  const { v } = choice, wanted = choice.search.trim().toLowerCase();
  const among = (t) => (choice.department === null || page.target.department[t] === choice.department) && haystacks[t].includes(wanted);
  const counts = Object.fromEntries(statuses.map((status) => [status, 0]));
  let seen = 0;
  for (const each of cells) {
    draw(each, v);
    const { status } = each.cell.dataset, here = among(each.t);
    if (here) counts[status] += 1;
    each.item.hidden = !here || (choice.statuses.size > 0 && !choice.statuses.has(status));
    seen += !each.item.hidden;
  }
  for (const { status, chip } of chips) {
    chip.setAttribute("aria-pressed", choice.statuses.has(status));
    chip.replaceChildren(...sign(status).childNodes, " ", element("b", String(counts[status])));
  }
  for (const { c, lane, title, sum, mine, jump } of lanes) {
    const visible = mine.filter(({ item }) => !item.hidden);
    lane.hidden = jump.hidden = visible.length === 0;
    title.textContent = jump.textContent = `${page.capability.number[c]} ${named("capability", c)}`;
    const tally = d3.rollup(visible, (of) => of.length, ({ cell }) => cell.dataset.status);
    sum.replaceChildren(...statuses.filter((status) => tally.has(status)).map((status) => {
      const said = sign(status);
      said.append(` ${tally.get(status)}`);
      return said;
    }));
  }
  by("nothing").hidden = seen > 0;
  by("counted").textContent = word("counted", { shown: seen, all: targets.length });
  by("vintage").value = v;
  by("vintage").setAttribute("aria-valuetext", day(v));
  by("day").textContent = day(v);
  by("earlier").disabled = v === 0;
  by("later").disabled = v === released;
  by("as-known").textContent = `${word("as_known")} ${day(v)}`;
  drawNext(v);
  sheet();
  rove();
  keep();
}

/** Everything on one A0 sheet: as many columns as give cells of a good shape, and rows as high as then fits. */
function sheet() {
  const wide = 1104, high = 694, counts = lanes.map(({ mine }) => mine.filter(({ item }) => !item.hidden).length).filter((n) => n);
  const gaps = 4.3 * counts.length;
  const fits = d3.range(6, 31).map((columns) => {
    const rows = d3.sum(counts, (n) => Math.ceil(n / columns)), height = Math.min((high - gaps) / rows, 60);
    return { columns, height, fit: Math.min(wide / columns / 1.5, height) };
  });
  const best = d3.greatest(fits, (each) => each.fit);
  document.documentElement.style.setProperty("--columns", best.columns);
  document.documentElement.style.setProperty("--row", `${best.height - 1.2}mm`);
}

function say() {
  document.documentElement.lang = inChinese() ? "zh-Hans" : "en";
  document.title = `${word("title")} · ${inChinese() ? head.name_zh : head.name_en}`;
  by("title").replaceChildren(element("span", word("title")), ` ${inChinese() ? head.name_zh : head.name_en}`);
  for (const place of document.querySelectorAll("[data-word]")) place.textContent = word(place.dataset.word);
  by("language").textContent = word("switch");
  by("language").lang = inChinese() ? "en" : "zh-Hans";
  by("search").placeholder = word("search_hint");
  by("earlier").setAttribute("aria-label", word("earlier"));
  by("later").setAttribute("aria-label", word("later"));
  by("statuses").setAttribute("aria-label", word("statuses"));
  by("jump").setAttribute("aria-label", word("lanes"));
  by("release").textContent = `${word("release")} ${head.release}`;
  by("imprint").textContent = [`${word("release")} ${head.release}`, `${word("built")} ${head.built_at} (${head.zone})`, `${word("revision")} ${head.plan_revision}`, `${word("code")} ${head.code_version}`].join(" · ");
  const options = page.department.department.map((_, d) => d).filter((d) => page.target.department.includes(d));
  by("department").replaceChildren(element("option", word("all_departments"), { value: "" }),
    ...d3.sort(options, (a, b) => named("department", a).localeCompare(named("department", b), inChinese() ? "zh" : "en")).map((d) => element("option", named("department", d), { value: page.department.department[d] })));
  by("department").value = choice.department === null ? "" : page.department.department[choice.department];
}

// the keyboard: one cell is in the tab order, arrows move to its neighbours

let current = cells[0].cell;

const visibleCells = () => cells.filter(({ item }) => !item.hidden).map(({ cell }) => cell).sort((a, b) => (a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1));

function rove(to = current) {
  if (to.closest("li").hidden) to = visibleCells()[0] ?? to;
  current.tabIndex = -1;
  current = to;
  current.tabIndex = 0;
}

function neighbour(key, from) {
  const all = visibleCells(), place = all.indexOf(from);
  if (key === "ArrowLeft") return all[place - 1];
  if (key === "ArrowRight") return all[place + 1];
  if (key === "Home") return all[0];
  if (key === "End") return all.at(-1);
  const here = from.getBoundingClientRect(), down = key === "ArrowDown";
  const beyond = all.map((cell) => [cell, cell.getBoundingClientRect()]).filter(([, box]) => (down ? box.top >= here.bottom - 1 : box.bottom <= here.top + 1));
  if (!beyond.length) return undefined;
  const row = down ? d3.min(beyond, ([, box]) => box.top) : d3.max(beyond, ([, box]) => box.top);
  return d3.least(beyond.filter(([, box]) => Math.abs(box.top - row) < 2), ([, box]) => Math.abs(box.left - here.left))[0];
}

by("lanes").addEventListener("keydown", (event) => {
  const cell = event.target.closest(".cell");
  if (!cell || !/^(Arrow(Left|Right|Up|Down)|Home|End)$/.test(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const to = neighbour(event.key, cell);
  if (!to) return;
  rove(to);
  to.focus();
});
by("lanes").addEventListener("focusin", (event) => event.target.matches(".cell") && rove(event.target));
by("lanes").addEventListener("click", (event) => {
  const cell = event.target.closest(".cell");
  if (cell) open(Number(cell.dataset.t));
});

function open(t) {
  choice.target = t;
  show(t, choice.v);
  keep();
}

dialog.addEventListener("close", () => {
  choice.target = null;
  keep();
});
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());

// the address

let writing = 0;
function keep() {
  clearTimeout(writing); // browsers refuse an address that changes with every step of a slider
  writing = setTimeout(write, 200);
}

function write() {
  const said = new URLSearchParams();
  if (!inChinese()) said.set("lang", "en");
  if (choice.v !== released) said.set("at", page.vintage.day[choice.v]);
  if (choice.department !== null) said.set("department", page.department.department[choice.department]);
  if (choice.statuses.size) said.set("status", [...choice.statuses].join(","));
  if (choice.search) said.set("q", choice.search);
  if (choice.target !== null) said.set("target", at("target", "target", choice.target));
  history.replaceState(null, "", said.size ? `#${said}` : location.pathname + location.search);
}

function heed() {
  const said = new URLSearchParams(location.hash.slice(1)), found = (list, value) => (list.includes(value) ? list.indexOf(value) : null);
  language = said.get("lang") === "en" ? 1 : 0;
  choice.v = found(page.vintage.day.slice(0, released), said.get("at")) ?? released;
  choice.department = found(page.department.department, said.get("department"));
  choice.statuses = new Set((said.get("status") ?? "").split(",").filter((status) => statuses.includes(status)));
  choice.search = by("search").value = said.get("q") ?? "";
  const t = found(targets.map((each) => at("target", "target", each)), said.get("target"));
  say();
  update();
  if (t !== null) open(t);
}

let waiting = 0;
function choose(changes) {
  Object.assign(choice, changes);
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(update);
}

by("vintage").max = released;
by("vintage").addEventListener("input", (event) => choose({ v: Number(event.target.value) }));
by("earlier").addEventListener("click", () => choose({ v: choice.v - 1 }));
by("later").addEventListener("click", () => choose({ v: choice.v + 1 }));
by("department").addEventListener("change", (event) => choose({ department: event.target.value === "" ? null : page.department.department.indexOf(event.target.value) }));
by("search").addEventListener("input", (event) => choose({ search: event.target.value }));
by("clear").addEventListener("click", () => {
  by("search").value = by("department").value = "";
  choose({ department: null, statuses: new Set(), search: "" });
});
by("print").addEventListener("click", () => print());
by("language").addEventListener("click", () => {
  language = 1 - language;
  say();
  update();
});
addEventListener("hashchange", heed);
heed();
