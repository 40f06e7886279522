"""Alerts: what is wrong with the machine's work, put into words for whoever runs it; once, and once more when it is well.

What is wrong is read from what is there at the time: the runs that Dagster recorded, the last evaluations of checks, the
disk, the last good night. It does not matter who looks or how often, and a failure during which nobody looked is not lost.
A daemon's sensor, `wallchart run` and `wallchart alerts` all come here.

No words of an error are repeated unless the error is one of ours or the system's: others may quote a department's figures.

Not here: what departments owe (`pipelines.reminders`).
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException

import dagster as dg
from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Evaluated
from dagster._core.storage.tags import WILL_RETRY_TAG

from expectations.load import PlanError
from expectations.model import Plan
from pipelines.notifier import OFFICE, OPERATORS, Delivered, Message, Notifier, Progress
from pipelines.settings import Settings
from warehouse.release import pending
from warehouse.store import Store, write_whole

BY_HAND = "__ASSET_JOB"  # what Dagster calls a run that is started from an asset's page
RELEASING = ("refresh", "republish")
TOPIC = "alert/"
CRASHED = TOPIC + "night/crashed"
BEGUN, OVER = "begun", "over"  # how the key of a message ends
SOURCE_DOWN_AFTER = dt.timedelta(hours=24)  # one night without an answer may pass: the next is told of
ROOM_TO_BE_WELL = 1  # percent above the limit until a disk counts as well: else it would flutter
HEARTBEAT_SECONDS = 30

OURS = (
    "ClockError",
    "EngineError",
    "Failure",
    "JudgeError",
    "PlanError",
    "ReceiptError",
    "ReleaseError",
    "SettingsError",
    "StoreError",
)
SYSTEMS = ("BlockingIOError", "ConnectionError", "FileNotFoundError", "OSError", "PermissionError", "TimeoutError")
NAMES = {
    "release": "发布 the release",
    "disk": "磁盘 the disk",
    "night": "夜间作业 the night",
    "run": "运行 runs of",
    "check": "检查",
}
ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE]
UNDER_WAY = [s for s in DagsterRunStatus if s not in (*ENDED, DagsterRunStatus.CANCELED)]


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong. `topic`: which; `title`: how both messages about it begin; `what`, in Chinese and English,
    without figures, names of people or secrets; `link`: where to look, or empty."""

    topic: str
    title: str
    what: tuple[str, ...]
    link: str = ""


def watched(
    instance: DagsterInstance, defs: dg.Definitions, config: Settings, plan: Plan, now: dt.datetime
) -> list[Trouble]:
    """All that is wrong at `now`."""
    told = _open(config, plan, now)
    return [
        *_runs(instance, defs, config, told),
        *_checks(instance, defs, config, now),
        *_night(config, now),
        *_crash(config, told),
        *_disk(config, told),
    ]


def news(config: Settings, plan: Plan | None, troubles: Sequence[Trouble], now: dt.datetime) -> list[Message]:
    """What has yet to be said: troubles that have not been spoken of, and those that are over."""
    told, to = _open(config, plan, now), recipient(config)
    at = now.astimezone(dt.UTC).isoformat(timespec="microseconds")
    begun = [
        Message(t.topic, f"{at} {BEGUN}", f"Wallchart：{t.title}", "\n".join([*t.what, t.link]).strip(), to)
        for t in troubles
        if t.topic not in told
    ]
    still = {t.topic for t in troubles}
    over = [
        Message(
            topic, f"{at} {OVER}", f"Wallchart：已恢复 well again：{_name(topic)}", f"发现于 seen {at[:16]} UTC。", to
        )
        for topic, (_, had) in sorted(told.items())
        if had and topic not in still  # whoever was never told of it need not hear that it is over
    ]
    return [*begun, *over]


def tell(
    config: Settings,
    plan: Plan,
    troubles: Sequence[Trouble],
    now: dt.datetime,
    progress: Progress = lambda _: None,
) -> Delivered:
    """Queues what there is to say, takes back what is over before anybody was told, and sends."""
    notify = notifier(config, plan)
    said = news(config, plan, troubles, now)
    still = {t.topic for t in troubles}
    for topic, (_, had) in _open(config, plan, now).items():
        if not had and topic not in still:
            notify.retract(topic, but=still)
    for message in said:
        notify.notify(message, now)
    return notify.deliver(now, progress)


