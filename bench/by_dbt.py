"""The script's models as a dbt project: a model a table, dbt tests for the rules and the marts."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.models import Script
from bench.outside import KIT
from expectations.rules import RULES

FOUND = {"V": "broken_3", "Q": "broken_3", "M": "finding_2"}  # where what a family of rules finds stands
BY_SCRIPT = ("landed", "params")  # of the committed project, what the script makes itself


def project(root: Path, script: Script) -> Path:
    """The folder of a project that is run in `root`."""
    folder = root / "dbt"
    shutil.copytree(KIT / "dbt", folder)
    for name in BY_SCRIPT:
        (folder / "models" / f"{name}.sql").unlink()
    with open(folder / "models" / "sources.yml", "a", encoding="utf-8") as sources:
        sources.writelines(f"      - name: {table.stem}\n" for table in sorted((root / "plan").glob("*.parquet")))
    with open(folder / "dbt_project.yml", "a", encoding="utf-8") as settings:
        settings.write("on-run-start:\n")
        for macro in script.macros:
            settings.write("  - |\n" + "".join(f"    {line}\n" for line in macro.splitlines()))
    for model in script.models:
        made = script.written(model, "{{{{ source('plan', '{}') }}}}", "{{{{ ref('{}') }}}}")
        if model.view:
            made = f"{{{{ config(materialized='view') }}}}\n{made}"
        (folder / "models" / f"{model.name}.sql").write_text(made, "utf-8")
    (folder / "tests").mkdir()
    for code in RULES:
        if found := FOUND.get(code[0]):
            (folder / "tests" / f"{code}.sql").write_text(
                f"{{{{ config(severity='warn') }}}}\nselect * from {{{{ ref('{found}') }}}} where rule = '{code}'\n",
                "utf-8",
            )
    return folder
