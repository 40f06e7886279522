"""What a person reads at the end of a run: what came, what was kept, how far the plan is, where the warehouse is."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from pipelines.nightly import Night
from pipelines.settings import Settings
from warehouse.marts import STATUSES
from warehouse.store import opened

PROGRESS = """
with latest as (
    select p.*, i.capability from progress p join indicator i using (indicator)
    qualify row_number() over (partition by target order by period_end desc) = 1
)
select c.name_zh || ' ' || c.name_en, count(*), {columns}
from latest join capability c using (capability) group by c.number, c.name_zh, c.name_en order by c.number
"""


def show(config: Settings, night: Night) -> None:
    warehouse = config.store.warehouse / "current" / "warehouse.duckdb"
    console = Console(width=None if Console().is_terminal else 160)
    for warning in night.warnings:
        console.print(f"WARNING {warning}", style="bold red", soft_wrap=True, markup=False)
    if not night.released:
        console.print(
            f"Nothing new: looked at the sources, no month touched, no deadline passed ({night.seconds:.1f} s)."
        )
    with opened(warehouse) as con:
        files, rows, kept, returned, synthetic = con.execute(
            "select count(*), coalesce(sum(rows_read), 0), coalesce(sum(rows_kept), 0), coalesce(sum(rows_returned), 0), coalesce(bool_or(synthetic), false) from submission"
        ).fetchall()[0]
        if night.released:
            span = f"{night.months[0]} to {night.months[-1]}" if night.months else "none"
            console.print(
                f"Periods refreshed: {len(night.months)} ({span}); new files: {night.landed}; {night.seconds:.1f} s"
            )
        console.print(f"Files received: {files}; rows read {rows}, kept {kept}, returned {returned}")
        if synthetic:
            console.print(
                "[bold]These are SYNTHETIC sample data 合成样例数据: no real figure of any department.[/bold]"
            )
        columns = ", ".join(f"count(*) filter (where status = '{s}')" for s in STATUSES)
        table = Table(title="Progress by capability, at the last period of the plan", title_justify="left")
        table.add_column("capability")
        for name in ["targets", *STATUSES]:
            table.add_column(name, justify="right")
        for capability, *counts in con.execute(PROGRESS.format(columns=columns)).fetchall():
            table.add_row(capability, *(str(n) if n else "·" for n in counts))
        console.print(table)
        [(name,)] = con.execute("select release from release").fetchall()
    console.print(f"Release {name}")
    console.print(f"Warehouse: {warehouse}", soft_wrap=True)
    console.print(f"Wall chart: {config.store.reports / 'wallchart.html'}", soft_wrap=True)
