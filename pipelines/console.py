"""What a run says on the terminal, to a person or, with WALLCHART_LOG=json, to a machine: progress and warnings, not Dagster's
every event. JSON lines have the keys of `dagster … --log-format json` (event, level, logger, timestamp), and say of what.
"""

import logging
import os
import re
import sys
from collections.abc import Callable
from typing import Any

import click
import dagster as dg

from pipelines.settings import SettingsError
from warehouse.visible import visible

FORMATS = ("text", "json")
# a submission's path as the ledger has it: its department's code first
FILE = re.compile(r"(?:^|\s)(?P<file>(?P<department>[a-z][a-z_]*)/[^:;]*?\.[A-Za-z]{2,7})(?=[\s:;,]|$)")


def log_format() -> str:
    """WALLCHART_LOG: text, the default, or json. Raises SettingsError."""
    said = os.environ.get("WALLCHART_LOG") or "text"
    if said not in FORMATS:
        raise SettingsError(f"WALLCHART_LOG is {said!r}: write text or json")
    return said


def of_what(record: logging.LogRecord) -> dict[str, str]:
    """run, job, step, the file with its department where the message names one, and the innermost error of a step."""
    meta = getattr(record, "dagster_meta", {})
    known = {"run": meta.get("run_id"), "job": meta.get("job_name"), "step": meta.get("step_key")}
    found = FILE.search(meta.get("orig_message") or record.getMessage())
    event = meta.get("dagster_event")
    if event is not None and event.is_step_failure:
        error = event.step_failure_data.error
        while error is not None and error.cause is not None:
            error = error.cause
        known["error"] = visible(error.message.strip()) if error else None
    return {k: v for k, v in known.items() if v} | (found.groupdict() if found else {})


class Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        meta = getattr(record, "dagster_meta", {})
        said = meta.get("orig_message") or record.getMessage()
        level = "" if record.levelno <= logging.INFO else f"{record.levelname} "
        # a terminal obeys control characters, wherever they come from
        return visible(f"{self.formatTime(record, '%H:%M:%S')}  {meta.get('step_key') or 'run'}: {level}{said}")


def json_lines() -> logging.Formatter:
    """A record as one line of JSON."""
    import structlog  # late, as Dagster does: it is wanted only here

    def what(_: object, __: str, event: Any) -> Any:
        record = event["_record"]
        said = getattr(record, "dagster_meta", {}).get("orig_message") or record.getMessage()
        return {**event, "event": visible(said), **of_what(record)}

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            what,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )


def _worth_saying(record: logging.LogRecord) -> bool:
    event = getattr(record, "dagster_meta", {}).get("dagster_event")
    return event is None or record.levelno >= logging.WARNING


def lines_on(logger: logging.Logger) -> logging.Logger:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(json_lines() if log_format() == "json" else Plain())
    handler.addFilter(_worth_saying)
    logger.addHandler(handler)
    return logger


def voice() -> Callable[[str], None]:
    """How a command that may run unattended speaks besides its runs: as they do where that is JSON."""
    return lines_on(logging.Logger("wallchart", level=logging.INFO)).info if log_format() == "json" else click.echo


@dg.logger(config_schema={"log_level": dg.Field(str, default_value="INFO")}, description="Progress, line by line.")
def console(context: dg.InitLoggerContext) -> logging.Logger:
    return lines_on(logging.Logger("wallchart", level=logging.getLevelName(context.logger_config["log_level"])))