def nothing_to_tell(config: Settings, plan: Plan, troubles: Sequence[Trouble], now: dt.datetime) -> str | None:
    """Why there is nothing to send at `now`, or None where there is something."""
    if not addressed(config):
        return "nobody is told: no address is set (WALLCHART_NOTIFY_OPERATORS, WALLCHART_NOTIFY)"
    notify = notifier(config, plan)
    if until := notify.quiet_until(now):
        return f"quiet hours until {until:%Y-%m-%d %H:%M}"
    if not news(config, plan, troubles, now) and not notify.waiting(now):
        return f"{len(troubles)} troubles, all of them told" if troubles else "all is well"
    return None


def after_night(defs: dg.Definitions, config: Settings, plan: Plan, say: Progress) -> None:
    """What follows a night that `wallchart run` has made, well or not: it is noted, told of, and reported outside."""
    with DagsterInstance.get() as instance:
        now = dt.datetime.now(dt.UTC)
        note_night(instance, config, plan)
        troubles = watched(instance, defs, config, plan, now)
        if addressed(config):
            tell(config, plan, troubles, now, say)
    if failure := beat(config):
        say(failure)


def after_crash(config: Settings, error: BaseException, say: Progress) -> None:
    """The same for a night that broke off before or beside its runs; a plan that cannot be compiled is one cause."""
    if not addressed(config):
        return
    try:
        plan = config.plan()
    except PlanError:
        plan = None
    now = dt.datetime.now(dt.UTC)
    trouble = Trouble(
        CRASHED,
        "夜间作业未能运行 the night could not run",
        (f"作业中断：{_cause(type(error).__name__, str(error))}", "It broke off. The last release still stands."),
    )
    notify = notifier(config, plan)
    for message in news(config, plan, [trouble], now):
        if message.topic == CRASHED:
            notify.notify(message, now)
    notify.deliver(now, say)


def notifier(config: Settings, plan: Plan | None) -> Notifier:
    """Whoever runs the machine has no quiet hours; the office, told in their place, has its own."""
    to = recipient(config)
    policy = plan.policy.reminders if plan else None
    quiet = policy.quiet_hours if policy and to == OFFICE else None
    recipients = {r: urls for r, urls in config.recipients.items() if r == to}
    return Notifier(config.data / "notices" / "alerts", recipients, quiet, plan.head.timezone if plan else "UTC")


def addressed(config: Settings) -> bool:
    return any(r.get_secret_value().split() for name, r in config.recipients.items() if name == recipient(config))


def recipient(config: Settings) -> str:
    own = config.recipients.get(OPERATORS)
    return OPERATORS if own and own.get_secret_value().split() else OFFICE


def _open(config: Settings, plan: Plan | None, now: dt.datetime) -> dict[str, tuple[str, bool]]:
    """Troubles of which a message was sent or waits, and none that they are over: since when, and whether any was sent."""
    newest = notifier(config, plan).newest(TOPIC, recipient(config), now)
    return {t: (key.split()[0], had) for t, (key, had) in newest.items() if key.endswith(BEGUN)}


def _name(topic: str) -> str:
    kind, _, rest = topic.removeprefix(TOPIC).partition("/")
    return NAMES[kind] if kind == "night" else f"{NAMES[kind]} {rest}".strip()


# --- what may be wrong ---


def _crash(config: Settings, told: Mapping[str, tuple[str, bool]]) -> Iterable[Trouble]:
    """A crash that was told of lasts until a night ends well."""
    last = last_good_night(config.store)
    if CRASHED in told and (last is None or last < dt.datetime.fromisoformat(told[CRASHED][0])):
        yield Trouble(CRASHED, "", ())


def _runs(
    instance: DagsterInstance, defs: dg.Definitions, config: Settings, told: Mapping[str, tuple[str, bool]]
) -> Iterable[Trouble]:
    """A job whose last finished run failed, and that is not under way again, by itself or by a person. What judges, makes
    and publishes is one topic: the release is held back."""
    last: dict[str, RunRecord] = {}
    again: set[str] = set()
    for job in (BY_HAND, *(j.name for j in defs.resolve_all_job_defs() if j.name not in (BY_HAND, "alerts"))):
        topic = TOPIC + ("release" if job in RELEASING else f"run/{job}")
        for record in instance.get_run_records(RunsFilter(job_name=job, statuses=ENDED), limit=1):
            if topic not in last or last[topic].storage_id < record.storage_id:
                last[topic] = record
        if instance.get_runs_count(RunsFilter(job_name=job, statuses=UNDER_WAY)):
            again.add(topic)
    for topic, record in last.items():
        run = record.dagster_run
        waits = topic in again or run.tags.get(WILL_RETRY_TAG) == "true"
        if run.status is DagsterRunStatus.FAILURE and (topic in told or not waits):
            yield _failed(instance, config, topic, record)


