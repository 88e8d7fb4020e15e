"""Native answers over a network with a past: what is shown agrees with what the bundle proves."""

import json

import pytest

from ledger.core.proof import Verdict, verify
from resolver.interfaces import native
from resolver.interfaces.answer import Answer
from tests.proof_world import (
    AWAY,
    GATEWAY,
    LAB,
    NETWORK,
    PUMP,
    VALVE,
    Story,
    alias_pair,
    create,
    story,
)

ALIAS, DANGLING = "hdl:lab.1/alias", "hdl:lab.1/dangling"


@pytest.fixture(scope="module")
def told() -> Story:
    """The story with an alias that both ends name, and one that its target does not name."""
    told = story()
    alias, pump = alias_pair(told.world, ALIAS, PUMP)
    dangling, _ = alias_pair(told.world, DANGLING, GATEWAY)
    told.world.plant(alias, pump, dangling)
    told.world.run(create(told.world, LAB, f"{LAB}/last"))
    return told


def ask(told: Story, text: str, query: bytes = b"", accept: bytes = b"*/*") -> Answer:
    """Resolve an identifier at the newest head."""
    view = told.world.source()
    return native.resolve(view, native.RESOLVE + text, query, accept)  # type: ignore[arg-type]


def judge(told: Story, text: str, bundle: bytes | str) -> Verdict:
    """Verify a bundle as somebody who trusts the network."""
    now = told.world.ms // 1000
    trust = told.world.trust()
    return verify(bundle, text, network=NETWORK, trust=trust, now=now, max_age=None)


@pytest.mark.parametrize(
    ("text", "status", "kind"),
    [
        (PUMP, 200, "present"),
        (VALVE, 200, "retired"),
        (LAB, 200, "present"),
        ("hdl:", 200, "present"),
        (ALIAS, 200, "present"),
        (f"{LAB}/nothing", 404, "absent"),
        ("hdl:nobody.1/x", 404, "absent"),
        (f"{AWAY}/x", 404, "not-here"),
    ],
)
def test_the_answer_and_its_proof_agree(told: Story, text: str, status: int, kind: str) -> None:
    """In JSON, as a bare bundle, and as a member of a batch."""
    bundle = ask(told, text, accept=b"application/vnd.xinbiao.proof+cbor")
    shown = ask(told, text, b"proof=bundle")
    plain = ask(told, text)
    assert (bundle.status, shown.status, plain.status) == (status, status, status)
    assert judge(told, text, bundle.body).kind == kind
    assert judge(told, text, json.dumps(json.loads(shown.body)["proof"])).kind == kind
    assert ("proof" in json.loads(plain.body)) is (status == 404)
    body = json.dumps({"identifiers": [text], "proof": "bundle"}).encode()
    batch = native.resolve_batch(told.world.source(), body)  # type: ignore[arg-type]
    [item] = json.loads(batch.body)["results"]
    assert item["status"] == status
    assert judge(told, text, json.dumps(item["proof"])).kind == kind


def test_an_alias_shows_its_target_and_says_so(told: Story) -> None:
    shown, proved = json.loads(ask(told, ALIAS).body), ask(told, ALIAS, b"proof=bundle")
    assert (shown["identifier"], shown["alias_of"]) == (ALIAS, PUMP)
    assert shown["record"]["identifier"] == PUMP
    bundle = json.dumps(json.loads(proved.body)["proof"])
    assert judge(told, ALIAS, bundle).alias_of == shown["alias_of"]


def test_an_alias_that_its_target_does_not_name_leads_nowhere(told: Story) -> None:
    """It is shown as nothing, never as the record that it claims to be."""
    shown = ask(told, DANGLING, b"type=URL")
    assert shown.status == 404
    assert "record" not in json.loads(shown.body)


def test_an_alias_has_a_history_of_its_own(told: Story) -> None:
    view = told.world.source()
    answer = native.history(view, native.HISTORY + ALIAS, b"", b"*/*")  # type: ignore[arg-type]
    [version] = json.loads(answer.body)["versions"]
    assert (version["kind"], version["target"]) == ("alias", PUMP)
