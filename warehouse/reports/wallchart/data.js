// The page's data: columns as the release gave them, and the few ways of looking something up in them.

const page = JSON.parse(document.getElementById("data").textContent);
const { head, words, statuses } = page;

/** A column's value at a place; the long tables keep their words in a list. */
function at(table, column, place) {
  const values = page[table][column];
  if (!values.words) return values[place];
  return values.places[place] === null ? null : values.words[values.places[place]];
}

const targets = page.target.target.map((_, t) => t);
const vintages = page.vintage.day.map((_, v) => v);
const released = vintages.length - 1;

/** What is said of target t's period p: places in table row, by the vintage from which it is said. */
const saidOf = targets.map(() => new Map());
page.row.target.forEach((t, place) => {
  const periods = saidOf[t], p = page.row.period[place];
  if (!periods.has(p)) periods.set(p, []);
  periods.get(p).push(place);
});
for (const periods of saidOf) for (const places of periods.values()) places.sort((a, b) => page.row.vintage[a] - page.row.vintage[b]);

/** The row of progress of target t and period p as known at vintage v: its columns by name, or null where there is none. */
function progress(t, p, v) {
  const place = saidOf[t].get(p)?.findLast((i) => page.row.vintage[i] <= v);
  if (place === undefined || page.row.status[place] === null) return null;
  const row = { period: p, ends: page.period.period_end[p] };
  for (const column of Object.keys(page.row)) if (column !== "period") row[column] = at("row", column, place);
  row.status = statuses[row.status];
  return row;
}

/** All periods of target t as known at vintage v, in their order. */
function series(t, v) {
  return [...saidOf[t].keys()].sort((a, b) => a - b).map((p) => progress(t, p, v)).filter((row) => row);
}

/** What target t's cell shows at vintage v: the row that says its status, and the latest figure by then. */
function shown(t, v) {
  const p = page.shown.period[t * vintages.length + v];
  if (p === null) return { v, row: null, status: "none", last: null, all: [] };
  const all = series(t, v);
  const row = all.find((each) => each.period === p);
  const last = row.actual !== null ? row : all.findLast((each) => each.ends <= row.ends && each.actual !== null) ?? null;
  return { v, row, status: row.status, last, all };
}

let language = 0;

function word(key, filled = {}) {
  const said = words[key];
  if (!said) throw new Error(`no words for ${key}`);
  return said[language].replace(/\{(\w+)\}/g, (_, name) => filled[name]);
}

/** The words for a code of the warehouse, or the code where it is new. */
const coded = (kind, code) => (words[kind + code] ? word(kind + code) : code);
const inChinese = () => language === 0;
const comma = () => (inChinese() ? "，" : ", ");
const named = (table, place) => page[table][inChinese() ? "name_zh" : "name_en"][place];

const formats = new Map(); // making one costs more than all else in drawing a cell

function format(digits) {
  const locale = inChinese() ? "zh-CN" : "en-GB", key = `${locale} ${digits}`;
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat(locale, { maximumFractionDigits: digits }));
  return formats.get(key);
}

function number(x, digits = 0) {
  if (x === null) return word("no_figure");
  const most = digits || (Math.abs(x) >= 1000 ? 1 : Math.abs(x) >= 1 || x === 0 ? 2 : 4);
  return format(most).format(x);
}

const spaced = (unit) => (unit === null ? "" : unit === "%" ? "%" : ` ${unit}`);

/** A figure of target t in its indicator's own unit; a dated task is done or not. */
function figure(t, x, digits = 0) {
  if (x !== null && at("target", "kind", t) === "milestone") return word(x >= 1 ? "done" : "not_done");
  return number(x, digits) + (x === null ? "" : spaced(at("target", "unit", t)));
}

/** What is asked of target t, in its indicator's own unit, or as the plan writes it. */
function asked(t, value = page.target.goal[t], high = page.target.goal_high[t], unit = at("target", "unit", t)) {
  const comparator = at("target", "comparator", t), n = value === null ? "" : number(value, 4) + spaced(unit);
  if (at("target", "kind", t) === "lost") return word("asked_lost");
  if (comparator === "done") return word("asked_done");
  if (comparator === "exceeds") return word("asked_exceeds", { what: at("target", inChinese() ? "exceeds_zh" : "exceeds_en", t) });
  if (value === null) return word("asked_none");
  if (comparator === "top") return word("asked_top", { n: number(value) });
  if (comparator === "~") return word("asked_about", { n });
  if (comparator === "between") return `${number(value, 4)}–${number(high, 4)}${spaced(unit)}`;
  return (({ ">=": "≥ ", "<=": "≤ ", ">": "> ", "<": "< " })[comparator] ?? "") + n;
}

function name(t) {
  const own = at("target", inChinese() ? "name_zh" : "name_en", t), area = page.target.area[t];
  return page.area.area[area] === head.city ? own : `${own}${inChinese() ? "（" : " ("}${named("area", area)}${inChinese() ? "）" : ")"}`;
}

const instant = (day) => Date.parse(day); // midnight UTC: days are compared with days only
