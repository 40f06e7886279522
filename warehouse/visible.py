"""How a text from outside is shown so that it cannot deceive: what hides, turns round or forges is spelled out.

The warehouse keeps texts as they were sent; this is for whoever looks at them, and for names, which are looked at most.
"""

from __future__ import annotations

import re

# control characters, those that turn the direction of writing or have no width, halves of pairs: shown by their number
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)
_NOT_IN_A_NAME = re.compile(UNSEEN.pattern[:-1] + "\t\n\u27e8]")


def visible(text: str) -> str:
    """The text with every character that could hide or reorder others shown as ⟨U+202E⟩."""
    return UNSEEN.sub(_number, text.replace("\r\n", "\n"))


def visible_name(name: str) -> str:
    """A file's name on one line, with nothing hidden in it. Different names stay different: the sign ⟨ is spelled out too."""
    return _NOT_IN_A_NAME.sub(_number, name)


def _number(found: re.Match[str]) -> str:
    return f"⟨U+{ord(found[0]):04X}⟩"
