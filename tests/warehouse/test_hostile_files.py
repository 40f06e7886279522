"""Files made to harm: each ends in a clear finding within its limits, and its neighbours are read. All are made here."""

from __future__ import annotations

import copy
import io
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest
import xlsxwriter
import xlwt

from expectations.model import Plan
from fuzz.targets import CASES, TARGETS
from tests.night import NOW, Night, long_csv, send
from warehouse import apart, judge, receipts, sums
from warehouse.landing import land
from warehouse.ledger import ledger
from warehouse.readers import Reading, read
from warehouse.readers.apart import read as read_apart
from warehouse.readers.placed import Place, placed
from warehouse.reading import read_landed
from warehouse.store import Store

HEADER = ["指标编码", "报告期", "数值"]
ROW = ["high_tech_firms", "2022Q4", "4200"]
FIGURE = ("high_tech_firms", "", "2022Q4", "", 4200, "家")
LINES = f"{','.join(HEADER)}\n{','.join(ROW)}\n"
RTL = "\u202e"  # what follows is written from right to left


# --- how they are made ---


def workbook(rows: list[list[Any]] | None = None, sheet: str = "数据", sheets: int = 1) -> bytes:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True, "strings_to_numbers": False}) as book:
        for n in range(sheets):
            page = book.add_worksheet(sheet if n == 0 else f"{sheet}{n}")
            for at, row in enumerate(rows or [HEADER, ROW]):
                page.write_row(at, 0, row)
    return content.getvalue()


def with_parts(content: bytes, parts: dict[str, bytes]) -> bytes:
    """The zipped file with these parts in place of its own."""
    into = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as whole,
        zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made,
    ):
        for name in dict.fromkeys([*whole.namelist(), *parts]):
            made.writestr(name, parts[name] if name in parts else whole.read(name))
    return into.getvalue()


def replaced(content: bytes, part: str, old: bytes, new: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as whole:
        text = whole.read(part)
    assert old in text
    return with_parts(content, {part: text.replace(old, new)})


def ods(rows: str, manifest: bytes = b"<manifest/>", doctype: str = "") -> bytes:
    spaces = " ".join(f'xmlns:{n}="urn:oasis:names:tc:opendocument:xmlns:{n}:1.0"' for n in ("office", "table", "text"))
    document = (
        f"{doctype}<office:document-content {spaces}><office:body><office:spreadsheet>"
        f'<table:table table:name="表">{rows}</table:table></office:spreadsheet></office:body></office:document-content>'
    )
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        made.writestr("META-INF/manifest.xml", manifest)
        made.writestr("content.xml", document)
    return into.getvalue()


def ods_row(cells: list[str], row: str = "", cell: str = "") -> str:
    inner = "".join(
        f'<table:table-cell office:value-type="string" {cell}><text:p>{c}</text:p></table:table-cell>' for c in cells
    )
    return f"<table:table-row {row}>{inner}</table:table-row>"


ODS_ROWS = ods_row(HEADER) + ods_row(ROW)
LAUGHS = "<!DOCTYPE l [" + '<!ENTITY l0 "ha">' + "".join(
    f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10)
) + "]>"  # fmt: skip


def overlapping() -> bytes:
    """A zip bomb in the manner of one that no scanner unpacks: 4,000 names for the same bytes, 4 GB of them."""
    into = io.BytesIO(workbook())
    with zipfile.ZipFile(into, "a", zipfile.ZIP_DEFLATED) as made:
        made.writestr("xl/media/0.bin", bytes(1 << 20))
        kernel = made.filelist[-1]
        for n in range(4000):
            twin = copy.copy(kernel)
            twin.filename = twin.orig_filename = f"xl/media/{n + 1}.bin"
            made.filelist.append(twin)
    return into.getvalue()


def lying(content: bytes, part: str) -> bytes:
    """The zipped file in which a part says that it unpacks to 100 bytes."""
    with zipfile.ZipFile(io.BytesIO(content)) as whole:
        size = struct.pack("<I", whole.getinfo(part).file_size)
    assert content.count(size) == 2
    return content.replace(size, struct.pack("<I", 100))


def zip_in_zip(depth: int) -> bytes:
    inner = bytes(1 << 20)
    for n in range(depth):
        into = io.BytesIO()
        with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as made:
            for copied in range(4):
                made.writestr(f"{n}-{copied}.zip", inner)
        inner = into.getvalue()
    return inner


