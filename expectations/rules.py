"""Every rule of the contract, as data: code, severity, weight, what it needs, and what it says in two languages.

A rule is registered here once; its predicate stands once in `expectations.suites`, or, for a file's fatal faults, in
the readers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["fatal", "error", "warning"]


@dataclass(frozen=True)
class Rule:
    code: str
    severity: Severity
    weight: int  # what a finding counts when findings are ordered: the serious first
    needs: str  # what must be known for the rule to be evaluated
    zh: str
    en: str
    mend_zh: str
    mend_en: str

    def row(self) -> dict[str, Any]:
        """The rule as a row of the warehouse's `rule` table, before its health is counted."""
        return {
            "rule": self.code,
            "severity": self.severity,
            "weight": self.weight,
            "needs": self.needs,
            "message_zh": self.zh,
            "message_en": self.en,
            "mend_zh": self.mend_zh,
            "mend_en": self.mend_en,
            "basis": BASIS.get(self.code, BASIS[self.code[0]]),
            "active_from": None,
            "active_to": None,
        }


BASIS = {
    "S": "contract: submissions",
    "V": "plan: indicators",
    "Q": "plan and policy",
    "M": "policy: deadlines",
    "X": "rule that could not be evaluated",
    "V12": "policy: filing",
    "Q07": "policy: deadlines",
    "M02": "plan: indicators.adds_up",
    "M03": "policy: co_reporters",
    "M04": "published figures",
}

