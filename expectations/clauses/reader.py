"""From a parsed sentence to what it promises: a reading per target."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, cast

from lark import Token, Tree

from expectations.clauses.grammar import Plain
from expectations.clauses.words import (
    Amount,
    Leaf,
    Phrase,
    amount_of,
    due_of,
    number,
    period_of,
    phrase,
    place,
    tokens_of,
)
from expectations.model import Comparator, Kind
from expectations.periods import Period, year_from
from expectations.units import MULTIPLES, unit

Modality = Literal["state", "ensure", "strive", "seek", "reach", "expect"]

MODALITIES: dict[str, Modality] = {
    "确保": "ensure", "力保": "ensure", "力争": "strive", "争取": "seek", "预计": "expect", "预期": "expect"
}  # fmt: skip
BEFORE: dict[str, Comparator] = {
    "REACH": ">=", "AT_LEAST": ">=", "ABOVE": ">", "AT_MOST": "<=", "BELOW": "<", "ABOUT": "~",
}  # fmt: skip
AFTER: dict[str, Comparator] = {
    "以上": ">=", "及以上": ">=", "以内": "<=", "之内": "<=", "以下": "<=", "及以下": "<=", "左右": "~", "上下": "~"
}  # fmt: skip
WITHOUT_FIGURE: dict[Kind, Comparator] = {"relative": "exceeds", "milestone": "done"}
AREAS = ("区", "县", "市", "地区", "街道", "社区", "乡镇", "村", "园区")
NEWLY = {"新增", "新建", "新培育", "新签约", "新引进", "新设", "新开", "引进", "吸引", "签约", "招引", "落户"}
MONEY = re.compile(r"(?:余额|总额|[额值]|收入|支出|投资|贷款|存款)$")
CIRCUMSTANCE = ("以", "围绕", "依托", "聚焦", "按照", "根据", "针对", "对")
# Claims that only a figure completes.
AWAITING = {"REACH", "AT_LEAST", "AT_MOST"}
CLAIMS = AWAITING | {"ABOVE", "BELOW", "ABOUT", "RISE", "FALL", "TO", "VERB"}
# A list's number is lost with the end of the clause before it (…航线.产业…), or something between two marks.
BROKEN = re.compile(r"\.|[,;:]{2,}")
BY = re.compile("[前底末内月]")  # by when, not during when
ACHIEVED = re.compile(r"(?:成功|全面|圆满)?(?:完成|召开|举办|创建|建成|获批)(?!.*一批)")


class Reading(NamedTuple):
    """What a clause promises. `value` and `unit` stand as written: 1.3 and 万个; a fall of 3 % is value 3, change down."""

    indicator: str
    kind: Kind
    comparator: Comparator | None
    value: float | None
    value_high: float | None
    unit: str | None
    change: Literal["up", "down"] | None
    baseline: float | None
    baseline_period: str | None
    per: str | None
    exceeds: str | None
    due: dt.date
    modality: Modality
    start: int
    length: int
    figure_start: int  # where the figure itself stands, and ends; of a target without one, where the clause does
    figure_end: int


@dataclass
class Lead:
    """What stands before a figure, or at a member's end with no figure: words, and the claims right before the figure."""

    leaves: list[Leaf]
    claim: list[Token] = field(default_factory=list)
    quantity: Tree[Token] | None = None

    def tokens(self) -> list[Token]:
        return [t for leaf in self.leaves for t in tokens_of(leaf)]

    def has(self, *types: str) -> bool:
        return any(t.type in types for t in self.claim)


def leads(member: Tree[Token]) -> list[Lead]:
    """A member's figures with what leads to them; the last is what follows the last figure."""
    found: list[Lead] = []
    rest: list[Leaf] = []
    for child in member.children:
        if isinstance(child, Tree) and child.data in ("stated", "listed"):
            *before, quantity = child.children
            claim = tokens_of(before.pop()) if child.data == "stated" else []
            found.append(Lead(before, claim, cast("Tree[Token]", quantity)))
        else:
            rest.append(child)
    return [*found, Lead(rest)]