def old_workbook(fat: Callable[[int], int]) -> bytes:
    """An xls whose table of sectors says, for each sector, what `fat` makes of what it said."""
    book = xlwt.Workbook()
    sheet = book.add_sheet("表")
    for n in range(2000):
        sheet.write(n, 0, f"indicator {n}")
    into = io.BytesIO()
    book.save(into)
    content = bytearray(into.getvalue())
    (first,) = struct.unpack_from("<I", content, 76)
    for n in range(128):
        at = (first + 1) * 512 + 4 * n
        (said,) = struct.unpack_from("<i", content, at)
        struct.pack_into("<i", content, at, fat(n) if said >= 0 else said)
    return bytes(content)


def parquet(**columns: Any) -> bytes:
    into = io.BytesIO()
    pl.DataFrame(columns).write_parquet(into)
    return into.getvalue()


def boastful_parquet() -> bytes:
    """12,345 rows that are said to be 1,048,575, in the footer and in its row groups."""
    content = parquet(indicator=["trade"] * 12_345, period=["2022-03"] * 12_345, value=[1.5] * 12_345)
    said, more = b"\xf2\xc0\x01", b"\xfe\xff\x7f"  # varints of zigzag numbers
    assert said in content
    return content.replace(said, more)


def nested(depth: int) -> bytes:
    return b'[{"indicator": "trade", "period": "2022-03", "value": ' + b"[" * depth + b"]" * depth + b"}]"


def locked_ods() -> bytes:
    entry = b'<manifest:file-entry manifest:full-path="content.xml"><manifest:encryption-data/></manifest:file-entry>'
    return ods(ODS_ROWS, manifest=b"<manifest:manifest>" + entry + b"</manifest:manifest>")


def with_macros() -> bytes:
    return with_parts(workbook(), {"xl/vbaProject.bin": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512)})


