"""The one exception by which a reader says why a whole file is returned."""

from __future__ import annotations

from warehouse.visible import visible


class FileFault(Exception):
    """A fatal rule (S01 to S08) that a file breaks: what was found, what was expected, and where."""

    def __init__(
        self, rule: str, *, found: str, expected: str, sheet: str | None = None, row: int | None = None
    ) -> None:
        super().__init__(f"{rule}: found {found!r}, expected {expected!r}")
        self.rule, self.found, self.expected, self.sheet, self.row = (
            rule,
            visible(found[:200]),
            expected[:400],
            sheet,
            row,
        )