def comparator_of(lead: Lead, amount: Amount, kind: Kind) -> Comparator | None:
    if kind == "lost":
        return None
    if kind == "rank":
        return "top"
    if kind == "multiple":
        return "multiple"
    if amount.high is not None:
        return "between"
    before = [BEFORE[t.type] for t in lead.claim if t.type in BEFORE]
    after: Comparator | None = AFTER[amount.after] if amount.after else ">" if amount.more else None
    if "~" in (after, *before):
        return "~"
    for bound in (">", "<"):  # strict before loose: 突破…以上 is still strictly above
        if bound in before:
            return bound
    if after or "<=" in before:
        return after or "<="
    if before:
        return before[-1]
    if lead.has("TO") and lead.has("RISE", "FALL"):
        return "<=" if lead.has("FALL") else ">="
    return ">=" if kind == "share" and amount.value == 100 else None


def kind_of(lead: Lead, amount: Amount, named: str, per: str | None, verbs: list[str]) -> Kind:
    """The target's kind. `verbs` are those next to the figure, or else those that govern the clause."""
    assert lead.quantity is not None
    if lead.quantity.data == "gap":
        return "lost"
    if lead.quantity.data in ("front", "place") or (amount.unit in ("位", "名", "位次") and lead.has("RANKED")):
        return "rank"
    if lead.quantity.data in ("doubled", "times"):
        return "multiple"
    if amount.unit in ("%", "‰"):
        return "growth" if lead.has("RISE", "FALL") and not lead.has("TO") else "share"
    if amount.unit == "百分点" or (lead.has("RISE", "FALL") and not lead.has("TO")):
        return "increment"
    if per and per.endswith(AREAS):
        return "quota"
    if amount.unit is None and named.endswith("指数"):
        return "index"
    return "increment" if verbs and verbs[-1] in NEWLY else "level"


@dataclass
class Context:
    """What earlier words of a sentence leave in force."""

    year: Period  # the plan's
    year_due: dt.date | None = None
    due: dt.date | None = None
    due_for_task: dt.date | None = None  # a date that stood alone, for the task in the clause after it
    month_lost: bool = False  # the same, where the date has lost its month
    year_alone: bool = False
    named: str = ""
    verbs: list[Token] = field(default_factory=list)
    claim: list[Token] = field(default_factory=list)
    per: str | None = None
    modality: Modality | None = None
    modality_leads: bool = False  # it opened its clause, and so governs those that follow

    @property
    def by(self) -> dt.date:
        return self.due or self.year_due or self.year.end