_ALL = [
    Rule("S01", "fatal", 100, "file", "文件无法读取", "the file cannot be read",
         "请用原软件打开确认文件完好，另存后重新报送", "open it, save it anew and send it again"),
    Rule("S02", "fatal", 100, "file", "文件格式不在接收范围", "the format is not accepted",
         "请另存为 xlsx 或 csv 后重新报送", "save it as xlsx or csv and send it again"),
    Rule("S03", "fatal", 100, "file", "文件设有密码", "the file is password-protected",
         "请取消密码后重新报送", "remove the password and send it again"),
    Rule("S04", "fatal", 100, "header", "未找到表头，或缺少必需的列", "no header found, or required columns missing",
         "请补齐列名后重新报送", "give the columns their names and send it again"),
    Rule("S05", "fatal", 100, "template", "模板不属于本计划或已过期", "template of another plan or revision",
         "请使用最新模板", "use the current template"),
    Rule("S06", "fatal", 100, "value", "文件中没有任何数值", "the file holds no figure",
         "请填写数值后重新报送", "fill in figures and send it again"),
    Rule("S07", "fatal", 100, "file", "文件过大", "the file is too large, or expands beyond the limit",
         "请拆分后重新报送", "split it and send it again"),
    Rule("S08", "fatal", 100, "department", "文件署名与投递部门不一致", "the file names another department than the drop box's",
         "请投递到本部门的报送箱，或更正填报单位", "put it into the right drop box, or correct the department named in it"),
    Rule("V01", "error", 80, "indicator", "指标未知，或编码与名称不一致", "unknown indicator, or code and name disagree",
         "请按指标目录填写编码或名称", "take code or name from the list of indicators"),
    Rule("V02", "error", 80, "indicator, department", "该指标不由本部门报送", "not this department's indicator",
         "请删除该行，或联系牵头部门", "remove the row, or ask the lead department to report it"),
    Rule("V03", "error", 80, "period", "报告期无法识别", "the period cannot be read",
         "请写成 2022-03、2022Q1 或 2022 的形式", "write it as 2022-03, 2022Q1 or 2022"),
    Rule("V04", "error", 80, "period, indicator", "报告期超出计划、尚未结束，或与指标频度不符",
         "the period is outside the plan, has not ended, or is not of the indicator's frequency",
         "请更正报告期", "correct the period"),
    Rule("V05", "error", 80, "value", "数值不是数字，或该行错位", "the value is not a figure, or the row has slipped",
         "请填写数字，无数据时填“无”", "give a number, or 无 where there is none"),
    Rule("V06", "error", 70, "unit", "单位未知", "unknown unit",
         "请使用指标目录中的单位", "use the unit of the list of indicators"),
    Rule("V07", "error", 80, "unit, indicator", "单位与指标不符（量纲不同）", "the unit measures something else",
         "请换算为指标的单位", "convert to the indicator's unit"),
    Rule("V08", "error", 90, "value, indicator", "数值超出可能范围", "the value is outside what is possible",
         "请核对数值与单位", "check value and unit"),
    Rule("V09", "error", 90, "value", "同一数据在一份文件中出现两次且不一致", "the same figure is given twice in one file, differently",
         "请只保留正确的一行", "keep the one right row"),
    Rule("V10", "error", 70, "measure, indicator", "口径不适用于该指标", "the measure is not allowed for the indicator",
         "请按指标的口径填写", "use the indicator's own measure"),
    Rule("V11", "error", 70, "area, indicator", "地区未知，或本部门不报送该地区", "unknown area, or one that this department does not report for",
         "请填写六位行政区划代码或名称，全市数据可留空", "give the 6-digit code or the name; leave it blank for the city"),
    Rule("V12", "error", 70, "policy: filing.lock", "所属季度已锁定，未经批准不得修改", "the quarter is locked: an accepted figure is not corrected without an exception",
         "请申请重新开放该季度后再报送", "ask the assessment office to reopen the quarter, then send it again"),
    Rule("Q01", "warning", 40, "value, target", "数值超出由计划推算的合理范围", "outside the plausible range derived from the plan",
         "请核对；如属实请在说明栏解释", "check it; if it is right, explain it in the note"),
    Rule("Q02", "warning", 50, "earlier period", "累计数比年内上一期减少", "a cumulative figure fell within the year",
         "请核对累计数；如属实请在说明栏解释", "check it; if it is right, explain it in the note"),
    Rule("Q03", "warning", 30, "history", "明显偏离自身历史", "far from its own history",
         "请核对；如属实请在说明栏解释", "check it; if it is right, explain it in the note"),
    Rule("Q04", "warning", 40, "numerator, denominator", "占比与分子分母不符", "a share disagrees with its numerator and denominator",
         "请核对占比、分子与分母；如属实请在说明栏解释", "check the share and both its parts; if it is right, explain it in the note"),
    Rule("Q05", "warning", 10, "value", "数值为约数", "stated as approximate",
         "有确数后请补报", "send the exact figure when there is one"),
    Rule("Q06", "warning", 40, "level, growth", "增速与水平数不符", "a growth rate disagrees with the levels reported",
         "请核对增速与本期、上年同期的水平数；如属实请在说明栏解释", "check the rate and the levels of both years; if it is right, explain it in the note"),
    Rule("Q07", "warning", 20, "deadline", "晚于报送期限", "after the deadline",
         "请按期报送", "report in time"),
    Rule("Q08", "warning", 5, "unit", "计数单位与计划不同", "a counter unit other than the plan's",
         "请使用计划的计数单位", "use the plan's counter unit"),
    Rule("Q09", "warning", 15, "earlier figure", "修改了已接收的数据", "revises an accepted figure",
         "请在说明栏写明修改原因", "say why in the note"),
    Rule("Q10", "warning", 60, "target, history", "疑似数量级错误", "looks like a slip of magnitude",
         "请核对单位与小数点；如属实请在说明栏解释", "check unit and decimal point; if it is right, explain it in the note"),
    Rule("M01", "warning", 60, "obligation", "已过报送期限，仍未收到数据", "an obligation has passed its deadline with no figure",
         "请尽快报送", "report it as soon as possible"),
    Rule("M02", "warning", 40, "districts", "各区县合计与全市数不符", "the districts do not add up to the city",
         "请核对全市数与各区县数", "check the city and the districts"),
    Rule("M03", "warning", 40, "two departments", "两个部门的同一数据不一致", "two departments disagree on one figure",
         "请两个部门核对后由出错一方更正", "compare with the other department; who is wrong corrects it"),
    Rule("M04", "warning", 40, "published", "部门数据与公布数据不一致", "a department's figure disagrees with the published one",
         "请核对；如公布数有误请在说明栏注明", "check it; if the published figure is wrong, say so in the note"),
    Rule("X01", "error", 100, "rule", "规则未能执行", "a rule could not be evaluated",
         "请联系维护人员", "tell the maintainers"),
]  # fmt: skip

RULES: dict[str, Rule] = {rule.code: rule for rule in _ALL}
