"""Small pieces of the command line: values, moments, growth, folders, contexts, exit codes."""

from pathlib import Path

import pytest

from ledger.core.question import Size, Time
from ledger.core.value import Value
from ledger.errors import (
    BusyError,
    IdentifierError,
    KeystoreError,
    ProofError,
    ProofFault,
    Rejection,
    RejectionCode,
)
from xinbiao.errors import (
    ABSENT,
    FAILED,
    STALE,
    UNREACHABLE,
    USAGE,
    InputError,
    RefusedError,
    UnreachableError,
    UsageError,
    exit_code,
)
from xinbiao.growth import growth
from xinbiao.moment import parse_moment
from xinbiao.settings import (
    choose_folder,
    choose_language,
    choose_trust,
    load_context,
    new_folder,
)
from xinbiao.values import parse_given, place, removed

STORED = (
    Value(index=1, type="URL", data="https://old"),
    Value(index=2, type="name", data="Bolt"),
    Value(index=3, type="name", data="螺栓"),
)

# ---------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("URL=https://a?b=c", (None, "URL", "https://a?b=c")),
        ("7:URL=x", (7, "URL", "x")),
        ("a:b=c", (None, "a:b", "c")),
        ("name=", (None, "name", "")),
    ],
)
def test_a_value_is_read_as_written(text: str, expected: tuple[int | None, str, str]) -> None:
    """Only a number before the colon is an index, and only the first `=` counts."""
    given = parse_given(text)
    assert (given.index, given.type, given.data) == expected


@pytest.mark.parametrize(
    "text", ["URL", "=x", "7:=x", "hs_seckey=x", "9999999999:URL=x", "x" * 257 + "=y"]
)
def test_what_is_no_value_is_a_usage_error(text: str) -> None:
    """It shows the form."""
    with pytest.raises(UsageError):
        parse_given(text)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(["URL=https://new"], [(1, "URL", "https://new")], id="replaces-its-own"),
        pytest.param(["colour=red"], [(4, "colour", "red")], id="first-free"),
        pytest.param(["URL=https://old"], [], id="same"),
        pytest.param(["2:name=Nut"], [(2, "name", "Nut")], id="by-index"),
        pytest.param(["a=1", "b=2"], [(4, "a", "1"), (5, "b", "2")], id="two-free"),
        pytest.param(["b=2", "4:a=1"], [(4, "a", "1"), (5, "b", "2")], id="given-index-is-kept"),
    ],
)
def test_a_value_finds_its_place(given: list[str], expected: list[tuple[int, str, str]]) -> None:
    """Never on top of a value of another type."""
    put = place([parse_given(one) for one in given], STORED)
    assert expected == [(one.index, one.type, one.data) for one in put]


@pytest.mark.parametrize("given", [["name=x"], ["1:a=x", "1:b=y"]], ids=str)
def test_a_value_without_a_clear_place_is_a_usage_error(given: list[str]) -> None:
    """Nothing is guessed about what becomes public for ever."""
    with pytest.raises(UsageError, match="INDEX:TYPE=DATA"):
        place([parse_given(one) for one in given], STORED)


def test_values_are_removed_by_index_or_by_type() -> None:
    """A type must be clear."""
    assert removed(["URL", "3"], STORED) == (1, 3)
    for unclear in ("name", "9", "colour"):
        with pytest.raises(UsageError):
            removed([unclear], STORED)


# ---------------------------------------------------------------- moments, growth


def test_a_moment_is_a_size_or_a_time() -> None:
    """A time has a zone and milliseconds."""
    assert parse_moment("17") == Size(size=17)
    assert parse_moment("2026-01-01T08:00:00.25+08:00") == Time(ms=1_767_225_600_250)


@pytest.mark.parametrize("text", ["", "-1", "2026-01-01T00:00:00", "now", "9" * 20, "1969-01-01Z"])
def test_what_is_no_moment_is_a_usage_error(text: str) -> None:
    """It shows both forms."""
    with pytest.raises(UsageError):
        parse_moment(text)


def test_growth_is_a_straight_line_and_admits_what_it_does_not_know() -> None:
    """Half a day of 1 MB leaves 2 MB for a day; a minute says nothing; nothing written fills nothing."""
    half = growth(used=1_000_000, left=2_000_000, history_s=43_200)
    assert (half.per_day, half.days) == (2_000_000, 1.0)
    young = growth(used=1_000_000, left=2_000_000, history_s=60)
    assert (young.per_day, young.days, young.left) == (None, None, 2_000_000)
    idle = growth(used=0, left=5, history_s=43_200)
    assert (idle.per_day, idle.days) == (0, None)
    assert growth(used=9, left=-1, history_s=43_200).days == 0


