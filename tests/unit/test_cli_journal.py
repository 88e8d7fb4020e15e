"""The journal: whatever instant the power goes, no signed statement is forgotten and none is made twice."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.receipt import Receipt
from ledger.errors import Rejection, RejectionCode
from xinbiao.errors import InputError
from xinbiao.journal import REGISTER, UPDATE, Journal, Outcome, Pending
from xinbiao.plan import Template, make_plan
from xinbiao.register import Line, journal_path, judge, report, result_path, write_report
from xinbiao.sheet import read_sheet

NETWORK, PREFIX = "lab", "hdl:lab.1"
ITEMS = ((2, "hdl:lab.1/a"), (3, "hdl:lab.1/b"))


def open_journal(path: Path) -> Journal:
    """Open the journal of the test's network."""
    return Journal.open(path, network=NETWORK, prefix=PREFIX)


def registered(text: str) -> Outcome:
    """Return a good outcome."""
    return Outcome(identifier=text, state="registered", entry=4)


def fill(path: Path) -> list[int]:
    """Write a journal; return its size after each step: two kept, one settled, one kept."""
    sizes = []
    with open_journal(path) as journal:
        journal.keep(REGISTER, [(ITEMS, b"\xd2first"), (ITEMS[:1], b"\xd2second")])
        sizes.append(path.stat().st_size)
        journal.settle(0, [registered(text) for _, text in ITEMS])
        sizes.append(path.stat().st_size)
        journal.keep(UPDATE, [(ITEMS[1:], b"\xd2third")])
        sizes.append(path.stat().st_size)
    return sizes


def test_what_was_kept_is_there_again(tmp_path: Path) -> None:
    """The same bytes, for the same rows, in the same order; what was settled is known."""
    path = tmp_path / "parts.csv.journal"
    fill(path)

    with open_journal(path) as journal:
        assert [one.statement for one in journal.pending] == [b"\xd2second", b"\xd2third"]
        assert journal.pending[0].rows == (2,)
        assert journal.pending[1].kind == UPDATE
        assert journal.outcomes == {text: registered(text) for _, text in ITEMS}
        journal.keep(UPDATE, [(ITEMS, b"\xd2fourth")])
    with open_journal(path) as journal:
        assert [one.number for one in journal.pending] == [1, 2, 3]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[int]]:
    """Return the bytes of a journal, and its size after each step."""
    path = tmp_path_factory.mktemp("journal") / "parts.csv.journal"
    sizes = fill(path)
    return path.read_bytes(), sizes


@given(data=st.data())
def test_a_cut_at_any_byte_loses_only_what_was_not_synced(
    data: st.DataObject, written: tuple[bytes, list[int]], tmp_path: Path
) -> None:
    """Whatever was synced before the cut is pending or settled, and the journal goes on from there."""
    whole, sizes = written
    cut = data.draw(st.integers(0, len(whole)))
    path = tmp_path / "cut.journal"
    path.write_bytes(whole[:cut])

    with open_journal(path) as journal:
        known = {one.statement for one in journal.pending}
        if cut >= sizes[0]:
            assert b"\xd2second" in known
            assert b"\xd2first" in known or journal.outcomes
        if cut >= sizes[2]:
            assert b"\xd2third" in known
        journal.keep(REGISTER, [(ITEMS, b"\xd2later")])
    with open_journal(path) as journal:
        assert journal.pending[-1].statement == b"\xd2later"
        assert {one.statement for one in journal.pending} == known | {b"\xd2later"}


@pytest.mark.parametrize("other", [("other", PREFIX), (NETWORK, "hdl:lab.2")], ids=str)
def test_another_registration_is_not_continued(tmp_path: Path, other: tuple[str, str]) -> None:
    """Its statements are for another network, or another prefix's name."""
    path = tmp_path / "parts.csv.journal"
    fill(path)

    with pytest.raises(InputError, match="another registration"):
        Journal.open(path, network=other[0], prefix=other[1])


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"done": 99, "outcomes": []}',
        b'{"done": 1, "outcomes": [["x"]]}',
        b'{"sent": 5, "kind": "register", "rows": [], "identifiers": [], "statement": "?"}',
    ],
    ids=str,
)
def test_damage_in_the_middle_is_said(tmp_path: Path, line: bytes) -> None:
    """A torn end is ordinary; anything else is not guessed at."""
    path = tmp_path / "parts.csv.journal"
    fill(path)
    with path.open("ab") as file:
        file.write(line + b"\n")

    with pytest.raises(InputError, match="damaged"):
        open_journal(path)


