"""Where container images come from, and that they stay what they were."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pydantic import Field

from .message import Severity
from .reading import CLUSTER, POD, VM, NotConfigured, Resource
from .rule import Demanded, Level, ResourceRule, Settings, nist

DOCKER_HUB = "docker.io"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class RegistrySettings(Demanded):
    allowed: tuple[str, ...] | None = Field(
        default=None,
        description="Registries, or patterns of registry and repository such as "
        "`ghcr.io/acme/*`; null for all.",
    )


@dataclass(frozen=True, slots=True)
class Image:
    """The parts of an image reference. property: the input that it stands in."""

    property: str
    registry: str
    repository: str
    tag: str | None
    digest: str | None


def image(machine: Resource) -> Image | None:
    """The container image that a machine runs; None where it runs none."""
    name = "image" if machine.type == POD else "image_url"
    reference = machine.text(name)
    if reference is None:
        return None
    rest, _, digest = reference.strip().removeprefix("docker://").partition("@")
    registry, slash, repository = rest.partition("/")
    if not slash or not (registry == "localhost" or "." in registry or ":" in registry):
        registry, repository = DOCKER_HUB, rest
    repository, _, tag = repository.partition(":")
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return Image(name, registry.lower(), repository, tag or None, digest or None)


def _image_digest(machine: Resource, _: Settings) -> Iterator[str]:
    found = image(machine)
    if found is not None and _DIGEST.fullmatch(found.digest or "") is None:
        yield f"{found.property} names no digest: what it stands for can change"


def _image_latest(machine: Resource, _: Settings) -> Iterator[str]:
    found = image(machine)
    if found is None or found.digest is not None:
        return
    if found.tag is None:
        yield f"{found.property} has no tag, which means latest"
    elif found.tag == "latest":
        yield f"{found.property} has the tag latest"


def _image_registry(machine: Resource, settings: RegistrySettings) -> Iterator[str]:
    found = image(machine)
    if found is None:
        return
    if settings.allowed is None:
        raise NotConfigured("allowed")
    whole = f"{found.registry}/{found.repository}"
    if not any(each == found.registry or fnmatchcase(whole, each) for each in settings.allowed):
        allowed = ", ".join(settings.allowed)
        yield f"{found.property} is of a registry or repository that is none of {allowed}"


IMAGE_LATEST = ResourceRule(
    name="image-latest",
    description="No image is named without a tag, or as latest.",
    severity=Severity.HIGH,
    framework=nist("CM-2", "Baseline Configuration"),
    remediation="name the image by its digest: repository@sha256:...",
    types=(VM, POD, CLUSTER),
    check=_image_latest,
)
IMAGE_DIGEST = ResourceRule(
    name="image-digest",
    description="Images are named by digest.",
    severity=Severity.MEDIUM,
    framework=nist("CM-14", "Signed Components"),
    remediation="name the image by its digest: repository@sha256:...",
    level=Level.ADVISORY,
    types=(VM, POD, CLUSTER),
    check=_image_digest,
)
IMAGE_REGISTRY = ResourceRule(
    name="image-registry",
    description="Images come from the registries that are allowed.",
    severity=Severity.HIGH,
    framework=nist("SR-4", "Provenance"),
    remediation="copy the image to an allowed registry, or add its own to the rule's allowed",
    settings=RegistrySettings,
    types=(VM, POD, CLUSTER),
    check=_image_registry,
)

RULES = (IMAGE_LATEST, IMAGE_DIGEST, IMAGE_REGISTRY)
