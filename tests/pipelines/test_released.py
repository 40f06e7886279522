"""The releases at the command line: listed, gone back to, and told apart."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.cli import main
from pipelines.settings import SettingsError, settings
from tests.night import NOW, Night, long_csv
from warehouse.releases import Keep

FIRST = {"science/a.csv": long_csv(("high_tech_firms", "", "2022Q4", "", 4100, "家"))}
SECOND = {"science/更正.csv": long_csv(("high_tech_firms", "", "2022Q4", "", 4200, "家"))}


def says(data: Path, *arguments: str) -> tuple[int, str]:
    ran = CliRunner().invoke(main, list(arguments), env={"WALLCHART_DATA": str(data)})
    return ran.exit_code, ran.output


@pytest.mark.slow
def test_releases_are_listed_told_apart_and_gone_back_to(night: Callable[..., Night]) -> None:
    one = night(FIRST)
    data, a = one.root / "data", one.release.release
    assert says(data, "rollback") == (1, "Error: there is no earlier release of other inputs to go back to\n")
    code, said = says(data, "diff")
    assert (code, "only release" in said) == (1, True)

    b = night(SECOND, dict.fromkeys(SECOND, NOW), NOW + timedelta(days=1), root=one.root).release.release
    for arguments in ([], [a], [a[:12], b[:12]]):
        code, said = says(data, "diff", *arguments)
        assert code == 0
        [line] = [x for x in said.splitlines() if "observation" in x and "high_tech_firms" in x]
        assert [word in line for word in ("4100", "4200", "correction: science/更正.csv")] == [True] * 3
    code, said = says(data, "diff", b, a)  # the other way round
    assert any("4200" in x and "4100" in x for x in said.splitlines())

    code, said = says(data, "rollback")
    assert (code, f"current was {b}, is now {a}" in said) == (0, True)
    code, said = says(data, "releases")
    assert [("current" in x, "rolled back" in x) for x in said.splitlines() if "│" in x] == [
        (False, True),
        (True, False),
    ]
    assert says(data, "rollback", "2019")[0] == 1


def test_how_long_releases_are_kept_is_the_environments_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WALLCHART_KEEP_DAYS", raising=False)
    monkeypatch.setenv("WALLCHART_KEEP_RELEASES", "30")
    assert settings().keep == Keep(days=7, releases=30)
    monkeypatch.setenv("WALLCHART_KEEP_DAYS", "a week")
    with pytest.raises(SettingsError, match=r"WALLCHART_KEEP_DAYS is 'a week': write a whole number"):
        settings()
