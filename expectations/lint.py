"""What a plan's targets say against each other: findings of the plan itself, before any figure is reported.

A finding names the places and what is wrong there; what is done about it is policy (`policy.yaml`, resolutions), and a
finding without a resolution is open. Nothing here mends a plan: the registry keeps what the plan says.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from typing import Literal, NamedTuple

from expectations.model import Indicator, Plan, Target
from expectations.periods import MONTHS
from expectations.policy import Resolution
from expectations.units import WORDS, Unit, unit

NAMES = {
    "P01": ("同一指标两个数值", "one indicator, two figures"),
    "P02": ("同一数值两种范围", "one figure, two scopes"),
    "P03": ("分项与合计不符", "parts that do not add up to their total"),
    "P04": ("占比与数额推算的总量不可能", "a share and its amount imply an impossible total"),
    "P05": ("存量与流量混用", "a stock taken for a flow, or a level for a rate"),
    "P06": ("单位不当", "a unit that does not fit"),
    "P07": ("无责任部门", "a target that nobody reports"),
    "P08": ("完成时限不当", "a due date outside the plan, or not its clause's"),
    "P09": ("缺少基期数", "a baseline missing"),
    "P10": ("原文数值缺失", "figures lost from the text"),
}
SIGNS = {">=": "≥ ", ">": "> ", "<=": "≤ ", "<": "< ", "=": "= ", "~": "≈ ", "top": "≤ ", "multiple": "× "}
# What an implied total may differ from the known one: figures of a plan are rounded.
ROUNDING = 0.02
# Words of a name that say how much of a thing is meant, or that it is counted, and not what it is.
SCOPE = re.compile(
    r"全市|市内|国家级|省级|市级|区级|县级|及以上|以上|新增|新建|新培育|培育|打造|建设|引进|创建|数量|总数|总量|数$|[^\w]"
)
ADDED = re.compile(r"新增|新建(?!改)|新签约|新培育")
IN_ALL = re.compile(r"总数|总人数|总量|数量要?达到|余额|保有量|拥有量")
MONTH = re.compile(r"([0-9]{1,2}) ?月(?:末|底|份)?")


class Place(NamedTuple):
    target: str
    offset: int
    clause: str


class PlanFinding(NamedTuple):
    code: str
    targets: tuple[str, ...]
    places: tuple[Place, ...]
    zh: str
    en: str
    information: bool = False  # a state that the warehouse shows as such: nobody has to decide anything
    resolution: Resolution | None = None

    @property
    def name_zh(self) -> str:
        return NAMES[self.code][0]

    @property
    def name_en(self) -> str:
        return NAMES[self.code][1]

    @property
    def state(self) -> Literal["resolved", "open", "information"]:
        return "resolved" if self.resolution else "information" if self.information else "open"


def lint(plan: Plan) -> list[PlanFinding]:
    """Every finding, by code and place, each with the resolution that policy states for exactly its targets."""
    decided = {(r.finding, frozenset(r.targets)): r for r in plan.policy.resolutions}
    found = [f for check in CHECKS for f in check(plan)]
    return [
        f._replace(resolution=decided.get((f.code, frozenset(f.targets))))
        for f in sorted(found, key=lambda f: (f.code, f.places[0].offset, f.targets))
    ]


def idle_resolutions(plan: Plan) -> list[Resolution]:
    """Resolutions of no finding: what they decided has been mended, or names other targets now."""
    found = {(f.code, frozenset(f.targets)) for f in lint(plan)}
    return [r for r in plan.policy.resolutions if (r.finding, frozenset(r.targets)) not in found]


def written(t: Target) -> str:
    """The target's figure as the plan writes it, with its comparator if it has one."""
    if t.value is None:
        return "—"
    figure = f"{t.value:g}" if t.value_high is None else f"{t.value:g}–{t.value_high:g}"
    return f"{SIGNS.get(t.comparator or '', '')}{figure} {t.unit or ''}".strip()


