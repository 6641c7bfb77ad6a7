"""Virtual machines: `/v1/orgs/{orgId}/vms/create`, then `/v1/vms/{id}`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any, Literal

import pulumi

from ..api.pages import Pages
from ..errors import Conflict, Rejected
from ..lifecycle.declare import (
    Catalog,
    Create,
    Delete,
    Inputs,
    Listed,
    Row,
    Rows,
    Telling,
    in_place,
)
from ..lifecycle.fields import (
    In,
    InList,
    InListOrNone,
    InMapOrNone,
    Out,
    blank_element,
    output,
    replaces,
    same_set,
    setting,
    updates,
)
from ..lifecycle.machine import PRICING, STATES, MachineKind, prices
from .machine import Machine
from .ssh_key import SSH_KEYS, held_by

if TYPE_CHECKING:
    from ..lifecycle.remote import Remote


def _shrinks(old: int, new: int) -> bool:
    return new < old


def _not_a_script(script: str) -> str | None:
    if not script.startswith("#!"):
        return "should be a script that begins with a shebang, such as #!/bin/bash"
    return None


@pulumi.output_type
class VmGpuInfo(dict[str, Any]):
    """The GPU of a VM."""

    name: str
    vram_gb: int
    manufacturer: str
    price_per_hour_cents: int


@pulumi.output_type
class VmNodeInfo(dict[str, Any]):
    """Where a VM runs."""

    location: str


@pulumi.output_type
class VmTemplateInfo(dict[str, Any]):
    """The OS template of a VM."""

    name: str
    os_type: str
    os_version: str


class Vm(Machine, module="openrelay", name="Vm"):
    """A GPU or CPU virtual machine, billed by the hour while it runs.

    Give `gpu_model_id` and `gpu_count` for a GPU VM, or `resource_size` for a CPU VM. Visibility,
    SSH keys, disk growth, stopping and starting change in place; everything else needs a new VM,
    and a VM's disk ends with it.

    API: `createVm`, `getVmDetail`, `terminateVm` and the operations named below.
    """

    ssh_key_ids: InList[str] = updates(same=same_set, min_length=1, problem=blank_element)
    """The ids of the organization's SSH keys that it lets in: at least one. In place:
    `attachVmSshKey`, `detachVmSshKey`."""
    name: In[str | None] = replaces(default=None, min_length=1)
    """What the VM is called. Default: made of the resource's name, in a way that finds it again
    after a lost answer."""
    gpu_model_id: In[str | None] = replaces(default=None, min_length=1)
    """The GPU model, an id of the catalog (`GET /v1/gpu-models`)."""
    gpu_count: In[int | None] = replaces(default=None, ge=1)
    """How many GPUs; what can be placed now is in `GET /v1/gpu-availability`."""
    resource_size: In[str | None] = replaces(default=None, min_length=1)
    """The size of a CPU VM, one of the sizes in `GET /v1/pricing`. Never together with GPUs."""
    tier: In[str | None] = replaces(default=None, min_length=1)
    """The purchase tier. `spot` is cheaper, and may be ended by the owner of the capacity at any
    time. Default: the API's."""
    image_url: In[str | None] = replaces(default=None, min_length=1)
    """A container image to run."""
    template_id: In[str | None] = replaces(default=None, min_length=1, readable=False)
    """The OS template (`GET /v1/vm-templates`). Default: the API's. The API does not give it
    back."""
    container_command: InListOrNone[str] = replaces(default=None, readable=False)
    """The container's command. The API does not give it back."""
    container_port: In[int | None] = replaces(default=None, ge=1, le=65535)
    """The port that the endpoint leads to."""
    env_vars: InMapOrNone[str] = replaces(default=None, readable=False, secret=True)
    """Environment variables of the container: a secret as a whole. The API does not give them
    back."""
    cloud_init: In[str | None] = replaces(
        default=None, readable=False, secret=True, problem=_not_a_script
    )
    """A script that begins with a shebang and runs as root once per disk, after the network and the
    SSH keys are up. A script that fails stops neither the VM nor its billing: read its logs. A
    secret; the API does not give it back."""
    disk_size_gb: In[int | None] = updates(default=None, ge=1, replaces_when=_shrinks)
    """The boot disk in GB. Default: 100 for each GPU. It grows in place while the VM is stopped
    (`resizeVmDisk`, beta: recorded by the API, not yet carried out); a smaller one needs a new
    VM. The output is the size that the API tells."""
    guest_mem_mb: In[int | None] = replaces(default=None, ge=1)
    """Memory of a GPU VM in MiB. Default: the share that its GPUs come with. The output is what it
    runs with, which may be more."""
    health_check_path: In[str | None] = replaces(default=None, readable=False, min_length=1)
    """The path of the health check. The API does not give it back."""
    health_check_port: In[int | None] = replaces(default=None, readable=False, ge=1, le=65535)
    """The port of the health check. The API does not give it back."""
    health_checks: InListOrNone[str] = replaces(default=None, readable=False, problem=blank_element)
    """Health checks by name. The API does not give them back."""
    kernel_modules: InListOrNone[str] = replaces(
        default=None, readable=False, problem=blank_element
    )
    """Kernel modules to load. The API does not give them back."""
    preferred_regions: InListOrNone[str] = replaces(
        default=None, readable=False, problem=blank_element
    )
    """Regions to try first. The API does not give them back."""
    allow_fallback: In[bool | None] = replaces(default=None, readable=False)
    """Whether another placement than the preferred one will do. The API does not give it back."""
    privileged: In[bool | None] = replaces(default=None, readable=False)
    """Whether the container runs privileged. The API does not give it back."""
    node_id: In[str | None] = replaces(default=None, readable=False, min_length=1)
    """A node of the organization's reserved capacity; without room there, the create is refused.
    Default: the public pool. The API does not give it back."""
    public: In[bool | None] = updates(default=None, absent=False)
    """True opens the HTTP endpoint to everyone; otherwise it asks for one of the organization's API
    keys. Default: False. In place: `setVmVisibility`."""
    desired_state: In[Literal["running", "stopped"] | None] = updates(
        default=None, absent="running", in_create=False
    )
    """`stopped` gives back the GPUs and ends billing, and keeps the disk; starting again competes
    for the capacity of its node. Default: `running`. In place: `stopVm`, `restartVm`."""
    wait_for: In[Literal["running", "ssh", "none"] | None] = setting(default=None, absent="running")
    """What a create or start waits for: `running`, `ssh` (until its SSH server has answered:
    minutes later on a GPU VM), or `none`. Default: `running`. How long: `custom_timeouts`, else 30
    minutes."""
    adopt: In[bool | None] = setting(default=None, absent=False)
    """Take over a live VM of the same `name` instead of making one; a delete then leaves it in
    place. Default: False."""

    status: Out[str] = output()
    """`deploying`, `running`, `stopped`, `failed`, `interrupted` (its node is away: it resumes by
    itself, unbilled), `pending`, or a state that the API adds later."""
    status_reason: Out[str | None] = output(free_text=True)
    """Why it has this status."""
    provisioning_stage: Out[str | None] = output(free_text=True)
    """How far the deployment is."""
    organization_id: Out[str] = output()
    """The organization whose it is."""
    healthy: Out[bool | None] = output()
    """What the health check said when the list last showed a change of the VM."""
    endpoint_url: Out[str | None] = output()
    """The HTTP endpoint."""
    price_per_hour_cents: Out[int | None] = output()
    """The bundled hourly rate in US cents, locked while it runs."""
    non_billable: Out[bool | None] = output()
    """True where its usage is recorded and never charged."""
    ssh_command: Out[str | None] = output()
    """A command to paste."""
    ssh_host: Out[str | None] = output()
    """The SSH gateway."""
    ssh_port: Out[int | None] = output()
    """The gateway's port."""
    ssh_user: Out[str | None] = output()
    """The login user inside the VM."""
    ssh_handle: Out[str | None] = output()
    """The user name at the gateway that leads to this VM."""
    ssh_ready: Out[bool | None] = output()
    """True once its SSH server has been seen to answer, as of the last change of the VM that the
    list showed."""
    ssh_state: Out[str | None] = output()
    """`booting`, `ready` or `offline`, as of the last change of the VM that the list showed."""
    ssh_state_reason: Out[str | None] = output(free_text=True)
    """Why it has this SSH state."""
    gpu_model_name: Out[str | None] = output(listed=True)
    """The GPU's name in the catalog."""
    gpu_manufacturer: Out[str | None] = output(listed=True)
    """The GPU's maker."""
    gpu_info: Out[VmGpuInfo | None] = output()
    """The GPU: name, memory and rate."""
    node_info: Out[VmNodeInfo | None] = output()
    """The location of its node; None where it has none."""
    template_info: Out[VmTemplateInfo | None] = output()
    """The OS template."""
    os_type: Out[str | None] = output()
    """The operating system."""
    compute_class: Out[str | None] = output()
    """The purchase option; empty for a plain VM."""
    capability_tier: Out[str | None] = output()
    """The capability tier; empty for a plain VM."""
    service_type: Out[str | None] = output()
    """The tag of a managed service; empty for a plain VM."""
    managed_by: Out[str | None] = output(listed=True)
    """The platform's own owner; empty for a customer's VM."""
    guest_vcpu: Out[int | None] = output()
    """Virtual CPUs that it runs with."""
    requested_guest_mem_mb: Out[int | None] = output()
    """Memory asked for, or chosen at admission, in MiB."""
    disk_total_bytes: Out[int | None] = output()
    """The size of the disk as the guest sees it."""
    disk_used_bytes: Out[int | None] = output()
    """What is used of it, as of the last change of the VM that the list showed."""
    host_disk_free_gb: Out[int | None] = output()
    """For pods: free disk of the host, as of the last change of the VM that the list showed."""
    host_disk_total_gb: Out[int | None] = output()
    """For pods: disk of the host."""
    volume_gb: Out[int | None] = output()
    """For pods: the size of the volume."""
    volume_mount_path: Out[str | None] = output()
    """For pods: where the volume is mounted."""
    volume_used_at: Out[str | None] = output()
    """For pods: when the use of the volume was reported."""
    volume_used_bytes: Out[int | None] = output()
    """For pods: what the volume holds, as of the last change of the VM that the list showed."""
    created_at: Out[str] = output()
    """When it was made: RFC 3339, UTC."""
    updated_at: Out[str | None] = output()
    """When it last changed."""
    started_at: Out[str | None] = output()
    """When it last started."""
    interrupted_at: Out[str | None] = output()
    """When it became interrupted; cleared when it recovers."""
    terminated_at: Out[str | None] = output()
    """When it was terminated; None while it lives."""
    adopted: Out[bool] = output(readable=False)
    """True where `adopt` took over an existing VM, which a delete leaves in place."""