# ---------------------------------------------------------------- folders, contexts


def test_the_folder_is_the_one_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--dir, else $XINBIAO_DIR, else ./.xinbiao where it exists, else the system's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XINBIAO_DIR", raising=False)
    assert choose_folder(None) == Path("/etc/xinbiao")
    assert new_folder(None) == Path(".xinbiao")
    (tmp_path / ".xinbiao").mkdir()
    assert choose_folder(None) == Path(".xinbiao")
    monkeypatch.setenv("XINBIAO_DIR", "elsewhere")
    assert choose_folder(None) == Path("elsewhere")
    assert new_folder(None) == Path("elsewhere")
    assert choose_folder(Path("given")) == Path("given")


def test_the_language_is_the_one_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the environment's, else English."""
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert choose_language(None) == "zh"
    assert choose_language("en") == "en"
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert choose_language(None) == "en"
    with pytest.raises(UsageError):
        choose_language("fr")


CONFIG = """
context = "b"
[contexts.a]
[contexts.b]
url = "http://node:1"
network = "other/net"
trust = "t/b.policy"
prefix = "hdl:lab.2"
"""


def test_a_context_has_defaults_and_paths_beside_its_file(tmp_path: Path) -> None:
    """The named one, else the default one."""
    (tmp_path / "config.toml").write_text(CONFIG)

    chosen, named = load_context(tmp_path, None), load_context(tmp_path, "a")
    assert (chosen.network, chosen.trust) == ("other/net", tmp_path / "t" / "b.policy")
    assert (named.network, named.trust) == ("a", tmp_path / "trust" / "a.policy")
    assert named.keys == tmp_path / "keys"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "contexts = 7",
        "[contexts]",
        "context = 7\n[contexts.a]",
        'context = "c"\n[contexts.a]',
        "[contexts.a]\n[contexts.b]",
        '[contexts.a]\nuri = "x"',
        "[contexts.a]\nurl = 7",
        "[contexts]\na = 7",
        "= broken",
    ],
)
def test_a_context_that_is_not_clear_is_a_usage_error(tmp_path: Path, text: str) -> None:
    """It names the file and what it has."""
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(UsageError, match=r"config\.toml"):
        load_context(tmp_path, None)


def test_trust_is_never_guessed(tmp_path: Path) -> None:
    """The given file, else the context's, else the only one; of two, none."""
    given = tmp_path / "given.policy"
    assert choose_trust(tmp_path, given, None) == given
    (tmp_path / "trust").mkdir()
    with pytest.raises(UsageError, match="0 trust files"):
        choose_trust(tmp_path, None, None)
    only = tmp_path / "trust" / "one.policy"
    only.touch()
    assert choose_trust(tmp_path, None, None) == only
    (tmp_path / "trust" / "two.policy").touch()
    with pytest.raises(UsageError, match="2 trust files"):
        choose_trust(tmp_path, None, None)
    (tmp_path / "config.toml").write_text(CONFIG)
    assert choose_trust(tmp_path, None, None) == tmp_path / "t" / "b.policy"


# ---------------------------------------------------------------- exit codes


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), USAGE),
        (IdentifierError("x y", 1, "a space"), USAGE),
        (RefusedError("exists", "x"), FAILED),
        (InputError("x"), FAILED),
        (KeystoreError("x"), FAILED),
        (Rejection(RejectionCode.EXISTS, "x"), FAILED),
        (ProofError("map", ProofFault.FORGED, "x"), FAILED),
        (ProofError("checkpoint", ProofFault.ROLLBACK, "x"), FAILED),
        (ProofError("checkpoint", ProofFault.STALE, "x"), STALE),
        (ProofError("trust", ProofFault.TRUST_OUT_OF_DATE, "x"), STALE),
        (UnreachableError("x"), UNREACHABLE),
        (BusyError("x", 1), UNREACHABLE),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else str(one),
)
def test_every_error_has_its_exit_code(error: Exception, code: int) -> None:
    """Old is never reported as forged, and unreachable is neither."""
    assert exit_code(error) == code
    assert {FAILED, USAGE, ABSENT, STALE, UNREACHABLE} == {1, 2, 3, 4, 5}
