"""Proof bundles of docs/spec/proof.md a second time: built, and written as CBOR and JSON."""

import json
from typing import Any

from tests.vectors.second import cbor, identifiers, trees
from tests.vectors.second.chain import Chain, note
from tests.vectors.second.story import Story

Bundle = dict[int, Any]
TIME_S = 1_767_226_000  # when the members cosigned


def entry(chain: Chain, key: bytes) -> dict[int, Any]:
    """Return a map entry: present with its object, or absent."""
    obj = chain.objects.get(key)
    return {
        1: None if obj is None else cbor.encode(obj),
        2: trees.prove(chain.pairs(), key),
    }


def logged(chain: Chain, index: int) -> dict[int, Any]:
    """Return a log entry with its path."""
    return {1: index, 2: chain.entries[index], 3: trees.path(chain.leaves(), index)}


def current(story: Story, asked: str, *, time_s: int = TIME_S) -> Bundle:
    """Return the bundle for question current."""
    chain = story.chain
    leaves = chain.leaves()
    entries = [entry(chain, identifiers.map_key(asked))]
    if entries[0][1] is None:
        for parent in identifiers.parents(asked):
            entries.append(entry(chain, identifiers.map_key(parent)))
            if entries[-1][1] is not None:
                break
    return {
        0: 1,
        1: asked,
        2: note(chain.checkpoint(), time_s),
        3: chain.entries[-1],
        4: trees.path(leaves, len(leaves) - 1),
        5: entries,
    }


def history(story: Story, asked: str, *, down_to: int = 1) -> Bundle:
    """Return the bundle for question history, down to a version."""
    made = current(story, asked)
    older = story.chain.older.get(identifiers.map_key(asked), [])
    return made | {6: older[down_to - 1 :][::-1]}


def reading(story: Story, asked: str, leaf: int) -> Bundle:
    """Return the bundle for question reading: one leaf of batch 0."""
    chain, batch = story.chain, story.batch
    made = current(story, asked)
    issuer = chain.objects[identifiers.map_key(batch.stream)][2]
    made[5] += [
        entry(chain, identifiers.map_key(batch.stream, "stream")),
        entry(chain, identifiers.map_key(issuer)),
    ]
    index = chain.entries.index(story.statements["anchor"])
    return made | {7: [logged(chain, index)], 10: batch.disclosure(leaf)}


def consistent(story: Story, made: Bundle, old: int) -> Bundle:
    """Return the bundle with a consistency proof from an older size."""
    return made | {8: trees.consistency(story.chain.leaves(), old)}


def to_json(value: Any) -> Any:
    """Return the JSON twin of a value."""
    if isinstance(value, bytes):
        return trees.b64(value)
    if isinstance(value, list):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in sorted(value.items())}
    return value


def twin(made: Bundle) -> str:
    """Return the JSON twin as a writer emits it."""
    return json.dumps(to_json(made), ensure_ascii=False, separators=(",", ":"))
