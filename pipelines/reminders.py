"""Reminders: who owes what, as the current release says it, put into words for departments and for the office.

A department is told once when figures become due soon, once when a deadline has passed, and then again each time that
nothing has changed for `policy.reminders.overdue_again_after_days`. The office is told of all departments together.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from expectations.model import Plan
from expectations.policy import Reminders
from pipelines.notifier import LONGEST, OFFICE, OPERATORS, Delivered, Message, Notifier, Progress, variable
from pipelines.settings import Settings
from warehouse.dictionary import SYNTHETIC
from warehouse.store import Store, connect, files_sql
from warehouse.templates import shown_due

TOPIC = "reminder/"
LINES = 20


@dataclass(frozen=True)
class Owed:
    """`departments`: department, name_zh, name_en, overdue, due_soon (figures), oldest (overdue), next (due soon), latest
    (when the last of them became due soon or overdue); who has owed longest comes first. `figures`: a row an indicator
    that a department owes for a period, the first LINES of each department, `areas` counted."""

    departments: pl.DataFrame
    figures: pl.DataFrame
    synthetic: bool


def owed(store: Store, plan: Plan, now: dt.datetime) -> Owed | None:
    """What the current release says is owed, as it stands at `now`; None where no release has the table yet."""
    marts = (store.warehouse / "current").resolve() / "marts"
    if not (marts / "reminder").is_dir():
        return None
    with connect(marts) as con:
        for table in ("reminder", "department", "indicator", "submission"):
            con.execute(
                f"create view {table} as from read_parquet({files_sql(sorted((marts / table).glob('**/*.parquet')))})"
            )
        asked = {"now": now, "zone": plan.head.timezone, "lines": LINES}
        con.execute("create table asked as select $now::timestamptz as now, $zone as zone, $lines as lines", asked)
        [(synthetic,)] = con.execute("select coalesce(bool_or(synthetic), false) from submission").fetchall()
        return Owed(con.sql(DEPARTMENTS).pl(), con.sql(FIGURES).pl(), synthetic)


def notifier(config: Settings, plan: Plan) -> Notifier:
    quiet = plan.policy.reminders.quiet_hours if plan.policy.reminders else None
    return Notifier(config.data / "notices", config.recipients, quiet, plan.head.timezone)


def messages(config: Settings, plan: Plan, now: dt.datetime) -> list[Message]:
    """What is to be said at `now`, said before or not: to each department that owes something, and to the office."""
    policy, found = plan.policy.reminders, owed(config.store, plan, now)
    if policy is None or found is None or found.departments.is_empty():
        return []
    label = f"【{SYNTHETIC.strip(' .')}】" if found.synthetic else ""
    lines = {code: rows for (code,), rows in found.figures.partition_by("department", as_dict=True).items()}
    said = [
        Message(
            TOPIC + d["department"], _key(policy, now, d["latest"], d["overdue"]), label + title, body, d["department"]
        )
        for d in found.departments.iter_rows(named=True)
        for title, body in [_to_department(plan, d, lines[d["department"]].to_dicts())]
    ]
    latest, overdue = found.departments["latest"].to_list(), int(found.departments["overdue"].sum())
    title, body = _to_office(plan, found.departments)
    return [Message(TOPIC, _key(policy, now, max(latest), overdue), label + title, body, OFFICE), *said]


def strangers(config: Settings, plan: Plan) -> list[str]:
    """Variables that name no department of the plan."""
    known = {OFFICE, OPERATORS, *(d.department for d in plan.departments)}
    return [f"{variable(r)}: the plan has no department {r}" for r in sorted(config.recipients) if r not in known]


def remind(config: Settings, plan: Plan, now: dt.datetime, progress: Progress = lambda _: None) -> Delivered:
    """Queues what there is to say at `now`, takes back what is no longer true, and sends."""
    notify, said = notifier(config, plan), messages(config, plan, now)
    notify.retract(TOPIC, but=[m.topic for m in said])
    for message in said:
        notify.notify(message, now)
    return notify.deliver(now, progress)


def nothing_to_do(config: Settings, plan: Plan, now: dt.datetime) -> str | None:
    """Why there is nothing to send at `now`, or None where there is something."""
    if not any(r.get_secret_value().split() for r in config.recipients.values()):
        return f"nobody is reminded: no address is set ({variable(OFFICE)}, {variable('<department>')})"
    notify = notifier(config, plan)
    if until := notify.quiet_until(now):
        return f"quiet hours until {until:%Y-%m-%d %H:%M}"
    if not notify.unsaid(messages(config, plan, now), now) and not notify.waiting(now):
        return "everything that is owed has been spoken of"
    return None


def show(plan: Plan, found: Owed) -> None:
    """Prints who owes what, who has owed longest first."""
    table = Table(title="Owed, as the current release says", title_justify="left")
    for name in ("department", "overdue", "the first was due before", "due soon", "the next is due before"):
        table.add_column(name, justify="right" if name in ("overdue", "due soon") else "left")
    for d in found.departments.iter_rows(named=True):
        times = [shown_due(d[column], plan) if d[column] else "·" for column in ("oldest", "next")]
        counts = [str(d[column] or "·") for column in ("overdue", "due_soon")]
        table.add_row(f"{d['department']} {d['name_zh']}", counts[0], times[0], counts[1], times[1])
    console = Console(width=None if Console().is_terminal else 160, highlight=False)
    if found.synthetic:
        console.print("[bold]These are SYNTHETIC sample data 合成样例数据: nobody owes any of it.[/bold]")
    console.print(table)


def _key(policy: Reminders, now: dt.datetime, latest: dt.datetime, overdue: int) -> str:
    """When there last was something to say: the last change, or its last repetition while something is overdue."""
    again = dt.timedelta(days=policy.overdue_again_after_days)
    moment = latest + again * ((now - latest) // again) if overdue else latest
    return moment.astimezone(dt.UTC).isoformat()


def _to_department(plan: Plan, d: dict[str, Any], figures: list[dict[str, Any]]) -> tuple[str, str]:
    box = d["department"]
    head = [_counts_zh(plan, d) + "。"]
    tail = [
        f"请将填好的文件放入报送箱 {box}/，回执见其中 receipts/，表样见 templates/<报告期>/{box}-<报告期>.xlsx。",
        f"{_counts_en(plan, d)}. Drop box {box}/, receipts in its receipts/.",
    ]
    title = f"报送提醒：{d['name_zh']}"
    used = len("\n".join([title, *head, *tail]).encode()) + 40  # the last line of the list
    shown, listed = 0, list[str]()
    for lines, count in _groups(plan, figures):
        size = len("\n".join(lines).encode()) + 1
        if len(listed) + len(lines) > LINES or used + size > LONGEST - 100:
            break
        listed, shown, used = [*listed, *lines], shown + count, used + size
    if rest := d["overdue"] + d["due_soon"] - shown:
        listed.append(f"……另有 {rest} 项" if shown else f"共 {rest} 项")
    return title, "\n".join([*head, *listed, *tail])


def _groups(plan: Plan, figures: list[dict[str, Any]]) -> Iterator[tuple[list[str], int]]:
    """Lines that stand or fall together, and how many figures they speak of: an indicator, the first of a period with the
    period's own line."""
    for (period, due_at), rows in itertools.groupby(figures, key=lambda f: (f["period"], f["due_at"])):
        for n, f in enumerate(rows):
            late = f"逾期 {-f['days']} 天" if f["overdue"] else f"还有 {f['days']} 天"
            head = [f"{period}（应于 {shown_due(due_at, plan)} 前，{late}）共 {f['in_period']} 项："] if n == 0 else []
            yield [*head, f"· {f['name_zh']}" + (f"（{f['areas']} 个地区）" if f["areas"] > 1 else "")], f["areas"]


