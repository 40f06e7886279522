"""The document in words: facts set out as headings, sentences, tables and pictures. Both forms are written from this.

Chinese, with English headings. A figure is never typed here: it comes out of the facts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import polars as pl

from warehouse.reports.documents import plots
from warehouse.reports.documents.facts import Facts
from warehouse.reports.documents.plots import Picture
from warehouse.visible import visible

STATUS = {  # sign beside the colour, Chinese
    "missed": ("×", "未完成"),
    "far_behind": ("▼", "严重滞后"),
    "behind": ("▽", "滞后"),
    "not_reported": ("○", "未报送"),
    "on_pace": ("●", "达到进度"),
    "ahead": ("▲", "超过进度"),
    "achieved": ("√", "已完成"),
    "not_due": ("—", "未到期"),
    "not_assessable": ("※", "无法评估"),
}
ASKS = {
    ">=": "≥ ", ">": "> ", "<=": "≤ ", "<": "< ", "=": "= ", "~": "约 ", "between": "区间 ", "top": "前 ", "exceeds": "> ",
}  # fmt: skip
ORIGIN = {"reported": "报送", "computed from levels": "由水平数计算", "carried forward": "沿用此前报送"}
SEVERITY = {"fatal": "整份退回", "error": "退回", "warning": "提示"}
TITLE = {"self_check": ("自查报告", "Quarterly self-check"), "assessment": ("评估报告", "Year-end assessment")}
CHINESE = "零一二三四五六七八九十"
SYNTHETIC = "合成样例数据 SYNTHETIC SAMPLE DATA"
FIRST = 8  # targets that the summary names
LISTED = 200  # open findings that the annex lists


class Toned(NamedTuple):
    """A cell whose status shows in its colour too."""

    text: str
    status: str


Cell = str | Toned


@dataclass(frozen=True)
class Heading:
    level: int
    zh: str
    en: str


@dataclass(frozen=True)
class Said:
    text: str


@dataclass(frozen=True)
class Table:
    """`under`: what stands below each row, over its whole width; `total`: the last row sums up; `right`: columns of figures."""

    columns: list[tuple[str, str]]
    widths: list[float]  # cm
    rows: list[list[Cell]]
    right: set[int] = field(default_factory=set)
    under: list[str] = field(default_factory=list)
    total: bool = False


@dataclass(frozen=True)
class NewPage:
    landscape: bool = False


Block = Heading | Said | Table | Picture | NewPage


@dataclass(frozen=True)
class Document:
    title: str
    plan: str
    subtitle: str  # in English
    vintage: list[str]  # lines that stand on every page
    label: str | None  # of synthetic data
    blocks: list[Block]


def figure(value: float | None, unit: str | None = None) -> str:
    """A figure as people read it: ten digits that count, thousands apart, its unit behind; a dash where there is none."""
    if value is None:
        return "—"
    said = f"{Decimal(f'{value:.10g}'):,f}"
    said = said.rstrip("0").rstrip(".") if "." in said else said
    said = "0" if said == "-0" else said
    return f"{said} {unit}" if unit else said


def rough(value: float | None) -> str:
    """A computed figure, to four digits."""
    return figure(None if value is None else float(f"{value:.4g}"))


def percent(value: float | None) -> str:
    return "—" if value is None else f"{value * 100:.1f}%"


def score(value: float | None) -> str:
    return "—" if value is None else f"{value:.3f}"


def outline(facts: Facts) -> Document:
    v = facts.vintage
    zh, en = TITLE[facts.kind]
    known = f"截至 {v.local(v.known_at)} 所知 as known at" + ("" if v.own else "（早于发布 earlier than the release）")
    return Document(
        f"{named(facts)}{zh}",
        v.plan_zh,
        f"{v.plan_en}: {en}, {facts.period}",
        [
            f"{named(facts)}{zh}　发布 release {v.release}",
            f"{known}（{v.zone}）　计划第 {v.revision} 版 plan revision {v.revision}",
        ],
        SYNTHETIC if v.synthetic else None,
        _numbered(
            *_summary(facts),
            NewPage(),
            *_troubled(facts),
            *_chapters(facts),
            *_departments(facts),
            *(_year(facts) if facts.kind == "assessment" else []),
            NewPage(landscape=True),
            *_evidence(facts),
            *_findings(facts),
        ),
    )


def _numbered(*blocks: Block) -> list[Block]:
    """The parts of the document in Chinese numerals; an annex carries its own."""
    numerals = iter(CHINESE[1:])
    return [
        Heading(1, f"{next(numerals)}、{b.zh}", b.en)
        if isinstance(b, Heading) and b.level == 1 and not b.zh.startswith("附件")
        else b
        for b in blocks
    ]


def named(facts: Facts) -> str:
    if facts.kind == "assessment":
        return f"{facts.period}年度"
    return f"{facts.period[:4]}年第{CHINESE[int(facts.period[-1])]}季度"


def _status(status: str) -> Toned:
    sign, zh = STATUS[status]
    return Toned(f"{sign} {zh}", status)


def _summary(f: Facts) -> Iterable[Block]:
    s = f.summary
    counted = "，".join(f"{STATUS[k][1]} {s[k]} 项" for k in STATUS if s[k])
    yield Heading(1, "概要", "Summary")
    yield Said(
        f"到 {f.until} 为止，计划 {s['targets']} 项目标中考核 {s['tested']} 项：{counted}。"
        f"有风险的 {s['at_risk']} 项（滞后、严重滞后，或预测到期不能完成）"
        + (f"，其中仅预测不能完成的 {s['only_forecast']} 项" if s["only_forecast"] else "")
        + f"。与上期末相比，状态转好 {s['better']} 项，转差 {s['worse']} 项。"
    )
    yield Said(
        f"期内应报数据 {s['due']} 项：按时 {s['reported_on_time']}，迟报 {s['reported_late']}，缺报 {s['reported_missing']}，"
        f"报称无数据 {s['reported_not_available']}。"
        f"未完成和有风险的 {s['missed'] + s['at_risk']} 项中，部门作出说明的 {s['with_reason']} 项。"
        "目标出自计划；进度要求、状态界限和责任部门出自本市政策，不是计划原文。"
    )
    yield plots.statuses(f.capabilities)
    columns = [("领域", "Capability"), ("目标", "Targets"), *((STATUS[k][1], k.replace("_", " ")) for k in STATUS), ("得分", "Score")]  # fmt: skip
    counts: list[list[Cell]] = [
        [f"{r['number']} {r['name_zh']}", str(r["targets"]), *(str(r[k] or "·") for k in STATUS), score(r["score"])]
        for r in f.capabilities.to_dicts()
    ]
    total: list[Cell] = ["合计", str(s["tested"]), *(str(s[k] or "·") for k in STATUS), ""]
    yield Table(columns, [2.7, 1.1, *[1.35] * 9, 1.3], [*counts, total], right=set(range(1, 12)), total=True)
    first = _troubled_rows(f).head(FIRST).to_dicts()
    if first:
        left = s["missed"] + s["at_risk"] - len(first)
        yield Said(f"最为突出的 {len(first)} 项" + (f"（其余 {left} 项见第二部分）：" if left else "："))
        yield Table(
            [("编码", "Code"), ("指标", "Indicator"), ("责任部门", "Department"), ("数值", "Figure"), ("目标", "Target"), ("状态", "Status")],
            [1.4, 5.6, 3.8, 2.3, 1.9, 2.0],
            [
                [r["target"], _name(r), r["department_zh"], figure(r["actual"], r["unit"]), _asked(r), _status(r["status"])]
                for r in first
            ],
            right={3, 4},
        )  # fmt: skip


def _troubled_rows(f: Facts) -> pl.DataFrame:
    return f.targets.filter(pl.col("missed") | pl.col("at_risk"))


def _name(r: dict[str, Any]) -> str:
    area = f"（{r['area_zh']}）" if r["area_zh"] and r["kind"] == "quota" else ""
    return f"{r['name_zh']}{area}"


def _asked(r: dict[str, Any]) -> str:
    if r["target_value"] is None:
        return "—"
    return ASKS.get(r["comparator"] or "", "") + figure(r["target_value"])


def _place(path: str | None, sheet: str | None, row: int | None) -> str:
    """Where in a file: its name was chosen by whoever sent it."""
    parts = [path, f"工作表“{sheet}”" if sheet else None, f"第 {row} 行" if row is not None else None]
    return visible("，".join(p for p in parts if p))


def _source(r: dict[str, Any]) -> str:
    if r["path"] is not None:
        return _place(r["path"], r["sheet"], r["row_number"])
    return f"公布数据：{r['publisher']}" if r["publisher"] else "无"


def _reason(r: dict[str, Any]) -> str:
    said = []
    if r["self_assessed"]:
        said.append(f"自评“{visible(r['self_assessed'])}”")
    if r["note"]:
        said.append(f"“{visible(r['note'])}”（{_place(r['note_path'], r['note_sheet'], r['note_row'])}）")
    elif r["none_available"]:
        said.append(f"报称无数据（{_place(r['note_path'], r['note_sheet'], r['note_row'])}）")
    return "；".join(said) or "部门未作说明"


def _forecast(r: dict[str, Any]) -> str:
    if r["forecast"] is None or r["will_meet"] is None:
        return ""
    band = "" if r["forecast_low"] is None else f"（区间 {rough(r['forecast_low'])} 至 {rough(r['forecast_high'])}）"
    return f"　预测：到期 {rough(r['forecast'])} {r['unit']}{band}，{'能' if r['will_meet'] else '不能'}完成"


def _troubled(f: Facts) -> Iterable[Block]:
    rows = _troubled_rows(f).to_dicts()
    yield Heading(1, "未完成和有风险的目标", "Targets missed and at risk")
    if not rows:
        yield Said("没有未完成或有风险的目标。")
        return
    yield Said("先未完成，后有风险，各按差距大小排列。差距为数值减目标。原因照部门自己的说明。")
    yield Table(
        [("编码", "Code"), ("指标", "Indicator"), ("责任部门", "Department"), ("数值", "Figure"), ("应达", "Expected"), ("目标", "Target"),
         ("差距", "Gap"), ("状态", "Status")],
        [1.4, 3.7, 2.7, 2.2, 1.6, 1.8, 1.6, 2.0],
        [
            [r["target"], _name(r), r["department_zh"], figure(r["actual"], r["unit"]), figure(r["expected"]), _asked(r),
             figure(r["gap"]), _status(r["status"])]
            for r in rows
        ],
        right={3, 4, 5, 6},
        under=[
            f"计划：“{r['clause']}”（{r['section']}，{r['due']} 到期）　报告期：{r['period']}{_forecast(r)}\n"
            f"原因：{_reason(r)}\n来源：{_source(r)}"
            for r in rows
        ],
    )  # fmt: skip


def _chapters(f: Facts) -> Iterable[Block]:
    yield Heading(1, "分领域进展", "By capability")
    for c in f.capabilities.to_dicts():
        targets = f.targets.filter(pl.col("capability") == c["capability"])
        counted = "，".join(f"{STATUS[k][1]} {c[k]}" for k in STATUS if c[k])
        yield Heading(2, f"（{CHINESE[c['number']]}）{c['name_zh']}", c["name_en"])
        scored = f"得分 {score(c['score'])}（按政策计分，0 至 1）。" if c["score"] is not None else ""
        yield Said(f"考核目标 {c['targets']} 项：{counted or '无'}。{scored}")
        drawn = targets.filter((pl.col("missed") | pl.col("at_risk")) & pl.col("actual").is_not_null())[
            "target"
        ].to_list()
        if drawn:
            more = f"，其余 {len(drawn) - plots.DRAWN} 项未画" if len(drawn) > plots.DRAWN else ""
            yield plots.ways(drawn, f.series)
            yield Said(f"未完成和有风险的目标：数值（实线）、应达（虚线）与计划目标（点线）{more}。")
        yield Table(
            [("编码", "Code"), ("指标与条款", "Indicator, clause"), ("责任部门", "Department"), ("报告期", "Period"), ("数值", "Figure"),
             ("目标", "Target"), ("完成率", "Attained"), ("状态", "Status")],
            [1.4, 4.4, 2.5, 1.5, 2.1, 1.6, 1.4, 2.2],
            [
                [r["target"], f"{_name(r)}\n“{r['clause']}” {r['section']}", r["department_zh"], r["period"] or "—",
                 figure(r["actual"], r["unit"]), _asked(r), percent(r["attainment"]),
                 _status(r["status"]) if r["tested"] else "不考核"]
                for r in targets.to_dicts()
            ],
            right={4, 5, 6},
        )  # fmt: skip


def _departments(f: Facts) -> Iterable[Block]:
    yield Heading(1, "部门报送", "Reporting by departments")
    scores = {}
    if f.kind == "self_check" and f.scorecards.height:
        scores = {r["department"]: r for r in f.scorecards.to_dicts()}
    yield Said(
        "应报、按时、迟报、缺报为期内数据项数；目标为该部门牵头的考核目标。"
        + ("" if f.vintage.own else "退回行数和得分不按时点保存，只见于按发布时点编制的文件。")
    )
    extra = [("退回行", "Returned"), ("得分", "Score")] if scores else []
    yield Table(
        [("部门", "Department"), ("应报", "Due"), ("按时", "On time"), ("迟报", "Late"), ("缺报", "Missing"), ("无数据", "None"), ("目标", "Targets"),
         ("已完成", "Achieved"), ("达到进度", "On pace"), ("滞后", "Behind"), ("未完成", "Missed"), *extra],
        [4.2, *[1.2] * 10, *[1.25] * len(extra)],
        [
            [r["name_zh"], *(str(r[k]) for k in ("due", "on_time", "late", "missing", "not_available", "targets", "achieved", "on_pace", "behind", "missed")),
             *([str(scores[r["department"]]["rows_returned"]), score(scores[r["department"]]["score"])] if scores else [])]
            for r in f.departments.to_dicts()
        ],
        right=set(range(1, 13)),
    )  # fmt: skip
    if f.owed.height:
        yield Said("缺报和报称无数据的：")
        yield Table(
            [("部门", "Department"), ("指标", "Indicator"), ("报告期", "Period"), ("期限", "Due"), ("情况", "State"), ("部门说明", "Note")],
            [3.6, 4.6, 1.6, 2.8, 1.8, 2.6],
            [
                [r["department_zh"], f"{r['name_zh']}（{r['area_zh']}）", r["period"], f.vintage.local(r["due_at"]),
                 "缺报" if r["state"] == "missing" else "报称无数据", visible(r["note"] or "—")]
                for r in f.owed.to_dicts()
            ],
        )  # fmt: skip


def _year(f: Facts) -> Iterable[Block]:
    yield Heading(1, "能力得分", "Capability scores")
    yield Said(
        "得分由考核目标合成，合成方法和权重出自本市政策，各部分见表 score_part。未报送、未到期和无法评估的按政策处理，不当作零。"
    )
    if f.scores["score"].drop_nulls().len():
        yield plots.scores(f.scores)
    quarters = f.scores["period"].unique(maintain_order=True).to_list()
    by = {(r["number"], r["period"]): r for r in f.scores.to_dicts()}
    yield Table(
        [("领域", "Capability"), *((q, "score") for q in quarters), ("目标", "Targets"), ("已完成", "Achieved")],
        [5.0, *[2.0] * len(quarters), 2.0, 2.0],
        [
            [f"{c['number']} {c['name_zh']}", *(score(by[c["number"], q]["score"]) for q in quarters), str(c["targets"]), str(c["achieved"])]
            for c in f.capabilities.to_dicts()
        ],
        right=set(range(1, 3 + len(quarters))),
    )  # fmt: skip
    if f.indices.height:
        yield Heading(1, "综合指数", "Composite indices")
        yield Said("指数和维度的名称出自计划，构成、权重和合成方法出自本市政策。括号内为缺少的部分数。")
        parts = {(r["index"], r["number"], r["period"]): r for r in f.indices.to_dicts()}
        yield Table(
            [("指数、维度", "Index, dimension"), *((q, "score") for q in quarters)],
            [6.6, *[2.6] * len(quarters)],
            [
                [name if number == 0 else f"　{number} {name}", *(_part(parts[index, number, q]) for q in quarters)]
                for index, number, name in f.indices.select("index", "number", "name_zh").unique(maintain_order=True).rows()
            ],
            right=set(range(1, 1 + len(quarters))),
        )  # fmt: skip
    if f.scorecards.height:
        yield Heading(1, "部门记分卡", "Department scorecards")
        yield Said("各季得分由及时率、数据质量和目标完成度按政策权重合成；没有的部分不计入。")
        cards = f.scorecards.to_dicts()
        quarters = sorted({r["quarter"] for r in cards})
        cell = {(r["department"], r["quarter"]): r for r in cards}
        names = {r["department"]: r["name_zh"] for r in cards}
        last = quarters[-1]
        yield Table(
            [("部门", "Department"), *((q, "score") for q in quarters), ("及时率", f"on time {last}"), ("数据质量", f"quality {last}"), ("完成度", f"attained {last}")],
            [5.0, *[1.6] * len(quarters), 1.9, 1.9, 1.9],
            [
                [name, *(score(cell[d, q]["score"]) for q in quarters), *(percent(cell[d, last][k]) for k in ("timeliness", "quality", "attainment"))]
                for d, name in names.items()
            ],
            right=set(range(1, 4 + len(quarters))),
        )  # fmt: skip
    yield Heading(1, "目标验收清单", "Target acceptance list")
    yield Said("验收只看到期时是否达到计划目标。未到期、未报送、无法评估的不作结论。")
    yield Table(
        [("编码", "Code"), ("指标", "Indicator"), ("责任部门", "Department"), ("到期", "Due"), ("数值", "Figure"), ("目标", "Target"),
         ("首次达到", "First met"), ("验收", "Accepted")],
        [1.4, 4.6, 3.0, 2.0, 2.0, 1.6, 1.5, 1.9],
        [
            [r["target"], _name(r), r["department_zh"], str(r["due"]), figure(r["actual"], r["unit"]), _asked(r), r["first_met"] or "—", _verdict(r)]
            for r in f.targets.sort("target").to_dicts()
        ],
        right={4, 5},
    )  # fmt: skip


def _part(r: dict[str, Any]) -> str:
    return score(r["score"]) + (f"（{r['missing']}/{r['parts']}）" if r["missing"] else "")


def _verdict(r: dict[str, Any]) -> Cell:
    if not r["tested"]:
        return "不考核"
    if r["status"] in ("achieved", "missed"):
        return Toned({"achieved": "√ 通过", "missed": "× 未通过"}[r["status"]], r["status"])
    return _status(r["status"])


def _evidence(f: Facts) -> Iterable[Block]:
    yield Heading(1, "附件一　证据", "Annex 1. Evidence: where every figure comes from")
    rows = f.targets.filter(pl.col("actual").is_not_null()).sort("target").to_dicts()
    yield Said(
        f"本文件 {len(rows)} 个数值逐一列明所在文件。SHA-256 为文件内容的校验值（前 12 位），文件原样保存。"
        "判定依据中 policy 开头的出自本市政策，其余出自计划。"
    )
    yield Table(
        [("目标", "Target"), ("报告期", "Period"), ("数值", "Figure"), ("得出方式", "Origin"), ("文件、工作表、行", "File, sheet, row"), ("SHA-256", "first 12"),
         ("知悉时间", "Known from"), ("判定依据", "Basis of status")],
        [1.5, 1.7, 3.0, 2.0, 7.2, 2.6, 2.7, 5.0],
        [
            [r["target"], r["period"], figure(r["actual"], r["unit"]), ORIGIN.get(r["actual_origin"], r["actual_origin"]), _source(r),
             (r["sha256"] or "—")[:12], f.vintage.local(r["known_from"]) if r["known_from"] else "—", r["status_basis"]]
            for r in rows
        ],
        right={2},
    )  # fmt: skip


def _findings(f: Facts) -> Iterable[Block]:
    yield Heading(1, "附件二　尚未了结的问题", "Annex 2. Findings that are open")
    if f.findings.is_empty():
        yield Said("没有。")
        return
    more = f"，此处列出前 {LISTED} 项" if f.findings.height > LISTED else ""
    across = "" if f.vintage.own else "跨报送的核对（M）不按时点保存，未列入。"
    yield Said(f"期内数据的问题中，退回的和尚无说明的共 {f.findings.height} 项{more}。{across}")
    yield Table(
        [("规则", "Rule"), ("处理", "Effect"), ("部门", "Department"), ("文件、工作表、行", "File, sheet, row"), ("指标、报告期", "Indicator, period"),
         ("问题", "Finding"), ("填报", "Sent"), ("应为", "Expected")],
        [1.3, 1.7, 3.0, 6.0, 4.4, 4.3, 2.5, 2.5],
        [
            [r["rule"], SEVERITY[r["severity"]], r["department_zh"] or "—", _place(r["path"], r["sheet"], r["row_number"]) if r["path"] else "跨报送",
             " ".join(filter(None, [r["indicator"], r["period"]])) or "—", r["message_zh"] or "—", _short(r["value_text"]), _short(r["expected_text"])]
            for r in f.findings.head(LISTED).to_dicts()
        ],
    )  # fmt: skip


def _short(text: str | None, most: int = 60) -> str:
    said = visible(text or "—")
    return said if len(said) <= most else said[: most - 1] + "…"
