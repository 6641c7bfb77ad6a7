"""What keeps a service up when a machine, a location or a person fails."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from .message import Severity
from .reading import CLUSTER, MACHINES, POD, VM, Resource
from .rule import Level, ResourceRule, Settings, nist


class ReplicaSettings(Settings):
    min_replicas: int = Field(default=2, ge=1, description="The fewest replicas of a cluster.")


class DiskSettings(Settings):
    min_gb: int = Field(default=50, ge=1, description="The smallest disk or volume, in GB.")


def _replicas(cluster: Resource, settings: ReplicaSettings) -> Iterator[str]:
    replicas = cluster.number("replica_count")
    if replicas is None:
        yield f"replica_count is not set: nothing says that it has {settings.min_replicas}"
    elif replicas < settings.min_replicas:
        yield f"replica_count is {replicas:.0f}, less than {settings.min_replicas}"


def _locations(cluster: Resource, _: Settings) -> Iterator[str]:
    # Without preferred_regions the platform spreads replicas as it can.
    regions = cluster.texts("preferred_regions")
    if regions is not None and len(set(regions)) < 2 and not cluster.flag("allow_fallback"):
        yield "preferred_regions names one location: all replicas fail with it"


def _disk_size(machine: Resource, settings: DiskSettings) -> Iterator[str]:
    name = "volume_gb" if machine.type == POD else "disk_size_gb"
    size = machine.number(name)
    if size is not None and size < settings.min_gb:
        yield f"{name} is {size:.0f}, less than {settings.min_gb}"


def _deletion_protection(machine: Resource, _: Settings) -> Iterator[str]:
    if not machine.flag("deletion_protection"):
        yield "deletion_protection is not on: a change of the program can end it and its disk"


def _fallback(machine: Resource, _: Settings) -> Iterator[str]:
    regions = machine.texts("preferred_regions")
    if regions is not None and len(set(regions)) < 2 and machine.value("allow_fallback") is False:
        yield (
            "preferred_regions names one location and allow_fallback is false: "
            "without capacity there, it does not start"
        )


REPLICAS = ResourceRule(
    name="replicas",
    description="Clusters have enough replicas to lose one.",
    severity=Severity.MEDIUM,
    framework=nist("CP-10", "System Recovery and Reconstitution"),
    remediation="set replica_count to 2 or more",
    level=Level.ADVISORY,
    settings=ReplicaSettings,
    types=(CLUSTER,),
    check=_replicas,
)
LOCATIONS = ResourceRule(
    name="locations",
    description="Clusters run in more than one location.",
    severity=Severity.MEDIUM,
    framework=nist("SC-36", "Distributed Processing and Storage"),
    remediation="name two locations or more in preferred_regions",
    level=Level.ADVISORY,
    types=(CLUSTER,),
    check=_locations,
)
DISK_SIZE = ResourceRule(
    name="disk-size",
    description="Disks are large enough not to fill up at once.",
    severity=Severity.LOW,
    framework=nist("CP-2", "Contingency Plan: Capacity Planning"),
    remediation="leave the size out, or choose a larger one: a disk is hard to grow later",
    level=Level.ADVISORY,
    settings=DiskSettings,
    types=(VM, POD, CLUSTER),
    check=_disk_size,
)
DELETION_PROTECTION = ResourceRule(
    name="deletion-protection",
    description="Machines are protected from being deleted or replaced by a slip.",
    severity=Severity.MEDIUM,
    framework=nist("CP-9", "System Backup"),
    remediation="set deletion_protection=True",
    level=Level.ADVISORY,
    types=MACHINES,
    check=_deletion_protection,
)
FALLBACK = ResourceRule(
    name="fallback",
    description="Machines have another place to go to.",
    severity=Severity.LOW,
    framework=nist("CP-7", "Alternate Processing Site"),
    remediation="name more locations in preferred_regions, or leave allow_fallback out",
    level=Level.ADVISORY,
    types=(VM, CLUSTER),
    check=_fallback,
)

RULES = (REPLICAS, LOCATIONS, DISK_SIZE, DELETION_PROTECTION, FALLBACK)
