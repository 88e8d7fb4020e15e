"""identifiers.json: canonical forms and what follows from them, pasted forms, refused texts."""

from typing import Any

from tests.vectors.cases.shape import Case, bad, good
from tests.vectors.second import identifiers as ids

_CANONICAL: list[tuple[str, str]] = [
    ("hdl:", "a scheme root"),
    ("gs1:", "a scheme root"),
    ("oid:", "a scheme root"),
    ("did:", "a scheme root"),
    ("ecode:", "a scheme root"),
    ("hdl:88.118.8/JXDY2106023", "a Handle keeps the case of its suffix, the key text folds it"),
    ("hdl:lab.1/pump-07", "a lab identifier"),
    ("hdl:lab.1/Pump-07", "another spelling of the same key text"),
    ("hdl:88.118.8", "a Handle prefix: its group is its syntactic parent"),
    ("hdl:88", "a prefix just below the root"),
    ("hdl:a-b", "parents are cut at dots only"),
    ("hdl:a-b.c-d/x", "hyphens inside labels"),
    ("hdl:lab.1/a/b//c", "a suffix may hold slashes"),
    ("hdl:lab.1/~!@#$%^&*()", "a suffix may hold any printable ASCII"),
    ("hdl:lab.1/泵-07", "a suffix beyond ASCII, in NFC"),
    ("hdl:lab.1/\u00c9cole", "only ASCII letters are folded in the key text"),
    ("hdl:lab.1/\uac00", "a Hangul syllable, composed"),
    ("hdl:" + "a" * 506 + "/b", "512 bytes"),
    ("hdl:" + ".".join("1" * 59) + "/x", "60 parents"),
    ("gs1:01/09506000134352", "a GTIN"),
    ("gs1:01/09506000134352/10/LOT01/21/S1", "qualifiers in order"),
    ("gs1:01/09506000134352/21/S1", "a qualifier may be left out"),
    ("gs1:01/09506000134352/22/2A/10/L/21/S", "all three qualifiers"),
    ("gs1:01/09506000134352/10/AB%2F21%2FCD", "a lot that looks like a serial stays a lot"),
    ("gs1:01/09506000134352/10/A-b._C", "unreserved characters stand as they are"),
    ("gs1:01/00000095050003", "a GTIN-8: six leading zeros"),
    ("gs1:00/095060001343520024", "an SSCC, company prefix after the first digit"),
    ("gs1:414/9506000134352", "a GLN, company prefix at the start"),
    ("gs1:414/9506000134352/254/B2", "a GLN with extension"),
    ("gs1:253/9506000134352DOC7", "a GDTI with a serial behind the check digit"),
    ("gs1:255/95060001343520001", "a GCN"),
    ("gs1:8003/09506000134352R5", "a GRAI"),
    ("gs1:8004/95060001ASSET", "a GIAI: no check digit, letters end the company prefix"),
    ("gs1:8004/9506A", "a short GIAI: the group takes what is there, letters too"),
    ("gs1:8004/9506%2FX", "the group is re-encoded"),
    ("gs1:8006/095060001343520102", "an ITIP"),
    ("gs1:8010/9506000%23A-7", "a CPID"),
    ("gs1:8010/9506000A/8011/12", "a CPID with serial"),
    ("gs1:8018/950600013435200008/8019/3", "a GSRN with service number"),
    ("gs1:402/95060001343520000", "a GSIN"),
    ("gs1:gcp/9506", "a company prefix of 4 digits"),
    ("gs1:gcp/950600013435", "a company prefix of 12 digits"),
    ("gs1:gcp8/950", "a GTIN-8 prefix"),
    ("oid:1.2.156.3001.5", "an OID"),
    ("oid:2.999", "the second arc may be large under 2"),
    ("oid:1.39", "the largest second arc under 1"),
    ("oid:1", "one arc"),
    ("oid:2.0.340282366920938463463374607431768211456", "an arc of any size"),
    ("did:web:example.com", "a host: prefix or record"),
    ("did:web:example.com:pumps:7", "under a host"),
    ("did:web", "a method"),
    ("did:example:Abc-1._%2F", "an ordinary DID keeps its spelling"),
    ("did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK", "self-certifying"),
    ("did:bid:efnVUgqQFfYeu97ABf6sGm3WFtVXHZB2", "self-certifying, main chain"),
    ("did:bid:abcd:efnVUgqQFfYeu97ABf6sGm3WFtVXHZB2", "self-certifying, with a sub-chain code"),
    ("did:bid:abcd", "a sub-chain itself: an ordinary record"),
    ("ecode:1.00064.100001", "an Ecode, leading zeros kept"),
    ("ecode:1.00064", "a number system"),
    ("ecode:1", "a version"),
    ("ecode:1.00064.A.b", "dots inside MD do not cut"),
]
_REFUSED: list[tuple[str, str]] = [
    ("", "1-512 bytes"),
    ("hdl", "no scheme"),
    ("foo:1", "unknown scheme"),
    ("HDL:88.1/x", "the scheme is lower case"),
    ("hdl:88.118.8/a b", "no space, ever"),
    ("hdl:88.118.8/a\tb", "no control character"),
    ("hdl:88.118.8/a\x7f", "no control character"),
    ("hdl:88.118.8/", "the suffix is empty"),
    ("hdl:/x", "the prefix is empty"),
    ("hdl:LAB.1/x", "the prefix is lower case in canonical form"),
    ("hdl:lab..1/x", "an empty label"),
    ("hdl:.lab/x", "a leading dot"),
    ("hdl:lab./x", "a trailing dot"),
    ("hdl:lab_1/x", "an underscore in a prefix"),
    ("hdl:lab--1/x", "two hyphens"),
    ("hdl:l\u00e4b/x", "a prefix is ASCII"),
    ("hdl:lab.1/e\u0301", "not NFC of Unicode 3.2"),
    ("hdl:lab.1/\u1100\u1161", "not NFC: Hangul jamo compose"),
    ("hdl:lab.1/\u00ad", "soft hyphen: table B.1"),
    ("hdl:lab.1/\u200b", "zero width space: table B.1"),
    ("hdl:lab.1/\u00a0", "no-break space: table C.1.2"),
    ("hdl:lab.1/\u3000", "ideographic space: table C.1.2"),
    ("hdl:lab.1/\u0085", "next line: table C.2.2"),
    ("hdl:lab.1/\ue000", "private use: table C.3"),
    ("hdl:lab.1/\ufdd0", "no character: table C.4"),
    ("hdl:lab.1/\ufffd", "replacement character: table C.6"),
    ("hdl:lab.1/\u2ff0", "ideographic description: table C.7"),
    ("hdl:lab.1/\u202e", "right-to-left override: table C.8"),
    ("hdl:lab.1/\U000e0041", "tag character: table C.9"),
    ("hdl:lab.1/\u0221", "unassigned in Unicode 3.2, assigned since"),
    ("hdl:lab.1/\U0001f527", "unassigned in Unicode 3.2, assigned since"),
    ("hdl:" + "a" * 507 + "/b", "513 bytes"),
    ("hdl:" + ".".join("1" * 60) + "/x", "61 parents"),
    ("gs1:01/09506000134353", "wrong check digit"),
    ("gs1:01/9506000134352", "a GTIN is written with 14 digits"),
    ("gs1:01/095060001343X2", "not digits"),
    ("gs1:01/09506000134352/21/S1/10/L", "qualifiers out of order"),
    ("gs1:01/09506000134352/10/A/10/B", "a qualifier twice"),
    ("gs1:01/09506000134352/254/A", "no qualifier of this key"),
    ("gs1:01/09506000134352/10", "an AI without value"),
    ("gs1:01/09506000134352/", "an empty AI"),
    ("gs1:01/09506000134352/10/", "an empty value"),
    ("gs1:01/09506000134352/10/A%2f", "percent-encoding in upper case"),
    ("gs1:01/09506000134352/10/%41", "unreserved characters are not encoded"),
    ("gs1:01/09506000134352/10/A(B", "others are encoded"),
    ("gs1:01/09506000134352/10/A%2", "half an escape"),
    ("gs1:01/09506000134352/10/A%20B", "a space is no GS1 character"),
    ("gs1:01/09506000134352/10/A%C3%A9", "outside set 82"),
    ("gs1:01/09506000134352/10/" + "A" * 21, "a lot has at most 20 characters"),
    ("gs1:10/LOT", "a qualifier is no primary key"),
    ("gs1:416/9506000134352", "an AI that is not listed"),
    ("gs1:99/ABC", "an AI that is not listed"),
    ("gs1:01/02000000000008", "restricted circulation: 20-29"),
    ("gs1:01/00212345678909", "restricted circulation: 02"),
    ("gs1:01/00412345678903", "restricted circulation: 04"),
    ("gs1:gcp/2000", "restricted circulation: 20-29"),
    ("gs1:gcp8/021", "restricted circulation: 02"),
    ("gs1:gcp/950", "a gcp has at least 4 digits"),
    ("gs1:gcp/9506000134352", "a gcp has at most 12 digits"),
    ("gs1:gcp8/9505", "a GTIN-8 prefix has 3 digits"),
    ("gs1:gcp/", "a gcp without digits"),
    ("oid:3.1", "the first arc is 0-2"),
    ("oid:1.40", "the second arc is at most 39 under 0 and 1"),
    ("oid:1.02", "no leading zero"),
    ("oid:1..2", "an empty arc"),
    ("oid:1.2.", "a trailing dot"),
    ("oid:1.2.x", "arcs are decimal"),
    ("oid:1.2.\u0663", "digits are ASCII"),
    ("oid:1." + ".".join("1" * 60), "61 parents"),
    ("did:Web:example.com", "the method is lower case"),
    ("did:web:", "an empty id"),
    ("did::x", "an empty method"),
    ("did:example:a:", "the last part is empty"),
    ("did:example:a/b", "a DID URL"),
    ("did:example:a#key-1", "a DID URL"),
    ("did:example:a%2", "half an escape"),
    ("did:key:6MkhaXg", "the id of did:key begins with z"),
    ("did:bid:xfnVUgqQFfYeu97ABf6sGm3WFtVXHZB2", "no algorithm letter of did:bid"),
    ("did:bid:efabc", "a did:bid suffix that is too short"),
    ("ecode:1.00064.", "an empty MD"),
    ("ecode:a.1.2", "the version is digits"),
    ("ecode:1..2", "an empty number system"),
    ("ecode:1.00064.a b", "no space"),
]
_PASTED: list[tuple[str, str, str]] = [
    ("88.118.8/JXDY2106023", "hdl:88.118.8/JXDY2106023", "a bare handle"),
    ("lab.1/pump-07", "hdl:lab.1/pump-07", "a bare lab identifier"),
    ("hdl:LAB.1/Pump-07", "hdl:lab.1/Pump-07", "the prefix is folded, the suffix is not"),
    ("https://hdl.handle.net/88.118.8/X1", "hdl:88.118.8/X1", "the Handle proxy"),
    ("gs1:01/09506000134352", "gs1:01/09506000134352", "canonical already"),
    ("(01)09506000134352(21)S1", "gs1:01/09506000134352/21/S1", "element string"),
    ("(01)09506000134352(10)AB/21/CD", "gs1:01/09506000134352/10/AB%2F21%2FCD", "is encoded"),
    ("https://id.gs1.org/01/09506000134352/21/S1", "gs1:01/09506000134352/21/S1", "Digital Link"),
    ("urn:oid:1.2.156.3001.5", "oid:1.2.156.3001.5", "the URN of an OID"),
    ("oid:1.2.156.3001.5", "oid:1.2.156.3001.5", "canonical already"),
    ("did:WEB:example.com", "did:web:example.com", "the method is folded"),
    ("HDL:1/x", "hdl:1/x", "the scheme is folded"),
    (" lab.1/x\n", "hdl:lab.1/x", "white space around it is dropped"),
    ("(21)S1(01)09506000134352", "gs1:01/09506000134352/21/S1", "element strings in any order"),
    ("(01)9506000134352", "gs1:01/09506000134352", "a GTIN of 13 digits is filled up"),
    ("https://id.gs1.org/01/95050003", "gs1:01/00000095050003", "a GTIN of 8 digits too"),
    ("https://shop.example/p/gtin/09506000134352?x=1", "gs1:01/09506000134352", "any host"),
    ("https://hdl.handle.net/10.1/a%2Fb", "hdl:10.1/a/b", "a link is decoded once"),
    ("01/09506000134352", "gs1:01/09506000134352", "never a handle"),
    ("09506000134352", "gs1:01/09506000134352", "14 digits"),
    ("ecode:1.00064.100001", "ecode:1.00064.100001", "canonical already"),
]
_PASTED_REFUSED: list[tuple[str, str]] = [
    ("", "nothing"),
    ("9506000134352", "13 digits are a product or a place"),
    ("1.2.156", "an OID or a Handle prefix"),
    ("https://example.com/about", "no GS1 Digital Link"),
    ("https://hdl.handle.net/10.1/a%20b", "a space in the decoded link"),
    ("https://hdl.handle.net/", "no handle"),
    ("lab.1/e\u0301", "normal form is never repaired"),
    ("(01)09506000134353", "wrong check digit"),
    ("https://id.gs1.org/01/09506000134352/21/S1/10/L", "qualifiers out of order in a link"),
    ("hdl:lab.1/a b", "a space inside"),
    ("did:web:example.com#key-1", "a DID URL"),
    ("urn:isbn:0451450523", "another namespace"),
]


