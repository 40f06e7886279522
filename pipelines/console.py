"""What a run says on the terminal: its progress and its warnings, not Dagster's every event."""

import logging
import sys

import dagster as dg


class Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        meta = getattr(record, "dagster_meta", {})
        said = meta.get("orig_message") or record.getMessage()
        level = "" if record.levelno <= logging.INFO else f"{record.levelname} "
        return f"{self.formatTime(record, '%H:%M:%S')}  {meta.get('step_key') or 'run'}: {level}{said}"


def _worth_saying(record: logging.LogRecord) -> bool:
    event = getattr(record, "dagster_meta", {}).get("dagster_event")
    return event is None or record.levelno >= logging.WARNING


@dg.logger(config_schema={"log_level": dg.Field(str, default_value="INFO")}, description="Progress, line by line.")
def console(context: dg.InitLoggerContext) -> logging.Logger:
    logger = logging.Logger("wallchart", level=logging.getLevelName(context.logger_config["log_level"]))
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Plain())
    handler.addFilter(_worth_saying)
    logger.addHandler(handler)
    return logger
