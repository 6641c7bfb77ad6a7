"""What a rented machine is asked for with: each field against the catalog, or 422 that names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import openssh
from ..wire import Refusal
from . import hardware, webhooks
from .hardware import Offer

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request that the catalog can serve, with what it left out filled in."""

    offer: Offer
    image: str
    region: str
    ssh_key_fingerprint: str
    billing_mode: str
    lifetime_hours: float | None
    webhook_url: str | None


def read(body: dict[str, Any]) -> Wanted:
    offer = _require_offer(body)
    url = body.get("webhook_url")
    if url is not None and not webhooks.is_url(url):
        raise _wrong("webhook_url", "`webhook_url` must be an http or https URL.")
    return Wanted(
        offer=offer,
        image=_require_one_of("image", body["image"], offer.images),
        region=_require_one_of("region", body.get("region") or offer.regions[0], offer.regions),
        ssh_key_fingerprint=_require_key(offer, body["ssh_public_key"]),
        billing_mode=_require_one_of(
            "billing_mode", body.get("billing_mode") or "hourly", ("hourly",)
        ),
        lifetime_hours=_require_lifetime(offer, body.get("max_lifetime_hours")),
        webhook_url=url,
    )


def _require_offer(body: dict[str, Any]) -> Offer:
    found = hardware.offers(body["prescription"])
    if not found:
        raise _wrong("prescription", f"The catalog has no {body['prescription']}.")
    mode = body.get("service_mode")
    if mode is None and len(found) > 1:
        raise _wrong("service_mode", "`service_mode` is required: this comes in both modes.")
    modes = [offer.service_mode for offer in found]
    chosen = _require_one_of("service_mode", mode or modes[0], modes)
    return hardware.offer(body["prescription"], chosen)


def _require_key(offer: Offer, line: str) -> str:
    """The key's fingerprint."""
    try:
        kind, encoded, _ = openssh.parse(line, any_comment=True)  # no document says more
    except ValueError as error:
        raise _wrong("ssh_public_key", str(error)) from error
    if kind not in offer.key_types:
        types = ", ".join(offer.key_types)
        raise _wrong("ssh_public_key", f"The key's type must be one of {types}.")
    return openssh.fingerprint(encoded)


def _require_lifetime(offer: Offer, hours: float | None) -> float | None:
    if offer.lifetime_hours is None:
        if hours is not None:
            raise _wrong("max_lifetime_hours", "This machine's lifetime cannot be limited.")
        return None
    default, most = offer.lifetime_hours
    if hours is not None and not 0 < hours <= most:
        raise _wrong("max_lifetime_hours", f"The lifetime must be from 0 to {most:g} hours.")
    return default if hours is None else hours


def _require_one_of(field: str, value: str, there: Collection[str]) -> str:
    if value not in there:
        raise _wrong(field, f"`{field}` must be one of {', '.join(there)}.")
    return value


def _wrong(field: str, sentence: str) -> Refusal:
    return Refusal(422, sentence, "VALIDATION_ERROR", field=field)
