"""What holds for every text and every identifier (docs/spec/identifiers.md)."""

import re
import string

from hypothesis import given
from hypothesis import strategies as st

from ledger.core import identifier_hdl
from ledger.core.identifier import (
    BYTES_MAX,
    PARENTS_MAX,
    Identifier,
    canonical,
    gcp_overlaps,
    nfkc_lookalike,
    parse,
)
from ledger.core.identifier_gs1 import check_digit
from ledger.errors import IdentifierError

SET_82 = "!\"%&'()*+,-./:;<=>?_" + string.digits + string.ascii_letters
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
DIGITS = st.sampled_from("0123456789")
PRINTABLE = "".join(chr(point) for point in range(0x21, 0x7F))


def words(alphabet: str, shortest: int, longest: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=shortest, max_size=longest)


labels = st.lists(words(string.ascii_letters + string.digits, 1, 5), min_size=1, max_size=6)
handles = st.builds(
    lambda parts, joint, suffix: f"hdl:{joint.join(parts)}{suffix}",
    labels,
    st.sampled_from(".-"),
    st.one_of(st.just(""), words(PRINTABLE + "éÉ水泵ΩｘЖ²", 1, 30).map(lambda text: "/" + text)),
)
oids = st.builds(
    lambda first, others: "oid:" + ".".join(map(str, [first, *others])),
    st.integers(0, 2),
    st.lists(st.integers(0, 39) | st.just(1), max_size=20),
)
ecodes = st.builds(
    lambda levels, data: "ecode:" + ".".join(levels) + (f".{data}" if len(levels) == 2 else ""),
    st.lists(words(string.digits, 1, 5), min_size=1, max_size=2),
    words(PRINTABLE, 1, 20),
)
dids = st.one_of(
    st.builds("did:{}".format, words(string.ascii_letters, 1, 6)),
    st.builds(
        lambda method, parts: ":".join(["did", method, *parts]),
        st.sampled_from(["web", "Web", "cndid", "webvh"]),
        st.lists(words(string.ascii_letters + string.digits + "._-", 1, 8), min_size=1, max_size=4),
    ),
    st.builds("did:key:z{}".format, words(BASE58, 1, 50)),
    st.builds(
        "did:bid:{}e{}{}".format,
        st.sampled_from(["", "a1b2:"]),
        st.just("f"),
        words(BASE58, 22, 31),
    ),
)


@st.composite
def gs1_keys(draw: st.DrawFn) -> str:
    """A GS1 text with a right check digit, its values encoded as needed or left as they are."""
    kind = draw(st.sampled_from(["gtin", "short", "gln", "asset", "company"]))
    company = draw(st.sampled_from(["9506000", "03600029", "1234", "698765432"]))
    if kind == "company":
        return f"gs1:gcp/{company}"
    if kind == "asset":
        tail = draw(words(SET_82.replace("%", "").replace("/", ""), 0, 15))
        return f"gs1:8004/{company}{tail}"
    body = (company + draw(words(string.digits, 12, 12)))[:12]
    if kind == "gln":
        return f"gs1:414/{body}{check_digit(body)}"
    if kind == "short":
        return f"gs1:01/0{body}{check_digit('0' + body)}"
    text = f"gs1:01/{body}{check_digit(body)}"
    for ai in ("22", "10", "21"):
        if draw(st.booleans()):
            value = draw(words(SET_82, 1, 20))
            text += f"/{ai}/" + "".join(f"%{ord(char):02x}" for char in value)
    return text


texts = st.one_of(handles, oids, ecodes, dids, gs1_keys())
pasted = st.one_of(
    texts,
    st.text(max_size=40),
    st.text(max_size=40, alphabet=st.characters(exclude_categories=())),  # surrogates too
    st.builds(
        "{}{}".format,
        st.sampled_from([
            "hdl:", "gs1:", "oid:", "did:", "ecode:", "urn:oid:", "https://h/", "(01)", "hdl:a.1/",
            "https://hdl.handle.net/", "https://h/01/", "gs1:01/09506000134352/", "did:bid:", "88.1/",
            "(01)09506000134352(", "gs1:gcp/", "did:web:", "did:key:z", "oid:1.2.", "ecode:1.2.",
        ]),
        st.text(max_size=40) | st.text("0123456789%/.:()aZ", max_size=40),
    ),
    st.builds(lambda text, at, extra: text[:at] + extra + text[at:], texts, st.integers(0, 40), st.text(max_size=2)),
)  # fmt: skip


def read(text: str) -> Identifier | None:
    """Parse; no exception but the promised one may pass."""
    try:
        return parse(text)
    except IdentifierError:
        return None


@given(pasted)
def test_any_text_is_an_identifier_or_our_error(text: str) -> None:
    """Parsing is total, in both forms; an error has a rule and points into the text."""
    for reader in (parse, canonical):
        error = None
        try:
            reader(text)
        except IdentifierError as refused:
            error = refused
        if error is not None:
            assert 0 <= error.position <= len(text)
            assert error.text == text
            assert error.rule


