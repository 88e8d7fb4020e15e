"""What is in a file: a proof bundle, a statement, or a file of statements, in plain text.

Theory of operation: the bytes are read by the same strict parsers that verify them, so what is explained
is what would be judged. Nothing is verified here and every explanation says so: `xinbiao verify` does
that. Bytes that are none of the kinds are an `InputError` that says what was tried.

Pure: bytes in, lines out.
"""

from collections.abc import Iterator
from typing import Final

from ledger.core import operation as op
from ledger.core.block import decode_commit_leaf
from ledger.core.bundle import Bundle
from ledger.core.reading import decode_reading
from ledger.core.record import (
    AliasObject,
    NetworkObject,
    PrefixObject,
    RecordObject,
    StreamObject,
    UsageObject,
    decode_object,
)
from ledger.core.statement import Statement
from ledger.core.statement import parse as parse_statement
from ledger.errors import EncodingError, LedgerError, ProofError, Rejection
from xinbiao.describe import Say, clean, record_lines, utc, value_text, versioned_json
from xinbiao.errors import InputError

STATEMENT_START: Final = b"\xd2\x84"
STATEMENTS_SHOWN_MAX: Final = 100
ITEMS_SHOWN_MAX: Final = 20
_LENGTH_BYTES: Final = 2
_OPERATIONS: Final = {
    op.Genesis: "genesis",
    op.Delegate: "delegate",
    op.PrefixUpdate: "prefix.update",
    op.Create: "register",
    op.Update: "update",
    op.Retire: "retire",
    op.Anchor: "anchor",
}


def read_bundle(data: bytes) -> bytes | str:
    """Return a bundle as `verify` takes it: JSON as text, anything else as CBOR.

    Raises:
        InputError: It begins like JSON and is no UTF-8.
    """
    if not data.lstrip(b" \t\r\n").startswith(b"{"):
        return data
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"byte {error.start}: JSON is UTF-8") from None


def explain(data: bytes, say: Say) -> Iterator[str]:
    """Yield lines about a file.

    Raises:
        InputError: It is nothing that can be explained.
    """
    if data.startswith(STATEMENT_START):
        try:
            yield from _statement(parse_statement(data), say)
        except Rejection as error:
            raise InputError(f"it begins like a statement and is none: {error.detail}") from None
    elif data[_LENGTH_BYTES : _LENGTH_BYTES + 2] == STATEMENT_START:
        yield from _statements(data, say)
    else:
        yield from _bundle(data, say)
    yield say("Nothing of this was verified: `xinbiao verify` does that.")


def _statements(data: bytes, say: Say) -> Iterator[str]:
    position = number = 0
    while position < len(data):
        length = int.from_bytes(data[position : position + _LENGTH_BYTES], "big")
        start = position + _LENGTH_BYTES
        if not 0 < length <= len(data) - start:
            raise InputError(f"statement {number} at byte {position} is cut off")
        if number < STATEMENTS_SHOWN_MAX:
            yield say("statement {number}", number=number)
            try:
                yield from _statement(parse_statement(data[start : start + length]), say)
            except Rejection as error:
                raise InputError(f"statement {number} is none: {error.detail}") from None
        number += 1
        position = start + length
    yield say("a file of {count} statements", count=number)


def _statement(found: Statement, say: Say) -> Iterator[str]:
    try:
        operation = op.parse(found.payload)
    except Rejection as error:
        yield say("a statement whose payload is not accepted: {why}", why=error.detail)
        return
    yield say("a signed statement: {what}", what=_OPERATIONS[type(operation)])
    parts = (
        ("network", found.aud),
        ("about", found.sub),
        ("signed for", found.iss),
        ("key", f"{found.kid.hex()} (COSE {found.alg})"),
        ("signer's clock", utc(found.iat)),
        ("hash", found.hash.hex()),
    )
    for name, text in parts:
        yield f"  {say(name):<16} {clean(text)}"
    yield from _operation(operation, say)