# name: (what it holds, the rule that it breaks, what the finding says of it); no rule where it is read all the same
HOSTILE: dict[str, tuple[Callable[[], bytes | str], str | None, str]] = {
    "one_of_many_names.xlsx": (overlapping, "S07", "bytes"),
    "zips_in_zips.zip": (lambda: zip_in_zip(4), "S02", "zip"),
    "zips_in_zips.xlsx": (lambda: zip_in_zip(5), "S01", "not a .xlsx"),
    "understated_sheet.xlsx": (lambda: lying(workbook([HEADER, *[ROW] * 5000]), "xl/worksheets/sheet1.xml"), "S01", ""),
    "understated_strings.xlsx": (
        lambda: lying(workbook([HEADER, *[[ROW[0], ROW[1], f"x{n}"] for n in range(5000)]]), "xl/sharedStrings.xml"), None, ""),
    "laughs.ods": (lambda: ods(ODS_ROWS, doctype=LAUGHS), "S01", "DOCTYPE"),
    "laughing_sheet.xlsx": (
        lambda: replaced(workbook(), "xl/worksheets/sheet1.xml", b"<worksheet ", f"{LAUGHS}<worksheet ".encode()), "S01", "DOCTYPE"),
    "laughing_strings.xlsx": (
        lambda: replaced(workbook(), "xl/sharedStrings.xml", b"<t>4200</t>", f"<t>&l9;</t>{LAUGHS}".encode()), "S01", ""),
    "declared_to_the_last_cell.xlsx": (
        lambda: replaced(workbook(), "xl/worksheets/sheet1.xml", b'ref="A1:C2"', b'ref="A1:XFD1048576"'), None, ""),
    "merged_without_end.xlsx": (
        lambda: replaced(workbook(), "xl/worksheets/sheet1.xml", b"</sheetData>",
                         b'</sheetData><mergeCells><mergeCell ref="A2:ZZZZZZZZ99999999999999999999"/><mergeCell'
                         b' ref="A2:A9999999"/></mergeCells>'), None, ""),
    "the_same_sheet_again.xlsx": (
        lambda: replaced(workbook(sheets=2), "xl/_rels/workbook.xml.rels", b"sheet2.xml", b"sheet1.xml"), "S01", "twice"),
    "sheets.xlsx": (lambda: workbook(sheets=1001), "S07", "1,001 sheets"),
    "repeated.ods": (lambda: ods(ODS_ROWS + ods_row(ROW, f'table:number-rows-repeated="{10**12}"')), "S01", "repeated"),
    "repeated_backwards.ods": (lambda: ods(ods_row(HEADER, 'table:number-rows-repeated="-3"')), "S01", "repeated"),
    "spanned.ods": (lambda: ods(ods_row(HEADER) + ods_row(ROW, cell=f'table:number-rows-spanned="{1 << 24}"')), None, ""),
    "spanned_without_end.ods": (lambda: ods(ods_row(ROW, cell=f'table:number-rows-spanned="{10**30}"')), "S01", "spanned"),
    "odd_compression.ods": (lambda: ods(ODS_ROWS).replace(b"\x14\0\0\0\x08\0", b"\x14\0\0\0\x0e\0"), "S01", ""),
    "columns.csv": (lambda: f"指标编码,报告期,数值{',' * 10_000_000}\ntrade,2022-03,1\n", "S07", "10,000,003 columns"),
    "commas.csv": (lambda: "指标编码,报告期,数值\n" + ("," * 3000 + "\n") * 40_000, "S07", "40,001 × 3,001"),
    "torn_commas.csv": (lambda: '指标编码,报告期,数值\n"a"b,2022,1\n' + ("," * 5000 + "\n") * 10, "S01", "expected"),
    "long_cell.csv": (lambda: f"{LINES}trade,2022-03,{'9' * (2 << 20)}\n", "S07", "2,097,152 bytes in a cell"),
    "long_quoted_cell.csv": (lambda: f'{LINES}trade,2022-03,"{"9" * (2 << 20)}"\n"trade"\r,2022-04,1\n', "S07", "longer cell"),
    "long_cell.xlsx": (
        lambda: replaced(workbook(), "xl/sharedStrings.xml", b"<t>4200</t>", b"<t>" + b"4" * (2 << 20) + b"</t>"), "S07", "in a cell"),
    "long_label.csv": (
        lambda: f"指标名称{',2022年3月' * 3000}\n{'x' * 900_000}{',1' * 3000}\n", "S07", "rows of"),
    "long_cells.parquet": (lambda: parquet(indicator=["x" * (2 << 20)] * 50, period="2022", value=1.0), "S07", "in a cell"),
    "boastful.parquet": (boastful_parquet, "S01", ""),
    "nul.csv": (lambda: f"{LINES}trade,2022-03,1\0\n", "S01", "undecodable"),  # it is taken for UTF-16
    "nul_far_down.csv": (lambda: f"{LINES * 200}trade,2022-03,1\0\n", "S01", "NUL"),
    "nuls.csv": (lambda: bytes(4096), "S01", ""),
    "nul.xlsx": (lambda: replaced(workbook(), "xl/sharedStrings.xml", b"4200", b"42\0"), None, ""),
    "nul.json": (lambda: json.dumps([dict(zip(HEADER, [*ROW[:2], "42\0"], strict=True))]), None, ""),
    "odd.csv": (lambda: LINES.encode("utf-16") + b"\x00", "S01", "undecodable"),
    "half_a_character.csv": (lambda: LINES.encode("utf-16-le") + b"\x00\xd8,\x00", "S01", "undecodable"),
    "not_utf8.csv": (lambda: LINES.encode() + b"\xff\xff\xff\n", "S01", "undecodable"),
    "half_a_character.json": (lambda: '[{"indicator": "\\ud800", "period": "2022-03", "value": 1}]', "S01", "surrogates"),
    "half_a_name.json": (lambda: '[{"indicator": "trade", "period": "2022-03", "value": 1, "\\udfff": 1}]', "S01", "surrogates"),
    "deep.json": (lambda: nested(100_000), "S01", "recursion"),
    "rather_deep.json": (lambda: nested(900), None, ""),
    "deep.jsonl": (lambda: nested(100_000)[1:-1] + b"\n" + nested(5)[1:-1], "S01", "recursion"),
    "long_line.jsonl": (lambda: '{"indicator": "trade", "period": "2022-03", "value": "' + "9" * 20_000_000 + '"}', "S07", "in a cell"),
    "circle.xls": (lambda: old_workbook(lambda n: n), "S01", "circle"),
    "backwards.xls": (lambda: old_workbook(lambda n: n - 1), "S01", ""),
    "astray.xls": (lambda: old_workbook(lambda n: 1 << 20), "S01", ""),
    "macros.xlsm": (with_macros, None, ""),
    "locked.ods": (locked_ods, "S03", "encryption-data"),
}  # fmt: skip