def derived(text: str) -> dict[str, Any]:
    """Return what follows from a canonical text."""
    return {
        "canonical": text,
        "scheme": text.partition(":")[0],
        "key_text": ids.key_text(text),
        "group": ids.group(text),
        "parents": ids.parents(text),
        "can_be_prefix": ids.can_be_prefix(text),
        "must_be_prefix": ids.must_be_prefix(text),
        "self_certifying": ids.is_self_certifying(text),
        "map_key": ids.map_key(text).hex(),
        "stream_key": ids.map_key(text, "stream").hex(),
        "usage_key": ids.map_key(text, "usage").hex(),
    }


def _is_canonical(text: str) -> bool:
    try:
        ids.canonical(text)
    except ValueError:
        return False
    return True


def file() -> dict[str, Any]:
    """Return identifiers.json."""
    cases: list[Case] = []
    for text, reason in _CANONICAL:
        assert _is_canonical(text), text
        cases.append(good(text[:60], reason, derived(text), form="canonical", text=text))
    for text, reason in _REFUSED:
        assert not _is_canonical(text), text
        cases.append(bad(ascii(text[:60]), reason, form="canonical", text=text))
    for text, reason in _PASTED_REFUSED:
        cases.append(bad(f"pasted {text!a}", reason, form="pasted", text=text))
    for text, canonical, reason in _PASTED:
        assert _is_canonical(canonical), canonical
        cases.append(
            good(f"pasted {text.strip()}", reason, derived(canonical), form="pasted", text=text)
        )
    return {
        "about": "docs/spec/identifiers.md. `form` canonical: the text is given to a strict reader "
        "that accepts nothing but canonical forms. `form` pasted: to the parser for what people "
        "paste. Map keys are those of tags xinbiao:id, xinbiao:stream and xinbiao:usage.",
        "cases": cases,
    }