def _operation(operation: op.Operation, say: Say) -> Iterator[str]:
    match operation:
        case op.Create():
            yield "  " + say("registers {count} identifiers", count=len(operation.items))
            for item in operation.items[:ITEMS_SHOWN_MAX]:
                values = ", ".join(clean(f"{one.type}={one.data!r}") for one in item.values)
                yield f"    {clean(item.identifier.text)}  {values}"
        case op.Update():
            yield "  " + say("changes version {version}", version=operation.version)
            for value in operation.put:
                yield f"    {value.index:>4}  {clean(value.type)}  {clean(str(value.data))}"
            for index in operation.remove:
                yield "    " + say("{index} is removed", index=index)
        case op.Retire():
            yield "  " + say(
                "retires version {version}, reason {reason}",
                version=operation.version,
                reason=operation.reason,
            )
        case op.Anchor():
            yield "  " + say(
                "batch {sequence} of {count} readings, {first} to {last}",
                sequence=operation.sequence,
                count=operation.count,
                first=utc(operation.first_us // 1_000_000),
                last=utc(operation.last_us // 1_000_000),
            )
        case op.Delegate():
            yield "  " + say(
                "gives {prefix} to {owner}, {keys} keys",
                prefix=operation.prefix.text,
                owner=clean(operation.owner_name),
                keys=len(operation.keys),
            )
        case op.PrefixUpdate():
            yield "  " + say(
                "changes version {version}: {added} keys added, {revoked} revoked",
                version=operation.version,
                added=len(operation.add_keys),
                revoked=len(operation.revoke),
            )
        case op.Genesis():
            names = ", ".join(member.name for member in operation.members)
            yield "  " + say("begins a network of {members}", members=names)


def _bundle(data: bytes, say: Say) -> Iterator[str]:
    given = read_bundle(data)
    try:
        bundle = Bundle.decode_json(given) if isinstance(given, str) else Bundle.decode(given)
    except ProofError as error:
        raise InputError(
            f"neither a statement, nor a file of statements, nor a proof bundle ({error.reason})"
        ) from None
    yield say("a proof bundle about {ident}", ident=clean(bundle.identifier))
    network, _, rest = bundle.note.partition("\n")
    yield f"  {say('network'):<16} {clean(network)}"
    yield f"  {say('log size'):<16} {clean(rest.partition(chr(10))[0])}"
    yield f"  {say('block time'):<16} {_block_time(bundle.commit_leaf)}"
    signatures = [line for line in bundle.note.split("\n") if line.startswith("— ")]
    for line in signatures:
        yield f"  {say('signed by'):<16} {clean(line.split(' ')[1])}"
    for number, entry in enumerate(bundle.entries):
        yield from _map_entry(number, entry.data, say)
    if bundle.older is not None:
        yield "  " + say("{count} older versions", count=len(bundle.older))
    for logged in bundle.logged or ():
        yield "  " + say("log entry {index}", index=logged.index)
    if bundle.disclosure is not None:
        yield from _disclosed(bundle.disclosure.reading, bundle.disclosure.leaf, say)


def _block_time(commit_leaf: bytes) -> str:
    try:
        return utc(decode_commit_leaf(commit_leaf).ms // 1000)
    except EncodingError as error:
        return f"? ({error})"


def _map_entry(number: int, data: bytes | None, say: Say) -> Iterator[str]:
    if data is None:
        yield "  " + say("map entry {number}: absent", number=number)
        return
    try:
        found = decode_object(data)
    except LedgerError as error:
        yield "  " + say("map entry {number} cannot be read: {why}", number=number, why=str(error))
        return
    yield "  " + say("map entry {number}:", number=number)
    match found:
        case RecordObject() | PrefixObject():
            yield from (f"    {line}" for line in record_lines(versioned_json(found), say))
        case NetworkObject():
            yield "    " + say("network {name}", name=found.name)
        case StreamObject():
            yield "    " + say("stream of {ident}, next {next}", ident=found.id, next=found.next)
        case AliasObject():
            yield "    " + say("alias {ident} of {target}", ident=found.id, target=found.target)
        case UsageObject():
            yield "    " + say("usage of {ident}", ident=found.id)


def _disclosed(data: bytes, leaf: int, say: Say) -> Iterator[str]:
    try:
        reading = decode_reading(data)
    except EncodingError as error:
        yield "  " + say("the reading cannot be read: {why}", why=str(error))
        return
    yield "  " + say(
        "reading {leaf}: {name} {value} at {time}",
        leaf=leaf,
        name=clean(reading.name),
        value=value_text(reading),
        time=utc(reading.us // 1_000_000),
    )
