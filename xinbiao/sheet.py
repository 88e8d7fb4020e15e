"""A CSV table as spreadsheets write them: rows of text, and bad rows with their reason.

Theory of operation: UTF-8, with a byte order mark or without; separated by comma, semicolon or tab,
whichever the header has most; quoted as RFC 4180. A row keeps the number that a spreadsheet shows (the
header is row 1). One bad row never costs the others: it is reported with row, column, rule and the text
found. Only a file of which nothing can be trusted is a `TableError`.

Refused, because they are how tables lie: bytes that are no UTF-8 (a GBK export), rows with more or fewer
cells than the header (a cut-off file), control characters, a quote that never closes. White space around
a cell is dropped, empty rows are skipped. Nothing is guessed or converted: a cell is text.

Pure: bytes in, values out.
"""

import csv
import io
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from xinbiao.errors import TableError

TABLE_BYTES_MAX: Final = 256 * 1024 * 1024
ROWS_MAX: Final = 1_000_000
COLUMNS_MAX: Final = 256
TEXT_SHOWN_MAX: Final = 80
_SEPARATORS: Final = ",;\t"
_SPACE: Final = " \t\r\n\u00a0\u3000\ufeff"
_NOT_UTF8: Final = "not UTF-8 (a GBK export?): save the table as 'CSV UTF-8'"
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that is left out.

    Attributes:
        row: Its number, as a spreadsheet shows it.
        column: Name of the column at fault, or empty for the row as a whole.
        rule: The rule broken, in words.
        text: What was found, cut to `TEXT_SHOWN_MAX`.
    """

    row: int
    column: str
    rule: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A good row: one text per column of the header."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A table.

    Attributes:
        columns: Names of the columns; an empty one has no name and only empty cells.
        rows: Good rows.
        bad: Bad rows.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    bad: tuple[BadRow, ...]


def read_sheet(data: bytes) -> Sheet:
    """Read a table.

    Raises:
        TableError: There is no header that can be used, or the file is no CSV in UTF-8 at all.
    """
    if len(data) > TABLE_BYTES_MAX:
        raise TableError(f"{len(data)} bytes are over {TABLE_BYTES_MAX}: cut the table")
    if data.startswith(_WIDE):
        raise TableError("UTF-16: save the table as 'CSV UTF-8'")
    if data.startswith(b"PK\x03\x04"):
        raise TableError("a workbook (xlsx): save the sheet as 'CSV UTF-8'")
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    records = _records(text)
    columns = _header(next(records, None))
    rows: list[Row] = []
    bad: list[BadRow] = []
    for number, cells in records:
        if isinstance(cells, BadRow):
            bad.append(cells)
            continue
        found = _row(columns, number, cells)
        if isinstance(found, BadRow):
            bad.append(found)
        elif found is not None:
            rows.append(found)
        if len(rows) + len(bad) > ROWS_MAX:
            raise TableError(f"more than {ROWS_MAX} rows: cut the table")
    return Sheet(columns=columns, rows=tuple(rows), bad=tuple(bad))


def shown(text: str) -> str:
    """Return text as a report shows it: short, and without what a terminal would obey."""
    cut = text if len(text) <= TEXT_SHOWN_MAX else text[: TEXT_SHOWN_MAX - 1] + "…"
    return "".join(
        char if unicodedata.category(char) not in ("Cc", "Cf", "Cs") else f"\\u{ord(char):04x}"
        for char in cut
    )


def _records(text: str) -> Iterator[tuple[int, list[str] | BadRow]]:
    """Yield (number, cells) of each record; a record that is no CSV is bad."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    number = 0
    while True:
        number += 1
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            rule = f"no CSV ({error}): is a quote missing?"
            yield number, BadRow(row=number, column="", rule=rule, text="")


def _separator(text: str) -> str:
    header = text.partition("\n")[0]
    return max(_SEPARATORS, key=header.count)


def _header(record: tuple[int, list[str] | BadRow] | None) -> tuple[str, ...]:
    if record is None or not record[1]:
        raise TableError("the first row must name the columns; it is empty")
    if isinstance(record[1], BadRow):
        raise TableError(f"the first row: {record[1].rule}")
    names = tuple(cell.strip(_SPACE) for cell in record[1])
    if len(names) > COLUMNS_MAX:
        raise TableError(f"{len(names)} columns are over {COLUMNS_MAX}")
    for number, name in enumerate(names, 1):
        fault = _fault(name)
        if fault is not None:
            raise TableError(f"the name of column {number}: {fault}")
    named = [name for name in names if name]
    if not named:
        raise TableError("the first row must name the columns; it is empty")
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise TableError(f"two columns have one name: {', '.join(twice)}")
    return names


def _row(columns: tuple[str, ...], number: int, record: list[str]) -> Row | BadRow | None:
    """Return the row, why it is bad, or None where it is empty."""
    cells = [cell.strip(_SPACE) for cell in record]
    if not any(cells):
        return None
    while len(cells) > len(columns) and not cells[-1]:
        cells.pop()
    if len(cells) != len(columns):
        rule = f"{len(cells)} cells, the header has {len(columns)}"
        return BadRow(row=number, column="", rule=rule, text=shown(cells[-1]))
    for name, cell in zip(columns, cells, strict=True):
        fault = _fault(cell) if name or not cell else "a cell in a column without a name"
        if fault is not None:
            return BadRow(row=number, column=name, rule=fault, text=shown(cell))
    return Row(number=number, cells=tuple(cells))


def _fault(cell: str) -> str | None:
    """Return which rule a cell's characters break, or None."""
    if cell.isascii() and cell.isprintable():
        return None
    for char in cell:
        kind = unicodedata.category(char)
        if kind == "Cs":
            return _NOT_UTF8
        if kind == "Cc" and char not in "\t\n\r":
            return f"control character U+{ord(char):04X}"
    return None