def content_of(name: str) -> bytes:
    content = HOSTILE[name][0]()
    return content if isinstance(content, bytes) else content.encode()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_ends_in_a_clear_fault(name: str) -> None:
    _, rule, said = HOSTILE[name]
    reading = read(content_of(name), name)
    if rule is None:
        assert reading.fault is None, reading.fault
        assert reading.rows.height
        return
    assert reading.fault is not None
    assert reading.fault.rule == rule
    assert said in reading.fault.found


@pytest.mark.parametrize("case", sorted(p for p in CASES.glob("*/*")), ids=lambda p: f"{p.parent.name}/{p.name}")
def test_what_once_broke_it_does_so_no_more(case: Path) -> None:
    TARGETS[case.parent.name.replace("-", " ")].run(case.read_bytes())


# --- read apart ---


@contextmanager
def file_of(content: bytes, folder: Path) -> Iterator[Path]:
    path = folder / "object"
    path.write_bytes(content)
    yield path
    path.unlink()


def by(reading: Reading) -> tuple[Any, ...]:
    fault = reading.fault
    said = (fault.rule, fault.found, fault.expected, fault.sheet, fault.row) if fault else None
    rest = (
        reading.format,
        reading.synthetic,
        reading.named_departments,
        reading.template,
        reading.reason,
        reading.passed_over,
    )
    return said, rest, reading.lasting


def processes() -> list[psutil.Process]:
    """Those that read files, of this one."""
    return [p for p in psutil.Process().children() if "warehouse.worker" in p.cmdline()]


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """limits(SECONDS=…, MEMORY=…): of the next process, which the next test does not inherit."""

    def lower(**of: Any) -> None:
        apart.close()
        for name, value in of.items():
            monkeypatch.setattr(apart, name, value)

    yield lower
    apart.close()


class Box:
    """Drop boxes of a department, and what became of the files."""

    def __init__(self, root: Path, plan: Plan) -> None:
        self.root, self.plan, self.store = root / "dropbox", plan, Store(root / "data")

    def read(self, **files: bytes) -> dict[str, tuple[Any, ...]]:
        """By file: the rule, what was found, rows read, and whether it is entered as read."""
        send(self.root, {f"science/{name}": content for name, content in files.items()})
        land(self.store, [self.root.as_uri()], self.plan, NOW)
        read_landed(self.store, self.plan)
        with ledger(self.store) as db:
            found = db.execute(
                "select path, fault_rule, fault_found, rows, reader is not null from submission"
            ).fetchall()
        return {path.removeprefix("science/"): tuple(rest) for path, *rest in found}


@pytest.fixture
def box(tmp_path: Path, plan: Plan) -> Box:
    return Box(tmp_path, plan)


GOOD = (None, None, 1, 1)
PLACE = Place("submission", "2021-01", "2022-12", "2023-01", 1)


def pages(count: int) -> bytes:
    """A small file in which the header stands again and again, each time above another table."""
    return (LINES * count).encode()


def test_what_is_read_apart_is_what_is_read_here_and_by_one_process(tmp_path: Path) -> None:
    files = {
        "合成.csv": long_csv(FIGURE, banner=["template: shenyang-2022 r1 science 2022Q4", "填报单位:科技局"]) + "合计,,,,1,,,\n重报原因:笔误\n".encode(),
        "a.xlsx": workbook(),
        "empty.csv": b"",
        "headless.csv": b"a,b\n1,2\n",
        "laughs.ods": content_of("laughs.ods"),
    }  # fmt: skip
    apart.close()
    seen = set()
    for name, content in files.items():
        here = read(content, name)
        with file_of(content, tmp_path) as path:
            there, months = read_apart(path, name, rows := tmp_path / "rows", PLACE)
        assert by(there) == by(here)
        assert pl.read_parquet(rows).equals(placed(here.rows, PLACE))
        assert sum(months.values()) == here.rows.height
        rows.unlink()
        seen |= {p.pid for p in processes()}
    assert len(seen) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_process_that_reads_has_no_secrets_no_network_and_is_the_first_to_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: Callable[..., None]
) -> None:
    monkeypatch.setenv("WALLCHART_CREDENTIAL_PLATFORM_TOKEN", "canary")
    limits()
    with file_of(LINES.encode(), tmp_path) as path:
        read_apart(path, "a.csv", tmp_path / "rows", PLACE)
    [process] = processes()
    assert "canary" not in Path(f"/proc/{process.pid}/environ").read_text("utf-8", "replace")
    assert Path(f"/proc/{process.pid}/oom_score_adj").read_text().strip() == "1000"
    if subprocess.run(["unshare", "--user", "--net", "true"], check=False, capture_output=True).returncode == 0:
        assert os.readlink(f"/proc/{process.pid}/ns/net") != os.readlink("/proc/self/ns/net")


