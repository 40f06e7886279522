"""A release's observations in the statistical offices' own exchange format: SDMX-CSV 2.0 and the structure that explains it.

Here: the figures that now stand (docs/sdmx.md names every dimension, attribute and code). Not here: earlier vintages, which
the released file gives for any time, and targets and progress, which are the plan's and not statistics.
"""

from __future__ import annotations

import datetime as dt
import io
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import duckdb

from warehouse.store import connect, quoted

AGENCY = "WALLCHART"
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
DATA = "observation.csv"
STRUCTURES = {
    "3.0": "structure.xml",
    "2.1": "structure-2.1.xml",
}  # the edition of the data's format, and of most readers

# the words of the format, English and Chinese: SDMX's own where it has them (FREQ, REF_AREA, TIME_PERIOD, OBS_STATUS …)
CONCEPTS = {
    "FREQ": ("Frequency", "频度"),
    "INDICATOR": ("Indicator", "指标"),
    "REF_AREA": ("Reference area", "地区"),
    "MEASURE": ("Measure", "口径"),
    "DEPARTMENT": ("Reporting department", "报送部门"),
    "TIME_PERIOD": ("Time period", "报告期"),
    "OBS_VALUE": ("Observation value", "数值"),
    "UNIT_MEASURE": ("Unit of measure", "单位"),
    "OBS_STATUS": ("Observation status", "数值状态"),
    "ROUNDING": ("Half of the last digit stated", "舍入半宽"),
    "KNOWN_FROM": ("When the figure was received, UTC", "知悉时间（UTC）"),
    "SUBMISSION": ("Submission that it came in", "报送文件"),
    "SYNTHETIC": ("Made up for demonstration", "是否合成样例"),
}
FREQUENCIES = {"M": ("Monthly", "月"), "Q": ("Quarterly", "季"), "A": ("Annual", "年")}
STATUSES = {"A": ("Normal value", "正常值"), "E": ("Estimated value, stated as about so much", "估计值（报为约数）")}
MEASURES = {
    "period": ("In the period alone", "当期"),
    "ytd": ("Since the year began", "累计"),
    "end": ("At the period's end", "期末"),
    "yoy": ("Percent against the same period a year before", "同比"),
    "share": ("Share", "占比"),
    "rank": ("Rank", "位次"),
}

# a year of the plan that does not start in January is none of the calendar's: it is given as a range
ROWS = """
select 'dataflow' as STRUCTURE, $flow as STRUCTURE_ID, 'I' as ACTION,
    case p.span when 'month' then 'M' when 'quarter' then 'Q' else 'A' end as FREQ,
    o.indicator as INDICATOR, o.area as REF_AREA, o.measure as MEASURE, o.department as DEPARTMENT,
    case when p.span = 'quarter' then replace(o.period, 'Q', '-Q')
         when p.span = 'year' and month(p.period_start) <> 1 then strftime(p.period_start, '%Y-%m-%d') || '/P1Y'
         else o.period end as TIME_PERIOD,
    o.value as OBS_VALUE, o.unit as UNIT_MEASURE, case when o.approximate then 'E' else 'A' end as OBS_STATUS,
    o.rounding as ROUNDING, strftime(o.known_from, '%Y-%m-%dT%H:%M:%S.%f') as KNOWN_FROM,
    o.submission as SUBMISSION, o.synthetic::varchar as SYNTHETIC
from released.observation o join released.period p using (period)
where o.known_to is null
order by o.indicator, o.area, o.measure, o.department, p.period_end, p.span
"""


@dataclass(frozen=True)
class Written:
    """One release's folder, how many observations are in it, and whether any is synthetic."""

    release: str
    folder: Path
    rows: int
    synthetic: bool


def write(warehouse: Path, folder: Path) -> Written:
    """Writes the released file's figures as `<folder>/<release>/` (DATA and STRUCTURES) and points the link
    `<folder>/current` at them: all files of one release, or of the one before. The one before is kept for its readers."""
    with connect(folder, warehouse.resolve().parent, spill=folder / ".spill") as con:
        con.execute(f"attach '{quoted(warehouse.resolve())}' as released (read_only)")
        [(release, plan, revision, built_at)] = con.execute(
            "select release, plan, r.plan_revision, built_at from released.release r cross join released.plan"
        ).fetchall()
        version = f"{revision}.0.0"
        flow = plan.upper().replace("-", "_")
        staging, final = folder / f".{release}-{os.getpid()}", folder / release
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        query = ROWS.replace("$flow", f"'{AGENCY}:{flow}({version})'")
        con.execute(f"copy ({query}) to '{quoted(staging / DATA)}' (format csv, header)")
        [(rows, synthetic)] = con.execute(
            "select count(*), coalesce(bool_or(synthetic), false) from released.observation where known_to is null"
        ).fetchall()
        for edition, message in _structure(con, flow, version, release, built_at, synthetic).items():
            (staging / STRUCTURES[edition]).write_bytes(message)
    if final.exists():
        shutil.rmtree(staging)  # the same release gives the same files
    else:
        os.rename(staging, final)
    _point(folder, release)
    return Written(release, final, rows, synthetic)


def _point(folder: Path, release: str) -> None:
    link, beside = folder / "current", folder / f".current-{os.getpid()}"
    before = os.readlink(link) if link.is_symlink() else None
    if before == release:
        return
    beside.unlink(missing_ok=True)
    beside.symlink_to(release, target_is_directory=True)
    os.replace(beside, link)
    for old in folder.iterdir():  # what a killed run left behind, too
        if old.is_symlink() and old != link:
            old.unlink()
        elif old.name not in ("current", release, before):
            shutil.rmtree(old)


