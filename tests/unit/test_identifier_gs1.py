"""GS1 identifiers: keys, qualifiers, check digits, company prefixes, links and labels."""

import pytest

from ledger.core.identifier import canonical, parse
from ledger.core.identifier_gs1 import check_digit
from ledger.errors import IdentifierError

GTIN = "09506000134352"


def chain(digits: str) -> tuple[str, ...]:
    """Company prefixes of `digits`, longest first, and the root."""
    return (*(f"gs1:gcp/{digits[:length]}" for length in range(len(digits), 3, -1)), "gs1:")


@pytest.mark.parametrize(
    ("text", "group", "parents"),
    [
        pytest.param(f"gs1:01/{GTIN}", "gs1:gcp/9506000", chain("950600013435"), id="gtin"),
        pytest.param(
            f"gs1:01/{GTIN}/10/LOT01/21/S1",
            f"gs1:01/{GTIN}",
            (f"gs1:01/{GTIN}", *chain("950600013435")),
            id="qualifier-levels-hang-on-the-key",
        ),
        pytest.param(
            "gs1:01/00000096385074", "gs1:gcp8/963", ("gs1:gcp8/963", "gs1:"), id="gtin-8"
        ),
        pytest.param(
            "gs1:8006/000000963850740102", "gs1:gcp8/963", ("gs1:gcp8/963", "gs1:"), id="itip-8"
        ),
        pytest.param(
            "gs1:00/195060001343529999"[:-1] + check_digit("19506000134352999"),
            "gs1:gcp/9506000",
            chain("950600013435"),
            id="sscc-skips-the-first-digit",
        ),
        pytest.param("gs1:414/9506000134352", "gs1:gcp/9506000", chain("950600013435"), id="gln"),
        pytest.param("gs1:8004/9506ABC", "gs1:gcp/9506ABC", chain("9506"), id="group-of-letters"),
        pytest.param("gs1:8004/9506A%2FB9", "gs1:gcp/9506A%2FB", chain("9506"), id="re-encoded"),
        pytest.param("gs1:8004/123", "gs1:gcp/123", ("gs1:",), id="too-short-for-a-company"),
        pytest.param("gs1:8004/A%2F1", "gs1:gcp/A%2F1", ("gs1:",), id="no-company"),
        pytest.param(
            "gs1:8004/1234567890123", "gs1:gcp/1234567", chain("123456789012"), id="twelve-digits"
        ),
        pytest.param("gs1:gcp/9506000134", "gs1:", ("gs1:",), id="company"),
        pytest.param("gs1:gcp8/963", "gs1:", ("gs1:",), id="company-8"),
    ],
)
def test_place_in_the_map(text: str, group: str, parents: tuple[str, ...]) -> None:
    """Group and parents follow from the text, without a table of company prefixes."""
    identifier = canonical(text)

    assert (group, parents) == (identifier.group, identifier.parents)


@pytest.mark.parametrize(
    "text",
    [
        "gs1:01/09506000134352/22/V1/10/L1/21/S1",
        "gs1:01/09506000134352/21/S1",
        "gs1:8006/095060001343520102/21/S1",
        "gs1:414/9506000134352/254/32a",
        "gs1:8010/9506000A-1%2F2%23/8011/123456789012",
        "gs1:8017/950600013435200006/8019/1234567890",
        "gs1:253/9506000134352DOC-1",
        "gs1:253/9506000134352",
        "gs1:255/9506000134352000123456789",
        "gs1:8003/09506000134352XYZ",
        "gs1:402/95060001343520004",
        "gs1:401/9506000ABC",
        "gs1:8013/9506000ABC",
        "gs1:410/9506000134352",
        "gs1:417/9506000134352",
    ],
)
def test_every_key_and_qualifier(text: str) -> None:
    """Each AI of the table is accepted in its canonical form."""
    digits = text.split("/")[1]
    if text.startswith(("gs1:402", "gs1:8017")):  # the check digit is computed, the rest is made up
        text = text.replace(digits, digits[:-1] + check_digit(digits[:-1]))

    assert text == canonical(text).text


@pytest.mark.parametrize(
    ("pasted", "wanted"),
    [
        ("01/09506000134352", "gs1:01/09506000134352"),
        ("gs1:01/9506000134352", "gs1:01/09506000134352"),
        ("gs1:01/96385074", "gs1:01/00000096385074"),
        ("036000291452", "gs1:01/00036000291452"),
        ("09506000134352", "gs1:01/09506000134352"),
        ("https://id.gs1.org/01/09506000134352/21/S1", "gs1:01/09506000134352/21/S1"),
        ("HTTPS://Brand.example:8443/p/01/9506000134352/", "gs1:01/09506000134352"),
        ("http://x.example/v1/01/01/09506000134352", "gs1:01/09506000134352"),
        ("https://x.example/01/09506000134352/10/00?17=261231#top", "gs1:01/09506000134352/10/00"),
        ("https://x.example/gtin/9506000134352/lot/A/ser/B", "gs1:01/09506000134352/10/A/21/B"),
        ("https://x.example/01/09506000134352/10/A+B", "gs1:01/09506000134352/10/A%2BB"),
        ("https://x.example/01/09506000134352/10/%41%2fb", "gs1:01/09506000134352/10/A%2Fb"),
        ("(01)09506000134352(21)S1", "gs1:01/09506000134352/21/S1"),
        ("(21)S1(10)AB/21/CD(01)09506000134352", "gs1:01/09506000134352/10/AB%2F21%2FCD/21/S1"),
        ("(01)09506000134352(10)A(1)%", "gs1:01/09506000134352/10/A%281%29%25"),
        ("(8004)9506A", "gs1:8004/9506A"),
    ],
)
def test_pasted(pasted: str, wanted: str) -> None:
    """Links, labels and bare numbers give one canonical text."""
    assert wanted == parse(pasted).text


