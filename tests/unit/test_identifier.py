"""Identifiers: the public functions, and what every scheme has in common."""

import dataclasses

import pytest

from ledger.core.identifier import (
    BYTES_MAX,
    PASTED_CHARACTERS_MAX,
    Identifier,
    canonical,
    gcp_overlaps,
    nfkc_lookalike,
    parse,
)
from ledger.errors import IdentifierError

ROOTS = ("hdl:", "gs1:", "oid:", "did:", "ecode:")


@pytest.mark.parametrize(
    ("text", "group", "parents"),
    [
        pytest.param(
            "hdl:88.118.8/JXDY2106023",
            "hdl:88.118.8",
            ("hdl:88.118.8", "hdl:88.118", "hdl:88", "hdl:"),
            id="handle",
        ),
        pytest.param("hdl:88.118.8", "hdl:88.118", ("hdl:88.118", "hdl:88", "hdl:"), id="prefix"),
        pytest.param("hdl:88", "hdl:", ("hdl:",), id="top-prefix"),
        pytest.param("hdl:lab.1", "hdl:lab", ("hdl:lab", "hdl:"), id="lab-prefix"),
        pytest.param("hdl:a-b", "hdl:", ("hdl:",), id="hyphen-does-not-cut"),
        pytest.param("hdl:a/b/c.d", "hdl:a", ("hdl:a", "hdl:"), id="dots-of-a-suffix-do-not-cut"),
        pytest.param("oid:1.2.156", "oid:1.2", ("oid:1.2", "oid:1", "oid:"), id="oid"),
        pytest.param("oid:1", "oid:", ("oid:",), id="first-arc"),
        pytest.param(
            "ecode:1.00064.100.7",
            "ecode:1.00064",
            ("ecode:1.00064", "ecode:1", "ecode:"),
            id="dots-of-md-do-not-cut",
        ),
        pytest.param("ecode:1.00064", "ecode:1", ("ecode:1", "ecode:"), id="number-system"),
        pytest.param("ecode:1", "ecode:", ("ecode:",), id="ecode-version"),
        pytest.param("did:cndid:x:y", "did:cndid", ("did:cndid", "did:"), id="did"),
        pytest.param(
            "did:web:h.example:a:b", "did:web", ("did:web:h.example", "did:web", "did:"), id="web"
        ),
        pytest.param("did:web:h.example", "did:web", ("did:web", "did:"), id="web-host"),
        pytest.param("did:web", "did:", ("did:",), id="method"),
    ],
)
def test_place_in_the_map(text: str, group: str, parents: tuple[str, ...]) -> None:
    """Group and parents follow from the canonical text."""
    identifier = canonical(text)

    assert (group, parents) == (identifier.group, identifier.parents)


@pytest.mark.parametrize("root", ROOTS)
def test_scheme_root(root: str) -> None:
    """A bare scheme is a prefix in the empty group, with nothing above it."""
    identifier = canonical(root)

    assert identifier.must_be_prefix
    assert ("", (), root[:-1]) == (identifier.group, identifier.parents, identifier.scheme)
    assert identifier == parse(root.upper())


@pytest.mark.parametrize(
    ("text", "can", "must", "own"),
    [
        ("hdl:88.118.8", True, True, False),
        ("hdl:88.118.8/x", False, False, False),
        ("gs1:gcp/9506000", True, True, False),
        ("gs1:gcp8/963", True, True, False),
        ("gs1:01/09506000134352", False, False, False),
        ("gs1:01/09506000134352/21/S1", False, False, False),
        ("oid:1.2.156", True, False, False),
        ("did:web", True, True, False),
        ("did:web:h.example", True, False, False),
        ("did:web:h.example:x", False, False, False),
        ("did:cndid:x", False, False, False),
        ("did:key", True, True, False),
        ("did:key:z6MkhaXg", False, False, True),
        ("did:bid:efnVUgqQFfYeu97ABf6sGm3WFtVXHZB2", False, False, True),
        ("did:bid:abcd", False, False, False),
        ("ecode:1", True, True, False),
        ("ecode:1.00064", True, True, False),
        ("ecode:1.00064.100", False, False, False),
    ],
)
def test_what_a_text_can_name(text: str, can: bool, must: bool, own: bool) -> None:
    """Prefix, record, either, or a record that owns itself: the text decides."""
    identifier = canonical(text)

    assert (can, must, own) == (
        identifier.can_be_prefix,
        identifier.must_be_prefix,
        identifier.self_certifying,
    )


