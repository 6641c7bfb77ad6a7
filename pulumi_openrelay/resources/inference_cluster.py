"""Inference clusters of API 0.1.0: `/v1/orgs/{orgId}/clusters`, `/v1/clusters/{id}`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import pulumi

from ..api.pages import Pages
from ..errors import Conflict
from ..lifecycle.declare import Create, Delete, Inputs, Listed, in_place
from ..lifecycle.fields import (
    In,
    InListOrNone,
    InMapOrNone,
    Out,
    blank_element,
    output,
    replaces,
    setting,
    updates,
)
from ..lifecycle.machine import STATES, MachineKind
from .machine import Machine

if TYPE_CHECKING:
    from ..lifecycle.remote import Remote

INVALID_STATE = "INVALID_CLUSTER_STATE"


@pulumi.output_type
class GpuModel(dict[str, Any]):
    """A GPU model of the catalog."""

    id: str
    name: str
    manufacturer: str
    vram_gb: int
    hidden: bool
    architecture: str
    form_factor: str
    interconnect: str
    created_at: str


@pulumi.output_type
class ClusterReplica(dict[str, Any]):
    """One replica of an inference cluster."""

    id: str
    status: str
    healthy: bool
    gpu_count: int
    nvlink_enabled: bool
    consecutive_failures: int
    last_health_check_at: str
    endpoint_url: str
    internal_ip: str
    port: int
    ssh_port: int
    node_id: str
    node_hostname: str
    node_location: str
    node_region: str
    disk_total_bytes: int
    disk_used_bytes: int
    disk_updated_at: str
    started_at: str
    created_at: str


class InferenceCluster(Machine, module="openrelay", name="InferenceCluster"):
    """Replicas of one container image behind one endpoint.

    The number of replicas changes in place, and so do stopping and starting; everything else needs
    a new cluster. Only API 0.1.0 has inference clusters: an organization without them gets an error
    that says so.

    API 0.1.0: `createCluster`, `getClusterDetail`, `scaleCluster`, `stopCluster`, `restartCluster`,
    `terminateCluster`.
    """

    name: In[str | None] = replaces(default=None, min_length=1)
    """What the cluster is called. Default: made of the resource's name, in a way that finds it
    again after a lost answer."""
    gpu_model_id: In[str | None] = replaces(default=None, min_length=1)
    """The GPU model of each replica, an id of the catalog (`GET /v1/gpu-models`)."""
    gpus_per_replica: In[int | None] = replaces(default=None, ge=1)
    """GPUs of each replica. Default: the API's."""
    replica_count: In[int | None] = updates(default=None, ge=1)
    """How many replicas. Default: the API's. In place: `scaleCluster`."""
    resource_size: In[str | None] = replaces(default=None, min_length=1)
    """The machine size of a replica without GPUs."""
    tier: In[str | None] = replaces(default=None, min_length=1)
    """The purchase tier. Default: the API's."""
    allow_fallback: In[bool | None] = replaces(default=None)
    """Whether another placement than the preferred one will do. Default: the API's."""
    image_url: In[str | None] = replaces(default=None, min_length=1)
    """The container image."""
    registry_credential_id: In[str | None] = replaces(default=None, readable=False, min_length=1)
    """The credential that pulls the image. The API does not give it back."""
    template_id: In[str | None] = replaces(default=None, readable=False, min_length=1)
    """The template. The API does not give it back."""
    container_port: In[int | None] = replaces(default=None, ge=1, le=65535)
    """The port that the endpoint leads to."""
    container_command: InListOrNone[str] = replaces(default=None, readable=False)
    """The container's command. The API does not give it back."""
    env_vars: InMapOrNone[str] = replaces(default=None, secret=True)
    """Environment variables of the container: a secret as a whole."""
    disk_size_gb: In[int | None] = replaces(default=None, ge=1)
    """The disk of each replica in GB. Default: the API's."""
    health_check_path: In[str | None] = replaces(default=None, min_length=1)
    """The path of the health check."""
    health_check_port: In[int | None] = replaces(default=None, ge=1, le=65535)
    """The port of the health check."""
    health_checks: InListOrNone[str] = replaces(default=None, problem=blank_element)
    """Health checks by name."""
    kernel_modules: InListOrNone[str] = replaces(
        default=None, readable=False, problem=blank_element
    )
    """Kernel modules to load. The API does not give them back."""
    preferred_regions: InListOrNone[str] = replaces(default=None, problem=blank_element)
    """Regions to try first."""
    privileged: In[bool | None] = replaces(default=None)
    """Whether the containers run privileged. Default: the API's."""
    desired_state: In[Literal["running", "stopped"] | None] = updates(
        default=None, absent="running", in_create=False
    )
    """`stopped` ends billing and keeps the cluster. Default: `running`. In place: `stopCluster`,
    `restartCluster`."""
    wait_for: In[Literal["running", "none"] | None] = setting(default=None, absent="running")
    """What a create or start waits for: `running` or `none`. Default: `running`. How long:
    `custom_timeouts`, else 30 minutes."""
    adopt: In[bool | None] = setting(default=None, absent=False)
    """Take over a live cluster of the same `name` instead of failing; a delete then leaves it in
    place. Default: False."""

    status: Out[str] = output()
    """`running`, `degraded` (some replicas are unhealthy), `failed`, `stopped`, or a state that the
    API adds later."""
    status_reason: Out[str | None] = output(free_text=True)
    """Why it has this status."""
    organization_id: Out[str] = output()
    """The organization whose it is."""
    active_replicas: Out[int | None] = output(listed=True)
    """How many replicas serve."""
    endpoint_url: Out[str | None] = output()
    """The endpoint of all replicas together."""
    deploy_token: Out[str | None] = output(secret=True)
    """The token that deploys to it."""
    gpu_model: Out[GpuModel | None] = output()
    """The GPU model as the catalog has it."""
    replicas: Out[list[ClusterReplica] | None] = output()
    """Each replica as it was when the list last showed a change of the cluster."""
    notes: Out[str | None] = output(free_text=True)
    """The API's notes."""
    created_at: Out[str] = output()
    """When it was made: RFC 3339, UTC."""
    updated_at: Out[str | None] = output()
    """When it last changed."""
    adopted: Out[bool] = output(readable=False)
    """True where `adopt` took over an existing cluster, which a delete leaves in place."""


