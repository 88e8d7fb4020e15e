"""What a table would change: new, changed, same and bad rows, decided before anything is signed.

Theory of operation: `--id 'lab.1/{part_no}'` makes the identifier of a row out of its columns;
`{part_no|slug}` turns the text into a-z, 0-9 and `-` first. Every other named column becomes a value whose
type is the column's name (a column that the template uses as it is needs no value of its own; a slugged one
keeps its original text as a value). A new value gets the number of its column, counted over the columns
that become values, as its index; on an existing record it takes the place of the only value of that type.

Upsert: an absent identifier is new; a value that differs is put; an empty cell changes nothing; values
that the table does not name stay; a record that the table does not name stays. A row that cannot be
registered is bad and blocks nothing.

What the node says about existing records is information, not proof: a lie can make a signed change fail
with `version-conflict`, never make it overwrite something unseen. Pure: no I/O.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger.core import identifier as identifiers
from ledger.core.identifier import Identifier
from ledger.core.operation import Create, Item, Update
from ledger.core.value import VALUE_INDEX_MAX, Value
from ledger.errors import IdentifierError
from xinbiao.errors import TableError, UsageError
from xinbiao.sheet import BadRow, Row, Sheet, shown

ITEMS_PER_STATEMENT: Final = 500
STATEMENT_BYTES: Final = 60_000  # of at most 65,535, estimated from above
TYPE_BYTES_MAX: Final = 256
VALUES_MAX: Final = 255  # a record holds 256
DATA_BYTES_MAX: Final = 32_768
IDENTIFIER_COLUMNS: Final = ("identifier", "id", "标识", "标识码")
_HOLE: Final = re.compile(r"\{([^{}|]+)(\|slug)?\}")
_NOT_SLUG: Final = re.compile(r"[^a-z0-9]+")
_MANGLED: Final = re.compile(r"[0-9](?:\.[0-9]+)?E\+[0-9]{2}", re.ASCII)
_ITEM_OVERHEAD: Final = 16
_VALUE_OVERHEAD: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """How identifiers are made from rows.

    Attributes:
        text: As given.
        parts: (literal text before, column, slugged) of each hole.
        tail: Literal text after the last hole.
    """

    text: str
    parts: tuple[tuple[str, str, bool], ...]
    tail: str

    @classmethod
    def parse(cls, text: str, columns: Sequence[str]) -> "Template":
        """Read a template.

        Raises:
            UsageError: A hole names no column, or there is none.
        """
        parts: list[tuple[str, str, bool]] = []
        end = 0
        for hole in _HOLE.finditer(text):
            parts.append((text[end : hole.start()], hole[1], hole[2] is not None))
            end = hole.end()
        literals = "".join(part[0] for part in parts) + text[end:]
        named = ", ".join(name for name in columns if name)
        if not parts or "{" in literals or "}" in literals:
            raise UsageError(f"--id {text}: name columns as {{COLUMN}} or {{COLUMN|slug}}: {named}")
        missing = [column for _, column, _ in parts if column not in columns]
        if missing:
            raise UsageError(f"--id {text}: no column {missing[0]!r}; there are {named}")
        return cls(text=text, parts=tuple(parts), tail=text[end:])

    @classmethod
    def choose(cls, given: str | None, columns: Sequence[str]) -> "Template":
        """Return the given template, or the column that holds identifiers.

        Raises:
            UsageError: Neither.
        """
        if given is not None:
            return cls.parse(given, columns)
        for name in columns:
            if name.lower() in IDENTIFIER_COLUMNS:
                return cls.parse(f"{{{name}}}", columns)
        raise UsageError(
            "which column makes the identifier? For instance --id 'lab.1/{part_no}'; columns: "
            + ", ".join(name for name in columns if name)
        )

    @property
    def consumed(self) -> frozenset[str]:
        """Columns whose whole text is in the identifier, and which need no value."""
        return frozenset(column for _, column, slugged in self.parts if not slugged)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a row asks for.

    Attributes:
        row: Its number.
        identifier: Made by the template.
        values: (index, type, text) of each cell that is not empty.
    """

    row: int
    identifier: Identifier
    values: tuple[tuple[int, str, str], ...]

    @property
    def size(self) -> int:
        """Bytes it takes in a statement, estimated from above."""
        size = len(self.identifier.text.encode()) + _ITEM_OVERHEAD
        for _, kind, text in self.values:
            size += len(kind.encode()) + len(text.encode()) + _VALUE_OVERHEAD
        return size

    def item(self) -> Item:
        """Return it as an item of a create statement."""
        values = tuple(
            Value(index=index, type=kind, data=text) for index, kind, text in self.values
        )
        return Item(identifier=self.identifier, values=values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A row that changes an existing record.

    Attributes:
        wanted: What the row asks for.
        version: Version of the record that it changes.
        put: Values to put.
    """

    wanted: Wanted
    version: int
    put: tuple[Value, ...]

    def operation(self) -> Update:
        """Return the operation."""
        return Update(identifier=self.wanted.identifier, version=self.version, put=self.put)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would happen.

    Attributes:
        columns: Types of the values that become public.
        new: Rows to register, ascending by identifier.
        changed: Rows to update.
        same: Rows that are on the ledger as they are.
        bad: Rows that are left out, ascending by row.
    """

    columns: tuple[str, ...]
    new: tuple[Wanted, ...]
    changed: tuple[Change, ...]
    same: tuple[Wanted, ...]
    bad: tuple[BadRow, ...]


class _Unclear(Exception):  # noqa: N818  it never leaves this module
    """It is not clear which stored value a cell would replace."""


def value_columns(columns: Sequence[str], template: Template) -> tuple[tuple[int, int, str], ...]:
    """Return (position in the row, index, type) of each column that becomes a value.

    Raises:
        TableError: A column's name cannot be a type, or there are too many.
    """
    named = [
        (place, name)
        for place, name in enumerate(columns)
        if name and name not in template.consumed
    ]
    if len(named) > VALUES_MAX:
        raise TableError(f"{len(named)} columns would be values, a record holds {VALUES_MAX}")
    for _, name in named:
        if len(name.encode()) > TYPE_BYTES_MAX:
            raise TableError(f"column {shown(name)}: a type has at most {TYPE_BYTES_MAX} bytes")
        if name.upper() == "HS_SECKEY":
            raise TableError(
                "column HS_SECKEY holds secrets, and registered is public: leave it out"
            )
    return tuple((place, index, name) for index, (place, name) in enumerate(named, 1))


def wanted_rows(sheet: Sheet, template: Template, prefix: str) -> tuple[list[Wanted], list[BadRow]]:
    """Return what the rows ask for, and the rows that cannot.

    Args:
        sheet: The table.
        template: Makes the identifiers.
        prefix: The prefix that registers, canonical.

    Raises:
        TableError: A column cannot become a value.
    """
    columns = value_columns(sheet.columns, template)
    places = {name: place for place, name in enumerate(sheet.columns) if name}
    good: list[Wanted] = []
    bad: list[BadRow] = []
    first: dict[str, int] = {}
    for row in sheet.rows:
        found = _wanted(row, template, places, columns, prefix)
        if isinstance(found, Wanted):
            earlier = first.setdefault(found.identifier.key_text, row.number)
            if earlier == row.number:
                good.append(found)
                continue
            rule = f"the same identifier as row {earlier}"
            found = _bad(row, template.parts[-1][1], rule, found.identifier.text)
        bad.append(found)
    return good, bad


def _wanted(
    row: Row,
    template: Template,
    places: Mapping[str, int],
    columns: Sequence[tuple[int, int, str]],
    prefix: str,
) -> Wanted | BadRow:
    text = ""
    for literal, column, slugged in template.parts:
        cell = row.cells[places[column]]
        made = _NOT_SLUG.sub("-", cell.lower()).strip("-") if slugged else cell
        if not made:
            rule = "empty" if not cell else "nothing of it is left as a slug"
            return _bad(row, column, f"{rule}: it is part of the identifier", cell)
        if _MANGLED.fullmatch(cell):
            rule = "a number cut by a spreadsheet: format the column as text and enter it again"
            return _bad(row, column, rule, cell)
        text += literal + made
    column = template.parts[-1][1]
    try:
        ident = identifiers.parse(text + template.tail)
    except IdentifierError as error:
        return _bad(row, column, f"position {error.position + 1}: {error.rule}", error.text)
    if ident.must_be_prefix:
        return _bad(row, column, "it can only be a prefix", ident.text)
    if prefix not in ident.parents:
        return _bad(row, column, f"not under {prefix}", ident.text)
    values = tuple(
        (index, kind, row.cells[place]) for place, index, kind in columns if row.cells[place]
    )
    for _, kind, cell in values:
        if len(cell) > DATA_BYTES_MAX // 4 and len(cell.encode()) > DATA_BYTES_MAX:
            return _bad(row, kind, f"over {DATA_BYTES_MAX} bytes", cell)
    found = Wanted(row=row.number, identifier=ident, values=values)
    if found.size > STATEMENT_BYTES:
        return _bad(row, "", f"{found.size} bytes, a row has at most {STATEMENT_BYTES}", "")
    return found


def make_plan(
    sheet: Sheet,
    template: Template,
    prefix: str,
    known: Mapping[str, Mapping[str, Any]],
    asked: tuple[list[Wanted], list[BadRow]] | None = None,
) -> Plan:
    """Sort the rows of a table.

    Args:
        sheet: The table.
        template: Makes the identifiers.
        prefix: The prefix that registers, canonical.
        known: Key text → what the node says of the identifiers that exist.
        asked: What `wanted_rows` gave for this table, where that is known already.

    Raises:
        TableError: A column cannot become a value.
    """
    rows, bad = asked or wanted_rows(sheet, template, prefix)
    bad = list(bad)
    new: list[Wanted] = []
    changed: list[Change] = []
    same: list[Wanted] = []
    for row in rows:
        there = known.get(row.identifier.key_text)
        found = row if there is None else _compare(row, there, prefix)
        match found:
            case BadRow():
                bad.append(found)
            case Change(put=()):
                same.append(row)
            case Change():
                changed.append(found)
            case Wanted():
                new.append(found)
    new.sort(key=lambda one: one.identifier.text.encode())
    columns = tuple(name for _, _, name in value_columns(sheet.columns, template))
    every = sorted([*sheet.bad, *bad], key=lambda one: one.row)
    return Plan(
        columns=columns,
        new=tuple(new),
        changed=tuple(changed),
        same=tuple(same),
        bad=tuple(every),
    )


def _compare(row: Wanted, there: Mapping[str, Any], prefix: str) -> Change | BadRow:
    """Return what the row changes on an existing record."""
    record = there.get("record")
    text = row.identifier.text

    def bad(rule: str) -> BadRow:
        return BadRow(row=row.row, column="", rule=rule, text=shown(text))

    if not isinstance(record, dict) or there.get("found") != "record":
        return bad("it is no record on this ledger (a prefix or an alias)")
    if record.get("owner") != prefix:
        return bad(f"it belongs to {shown(str(record.get('owner')))}")
    if record.get("status") != "active":
        return bad(f"it is {shown(str(record.get('status')))}: no change is possible")
    version, values = record.get("version"), record.get("values")
    if not isinstance(version, int) or not isinstance(values, list):
        return bad("the node's answer has no version or no values")
    stored = [value for value in values if isinstance(value, dict)]
    try:
        put = tuple(_put(row.values, stored))
    except _Unclear as error:
        return bad(str(error.args[0]))
    return Change(wanted=row, version=version, put=put)


def _put(
    values: Sequence[tuple[int, str, str]], stored: Sequence[Mapping[str, Any]]
) -> Iterator[Value]:
    """Yield the values that differ, ascending by index."""
    taken = {value.get("index") for value in stored}
    put: list[Value] = []
    for index, kind, text in values:
        there = [value for value in stored if value.get("type") == kind]
        if len(there) > 1:
            raise _Unclear(f"it has {len(there)} values of type {shown(kind)}: update it by itself")
        if there and there[0].get("data") == text:
            continue
        at = there[0].get("index") if there else free_index(taken, index)
        if not isinstance(at, int):
            raise _Unclear("the node's answer has a value without an index")
        taken.add(at)
        put.append(Value(index=at, type=kind, data=text))
    return iter(sorted(put, key=lambda one: one.index))


def free_index(taken: "set[Any]", wanted: int) -> int:
    """Return `wanted` if it is free, else the next free index."""
    index = wanted
    while index in taken and index < VALUE_INDEX_MAX:
        index += 1
    return index


def _bad(row: Row, column: str, rule: str, text: str) -> BadRow:
    return BadRow(row=row.number, column=column, rule=rule, text=shown(text))


def statements_of(new: Sequence[Wanted]) -> Iterator[tuple[Wanted, ...]]:
    """Yield rows that fit one create statement each, ascending by identifier.

    Args:
        new: Ascending by identifier.
    """
    group: list[Wanted] = []
    size = 0
    for one in new:
        if group and (len(group) == ITEMS_PER_STATEMENT or size + one.size > STATEMENT_BYTES):
            yield tuple(group)
            group, size = [], 0
        group.append(one)
        size += one.size
    if group:
        yield tuple(group)


def create_operation(rows: Sequence[Wanted]) -> Create:
    """Return the operation that registers rows of one statement."""
    return Create(items=tuple(one.item() for one in rows))