@given(pasted)
def test_strict_and_tolerant_reading_agree(text: str) -> None:
    """What the strict reader accepts, it gives back unchanged, and the tolerant one says the same."""
    try:
        strict = canonical(text)
    except IdentifierError:
        found = read(text)
        assert found is None or found.text != text
    else:
        assert strict.text == text
        assert strict == parse(text)


@given(pasted)
def test_what_is_parsed_is_canonical(text: str) -> None:
    """The result of parsing is accepted by the strict reader, unchanged, and parses to itself."""
    found = read(text)
    if found is not None:
        assert found.text == canonical(found.text).text == parse(found.text).text
        assert found == parse(f" \t{found.text}\r\n")


@given(texts)
def test_good_texts_are_accepted(text: str) -> None:
    """The generators of this module make identifiers, so that the other properties say something."""
    found = read(text)
    if found is None:  # only a suffix that NFC would change, or an OID whose second arc is odd
        assert text.startswith("hdl:")
    else:
        assert found.scheme == text.partition(":")[0]


@given(texts)
def test_canonical_texts_are_bounded(text: str) -> None:
    """1-512 bytes, at most 60 parents, no space, ASCII outside handle suffixes."""
    found = read(text)
    if found is not None:
        assert 1 <= len(found.text.encode()) <= BYTES_MAX
        assert len(found.parents) <= PARENTS_MAX
        assert " " not in found.text
        assert found.text.isascii() or found.scheme == "hdl"


@given(texts)
def test_parents_are_prefixes_or_the_key(text: str) -> None:
    """Each parent is canonical, of the same scheme; the next parents are its own; the root ends."""
    found = read(text)
    if found is None or not found.parents:
        return
    above = canonical(found.parents[0])
    assert found.parents[-1] == f"{found.scheme}:"
    if not found.text.startswith("gs1:"):
        assert found.parents[1:] == above.parents
    for parent in map(canonical, found.parents):
        assert parent.scheme == found.scheme
        assert parent.can_be_prefix or parent.text == found.group


@given(texts)
def test_the_group_is_an_identifier_above(text: str) -> None:
    """The group is empty for a root, else canonical, unless it is cut out of a GS1 value."""
    found = read(text)
    if found is None:
        return
    if not found.parents and not found.self_certifying:
        assert found.group == ""
    elif found.group.startswith("gs1:gcp/") and not re.fullmatch("[0-9]{4,}", found.group[8:]):
        assert found.text.startswith("gs1:8004/")
    else:
        assert canonical(found.group).text == found.group
    if found.must_be_prefix and found.parents:
        assert found.group == found.parents[0]


@given(handles)
def test_letter_case_of_a_handle_makes_no_second_identifier(text: str) -> None:
    """Swapping the case of ASCII letters changes neither key text nor group."""
    swap = str.maketrans(string.ascii_letters, string.ascii_uppercase + string.ascii_lowercase)
    found, other = read(text), read(text.translate(swap))
    if found is not None and other is not None:
        assert found.key_text == other.key_text
        assert found.group == other.group


@given(handles)
def test_the_short_way_gives_what_the_long_way_gives(text: str) -> None:
    """The one regular expression for plain handles agrees with the reader of the scheme."""
    found = read(text)
    if found is not None:
        parts = identifier_hdl.read(found.text.removeprefix("hdl:"))
        assert (parts.text, parts.group, parts.kind) == (found.text, found.group, found.kind)
        assert found.key_text == "".join(
            char.lower() if char.isascii() else char for char in found.text
        )


@given(words(SET_82, 1, 20), words(SET_82, 1, 20))
def test_gs1_values_survive_every_writing(lot: str, serial: str) -> None:
    """Percent-encoded in full or in part, or printed on a label, a value gives one text."""
    escaped = "".join(f"%{ord(char):02x}" for char in lot)
    link = parse(f"https://h.example/01/09506000134352/10/{escaped}/21/x").text
    tail = link.removeprefix("gs1:01/09506000134352/10/")

    assert link == parse(f"gs1:01/9506000134352/10/{escaped}/21/x").text
    assert tail.count("/") == 2
    if not re.search(r"\([0-9]{2,4}\)", f"{lot}({serial}"):
        assert link == parse(f"(01)09506000134352(21)x(10){lot}").text


@given(words(string.digits, 4, 12), words(string.digits, 4, 12))
def test_overlap_is_symmetric_and_means_a_shared_number(one: str, other: str) -> None:
    """Two company prefixes overlap exactly when one key could lie under both."""
    a, b = read(f"gs1:gcp/{one}"), read(f"gs1:gcp/{other}")
    if a is None or b is None:
        return
    nested = one.startswith(other) or other.startswith(one)

    assert gcp_overlaps(a, b) == gcp_overlaps(b, a) == nested


@given(handles)
def test_a_lookalike_is_another_identifier(text: str) -> None:
    """A lookalike is canonical, has another key text, and has no lookalike itself."""
    found = read(text)
    if found is not None and (other := nfkc_lookalike(found)) is not None:
        assert canonical(other).key_text != found.key_text
        assert nfkc_lookalike(canonical(other)) is None