class Reader:
    """Reads one parsed sentence. `source` is its plain text and where each of its characters stood; `year` is the plan's."""

    def __init__(self, source: Plain, year: Period) -> None:
        self.source = source
        self.year = year
        self.context = Context(year)
        self.dates: list[Token] = []  # of the clause
        self.unnamed: list[int] = []  # readings whose noun is still to come: 每镇建一个、每街建两个社区食堂
        self.found: list[Reading] = []

    def sentence(self, tree: Tree[Token], broken: bool) -> list[Reading]:
        """`broken`: the text breaks off where the sentence ends."""
        stops = [*(str(c) if isinstance(c, Token) else "" for c in tree.children[1:]), ""]
        for n, (child, stop) in enumerate(zip(tree.children, stops, strict=True)):
            if isinstance(child, Tree):
                last = n + 1 == len(tree.children)
                self.clause(child, broken if last else bool(BROKEN.fullmatch(stop)))
            elif child.type == "TORN":
                self.task("", "lost", None, self.context.by, *place(child))
            elif ";" in child:
                self.context.modality, self.context.modality_leads = None, False
        return self.found

    def clause(self, tree: Tree[Token], broken: bool) -> None:
        context, count = self.context, len(self.found)
        members = [m if isinstance(m, Token) else leads(m) for m in tree.children]
        first, *more = cast("list[Lead]", members[0])
        elliptic = first.quantity and not first.leaves and not first.claim  # 新增1个聚集区,1个园区
        if not elliptic or any(t.type == "VERB" for t in more[0].tokens()):
            context.verbs, context.claim = [], []
        if not context.modality_leads:
            context.modality = None
        context.per = None
        self.dates = []
        self.unnamed = []
        waiting: list[Leaf] = []  # words without a figure of their own: the beginning of what the next figure is of
        bracketed = False
        for member in members:
            if isinstance(member, Token):
                waiting += [member] if waiting else []
                bracketed = "(" in member or (bracketed and ")" not in member)
                context.per = context.per if bracketed else None
                continue
            read = False
            for n, lead in enumerate(member):
                lead.leaves = [*waiting, *lead.leaves]
                waiting = []
                self.note(lead)
                if lead.quantity is None:
                    waiting = [] if read else lead.leaves
                elif not (read := self.figure(lead, member[n + 1], n + 2 == len(member))):
                    waiting = [*lead.leaves, *lead.claim, *tokens_of(lead.quantity)]
        self.share_out(count)
        if len(self.found) == count:
            self.without_figure([t for leaf in waiting for t in tokens_of(leaf)], broken)

    def note(self, lead: Lead) -> None:
        """Keeps dates, year and modality that stand before a figure or at a clause's end."""
        context = self.context
        since = {
            id(t) for leaf in lead.leaves if isinstance(leaf, Tree) and leaf.data == "since" for t in tokens_of(leaf)
        }
        tokens = [*lead.tokens(), *lead.claim]
        for n, t in enumerate(tokens):
            if t.type == "MODAL":
                context.modality = MODALITIES[t]
                context.modality_leads = n == 0
            elif id(t) in since or (n and tokens[n - 1].type == "FROM"):
                continue
            elif t.type == "DUE" and t not in self.dates:
                self.dates.append(t)
            elif t.type == "YEAR":
                found = re.search(r"(?:19|20)\d\d", t)
                context.year_due = year_from(int(found[0]), self.year.start.month).end if found else self.year.end

    @property
    def due(self) -> dt.date:
        return due_of(self.dates[-1], self.year) if self.dates else self.context.by

    def figure(self, lead: Lead, following: Lead, last: bool) -> bool:
        """Adds the reading of a figure; False where nothing says that it is promised, and it is but a word."""
        context, quantity = self.context, lead.quantity
        assert quantity is not None
        if inherited := not lead.leaves and not lead.claim:
            lead.claim = context.claim  # 达到99%和97%, 建设16个书房、50个书屋: said once for both
        amount, tokens, tail = amount_of(quantity), lead.tokens(), phrase(following.tokens())
        lost = quantity.data == "gap"
        if not last and tail.text and (not following.claim or lead.claim[-1:] == ["超"]) and not lost:
            return False  # 9个涉农区县159个行政村, 产值超百亿元企业20家: the second is what is promised
        if not promised(lead, amount, following.tokens(), last, context):
            return False
        if quantity.data == "front" and self.counts(tokens):
            return False
        verbs = [t for t in lead.claim if t.type == "VERB" and t != "实现"]
        own = [t for t in tokens if t.type == "VERB" and t != "实现"]
        governing = verbs or own[:1] or context.verbs
        per_token = next((t for t in reversed(tokens) if t.type == "PER"), None)
        per = re.sub(r"^每(?:一?个)?", "", per_token) if per_token else context.per
        baseline, baseline_period, words = self.baseline(lead)
        kind = kind_of(lead, amount, words.text, per, [str(v) for v in governing])
        ranked = [n for n, t in enumerate(tokens) if t.type == "RANKED"]
        if kind == "rank" and ranked:
            words = phrase(tokens[: ranked[-1]])
        elif kind == "quota":
            words = phrase([t for t in tokens if t.type != "PER"])
        noun_follows = bool(tail.text) and quantity.data != "all" and kind != "rank"
        if kind == "rank":
            named = (words.text if ranked or lead.has("RANKED") else "") or context.named or words.text
            noun_follows = False
        elif noun_follows and (verbs or not (lead.claim or amount.after) or not words.text):
            named = "".join(governing) + tail.text
        elif words.text and not words.text.startswith("占"):
            named = ("" if verbs or own or lead.has("VERB") else "".join(context.verbs)) + words.text
            named += "".join(v for v in verbs if v not in NEWLY)
            noun_follows = noun_follows and lead.has("VERB")  # 毕业生实现100%就业
            named += tail.text if noun_follows else ""
        else:
            named = (context.named if not verbs or inherited else "") + words.text
            named = named or (tail.text if quantity.data == "all" else "")
            noun_follows = False
        whole = phrase(tokens)
        figure, figure_end = place(tokens_of(quantity)[0])[0], place(tokens_of(quantity)[-1])[1]
        end = max(figure_end, tail.end) if noun_follows else figure_end
        starts = [figure, *(place(t)[0] for t in lead.claim if t.type != "MODAL" and not inherited)]
        starts += [whole.start] if whole.text else []
        if named:
            self.found[:] = [r._replace(indicator=named) if n in self.unnamed else r for n, r in enumerate(self.found)]
            self.unnamed = []
        else:
            self.unnamed.append(len(self.found))
        if kind != "rank" or not context.named:
            context.named = named
        context.verbs = governing
        context.claim = lead.claim
        context.per = per if kind == "quota" else None
        self.found.append(
            Reading(
                indicator=named,
                kind=kind,
                comparator=comparator_of(lead, amount, kind),
                value=None if lost else amount.value,
                value_high=amount.high,
                unit=None if lost else "位" if kind == "rank" else self.unit_of(amount.unit, per, named),
                change="down" if lead.has("FALL") else "up" if lead.has("RISE") else None,
                baseline=baseline,
                baseline_period=baseline_period,
                per=per,
                exceeds=None,
                due=self.due,
                modality=context.modality or ("reach" if lead.has("REACH") else "state"),
                **self.span(min(starts), end, figure, figure_end),
            )
        )
        return True

    def counts(self, tokens: list[Token]) -> bool:
        """不少于5家开发区进入前15名 counts those in the rank: whether a count runs straight into these words."""
        begins = self.source.at[place(tokens[0])[0]] if tokens else -1
        return bool(self.found) and self.found[-1].kind != "rank" and self.found[-1].figure_end == begins

    def unit_of(self, written_unit: str | None, per: str | None, named: str) -> str | None:
        """The unit with what the clause says elsewhere: 每千人口…张 is 张/千人, and 余额…两万亿 is money."""
        if written_unit in MULTIPLES and MONEY.search(named):
            return f"{written_unit}元"
        of = re.match(r"([十百千万]*)(?:常住)?(人|户)", per or "")
        ratio = f"{written_unit}/{of[1]}{of[2]}" if of else None
        return ratio if ratio and unit(ratio) else written_unit

    def baseline(self, lead: Lead) -> tuple[float | None, str | None, Phrase]:
        """由2021年31.9%提高至37%: 31.9 of 2021. 比上年增加5家: no figure, of the year before. And the words but for it."""
        tokens = lead.tokens()
        begins = next((n for n, t in enumerate(tokens) if t.type == "FROM"), None)
        if begins is not None and lead.has("TO", "REACH"):
            after = tokens[begins + 1 :]
            figures = [t for t in after if t.type == "FIGURE"]
            when = [t for t in after if t.type in ("YEAR", "LAST")]
            if figures:
                return number(figures[0]), period_of(when[0], self.year) if when else None, phrase(tokens[:begins])
        for leaf in lead.leaves:
            if isinstance(leaf, Tree) and leaf.data == "since":
                return None, period_of(tokens_of(leaf)[-1], self.year), phrase(tokens)
        return None, None, phrase(tokens)

    def share_out(self, count: int) -> None:
        """甲、乙分别达到99%和97%: a figure each, in turn."""
        read = self.found[count:]
        if len(read) < 2 or "分别" not in read[0].indicator:
            return
        names = re.split("[、和与]", read[0].indicator.partition("分别")[0])
        if len(names) == len(read):
            self.found[count:] = [r._replace(indicator=n) for r, n in zip(read, names, strict=True)]

    def without_figure(self, rest: list[Token], broken: bool) -> None:
        """A clause without a figure: compared with something else, or done by a date, or a date for what follows; or lost."""
        context, words = self.context, phrase(rest)
        over = next((n for n, t in enumerate(rest) if t.type == "ABOVE"), None)
        if over is not None:
            subject, than = phrase(rest[:over]), phrase(rest[over + 1 :])
            if than.text and re.search(r"(?:增长|增速|增幅|涨幅|水平|比重|收入)$", subject.text):
                named = (context.named if subject.text in ("增长", "增速", "增幅", "涨幅") else "") + subject.text
                self.task(named, "relative", than.text, self.due, subject.start, than.end)
                return
        gap = any(t.type == "GAP_MONTH" for t in rest)
        years = [t for t in rest if t.type == "YEAR"]
        if not words.text:
            if self.dates:
                context.due = context.due_for_task = due_of(self.dates[-1], self.year)
            context.year_alone = context.year_alone or bool(years)
            context.month_lost = context.month_lost or gap
            if broken and years:
                self.task("", "lost", None, self.due, *place(years[-1]))
            return
        by = due_of(self.dates[-1], self.year) if self.dates and BY.search(self.dates[-1]) else context.due_for_task
        context.due_for_task = None
        awaiting = rest[-1].type in AWAITING and phrase(rest[:-1]).text
        if by is None and context.year_alone and ACHIEVED.match(words.text):
            by = context.by
        if by is not None and len(words.text) > 2:
            start = min(place(t)[0] for t in rest if t.type != "YEAR")
            self.task(words.text, "milestone", None, by, start, words.end)
        elif gap or context.month_lost or awaiting or (broken and self.promises(rest)):
            self.task(words.text, "lost", None, self.due, words.start, max(words.end, place(rest[-1])[1]))
        context.month_lost = False

    def promises(self, rest: list[Token]) -> bool:
        """Whether a clause that breaks off was to say what the year brings: a figure was still to come."""
        context = self.context
        newly = any(t.type == "RANKED" or (t.type == "VERB" and t in NEWLY) for t in rest)
        counting = any(r.value is not None for r in self.found)
        return newly or counting or context.year_alone or context.modality is not None or rest[-1].type in CLAIMS

    def task(self, named: str, kind: Kind, exceeds: str | None, due: dt.date, start: int, end: int) -> None:
        """Adds a target without a figure."""
        self.context.named = named
        self.found.append(
            Reading(
                indicator=named,
                kind=kind,
                comparator=WITHOUT_FIGURE.get(kind),
                value=None,
                value_high=None,
                unit=None,
                change=None,
                baseline=None,
                baseline_period=None,
                per=None,
                exceeds=exceeds,
                due=due,
                modality=self.context.modality or "state",
                **self.span(start, end, start, end),
            )
        )

    def span(self, start: int, end: int, figure: int, figure_end: int) -> dict[str, int]:
        """Places of the plain text as places of the text that it was made from."""
        at = self.source.at
        return {
            "start": at[start],
            "length": at[end - 1] + 1 - at[start],
            "figure_start": at[figure],
            "figure_end": at[figure_end - 1] + 1,
        }


