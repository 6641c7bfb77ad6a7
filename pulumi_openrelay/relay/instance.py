"""Rented machines: `/v2/instances`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import pulumi

from ..api.pages import Pages
from ..errors import Interrupted, OpenRelayError
from ..lifecycle.declare import AlikeKind, Catalog, Create, Delete, Inputs, Listed, Row, States
from ..lifecycle.fields import NAME, In, Out, output, replaces, setting
from ..lifecycle.url import not_a_url
from ..resources.machine import Machine
from ..resources.ssh_key import fingerprint, not_a_key, same_key
from .api_key import ApiKeyKind, may_be

if TYPE_CHECKING:
    from ..caller import Caller
    from ..lifecycle.session import Session

CATALOG = "/v2/instances/catalog"
FINGERPRINT = "ssh_key_fingerprint"
TOLD = ("prescription", "image", "service_mode", "billing_mode", "region")
"""The inputs that a row tells."""
MARKED = re.compile(r"[?&]pulumi=([^?&#]+-[0-9a-f]{16}-[0-9a-f]{6})$")
"""The query of a webhook URL that carries the name by which an instance is found again."""


def _marked(url: str, mark: str) -> str:
    """The URL with this mark and no other; otherwise as it was written."""
    head, hash_, fragment = _unmarked(url).partition("#")
    return f"{head}{'&' if '?' in head else '?'}pulumi={mark}{hash_}{fragment}"


def _unmarked(url: str) -> str:
    head, hash_, fragment = url.partition("#")
    return MARKED.sub("", head) + hash_ + fragment


def _same_url(old: str, new: str) -> bool:
    return _unmarked(old) == _unmarked(new)


def _not_hours(hours: float) -> str | None:
    return None if hours > 0 else "should be more than 0"


@pulumi.output_type
class Connection(dict[str, Any]):
    """How to reach an instance."""

    public_ip: str
    hostname: str
    port: int
    user: str


class Instance(Machine, module="relay", name="Instance"):
    """A rented machine or container, billed by the period from `ready` on.

    Nothing about it changes in place. The API gives it no name: give a `webhook_url`, whose query
    then carries a mark, and one that a crash left behind is found again wherever the next `up`
    runs, as far as the API tells the URL; without one, it is found again on the machine that the
    crash happened on. Where the API tells which key rented what, `relay:customerToken` lets it be
    told from what other keys of the account rent meanwhile.

    API: `createInstance`, `getInstance`, `listInstances`, `terminateInstance`.
    """

    prescription: In[str] = replaces(min_length=1)
    """The hardware, a `prescription` of the catalog (`getInstanceCatalog`)."""
    image: In[str] = replaces(min_length=1)
    """One of the prescription's `compatible_images`."""
    ssh_public_key: In[str] = replaces(readable=False, same=same_key, problem=not_a_key)
    """One OpenSSH public key on one line, such as `Path("id.pub").read_text()`, of one of the
    prescription's `ssh_key_types`. A change of the comment alone changes nothing."""
    service_mode: In[Literal["dedicated_machine", "managed_container"] | None] = replaces(
        default=None
    )
    """`dedicated_machine` (SSH to a public IP) or `managed_container` (a host name and a port).
    Needed only for a prescription that comes in both."""
    billing_mode: In[str | None] = replaces(default=None, min_length=1)
    """One of the prescription's `billing_modes`. Default: the API's."""
    region: In[str | None] = replaces(default=None, min_length=1)
    """One of the prescription's `regions`. Default: its `default_region`."""
    max_lifetime_hours: In[int | float | None] = replaces(
        default=None, readable=False, problem=_not_hours
    )
    """After how many hours it ends by itself, for a prescription that has a `lifetime`."""
    webhook_url: In[str | None] = replaces(default=None, same=_same_url, problem=not_a_url)
    """Where its events are sent. A query `pulumi=<mark>` is added."""
    wait_for: In[Literal["ready", "none"] | None] = setting(default=None, absent="ready")
    """What a create waits for: `ready` or `none`. Default: `ready`. How long: `custom_timeouts`,
    else 30 minutes."""

    status: Out[str] = output()
    """`requested`, `provisioning`, `ready`, `terminating`, `terminated`, `failed`, or a state that
    the API adds later."""
    ended_reason: Out[str | None] = output(free_text=True)
    """Why it ended, such as `balance_exhausted`."""
    display_name: Out[str | None] = output()
    """The prescription as the catalog calls it."""
    kind: Out[str | None] = output()
    """`gpu`, `npu` or `cpu`."""
    connection: Out[Connection | None] = output()
    """How to reach it, once it is ready."""
    ssh_key_fingerprint: Out[str | None] = output()
    """The fingerprint of the key that it lets in."""
    rate_per_period: Out[float | None] = output()
    """US dollars for each billing period."""
    billing_period_seconds: Out[int | None] = output()
    """How long a billing period is."""
    expires_at: Out[str | None] = output()
    """When it ends by itself: RFC 3339, UTC."""
    created_at: Out[str] = output()
    """When it was asked for."""
    ready_at: Out[str | None] = output()
    """When it was ready, and began to bill."""
    key_id: Out[str | None] = output()
    """The API key that rented it."""


