"""The pictures of a document, as PNG for Word and as SVG for the page.

Their labels are digits, codes and Latin letters: a machine that makes a document may have no Chinese font. Chinese names
stand in the tables beside them.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, NamedTuple

import matplotlib
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# from blue (good) to red, told apart by every eye; greys are no verdict
COLOURS = {
    "achieved": "#2166ac", "ahead": "#67a9cf", "on_pace": "#d1e5f0", "behind": "#fddbc7", "far_behind": "#ef8a62",
    "missed": "#b2182b", "not_reported": "#969696", "not_due": "#e8e8e8", "not_assessable": "#ffffff",
}  # fmt: skip
DARK = {"achieved", "missed", "not_reported"}
WIDTH = 6.7  # inches: the text of a page
DOTS = 160  # an inch, of the PNG
DRAWN = 12  # targets whose way one picture shows

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # letters, not outlines: the reader's own fonts
    "svg.hashsalt": "wallchart",  # ids are random without it
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "hatch.linewidth": 0.4,
}


class Picture(NamedTuple):
    png: bytes
    svg: str
    alt: str


def _drawn(height: float, draw: Callable[[Figure], None], alt: str) -> Picture:
    with matplotlib.rc_context(STYLE):
        figure = Figure((WIDTH, height), layout="constrained")
        draw(figure)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once, for both forms
        png, svg = io.BytesIO(), io.StringIO()
        figure.savefig(png, format="png", dpi=DOTS, metadata={"Software": None})
        figure.savefig(svg, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = svg.getvalue()
    return Picture(png.getvalue(), text[text.index("<svg") :], alt)


def statuses(capabilities: pl.DataFrame) -> Picture:
    """Targets of each capability by status, one bar each; every part carries its number."""
    names = [f"{r['number']} {r['name_en']}" for r in capabilities.to_dicts()]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        left = [0] * len(names)
        for status, colour in COLOURS.items():
            counts = capabilities[status].to_list()
            bars = axes.barh(
                names,
                counts,
                left=left,
                color=colour,
                edgecolor="#555555",
                linewidth=0.4,
                hatch={"not_reported": "///", "not_assessable": "..."}.get(status),
                label=status.replace("_", " "),
            )
            axes.bar_label(
                bars,
                labels=[str(c) if c else "" for c in counts],
                label_type="center",
                fontsize=6,
                color="white" if status in DARK else "black",
            )
            left = [a + b for a, b in zip(left, counts, strict=True)]
        axes.invert_yaxis()
        axes.set_xlabel("targets")
        axes.tick_params(length=0)
        figure.legend(
            loc="outside lower center", ncols=9, frameon=False, fontsize=6, handlelength=1.2, columnspacing=0.9
        )

    return _drawn(2.0, draw, "targets of each capability by status")


def ways(targets: list[str], series: pl.DataFrame) -> Picture:
    """The way of each of the targets (DRAWN at most) over the year: figure, what was expected, what the plan asks."""
    shown = targets[:DRAWN]
    rows = -(-len(shown) // 4)

    def draw(figure: Figure) -> None:
        for n, target in enumerate(shown):
            _way(figure.add_subplot(rows, 4, n + 1), target, series.filter(pl.col("target") == target))
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=6)

    return _drawn(1.15 * rows + 0.25, draw, "figures against what was expected: " + ", ".join(shown))


def _way(axes: Axes, target: str, way: pl.DataFrame) -> None:
    at = way["period_end"].to_list()
    axes.plot(at, way["actual"].to_list(), color="#b2182b", marker="o", markersize=2.2, linewidth=1, label="figure")
    axes.plot(at, way["expected"].to_list(), color="#2166ac", linestyle="--", linewidth=0.9, label="expected by then")
    if (asked := way["target_value"].drop_nulls()).len():
        axes.axhline(asked[-1], color="#555555", linestyle=":", linewidth=0.9, label="the plan's target")
    last = way.row(-1, named=True)
    if last["forecast"] is not None:
        apart = [
            [last["forecast"] - last["forecast_low"]] if last["forecast_low"] is not None else [0],
            [last["forecast_high"] - last["forecast"]] if last["forecast_high"] is not None else [0],
        ]
        axes.errorbar([last["due"]], [last["forecast"]], yerr=apart, color="#555555", marker="s", markersize=2.2,
                      capsize=2, linewidth=0.8, linestyle="none", label="forecast")  # fmt: skip
    axes.set_title(target, fontsize=7, loc="left")
    axes.set_xticks([at[0], at[-1]], [f"{d:%Y-%m}" for d in (at[0], at[-1])] if len(at) > 1 else None)
    axes.tick_params(labelsize=5.5, length=2)
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.margins(x=0.08, y=0.15)


def scores(by_quarter: pl.DataFrame) -> Picture:
    """The capabilities' scores at the ends of the quarters."""

    def draw(figure: Figure) -> None:
        for n, (key, rows) in enumerate(by_quarter.group_by("number", "name_en", maintain_order=True)):
            axes = figure.add_subplot(2, 4, n + 1)
            bars = axes.bar(rows["period"].to_list(), [s or 0 for s in rows["score"]], color="#67a9cf")
            axes.bar_label(bars, labels=["" if s is None else f"{s:.2f}" for s in rows["score"]], fontsize=5.5)
            axes.set_ylim(0, 1.15)
            axes.set_title(f"{key[0]} {key[1]}", fontsize=7, loc="left")
            axes.tick_params(labelsize=5.5, length=2)

    return _drawn(2.6, draw, "scores of the capabilities at the ends of the quarters")