class InferenceClusterKind(MachineKind, resource=InferenceCluster):
    noun = "inference cluster"
    listed = Listed(
        "/v1/orgs/{org}/clusters",
        pages=Pages(null=True),
        missing="this organization's API has no inference clusters (404)",
    )
    create = Create("/v1/orgs/{org}/clusters/create")
    detail = "/v1/clusters/{id}/detail"
    delete = Delete("POST", "/v1/clusters/{id}/terminate", waits_out={INVALID_STATE: 600.0})

    def problems(self, inputs: Inputs, known: Callable[..., bool]) -> Iterator[tuple[str, str]]:
        if inputs.get("gpu_model_id") is not None and inputs.get("resource_size") is not None:
            yield "resource_size", "is for replicas without GPUs: leave it out, or gpu_model_id"
        if inputs.get("gpus_per_replica") is not None and inputs.get("gpu_model_id") is None:
            yield "gpu_model_id", "is required with gpus_per_replica"

    def size(self, inputs: Inputs) -> int | None:
        replicas, each = inputs.get("replica_count"), inputs.get("gpus_per_replica")
        if inputs.get("gpu_model_id") is None:
            each = 1
        return None if replicas is None or each is None else replicas * each

    def priced(self, remote: Remote, now: Inputs) -> dict[str, Any]:
        # A cluster tells no rate: it is priced as it is now, whoever has scaled or started it.
        if str(now.get("status")) in STATES.stopped | STATES.failed:
            return {}
        shape = {name: value for name, value in now.items() if value}
        priced = self.foreseen(shape, remote.session.offers(remote.caller, self.catalog))
        is_other = any(now.get(name) != remote.recorded.get(name) for name in self.priced_by)
        return priced or ({"rate_cents_per_hour": None} if is_other else {})

    @in_place("desired_state")
    def restart(self, cluster: Remote) -> None:
        if cluster.new.get("desired_state") != "stopped":
            self.start(cluster, "/v1/clusters/{id}/restart")
            if "replica_count" in cluster.changing:
                cluster.wait(STATES.running)

    @in_place("replica_count")
    def scale(self, cluster: Remote) -> None:
        body = {"replicaCount": cluster.new["replica_count"]}
        try:
            cluster.send("POST", "/v1/clusters/{id}/scale", body, repeatable=True)
        except Conflict as error:
            # The API does not say in which states it scales: a preview refuses none.
            stays = cluster.new.get("desired_state") == "stopped"
            rests = STATES.rests(str(cluster.seen.get("status")))
            if error.code == INVALID_STATE and stays and rests and not error.advice:
                error.advice = (
                    'set desired_state="running" with replica_count, and "stopped" after it, or '
                    "take the change back"
                )
            raise

    @in_place("desired_state")
    def halt(self, cluster: Remote) -> None:
        if cluster.new.get("desired_state") == "stopped":
            self.stop(cluster, "/v1/clusters/{id}/stop")