def _to_office(plan: Plan, departments: pl.DataFrame) -> tuple[str, str]:
    overdue, due_soon = int(departments["overdue"].sum()), int(departments["due_soon"].sum())
    title = f"报送提醒：{departments.height} 个部门，逾期 {overdue} 项，即将到期 {due_soon} 项"
    tail = [
        "明细见发布库 zh.报送提醒，或运行 wallchart reminders。",
        f"{departments.height} departments: {overdue} overdue, {due_soon} due soon. Details: table reminder of the release.",
    ]
    used = len("\n".join([title, *tail]).encode()) + 40
    listed: list[str] = []
    for d in departments.iter_rows(named=True):
        line = f"· {d['name_zh']}：{_counts_zh(plan, d)}"
        used += len(line.encode()) + 1
        if len(listed) == LINES or used > LONGEST - 100:
            break
        listed.append(line)
    if rest := departments.height - len(listed):
        listed.append(f"……另有 {rest} 个部门")
    return title, "\n".join([*listed, *tail])


def _counts_zh(plan: Plan, d: dict[str, Any]) -> str:
    late = f"逾期 {d['overdue']} 项（最早应于 {shown_due(d['oldest'], plan)} 前）" if d["overdue"] else ""
    soon = f"即将到期 {d['due_soon']} 项（最近须于 {shown_due(d['next'], plan)} 前）" if d["due_soon"] else ""
    return "，".join(filter(None, [late, soon]))


def _counts_en(plan: Plan, d: dict[str, Any]) -> str:
    late = f"{d['overdue']} overdue (the first was due before {shown_due(d['oldest'], plan)})" if d["overdue"] else ""
    soon = f"{d['due_soon']} due soon (the next before {shown_due(d['next'], plan)})" if d["due_soon"] else ""
    return f"{d['name_en']}: " + ", ".join(filter(None, [late, soon]))


# the release may be older than `now`: a deadline that has passed since then is overdue here
DEPARTMENTS = """
select d.department, d.name_zh, d.name_en,
    count(*) filter (where r.due_at <= asked.now) as overdue, count(*) filter (where r.due_at > asked.now) as due_soon,
    min(r.due_at) filter (where r.due_at <= asked.now) as oldest, min(r.due_at) filter (where r.due_at > asked.now) as next,
    max(case when r.due_at <= asked.now then r.due_at else r.remind_at end) as latest
from reminder r join department d using (department) cross join asked
group by all order by oldest nulls last, overdue desc, next, d.department
"""
FIGURES = """
with counted as (
    select r.department, r.period, r.due_at, r.due_at <= asked.now as overdue, r.indicator, count(*) as areas,
        date_diff('day', (asked.now at time zone asked.zone)::date,
                  ((r.due_at - interval 1 microsecond) at time zone asked.zone)::date) as days
    from reminder r cross join asked group by all
)
select c.*, i.name_zh, sum(areas) over (partition by department, c.period, due_at)::bigint as in_period
from counted c join indicator i using (indicator) cross join asked
qualify row_number() over (partition by department order by due_at, c.period, i.name_zh, indicator) <= asked.lines
order by department, due_at, c.period, i.name_zh, indicator
"""
