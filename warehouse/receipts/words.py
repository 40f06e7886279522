"""What a receipt says in words, in two languages."""

from __future__ import annotations

import re

STATUS = {
    "accepted": ("已接收", "accepted"),
    "accepted_with_warnings": ("已接收，有提示", "accepted with warnings"),
    "partly_returned": ("部分退回", "partly returned"),
    "returned": ("退回", "returned"),
}
SEVERITY = {  # sign beside the colour, what became of it
    "fatal": ("退回", "整份退回", "file returned"),
    "error": ("退回", "退回该行", "row returned"),
    "warning": ("提示", "已接收，请核对", "kept, please check"),
}
OWED = {
    "missing": ("已逾期", "overdue"),
    "not_available": ("已报“无数据”，有数后补报", "said to be not available: send it when it is"),
    "not_due": ("将到期", "due soon"),
}
FIGURES = {
    "fresh": ("新增", "new"),
    "revised": ("更正", "revised"),
    "unchanged": ("与已接收的相同", "unchanged"),
}
CONTRACT = {"submissions": "文件要求", "periods": "报告期的写法", "values": "数值的写法", "rules": "校核规则"}
FIELD = {
    "unit": "单位", "measure": "口径", "possible": "可能范围", "areas": "报送地区", "frequency": "报送频度", "numerator": "分子",
    "denominator": "分母", "level": "水平数", "adds_up": "各地区合计",
}  # fmt: skip
POLICY = {
    "deadlines": "报送期限", "extensions": "准予延期", "lead_department": "牵头部门", "co_reporters": "共同报送部门",
    "plausible": "合理范围的推算", "history": "与自身历史的比较", "slip_within": "数量级的判断", "filing": "核定与锁定",
}  # fmt: skip
PART = {
    "month": "月报", "quarter": "季报", "year": "年报", "event": "有时限的事项", "flow": "累计数", "stock": "存量",
    "growth_points": "增速", "share_points": "占比", "rank_places": "位次", "certify": "核定", "lock": "锁定", "reopened": "重新开放",
}  # fmt: skip
CONFIRMING = (
    "提示的数据属实的，请在“说明”栏写明原因，重报该行，即视为确认，不再提示",
    "where a flagged figure is right, send the row again with the reason in 说明 note: that confirms it",
)
CORRECTING = (
    "更正时另报一份文件即可，只需包含更正的行；退回的行不影响其余各行，此前已接收的数据不变",
    "to correct, send another file with the corrected rows; a returned row leaves its neighbours, and what was accepted"
    " before, as they are",
)


def basis(text: str | None, names: dict[str, str]) -> str:
    """A finding's basis in plain Chinese; `names`: indicators by code. What is in no known form stays as it is."""
    text = (text or "").strip()
    if found := re.fullmatch(r"(.+) \((policy\.[\w., ]+)\)", text, re.DOTALL):
        return f"计划原文“{found[1]}”，{_policies(found[2], names)}"
    if text.startswith(("policy.", "policy:")):
        return _policies(text, names)
    if found := re.fullmatch(r"contract: (\w+)", text):
        return f"报送约定：{CONTRACT.get(found[1], found[1])}"
    if text == "plan: indicators":
        return "计划的指标目录"
    if text == "plan: starts, ends":
        return "计划的起止时间"
    if found := re.fullmatch(r"plan: indicators\.(\w*)\.([\w, ]+)", text):
        fields = "、".join(FIELD.get(f, f) for f in found[2].split(", "))
        return f"计划的指标目录：{names.get(found[1], found[1])}的{fields}"
    return text.replace("published: ", "已公布的数据：", 1)


def _policies(text: str, names: dict[str, str]) -> str:
    """policy.deadlines.month: 10 working days (china) is 政策“报送期限”（月报，10 个工作日）."""
    said = []
    for line in text.split(", policy"):
        found = re.fullmatch(r"(?:policy)?[.:] ?(\w+)(?:\.(\w+))?(?:: (.+))?", line, re.DOTALL)
        if found is None:
            return text
        part = PART.get(found[2], names.get(found[2], found[2])) if found[2] else None
        detail = re.sub(r"(\d+) working days.*", r"\1 个工作日", found[3]) if found[3] else None
        inner = "，".join(filter(None, [part, detail]))
        said.append(f"政策“{POLICY.get(found[1], found[1])}”" + (f"（{inner}）" if inner else ""))
    return "、".join(said)
