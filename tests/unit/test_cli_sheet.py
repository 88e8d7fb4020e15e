"""Tables as spreadsheets write them: every trap costs its own row and no other."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinbiao.errors import TableError
from xinbiao.sheet import TEXT_SHOWN_MAX, Sheet, read_sheet, shown

CELLS = st.text(
    alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Z")), max_size=12
)


def numbers(sheet: Sheet) -> list[int]:
    """Return the row numbers of the good rows."""
    return [row.number for row in sheet.rows]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"part,name\nA-1,Bolt\n", id="plain"),
        pytest.param(b"\xef\xbb\xbfpart,name\nA-1,Bolt\n", id="byte-order-mark"),
        pytest.param(b"part,name\r\nA-1,Bolt\r\n", id="windows-lines"),
        pytest.param(b"part,name\nA-1,Bolt", id="no-last-line-end"),
        pytest.param(b"part;name\nA-1;Bolt\n", id="semicolons"),
        pytest.param(b"part\tname\nA-1\tBolt\n", id="tabs"),
        pytest.param(b'"part","name"\n"A-1","Bolt"\n', id="quoted"),
        pytest.param(b"part,name,,\nA-1,Bolt,,\n", id="empty-columns"),
        pytest.param(b"part,name\nA-1,Bolt,,\n", id="empty-cells-beyond-the-header"),
        pytest.param(b" part , name\n A-1 ,\xc2\xa0Bolt\xe3\x80\x80\n", id="white-space"),
    ],
)
def test_one_table_in_many_dresses(data: bytes) -> None:
    """However it was saved, it is the same row."""
    sheet = read_sheet(data)

    assert [name for name in sheet.columns if name] == ["part", "name"]
    assert [row.cells[:2] for row in sheet.rows] == [("A-1", "Bolt")]
    assert sheet.bad == ()


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        pytest.param(b"A-2", "1 cells, the header has 2", id="cut-off"),
        pytest.param(b"A-2,x,y", "3 cells, the header has 2", id="too-many"),
        pytest.param("A-2,阀门".encode("gbk"), "not UTF-8", id="gbk"),
        pytest.param(b"A-2,\x1b[31m", "control character U+001B", id="escape"),
        pytest.param(b"A-2,\x00", "control character U+0000", id="nul"),
        pytest.param(b'"A"-2,x', "no CSV", id="text-after-a-quote"),
    ],
)
def test_a_bad_row_costs_only_itself(bad: bytes, rule: str) -> None:
    """It is reported with its number and rule; the rows around it are good."""
    sheet = read_sheet(b"part,name\nA-1,Bolt\n" + bad + b"\nA-3,Nut\n")

    assert numbers(sheet) == [2, 4]
    [one] = sheet.bad
    assert one.row == 3
    assert rule in one.rule


def test_a_quote_that_never_closes_is_a_bad_row() -> None:
    """It swallows the rest of the table, and says so instead of registering it as one cell."""
    sheet = read_sheet(b'part,name\nA-1,Bolt\nA-2,"Nut\nA-3,Screw\n')

    assert numbers(sheet) == [2]
    assert sheet.bad[0].row == 3
    assert "quote" in sheet.bad[0].rule


def test_a_line_end_inside_quotes_is_text_and_does_not_shift_numbers() -> None:
    """Rows are numbered as a spreadsheet does, not by lines."""
    sheet = read_sheet(b'part,name\nA-1,"two\nlines"\nA-2,Nut,surplus\n')

    assert sheet.rows[0].cells == ("A-1", "two\nlines")
    assert sheet.bad[0].row == 3


def test_empty_rows_are_skipped_but_counted() -> None:
    """The row number of what follows is still the spreadsheet's."""
    assert numbers(read_sheet(b"part,name\n\n,\nA-1,Bolt\n")) == [4]


def test_a_cell_in_a_column_without_a_name_is_no_value() -> None:
    """Nobody said what it means, so the row is bad."""
    sheet = read_sheet(b"part,\nA-1,\nA-2,stray\n")

    assert numbers(sheet) == [2]
    assert sheet.bad[0].text == "stray"


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(b"\n", "empty", id="no-header"),
        pytest.param(b",,\nA,B,C\n", "empty", id="no-names"),
        pytest.param(b"part,part\n", "one name: part", id="twice"),
        pytest.param(b"part,\xb1\xea\xca\xb6\n", "UTF-8", id="gbk-header"),
        pytest.param("part,name\n".encode("utf-16"), "UTF-16", id="utf-16"),
        pytest.param(b"PK\x03\x04rest", "xlsx", id="workbook"),
        pytest.param(b'"part\n', "quote", id="open-quote-in-header"),
        pytest.param(b",".join(b"c%d" % n for n in range(300)), "columns", id="too-wide"),
    ],
)
def test_a_table_that_cannot_be_trusted_is_refused_as_a_whole(data: bytes, rule: str) -> None:
    """Without columns nothing means anything."""
    with pytest.raises(TableError, match=rule):
        read_sheet(data)


def test_what_is_shown_obeys_nobody() -> None:
    """Escapes and letters that turn the line around are written out, long text is cut."""
    assert shown("a\x1b[2Jb\u202ec") == "a\\u001b[2Jb\\u202ec"
    assert len(shown("x" * 1000)) == TEXT_SHOWN_MAX


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_our_error(data: bytes) -> None:
    """Nothing else ever comes out, and every good row has one cell per column."""
    try:
        sheet = read_sheet(data)
    except TableError:
        return
    assert all(len(row.cells) == len(sheet.columns) for row in sheet.rows)
    rows = [row.number for row in sheet.rows] + [one.row for one in sheet.bad]
    assert len(set(rows)) == len(rows)
    assert all(row > 1 for row in rows)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=20), st.sampled_from(",;\t"))
def test_what_a_writer_wrote_is_read_back(rows: list[tuple[str, str]], separator: str) -> None:
    """Every row that is not empty comes back cell by cell, with its number."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(("part", "name"))
    writer.writerows(rows)

    sheet = read_sheet(text.getvalue().encode())

    expected = [(at, row) for at, row in enumerate(rows, 2) if any(map(_visible, row))]
    assert expected == [(row.number, row.cells) for row in sheet.rows]
    assert sheet.bad == ()


def _visible(cell: str) -> bool:
    return bool(cell.strip("\ufeff"))
