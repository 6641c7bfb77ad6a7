"""What the internet can reach, and what a container can reach."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from .message import Severity
from .reading import CLUSTER, INSTANCE, POD, VM, WEBHOOK, NotEvaluated, Resource
from .rule import Level, ResourceRule, Settings, nist

_LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


def _public_machine(machine: Resource, _: Settings) -> Iterator[str]:
    if machine.flag("public"):
        yield "public is true: its HTTP endpoint asks nobody for a key"


def _public_endpoint(machine: Resource, _: Settings) -> Iterator[str]:
    if machine.type == CLUSTER:
        yield "it has an endpoint on the internet"
    else:
        yield "it has an address on the internet"


def _privileged_container(machine: Resource, _: Settings) -> Iterator[str]:
    if machine.flag("privileged"):
        yield "privileged is true: the container can do whatever its host can"


def _health_check_tls(machine: Resource, _: Settings) -> Iterator[str]:
    checks = machine.texts("health_checks") or []
    path, port = machine.text("health_check_path"), machine.number("health_check_port")
    checked = bool(checks) or path is not None or port is not None
    if checked and port not in (443, 8443) and "https" not in checks:
        yield "its health check goes over plain HTTP or TCP"


def _webhook_https(resource: Resource, _: Settings) -> Iterator[str]:
    name, parts = _url(resource)
    if parts is not None and parts.scheme != "https":
        yield f"{name} is not https: everyone on the way can read what is delivered"


def _webhook_private_address(resource: Resource, _: Settings) -> Iterator[str]:
    name, parts = _url(resource)
    if parts is not None and _is_private(parts.hostname or ""):
        yield f"{name} leads to a private or local address"


def _url(resource: Resource) -> tuple[str, SplitResult | None]:
    name = "url" if resource.type == WEBHOOK else "webhook_url"
    text = resource.text(name)
    try:
        return name, None if text is None else urlsplit(text.strip())
    except ValueError:
        raise NotEvaluated(f"{name} is no URL") from None


def _is_private(host: str) -> bool:
    """Whether an address, or a name without any look-up, is one that the internet does not have."""
    host = host.rstrip(".").lower()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            # 127.1, 0x7f000001 and 2130706433 are addresses too, for those who resolve them.
            address = ipaddress.IPv4Address(socket.inet_aton(host))
        except (OSError, UnicodeError, ValueError):
            return "." not in host or host.endswith(_LOCAL_SUFFIXES)
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_global


PUBLIC_MACHINE = ResourceRule(
    name="public-machine",
    description="Machines serve only those who have a key.",
    severity=Severity.HIGH,
    framework=nist("AC-3", "Access Enforcement"),
    remediation="leave public out, and give those who use it an API key",
    types=(VM, POD),
    check=_public_machine,
)
PUBLIC_ENDPOINT = ResourceRule(
    name="public-endpoint",
    description="What the internet can reach is agreed to, by an exemption of this rule.",
    severity=Severity.MEDIUM,
    framework=nist("SC-7", "Boundary Protection"),
    remediation="exempt it with a reason and an owner, or do without it",
    level=Level.DISABLED,
    types=(CLUSTER, INSTANCE),
    check=_public_endpoint,
)
PRIVILEGED_CONTAINER = ResourceRule(
    name="privileged-container",
    description="Containers run without privileges.",
    severity=Severity.CRITICAL,
    framework=nist("AC-6", "Least Privilege"),
    remediation="leave privileged out",
    types=(VM, CLUSTER),
    check=_privileged_container,
)
HEALTH_CHECK_TLS = ResourceRule(
    name="health-check-tls",
    description="Health checks use TLS.",
    severity=Severity.LOW,
    framework=nist("SC-8", "Transmission Confidentiality and Integrity"),
    remediation='serve it over TLS: health_check_port=443, or health_checks=["https"]',
    level=Level.ADVISORY,
    types=(VM, CLUSTER),
    check=_health_check_tls,
)
WEBHOOK_HTTPS = ResourceRule(
    name="webhook-https",
    description="Webhooks are delivered over HTTPS.",
    severity=Severity.HIGH,
    framework=nist("SC-8", "Transmission Confidentiality and Integrity"),
    remediation="give a URL that begins with https://",
    types=(WEBHOOK, INSTANCE),
    check=_webhook_https,
)
WEBHOOK_PRIVATE_ADDRESS = ResourceRule(
    name="webhook-private-address",
    description="Webhooks lead to addresses that the internet has.",
    severity=Severity.HIGH,
    framework=nist("SC-7", "Boundary Protection"),
    remediation="give the URL of a public receiver",
    types=(WEBHOOK, INSTANCE),
    check=_webhook_private_address,
)

RULES = (
    PUBLIC_MACHINE,
    PUBLIC_ENDPOINT,
    PRIVILEGED_CONTAINER,
    HEALTH_CHECK_TLS,
    WEBHOOK_HTTPS,
    WEBHOOK_PRIVATE_ADDRESS,
)
