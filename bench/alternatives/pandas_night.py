"""A night in pandas, judged by Great Expectations' stock expectations on its pandas engine: the usual choice.

`python pandas_night.py ROOT AS_OF` reads the same files as the others (ROOT/received.csv lists them; the compiled plan is in
ROOT/plan) and leaves ROOT/pandas: judged rows, figures with their vintages, findings (path, row, rule), the core marts
(pandas_marts.py), as Parquet and in night.duckdb. Prints the seconds of each part as one line of JSON.

What it does not do: rules Q03, Q04, Q06 (medians of a series' past, shares and rates from their parts) and those across
submissions (M01 to M04); messages for the sender; Chinese numerals; periods other than months; any verification. Runs in a
venv of its own: nothing of this project is imported.
"""

import json
import re
import sys
import time
import unicodedata
from pathlib import Path

import duckdb
import great_expectations as gx
import great_expectations.expectations as gxe
import numpy as np
import pandas as pd
import pandas_marts

COLUMNS = dict(zip(["指标编码", "报告期", "地区", "数值", "单位", "口径", "说明"],
                   ["indicator_text", "period_text", "area_text", "value_text", "unit_text", "measure_text", "note_text"],
                   strict=True))  # fmt: skip
NONE = {"", "-", "--", "—", "——", "–", "/", "无", "暂无", "N/A", "n/a", "NA", "无数据", "缺"}
TENS = {"": 0, "十": 1, "百": 2, "千": 3, "万": 4, "十万": 5, "百万": 6, "千万": 7, "亿": 8, "十亿": 9, "百亿": 10, "千亿": 11,
        "万亿": 12}  # fmt: skip
DOWN = "下降|减少|降低|下滑|回落|降"
SIGN = re.compile(rf"^(同比|比上年)?(增长|增加|上升|提高|提升|上涨|{DOWN})了?(大约|约)?")
NUMBER = re.compile(
    r"([+-]?)(\d{1,3}(?:,\d{3})+|\d+)?((?:\.\d+)?)((?:[eE][+-]?\d{1,3})?)((?:十|百|千)?(?:万亿|万|亿)?)([^\d+\-.,]*)"
)
PERIOD = re.compile(r"(\d{4})(?:[-/.]?(0[1-9]|1[0-2])|[-/.]([1-9])|年(1[0-2]|0?[1-9])月份?)")
FIGURE = ["department", "indicator", "area", "period", "measure"]
ORDER = [*FIGURE, "known_from"]


def plain(text: str) -> str:
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text)).lower()


def figure(text: str) -> tuple[str, float, bool, str]:
    """State, value, whether it is approximate, and what follows the number."""
    t = re.sub(
        r"\s", "", text.translate(str.maketrans("０１２３４５６７８９．，％＋－−﹣（）／", "0123456789.,%+---()/"))
    )
    if t in NONE:
        return "none", np.nan, False, ""
    about = bool(re.search(r"^(大约|约为|约)|[长加升高涨降少低滑落了]约|(左右|上下)$", t))
    t = re.sub(r"^(大约|约为|约)|(左右|上下)$", "", t)
    said = SIGN.match(t)
    number = NUMBER.fullmatch(SIGN.sub("", t))
    if re.fullmatch(r"(与上年|同比)?持平", t):
        return "figure", 0.0, about, ""
    if number is None or not (number[2] or number[3]) or (said and number[1]):
        return "error", np.nan, False, ""
    plus, whole, part, power, times, suffix = number.groups()
    value = float(f"{(whole or '').replace(',', '')}{part}e{int(power[1:] or 0) + TENS[times]}")
    sign = -1 if bool(said and re.search(DOWN, said[0])) != (plus == "-") else 1
    return "figure", sign * value, about, suffix