@pytest.mark.parametrize(
    ("pasted", "wanted"),
    [
        ("88.118.8/JXDY2106023", "hdl:88.118.8/JXDY2106023"),
        ("  88.118.8/x\r\n", "hdl:88.118.8/x"),
        ("LAB.1/Pump-07", "hdl:lab.1/Pump-07"),
        ("HDL:Lab.1/Pump-07", "hdl:lab.1/Pump-07"),
        ("lab.1", "hdl:lab.1"),
        ("88.118.8", "hdl:88.118.8"),
        ("10/x", "hdl:10/x"),
        ("hdl:01/x", "hdl:01/x"),
        ("hdl:88.118.8/a%2Fb", "hdl:88.118.8/a%2Fb"),
        ("doi:10.1000/182", "hdl:10.1000/182"),
        ("https://doi.org/10.1000/182", "hdl:10.1000/182"),
        ("https://hdl.handle.net/88.118.8/JXDY2106023", "hdl:88.118.8/JXDY2106023"),
        ("http://HDL.handle.net/88.118.8/a%2fb+c?noredirect#top", "hdl:88.118.8/a/b+c"),
        ("https://hdl.handle.net/88.118.8/%E6%B0%B4%E6%B3%B5", "hdl:88.118.8/水泵"),
        ("urn:oid:1.2.156.3001.5", "oid:1.2.156.3001.5"),
        ("URN:OID:1.2", "oid:1.2"),
        ("OID:1.2", "oid:1.2"),
        ("DID:Web:Example.com%3a8443", "did:web:Example.com%3a8443"),
        ("Ecode:1.00064.Ab", "ecode:1.00064.Ab"),
    ],
)
def test_pasted(pasted: str, wanted: str) -> None:
    """What people have at hand gives the canonical text."""
    assert wanted == parse(pasted).text


@pytest.mark.parametrize(
    ("pasted", "position", "rule"),
    [
        ("", 0, "nothing was given"),
        ("  ", 0, "nothing was given"),
        ("pump", 0, "begins with hdl:"),
        ("foo/bar", 0, "write hdl: in front"),
        ("/88.1/x", 0, "begins with hdl:"),
        ("1.2.156", 0, "write oid:1.2.156 or hdl:1.2.156"),
        ("isbn:123", 0, "unknown scheme isbn:"),
        ("urn:isbn:123", 4, "urn:oid:"),
        ("urn:", 4, "urn:oid:"),
        ("https://", 8, "no host"),
        ("https:///01/09506000134352", 8, "no host"),
        ("https://hdl.handle.net", 22, "no path"),
        ("https://hdl.handle.net/?x", 23, "no path"),
        ("https://example.com/88.118.8/x", 20, "no handle proxy"),
        ("https://hdl.handle.net/88.1/%zz", 28, "two hex digits"),
        ("https://hdl.handle.net/88.1/a%C3%A9%FFb", 35, "not UTF-8"),
        ("https://hdl.handle.net/88.1/%C3%A9%20b", 34, "space"),
        (" hdl:a..b", 6, "single dots"),
        ("hdl:a_b/c", 5, "single dots"),
        ("hdl:/c", 4, "single dots"),
        ("hdl:a.1/", 8, "empty"),
        ("hdl:a.1/b c", 9, "space"),
        ("hdl:a.1/b\tc", 9, "control"),
        ("oid:3.1", 4, "first arc"),
        ("oid:1.40", 6, "second arc"),
        ("oid:1.02", 7, "leading zeros"),
        ("oid:1..2", 6, "leading zeros"),
        ("oid:1.2.", 8, "leading zeros"),
        ("oid:1.2.x", 8, "leading zeros"),
        ("ecode:1.x.2", 8, "NSI"),
        ("ecode:.1.2", 6, "version"),
        ("ecode:1.2.", 10, "MD of an Ecode is empty"),
        ("ecode:1.2.a b", 11, "no spaces"),
        ("ecode:1.2.水", 10, "printable ASCII"),
        ("did::x", 4, "method"),
        ("did:we_b:x", 6, "method"),
        ("did:web:h/path", 9, "DID URL"),
        ("did:web:h#key-1", 9, "DID URL"),
        ("did:web:h!x", 9, "the id of a DID"),
        ("did:web:h%3", 9, "the id of a DID"),
        ("did:web:h:", 10, "last part"),
        ("did:web:", 8, "last part"),
        ("did:web::x", 8, "host"),
        ("did:key:x6Mk", 8, "did:key"),
        ("did:bid:hello", 8, "a bid is"),
        ("did:bid:ABCD", 8, "a bid is"),
    ],
)
def test_refused(pasted: str, position: int, rule: str) -> None:
    """An error names the first offending character of what was pasted, and the rule."""
    with pytest.raises(IdentifierError) as refused:
        parse(pasted)

    assert position == refused.value.position
    assert rule in refused.value.rule
    assert pasted == refused.value.text


