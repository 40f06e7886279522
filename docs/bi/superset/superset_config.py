"""Superset's settings for the analyst's door: this machine only, Chinese first, nothing sent anywhere.

Read through SUPERSET_CONFIG_PATH by serve.py, which also says where the settings' folder (SUPERSET_HOME) is.
"""

import os
from pathlib import Path

from flask import Blueprint, Response, redirect
from flask_login import current_user
from superset.extensions import talisman

HOME = Path(os.environ["SUPERSET_HOME"])
SECRET_KEY = (HOME / "secret_key").read_text()
SQLALCHEMY_DATABASE_URI = f"sqlite:///{HOME / 'superset.db'}"

LOG_LEVEL = "WARNING"
APP_NAME = "挂图作战"
BABEL_DEFAULT_LOCALE = "zh"
LANGUAGES = {"zh": {"flag": "cn", "name": "简体中文"}, "en": {"flag": "us", "name": "English"}}

# the dashboard reads vintages through the file's table macros: {{ … }} in a dataset's SQL fills in the time
FEATURE_FLAGS = {"ENABLE_TEMPLATE_PROCESSING": True, "DRILL_TO_DETAIL": True, "DRILL_BY": True, "ALERT_REPORTS": False}

# Answers are not cached: a new release is seen by the next query
DATA_CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}

# The browser may ask this server and nobody else: no usage pixel, no map tiles, no fonts from the net
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'"],
        "script-src": ["'self'", "'strict-dynamic'", "'unsafe-eval'"],
        "frame-src": ["'self'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": False,
}
HTML_SANITIZATION_SCHEMA_EXTENSIONS = {
    "tagNames": ["iframe"],
    "attributes": {"iframe": ["src", "title", "width", "height", "style"]},
}

# The wall chart is a file that each night writes, shown inside the dashboard to whoever is logged in
PAGE = Path(os.environ["WALLCHART_DATA"]) / "reports" / "wallchart.html"
NO_PAGE = "<!doctype html><meta charset=utf-8><title>挂图</title><p>挂图尚未生成。There is no wall chart yet."
MAY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
reports = Blueprint("wallchart", __name__)


@reports.route("/wallchart.html")
@talisman(content_security_policy=MAY, content_security_policy_nonce_in=[])
def wallchart() -> Response:
    if not current_user.is_authenticated:
        return redirect("/login/?next=/wallchart.html")
    return Response(PAGE.read_bytes() if PAGE.exists() else NO_PAGE, mimetype="text/html")


BLUEPRINTS = [reports]
