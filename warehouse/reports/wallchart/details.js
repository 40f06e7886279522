// One target in full.

const dialog = document.getElementById("details");

/** An element with text or elements in it. */
function element(tag, inside = [], attributes = {}) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...[inside].flat().filter((each) => each !== null && each !== ""));
  return made;
}

function sign(status) {
  const svg = d3.create("svg:svg").attr("class", "sign").attr("aria-hidden", "true");
  svg.append("use").attr("href", `#s-${status}`);
  return element("span", [svg.node(), " ", element("span", word(`status_${status}`))], { class: "signed", "data-status": status });
}

function source(row) {
  if (!row || row.file === null) return word("none");
  const place = [page.file.path[row.file]];
  if (row.sheet) place.push(word("sheet", { name: row.sheet }));
  if (row.row_number !== null) place.push(word("row", { n: row.row_number }));
  return [element("code", place.join(comma())), element("small", ` ${word("received", { time: page.file.received[row.file] })}`)];
}

/** A status basis in words, with the warehouse's own line beside it. */
function basis(said) {
  const key = `basis_${said.split(/ \(|, /)[0]}`;
  return [words[key] ? `${word(key)} ` : "", element("code", said)];
}

function facts(t, v) {
  const { row, status, last } = shown(t, v), of = (column) => at("target", column, t);
  const figures = (x) => figure(t, x, 4);
  const plain = of("value") === null ? "" : asked(t, of("value"), of("value_high"), of("plan_unit"));
  const comparator = of("comparator");
  const written = comparator === "multiple" ? word("asked_multiple", { n: number(of("value"), 4) }) : plain;
  const list = [
    ["clause", element("q", of("clause"), { lang: "zh-Hans" })],
    ["section", element("span", of("section"), { lang: "zh-Hans" })],
    of("note") && ["note", of("note")],
    ["status", [sign(status), of("tested") ? "" : ` ${word("not_tested")}`]],
    row && ["basis", basis(row.status_basis)],
    ["figure", last ? [element("strong", figures(last.actual)), ` ${page.period.period[last.period]}`, head.synthetic && last.synthetic ? ` · ${word("synthetic")}` : ""] : word("no_figure")],
    ["target", [element("strong", asked(t)), written && written !== asked(t) ? ` ${word("in_plan_words", { n: written })}` : ""]],
    ["due_date", of("due")],
    ["department", named("department", of("department"))],
    ["frequency", coded("frequency_", of("frequency"))],
    of("baseline") !== null && ["baseline", `${figures(of("baseline"))} ${of("baseline_period") ?? ""}`],
    ["expected", [row && row.expected !== null ? figures(row.expected) : word("none"), " ", element("small", coded("trajectory_", of("trajectory")) + word("trajectory_policy"))]],
    last && ["gap", last.gap === null ? word("none") : number(last.gap, 4) + spaced(of("unit"))],
    last && ["attainment", last.attainment === null ? word("none") : `${number(last.attainment * 100, 1)}%`],
    last && last.needed !== null && ["needed", number(last.needed, 4) + spaced(of("unit"))],
    ["forecast", !last || last.forecast === null ? word("no_forecast") : [figure(t, last.forecast),
      last.forecast_low === null ? "" : comma() + word("interval", { low: number(last.forecast_low), high: number(last.forecast_high) }),
      last.will_meet === null ? "" : comma() + word(last.will_meet ? "will_meet" : "will_not_meet")]],
    last && last.year_before !== null && ["year_before", figures(last.year_before)],
    row && ["first_met", row.first_met === null ? word("none") : page.period.period[row.first_met]],
    ["self_assessed", last?.self_assessed ?? word("none")],
    last && ["origin", coded("origin_", last.actual_origin)],
    ["source", source(last)],
  ];
  return element("dl", list.filter((each) => each).flatMap(([key, said]) => [element("dt", word(key)), element("dd", said)]));
}

const BESIDE = 46, A_DAY = 86400000;

