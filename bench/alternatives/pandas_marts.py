"""The core marts in plain pandas, as one would write them in a notebook: what stands now, who owed what, progress with its
status, scores of capabilities and departments. For a city whose indicators are all monthly.

`python pandas_marts.py ROOT AS_OF` reads ROOT/data/months and ROOT/plan and writes ROOT/pandas/<mart>.parquet. Runs in a venv
of its own: nothing of this project is imported.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

KEY = ["indicator", "area", "period"]
OWED = ["department", *KEY]


def read_months(root: Path, name: str, columns: list[str]) -> pd.DataFrame:
    files = sorted((root / "data" / "months").glob(f"*/{name}.parquet"))
    return pd.concat([pd.read_parquet(f, columns=columns) for f in files], ignore_index=True)


def observation_current(root: Path) -> pd.DataFrame:
    columns = [
        *KEY,
        "period_end",
        "measure",
        "value",
        "unit",
        "department",
        "submission",
        "row_number",
        "known_from",
        "known_to",
    ]
    known = read_months(root, "observation", columns)
    now = known[known["known_to"].isna()].drop(columns="known_to")
    return now.sort_values(["period_end", *KEY, "measure", "department"], ignore_index=True)


def obligation(rows: pd.DataFrame, owed: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    given = rows[rows["kept"] & ~rows["withdrawn"] & (rows["received_at"] <= as_of)]
    answered = given.groupby(OWED, sort=False)["received_at"].min().rename("answered_at")
    figures = given[given["value_state"] == "figure"].groupby(OWED, sort=False)["received_at"].min().rename("figure_at")
    told = owed.merge(answered, how="left", on=OWED).merge(figures, how="left", on=OWED)
    told["state"] = np.select(
        [
            told["figure_at"] < told["due_at"],
            told["figure_at"].notna(),
            told["answered_at"].notna(),
            told["due_at"] <= as_of,
        ],
        ["on_time", "late", "not_available", "missing"],
        "not_due",
    )
    told["received_at"] = told["figure_at"].fillna(told["answered_at"])
    return told[[*OWED, "period_end", "due_at", "received_at", "state"]].sort_values(OWED, ignore_index=True)


def actuals(now: pd.DataFrame, plan: dict[str, pd.DataFrame], year_ago: pd.DataFrame) -> pd.DataFrame:
    lead = plan["indicator"][["indicator", "lead_department", "measure"]].rename(
        columns={"lead_department": "department"}
    )
    areas = plan["target_version"]["area"].unique()
    figures = now[now["area"].isin(areas)].merge(lead, on=["indicator", "department", "measure"])[[*KEY, "value"]]
    figures = pd.concat([figures, plan["baseline"][[*KEY, "value"]]]).drop_duplicates(KEY)
    grows = plan["indicator"].loc[plan["indicator"]["growth_from_levels"].fillna(False), ["indicator", "level"]]
    level = grows.merge(figures, left_on="level", right_on="indicator", suffixes=("", "_of"))
    growth = level.merge(year_ago, on="period").merge(
        figures, left_on=["level", "area", "period_before"], right_on=KEY, suffixes=("", "_then")
    )
    growth = growth[growth["value_then"] > 0]
    growth = growth.assign(value=(growth["value"] / growth["value_then"] - 1) * 100)[[*KEY, "value"]]
    return pd.concat([figures, growth]).drop_duplicates(KEY)


def progress(known: pd.DataFrame, owed: pd.DataFrame, plan: dict[str, pd.DataFrame], year_ago: pd.DataFrame,
             as_of: pd.Timestamp) -> pd.DataFrame:  # fmt: skip
    period, pace = plan["period"], plan["pace"].iloc[0]
    target = plan["target_version"]
    target = target[
        (target["valid_from"].isna() | (target["valid_from"] <= as_of))
        & (target["valid_to"].isna() | (target["valid_to"] > as_of))
    ]
    own = plan["indicator"][["indicator", "span", "accumulates"]]
    g = target.merge(own, on="indicator").merge(
        period.loc[period["in_plan"], ["span", "period", "period_end"]], on="span"
    )
    g = g.merge(plan["trajectory"].rename(columns={"share": "policy_share"}), on=["target", "since", "period"])
    due = period[["span", "period", "period_start", "period_end"]].rename(
        columns={"period": "due_period", "period_start": "due_start", "period_end": "due_end"}
    )
    due = target[["target", "indicator", "due"]].merge(own, on="indicator").merge(due, on="span")
    due = due[(due["due_start"] <= due["due"]) & (due["due_end"] >= due["due"])]
    g = g.merge(due[["target", "due_period"]], how="left", on="target")
    g = g.merge(owed.groupby(KEY, as_index=False)["due_at"].max(), how="left", on=KEY)
    before = year_ago.rename(columns={"period": "due_period", "period_before": "due_before"})
    g = g.merge(year_ago, how="left", on="period").merge(before, how="left", on="due_period")

    def at(period_column: str, name: str, indicator: str = "indicator") -> None:
        nonlocal g
        other = known.rename(columns={"indicator": indicator, "period": period_column, "value": name})
        g = g.merge(other, how="left", on=[indicator, "area", period_column])

    at("period", "actual")
    at("period_before", "year_before")
    at("due_before", "year_before_due")
    at("period", "exceeded", "exceeds")
    g = g.sort_values(["target", "period_end"], ignore_index=True)
    g["previous"] = g.groupby("target")["actual"].shift()
    d, how, kind = g["goal_direction"].astype(float), g["comparator"], g["accumulates"]
    asked = np.where(how == "exceeds", g["exceeded"], np.where((how == "between") & (d < 0), g["goal_high"], g["goal"]))
    asked = pd.Series(asked, g.index, dtype=float)
    at_most = pd.Series(
        np.where((how == "between") & (d > 0), g["goal_high"], np.where(how.isin(["=", "between"]), g["goal"], np.nan)),
        g.index,
    )
    season = g["year_before"] / g["year_before_due"].where(g["year_before_due"] != 0)
    seasonal = (g["trajectory"] == "seasonal") & (kind == "flow") & (g["policy_share"] < 1) & season.between(0, 1)
    share = season.where(seasonal, g["policy_share"])
    leaves = (kind == "stock") & ~how.isin(["exceeds", "done"]) & (d * (asked - g["baseline"]) > 0)
    start = g["baseline"].where(leaves)
    actual = g["actual"]
    over = np.maximum(d * (actual - at_most), 0)
    short = pd.Series(np.where(at_most.notna(), np.maximum(d * (asked - actual), over), d * (asked - actual)), g.index)
    short = short.where(~(short.abs() <= 1e-9 * asked.abs()), 0)
    lasting = (kind != "rate") & at_most.isna() & (how != "exceeds") & ((kind == "stock") | (d * asked > 0))
    expected = pd.Series(
        np.select(
            [
                (kind == "rate") | (share == 1),
                (kind == "flow") | (how == "done"),
                start.notna(),
                d * (asked - g["baseline"]) <= 0,
            ],
            [asked, asked * share, start + (asked - start) * share, asked],
            np.nan,
        ),
        g.index,
    )
    way, way_expected = (asked - start.fillna(0)).abs(), (expected - start.fillna(0)).abs()
    met = np.where(how.isin([">", "<", "exceeds"]), short < 0, short <= g["tolerance"] + 1e-9 * asked.abs()).astype(
        bool
    )
    attainment = (1 - short / way.where(way != 0)).where(short != 0, 1.0)
    ahead = d * (expected - asked)
    late = pd.Series(
        np.select([at_most.isna(), short == 0], [d * (expected - actual), np.minimum(ahead, 0)], ahead + short), g.index
    )
    still = late.abs() <= 1e-9 * expected.abs()
    late = late.mask(still, 0)
    pace_now = (1 - late / way_expected.where(way_expected != 0)).mask(still, 1.0)
    rounded = pace_now.round(9)
    achieved = met & ((g["period_end"] >= g["due"]) | lasting)
    g["status"] = np.select(
        [
            (g["kind"] == "lost") | (g["goal"].isna() & g["exceeds"].isna()),
            actual.isna() & (g["due_at"] <= as_of),
            actual.isna(),
            asked.isna(),
            achieved,
            g["period_end"] >= g["due"],
            how == "done",
            late.isna(),
            pace_now.isna() & (late < 0),
            pace_now.isna(),
            rounded >= pace["ahead"],
            (rounded >= pace["on_pace"]) | (met & (kind != "flow")),
            rounded >= pace["behind"],
        ],
        ["not_assessable", "not_reported", "not_due", "not_assessable", "achieved", "missed", "not_due", "not_assessable", "ahead",
         "far_behind", "ahead", "on_pace", "behind"],
        "far_behind",
    )  # fmt: skip
    first = g[achieved].groupby("target")["period"].first()
    g["first_met"] = g["target"].map(first)
    g = g.assign(target_value=asked, expected=expected, attainment=attainment, pace=pace_now)
    return g[["target", *KEY, "period_end", "actual", "target_value", "expected", "attainment", "pace", "status", "previous",
              "year_before", "first_met"]]  # fmt: skip


def scores(known: pd.DataFrame, plan: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Scores of capabilities and of departments' attainment: the weighted mean of the parts that are known."""
    period = plan["period"]
    asked = period.loc[period["in_plan"], ["period", "span", "period_end"]].rename(
        columns={"period": "at", "period_end": "at_end"}
    )
    latest = known.merge(asked, how="cross")
    latest = (
        latest[latest["period_end"] <= latest["at_end"]]
        .sort_values("period_end")
        .drop_duplicates(["target", "at"], keep="last")
    )
    rule = plan["score_rule"]
    if not (rule["aggregation"] == "arithmetic").all():
        rule = rule[rule["subject_kind"].isin(["capability", "attainment"])]
    part = plan["score_weight"].merge(rule[["subject_kind", "subject", "missing", "least_share", "lowest", "highest"]])
    part = part[part["component_kind"] == "target"].merge(asked, how="cross")
    part = part[(part["subject_kind"] == "capability") | (part["span"] == "quarter")]
    part = part.merge(
        latest[["target", "at", "status", "actual", "attainment", "pace"]], how="left", on=["target", "at"]
    )
    part["status"] = part["status"].fillna("not_due")
    unjudged = part["status"].isin(["not_due", "not_reported", "not_assessable"])
    credit = part["status"].map(plan["status_credit"].set_index("status")["credit"])
    raw = part["attainment"].where(
        part["normalisation"] == "attainment", part["pace"].where(part["normalisation"] == "pace")
    )
    value = raw.fillna(credit).mask(unjudged).clip(part["lowest"], part["highest"])
    value = value.mask((part["missing"] == "as_zero") & (part["status"] == "not_reported"), part["lowest"])
    part = part.assign(
        value=value, known=part["weight"].where(value.notna(), 0), added=(part["weight"] * value).round(12)
    )
    status = part["status"]
    part = part.assign(
        achieved=status == "achieved", on_pace=status.isin(["ahead", "on_pace"]),
        behind=status.isin(["behind", "far_behind", "missed"]), not_reported=status == "not_reported",
    )  # fmt: skip
    by = part.groupby(["subject_kind", "subject", "at"])
    told = by[["weight", "known", "added", "achieved", "on_pace", "behind", "not_reported"]].sum()
    told["targets"], told["least_share"] = by.size(), by["least_share"].first()
    enough = (told["known"] > 0) & (told["known"] >= (told["least_share"] - 1e-9) * told["weight"])
    told["score"] = (told["added"] / told["known"]).where(enough)
    return told.reset_index()