@pytest.mark.slow
def test_a_file_that_takes_too_long_is_returned_and_its_neighbours_are_read(
    box: Box, limits: Callable[..., None]
) -> None:
    limits(SECONDS=(2, 0))
    found = box.read(**{"a.csv": LINES.encode(), "b.csv": pages(20_000), "c.csv": LINES.encode() + b"\n"})
    assert found == {"a.csv": GOOD, "b.csv": ("S07", "> 2 s", 0, 1), "c.csv": GOOD}


@pytest.mark.slow
def test_a_file_that_takes_too_much_memory_is_returned_and_its_neighbours_are_read(
    box: Box, limits: Callable[..., None]
) -> None:
    limits(MEMORY=400 << 20)
    bomb = replaced(workbook(), "xl/sharedStrings.xml", b"<t>4200</t>", b"<t>" + b"4" * (300 << 20) + b"</t>")
    assert len(bomb) < 10 << 20
    found = box.read(**{"a.csv": LINES.encode(), "b.xlsx": bomb, "c.csv": LINES.encode() + b"\n"})
    assert found == {"a.csv": GOOD, "b.xlsx": ("S07", "> 400 MiB", 0, 1), "c.csv": GOOD}


@contextmanager
def killing(times: int, at_work: float = 1.5) -> Iterator[list[int]]:
    """Kills that many processes, each at work (so many seconds of CPU): from outside, as the system does that is short of memory."""
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while not over.is_set() and len(killed) < times:
            for process in psutil.Process().children():
                with suppress(psutil.Error):  # it has just ended
                    busy = process.cpu_times()
                    reads = "warehouse.worker" in process.cmdline() and process.pid not in killed
                    if reads and busy.user + busy.system > at_work and len(killed) < times:
                        process.send_signal(signal.SIGKILL)
                        killed.append(process.pid)
            time.sleep(0.02)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


@pytest.mark.slow
def test_a_reading_killed_from_outside_is_tried_once_more_and_never_held_against_its_file(
    box: Box, limits: Callable[..., None]
) -> None:
    limits()
    big = pages(4000)
    with killing(1) as killed:
        assert box.read(**{"a.csv": big, "b.csv": LINES.encode()}) == {"a.csv": (None, None, 4000, 1), "b.csv": GOOD}
    assert len(killed) == 1
    apart.close()
    with killing(2) as killed:
        found = box.read(**{"c.csv": big + b"\n"})
    assert len(killed) == 2
    rule, said, rows, entered = found["c.csv"]
    assert (rule, rows, entered) == ("S07", 0, 0)
    assert "SIGKILL" in said
    assert box.read()["c.csv"] == (None, None, 4000, 1)  # the next night


@pytest.mark.slow
def test_a_receipt_whose_process_is_killed_from_outside_is_laid_out_once_more(
    night: Callable[..., Night], plan: Plan, limits: Callable[..., None]
) -> None:
    wide = [
        ["指标编码", "报告期", "数值", *("说明",) * 25],
        *(["deposits", "2022-12", n, *("x" * 25)] for n in range(1999)),
    ]
    done = night({f"science/{n}.xlsx": workbook(wide, sheet=f"表{n}") for n in range(12)})
    limits()
    with killing(1, at_work=0.5) as killed:
        made = receipts.make(done.store, plan)
    assert len(killed) == 1
    assert made.new.height == 12
    assert all(len(list(done.store.receipts.rglob(f"*.{kind}"))) == 12 for kind in ("xlsx", "html"))
    assert list(done.store.receipts.rglob("*.tmp")) == []
    assert processes() == []


def test_rows_are_of_the_submission_whose_file_they_are_in_whatever_they_say(night: Callable[..., Night]) -> None:
    done = night(
        {
            "science/a.csv": long_csv(FIGURE),
            "finance/b.csv": long_csv(("fiscal_revenue", "", "2022-12", "", 600, "亿元")),
        }
    )
    with ledger(done.store) as db:
        of = dict(db.execute("select department, submission from submission").fetchall())
        rows = done.store.rows / f"{of['science']}.parquet"
        pl.read_parquet(rows).with_columns(submission=pl.lit(of["finance"])).write_parquet(rows)
        db.execute("update submission set rows_sha256 = ? where submission = ?", (sums.sha256(rows), of["science"]))
    judge.validity(done.store, done.plan, ["2022-12"])
    judged = pl.read_parquet(done.store.month("2022-12") / "row.parquet", hive_partitioning=False)
    assert set(judged.select("submission", "department").iter_rows()) == {(s, d) for d, s in of.items()}