function chart(t, v) {
  const wide = Math.min(720, innerWidth - 44), high = 230, state = shown(t, v), drawn = shapes(t, state, wide, high, { side: BESIDE, top: 12, bottom: 34 });
  const svg = d3.create("svg:svg").attr("viewBox", `0 0 ${wide} ${high}`).attr("class", "big line").attr("role", "img")
    .attr("aria-label", word("chart_of", { name: name(t) }));
  if (!drawn.scale) return null;
  const { x, y } = drawn.scale;
  // figures stand at the last days of their periods, and so do the ticks
  const every = head.ends > head.plan_ends ? 12 : wide < 500 ? 3 : 1;
  const monthEnds = d3.utcMonth.range(new Date(head.starts), new Date(instant(head.ends) + 2 * A_DAY)).slice(1).filter((_, n) => (n + 1) % every === 0);
  svg.append("g").attr("transform", `translate(0,${high - 24})`).call(
    d3.axisBottom(x).tickValues(monthEnds.map((next) => next - A_DAY)).tickSize(4).tickFormat((ms) => {
      const month = new Date(ms).getUTCMonth() + 1;
      return every === 12 ? new Date(ms).getUTCFullYear() : inChinese() ? `${month}月` : month;
    }));
  svg.append("g").attr("transform", `translate(${BESIDE},0)`).attr("class", "grid")
    .call(d3.axisLeft(y).ticks(5).tickFormat((n) => number(n, 4)).tickSize(2 * BESIDE - wide));
  for (const shape of ["band", "target", "expected", "ahead-line", "actual", "dots", "last"])
    if (drawn[shape]) svg.append("path").attr("class", shape).attr("d", drawn[shape]);
  return element("figure", [svg.node()], { "data-status": state.status });
}

function table(caption, columns, rows) {
  return element("div", element("table", [
    element("caption", word(caption)),
    element("thead", element("tr", columns.map((key) => element("th", word(key), { scope: "col" })))),
    element("tbody", rows.map((row) => element("tr", row.map((cell, n) => element(n ? "td" : "th", cell, n ? {} : { scope: "row" }))))),
  ]), { class: "wide", tabindex: "0", role: "region", "aria-label": word(caption) });
}

const replaced = (place, v) => page.figure.replaced[place] !== null && page.figure.replaced[place] <= page.vintage.moment[v];

function show(t, v) {
  const title = element("h2", [name(t), " ", element("small", at("target", "target", t))], { id: "details-title" });
  const close = element("button", `✕ ${word("close")}`, { type: "button", class: "plain" });
  close.addEventListener("click", () => dialog.close());
  const places = page.figure.target.flatMap((each, place) => (each === t && page.figure.moment[place] <= page.vintage.moment[v] ? [place] : []));
  dialog.replaceChildren(
    element("header", [element("div", [title, element("p", `${word("as_known")} ${day(v)}`)]), close]),
    ...[chart(t, v)].filter((each) => each),
    facts(t, v),
    table("by_period", ["period", "value", "expected", "status", "source"],
      series(t, v).map((row) => [page.period.period[row.period], figure(t, row.actual, 4), row.expected === null ? "" : figure(t, row.expected, 4), sign(row.status), source(row)])),
    table("by_vintage", ["at_date", "period", "value", "status"],
      vintages.slice(0, v + 1).reverse().map((each) => {
        const { status, last } = shown(t, each);
        return [day(each), last ? page.period.period[last.period] : "", figure(t, last ? last.actual : null, 4), sign(status)];
      })),
    table("revisions", ["period", "value", "known_from", "known_to", "source"],
      places.map((place) => [page.period.period[page.figure.period[place]] ?? "", figure(t, page.figure.value[place], 4), at("figure", "known_from", place),
        replaced(place, v) ? at("figure", "known_to", place) : word("current"), source({ file: page.figure.file[place], row_number: page.figure.row_number[place] })])),
  );
  dialog.lang = document.documentElement.lang;
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}
