"""The plan of a table: new, changed, same and bad rows, and how they are cut into statements."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import operation as op
from ledger.core import statement
from ledger.core.keys import ED25519, private_from_seed
from xinbiao.errors import TableError, UsageError
from xinbiao.plan import (
    ITEMS_PER_STATEMENT,
    STATEMENT_BYTES,
    Plan,
    Template,
    Wanted,
    create_operation,
    make_plan,
    statements_of,
    wanted_rows,
)
from xinbiao.sheet import read_sheet

LAB = "hdl:lab.1"
TEMPLATE = "lab.1/{part_no}"


def plan(table: str, known: dict[str, Any] | None = None, template: str | None = TEMPLATE) -> Plan:
    """Return the plan of a table."""
    sheet = read_sheet(table.encode())
    return make_plan(sheet, Template.choose(template, sheet.columns), LAB, known or {})


def stored(*values: tuple[int, str, str], **other: Any) -> dict[str, Any]:
    """Return what a node says of a record."""
    record = {
        "owner": LAB,
        "version": 3,
        "status": "active",
        "values": [{"index": index, "type": kind, "data": data} for index, kind, data in values],
    }
    return {"found": "record", "record": record | other}


def rules(made: Plan) -> list[tuple[int, str, str]]:
    """Return row, column and rule of the bad rows."""
    return [(one.row, one.column, one.rule) for one in made.bad]


def test_columns_become_values_in_their_order() -> None:
    """Type is the name, index the number among the columns that become values."""
    made = plan("URL,part_no,name\nhttps://a,A-1,Bolt\nhttps://b,A-2,\n")

    assert made.columns == ("URL", "name")
    assert [(one.identifier.text, one.values) for one in made.new] == [
        ("hdl:lab.1/A-1", ((1, "URL", "https://a"), (2, "name", "Bolt"))),
        ("hdl:lab.1/A-2", ((1, "URL", "https://b"),)),
    ]


def test_a_slugged_column_keeps_its_text_as_a_value() -> None:
    """The identifier is readable, and what stood in the cell is not lost."""
    made = plan("name\nPump Nr. 7 (West)\n", template="lab.1/{name|slug}")

    assert made.new[0].identifier.text == "hdl:lab.1/pump-nr-7-west"
    assert made.new[0].values == ((1, "name", "Pump Nr. 7 (West)"),)


@pytest.mark.parametrize("name", ["identifier", "ID", "标识"])
def test_a_column_of_identifiers_needs_no_template(name: str) -> None:
    """Its name says it, and the cells may be in any form that people paste."""
    made = plan(f"{name},URL\nhttps://hdl.handle.net/lab.1/A-1,x\n", template=None)

    assert [one.identifier.text for one in made.new] == ["hdl:lab.1/A-1"]


@pytest.mark.parametrize(
    ("template", "rule"),
    [
        pytest.param("lab.1/{part}", "no column 'part'", id="unknown-column"),
        pytest.param("lab.1/x", "name columns", id="no-hole"),
        pytest.param("lab.1/{part_no", "name columns", id="open-brace"),
        pytest.param("lab.1/{part_no}}", "name columns", id="stray-brace"),
        pytest.param(None, "which column", id="none-given"),
    ],
)
def test_a_template_that_means_nothing_is_a_usage_error(template: str | None, rule: str) -> None:
    """It lists what could have been meant."""
    with pytest.raises(UsageError, match=rule):
        plan("part_no,URL\nA-1,x\n", template=template)


@pytest.mark.parametrize(
    ("cell", "rule"),
    [
        pytest.param(",x", "empty", id="empty"),
        pytest.param("A 1,x", "space", id="space"),
        pytest.param("1.23457E+12,x", "cut by a spreadsheet", id="mangled-number"),
        pytest.param("5E+11,x", "cut by a spreadsheet", id="mangled-short"),
        pytest.param("a-0,x", "the same identifier as row 2", id="differs-in-case-only"),
        pytest.param("A-1," + "x" * 40_000, "over", id="too-long"),
    ],
)
def test_a_bad_row_names_column_and_rule(cell: str, rule: str) -> None:
    """And the good rows around it are planned."""
    made = plan(f"part_no,URL\nA-0,x\n{cell}\nA-9,x\n")

    assert [one.identifier.text for one in made.new] == ["hdl:lab.1/A-0", "hdl:lab.1/A-9"]
    [(row, column, found)] = rules(made)
    assert row == 3
    assert column in ("part_no", "URL")
    assert rule in found


def test_only_what_the_prefix_may_register_is_planned() -> None:
    """Another prefix's identifier, and a text that can only be a prefix, are bad rows."""
    made = plan("id\nlab.2/x\nlab.1.5\nlab.1/ok\nlab.1.5/deeper\n", template=None)

    assert [one.identifier.text for one in made.new] == ["hdl:lab.1.5/deeper", "hdl:lab.1/ok"]
    assert [rule for _, _, rule in rules(made)] == [f"not under {LAB}", "it can only be a prefix"]


