"""Units said once for many figures: in a banner (单位:万元), in a header cell (数值(万元)), in an indicator's name."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from expectations.units import unit

BANNER = re.compile(
    r"(?:^|[\s(\[【,;。、])(?:计量|金额|数值|数据)?(?:单位|units?)\s*:\s*([^\s()\[\]【】;。]+)", re.IGNORECASE
)
BRACKETED = re.compile(r"[(\[【{]([^()\[\]【】{}]+)[)\]】}]")
SEVERAL = re.compile(r"[、,和及]")
ORGANISATION = re.compile(r"[局委办厅院部会社校处司府]$|中心$|公司$")
LONGEST = 6  # characters of an unknown unit that is still taken for one


@lru_cache(maxsize=4096)
def in_banner(text: str) -> str | None:
    """The unit that a line states for the rows below; None where it states none, several, or names an organisation.

    An unknown unit is given as it is written: the rows are then returned (V06) rather than read in another unit.
    """
    found = BANNER.search(unicodedata.normalize("NFKC", text))
    if not found:
        return None
    said = found[1].strip(",、:")
    if unit(said):
        return said
    if len(parts := SEVERAL.split(said)) > 1:
        return parts[0] if len(set(parts)) == 1 and unit(parts[0]) else None
    return said if 0 < len(said) <= LONGEST and not ORGANISATION.search(said) else None


@lru_cache(maxsize=65536)
def in_brackets(text: str) -> str | None:
    """The unit in a cell's brackets, where one stands there and is known."""
    found = (part.removeprefix("单位:") for part in BRACKETED.findall(unicodedata.normalize("NFKC", text)))
    return next((part for part in found if unit(part)), None)