def in_unit_of(t: Target, indicator: Indicator) -> float | None:
    """The target's figure in the indicator's unit; None where it has none, or one that does not convert."""
    read = unit(t.unit_read_as or t.unit or "")
    own = unit(indicator.unit)
    if t.value is None or read is None or own is None or not read.converts_to(own):
        return None
    return t.value * read.factor / own.factor


def _finding(code: str, targets: Iterable[Target], zh: str, en: str, information: bool = False) -> PlanFinding:
    ordered = sorted(targets, key=lambda t: (t.clause_offset, t.target))
    places = tuple(Place(t.target, t.clause_offset, t.clause) for t in ordered)
    return PlanFinding(code, tuple(t.target for t in ordered), places, zh, en, information)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _by_code(plan: Plan) -> dict[str, Indicator]:
    return {i.indicator: i for i in plan.indicators}


def two_figures(plan: Plan) -> Iterator[PlanFinding]:
    """P01. A target that only asks to exceed another indicator is set against that indicator's own target."""
    indicators = _by_code(plan)
    asked: dict[tuple[str, str, dt.date], list[tuple[Target, float, str]]] = defaultdict(list)
    for t in plan.targets:
        key = (t.indicator, t.area or plan.city, t.due)
        figure = in_unit_of(t, indicators[t.indicator])
        if t.kind != "multiple" and figure is not None:
            asked[key].append((t, figure, written(t)))
        for other in plan.targets:
            if t.exceeds is not None and other.indicator == t.exceeds and other.value is not None:
                asked[key].append((t, other.value, f"> {t.exceeds} ({other.target} {written(other)})"))
    for (code, _, _), several in asked.items():
        if len({figure for _, figure, _ in several}) > 1:
            name = indicators[code]
            said = [f"{t.target} {text}" for t, _, text in several]
            yield _finding(
                "P01", {t.target: t for t, _, _ in several}.values(),
                f"{name.name_zh}有不同数值：{'；'.join(said)}", f"{name.name_en} is given different figures: {'; '.join(said)}",
            )  # fmt: skip


def two_scopes(plan: Plan) -> Iterator[PlanFinding]:
    """P02, and P05 where the one figure is once what is added and once what there is."""
    indicators = _by_code(plan)
    named = [set(r.targets) for r in plan.policy.resolutions if r.finding == "P02"]
    counted = [
        t for t in plan.targets if t.value is not None and t.kind in ("level", "increment") and (t.area or plan.city) == plan.city
    ]  # fmt: skip
    for a, b in combinations(counted, 2):
        one, two = indicators[a.indicator], indicators[b.indicator]
        if one is two or a.clause_offset == b.clause_offset or in_unit_of(a, one) != in_unit_of(b, one):
            continue
        if not (_same_thing(one, two) or any({a.target, b.target} <= group for group in named)):
            continue
        if one.accumulates != two.accumulates:
            yield _finding(
                "P05", (a, b),
                f"同为“{written(a)}”：“{one.name_zh}”为{_zh(one)}，“{two.name_zh}”为{_zh(two)}",
                f"the same {written(a)} is a {one.accumulates} of {one.name_en} and a {two.accumulates} of {two.name_en}",
            )  # fmt: skip
        else:
            yield _finding(
                "P02", (a, b),
                f"同为{a.value:g}：“{one.name_zh}”与“{two.name_zh}”范围不同",
                f"the same {a.value:g} is given to {one.name_en} and to {two.name_en}",
            )  # fmt: skip


def _zh(indicator: Indicator) -> str:
    return {"flow": "流量", "stock": "存量", "rate": "比率"}[indicator.accumulates]


def _same_thing(one: Indicator, two: Indicator) -> bool:
    """Whether one's name holds the other's, once what only says how much of it is meant is left out of both."""
    a, b = (SCOPE.sub("", i.name_zh) for i in (one, two))
    return min(len(a), len(b)) >= 4 and (a in b or b in a)