def _failed(instance: DagsterInstance, config: Settings, topic: str, record: RunRecord) -> Trouble:
    run = record.dagster_run
    job = "按资产启动的运行 a run of assets" if run.job_name == BY_HAND else run.job_name
    steps, checks = [], []
    for entry in instance.all_logs(
        run.run_id, of_type={DagsterEventType.STEP_FAILURE, DagsterEventType.ASSET_CHECK_EVALUATION}
    ):
        event = entry.dagster_event
        if event is None:
            continue
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            steps.append(f"{event.step_key}: {_cause(error.cls_name or '', error.message) if error else 'stopped'}")
        else:
            check = event.asset_check_evaluation_data
            if check.blocking and not check.passed:
                checks.append(f"{check.asset_key.to_user_string()}, {check.check_name}")
    what = [f"作业 {job} 失败。" if not checks else f"检查未通过：{'；'.join(dict.fromkeys(checks))}。"]
    if steps and not checks:
        what.append(f"步骤 {steps[0]}")
    elif not steps and not checks:
        what.append("运行进程中断，或超时被终止。")
    if topic == TOPIC + "release":
        title = "发布被拦下 the release is held back"
        what.append(
            f"上一次发布仍然有效。{'A check' if checks else 'A failure'} holds the release back; the last one stands."
        )
    else:
        title = f"运行失败 a run failed：{job}"
        what.append("A run failed. What was not finished is done by the next one.")
    return Trouble(topic, title, tuple(what), _link(config, run.run_id))


def _cause(kind: str, message: str) -> str:
    """An error in the words that may leave the machine."""
    lines = message.strip().splitlines()
    said = lines[0].removeprefix(f"{kind}: ").partition(": ")[2] if lines and lines[0].startswith("dagster") else ""
    said = said or (lines[0] if lines else "")
    if kind in OURS or kind in SYSTEMS or kind.startswith("Dagster"):
        return said[:300] if said.startswith(kind) else f"{kind}: {said[:300]}"
    return f"{kind or 'error'}（原文见运行记录 its words are in the run's log）"


def _checks(instance: DagsterInstance, defs: dg.Definitions, config: Settings, now: dt.datetime) -> Iterable[Trouble]:
    """A check whose last verdict is a failure that is ours to mend (severity ERROR; WARN is a department's matter), where
    no run was stopped by it. Sources count after SOURCE_DOWN_AFTER without an answer."""
    for key in sorted(defs.resolve_asset_graph().asset_check_keys):
        verdicts = instance.event_log_storage.get_asset_check_execution_history(
            key, limit=100, status={Evaluated.SUCCEEDED, Evaluated.FAILED}
        )
        streak = []
        for record in verdicts:
            if record.status is not Evaluated.FAILED:
                break
            streak.append(record)
        if not streak or streak[0].event is None or streak[0].event.dagster_event is None:
            continue
        verdict = streak[0].event.dagster_event.asset_check_evaluation_data
        if verdict.severity is not dg.AssetCheckSeverity.ERROR or verdict.blocking:
            continue
        since = dt.datetime.fromtimestamp(streak[-1].create_timestamp, dt.UTC)
        sources = key.name == "sources_answered"
        if sources and now - since < SOURCE_DOWN_AFTER:
            continue
        name = f"{key.asset_key.to_user_string()}, {key.name}"
        what = [f"检查 {name} 自 {since:%Y-%m-%d %H:%M} UTC 起未通过。"]
        if sources:
            what.append("未应答的来源 sources that do not answer: " + "; ".join(sorted(verdict.metadata)))
        what.append("A check fails that is ours to mend, and no department's matter.")
        topic = f"{TOPIC}check/{key.asset_key.to_user_string()}/{key.name}"
        yield Trouble(topic, f"检查未通过 a check fails：{name}", tuple(what), _link(config, streak[0].run_id))