def test_a_journal_is_private_and_beside_its_table(tmp_path: Path) -> None:
    """Nobody else can put statements into it."""
    path = journal_path(tmp_path / "parts.csv")
    with open_journal(path) as journal:
        assert path.stat().st_mode & 0o777 == 0o600
        journal.delete()
    assert not path.exists()
    assert result_path(tmp_path / "parts.csv") == tmp_path / "parts.result.csv"


def test_a_folder_that_refuses_is_an_error(tmp_path: Path) -> None:
    """Nothing is sent that was not kept."""
    with pytest.raises(InputError, match="nowhere"):
        open_journal(tmp_path / "nowhere" / "parts.csv.journal")


# ---------------------------------------------------------------- what becomes of rows

PENDING = Pending(
    number=0,
    kind=REGISTER,
    rows=(2, 3, 4),
    identifiers=("hdl:lab.1/a", "hdl:lab.1/b", "hdl:lab.1/c"),
    statement=b"",
)


def test_a_receipt_is_every_rows() -> None:
    """All or nothing."""
    outcomes, again = judge(PENDING, Receipt(index=7, hash=b"", size=9))
    assert {(one.state, one.entry) for one in outcomes} == {("registered", 7)}
    assert again == ()


def test_a_refusal_by_name_costs_the_named_rows() -> None:
    """The others deserve another attempt; a number out of range names nobody."""
    refusal = Rejection(RejectionCode.EXISTS, "2 items", items=[(1, "there"), (9, "nobody")])
    outcomes, again = judge(PENDING, refusal)
    assert [(one.identifier, one.state, one.reason) for one in outcomes] == [
        ("hdl:lab.1/b", "refused", "there")
    ]
    assert again == ("hdl:lab.1/a", "hdl:lab.1/c")


def test_a_refusal_without_names_costs_all() -> None:
    """A full quota is nobody's fault in particular; there is no endless second attempt."""
    outcomes, again = judge(PENDING, Rejection(RejectionCode.QUOTA_EXCEEDED, "full"))
    assert [one.state for one in outcomes] == ["refused"] * 3
    assert again == ()


def test_the_report_has_every_row_once_in_order(tmp_path: Path) -> None:
    """Bad rows, rows of an earlier run, refused ones and those that were the same."""
    sheet = read_sheet(b"id,URL\nlab.1/a,x\nlab.1/ ,x\nlab.1/b,x\nlab.1/c,x\n")
    known = {
        f"hdl:lab.1/{name}": {
            "found": "record",
            "record": {
                "owner": PREFIX,
                "version": 1,
                "status": "active",
                "values": [{"index": 1, "type": "URL", "data": "x"}],
            },
        }
        for name in "ab"
    }
    plan = make_plan(sheet, Template.choose(None, sheet.columns), PREFIX, known)
    with open_journal(tmp_path / "j") as journal:
        journal.outcomes |= {
            "hdl:lab.1/a": registered("hdl:lab.1/a"),
            "hdl:lab.1/c": Outcome(
                identifier="hdl:lab.1/c", state="refused", entry=None, reason="=1+1"
            ),
        }
        lines = report(plan, journal)

    assert [(line.row, line.state) for line in lines] == [
        (2, "registered"),
        (3, "bad"),
        (4, "same"),
        (5, "refused"),
    ]
    write_report(tmp_path / "r.csv", lines)
    again = read_sheet((tmp_path / "r.csv").read_bytes())
    assert [row.cells[2] for row in again.rows] == ["registered", "bad", "same", "refused"]
    assert again.rows[3].cells[5] == "'=1+1"  # no formula


def test_a_row_that_never_got_an_answer_says_so(tmp_path: Path) -> None:
    """It is not reported as registered."""
    sheet = read_sheet(b"id\nlab.1/a\n")
    plan = make_plan(sheet, Template.choose(None, sheet.columns), PREFIX, {})
    with open_journal(tmp_path / "j") as journal:
        lines = report(plan, journal)
    assert lines == [Line(row=2, identifier="hdl:lab.1/a", state="not done")]
