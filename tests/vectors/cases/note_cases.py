"""checkpoint.json and trust.json: notes, signatures, verifier keys, trust files."""

import base64
from typing import Any

from tests.vectors.cases.shape import Case, bad, good
from tests.vectors.second import curves, trees
from tests.vectors.second.chain import (
    MEMBERS,
    NETWORK,
    cosigner_seed,
    log_seed,
    note,
    trust_file,
)
from tests.vectors.second.story import Story
from tests.vectors.second.trees import h

TIME_S = 1_767_226_000


def _vkeys() -> list[str]:
    """Return the verifier keys of the network: four log keys, four cosigner keys."""
    logs = [trees.vkey(NETWORK, 1, curves.ed_public(log_seed(n))) for n in range(4)]
    names = [f"{NETWORK}/{name}" for name in MEMBERS]
    return logs + [
        trees.vkey(name, 4, curves.ed_public(cosigner_seed(n))) for n, name in enumerate(names)
    ]


def checkpoint_file(story: Story) -> dict[str, Any]:
    """Return checkpoint.json."""
    text = story.chain.checkpoint()
    whole = note(text, TIME_S)
    keys = _vkeys()
    cases: list[Case] = []
    size, root = len(story.chain.entries), trees.root(story.chain.leaves())
    base = {"origin": NETWORK, "size": size, "root": root.hex()}

    def accept(name: str, reason: str, given: str, signed: list[Any], ignored: int) -> None:
        expect = base | {"signed_by": signed, "ignored": ignored}
        cases.append(good(name, reason, expect, note=given, keys=keys))

    def refuse(name: str, reason: str, given: str, known: list[str] | None = None) -> None:
        cases.append(bad(name, reason, note=given, keys=keys if known is None else known))

    lines = whole.split("\n\n")[1].splitlines(keepends=True)
    members = [[f"{NETWORK}/{name}", TIME_S] for name in MEMBERS]
    log: list[list[Any]] = [[NETWORK, None]]
    accept("one log, four cosigners", "time is None for a log key", whole, log + members, 0)
    accept("log alone", "well signed, whatever the quorum says", text + "\n" + lines[0], log, 0)
    other = "vectors.example/stranger"
    stranger = trees.cosign_line(other, b"\x77" * 32, text, TIME_S)
    accept("unknown name", "ignored and reported", whole + stranger, log + members, 1)
    known_name = trees.cosign_line(f"{NETWORK}/alpha", b"\x77" * 32, text, TIME_S)
    accept("unknown key of a known name", "another key id", whole + known_name, log + members, 1)
    ml_dsa = f"— {NETWORK}/alpha {trees.b64(h(b'06')[:4] + bytes(8 + 2420))}\n"
    accept("kind 06", "an unknown kind is ignored", whole + ml_dsa, log + members, 1)
    cases += _signers(text)

    refuse("no signature", "signature lines follow the empty line", text + "\n")
    refuse("no known signature", "somebody known must sign", text + "\n" + stranger)
    refuse("no empty line", "text, empty line, signatures", text + lines[0])
    refuse("no final newline", "lines end with LF", whole[:-1])
    refuse("carriage returns", "no control character but LF", whole.replace("\n", "\r\n"))
    refuse("hyphen for dash", "the dash is U+2014", whole.replace("— ", "- ", 1))
    refuse("two spaces", "one space each", whole.replace("— ", "—  ", 1))
    refuse("unpadded base64", "canonical base64", text + "\n" + lines[1].replace("=", ""))
    loose = lines[1].rstrip("\n")
    assert loose.endswith("=")
    body = loose.rstrip("=")
    twin = _twin(body[-1], loose.count("=", len(body)))
    spelled = text + "\n" + lines[0] + body[:-1] + twin + loose[len(body) :] + "\n"
    refuse("loose base64", "unused bits are zero", spelled)
    refuse("url-safe base64", "the standard alphabet", _url_safe(text, lines))
    refuse("short signature line", "a key id and a payload", text + f"\n— {NETWORK} AAA=\n")
    flipped = _flip(lines[1])
    refuse("known key, bad cosignature", "makes the note invalid", text + "\n" + lines[0] + flipped)
    refuse("known key, bad log signature", "makes the note invalid",
           text + "\n" + _flip(lines[0]) + "".join(lines[1:]))  # fmt: skip
    late = trees.cosign_line(f"{NETWORK}/alpha", cosigner_seed(0), text, 2**63)
    refuse("time 2^63", "times are below 2^63", text + "\n" + lines[0] + late)
    grown = text.replace(f"\n{size}\n", f"\n{size + 1}\n")
    refuse("other size", "not what was signed", whole.replace(text, grown))

    def signed_text(name: str, reason: str, changed: str) -> None:
        """Sign another text well, so that only its form is wrong."""
        line = trees.log_line(NETWORK, log_seed(0), changed)
        refuse(name, reason, changed + "\n" + line)

    shown = trees.b64(root)
    signed_text("extension line", "three lines", text + "extra\n")
    signed_text("two lines", "three lines", f"{NETWORK}\n{size}\n")
    signed_text("size with zero", "no leading zero", f"{NETWORK}\n0{size}\n{shown}\n")
    signed_text("size with sign", "digits only", f"{NETWORK}\n+{size}\n{shown}\n")
    signed_text("size 2^63", "sizes are below 2^63", f"{NETWORK}\n{2**63}\n{shown}\n")
    signed_text("root of 31 bytes", "32 bytes", f"{NETWORK}\n{size}\n{trees.b64(root[:31])}\n")
    signed_text(
        "size 0 with a root", "the empty log has the empty root", f"{NETWORK}\n0\n{shown}\n"
    )
    signed_text("empty origin", "an origin", f"\n{size}\n{shown}\n")
    return {
        "about": "docs/spec/log.md, checkpoint. `note` is checked against verifier `keys`; "
        "`signed_by` lists [key name, cosignature time or null] in the order of the lines. Cases "
        "with `seed` give the line that a key makes for `text`.",
        "cases": cases,
    }


