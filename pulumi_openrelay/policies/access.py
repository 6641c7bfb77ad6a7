"""Who gets in: SSH keys, API keys and provisioning tokens of OpenRelay."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator

from pydantic import Field

from ..resources.ssh_key import type_and_blob
from .message import Severity
from .reading import (
    API_KEY,
    INSTANCE,
    POD,
    PROVISIONING_TOKEN,
    SSH_KEY,
    VM,
    NotEvaluated,
    Resource,
    Stack,
    UnknownProperty,
)
from .rule import Level, Problem, ResourceRule, Settings, StackRule, finops, nist

NANO_USD = 1_000_000_000
SECONDS_PER_DAY = 86_400
STRONG_TYPES = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
)


class SshKeySettings(Settings):
    allowed_types: tuple[str, ...] = Field(
        default=STRONG_TYPES, description="Types as OpenSSH calls them."
    )
    min_rsa_bits: int = Field(default=3072, ge=1024, description="The shortest RSA key, in bits.")


class SharedKeySettings(Settings):
    max_machines: int = Field(
        default=8, ge=1, description="How many machines one key may let into."
    )


class ScopeSettings(Settings):
    refused: tuple[str, ...] = Field(
        default=("clusters:write",),
        description="Scopes and permissions of no key; `clusters:write` makes more keys.",
    )


class ApiKeyBudgetSettings(Settings):
    max_usd: float = Field(
        default=1000,
        gt=0,
        description="The most that a key may spend in its period, in US dollars.",
    )


class ExpirySettings(Settings):
    max_days: float = Field(default=90, gt=0, description="How long a key may live, in days.")


class TokenSettings(Settings):
    max_enrollments: int = Field(
        default=8, ge=1, description="The most nodes that a token may enroll."
    )


def _ssh_key_strength(resource: Resource, settings: SshKeySettings) -> Iterator[str]:
    name = "public_key" if resource.type == SSH_KEY else "ssh_public_key"
    line = resource.text(name)
    if line is None:
        return
    key = type_and_blob(line)
    if key is None:
        yield f"{name} is no OpenSSH public key"
        return
    kind, blob = key
    if kind not in settings.allowed_types:
        yield f"{name} is of the type {kind}, which is not allowed"
    elif kind == "ssh-rsa" and _rsa_bits(blob) < settings.min_rsa_bits:
        yield f"{name} is an RSA key of {_rsa_bits(blob)} bits, less than {settings.min_rsa_bits}"


def _rsa_bits(blob: bytes) -> int:
    """The length of the modulus, the third of the blob's fields; 0 where it has none."""
    fields = []
    while len(blob) >= 4:
        length = int.from_bytes(blob[:4], "big")
        fields.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return int.from_bytes(fields[2], "big").bit_length() if len(fields) > 2 else 0


def _shared_ssh_key(stack: Stack, settings: SharedKeySettings) -> Iterator[Problem]:
    identity = _identities(stack)
    machines: dict[str, set[str]] = defaultdict(set)
    for machine in stack.of_type(VM, POD, INSTANCE):
        try:
            keys = _keys(machine)
        except UnknownProperty as why:
            yield Problem.unknown(why, machine)
            continue
        for key in keys:
            machines[identity.get(key, key)].add(machine.name)
    for names in sorted({tuple(sorted(names)) for names in machines.values()}):
        if len(names) > settings.max_machines:
            some = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            yield Problem(
                f"one SSH key opens {len(names)} machines ({some}), "
                f"more than {settings.max_machines}"
            )


def _keys(machine: Resource) -> list[str]:
    """The keys that let into a machine: the URNs of those that are declared, else ids, or of an
    instance the key itself. Raises UnknownProperty."""
    if machine.type == INSTANCE:
        line = machine.text("ssh_public_key")
        return [_blob(line) or line] if line else []
    declared = list(machine.dependencies.get("ssh_key_ids", ()))
    try:
        ids = machine.texts("ssh_key_ids") or []
    except UnknownProperty:
        # The ids of keys that are yet to be made: which keys they are of is known.
        if not declared:
            raise
        return declared
    return declared if len(declared) == len(ids) else ids


def _identities(stack: Stack) -> dict[str, str]:
    """What is one and the same key: its URN, and its id where a machine tells both, by its blob."""
    found = {}
    for key in stack.of_type(SSH_KEY):
        with contextlib.suppress(NotEvaluated):
            found[key.urn] = _blob(key.text("public_key")) or key.urn
    for machine in stack.of_type(VM, POD):
        declared = machine.dependencies.get("ssh_key_ids", ())
        with contextlib.suppress(NotEvaluated):
            ids = machine.texts("ssh_key_ids") or []
            if len(ids) == len(declared) == 1:
                found[ids[0]] = found.get(declared[0], declared[0])
    return found


def _blob(line: str | None) -> str | None:
    """The key of an OpenSSH line without its comment; None where it is none."""
    key = type_and_blob(line) if line else None
    return None if key is None else key[1].hex()


