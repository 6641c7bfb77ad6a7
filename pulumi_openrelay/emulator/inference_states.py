"""An inference cluster's life, and its replicas'.

Replicas come up one by one. One that finds no GPUs waits and tries again, soon after
some came free, and else less and less often: the document lists no 503 for a create,
so a full house shows as a cluster that does not get out of `deploying`, with a
`statusReason`. How the service handles that is unknown, as is what a cluster's status
is while it scales: here it keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import billing, capacity, hardware
from .store import Owned
from .wire import Refusal

if TYPE_CHECKING:
    from .scripts import Outcome
    from .world import World

STATUSES = frozenset({"deploying", "running", "degraded", "failed", "stopped", "terminated"})
AT_REST = frozenset({"stopped", "failed", "terminated"})

# Fractions of the time from create to the first running replica.
_BETWEEN_REPLICAS, _LEAVING = 0.3, 0.25
_RETRY_SECONDS_MIN = 5.0
_RETRY_SHARE = 0.1  # of the time waited so far, until the next try


@dataclass(kw_only=True)
class Cluster(Owned):
    """`request` is the create's body; `replica_count` what is wanted, not what there is."""

    name: str
    request: dict[str, Any]
    gpu_model_id: str | None
    gpus_per_replica: int
    resource_size: str
    tier: str
    disk_size_gb: int
    replica_count: int
    handle: str
    deploy_token: str
    updated_time: float
    status: str = "deploying"
    shown_status: str | None = None
    status_reason: str | None = None
    intent: str = ""  # "stopping" or "terminating", until it is done
    stalled: bool = False  # its replicas never come up
    slowness: float = 1.0
    last_live_status: str = "deploying"
    terminated_time: float | None = None


@dataclass(kw_only=True)
class Replica(Owned):
    cluster_id: str
    node_id: str | None = None  # None: waiting for capacity
    status: str = "deploying"
    healthy: bool = False
    session_id: str | None = None
    started_time: float | None = None


def replicas(world: World, cluster: Cluster) -> list[Replica]:
    """Oldest first, those on their way out included."""
    return [r for r in world.store.table(Replica).values() if r.cluster_id == cluster.id]


def active(world: World, cluster: Cluster) -> list[Replica]:
    return [r for r in replicas(world, cluster) if r.status == "running"]


def deploy(world: World, cluster: Cluster, outcome: Outcome | None = None) -> None:
    """Bring up as many replicas as are wanted, and then the cluster."""
    cluster.status, cluster.status_reason, cluster.updated_time = "deploying", None, world.now
    cluster.slowness = outcome.slowness if outcome else 1.0
    cluster.stalled = outcome is not None and outcome.type == "stall"
    add_replicas(world, cluster, cluster.replica_count)
    up_after = _while(world, cluster, 1 + _BETWEEN_REPLICAS * (cluster.replica_count - 1))
    if outcome is not None:
        world.plan(cluster, outcome.shape([], up_after))


def scale(world: World, cluster: Cluster, count: int) -> None:
    """New replicas come up one by one; the youngest go first."""
    here = [r for r in replicas(world, cluster) if r.status != "leaving"]
    cluster.replica_count, cluster.updated_time = count, world.now
    add_replicas(world, cluster, count - len(here))
    for replica in here[count:]:
        _leave(world, cluster, replica)
    assess(world, cluster)


def stop(world: World, cluster: Cluster, reason: str) -> None:
    _end(world, cluster, "stopping", ["stopped", reason])


def terminate(world: World, cluster: Cluster, reason: str) -> None:
    _end(world, cluster, "terminating", ["terminated", reason])


def add_replicas(world: World, cluster: Cluster, count: int) -> None:
    for place in range(count):
        replica = Replica(**world.new(cluster.owner_id), cluster_id=cluster.id)
        world.store.add(replica)
        _place(world, cluster, replica)
        up = _while(world, cluster, 1 + _BETWEEN_REPLICAS * place)
        if not cluster.stalled:
            world.plan(replica, [(up, "up", None)])


def restart_replicas(world: World, cluster: Cluster) -> None:
    """A running cluster starts its replicas again, in place, and is `deploying` meanwhile."""
    cluster.status, cluster.updated_time = "deploying", world.now
    for place, replica in enumerate(active(world, cluster)):
        replica.status, replica.healthy = "deploying", False
        up = _while(world, cluster, _BETWEEN_REPLICAS * (1 + place))
        world.plan(replica, [(up, "up", None)])


def step_cluster(world: World, cluster: Cluster, name: str, argument: Any) -> None:
    """Carry out one step of a cluster's plan."""
    match name:
        case "show":
            cluster.shown_status = argument
        case "interrupt":
            for replica in active(world, cluster)[:1]:
                set_healthy(world, cluster, replica, healthy=False)
        case "recover":
            for replica in active(world, cluster):
                set_healthy(world, cluster, replica, healthy=True)
        case "enter":
            enter(world, cluster, *argument)