def _night(config: Settings, now: dt.datetime) -> Iterable[Trouble]:
    """No night has finished well for longer than `config.night_hours`; silent until there has been one."""
    last = last_good_night(config.store)
    if last is not None and now - last > dt.timedelta(hours=config.night_hours):
        hours = (now - last) // dt.timedelta(hours=1)
        yield Trouble(
            TOPIC + "night/overdue",
            f"{hours} 小时没有完成夜间作业 no night has finished for {hours} hours",
            (
                f"上一次正常完成于 {last:%Y-%m-%d %H:%M} UTC。请查看调度程序、传感器或 cron 是否运行。",
                "Look whether the daemon with its schedule and sensor, or cron, is running.",
            ),
            config.ui,
        )


def _disk(config: Settings, told: Mapping[str, tuple[str, bool]]) -> Iterable[Trouble]:
    config.data.mkdir(parents=True, exist_ok=True)
    usage = shutil.disk_usage(config.data)
    limit = config.disk_free_percent + (ROOM_TO_BE_WELL if TOPIC + "disk" in told else 0)
    if usage.free * 100 < usage.total * limit:
        yield Trouble(
            TOPIC + "disk",
            "磁盘将满 the disk is nearly full",
            (
                f"数据目录 {config.data} 所在磁盘剩余 {usage.free / 2**30:,.1f} GiB"
                f"（{usage.free * 100 / usage.total:.0f} %，下限 {config.disk_free_percent} %）。",
                "Make room: a full disk stops landing, judging, releases and these messages. `make prune` shows what may go.",
            ),
        )


def _link(config: Settings, run_id: str) -> str:
    return f"{config.ui}/runs/{run_id}"


# --- the last good night, and the heartbeat that says so outside ---


def last_good_night(store: Store) -> dt.datetime | None:
    """When a night last ended with everything done; None before the first."""
    noted = _noted(store)
    return dt.datetime.fromisoformat(noted["good"]) if "good" in noted else None


def note_night(instance: DagsterInstance, config: Settings, plan: Plan) -> None:
    """Notes the night as good where a landing has succeeded since the last good one and nothing is left to do.

    It is noted and not derived later: what is left to do changes with every edit of the plan and every deadline.
    """
    nights = instance.get_run_records(RunsFilter(job_name="nightly", statuses=[DagsterRunStatus.SUCCESS]), limit=1)
    if not nights or nights[0].end_time is None:
        return
    landed = dt.datetime.fromtimestamp(nights[0].end_time, dt.UTC)
    last = last_good_night(config.store)
    if last is not None and last >= landed:
        return
    if not pending(config.store, plan, landed)[1]:
        _note(config.store, good=max(landed, _released_at(instance) or landed).isoformat())


def _released_at(instance: DagsterInstance) -> dt.datetime | None:
    ends = [
        record.end_time
        for job in RELEASING
        for record in instance.get_run_records(RunsFilter(job_name=job, statuses=[DagsterRunStatus.SUCCESS]), limit=1)
        if record.end_time
    ]
    return dt.datetime.fromtimestamp(max(ends), dt.UTC) if ends else None


def unbeaten(config: Settings) -> bool:
    """Whether a good night has not been reported to WALLCHART_HEARTBEAT yet."""
    noted = _noted(config.store)
    return config.heartbeat is not None and "good" in noted and noted.get("beat") != noted["good"]


def beat(config: Settings) -> str | None:
    """GETs WALLCHART_HEARTBEAT, once for each good night; why it did not answer, without any part of the URL, or None."""
    if not unbeaten(config) or config.heartbeat is None:
        return None
    request = urllib.request.Request(config.heartbeat.get_secret_value(), headers={"User-Agent": "Wallchart"})
    try:
        with urllib.request.urlopen(request, timeout=HEARTBEAT_SECONDS):
            pass
    except urllib.error.HTTPError as e:
        return f"WALLCHART_HEARTBEAT: HTTP {e.code}"
    except (OSError, HTTPException, ValueError) as e:
        return f"WALLCHART_HEARTBEAT: {type(getattr(e, 'reason', e)).__name__}"
    _note(config.store, beat=_noted(config.store)["good"])
    return None


def _noted(store: Store) -> dict[str, str]:
    path = store.root / "notices" / "night.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _note(store: Store, **facts: str) -> None:
    write_whole(store.root / "notices" / "night.json", json.dumps(_noted(store) | facts).encode())