@pytest.mark.parametrize(
    ("text", "position"),
    [
        pytest.param("88.118.8/x", 0, id="no-scheme"),
        pytest.param("hdl", 0, id="no-colon"),
        pytest.param("", 0, id="empty"),
        pytest.param(" hdl:88.118.8/x", 0, id="white-space"),
        pytest.param("hdl:88.118.8/x\n", 14, id="line-end"),
        pytest.param("HDL:88.118.8/x", 0, id="upper-case-scheme"),
        pytest.param("hdl:LAB.1/x", 4, id="upper-case-prefix"),
        pytest.param("doi:10.1000/182", 0, id="doi"),
        pytest.param("urn:oid:1.2", 0, id="urn"),
        pytest.param("https://hdl.handle.net/88.118.8/x", 0, id="link"),
        pytest.param("did:WEB:x", 4, id="upper-case-method"),
        pytest.param("gs1:01/9506000134352", 7, id="short-gtin"),
        pytest.param("gs1:01/09506000134352/10/AB%2fC", 29, id="lower-case-hex"),
        pytest.param("gs1:01/09506000134352/10/%41B", 25, id="needless-escape"),
        pytest.param("gs1:01/09506000134352/10/A+B", 26, id="missing-escape"),
    ],
)
def test_canonical_is_strict(text: str, position: int) -> None:
    """Every other spelling is refused, and the error points at the difference."""
    with pytest.raises(IdentifierError) as refused:
        canonical(text)

    assert position == refused.value.position


def test_letter_case_of_a_handle_is_kept_but_not_hashed() -> None:
    """Two spellings share key text and group; only ASCII letters are folded."""
    shown, other = canonical("hdl:lab.1/PUMP-É"), canonical("hdl:lab.1/pump-É")

    assert shown != other
    assert "hdl:lab.1/pump-É" == shown.key_text == other.key_text
    assert shown.group == other.group


def test_other_schemes_keep_letter_case_in_the_key() -> None:
    """Only handles are folded: serial numbers and DIDs differ by case."""
    for text in ("gs1:01/09506000134352/21/Ab", "did:web:Ab", "ecode:1.2.Ab"):
        assert text == canonical(text).key_text


def test_an_identifier_cannot_be_changed() -> None:
    """Values are frozen, hashable, and equal when their texts are."""
    identifier = canonical("hdl:lab.1/x")

    with pytest.raises(dataclasses.FrozenInstanceError):
        identifier.text = "hdl:lab.2/x"  # type: ignore[misc]
    assert {identifier} == {parse("lab.1/x")}


def test_over_long_text() -> None:
    """Over-long text is refused, and the error does not carry all of it along."""
    for read, limit in ((parse, PASTED_CHARACTERS_MAX), (canonical, BYTES_MAX)):
        with pytest.raises(IdentifierError, match="longer than") as refused:
            read("x" * (limit + 1))
        assert limit == refused.value.position == len(refused.value.text)


