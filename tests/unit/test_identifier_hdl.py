"""Handle suffixes beyond ASCII: what Unicode 3.2 and RFC 3454 allow, whatever Python runs."""

import hashlib
import unicodedata

import pytest

from ledger.core.identifier import canonical, parse
from ledger.core.identifier_hdl import forbidden
from ledger.errors import IdentifierError


@pytest.mark.parametrize(
    ("character", "table"),
    [
        pytest.param("\u0221", "A.1", id="assigned-only-in-unicode-4"),
        pytest.param("\U0001f600", "A.1", id="emoji"),
        pytest.param("\u00ad", "B.1", id="soft-hyphen"),
        pytest.param("\u200b", "B.1", id="zero-width-space"),
        pytest.param("\ufe0f", "B.1", id="variation-selector"),
        pytest.param("\u00a0", "C.1.2", id="no-break-space"),
        pytest.param("\u3000", "C.1.2", id="ideographic-space"),
        pytest.param("\u0085", "C.2.2", id="next-line"),
        pytest.param("\u2028", "C.2.2", id="line-separator"),
        pytest.param("\ue000", "C.3", id="private-use"),
        pytest.param("\ufdd0", "C.4", id="not-a-character"),
        pytest.param("\uffff", "C.4", id="not-a-character-either"),
        pytest.param("\ud800", "C.5", id="surrogate"),
        pytest.param("\ufffd", "C.6", id="replacement-character"),
        pytest.param("\u2ff0", "C.7", id="ideographic-description"),
        pytest.param("\u202e", "C.8", id="right-to-left-override"),
        pytest.param("\u0340", "C.8", id="deprecated-tone-mark"),
        pytest.param("\U000e0041", "C.9", id="tag"),
    ],
)
def test_forbidden_characters(character: str, table: str) -> None:
    """Each table of RFC 3454 that the rules name is enforced, and the error names it."""
    with pytest.raises(IdentifierError, match=f"table {table}") as refused:
        parse(f"hdl:a.1/x{character}y")

    assert refused.value.position == 9


@pytest.mark.parametrize(
    "text",
    ["hdl:a.1/水泵-07", "hdl:a.1/é", "hdl:a.1/Ω", "hdl:a.1/ｘ", "hdl:a.1/\U00020000", "hdl:a.1/עב"],
)
def test_allowed_characters(text: str) -> None:
    """Letters of Unicode 3.2 in NFC stand as they are; compatibility forms are not folded."""
    assert text == canonical(text).text == parse(text).text


@pytest.mark.parametrize(
    ("suffix", "position"),
    [
        pytest.param("xe\u0301", 9, id="decomposed"),
        pytest.param("x\u212a", 9, id="kelvin-sign"),
        pytest.param("x\U0002f868", 9, id="corrected-after-3.2"),
    ],
)
def test_what_is_not_in_nfc_is_refused_not_repaired(suffix: str, position: int) -> None:
    """Pasted or canonical, text outside NFC of Unicode 3.2 is an error at the first difference."""
    for read in (parse, canonical):
        with pytest.raises(IdentifierError, match=r"NFC of Unicode 3\.2") as refused:
            read(f"hdl:a.1/{suffix}")
        assert position == refused.value.position


def test_an_over_long_handle_is_not_normalised() -> None:
    """The bound comes before the normal form, whose cost grows with the square of a run of accents."""
    with pytest.raises(IdentifierError, match="longer than 512 bytes") as refused:
        parse("hdl:a/" + "\u0301" * 2000)

    assert refused.value.position == 4 + 512


def test_normal_form_is_that_of_unicode_3_2() -> None:
    """U+2F868 normalises to another character in 3.2 than today: the frozen answer is given."""
    frozen = unicodedata.ucd_3_2_0.normalize("NFC", "\U0002f868")

    assert frozen != unicodedata.normalize("NFC", "\U0002f868")
    with pytest.raises(IdentifierError, match=repr(frozen)):
        parse("hdl:a.1/\U0002f868")


@pytest.mark.slow
def test_the_rules_do_not_move_with_python() -> None:
    """The set of allowed characters and their normal forms have one fingerprint on any Python."""
    fingerprint = hashlib.sha256()
    count = 0
    for point in range(0x110000):
        character = chr(point)
        if forbidden(character) is None:
            normal = unicodedata.ucd_3_2_0.normalize("NFC", character)
            fingerprint.update(f"{point:X} {normal}\n".encode())
            count += 1

    assert (count, fingerprint.hexdigest()) == (
        94967,
        "12acf72310492b3a6cb77caed9e4f6f168eca26c9a99cd584befd3e65256c161",
    )
