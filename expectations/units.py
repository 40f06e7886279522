"""Units of measure as departments and plans write them, and which convert into which.

`unit(text)` reads one spelling. Counters (个, 家, 户, …) each convert to their own multiples; two different counters
count the same things by another word and convert one to one, which the judge reports as Q08.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import NamedTuple

MULTIPLES = {"百": 1e2, "千": 1e3, "万": 1e4, "十万": 1e5, "百万": 1e6, "千万": 1e7, "亿": 1e8, "十亿": 1e9, "百亿": 1e10,
             "千亿": 1e11, "万亿": 1e12}  # fmt: skip

COUNTERS = [
    "个",
    "家",
    "户",
    "只",
    "种",
    "所",
    "项",
    "件",
    "列",
    "辆",
    "场",
    "次",
    "条",
    "处",
    "张",
    "座",
    "间",
    "台",
    "套",
    "部",
    "批",
    "支",
    "口",
    "栋",
    "宗",
    "起",
    "份",
    "匹",
    "篇",
    "本",
    "册",
    "架",
    "艘",
    "盏",
    "棵",
    "株",
    "头",
    "班",
    "门",
    "届",
    "期",
    "对",
    "组",
    "片",
    "块",
    "幅",
    "村",
    "镇",
    "街",
    "店",
    "床",
    "节",
    "笔",
    "单",
    "例",
    "款",
    "幢",
    "班次",
    "架次",
    "标箱",
]

# base unit: (what it measures, factor to that dimension's first unit)
BASES = {
    "元": ("元", 1.0),
    "人民币": ("元", 1.0),
    "美元": ("美元", 1.0),
    "人": ("人", 1.0),
    "名": ("人", 1.0),
    "人次": ("人次", 1.0),
    "%": ("%", 1.0),
    "百分比": ("%", 1.0),
    "‰": ("%", 0.1),
    "百分点": ("百分点", 1.0),
    "个百分点": ("百分点", 1.0),
    "米": ("长度", 1.0),
    "公里": ("长度", 1e3),
    "千米": ("长度", 1e3),
    "平方米": ("面积", 1.0),
    "公顷": ("面积", 1e4),
    "亩": ("面积", 1e4 / 15),
    "平方公里": ("面积", 1e6),
    "平方千米": ("面积", 1e6),
    "吨": ("质量", 1.0),
    "千克": ("质量", 1e-3),
    "公斤": ("质量", 1e-3),
    "年": ("年月", 12.0),
    "月": ("年月", 1.0),
    "个月": ("年月", 1.0),
    "天": ("天", 1.0),
    "日": ("天", 1.0),
    "位": ("位次", 1.0),
    "位次": ("位次", 1.0),
    "分": ("分", 1.0),
    "微克": ("微克", 1.0),
    "立方米": ("体积", 1.0),
    "千瓦": ("功率", 1.0),
    "千瓦时": ("电量", 1.0),
    **{c: (f"计数:{c}", 1.0) for c in COUNTERS},
}
SPELLINGS = {
    "percent": "%", "pct": "%", "百分之": "%", "pp": "百分点", "rmb": "元", "cny": "元", "yuan": "元", "usd": "美元",
    "km": "公里", "m": "米", "km2": "平方公里", "m2": "平方米", "ha": "公顷", "t": "吨", "people": "人", "persons": "人",
    "person": "人", "year": "年", "years": "年", "month": "月", "months": "月", "day": "天", "days": "天", "rank": "位",
    "item": "个", "items": "个", "km/km2": "公里/平方公里", "μg/m3": "微克/立方米", "个/次": "个",
}  # fmt: skip

WORDS = {"thousand": "千", "million": "百万", "billion": "十亿"}


class Unit(NamedTuple):
    name: str
    dimension: str
    factor: float

    @property
    def is_counter(self) -> bool:
        return self.dimension.startswith("计数:") and "/" not in self.dimension

    def converts_to(self, other: Unit) -> bool:
        return self.dimension == other.dimension or (self.is_counter and other.is_counter)


@lru_cache(maxsize=65536)
def unit(text: str) -> Unit | None:
    """The unit that `text` names, or None. White space, full-width forms and a bracketing 单位: are ignored."""
    name = "".join(unicodedata.normalize("NFKC", text).split()).removeprefix("单位:").strip("()[]【】").casefold()
    for word, multiple in WORDS.items():
        if name.startswith(word):
            name = multiple + SPELLINGS.get(base := name.removeprefix(word), base)
    name = SPELLINGS.get(name, name)
    if "/" in name:
        above, _, below = name.partition("/")
        if "/" in below:  # before it is looked at: a cell may hold thousands
            return None
        over, under = unit(above), unit(below)
        if over is None or under is None:
            return None
        return Unit(name, f"{over.dimension}/{under.dimension}", over.factor / under.factor)
    if name in BASES:
        return Unit(name, *BASES[name])
    for multiple in sorted(MULTIPLES, key=len, reverse=True):
        base = name.removeprefix(multiple)
        if base != name and base in BASES and base not in ("%", "‰", "百分点", "位", "位次"):
            dimension, factor = BASES[base]
            return Unit(name, dimension, factor * MULTIPLES[multiple])
    return None