class InstanceKind(AlikeKind, resource=Instance):
    noun = "instance"
    listed = Listed(
        "/v2/instances",
        pages=Pages(
            items="instances", cursor="next_cursor", asks="starting_after", more="has_more"
        ),
        query=(("status", "current"),),
    )
    create = Create("/v2/instances")
    detail = "/v2/instances/{id}"
    delete = Delete(
        "POST",
        "/v2/instances/{id}/terminate",
        # It cannot be ended before it is ready; a code may be missing.
        waits_out={"INSTANCE_NOT_READY": 3600.0, "": 3600.0},
    )
    states = States(
        starting=frozenset({"requested", "provisioning"}),
        running=frozenset({"ready"}),
        failed=frozenset({"failed"}),
        ended=frozenset({"terminated", "failed"}),
        ending=frozenset({"terminating"}),
    )
    bills = True
    priced_by = frozenset({"prescription", "service_mode", "billing_mode"})
    anew = "webhook_url"
    key_advice = (
        "set relay:customerToken, which tells whose keys are whose, import it with "
        "`pulumi-openrelay import` if it is this resource's, or end it if nobody needs it"
    )
    catalog = (CATALOG,)
    create_seconds = 1800.0
    delete_seconds = 1800.0

    def nameless(self, inputs: Inputs) -> bool:
        return inputs.get("webhook_url") is None

    def called(self, row: Row) -> str | None:
        found = MARKED.search(str(row.get("webhook_url")).partition("#")[0])
        return found[1] if found else None

    def tells_name(self, row: Row) -> bool:
        return isinstance(row.get("webhook_url"), str)

    def likeness(self, inputs: Inputs) -> str:
        key = fingerprint(inputs["ssh_public_key"])
        return f"{inputs['prescription']} {inputs['image']} {key}"

    def key_of(self, row: Row) -> str | None:
        key = row.get("key_id")
        return key if isinstance(key, str) else None

    def my_key(self, session: Session, caller: Caller) -> str | None:
        key = session.client.credentials(self.create.path).get("x-api-key")
        if key is None:
            return None
        try:
            rows, _ = session.rows(caller, ApiKeyKind.listed, float("-inf"))
        except Interrupted:
            raise
        except OpenRelayError:
            return None  # an ordinary key may not read them
        fitting = [row["id"] for row in rows.values() if may_be(row, key)]
        return fitting[0] if len(fitting) == 1 else None

    def body(self, inputs: Inputs) -> dict[str, Any]:
        body = super().body(inputs)
        body["ssh_public_key"] = inputs["ssh_public_key"].strip()
        if inputs.get("webhook_url") is not None:
            body["webhook_url"] = _marked(inputs["webhook_url"], inputs[NAME])
        return body

    def twin(self, row: Row, inputs: Inputs) -> bool:
        if self.tells_name(row) and not self.nameless(inputs):
            return super().twin(row, inputs)
        return self.fits(row, inputs) and not self.tells_name(row)

    def replacing(self, inputs: Inputs) -> dict[str, Any]:
        asked = super().replacing(inputs)
        asked["ssh_public_key"] = fingerprint(asked["ssh_public_key"])
        if "webhook_url" in asked:
            asked["webhook_url"] = _unmarked(asked["webhook_url"])
        return asked

    def look(self, inputs: Inputs) -> dict[str, Any]:
        look = {name: inputs[name] for name in TOLD if inputs.get(name) is not None}
        return {**look, FINGERPRINT: fingerprint(inputs["ssh_public_key"])}

    def looks_like(self, row: Row, look: Mapping[str, Any]) -> bool:
        rest = {name: value for name, value in look.items() if name != FINGERPRINT}
        if FINGERPRINT in look and _is_another(row.get(FINGERPRINT), look[FINGERPRINT]):
            return False
        return super().looks_like(row, rest)

    def contradicts(self, name: str, value: Any, outputs: Inputs) -> bool:
        told = outputs.get(FINGERPRINT)
        return name == "ssh_public_key" and _is_another(told, fingerprint(value))

    def rate(self, row: Row) -> int | None:
        price, period = row.get("rate_per_period"), row.get("billing_period_seconds")
        if not isinstance(price, (int, float)) or not isinstance(period, int) or period <= 0:
            return None
        cents = price * 100 * 3600 / period
        return round(cents) or int(cents > 0)  # 0 is what bills nothing

    def derived(self, row: Row) -> dict[str, Any]:
        rate = self.rate(row)
        told: dict[str, Any] = {} if rate is None else {"rate_cents_per_hour": rate}
        if isinstance(row.get("webhook_url"), str):
            told["webhook_url"] = _unmarked(str(row["webhook_url"]))
        return told

    def not_offered(
        self, inputs: Inputs, known: Callable[..., bool], catalog: Catalog
    ) -> Iterator[tuple[str, str]]:
        if CATALOG not in catalog or not known("prescription", "service_mode"):
            return
        rows = _rows(catalog)
        mine = _offers(rows, inputs)
        if not rows:
            return  # an answer that is no catalog refuses nothing
        if not mine:
            names = sorted({str(row.get("prescription")) for row in rows})
            if inputs["prescription"] not in names:
                yield "prescription", f"is not in the catalog; there are {', '.join(names)}"
            else:
                yield "service_mode", "is not one that the catalog has for this prescription"
        elif len({row.get("service_mode") for row in mine}) > 1:
            yield "service_mode", "is required: this prescription comes in more than one"
        else:
            yield from _unfit(mine[0], inputs, known)

    def foreseen(self, inputs: Inputs, catalog: Catalog) -> dict[str, Any]:
        offers = _offers(_rows(catalog), inputs)
        for mode in _billing_modes(offers[0]) if len(offers) == 1 else []:
            wanted = inputs.get("billing_mode")
            if mode.get("mode") == wanted or (wanted is None and mode.get("default") is True):
                period = {"billing_period_seconds": mode.get("period_seconds")}
                rate = self.rate({**mode, **period})
                return {} if rate is None else {"rate_cents_per_hour": rate}
        return {}