def parts_and_total(plan: Plan) -> Iterator[PlanFinding]:
    """P03. The areas' quotas of an indicator, against each total that the plan gives for the city."""
    indicators = _by_code(plan)
    quotas: dict[str, list[Target]] = defaultdict(list)
    for t in plan.targets:
        if t.area is not None and t.area != plan.city and t.value is not None:
            quotas[t.indicator].append(t)
    for code, parts in quotas.items():
        own = indicators[code]
        added = sum(in_unit_of(t, own) or 0.0 for t in parts)
        for total in plan.targets:
            whole = in_unit_of(total, own)
            if total.indicator != code or (total.area or plan.city) != plan.city or whole is None or whole == added:
                continue
            yield _finding(
                "P03", (total, *parts),
                f"{own.name_zh}：{len(parts)}个地区合计{added:g}{own.unit}，全市{written(total)}",
                f"{own.name_en}: the quotas of {len(parts)} areas add up to {added:g}, the city's total is {written(total)}",
            )  # fmt: skip


def impossible_total(plan: Plan) -> Iterator[PlanFinding]:
    """P04. What share and amount together make the whole, against what is known and planned of the whole."""
    indicators = _by_code(plan)
    for share in plan.targets:
        own = indicators[share.indicator]
        if own.numerator is None or own.denominator is None or not share.value or share.area is not None:
            continue
        part, whole = indicators[own.numerator], indicators[own.denominator]
        known = dict(_whole(plan, whole))
        for amount in plan.targets:
            figure = in_unit_of(amount, part)
            factors = [u.factor for u in (unit(part.unit), unit(whole.unit)) if u]
            if amount.indicator != part.indicator or amount.kind == "growth" or figure is None or not known:
                continue
            implied = figure * factors[0] / factors[1] / (share.value / 100)
            low, high = min(known.values()), max(known.values())
            if low * (1 - ROUNDING) <= implied <= high * (1 + ROUNDING):
                continue
            facts = ", ".join(f"{said}: {value:,.1f}" for said, value in known.items())
            need = high * share.value / 100 * factors[1] / factors[0]
            yield _finding(
                "P04", (share, amount),
                f"{written(amount)}、占比{written(share)}，则{whole.name_zh}为{implied:,.0f} {whole.unit}；"
                f"已知{facts}，占比若成立需{need:,.0f} {part.unit}",
                f"{written(amount)} and {written(share)} make the {whole.name_en} {implied:,.0f} {whole.unit}; known is "
                f"{facts}; the share would need {need:,.0f} {part.unit}",
            )  # fmt: skip


def _whole(plan: Plan, whole: Indicator) -> Iterator[tuple[str, float]]:
    """What is known of an amount: the year before, that year grown as the plan wants it, the plan's own level."""
    indicators = _by_code(plan)
    for b in plan.baselines:
        given, own = unit(b.unit), unit(whole.unit)
        if b.indicator != whole.indicator or (b.area or plan.city) != plan.city or given is None or own is None:
            continue
        before = b.value * given.factor / own.factor
        yield b.period, before
        for t in plan.targets:
            if indicators[t.indicator].level == whole.indicator and t.kind == "growth" and t.value is not None:
                yield f"{b.period} + {t.value:g} % ({t.target})", before * (1 + t.value / 100)
    for t in plan.targets:
        level = in_unit_of(t, whole)
        if t.indicator == whole.indicator and t.area is None and t.kind == "level" and level is not None:
            yield t.target, level