def month_of(text: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    found = PERIOD.fullmatch(plain(text))
    if not found:
        return pd.NaT, pd.NaT
    start = pd.Timestamp(int(found[1]), int(found[2] or found[3] or found[4]), 1)
    return start, start + pd.offsets.MonthEnd(0)


def each_once(texts: pd.Series, read, columns: list[str]) -> pd.DataFrame:
    """What `read` says of each text, a column a part; a spelling is read once."""
    known = texts.dropna().unique()
    told = pd.DataFrame([read(t) for t in known], index=known, columns=columns)
    return told.reindex(texts).set_axis(texts.index)


def named(texts: pd.Series, names: dict[str, str]) -> pd.Series:
    return texts.map({t: names.get(plain(t)) for t in texts.dropna().unique()})


def read(root: Path) -> pd.DataFrame:
    received = pd.read_csv(root / "received.csv")
    received["received_at"] = pd.to_datetime(received["received_at"], utc=True)
    files = []
    for r in received.itertuples():
        rows = pd.read_csv(r.file, dtype=str, keep_default_na=False, na_values=[""]).rename(columns=COLUMNS)
        files.append(rows.assign(path=r.path, department=r.department, received_at=r.received_at,
                                 row_number=np.arange(2, len(rows) + 2)))  # fmt: skip
    return pd.concat(files, ignore_index=True)


def resolved(rows: pd.DataFrame, plan: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The rows with what their texts mean, and what the plan says of their indicator and area."""
    head = plan["plan"].iloc[0]
    zone = head["zone"]
    j = rows.copy()
    period = each_once(j["period_text"], month_of, ["period_start", "period_end"])
    j["period_end"] = period["period_end"]
    j["received_on"] = j["received_at"].dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
    names = {plain(n): i for n, i in plan["indicator_name"][["name", "indicator"]].itertuples(index=False)}
    names |= {i: i for i in plan["indicator"]["indicator"]}
    j["indicator"] = named(j["indicator_text"], names)
    own = plan["indicator"][["indicator", "lead_department", "unit", "measure", "possible_low", "possible_high", "whole_number",
                             "unit_dimension", "unit_factor", "unit_is_counter", "accumulates"]]  # fmt: skip
    j = j.merge(own.rename(columns={"unit": "own_unit", "measure": "own_measure"}), how="left", on="indicator")
    reports = plan["indicator_reporter"].assign(may_report=True)
    j = j.merge(reports, how="left", on=["indicator", "department"])
    j["may_report"] = j["may_report"].eq(True) | j["indicator"].isna()
    area = plan["area"]
    areas = {plain(n): a for c in ("name_en", "name_zh", "area") for n, a in area[[c, "area"]].itertuples(index=False)}
    blank = j["area_text"].fillna("").str.strip() == ""
    j["area"] = named(j["area_text"], areas).mask(blank, head["city"])
    j = j.merge(plan["indicator_area"].assign(area_reported=True), how="left", on=["indicator", "area"])
    j["area_reported"] = j["area_reported"].eq(True) | j["indicator"].isna()
    measures = {plain(t): m for t, m in plan["measure"][["text", "measure"]].itertuples(index=False)}
    said = j["measure_text"].fillna("").str.strip() != ""
    j["measure"] = named(j["measure_text"], measures).where(said, j["own_measure"].fillna("none"))

    text = j["value_text"]
    bare = text.str.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?").eq(True)
    told = each_once(text[~bare], figure, ["state", "value", "approximate", "suffix"])
    j["value_state"] = told["state"].reindex(j.index).mask(bare, "figure").fillna("none")
    stated = pd.to_numeric(text.where(bare), errors="coerce").fillna(told["value"].reindex(j.index).astype(float))
    j["approximate"] = told["approximate"].reindex(j.index).eq(True)
    suffix = told["suffix"].reindex(j.index).fillna("")
    units = plan["unit"].set_index("name")[["dimension", "factor", "is_counter"]]
    has_unit = j["unit_text"].fillna("").str.strip() != ""

    def unit_of(texts: pd.Series) -> pd.DataFrame:
        spelt = texts.map({t: plain(t) for t in texts.dropna().unique()})
        return units.reindex(spelt).set_axis(texts.index)

    of_unit, of_suffix = unit_of(j["unit_text"]), unit_of(suffix)
    stated_unit = of_unit.where(has_unit, of_suffix)
    unknown_suffix = (suffix != "") & of_suffix["dimension"].isna()
    j.loc[unknown_suffix, "value_state"] = "error"
    apart = has_unit & of_suffix["dimension"].notna() & (
        (of_unit["dimension"] != of_suffix["dimension"]) | (of_unit["factor"] != of_suffix["factor"])
    )  # fmt: skip
    j["unit_state"] = np.select(
        [
            ~has_unit & ((suffix == "") | unknown_suffix),
            stated_unit["dimension"].isna(),
            j["indicator"].isna(),
            apart,
            stated_unit["dimension"] == j["unit_dimension"],
            stated_unit["is_counter"].eq(True) & j["unit_is_counter"].eq(True),
        ],
        ["own", "unknown", "own", "foreign", "own", "other counter"],
        "foreign",
    )
    factor, own_factor = stated_unit["factor"].astype(float), j["unit_factor"]
    value = np.select(
        [factor.isna() | (factor == own_factor), factor > own_factor],
        [stated, stated * (factor / own_factor)],
        stated / (own_factor / factor),
    )
    counts = j["unit_state"].isin(["own", "other counter"]) & (j["value_state"] == "figure")
    j["value"] = pd.Series(value, j.index).where(counts)
    spans = plan["period"].loc[plan["period"]["span"] == "month", ["period", "period_end"]]
    spans = spans.assign(period_end=pd.to_datetime(spans["period_end"]))
    j = j.merge(spans, how="left", on="period_end")
    first, last = pd.Timestamp(head["history_from"]).strftime("%Y-%m"), pd.Timestamp(head["ends"]).strftime("%Y-%m")
    month = j["period_end"].dt.strftime("%Y-%m")
    inside = month.between(first, last)
    j["month"] = month.where(inside, j["received_on"].dt.strftime("%Y-%m").clip(first, last))
    j["explained"] = j["note_text"].fillna("").str.strip() != ""
    given = j["value"].notna() & j["indicator"].notna()
    keys = ["path", "indicator", "area", "period", "measure"]
    by = j[given].groupby(keys)["value"]
    j["given_apart"] = (by.transform("max") > by.transform("min")).reindex(j.index).eq(True)
    far = (j["value"] - j["value"].round()).abs() > 1e-6 * np.maximum(1, j["value"].abs())
    j["not_whole"] = j["whole_number"].eq(True) & far
    return j


def broken(frame: pd.DataFrame, rules: list[tuple[str, gxe.Expectation]]) -> pd.DataFrame:
    """Index and rule of the rows that break a rule, as Great Expectations finds them in one validation."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("rows")
    suite = context.suites.add(gx.ExpectationSuite(name="rules", expectations=[e for _, e in rules]))
    definition = gx.ValidationDefinition(
        name="rules", data=asset.add_batch_definition_whole_dataframe("all"), suite=suite
    )
    definition = context.validation_definitions.add(definition)
    found = definition.run(
        batch_parameters={"dataframe": frame},
        result_format={"result_format": "COMPLETE", "return_unexpected_index_query": False},
    )
    rows = []
    for result in found.results:
        if result.exception_info.get("raised_exception") or "unexpected_index_list" not in result.result:
            raise SystemExit(f"{result.expectation_config.meta}: {result.exception_info}")
        rule = result.expectation_config.meta["rule"]
        rows.append(pd.DataFrame({"row": result.result["unexpected_index_list"], "rule": rule}))
    return pd.concat(rows).drop_duplicates()


def rule(code: str, kind: type[gxe.Expectation], **said: object) -> tuple[str, gxe.Expectation]:
    return code, kind(**said, meta={"rule": code})


def validity(plan: pd.Series) -> list[tuple[str, gxe.Expectation]]:
    known = {"condition_parser": "pandas"}
    either = {"ignore_row_if": "either_value_is_missing"}
    starts, ends = pd.Timestamp(plan["history_from"]), pd.Timestamp(plan["ends"])
    return [
        rule("V01", gxe.ExpectColumnValuesToNotBeNull, column="indicator"),
        rule("V02", gxe.ExpectColumnValuesToBeInSet, column="may_report", value_set=[True]),
        rule("V03", gxe.ExpectColumnValuesToNotBeNull, column="period_end"),
        rule("V04", gxe.ExpectColumnValuesToBeBetween, column="period_end", min_value=starts, max_value=ends),
        rule("V04", gxe.ExpectColumnPairValuesAToBeGreaterThanB, column_A="received_on", column_B="period_end", **either),
        rule("V05", gxe.ExpectColumnValuesToNotBeInSet, column="value_state", value_set=["error"]),
        rule("V06", gxe.ExpectColumnValuesToNotBeInSet, column="unit_state", value_set=["unknown"]),
        rule("V07", gxe.ExpectColumnValuesToNotBeInSet, column="unit_state", value_set=["foreign"]),
        rule("V08", gxe.ExpectColumnPairValuesAToBeGreaterThanB, column_A="value", column_B="possible_low", or_equal=True, **either),
        rule("V08", gxe.ExpectColumnPairValuesAToBeGreaterThanB, column_A="possible_high", column_B="value", or_equal=True, **either),
        rule("V08", gxe.ExpectColumnValuesToBeInSet, column="not_whole", value_set=[False]),
        rule("V09", gxe.ExpectColumnValuesToBeInSet, column="given_apart", value_set=[False]),
        rule("V10", gxe.ExpectColumnValuesToNotBeNull, column="measure"),
        rule("V10", gxe.ExpectColumnPairValuesToBeEqual, column_A="measure", column_B="own_measure", **either),
        rule("V11", gxe.ExpectColumnValuesToNotBeNull, column="area"),
        rule("V11", gxe.ExpectColumnValuesToBeInSet, column="area_reported", value_set=[True],
             row_condition="area.notnull()", **known),
    ]  # fmt: skip


def locked(sound: pd.DataFrame, plan: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The rows that correct a figure of a locked quarter, with the figure that stood when it was locked."""
    quarters = plan["filing_due"].assign(
        from_month=pd.to_datetime(plan["filing_due"]["period_start"]).dt.strftime("%Y-%m"),
        to_month=pd.to_datetime(plan["filing_due"]["period_end"]).dt.strftime("%Y-%m"),
    )
    late = []
    month = sound["period_end"].dt.strftime("%Y-%m")
    for q in quarters.itertuples():
        some = sound[month.between(q.from_month, q.to_month) & (sound["received_at"] >= q.lock_at)]
        late.append(some.assign(quarter=q.quarter, lock_at=q.lock_at))
    late = pd.concat(late)
    open_again = plan["reopening"].merge(late.reset_index()[["index", "department", "quarter", "received_at"]],
                                         on=["department", "quarter"])  # fmt: skip
    open_again = open_again[open_again["received_at"].between(open_again["opens_at"], open_again["closes_at"], "left")]
    late = late.drop(open_again["index"].unique())
    stood = late.reset_index().merge(
        sound[[*FIGURE, "value", "received_at", "path"]], on=FIGURE, suffixes=("", "_stood")
    )
    stood = stood[stood["received_at_stood"] < stood["lock_at"]]
    stood = stood.sort_values(["received_at_stood", "path_stood"]).drop_duplicates("index", keep="last")
    return stood[stood["value"] != stood["value_stood"]].set_index("index")


def vintages(kept: pd.DataFrame, withdrawn: pd.DataFrame) -> pd.DataFrame:
    """What was known of each figure, from when to when; the row that gave it is in `row`."""
    given = kept[kept["value"].notna()].rename(columns={"received_at": "known_from"})
    given = given.rename_axis("row").reset_index().merge(withdrawn[["path", "withdrawn_at"]], how="left", on="path")
    given = given.sort_values([*ORDER, "path", "row_number"], ascending=[True] * 6 + [False, True])
    given = given.drop_duplicates(ORDER)
    touched = given.loc[given["withdrawn_at"].notna(), FIGURE].drop_duplicates()
    told = given.merge(touched, on=FIGURE)
    moments = pd.concat(
        [told[ORDER], told[[*FIGURE, "withdrawn_at"]].dropna().set_axis(ORDER, axis=1)]
    ).drop_duplicates()
    standing = moments.rename(columns={"known_from": "moment"}).merge(told, on=FIGURE)
    standing = standing[(standing["known_from"] <= standing["moment"])
                        & (standing["withdrawn_at"].isna() | (standing["withdrawn_at"] > standing["moment"]))]  # fmt: skip
    standing = standing.sort_values("known_from").drop_duplicates([*FIGURE, "moment"], keep="last")
    standing = moments.rename(columns={"known_from": "moment"}).merge(standing, how="left", on=[*FIGURE, "moment"])
    standing = standing.drop(columns="known_from").rename(columns={"moment": "known_from"})
    others = given.merge(touched.assign(touched=True), how="left", on=FIGURE)
    others = others[others["touched"].isna()].drop(columns="touched")
    told = pd.concat([others, standing], ignore_index=True).sort_values(ORDER, ignore_index=True)
    by = told.groupby(FIGURE, sort=False)
    first = by.cumcount() == 0
    before, about = by["value"].shift(), by["approximate"].shift()
    same = (
        ~first & ((told["value"] == before) | (told["value"].isna() & before.isna())) & (told["approximate"] == about)
    )
    told = told.assign(replaced_value=before.where(~first & (told["value"] != before)))[~same]
    told["known_to"] = told.groupby(FIGURE, sort=False)["known_from"].shift(-1)
    return told[told["value"].notna()]


def flagged(kept: pd.DataFrame, known: pd.DataFrame, plan: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The kept rows with what the rules Q compare them with."""
    threshold = plan["threshold"].iloc[0]
    now = known.loc[known["known_to"].isna(), [*FIGURE, "period_end", "value", "accumulates"]]
    series = ["department", "indicator", "area"]
    now = now.assign(m=now["period_end"].dt.year * 12 + now["period_end"].dt.month).sort_values([*series, "m"])
    by = now.groupby(series, sort=False)
    now["m_before"], now["value_before"] = by["m"].shift(), by["value"].shift()
    year_ago = now[[*series, "m", "value"]].assign(m=now["m"] + 12).rename(columns={"value": "value_year"})
    now = now.merge(year_ago, how="left", on=[*series, "m"])
    same_year = (now["m"] - 1) // 12 == (now["m_before"] - 1) // 12
    now["earlier_value"] = now["value_before"].where((now["measure"] == "ytd") & same_year)
    usable = (now["m_before"] >= now["m"] - 12) & ((now["accumulates"] != "flow") | same_year)
    now["history_value"] = now["value_year"].fillna(now["value_before"].where(usable))
    k = kept.rename_axis("row").reset_index()
    k = k.merge(
        now[[*series, "period", "value_year", "earlier_value", "history_value"]], how="left", on=[*series, "period"]
    )
    k = k.merge(plan["plausible"][["indicator", "area", "period", "plausible_low", "plausible_high", "usual"]], how="left",
                on=["indicator", "area", "period"])  # fmt: skip
    points = k["own_measure"].map(plan["plausible_points"].set_index("measure")["points"])
    rate, year = k["accumulates"] == "rate", k["value_year"]
    for side, sign, times in (("low", -1, threshold["history_low"]), ("high", 1, threshold["history_high"])):
        of_year = (year + sign * points).where(rate, (year * times).where(year > 0))
        both = pd.concat([k[f"plausible_{side}"], of_year], axis=1)
        k[f"plausible_{side}"] = both.min(axis=1) if sign < 0 else both.max(axis=1)
    k = k.merge(plan["obligation"][["department", "indicator", "area", "period", "due_at"]], how="left",
                on=["department", "indicator", "area", "period"])  # fmt: skip
    first = known[known["replaced_value"].notna()].set_index(["row", "known_from"])["replaced_value"]
    k["news"] = k["row"].isin(known["row"]) & k["value"].notna()
    k["replaced_value"] = first.reindex(pd.MultiIndex.from_frame(k[["row", "received_at"]])).to_numpy()
    k["fell"] = (k["measure"] == "ytd") & (k["value"] < k["earlier_value"] - 1e-9 * k["earlier_value"].abs())
    k["late"] = k["news"] & (k["received_at"] >= k["due_at"])
    k["slipped"], near = False, pd.Series(False, k.index)
    for yard in ("history_value", "usual"):
        ratio = k["value"] / k[yard].where(k[yard] != 0)
        near |= ratio.between(0.2, 5)
        for power in (2, 4, 8, -2, -4, -8):
            k["slipped"] |= ratio.between(
                10.0**power / threshold["slip_within"], 10.0**power * threshold["slip_within"]
            )
    k["slipped"] &= ~near & (k["value"] != 0)
    return k.set_index("row").rename_axis(None)  # of an index with a name Great Expectations makes a dict a row


QUALITY = [
    rule("Q01", gxe.ExpectColumnPairValuesAToBeGreaterThanB, column_A="value", column_B="plausible_low", or_equal=True,
         ignore_row_if="either_value_is_missing"),
    rule("Q01", gxe.ExpectColumnPairValuesAToBeGreaterThanB, column_A="plausible_high", column_B="value", or_equal=True,
         ignore_row_if="either_value_is_missing"),
    rule("Q02", gxe.ExpectColumnValuesToBeInSet, column="fell", value_set=[False]),
    rule("Q05", gxe.ExpectColumnValuesToBeInSet, column="approximate", value_set=[False]),
    rule("Q07", gxe.ExpectColumnValuesToBeInSet, column="late", value_set=[False]),
    rule("Q08", gxe.ExpectColumnValuesToNotBeInSet, column="unit_state", value_set=["other counter"]),
    rule("Q09", gxe.ExpectColumnValuesToBeNull, column="replaced_value"),
    rule("Q10", gxe.ExpectColumnValuesToBeInSet, column="slipped", value_set=[False]),
]  # fmt: skip


def main(root: Path, as_of: pd.Timestamp) -> None:
    wall: dict[str, float] = {}
    began = time.perf_counter()

    def done(stage: str) -> None:
        wall[stage] = time.perf_counter() - began - sum(wall.values())

    plan = {file.stem: pd.read_parquet(file) for file in sorted((root / "plan").glob("*.parquet"))}
    rows = read(root)
    withdrawn = pd.read_csv(root / "withdrawn.csv")
    withdrawn["withdrawn_at"] = pd.to_datetime(withdrawn["withdrawn_at"], utc=True)
    done("read")
    judged = resolved(rows, plan)
    done("resolve")
    returned = broken(judged, validity(plan["plan"].iloc[0]))
    sound = judged[judged["value"].notna() & ~judged.index.isin(returned["row"])]
    judged["locked_value"] = locked(sound, plan)["value_stood"].reindex(judged.index)
    returned = pd.concat(
        [returned, broken(judged, [rule("V12", gxe.ExpectColumnValuesToBeNull, column="locked_value")])]
    )
    judged["kept"] = ~judged.index.isin(returned["row"])
    judged["withdrawn"] = judged["path"].isin(withdrawn["path"])
    done("rules V")
    known = vintages(judged[judged["kept"]], withdrawn)
    done("observe")
    flags = broken(flagged(judged[judged["kept"] & ~judged["withdrawn"]], known, plan), QUALITY)
    done("rules Q")
    out = root / "pandas"
    month = out / "data" / "months" / "all"
    month.mkdir(parents=True)
    for name, severity, found in (("validity", "error", returned), ("quality", "warning", flags)):
        of = judged.loc[found["row"], ["path", "department", "month", "row_number"]].reset_index(drop=True)
        of.assign(rule=found["rule"].to_numpy(), severity=severity).to_parquet(month / f"{name}.parquet")
    submission = {"path": "submission", "own_unit": "unit"}
    judged.drop(columns=["received_on"]).rename(columns=submission).to_parquet(month / "row.parquet")
    known.rename(columns=submission).to_parquet(month / "observation.parquet")
    done("written")
    made = pandas_marts.make(out, plan, as_of)
    with duckdb.connect(str(out / "night.duckdb")) as con:
        con.execute("set timezone = 'UTC'")
        for name, frame in made.items():
            con.register("frame", frame)
            con.execute(f"create table {name} as from frame")
        con.execute(
            f"create table finding as from read_parquet(['{month}/validity.parquet', '{month}/quality.parquet'])"
        )
    done("marts")
    print(json.dumps({"wall": wall}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), pd.Timestamp(sys.argv[2]))