def _disk_limits(catalog: Catalog) -> tuple[float, float]:
    """GB, by the pricing."""
    pricing = catalog.get(PRICING)
    limits = pricing.get("vmDisk") if isinstance(pricing, dict) else None
    limits = limits if isinstance(limits, dict) else {}
    least, most = limits.get("minGb"), limits.get("maxGb")
    return (
        least if isinstance(least, int) else 0,
        most if isinstance(most, int) and most > 0 else math.inf,
    )


def _has_one_key(outputs: Inputs) -> bool:
    return len(outputs.get("ssh_key_ids", ())) == 1


def _only_keys(vms: Rows, keys: Rows) -> Rows:
    """The SSH key of each live VM that has but one: the list of keys names those VMs.

    A name may be shared, with a pod too, which no list of VMs has. So nothing is told of VMs that
    share a name or are named by two keys, nor by a key that more machines let in than it names,
    since one of them may be a VM that is called like a pod.
    """
    names = {
        vm_id: str(vm.get("name"))
        for vm_id, vm in vms.items()
        if vm.get("status") not in STATES.ended
    }
    held = {key: held_by(row) for key, row in keys.items()}
    vms_of, keys_of = (
        Counter(names.values()),
        Counter(n for held_vms in held.values() for n in held_vms),
    )
    only = {
        name: key
        for key, held_vms in held.items()
        if len(held_vms) == keys[key].get("attachedVmCount")
        for name in held_vms
        if vms_of[name] == keys_of[name] == 1
    }
    return {vm_id: {"ssh_key_ids": [only[name]]} for vm_id, name in names.items() if name in only}


