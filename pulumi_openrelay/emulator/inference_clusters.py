"""Inference clusters, API 0.1.0: `/v1/orgs/{orgId}/clusters` and `/v1/clusters/{id}`.

Their life is in `inference_states`. Most organizations do not have them any more:
the setting `inference_clusters` makes the paths 404. Which permissions they ask
for is unknown; here the VMs'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import billing, capacity, hardware, inference_states, pages, vm_shape
from .access import Call
from .area import Area, BehindTheBack, Served, set_fields
from .inference_states import AT_REST, STATUSES, Cluster, Replica
from .wire import Refusal, timestamp, without_none

if TYPE_CHECKING:
    from .world import World

# Given back as they were sent. containerCommand, registryCredentialId,
# kernelModules and templateId are not given back at all.
_ECHOED = (
    "imageUrl",
    "containerPort",
    "envVars",
    "healthCheckPath",
    "healthCheckPort",
    "healthChecks",
    "preferredRegions",
)


def _summary(world: World, cluster: Cluster) -> dict[str, Any]:
    """Without statusReason: only the detail has it."""
    return without_none(
        id=cluster.id,
        organizationId=cluster.owner_id,
        name=cluster.name,
        status=cluster.shown_status or cluster.status,
        gpuModelId=cluster.gpu_model_id,
        replicaCount=cluster.replica_count,
        activeReplicas=len(inference_states.active(world, cluster)),
        endpointUrl=_endpoint(cluster),
        createdAt=timestamp(cluster.created_time),
    )


def _endpoint(cluster: Cluster) -> str | None:
    if cluster.status == "terminated":
        return None
    return f"https://{cluster.handle}.run.openrelay.inc"


def _detail(call: Call) -> dict[str, Any]:
    world, cluster = call.world, call.find(Cluster, "cluster")
    model = hardware.GPU_MODELS.get(cluster.gpu_model_id or "")
    shared = _summary(world, cluster)
    del shared["activeReplicas"]
    detail = {
        **shared,
        **{name: cluster.request[name] for name in _ECHOED if name in cluster.request},
        **without_none(
            statusReason=cluster.status_reason,
            gpuModel=model.as_json() if model else None,
            gpusPerReplica=cluster.gpus_per_replica,
            resourceSize=cluster.resource_size,
            tier=cluster.tier,
            diskSizeGb=cluster.disk_size_gb,
            deployToken=cluster.deploy_token,
            allowFallback=cluster.request.get("allowFallback", False),
            privileged=cluster.request.get("privileged", False),
            updatedAt=timestamp(cluster.updated_time),
        ),
        "replicas": [
            _replica(world, cluster, replica)
            for replica in inference_states.replicas(world, cluster)
        ],
    }
    for hidden in world.settings.hidden_detail_fields:
        detail.pop(hidden, None)
    return detail


def _replica(world: World, cluster: Cluster, replica: Replica) -> dict[str, Any]:
    node = world.store.table(capacity.Node).get(replica.node_id or "")
    return without_none(
        id=replica.id,
        gpuCount=cluster.gpus_per_replica,
        status=replica.status,
        healthy=replica.healthy,
        nvlinkEnabled=False,
        nodeLocation=node.location["name"] if node else None,
        nodeRegion=node.location["region"] if node else None,
        startedAt=timestamp(replica.started_time),
        createdAt=timestamp(replica.created_time),
    )


def _list(call: Call) -> dict[str, Any]:
    def row(cluster: Cluster) -> dict[str, Any]:
        described = _summary(call.world, cluster)
        ended = cluster.terminated_time
        # A lagging list shows a cluster that has just ended as it was before.
        if ended is not None and ended + call.world.settings.list_lag_seconds > call.world.now:
            described["status"] = cluster.last_live_status
        return described

    return pages.page(call, pages.listed(call, Cluster), row)


def _create(call: Call) -> dict[str, Any]:
    """No idempotency key is taken. Whether names are unique is unknown; here they are not."""
    world, organization, body = call.world, call.caller, call.body
    name = vm_shape.require_name(body["name"])
    if body.get("gpuModelId"):
        body = {"gpusPerReplica": 1, **body}
    shape = vm_shape.require_shape(world, body, "gpusPerReplica")
    tier = vm_shape.require_tier(body.get("tier", "community"))
    vm_shape.require_template(body.get("templateId"))
    count = body.get("replicaCount", 1)
    if count < 1:
        raise Refusal(400, "`replicaCount` must be at least 1.")
    billing.require_balance(world, organization)
    cluster = Cluster(
        **world.new(organization.id),
        name=name,
        request=body,
        gpu_model_id=shape["gpu_model_id"],
        gpus_per_replica=shape["gpu_count"],
        resource_size=shape["resource_size"],
        tier=tier,
        disk_size_gb=shape["disk_size_gb"],
        replica_count=count,
        handle=world.new_id("inf").replace("_", "-")[:16],
        deploy_token=world.new_id("dt"),
        updated_time=world.now,
    )
    world.store.add(cluster)
    inference_states.deploy(world, cluster, world.scripts.take("cluster", name))
    return _summary(world, cluster)


def _get(call: Call) -> dict[str, Any]:
    return _summary(call.world, call.find(Cluster, "cluster"))


def _scale(call: Call) -> dict[str, Any]:
    world, cluster = call.world, call.find(Cluster, "cluster")
    if cluster.status in AT_REST or cluster.intent:
        raise Refusal(
            409,
            f"A cluster that is {cluster.intent or cluster.status} cannot be scaled.",
            "INVALID_CLUSTER_STATE",
        )
    if call.body["replicaCount"] > cluster.replica_count:
        billing.require_balance(world, call.caller)
    inference_states.scale(world, cluster, call.body["replicaCount"])
    return _summary(world, cluster)


def _stop(call: Call) -> dict[str, Any]:
    """The document lists no 409: where there is nothing to stop, the answer is 200 here."""
    world, cluster = call.world, call.find(Cluster, "cluster")
    if cluster.status not in AT_REST and not cluster.intent:
        inference_states.stop(world, cluster, "user_stopped")
    return _summary(world, cluster)


def _restart(call: Call) -> dict[str, Any]:
    """A terminated one stays so, and the answer is 200 here: the document lists no 409."""
    world, cluster = call.world, call.find(Cluster, "cluster")
    if cluster.intent or cluster.status == "terminated":
        return _summary(world, cluster)
    if cluster.status in AT_REST:
        billing.require_balance(world, call.caller)
        inference_states.deploy(world, cluster)
    elif cluster.status != "deploying":
        inference_states.restart_replicas(world, cluster)
    return _summary(world, cluster)


def _terminate(call: Call) -> dict[str, Any]:
    world, cluster = call.world, call.find(Cluster, "cluster")
    if cluster.status != "terminated" and cluster.intent != "terminating":
        inference_states.terminate(world, cluster, "user_terminated")
    return _summary(world, cluster)


def _stop_for_balance(world: World, owner_id: str) -> None:
    for cluster in world.live_clusters():
        moving = cluster.status not in AT_REST and not cluster.intent
        if cluster.owner_id == owner_id and moving:
            inference_states.stop(world, cluster, "auto_stopped_insufficient_balance")


def _live(world: World) -> dict[str, list[dict[str, Any]]]:
    sessions = world.store.table(billing.Session)
    return {
        "clusters": [
            {
                "id": cluster.id,
                "name": cluster.name,
                "status": cluster.status,
                "rate_cents_per_hour": sum(
                    sessions[replica.session_id].rate_cents
                    for replica in inference_states.replicas(world, cluster)
                    if replica.session_id
                ),
            }
            for cluster in world.live_clusters()
        ]
    }


def _change(world: World, cluster: Cluster, changes: dict[str, Any]) -> None:
    """Behind the user's back: `status` with `status_reason`, or any field of the record."""
    status = changes.pop("status", None)
    reason = changes.pop("status_reason", None)
    set_fields(world, cluster, changes)
    if status is None:
        return
    if status not in STATUSES:
        cluster.shown_status = status
        return
    cluster.shown_status = None
    inference_states.enter(world, cluster, status, reason)


def _remove(world: World, cluster: Cluster) -> None:
    for replica in inference_states.replicas(world, cluster):
        inference_states.remove_replica(world, cluster, replica)
    world.remove(cluster)


AREA = Area(
    operations={
        "listOrgClusters": Served(_list, "compute.read"),
        "createCluster": Served(_create, "compute.create"),
        "getCluster": Served(_get, "compute.read"),
        "getClusterDetail": Served(_detail, "compute.read"),
        "scaleCluster": Served(_scale, "compute.operate"),
        "stopCluster": Served(_stop, "compute.operate"),
        "restartCluster": Served(_restart, "compute.operate"),
        "terminateCluster": Served(_terminate, "compute.delete"),
    },
    records=(Cluster, Replica),
    steps={
        Cluster: inference_states.step_cluster,
        Replica: inference_states.step_replica,
    },
    behind_the_back={"clusters": BehindTheBack(Cluster, _change, _remove)},
    live=_live,
    stop_machines=_stop_for_balance,
    enabled=lambda world: world.settings.inference_clusters,
)
