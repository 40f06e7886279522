"""Synthetic submissions: what the departments of a plan would send, mistakes included, so that everything can be tried.

All of it is compiled from the plan: who owes what and by when, units, targets, baselines. The same plan and seed give
the same bytes and the same modification times (a file's time is when the department sent it). Random numbers belong to
an indicator or a department, so that a department appended to a plan leaves the others' files as they were. Every file
is labelled synthetic by its name and, where it has lines, by its first. Of indicators of frequency event the dated tasks
are sampled: most are done when they are due.

A department sends a file a reporting period (quarterly figures go with the month's), one for the year's figures, and
one with all figures of each year before the plan. What goes wrong, and where, is in mess.py.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from itertools import chain
from pathlib import Path

from expectations.model import Plan
from pipelines.samples.departments import Writer
from pipelines.samples.figures import Figures
from pipelines.samples.files import content_of
from pipelines.samples.mess import sent_instead


def write_samples(plan: Plan, root: Path, seed: int = 2022) -> list[Path]:
    """Writes `<root>/<department>/<year>/<file>` for every department, each dated by when it was sent.

    All of them are made beside the drop boxes first: where one cannot be made, none is there.
    """
    figures, paths = Figures(plan, seed), []
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".samples-", dir=root.parent) as beside:
        for department in plan.departments:
            writer = Writer(figures, department)
            for last, ordinary in chain(writer.files(), writer.tasks()):
                for file in sent_instead(ordinary, last, plan):
                    path = beside / file.path
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content_of(file))
                    os.utime(path, (file.sent.timestamp(),) * 2)
                    paths.append(file.path)
        for name in paths:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(beside / name, root / name)
    return [root / name for name in paths]