def promised(lead: Lead, amount: Amount, following: list[Token], last: bool, context: Context) -> bool:
    """Whether a figure is said to be reached. One that only describes (以5个产业为重点) is not."""
    assert lead.quantity is not None
    before, tail = lead.tokens(), phrase(following).text
    kind, held = lead.quantity.data, tokens_of(lead.quantity)
    bounded = lead.has(*BEFORE) or amount.after is not None
    if kind == "bare" and held[0].type == "BARE":
        return bounded or lead.has("RISE", "FALL")
    if held[0].type == "NUMERAL":  # in words: 二期 is the second, 一个 is any, 百日 a name
        if held[0] == "一" and not (lead.has("AT_LEAST") or any(t.type == "PER" for t in before)):
            return False
        if not bounded and (amount.unit in ("期", "届") or (tail and lead.claim and not lead.has("VERB"))):
            return False
    if lead.has(*BEFORE, "RISE", "FALL", "VERB", "MODAL", "RANKED"):
        return True
    if bounded or kind in ("doubled", "times", "front", "place", "all", "gap"):
        return True
    such = bool(before) and before[-1].type == "SUCH"
    if not tail:
        return last and not such and bool(before or context.named)
    governed = any(t.type == "VERB" for t in [*before, *following]) or (not before and bool(context.verbs))
    return last and governed and held[0].type != "NUMERAL" and not phrase(before).text.startswith(CIRCUMSTANCE)