def stock_or_flow(plan: Plan) -> Iterator[PlanFinding]:
    """P05. What the target's kind and its clause say, against how the indicator is measured."""
    indicators = _by_code(plan)
    for t in plan.targets:
        own = indicators[t.indicator]
        if t.value is None:
            continue
        if own.accumulates == "stock" and (
            t.kind == "increment" or (t.kind == "level" and ADDED.search(_own_words(t)))
        ):
            zh, en = "原文为新增量，指标按期末存量计", "what is asked is an addition, the indicator is a stock"
        elif own.accumulates == "flow" and IN_ALL.search(_own_words(t)):
            zh, en = "原文为总量，指标按累计流量计", "what is asked is a total, the indicator is a flow"
        elif own.accumulates == "rate" and t.kind in ("level", "increment", "quota"):
            zh, en = "目标为数量，指标为比率", f"the target is a {t.kind}, the indicator a rate ({own.measure})"
        elif t.kind in ("growth", "share", "rank") and own.measure != {"growth": "yoy"}.get(t.kind, t.kind):
            zh, en = "目标为比率，指标口径不同", f"the target is a {t.kind}, the indicator is measured as {own.measure}"
        else:
            continue
        yield _finding("P05", [t], f"{own.name_zh}：{zh}", f"{own.name_en}: {en}")


def _own_words(t: Target) -> str:
    """The part of the clause that ends with the target's figure: a clause may hold two targets."""
    figure = _figure(t)
    return t.clause if figure is None else re.split(r"[,;、，；]", t.clause[: figure.end()])[-1]


def _figure(t: Target) -> re.Match[str] | None:
    """The target's figure in its clause, where it stands there in digits."""
    if t.value is None:
        return None
    high = "" if t.value_high is None else rf" ?(?:[-–~至到]|to) ?{re.escape(f'{t.value_high:.15g}')}"
    return re.search(rf"(?<![0-9.]){re.escape(f'{t.value:.15g}')}{high}(?![0-9.])", t.clause)


def unfit_unit(plan: Plan) -> Iterator[PlanFinding]:
    """P06. A unit that is read as another, that measures something else, or that is not the one in the clause."""
    indicators = _by_code(plan)
    for t in plan.targets:
        own = indicators[t.indicator]
        if t.value is None or t.unit is None:
            continue
        if t.unit_read_as is not None:
            yield _finding(
                "P06", [t],
                f"{own.name_zh}：原文单位{t.unit}，应为{t.unit_read_as}",
                f"{own.name_en}: the plan writes {t.unit}, {t.unit_read_as} is meant",
            )  # fmt: skip
        elif in_unit_of(t, own) is None:
            yield _finding(
                "P06", [t],
                f"{own.name_zh}：{t.unit}不能换算为{own.unit}",
                f"{own.name_en}: {t.unit} does not convert into {own.unit}",
            )  # fmt: skip
        elif (figure := _figure(t)) and t.kind != "rank":
            after = t.clause[figure.end() :].lstrip()
            if after and not _goes_on_with(after, t.unit):
                yield _finding(
                    "P06", [t],
                    f"{own.name_zh}：登记单位{t.unit}，原文为“{_beginning(after)}”",
                    f"{own.name_en}: registered in {t.unit}, the clause goes on with {_beginning(after)!r}",
                )  # fmt: skip


def _goes_on_with(after: str, registered: str) -> bool:
    """Whether what follows a figure is the registered unit. In Chinese the unit itself stands there; in a language with
    spaces it does, or a noun that is counted (12 deaths), with its multiple (1.2 million passengers)."""
    if not after[0].isascii() or not after[0].isalpha():
        rest = after.removeprefix("个百分点")
        return not rest or registered == "百分点" or rest.startswith(registered.split("/")[0].removeprefix("个百分点"))
    said, meant = _unit_said(after), unit(registered)
    if meant is None:
        return False
    alike = said.dimension == meant.dimension or (_counts(said) and _counts(meant))
    return alike and said.factor == meant.factor


def _unit_said(after: str) -> Unit:
    """The longest run of words, from the first, that is a unit; else the thing named there is counted."""
    words = after.split()[:4]
    read = (unit(" ".join(words[:n])) for n in range(len(words), 0, -1))
    counted = unit(f"{words[0].casefold()} items" if words[0].casefold() in WORDS else "items")
    assert counted is not None
    return next((u for u in read if u is not None), counted)


def _counts(u: Unit) -> bool:
    return u.is_counter or u.dimension in ("人", "人次")