def test_length_is_of_the_canonical_bytes() -> None:
    """512 bytes pass and 513 do not, however few characters they are, or many in a link."""
    fits = "hdl:a/" + "x" * 506
    assert fits == canonical(fits).text == parse(fits).text
    han = "hdl:a/" + "水" * 168 + "xx"
    assert len(canonical(han).text.encode()) == BYTES_MAX
    assert canonical("hdl:a/" + "水" * 168) == parse("https://doi.org/a/" + "%E6%B0%B4" * 168)

    for long in (fits + "x", han + "x"):
        with pytest.raises(IdentifierError, match="longer than 512 bytes"):
            parse(long)
        with pytest.raises(IdentifierError, match="longer than 512 bytes"):
            canonical(long)


@pytest.mark.parametrize(
    ("text", "refused_at"),
    [
        (f"hdl:{'.'.join('a' * 60)}", None),
        (f"hdl:{'.'.join('a' * 61)}", 4 + 119),
        (f"hdl:{'.'.join('a' * 59)}/x", None),
        (f"hdl:{'.'.join('a' * 60)}/x", 4 + 117),
        (f"oid:{'.'.join('1' * 60)}", None),
        (f"oid:{'.'.join('1' * 61)}", 4 + 119),
    ],
    ids=["prefix-60", "prefix-61", "handle-60", "handle-61", "oid-60", "oid-61"],
)
def test_parents_are_bounded(text: str, refused_at: int | None) -> None:
    """60 parents are the most; the error points at the first level too many."""
    if refused_at is None:
        assert len(canonical(text).parents) == 60
        return
    with pytest.raises(IdentifierError, match="more than 60 parents") as refused:
        canonical(text)
    assert refused_at == refused.value.position


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("gs1:gcp/9506", "gs1:gcp/9506000", True),
        ("gs1:gcp/9506000", "gs1:gcp/9506", True),
        ("gs1:gcp/9506", "gs1:gcp/9506", True),
        ("gs1:gcp/9506001", "gs1:gcp/9506000", False),
        ("gs1:gcp8/963", "gs1:gcp8/963", True),
        ("gs1:gcp8/963", "gs1:gcp8/964", False),
        ("gs1:gcp8/963", "gs1:gcp/9630", False),
        ("gs1:", "gs1:gcp/9506", False),
        ("oid:1.2", "oid:1.2", False),
    ],
)
def test_company_prefixes_overlap(a: str, b: str, expected: bool) -> None:
    """Company prefixes overlap when one begins with the other."""
    assert expected == gcp_overlaps(canonical(a), canonical(b))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("hdl:a.1/ＰＵＭＰ", "hdl:a.1/PUMP", id="full-width"),
        pytest.param("hdl:a.1/x²", "hdl:a.1/x2", id="superscript"),
        pytest.param("hdl:a.1/ﬁ", "hdl:a.1/fi", id="ligature"),
        pytest.param("hdl:a.1/水泵", None, id="no-compatibility-form"),
        pytest.param("hdl:a.1/pump", None, id="ascii"),
        pytest.param("hdl:a.1/¨", None, id="its-form-holds-a-space"),
        pytest.param("hdl:a.1/" + "ﷺ" * 100, None, id="its-form-is-too-long"),
    ],
)
def test_lookalike(text: str, expected: str | None) -> None:
    """The NFKC twin is named when it is another identifier that could exist."""
    assert expected == nfkc_lookalike(canonical(text))


def test_the_names_others_build_on() -> None:
    """The attributes of an identifier are part of the contract between the packages."""
    fields = {field.name for field in dataclasses.fields(Identifier)}
    properties = {name for name, value in vars(Identifier).items() if isinstance(value, property)}

    assert {"text", "key_text", "group", "kind"} == fields
    assert {
        "scheme", "parents", "can_be_prefix", "must_be_prefix", "self_certifying",
    } == properties  # fmt: skip
