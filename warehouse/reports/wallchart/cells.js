// A target as a cell: its sign, its figure, its line.

const WIDE = 200, HIGH = 60, EDGE = { side: 5, top: 5, bottom: 5 };

function scales(t, all, wide, high, edge) {
  const goal = page.target.goal[t], starts = start(t);
  const figures = [goal, page.target.goal_high[t], starts];
  for (const row of all) figures.push(row.actual, row.expected, row.target_value, row.forecast, row.forecast_low, row.forecast_high);
  let [low, top] = d3.extent(figures.filter((x) => x !== null));
  if (low === undefined) return null;
  if (low === top) [low, top] = [low - Math.abs(low || 1) / 2, top + Math.abs(top || 1) / 2];
  return {
    x: d3.scaleLinear([instant(head.starts), instant(head.ends)], [edge.side, wide - edge.side]),
    y: d3.scaleLinear([low, top], [high - edge.bottom, edge.top]),
  };
}

/** Where target t's way begins: the baseline of a stock, zero of what adds up within the year. */
function start(t) {
  const accumulates = at("target", "accumulates", t);
  if (accumulates === "stock") return page.target.baseline[t];
  return accumulates === "flow" && at("target", "kind", t) !== "milestone" ? 0 : null;
}

/** The way from the last figure to the forecast: by period in the release, of earlier vintages its two ends. */
function wayAhead(t, v, last) {
  const begins = { day: instant(last.ends), low: last.actual, middle: last.actual, high: last.actual };
  const steps = v === released ? page.forecast.target.flatMap((each, f) => (each === t && page.forecast.origin[f] === last.period ? [{
    day: instant(page.period.period_end[page.forecast.period[f]]),
    low: page.forecast.forecast_low[f], middle: page.forecast.forecast[f], high: page.forecast.forecast_high[f],
  }] : [])) : [];
  if (!steps.length) steps.push({ day: instant(at("target", "due", t)), low: last.forecast_low ?? last.forecast, middle: last.forecast, high: last.forecast_high ?? last.forecast });
  return [begins, ...steps];
}

/** The shapes of a target's line, by the name of the path that draws it. */
function shapes(t, { v, all, last }, wide, high, edge) {
  const scale = scales(t, all, wide, high, edge);
  if (!scale) return {};
  const { x, y } = scale, begins = start(t), from = begins === null ? [] : [[x(instant(head.starts)), y(begins)]];
  const points = (column) => all.filter((row) => row[column] !== null).map((row) => [x(instant(row.ends)), y(row[column])]);
  const line = d3.line().curve(at("target", "kind", t) === "milestone" ? d3.curveStepAfter : d3.curveLinear);
  const actual = points("actual");
  const asks = [page.target.goal[t] ?? all.findLast((row) => row.target_value !== null)?.target_value ?? null, page.target.goal_high[t]];
  const dot = ([px, py]) => `M${px} ${py}h0`;
  const here = last && [x(instant(last.ends)), y(last.actual)];
  const way = here && last.forecast !== null && last.ends < at("target", "due", t) ? wayAhead(t, v, last) : [];
  return {
    scale,
    target: asks.filter((goal) => goal !== null).map((goal) => `M${edge.side} ${y(goal)}H${wide - edge.side}`).join(""),
    expected: line([...from, ...points("expected")]),
    actual: actual.length ? line([...from, ...actual]) : null,
    dots: actual.map(dot).join(""),
    last: here && dot(here),
    band: way.length ? d3.area((step) => x(step.day), (step) => y(step.low), (step) => y(step.high))(way) : null,
    "ahead-line": way.length ? d3.line((step) => x(step.day), (step) => y(step.middle))(way) : null,
  };
}

const QUARTERS = [1, 2, 3].map((n) => `M${EDGE.side + ((WIDE - 2 * EDGE.side) * n) / 4} ${HIGH}v-4`).join("");

const cells = targets.map((t) => {
  const item = document.getElementById("cell").content.firstElementChild.cloneNode(true);
  const cell = item.firstElementChild;
  cell.id = at("target", "target", t);
  cell.dataset.t = t;
  const part = (name) => cell.querySelector(`.${name}`);
  return { t, item, cell, part: Object.fromEntries(["status", "code", "name", "period", "asked", "outlook", "due", "whom"].map((n) => [n, part(n)])),
    number: cell.querySelector("b.actual"), use: cell.querySelector("use"), paths: [...cell.querySelectorAll(".line path")] };
});

function outlook(t, row) {
  if (!row || row.status === "achieved" || row.forecast === null || row.ends >= at("target", "due", t)) return "";
  const key = row.will_meet === null ? "forecast_only" : row.will_meet ? "forecast_meets" : "forecast_misses";
  return (row.will_meet === null ? "" : row.will_meet ? "↗ " : "↘ ") + word(key, { n: figure(t, row.forecast) });
}

function draw({ t, cell, part, number: figured, use, paths }, v) {
  const state = shown(t, v), { status, last } = state;
  cell.dataset.status = status;
  use.setAttribute("href", `#s-${status}`);
  part.status.textContent = word(`status_${status}`);
  part.code.textContent = at("target", "target", t);
  part.name.textContent = name(t);
  figured.textContent = figure(t, last ? last.actual : null);
  part.period.textContent = last ? page.period.period[last.period] : "";
  part.asked.textContent = `${word("asked")} ${asked(t)}`;
  part.outlook.textContent = outlook(t, last);
  part.due.textContent = word("due", { day: at("target", "due", t) });
  part.whom.textContent = named("department", page.target.department[t]);
  const drawn = shapes(t, state, WIDE, HIGH, EDGE);
  for (const path of paths) {
    const shape = path.classList.contains("ticks") ? QUARTERS : drawn[path.classList[0]];
    if (shape) path.setAttribute("d", shape);
    else path.removeAttribute("d");
  }
}
