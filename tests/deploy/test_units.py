"""What deploy/ hands out, as far as it can be held without a systemd that runs and an engine for containers."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.processes import BIN, ROOT

SYSTEMD = ROOT / "deploy" / "systemd"
SERVICES = sorted(p.name for p in SYSTEMD.glob("*.service"))


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with this checkout's commands in the place of those under /opt/wallchart."""
    shutil.copytree(SYSTEMD, tmp_path, dirs_exist_ok=True)
    for unit in tmp_path.rglob("*.*"):
        if unit.is_file():
            unit.write_text(unit.read_text().replace("/opt/wallchart/.venv/bin", str(BIN)))
    return tmp_path


def test_systemd_finds_nothing_wrong_with_the_units(units):
    names = [str(p) for p in units.iterdir() if p.is_file()]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names],
        env={"SYSTEMD_UNIT_PATH": f"{units}:/usr/lib/systemd/system"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("service", SERVICES)
def test_systemd_calls_the_exposure_of_every_service_low(units, service):
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", service],
        env={"SYSTEMD_UNIT_PATH": f"{units}:/usr/lib/systemd/system"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No matching" not in done.stdout


def test_the_container_file_copies_what_is_there_and_all_that_the_package_needs():
    copied: set[str] = set()
    for line in re.sub(r"\\\n", "", (ROOT / "deploy" / "Containerfile").read_text()).splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            copied.update(shlex.split(line)[1:-1])
    assert all((ROOT / name).exists() for name in copied)
    assert {"expectations", "warehouse", "assets", "pipelines", "requirements.lock", "dagster.yaml"} <= copied