def _is_another(told: Any, of_the_key: str) -> bool:
    """Whether a fingerprint that the API tells is certainly not this key's."""
    told = str(told).rstrip("=")
    return told.startswith("SHA256:") and bool(told != of_the_key)


def _rows(catalog: Catalog) -> list[Mapping[str, Any]]:
    answer = catalog.get(CATALOG)
    rows = answer.get("rows") if isinstance(answer, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _offers(rows: list[Mapping[str, Any]], inputs: Inputs) -> list[Mapping[str, Any]]:
    return [
        row
        for row in rows
        if row.get("prescription") == inputs.get("prescription")
        and inputs.get("service_mode") in (None, row.get("service_mode"))
    ]


def _billing_modes(offer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    modes = offer.get("billing_modes")
    return [mode for mode in modes if isinstance(mode, dict)] if isinstance(modes, list) else []


def _unfit(
    offer: Mapping[str, Any], inputs: Inputs, known: Callable[..., bool]
) -> Iterator[tuple[str, str]]:
    """What a row of the catalog does not take."""
    choices = {
        "image": offer.get("compatible_images"),
        "region": offer.get("regions"),
        "billing_mode": [mode.get("mode") for mode in _billing_modes(offer)],
    }
    for name, allowed in choices.items():
        given = inputs.get(name)
        if known(name) and given is not None and isinstance(allowed, list) and given not in allowed:
            yield name, f"is not one that this prescription takes: {', '.join(map(str, allowed))}"
    types = offer.get("ssh_key_types")
    if known("ssh_public_key") and isinstance(types, list):
        given = inputs["ssh_public_key"].split()[0]
        if types and given not in types:
            yield "ssh_public_key", f"is {given}, and this prescription takes {', '.join(types)}"
    hours, lifetime = inputs.get("max_lifetime_hours"), offer.get("lifetime")
    if hours is None or not known("max_lifetime_hours"):
        return
    if not isinstance(lifetime, dict):
        yield "max_lifetime_hours", "is not something that this prescription takes"
    elif isinstance(lifetime.get("max_hours"), (int, float)) and hours > lifetime["max_hours"]:
        yield "max_lifetime_hours", f"should be at most {lifetime['max_hours']}"
