"""The picture of the README: how many times ours each other way takes, by size, on a logarithmic axis."""

from __future__ import annotations

from pathlib import Path

IMAGE = Path(__file__).parent.parent / "docs" / "images" / "benchmark.svg"


def draw(times: dict[str, list[tuple[int, float | None]]]) -> None:
    """Bars of (rows, times ours) by side; a side that failed has no bar but a word, one that was not run neither."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "benchmark"  # the same figures, the same file
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    sizes = sorted({rows for side in times.values() for rows, _ in side})
    figure, axis = plt.subplots(figsize=(8, 0.8 + 0.25 * len(sizes) * len(times)), layout="constrained")
    high = 0.8 / len(sizes)
    for n, size in enumerate(sizes):
        for place, side in enumerate(times.values()):
            if size not in dict(side):
                continue
            ratio = dict(side)[size]
            y = place + (n - (len(sizes) - 1) / 2) * high
            if ratio is not None:
                axis.barh(y, ratio - 1, left=1, height=0.9 * high, color=f"C{n}")
            axis.annotate("failed" if ratio is None else f"{ratio:.2g} x", (max(ratio or 1, 1), y), (3, 0),
                          textcoords="offset points", va="center", fontsize=8)  # fmt: skip
    axis.set_xscale("log")
    axis.set_xticks(marks := [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50], [f"{m:g}" for m in marks])
    axis.minorticks_off()
    known = [ratio for side in times.values() for _, ratio in side if ratio is not None]
    axis.set_xlim(min([0.5, *known]) / 1.2, max([2, *known]) * 1.6)
    axis.set_ylim(-0.6, len(times) - 0.4)
    axis.axvline(1, color="black", linewidth=1)
    axis.set_yticks(range(len(times)), list(times))
    axis.invert_yaxis()
    axis.set_xlabel("seconds of a whole night, in times of Wallchart's")
    axis.spines[["top", "right"]].set_visible(False)
    of_size = [Patch(color=f"C{n}", label=f"{size:,} rows") for n, size in enumerate(sizes)]
    axis.legend(handles=of_size, fontsize=8, frameon=False)
    figure.savefig(IMAGE, metadata={"Date": None})
    plt.close(figure)