def _signers(text: str) -> list[Case]:
    cases = []
    for name, kind, seed, time_s in (
        (NETWORK, 1, log_seed(0), None), (f"{NETWORK}/alpha", 4, cosigner_seed(0), TIME_S),
        (f"{NETWORK}/iota", 4, cosigner_seed(3), 1),
    ):  # fmt: skip
        if time_s is None:
            line = trees.log_line(name, seed, text)
        else:
            line = trees.cosign_line(name, seed, text, time_s)
        expect = {"vkey": trees.vkey(name, kind, curves.ed_public(seed)), "line": line}
        inputs = {
            "seed": seed.hex(),
            "key_name": name,
            "kind": kind,
            "time_s": time_s,
            "text": text,
        }
        cases.append(good(f"line of {name}", f"kind 0{kind}", expect, **inputs))
    return cases


def _twin(last: str, padding: int) -> str:
    """Return another base64 digit that decodes to the same bytes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return alphabet[alphabet.index(last) ^ (1 if padding == 1 else 3)]


def _url_safe(text: str, lines: list[str]) -> str:
    chosen = next(line for line in lines if "+" in line or "/" in line.split(" ")[2])
    start, _, body = chosen.rpartition(" ")
    return text + "\n" + f"{start} {body.replace('+', '-').replace('/', '_')}"


def _flip(line: str) -> str:
    """Return a signature line with another signature byte."""
    start, _, body = line.rstrip("\n").rpartition(" ")
    raw = bytearray(base64.b64decode(body))
    raw[-40] ^= 1
    return f"{start} {trees.b64(bytes(raw))}\n"


def trust_files(story: Story) -> dict[str, Any]:
    """Return trust.json."""
    text = trust_file(b"\xa0")
    lines = text.splitlines(keepends=True)
    cases: list[Case] = []

    def accept(name: str, reason: str, given: str, **expect: Any) -> None:
        found: dict[str, Any] = {
            "network": NETWORK, "expires": "2027-01-01", "max_age_s": 600, "network_object": "a0",
            "witnesses": list(MEMBERS), "logs": 4, "quorum": "members",
        }  # fmt: skip
        cases.append(good(name, reason, found | expect, text=given))

    def refuse(name: str, reason: str, given: str) -> None:
        cases.append(bad(name, reason, text=given))

    def replaced(old: str, new: str) -> str:
        assert text.count(old) >= 1, old
        return text.replace(old, new, 1)

    accept("whole", "four members, three of them a quorum", text)
    comment = text + "# a remark\n\n"
    accept("comments", "comments and empty lines are free", comment)
    accept(
        "tabs",
        "fields are separated by spaces or tabs",
        text.replace("witness alpha ", "witness\talpha \t"),
    )
    bare = "".join(line for line in lines if not line.startswith("#"))
    accept(
        "bare",
        "our comment lines are optional",
        bare,
        expires=None,
        max_age_s=None,
        network_object=None,
    )
    nested = replaced("group members 3 alpha beta gamma iota",
                      "group east any alpha beta\ngroup members all east gamma iota")  # fmt: skip
    accept("nested groups", "a group may name an earlier one", nested)
    accept("a single witness", "the quorum may be a witness",
           replaced("quorum members", "quorum beta"), quorum="beta")  # fmt: skip

    log_other = trees.vkey("other.example", 1, curves.ed_public(b"\x79" * 32))
    refuse("nothing", "a log and a quorum", "")
    refuse(
        "two networks", "exactly one origin: two would accept either", text + f"log {log_other}\n"
    )
    refuse("no quorum", "exactly one quorum line", replaced("quorum members\n", ""))
    refuse("two quorums", "exactly one quorum line", text + "quorum members\n")
    refuse(
        "quorum none", "freshness has no other source", replaced("quorum members", "quorum none")
    )
    refuse(
        "unknown quorum", "a name of an earlier line", replaced("quorum members", "quorum nobody")
    )
    refuse("no log", "a log at least", "".join(line for line in lines if line[:3] != "log"))
    refuse("unknown keyword", "log, witness, group, quorum", text + "allow all\n")
    wrong_kind = trees.vkey(NETWORK, 4, curves.ed_public(b"\x79" * 32))
    refuse("cosigner key as log", "kind 01", text + f"log {wrong_kind}\n")
    moved = trees.vkey("alpha", 4, curves.ed_public(cosigner_seed(0)))
    refuse("witness key of another name", "NETWORK/MEMBER", replaced(_vkeys()[4], moved))
    renamed = text.replace("witness alpha ", "witness delta ").replace(" 3 alpha ", " 3 delta ")
    refuse("witness of another member", "NETWORK/MEMBER", renamed)
    wrong_id = _vkeys()[4].replace("+", "+0", 1)
    refuse("key id of another key", "the id follows from the key", replaced(_vkeys()[4], wrong_id))
    refuse("log key twice", "no public key twice", text + lines[3])
    refuse("name twice", "a name is defined once", replaced(lines[8], lines[8] + lines[8]))
    refuse("member of a group twice", "a member once", replaced("3 alpha beta", "3 alpha alpha"))
    refuse("threshold 0", "1 to n", replaced("group members 3", "group members 0"))
    refuse("threshold 5 of 4", "1 to n", replaced("group members 3", "group members 5"))
    refuse("group of later names", "names of earlier lines",
           replaced(lines[7], "group early any members\n" + lines[7]))  # fmt: skip
    refuse("no such day", "a date", replaced("2027-01-01", "2027-02-30"))
    refuse("date in another form", "YYYY-MM-DD", replaced("2027-01-01", "2027-1-1"))
    refuse("max-age 0", "at least 1", replaced("max-age 600", "max-age 0"))
    refuse("max-age twice", "at most once", text + "# xinbiao max-age 5\n")
    refuse(
        "unknown setting", "a misspelt one must not be lost", text + "# xinbiao expire 2027-01-01\n"
    )
    refuse("network of loose base64", "canonical base64", replaced("network oA==", "network oB=="))
    refuse("last line cut", "lines end with LF", text[:-1])
    refuse("carriage returns", "octets 0D are not allowed", text.replace("\n", "\r\n"))
    return {
        "about": "docs/spec/log.md, trust file. `expect` is what is read from it.",
        "cases": cases + _quorums(text),
    }


def _quorums(text: str) -> list[Case]:
    """Return which dated cosignatures meet the quorum, and the latest time that they do."""
    rows: list[tuple[str, dict[str, int], int | None]] = [
        ("nobody", {}, None),
        ("two of four", {"alpha": 10, "beta": 20}, None),
        ("three of four", {"alpha": 10, "beta": 20, "gamma": 30}, 10),
        ("four of four", {"alpha": 10, "beta": 20, "gamma": 30, "iota": 40}, 20),
        ("strangers do not count", {"alpha": 10, "beta": 20, "delta": 30}, None),
        ("at one time", {"alpha": 7, "beta": 7, "gamma": 7}, 7),
    ]
    return [
        good(f"quorum: {name}", "the greatest t such that those dated at or after t meet it",
             {"latest": latest}, text=text, dated=dated)
        for name, dated, latest in rows
    ]  # fmt: skip