def _beginning(after: str) -> str:
    """Four characters, and the rest of a word that they break."""
    found = re.match(r"(?:[A-Za-z]+ ?){1,3}|.{1,4}", after)
    return found[0].strip() if found else after


def unreported(plan: Plan) -> Iterator[PlanFinding]:
    """P07. No department leads the indicator, or it is not reported for the target's area."""
    indicators = _by_code(plan)
    departments = {d.department for d in plan.departments}
    for t in plan.targets:
        own = indicators[t.indicator]
        if plan.policy.lead_department.get(t.indicator) not in departments:
            yield _finding("P07", [t], f"{own.name_zh}：无责任部门", f"{own.name_en}: no department leads it")
        elif (area := t.area or plan.city) not in (own.areas or [plan.city]):
            yield _finding("P07", [t], f"{own.name_zh}：{area}无人报送", f"{own.name_en}: nobody reports it for {area}")


def wrong_due(plan: Plan) -> Iterator[PlanFinding]:
    """P08. Outside the plan; another month than the clause names; or within a period, so that no figure stands then."""
    indicators = _by_code(plan)
    for t in plan.targets:
        own = indicators[t.indicator]
        months = {int(m) for m in MONTH.findall(t.clause)}
        span = None if own.frequency == "event" else MONTHS[own.frequency]
        last_day = (t.due + dt.timedelta(days=1)).day == 1
        in_year = (t.due.month - plan.head.starts.month) % 12 + 1  # a year is the plan's own, a quarter the calendar's
        if not plan.head.starts <= t.due <= plan.head.ends:
            zh, en = "不在计划期内", "is outside the plan"
        elif months and t.due.month not in months and t.kind != "lost":
            zh, en = "与原文月份不符", "is not the month that the clause names"
        elif span is not None and (not last_day or (in_year if span == 12 else t.due.month) % span):
            zh, en = f"不是报告期（{own.frequency}）末", f"is not the end of a {own.frequency}: no figure stands then"
        else:
            continue
        yield _finding("P08", [t], f"{own.name_zh}：时限{t.due}{zh}", f"{own.name_en}: due {t.due} {en}")


def missing_baseline(plan: Plan) -> Iterator[PlanFinding]:
    """P09. One by one where the figure itself is a multiple; as information where only the way there is unknown."""
    indicators = _by_code(plan)
    known = {(b.indicator, b.area or plan.city) for b in plan.baselines}
    without = [
        t
        for t in plan.targets
        if t.value is not None and t.baseline is None and (t.indicator, t.area or plan.city) not in known
    ]
    for t in without:
        if t.comparator == "multiple":
            own = indicators[t.indicator]
            yield _finding(
                "P09", [t],
                f"{own.name_zh}：{t.value:g}倍于何数，未给基期",
                f"{own.name_en}: {t.value:g} times what? no baseline is known",
            )  # fmt: skip
    stocks = [
        t
        for t in without
        if indicators[t.indicator].accumulates == "stock"
        and plan.policy.trajectory_of.get(t.target, plan.policy.trajectory) != "whole"
    ]
    if stocks:
        yield _finding(
            "P09", stocks,
            f"{len(stocks)}个期末目标无基期数，年内进度不可评",
            f"{_count(len(stocks), 'stock')} without a baseline: what is due within the year is not assessable",
            information=True,
        )  # fmt: skip


def lost_figures(plan: Plan) -> Iterator[PlanFinding]:
    """P10. Never filled in: what the text lost is not assessable."""
    lost = [t for t in plan.targets if t.kind == "lost"]
    if lost:
        yield _finding(
            "P10", lost, f"{len(lost)}个目标的数值在原文中缺失，不可评",
            f"the text has lost the figures of {_count(len(lost), 'target')}: not assessable", information=True,
        )  # fmt: skip


CHECKS: list[Callable[[Plan], Iterator[PlanFinding]]] = [
    two_figures, two_scopes, parts_and_total, impossible_total, stock_or_flow, unfit_unit, unreported, wrong_due,
    missing_baseline, lost_figures,
]  # fmt: skip