def test_a_slash_in_a_lot_is_never_a_serial_number() -> None:
    """The lot `AB/21/CD` and the lot `AB` with the serial `CD` are two identifiers."""
    lot = parse("(01)09506000134352(10)AB/21/CD")
    serial = parse("https://id.gs1.org/01/09506000134352/10/AB/21/CD")

    assert lot.text == "gs1:01/09506000134352/10/AB%2F21%2FCD"
    assert serial.text == "gs1:01/09506000134352/10/AB/21/CD"


@pytest.mark.parametrize(
    ("pasted", "position", "rule"),
    [
        ("gs1:01/09506000134351", 20, "wrong check digit; for these digits it is 2"),
        ("9506000134352", 0, "write gs1:01/9506000134352 or gs1:414/9506000134352"),
        ("96385074", 0, "gs1:01/96385074"),
        ("195060001343529999", 0, "gs1:00/195060001343529999"),
        ("12345", 0, "digits alone"),
        ("036000291453", 11, "wrong check digit"),
        ("gs1:01/09506000134", 18, "8, 12, 13 or 14 digits"),
        ("gs1:01/", 7, "8, 12, 13 or 14 digits"),
        ("gs1:01/095060001343522", 21, "8, 12, 13 or 14 digits"),
        ("gs1:01/0950600013435X", 20, "only digits"),
        ("gs1:01/٠9506000134352", 7, "only digits"),
        ("gs1:01", 6, "followed by /"),
        ("gs1:01/09506000134352/10", 24, "followed by /"),
        ("gs1:416/9506000134352", 4, "no GS1 key"),
        ("gs1:02/09506000134352", 4, "no GS1 key"),
        ("gs1:01/09506000134352/21/S/10/L", 27, "in this order"),
        ("gs1:01/09506000134352/10/A/10/B", 27, "once each"),
        ("gs1:01/09506000134352/17/261231", 22, "in this order"),
        ("gs1:410/9506000134352/254/1", 22, "takes no qualifier"),
        ("gs1:01/09506000134352/10/", 25, "1 to 20 characters"),
        ("gs1:01/09506000134352/10/" + "x" * 21, 45, "1 to 20 characters"),
        ("gs1:01/09506000134352/10/a b", 26, "letters, digits"),
        ("gs1:01/09506000134352/10/%20", 25, "letters, digits"),
        ("gs1:01/09506000134352/10/a%2Fb%7E", 30, "letters, digits"),
        ("gs1:01/09506000134352/10/a%2", 26, "two hex digits"),
        ("gs1:8010/9506a", 13, "A-Z"),
        ("gs1:8010/9506/8011/1x", 20, "only digits"),
        ("gs1:01/02345678901234"[:-1] + check_digit("0234567890123"), 8, "restricted"),
        ("gs1:01/00412345678902"[:-1] + check_digit("0041234567890"), 8, "restricted"),
        ("gs1:01/00000021234563"[:-1] + check_digit("0000002123456"), 13, "restricted"),
        ("gs1:8004/2ABC", 9, "restricted"),
        ("gs1:gcp/2123", 8, "restricted"),
        ("gs1:gcp8/042", 9, "restricted"),
        ("gs1:gcp/123", 11, "4 to 12 digits"),
        ("gs1:gcp/1234567890123", 20, "4 to 12 digits"),
        ("gs1:gcp/12a45", 10, "4 to 12 digits"),
        ("gs1:gcp", 7, "4 to 12 digits"),
        ("gs1:gcp8/12", 11, "3 digits"),
        ("(01)0950600013435X", 17, "only digits"),
        ("(1)9506", 0, "begins with an AI"),
        ("(10)LOT", 1, "no GS1 key"),
        ("(01)09506000134352(17)261231", 19, "in this order"),
        ("(01)09506000134352(10)A(10)B", 24, "once each"),
        ("(01)09506000134352(414)9506000134352", 19, "in this order"),
        ("https://x.example/01/09506000134351/414/9506000134352", 34, "wrong check digit"),
        ("https://x.example/p/01/09506000134352/10/%zz", 41, "two hex digits"),
        ("https://x.example/AQnYUc1gmiCNV4JGLGE", 18, "no GS1 Digital Link"),
    ],
)
def test_refused(pasted: str, position: int, rule: str) -> None:
    """An error names the first offending character of what was pasted, and the rule."""
    with pytest.raises(IdentifierError) as refused:
        parse(pasted)

    assert (position, True) == (refused.value.position, rule in refused.value.rule), refused.value


def test_restricted_prefixes_are_two_and_their_neighbours_are_not() -> None:
    """03 and 05 are ordinary; 02, 04 and all of 2x are not."""
    for company in ("03123", "05123", "1912", "3012"):
        assert canonical(f"gs1:gcp/{company}").can_be_prefix
    for company in ("02123", "04123", "2000", "2999"):
        with pytest.raises(IdentifierError, match="restricted"):
            canonical(f"gs1:gcp/{company}")


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        pytest.param("950600013435", "2", id="gtin-13"),
        pytest.param("03600029145", "2", id="upc-a"),
        pytest.param("9638507", "4", id="gtin-8"),
        pytest.param("629104150021", "3", id="gln-13"),
        pytest.param("", "0", id="nothing"),
    ],
)
def test_check_digit(digits: str, expected: str) -> None:
    """Published numbers have the check digit that is computed."""
    assert expected == check_digit(digits)