def step_replica(world: World, replica: Replica, name: str, _argument: Any) -> None:
    """Carry out one step of a replica's plan."""
    cluster = world.store.table(Cluster)[replica.cluster_id]
    if name == "gone":
        remove_replica(world, cluster, replica)
    elif replica.node_id is None and not _place(world, cluster, replica):
        waited = world.now - replica.created_time
        retry = max(_retry_seconds(world), _RETRY_SHARE * waited)
        world.plan(replica, [(retry, "retry", None)])
    else:
        replica.status, replica.started_time = "running", world.now
        _bill(world, cluster, replica)
        set_healthy(world, cluster, replica, healthy=True)


def try_again(world: World) -> None:
    """Units came free: replicas that wait for some need not wait for their next try."""
    for replica in world.store.table(Replica).values():
        if replica.plan and replica.plan[0][1] == "retry":
            soon = min(_retry_seconds(world), replica.plan[0][0] - world.now)
            world.plan(replica, [(soon, "retry", None)])


def _retry_seconds(world: World) -> float:
    return max(_RETRY_SECONDS_MIN, world.settings.provision_seconds)


def set_healthy(world: World, cluster: Cluster, replica: Replica, *, healthy: bool) -> None:
    if replica.healthy != healthy:
        replica.healthy = healthy
        _emit(world, cluster, "replica.healthy" if healthy else "replica.unhealthy", replica)
    assess(world, cluster)


def assess(world: World, cluster: Cluster) -> None:
    """What the replicas make of the cluster: running, degraded, or still deploying."""
    if cluster.intent or cluster.status in AT_REST:
        return
    up = active(world, cluster)
    ill = sum(not replica.healthy for replica in up)
    if ill:
        enter(world, cluster, "degraded", f"{ill} of {len(up)} replicas unhealthy")
    elif cluster.status != "deploying" or len(up) >= cluster.replica_count:
        enter(world, cluster, "running", None)


def enter(world: World, cluster: Cluster, status: str, reason: str | None) -> None:
    """The cluster is in this status from now on, with all that follows from it."""
    changed = cluster.status != status
    if status != "terminated":
        cluster.last_live_status = status
    cluster.status, cluster.status_reason, cluster.updated_time = status, reason, world.now
    if status in AT_REST:
        cluster.intent = ""
        cluster.plan = [planned for planned in cluster.plan if planned[1] == "show"]
        world.plan(cluster, [], keep=True)
        for replica in replicas(world, cluster):
            remove_replica(world, cluster, replica)
    cluster.terminated_time = world.now if status == "terminated" else None
    if status == "terminated":
        cluster.shown_status = None
        world.plan(cluster, [])
    if changed and status in ("running", "degraded", "failed"):
        _emit(world, cluster, f"cluster.{status}")


def remove_replica(world: World, cluster: Cluster, replica: Replica) -> None:
    if replica.session_id is not None:
        billing.close_session(world, replica.session_id)
    if replica.node_id is not None:
        capacity.release(world, replica.node_id, cluster.gpus_per_replica or 1)
    world.remove(replica)
    _emit(world, cluster, "replica.terminated", replica)


def _end(world: World, cluster: Cluster, intent: str, ending: list[str]) -> None:
    cluster.intent, cluster.updated_time = intent, world.now
    for replica in replicas(world, cluster):
        world.plan(replica, [])
    cluster.plan = [planned for planned in cluster.plan if planned[1] == "show"]
    world.plan(cluster, [(_while(world, cluster, _LEAVING), "enter", ending)], keep=True)


def _leave(world: World, cluster: Cluster, replica: Replica) -> None:
    replica.status, replica.healthy = "leaving", False
    world.plan(replica, [(_while(world, cluster, _LEAVING), "gone", None)])


def _place(world: World, cluster: Cluster, replica: Replica) -> bool:
    """Find the replica a node; without one the cluster's reason says so."""
    request = cluster.request
    try:
        node = capacity.place(
            world,
            cluster.gpu_model_id or capacity.CPU,
            cluster.gpus_per_replica or 1,
            request.get("preferredRegions", ()),
            fallback=request.get("allowFallback", False),
        )
    except Refusal as refusal:
        cluster.status_reason = f"waiting for capacity: {refusal}"
        return False
    replica.node_id = node.id
    return True


def _bill(world: World, cluster: Cluster, replica: Replica) -> None:
    if replica.session_id is not None:
        return
    model = hardware.GPU_MODELS[cluster.gpu_model_id] if cluster.gpu_model_id else None
    if model is None:
        rate = hardware.MACHINE_SIZES[cluster.resource_size].cents
    else:
        rate = hardware.gpu_rate_cents(world, model, cluster.tier) * cluster.gpus_per_replica
    replica.session_id = billing.open_session(
        world,
        cluster.owner_id,
        replica.id,
        rate,
        key=model.name if model else "CPU",
        tier=cluster.tier,
        gpu_count=cluster.gpus_per_replica,
    )


def _emit(world: World, cluster: Cluster, event: str, replica: Replica | None = None) -> None:
    """API 0.1.0's events; what their data held is unknown."""
    data = {"cluster_id": cluster.id, "status": cluster.status}
    if replica is not None:
        data["replica_id"] = replica.id
    world.emit(cluster.owner_id, cluster.id, event, data)


def _while(world: World, cluster: Cluster, fraction: float) -> float:
    return fraction * world.settings.provision_seconds * cluster.slowness