def test_an_upsert_puts_what_differs_and_leaves_the_rest() -> None:
    """An empty cell changes nothing; values the table does not name stay where they are."""
    known = {
        "hdl:lab.1/a-1": stored((1, "URL", "https://a"), (2, "name", "Bolt")),
        "hdl:lab.1/a-2": stored((7, "URL", "https://old"), (1, "colour", "red")),
        "hdl:lab.1/a-3": stored((1, "URL", "https://c"), (2, "weight", "1 kg")),
    }
    made = plan(
        "part_no,URL,name\nA-1,https://a,\nA-2,https://new,Nut\nA-3,https://c,Screw\n", known
    )

    assert [one.identifier.text for one in made.same] == ["hdl:lab.1/A-1"]
    puts = {
        one.wanted.identifier.text: [(v.index, v.type, v.data) for v in one.put]
        for one in made.changed
    }
    assert puts == {
        "hdl:lab.1/A-2": [(2, "name", "Nut"), (7, "URL", "https://new")],  # at its own place
        "hdl:lab.1/A-3": [(3, "name", "Screw")],  # 2 is taken by another type
    }
    assert {one.version for one in made.changed} == {3}


@pytest.mark.parametrize(
    ("there", "rule"),
    [
        pytest.param(stored(owner="hdl:lab.1.5"), "belongs to hdl:lab.1.5", id="another-owner"),
        pytest.param(stored(status="retired"), "retired", id="retired"),
        pytest.param({"found": "prefix", "record": {}}, "no record", id="a-prefix"),
        pytest.param(stored(version=None), "no version", id="no-version"),
        pytest.param(
            stored((1, "URL", "a"), (2, "URL", "b")), "2 values of type URL", id="ambiguous"
        ),
    ],
)
def test_what_cannot_be_changed_is_a_bad_row(there: dict[str, Any], rule: str) -> None:
    """Whatever a node says of an existing record, the others are planned."""
    made = plan("part_no,URL\nA-1,x\nA-2,x\n", {"hdl:lab.1/a-1": there})

    assert [one.identifier.text for one in made.new] == ["hdl:lab.1/A-2"]
    assert rule in made.bad[0].rule


def test_a_column_of_secrets_is_refused() -> None:
    """What is registered is public for ever."""
    with pytest.raises(TableError, match="secrets"):
        plan("part_no,hs_seckey\nA-1,geheim\n")


TEXTS = st.text(alphabet=st.sampled_from("aB9-_.,;\"'= 中é"), max_size=8)
ROWS = st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=30)


@given(ROWS)
def test_every_row_gets_exactly_one_place(rows: list[tuple[str, str, str]]) -> None:
    """New or bad, never both, never neither; and no identifier is planned twice."""
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    made = plan("\n".join(["part_no,URL,name", *quoted]) + "\n")

    filled = [at for at, row in enumerate(rows, 2) if any(cell.strip() for cell in row)]
    assert filled == sorted([one.row for one in made.new] + [one.row for one in made.bad])
    keys = [one.identifier.key_text for one in made.new]
    assert len(set(keys)) == len(keys)


@given(ROWS)
def test_what_is_planned_once_is_the_same_afterwards(rows: list[tuple[str, str, str]]) -> None:
    """A second run over the same table finds nothing to do."""
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    table = "\n".join(["part_no,URL,name", *quoted]) + "\n"
    known = {one.identifier.key_text: stored(*one.values) for one in plan(table).new}

    again = plan(table, known)

    assert again.new == ()
    assert again.changed == ()
    assert len(again.same) == len(known)


@given(st.lists(st.integers(0, 3_000), min_size=1, max_size=40))
def test_statements_keep_their_limits(sizes: list[int]) -> None:
    """Every row is in one statement, in order, and each statement is one that the ledger parses."""
    table = "part_no,URL\n" + "".join(
        f"A-{at:05},{'x' * size}\n" for at, size in enumerate(sizes * 20)
    )
    new = plan(table).new
    groups = list(statements_of(new))

    assert [one for group in groups for one in group] == list(new)
    key = private_from_seed(ED25519, b"\x01" * 32)
    for group in groups:
        payload = create_operation(group).encode()
        assert len(group) <= ITEMS_PER_STATEMENT
        assert len(payload) <= STATEMENT_BYTES
        assert isinstance(op.parse(payload), op.Create)
        raw = statement.sign(payload, key=key, iss=LAB, sub=LAB, aud="n" * 128, iat=2**40)
        assert len(raw) <= statement.STATEMENT_BYTES_MAX


def test_an_estimate_is_never_too_small() -> None:
    """The largest heads that an item can have are counted."""
    value = "y" * 30_000
    sheet = read_sheet(f"part_no,{'t' * 256}\nA-1,{value}\n".encode())
    [wanted], _ = wanted_rows(sheet, Template.choose(TEMPLATE, sheet.columns), LAB)

    assert isinstance(wanted, Wanted)
    assert len(create_operation([wanted]).encode()) <= wanted.size
