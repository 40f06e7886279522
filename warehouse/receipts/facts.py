"""A receipt's facts in words, as workbook and page both show them."""

from __future__ import annotations

from typing import NamedTuple

from expectations.rules import RULES
from warehouse.receipts.answers import Answer, Finding
from warehouse.receipts.grids import AROUND, Grid, Original
from warehouse.receipts.words import FIGURES, STATUS
from warehouse.visible import visible


class Fact(NamedTuple):
    label_zh: str
    label_en: str
    zh: str
    en: str

    @property
    def label(self) -> str:
        return f"{self.label_zh} {self.label_en}"


def facts(a: Answer, original: Original) -> list[Fact]:
    """All that a receipt says at its head, the result first."""
    said = [
        Fact("处理结果", "status", *STATUS[a.status]),
        Fact("行", "rows", f"读入 {a.rows_read}，接收 {a.rows_kept}，退回 {a.rows_returned}",
             f"read {a.rows_read}, kept {a.rows_kept}, returned {a.rows_returned}"),
        _figures(a),
        _warnings(a),
        owed(a),
        Fact("文件", "file", a.path, f"{a.size:,} bytes"),
        Fact("部门", "from", a.department_zh, f"{a.department_en} ({a.department})"),
        Fact("收到", "received", a.received, a.zone),
        Fact("处理", "judged", a.judged, a.zone),
        Fact("计划", "plan", f"{a.plan_zh}，第 {a.revision} 版", f"{a.plan_en} ({a.plan}, revision {a.revision})"),
        Fact("文件校验", "sha256", a.sha256, ""),
    ]  # fmt: skip
    if a.synthetic:
        said.insert(1, Fact("注意", "note", "合成样例数据，不是任何部门的真实数据", "SYNTHETIC sample data"))
    if a.withdrawn:
        said.insert(1, Fact("已撤回", "withdrawn", a.withdrawn, ""))
    said += [Fact("重新出具", "issued anew", zh, en) for zh, en in a.because]
    said += [Fact("原表", "own sheets", zh, en) for zh, en in _shown(original)]
    return said


def owed(a: Answer) -> Fact:
    o = a.owed
    zh = [(o.overdue, "已逾期"), (o.soon, "31 天内到期"), (o.not_available, "已报“无数据”")]
    en = [(o.overdue, "overdue"), (o.soon, "due within 31 days"), (o.not_available, "said to be not available")]
    return Fact(
        "待报", "still owed",
        "，".join(f"{t} {n}" for n, t in zh if n) or "无", ", ".join(f"{n} {t}" for n, t in en if n) or "nothing",
    )  # fmt: skip


def _figures(a: Answer) -> Fact:
    zh = [] if a.fresh + a.revised else ["本文件没有改变任何数据"]
    en = [] if a.fresh + a.revised else ["this file changed no figure"]
    for state, (state_zh, state_en) in FIGURES.items():
        if count := getattr(a, state):
            zh.append(f"{state_zh} {count}")
            en.append(f"{count} {state_en}")
    return Fact("数据", "figures", "，".join(zh), ", ".join(en))


def _warnings(a: Answer) -> Fact:
    zh, en = f"待核对 {a.warnings}", f"{a.warnings} to check"
    if a.confirmed:
        zh, en = f"{zh}，已有说明 {a.confirmed}（不再列出）", f"{en}, {a.confirmed} explained (not listed)"
    return Fact("提示", "warnings", zh, en)


def _shown(original: Original) -> list[tuple[str, str]]:
    said = [
        (
            f"“{grid.name or '原表'}”共 {grid.height:,} 行，只列出表头和有问题的行及其前后各 {AROUND} 行",
            f"of {grid.height:,} rows only the head and those about findings are shown",
        )
        for grid in original.grids
        if grid.shortened
    ]
    if original.left_out:
        said.append((f"另有 {original.left_out} 张工作表未列出", f"{original.left_out} more sheets are not shown"))
    if not original.grids:
        said.append(("未附原表：文件无法按表格显示", "none: the file cannot be shown as a sheet"))
    return said


def more(count: int) -> str:
    return f"另有 {count:,} 项，未逐一列出 and {count:,} more, not listed"


def serious_first(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda f: -RULES[f.rule].weight)


def signs(findings: list[Finding]) -> str:
    """退回 V07；提示 Q01: what colour alone must not say."""
    return "；".join(dict.fromkeys(f"{f.sign} {f.rule}" for f in serious_first(findings)))


def only_warnings(findings: list[Finding]) -> bool:
    return all(f.severity == "warning" for f in findings)


def comment(findings: list[Finding]) -> str:
    """What the comment on a cell says."""
    said = []
    for f in serious_first(findings)[:8]:
        expected = f"\n应为 expected: {f.expected}" if f.expected else ""
        said.append(
            f"【{f.sign} {f.rule}】{RULES[f.rule].zh}\n{RULES[f.rule].en}{expected}\n怎样改：{RULES[f.rule].mend_zh}"
        )
    return "\n\n".join(said)


def title(grid: Grid) -> str:
    return visible(grid.name) if grid.name else "原表"