class VmKind(MachineKind, resource=Vm):
    noun = "VM"
    listed = Listed("/v1/orgs/{org}/vms", pages=Pages(null=True), query=(("activeOnly", "true"),))
    create = Create("/v1/orgs/{org}/vms/create", idempotent=True)
    detail = "/v1/vms/{id}/detail"
    told_by = Telling(SSH_KEYS, of=_has_one_key, tell=_only_keys)
    delete = Delete("POST", "/v1/vms/{id}/terminate")

    def problems(self, inputs: Inputs, known: Callable[..., bool]) -> Iterator[tuple[str, str]]:
        gpu = inputs.get("gpu_model_id") is not None or inputs.get("gpu_count") is not None
        if gpu and inputs.get("resource_size") is not None:
            yield "resource_size", "is for CPU VMs: leave it out, or gpu_model_id and gpu_count"
        elif gpu and inputs.get("gpu_count") is None:
            yield "gpu_count", "is required with gpu_model_id"
        elif gpu and inputs.get("gpu_model_id") is None:
            yield "gpu_model_id", "is required with gpu_count"
        elif not gpu and inputs.get("resource_size") is None:
            yield (
                "gpu_model_id",
                "and gpu_count are required for a GPU VM, resource_size for a CPU VM",
            )
        if inputs.get("wait_for") == "ssh" and inputs.get("desired_state") == "stopped":
            yield "wait_for", "cannot be ssh where desired_state is stopped"

    def not_offered(
        self, inputs: Inputs, known: Callable[..., bool], catalog: Catalog
    ) -> Iterator[tuple[str, str]]:
        # The pricing is the catalog of the sizes. A GPU model that it does not have may be there
        # all the same, such as on a reserved node, unless it is the name of one.
        if inputs.get("adopt") is True:
            return  # what is taken over need not be on offer
        size, model = inputs.get("resource_size"), inputs.get("gpu_model_id")
        sizes = [str(row.get("resourceSize")) for row in prices(catalog, "cpu")]
        if size is not None and known("resource_size") and sizes and size not in sizes:
            yield "resource_size", f"is not in the API's pricing; there are {', '.join(sizes)}"
        priced = prices(catalog, "gpu")
        names = {str(row.get("gpuModelName")) for row in priced}
        names -= {str(row.get("gpuModelId")) for row in priced}
        if model is not None and known("gpu_model_id") and model in names:
            lookup = f'openrelay.gpu_model_id("{model}")'
            yield "gpu_model_id", f"is the name of a GPU model; its id is what {lookup} gives"
        least, most = _disk_limits(catalog)
        disk = inputs.get("disk_size_gb")
        if disk is not None and known("disk_size_gb") and not least <= disk <= most:
            wanted = f"from {least} to {most}" if most < math.inf else f"at least {least}"
            yield "disk_size_gb", f"should be {wanted}, not {disk}"

    def size(self, inputs: Inputs) -> int | None:
        return inputs.get("gpu_count") if inputs.get("gpu_model_id") else 1

    def needs_detail(self, inputs: Inputs) -> bool:
        return inputs.get("wait_for") == "ssh" and inputs.get("desired_state") != "stopped"

    def derived(self, row: Row) -> dict[str, Any]:
        # What is False may be left out of an answer.
        return {"public": row.get("public") is True, **super().derived(row)}

    def asked(self, outputs: Inputs) -> dict[str, Any]:
        # It may run with more, and no program that says what it asked for should replace it.
        memory = outputs.get("requested_guest_mem_mb")
        return {} if memory is None else {"guest_mem_mb": memory}

    def lacks(self, row: Row, inputs: Inputs) -> tuple[str, str] | None:
        if not self.needs_detail(inputs) or row.get("sshReady") is True:
            return None
        return "its SSH server had not answered", f"ssh: {row.get('sshState') or 'not known'}"

    def actual(self, remote: Remote) -> dict[str, Any]:
        keys = remote.send("GET", "/v1/vms/{id}/ssh-keys", answers=list)
        rows = [key for key in keys if isinstance(key, dict) and "id" in key]
        return {"ssh_key_ids": [str(key["id"]) for key in rows if key.get("attached")]}

    def taken_away(self, old: Row, new: Inputs) -> Iterator[str]:
        theirs = [key for key in old["ssh_key_ids"] if key not in new["ssh_key_ids"]]
        if theirs:
            yield (
                f"it lets in the SSH keys {', '.join(theirs)} no more, which ssh_key_ids does not "
                f"name: add those that somebody needs"
            )

    def impossible(
        self, old: Row, new: Inputs, updates: Collection[str]
    ) -> Iterator[tuple[str, str]]:
        status, stops = old.get("status"), new.get("desired_state") == "stopped"
        if "disk_size_gb" not in updates or status in STATES.stopped:
            return
        reason = (
            'grows only while the VM is stopped: set desired_state="stopped" with it, and '
            '"running" after it (starting again competes for the capacity of its node)'
        )
        if status in STATES.failed:
            reason = (
                "grows only while the VM is stopped, and this one has failed, which no stop "
                'changes: run `pulumi up` with desired_state="running" and without the new size, '
                'which starts it again, then with "stopped" and the size'
            )
        if status in STATES.failed or not stops:
            yield "disk_size_gb", reason

    @in_place("desired_state")
    def halt(self, vm: Remote) -> None:
        if vm.new.get("desired_state") == "stopped":
            self.stop(vm, "/v1/vms/{id}/stop")
            if "disk_size_gb" in vm.changing:
                vm.wait(STATES.stopped)

    @in_place("public")
    def set_visibility(self, vm: Remote) -> None:
        body = {"public": vm.new.get("public") is True}
        vm.send("POST", "/v1/vms/{id}/visibility", body, repeatable=True)

    @in_place("ssh_key_ids")
    def change_keys(self, vm: Remote) -> None:
        old, new = vm.old.get("ssh_key_ids", []), vm.new["ssh_key_ids"]
        # Attach first: the last key cannot be detached.
        for key in new:
            if key not in old:
                self._attach(vm, key)
        for key in old:
            if key not in new:
                vm.send("DELETE", "/v1/vms/{id}/ssh-keys/{key}", parts={"key": key})

    def _attach(self, vm: Remote, key: str) -> None:
        try:
            vm.send("POST", "/v1/vms/{id}/ssh-keys", {"sshKeyId": key}, repeatable=True)
        except (Conflict, Rejected):
            # What the API says to a second attach, after an answer that was lost, is unknown.
            if key not in self.actual(vm)["ssh_key_ids"]:
                raise

    @in_place("disk_size_gb")
    def grow_disk(self, vm: Remote) -> None:
        size = vm.new["disk_size_gb"]
        try:
            vm.act(
                "/v1/vms/{id}/resize-disk",
                {"newSizeGb": size},
                done=lambda row: row.get("diskSizeGb") == size,
            )
        except (Conflict, Rejected) as error:
            # A refusal with a code, or of what is not stopped, has a reason of its own.
            as_done = error.outcome_unknown and error.code is None and error.status in (400, 409)
            if not as_done or vm.look().get("status") not in STATES.stopped:
                raise
            vm.caller.warn(
                f"{error.what}, which is taken for done, because an answer to the same was lost "
                f"before: if the disk never has {size} GB, ask for another size"
            )

    @in_place("desired_state")
    def restart(self, vm: Remote) -> None:
        if vm.new.get("desired_state") != "stopped":
            self.start(vm, "/v1/vms/{id}/restart")