def test_a_reader_that_names_other_months_than_the_plans_is_not_believed(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = apart.Process.ask

    def lies(process: apart.Process, request: dict[str, Any], *files: Any) -> dict[str, Any]:
        return asked(process, request, *files) | {"months": {"../../2022-12": 1}}

    monkeypatch.setattr(apart.Process, "ask", lies)
    send(box.root, {"science/a.csv": LINES.encode()})
    assert box.read()["a.csv"][0] == "S01"


@pytest.mark.slow
def test_a_process_that_reads_dies_with_the_one_that_asked(tmp_path: Path) -> None:
    path = tmp_path / "object"
    path.write_bytes(pages(20_000))
    code = (
        "import pathlib, sys; from warehouse.readers import apart, placed; p = pathlib.Path(sys.argv[1]);"
        f" apart.read(p, 'a.csv', p.with_name('rows'), placed.{PLACE})"
    )
    asking = psutil.Popen([sys.executable, "-c", code, str(path)])
    try:
        while not (reading := asking.children()) or reading[0].cpu_times().user < 1.5:
            time.sleep(0.05)
    finally:
        asking.kill()
        asking.wait()
    assert psutil.wait_procs(reading, timeout=10)[1] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", lambda: LINES.encode() + b"trade,2022-03," + b"9" * (200 << 20), "209,715,200 bytes in a cell"),
        ("a.xlsx", lambda: replaced(workbook(), "xl/sharedStrings.xml", b"<t>4200</t>", b"<t>" + b"4" * (1 << 30) + b"</t>"), "1,073,741,824 bytes in a cell"),
    ],
)  # fmt: skip
def test_a_cell_of_a_gigabyte_is_returned_within_the_limits(
    tmp_path: Path, name: str, content: Callable[[], bytes], said: str
) -> None:
    with file_of(content(), tmp_path) as path:
        fault = read_apart(path, name, tmp_path / "rows", PLACE)[0].fault
    assert fault is not None
    assert (fault.rule, fault.found) == ("S07", said)


def test_a_file_beyond_the_limit_is_returned_unread(box: Box) -> None:
    send(box.root, {"science/a.csv": b""})
    os.truncate(box.root / "science/a.csv", 1 << 30)
    found = box.read()
    assert found["a.csv"][:2] == ("S07", "1,073,741,824 bytes")


# --- what people see of it ---

DECEIVING = f"报表{RTL}xslx.exe\r\n2026-01-01 INFO all good\x1b[2J"


@pytest.mark.slow
def test_names_sheets_and_cells_that_deceive_are_spelled_out_wherever_people_read_them(
    night: Callable[..., Night], plan: Plan, caplog: pytest.LogCaptureFixture
) -> None:
    bad = workbook(
        [["指标编码", "报告期", "数值"], ["high_tech_firms", "2022Q4", f"4{RTL}2\x1b[31m"]], sheet=f"表{RTL}格"
    )
    hostile = {name: content for name in HOSTILE if len(content := content_of(name)) < 1 << 20}
    mine = {f"{DECEIVING}.csv": b"a,b\n", "b.xlsx": bad, "c.csv": long_csv(FIGURE)}
    done = night({f"science/{name}": content for name, content in (hostile | mine).items()})
    assert (
        done.one("select value from observation where known_to is null and indicator = 'high_tech_firms'")["value"]
        == 4200
    )
    told = done.ask(
        "select s.path, f.rule from finding f join submission s using (submission) where f.severity = 'fatal'"
    )
    rules = {row["path"].removeprefix("science/"): row["rule"] for row in told}
    assert {name: rules.get(name) for name in hostile} == {name: HOSTILE[name][1] for name in hostile}
    receipts.make(done.store, plan)
    answered = [page.read_text("utf-8") for page in done.store.receipts.rglob("*.html")]
    assert len(answered) == len(hostile) + len(mine)
    assert any("⟨U+202E⟩" in page for page in answered)
    assert [t for t in [*answered, *caplog.messages] if RTL in t or "\x1b" in t or "\r" in t] == []