def scorecard(
    owed: pd.DataFrame, rows: pd.DataFrame, scored: pd.DataFrame, root: Path, plan: dict[str, pd.DataFrame]
) -> pd.DataFrame:
    period = plan["period"]
    months = period.loc[period["in_plan"] & (period["span"] == "month"), ["period", "period_end"]]
    quarter = pd.PeriodIndex(pd.to_datetime(months["period_end"]), freq="Q").astype(str)
    quarter = dict(zip(months["period"], quarter, strict=True))
    cards = plan["department"][["department"]].merge(
        pd.DataFrame({"quarter": sorted(set(quarter.values()))}), how="cross"
    )

    def counted(frame: pd.DataFrame, month: str, **columns: pd.Series | bool) -> None:
        nonlocal cards
        frame = (
            frame[["department", month]].assign(quarter=frame[month].map(quarter), **columns).dropna(subset="quarter")
        )
        cards = cards.merge(
            frame.groupby(["department", "quarter"])[list(columns)].sum().reset_index(),
            how="left",
            on=["department", "quarter"],
        )

    state = owed["state"]
    counted(
        owed,
        "period",
        due=state != "not_due",
        on_time=state == "on_time",
        late=state == "late",
        missing=state == "missing",
    )
    counted(rows, "month", rows_read=True, rows_returned=~rows["kept"])
    found = pd.concat([read_months(root, n, ["department", "month", "severity"]) for n in ("validity", "quality")])
    counted(found[found["severity"] == "warning"], "month", warnings=True)
    counts = [c for c in cards.columns if c not in ("department", "quarter")]
    timeliness = cards["on_time"] / cards["due"].where(cards["due"] != 0)
    quality = 1 - cards["rows_returned"] / cards["rows_read"].where(cards["rows_read"] != 0)
    cards[counts] = cards[counts].fillna(0).astype(int)
    reached = scored[scored["subject_kind"] == "attainment"]
    reached = reached.rename(columns={"subject": "department", "at": "quarter", "score": "attainment"})
    reached = reached[["department", "quarter", "targets", "achieved", "on_pace", "behind", "attainment"]]
    cards = cards.assign(timeliness=timeliness, quality=quality).merge(
        reached, how="left", on=["department", "quarter"]
    )
    cards[["targets", "achieved", "on_pace", "behind"]] = (
        cards[["targets", "achieved", "on_pace", "behind"]].fillna(0).astype(int)
    )
    weight = plan["score_weight"]
    weight = weight[weight["subject_kind"] == "department"].copy()
    weight["part"] = weight["component"].where(weight["component_kind"] == "part", "attainment")
    weight.loc[~weight["part"].isin(["timeliness", "quality"]), "part"] = "attainment"
    weight = (
        weight.pivot_table(index="subject", columns="part", values="weight", aggfunc="sum")
        .reindex(cards["department"])
        .fillna(0)
    )
    least = (
        plan["score_rule"]
        .query("subject_kind == 'department'")
        .set_index("subject")["least_share"]
        .reindex(cards["department"])
    )
    parts = cards[["timeliness", "quality", "attainment"]]
    weights = weight[["timeliness", "quality", "attainment"]].to_numpy()
    known = np.where(parts.notna(), weights, 0).sum(axis=1)
    enough = (known > 0) & (known >= (least.to_numpy() - 1e-9) * weights.sum(axis=1))
    total = np.nansum(np.round(parts.clip(0, 1).to_numpy() * weights, 12), axis=1)
    cards["score"] = np.where(enough, total / np.where(known > 0, known, 1), np.nan)
    return cards.sort_values(["department", "quarter"], ignore_index=True)


