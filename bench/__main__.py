"""`python -m bench [SIZES...]`: a refresh of two years of N rows against a hand-written DuckDB script; a night with nothing new.

Each part runs in a fresh process, so that its memory is its own. Ratios hold within one run on one machine; seconds on
a shared machine are only as good as its quiet, so CPU seconds stand beside wall seconds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import Any

from bench.city import AS_OF, plan_of, write_years
from bench.compare import differences, facts
from bench.nightly import nothing_new
from bench.report import HERE, OUT, SAID, add_record, child, machine, remove, shown, total
from bench.stages import environment

REFRESH = ["import GX", "validity", "quality", "marts", "release"]
JUDGING = (["validity", "quality"], ["parse, join", "rules V", "observe", "rules Q"])  # ours, the script's
SCRIPT = ["parse, join", "rules V", "observe", "rules Q", "marts"]


def measured(size: int, repeats: int) -> dict[str, Any]:
    """Ours and the script by turns, `repeats` times; the turn with the median ratio stands for all."""
    root = OUT / f"years-{size}"
    remove(root)
    root.mkdir(parents=True)
    SAID.print(f"{size:,} rows: writing two years")
    plan = plan_of(size)
    rows = write_years(plan, root)
    SAID.print(f"  {rows:,} rows, {len(plan.head.areas):,} areas; landing and reading")
    read = child("ours", "read", size, root)
    ours, script = [], []
    for turn in range(1, repeats + 1):
        for made in ("months", "marts", "warehouse"):
            remove(root / "data" / made)
        (root / "script.duckdb").unlink(missing_ok=True)
        ours.append(child("ours", "refresh", size, root))
        script.append(child("script", root, AS_OF.isoformat()))
        took, by_hand = total(ours[-1], REFRESH), total(script[-1], SCRIPT)
        SAID.print(f"  turn {turn}: refresh {took:.2f} s, script {by_hand:.2f} s, ratio {took / by_hand:.2f}")
    pairs = sorted(zip(ours, script, strict=True), key=lambda p: total(p[0], REFRESH) / total(p[1], SCRIPT))
    mine, theirs = pairs[repeats // 2]
    found = facts(root / "data" / "warehouse" / "current" / "warehouse.duckdb")
    apart = differences(found, facts(root / "script.duckdb"))
    remove(root)
    return {
        "size": size, "rows": rows, "areas": len(plan.head.areas), "read": read, "repeats": repeats, "apart": apart,
        "ours": mine, "script": theirs,
        "findings": found["findings"], "counted": found["rows"], "observations": found["observations"]["rows"],
    }  # fmt: skip


def row(m: dict[str, Any]) -> dict[str, str]:
    mine, theirs = total(m["ours"], REFRESH), total(m["script"], SCRIPT)
    my_cpu, their_cpu = total(m["ours"], REFRESH, "cpu"), total(m["script"], SCRIPT, "cpu")
    gx = m["ours"]["wall"]["import GX"]
    judging = {
        clock: [total(m[who], stages, clock) for who, stages in zip(("ours", "script"), JUDGING, strict=True)]
        for clock in ("wall", "cpu")
    }
    return {
        "rows": f"{m['rows']:,}",
        "refresh s": f"{mine:.2f}",
        "script s": f"{theirs:.2f}",
        "ratio": f"{mine / theirs:.2f}",
        "ratio without GX import": f"{(mine - gx) / theirs:.2f}",
        "refresh CPU s": f"{my_cpu:.2f}",
        "script CPU s": f"{their_cpu:.2f}",
        "CPU ratio": f"{my_cpu / their_cpu:.2f}",
        "judging s, ours / script": f"{judging['wall'][0]:.2f} / {judging['wall'][1]:.2f}",
        "judging ratio": f"{judging['wall'][0] / judging['wall'][1]:.2f}",
        "judging CPU ratio": f"{judging['cpu'][0] / judging['cpu'][1]:.2f}",
        "judging peak MB, ours / script": f"{m['ours']['peak']['quality']:,.0f} / {m['script']['peak']['rules Q']:,.0f}",
        "peak MB": f"{m['ours']['peak_mb']:,.0f}",
        "script peak MB": f"{m['script']['peak_mb']:,.0f}",
        "share by stage": ", ".join(f"{s} {m['ours']['wall'][s] / mine:.0%}" for s in REFRESH),
        "land s": f"{m['read']['wall']['land']:.2f}",
        "read s": f"{m['read']['wall']['read']:.2f}",
        "script's reading s": f"{m['script']['wall']['read']:.2f}",
        "reading peak MB": f"{m['read']['peak_mb']:,.0f}",
        "turns": str(m["repeats"]),
        "same tables": "yes" if not m["apart"] else f"NO, {len(m['apart'])} differences",
    }


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    arguments.add_argument("sizes", nargs="*", type=int, default=[10_000, 1_000_000])
    arguments.add_argument("--turns", type=int, help="how often each is run (default 3, 1 above 2 million rows)")
    arguments.add_argument(
        "--note", default="", help="a remark to stand with the results, such as what else was running"
    )
    arguments.add_argument("--no-night", action="store_true", help="leave out the night with nothing new")
    arguments.add_argument("--record", action="store_true", help="add the table to bench/RESULTS.md")
    chosen = arguments.parse_args()
    head = machine(chosen.note)
    warm = "import bench.ours, bench.script, warehouse.gx, expectations.suites, warehouse.release"
    subprocess.run([sys.executable, "-c", warm], cwd=HERE.parent, env=environment(), check=True)
    results = [measured(size, chosen.turns or (3 if size <= 2_000_000 else 1)) for size in chosen.sizes]
    lines = shown(
        "Two years of N rows: refresh (import GX, validity, quality, marts, release) against the script",
        [row(m) for m in results],
    )
    for m in results:
        for difference in m["apart"]:
            SAID.print(f"[bold red]DIFFERENT at {m['size']:,}: {difference}[/]")
            lines.append(f"\nDIFFERENT at {m['size']:,}: {difference}")
    if not chosen.no_night:
        first, after, spent = nothing_new()
        said = (
            f"A night with nothing new (`wallchart run`, median of 3): {after:.1f} s, of which {spent:.1f} s CPU;"
            f" the first night, with samples: {first:.1f} s"
        )
        SAID.print(said)
        lines.append(f"\n{said}")
    add_record("results", "A refresh", head, lines, results, record=chosen.record)


if __name__ == "__main__":
    main()