def _api_key_scope(key: Resource, settings: ScopeSettings) -> Iterator[str]:
    granted = {
        name: key.texts(*path)
        for name, path in (
            ("scopes", ("scopes",)),
            ("permissions", ("permissions",)),
            ("restrictions.permissions", ("restrictions", "permissions")),
        )
    }
    if key.text("template") is None and not any(granted.values()):
        yield "it has neither scopes nor permissions: it may do all that its owner may"
    for name, given in granted.items():
        # Names of scopes are the API's own: only those of the configuration are shown.
        refused = [each for each in settings.refused if each in (given or ())]
        if refused:
            yield f"{name} has {', '.join(refused)}"


def _api_key_budget(key: Resource, settings: ApiKeyBudgetSettings) -> Iterator[str]:
    limit = key.number("budget", "limit_nano_usd")
    if limit is None:
        yield "budget is not set: its inference may spend the whole balance"
    elif limit > settings.max_usd * NANO_USD:
        yield f"budget is ${limit / NANO_USD:,.2f}, more than ${settings.max_usd:,.2f}"


def _api_key_expiry(key: Resource, settings: ExpirySettings) -> Iterator[str]:
    seconds = key.number("expires_in_seconds")
    if seconds is None or seconds <= 0:
        yield "expires_in_seconds is not set: it never expires"
    elif seconds > settings.max_days * SECONDS_PER_DAY:
        days = seconds / SECONDS_PER_DAY
        yield f"it lives {days:,.0f} days, more than {settings.max_days:g}"


def _provisioning_token(token: Resource, settings: TokenSettings) -> Iterator[str]:
    # The API's name, `class`, is a keyword in Python.
    node_class = token.text("class_") or token.text("node_class") or token.text("class")
    if node_class != "interruptible":
        yield "it is of the class persistent: it enrolls any number of nodes for a day"
        return
    most = token.number("max_enrollments")
    if most is None:
        yield f"max_enrollments is not set, which means 64, more than {settings.max_enrollments}"
    elif most > settings.max_enrollments:
        yield f"it enrolls {most:.0f} nodes, more than {settings.max_enrollments}"


SSH_KEY_STRENGTH = ResourceRule(
    name="ssh-key-strength",
    description="SSH keys are of a strong type and length.",
    severity=Severity.HIGH,
    framework=nist("IA-5", "Authenticator Management"),
    remediation="make an Ed25519 key: ssh-keygen -t ed25519",
    settings=SshKeySettings,
    types=(SSH_KEY, INSTANCE),
    check=_ssh_key_strength,
)
SHARED_SSH_KEY = StackRule(
    name="shared-ssh-key",
    description="No SSH key opens too many machines.",
    severity=Severity.MEDIUM,
    framework=nist("AC-6", "Least Privilege"),
    remediation="give the machines keys of their own, or raise the rule's max_machines",
    level=Level.ADVISORY,
    settings=SharedKeySettings,
    check=_shared_ssh_key,
)
API_KEY_SCOPE = ResourceRule(
    name="api-key-scope",
    description="API keys of OpenRelay may do what they are for, and no more (a kind that other "
    "packages declare).",
    severity=Severity.HIGH,
    framework=nist("AC-6", "Least Privilege"),
    remediation="give it the scopes or the permissions that it needs",
    settings=ScopeSettings,
    types=(API_KEY,),
    check=_api_key_scope,
)
API_KEY_BUDGET = ResourceRule(
    name="api-key-budget",
    description="API keys of OpenRelay have a budget (a kind that other packages declare).",
    severity=Severity.MEDIUM,
    framework=finops("Budgeting", "Limits that spending is held to"),
    remediation="give it a budget that fits, or raise the rule's max_usd",
    level=Level.ADVISORY,
    settings=ApiKeyBudgetSettings,
    types=(API_KEY,),
    check=_api_key_budget,
)
API_KEY_EXPIRY = ResourceRule(
    name="api-key-expiry",
    description="API keys of OpenRelay expire (a kind that other packages declare).",
    severity=Severity.MEDIUM,
    framework=nist("IA-5", "Authenticator Management"),
    remediation="set expires_in_seconds, and make a new key in time",
    level=Level.ADVISORY,
    settings=ExpirySettings,
    types=(API_KEY,),
    check=_api_key_expiry,
)
PROVISIONING_TOKEN_LIMIT = ResourceRule(
    name="provisioning-token",
    description="Provisioning tokens enroll few nodes (a kind that other packages declare).",
    severity=Severity.HIGH,
    framework=nist("IA-3", "Device Identification and Authentication"),
    remediation="use a token of the class interruptible with a small max_enrollments",
    settings=TokenSettings,
    types=(PROVISIONING_TOKEN,),
    check=_provisioning_token,
)

RULES = (
    SSH_KEY_STRENGTH,
    SHARED_SSH_KEY,
    API_KEY_SCOPE,
    API_KEY_BUDGET,
    API_KEY_EXPIRY,
    PROVISIONING_TOKEN_LIMIT,
)