def _structure(
    con: duckdb.DuckDBPyConnection, flow: str, version: str, release: str, built_at: dt.datetime, synthetic: bool
) -> dict[str, bytes]:
    """By edition of SDMX-ML, the structure message: concepts, codelists from the plan's tables, data structure, dataflow.

    pysdmx knows one language. So a name is given to it as English, a line's end, Chinese, and `_bilingual` parts them.
    """
    from pysdmx import model
    from pysdmx.io import write_sdmx
    from pysdmx.io.format import Format
    from pysdmx.model.message import Header

    def named(en: str, zh: str) -> str:
        return f"{en}\n{zh}"

    def codelist(concept: str, codes: Iterable[tuple[str, str, str]]) -> model.Codelist:
        return model.Codelist(
            id=f"CL_{concept}", agency=AGENCY, version=version, name=named(*CONCEPTS[concept]),
            items=[model.Code(id=code, name=named(en, zh)) for code, en, zh in codes],
        )  # fmt: skip

    def asked(query: str) -> list[Any]:
        return con.execute(f"select {query} order by 1").fetchall()

    lists = {
        "FREQ": codelist("FREQ", ((c, *names) for c, names in FREQUENCIES.items())),
        "INDICATOR": codelist("INDICATOR", asked("indicator, name_en, name_zh from released.indicator")),
        "REF_AREA": codelist("REF_AREA", asked("area, name_en, name_zh from released.area")),
        "MEASURE": codelist("MEASURE", ((c, *names) for c, names in MEASURES.items())),
        "DEPARTMENT": codelist("DEPARTMENT", asked("department, name_en, name_zh from released.department")),
        "OBS_STATUS": codelist("OBS_STATUS", ((c, *names) for c, names in STATUSES.items())),
    }
    scheme = model.ConceptScheme(
        id="CS_OBSERVATION", agency=AGENCY, version=version, name=named("Concepts of the observations", "观测值的概念"),
        items=[model.Concept(id=c, name=named(*names)) for c, names in CONCEPTS.items()],
    )  # fmt: skip

    def component(
        concept: str, role: model.Role, kind: model.DataType | None, attached: str | None = None
    ) -> model.Component:
        codes = lists.get(concept)
        return model.Component(
            id=concept, required=True, role=role, attachment_level=attached, local_dtype=kind,
            concept=model.ItemReference("Concept", AGENCY, scheme.id, version, concept),
            local_enum_ref=None if codes is None else f"urn:sdmx:org.sdmx.infomodel.codelist.{codes.short_urn}",
        )  # fmt: skip

    kinds, role = model.DataType, model.Role
    structure = model.DataStructureDefinition(
        id="DSD_OBSERVATION", agency=AGENCY, version=version, name=named("Observations by department", "各部门观测值"),
        components=model.Components([
            *(component(d, role.DIMENSION, None) for d in ("FREQ", "INDICATOR", "REF_AREA", "MEASURE", "DEPARTMENT")),
            component("TIME_PERIOD", role.DIMENSION, kinds.PERIOD),
            component("OBS_VALUE", role.MEASURE, kinds.DOUBLE),
            component("UNIT_MEASURE", role.ATTRIBUTE, kinds.STRING, "INDICATOR"),  # a code is Latin, and 亿元 is not
            component("OBS_STATUS", role.ATTRIBUTE, None, "O"),
            component("ROUNDING", role.ATTRIBUTE, kinds.DOUBLE, "O"),
            component("KNOWN_FROM", role.ATTRIBUTE, kinds.DATE_TIME, "O"),
            component("SUBMISSION", role.ATTRIBUTE, kinds.STRING, "O"),
            component("SYNTHETIC", role.ATTRIBUTE, kinds.BOOLEAN, "O"),
        ]),
    )  # fmt: skip
    [(en, zh)] = asked("name_en, name_zh from released.plan")
    dataflow = model.Dataflow(
        id=flow, agency=AGENCY, version=version, structure=structure,
        name=named(f"{en} (synthetic sample)", f"{zh}（合成样例）") if synthetic else named(en, zh),
        annotations=[model.Annotation(id="RELEASE", type="RELEASE", title=release)],
    )  # fmt: skip
    parts = [*lists.values(), scheme, structure, dataflow]
    header = Header(id=release, test=synthetic, prepared=built_at, sender=model.Organisation(AGENCY))
    return {
        edition: _bilingual(
            write_sdmx(parts, Format[f"STRUCTURE_SDMX_ML_{edition.replace('.', '_')}"], header=header) or ""
        )
        for edition in STRUCTURES
    }


def _bilingual(message: str) -> bytes:
    for _, (prefix, uri) in ElementTree.iterparse(io.StringIO(message), ["start-ns"]):
        ElementTree.register_namespace(prefix, uri)
    root = ElementTree.fromstring(message)
    for parent in list(root.iter()):
        for name in parent.findall("{*}Name"):
            name.text, _, chinese = (name.text or "").partition("\n")
            beside = ElementTree.Element(name.tag, {LANGUAGE: "zh"})
            beside.text = chinese
            parent.insert(list(parent).index(name) + 1, beside)
    ElementTree.indent(root)
    written: bytes = ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return written
