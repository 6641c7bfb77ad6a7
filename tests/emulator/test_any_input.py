"""Whatever is sent, the answer is one that the document knows: never an exception."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from pulumi_openrelay.emulator import Request, SimulatedClock, World
from pulumi_openrelay.emulator.contract import document
from pulumi_openrelay.emulator.openrelay import AREAS
from pulumi_openrelay.emulator.ssh_keys import parse

from .support import Api, bodies, public_key

FIELDS = [
    *("name", "sshKeyIds", "gpuModelId", "gpuCount", "resourceSize", "diskSizeGb", "cloudInit"),
    *("envVars", "tier", "guestMemMb", "replicaCount", "gpusPerReplica", "templateId", "nodeId"),
    *("publicKey", "url", "events", "enabled", "public", "newSizeGb", "sshKeyId"),
]
SERVED = [operation for area in AREAS for operation in area.operations]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_request_gets_an_answer_of_the_document(data: st.DataObject) -> None:
    clock = SimulatedClock()
    world = World(clock=clock, check_answers=True)
    api = Api(world, clock)
    vm, cluster = api.running_vm(), api.running_cluster()
    webhook = api.ok("POST", f"{api.org}/webhooks/create", {"name": "w", "url": "http://h"})
    known = [vm, cluster, webhook["id"], api.ssh_key(), public_key(2), api.model("H100"), "small"]
    operation = document("openrelay").operations[data.draw(st.sampled_from(SERVED))]
    path = operation.template.replace("{orgId}", world.first_organization.id)
    for name in operation.path_parameters:
        path = path.replace(f"{{{name}}}", data.draw(st.sampled_from([*known, "%00", "unknown"])))
    body = data.draw(bodies(FIELDS, known))
    query = data.draw(
        st.dictionaries(
            st.sampled_from(["limit", "cursor", "days", "range"]), st.text(), max_size=2
        )
    )
    headers = {"authorization": "Bearer or_local", "idempotency-key": data.draw(st.text())}
    sent = Request(operation.method, path, query, headers, body)
    # The world itself checks the answer against the document.
    assert world.handle(sent).status in {*operation.statuses, 400, 402, 404}


@given(st.text() | st.text().map(lambda comment: f"{public_key()} {comment}"))
def test_any_line_is_a_key_or_a_sentence(line: str) -> None:
    with contextlib.suppress(ValueError):
        kind, encoded, comment = parse(line)
        assert parse(f"{kind} {encoded} {comment}") == (kind, encoded, comment)