def make(root: Path, plan: dict[str, pd.DataFrame], as_of: pd.Timestamp) -> dict[str, pd.DataFrame]:
    """The marts by name, made from ROOT/data/months and written to ROOT/pandas."""
    period = plan["period"]
    ends = pd.to_datetime(period["period_end"])
    spans = period[["period", "span", "year"]].assign(month=ends.dt.month)
    year_ago = spans.merge(
        spans.assign(year=spans["year"] + 1).rename(columns={"period": "period_before"}), on=["span", "year", "month"]
    )[["period", "period_before"]]
    marts = {}

    def made(name: str, mart: pd.DataFrame) -> pd.DataFrame:
        marts[name] = mart
        mart.to_parquet(root / "pandas" / f"{name}.parquet")
        return mart

    (root / "pandas").mkdir(exist_ok=True)
    now = made("observation", observation_current(root))
    rows = read_months(root, "row", ["month", *OWED, "value_state", "received_at", "kept", "withdrawn"])
    owed = made("obligation", obligation(rows, plan["obligation"], as_of))
    target = made("progress", progress(actuals(now, plan, year_ago), owed, plan, year_ago, as_of))
    scored = scores(target, plan)
    made("scorecard", scorecard(owed, rows, scored, root, plan))
    made("capability_score", scored[scored["subject_kind"] == "capability"].rename(columns={"subject": "capability", "at": "period"})
         [["capability", "period", "targets", "achieved", "on_pace", "behind", "not_reported", "score"]])  # fmt: skip
    return marts


if __name__ == "__main__":
    given = Path(sys.argv[1])
    compiled = {file.stem: pd.read_parquet(file) for file in sorted((given / "plan").glob("*.parquet"))}
    make(given, compiled, pd.Timestamp(sys.argv[2]))
