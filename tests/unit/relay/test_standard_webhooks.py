"""Relay's deliveries, signed by Standard Webhooks: theirs are accepted by us, and ours by them."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
import relaygpu
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from pulumi_openrelay.emulator.relay.webhooks import sign
from pulumi_openrelay.webhooks import STANDARD_TOLERANCE_SECONDS, NotVerified, verify

SECRET = "whsec_" + base64.b64encode(b"a secret of 24 bytes....").decode()
OTHER = "whsec_" + base64.b64encode(b"another one of 24 bytes.").decode()
NOW = 1_790_000_000
BODY = json.dumps({"event": "instance.ready", "task_id": "ins_1:instance.ready"}).encode()


def signed(
    secret: str = SECRET, body: bytes = BODY, message: str = "msg_1", at: int = NOW
) -> dict[str, str]:
    """The headers of a delivery, by a library that nobody here wrote."""
    moment = datetime.fromtimestamp(at, UTC)
    return {
        "Webhook-Id": message,
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": Webhook(secret).sign(message, moment, body.decode()),
    }


def test_what_a_standard_library_signs_is_accepted() -> None:
    assert verify(BODY, signed(), SECRET, now=NOW) == json.loads(BODY)


@given(st.binary(min_size=1, max_size=64), st.text(min_size=1, max_size=20), st.text(max_size=50))
def test_any_secret_and_body_are(key: bytes, message: str, text: str) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    body = json.dumps({"text": text}).encode()
    assert verify(body, signed(secret, body, message), secret, now=NOW) == {"text": text}


def test_what_the_emulator_signs_is_accepted_by_us_and_by_the_others() -> None:
    now = int(datetime.now(UTC).timestamp())
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(now),
        "webhook-signature": sign(SECRET, "msg_1", str(now), BODY),
    }
    assert verify(BODY, headers, SECRET) == json.loads(BODY)
    assert Webhook(SECRET).verify(BODY.decode(), headers) == json.loads(BODY)
    assert relaygpu.verify_webhook(BODY, headers, SECRET) == json.loads(BODY)


class TestRefused:
    def refused(self, why: str, body: bytes = BODY, secret: str = SECRET, **headers: str) -> None:
        given = {name.lower(): value for name, value in signed().items()}
        given |= {f"webhook-{name}": value for name, value in headers.items()}
        with pytest.raises(NotVerified, match=why) as refusal:
            verify(body, given, secret, now=NOW)
        assert secret not in str(refusal.value)
        # A library that nobody here wrote agrees, but for the time, which it takes from the clock.
        with pytest.raises((WebhookVerificationError, ValueError)):
            Webhook(secret).verify(body.decode(), given)

    def test_another_body(self) -> None:
        self.refused("does not fit", body=BODY + b" ")

    def test_another_secret(self) -> None:
        self.refused("does not fit", secret=OTHER)

    def test_another_id(self) -> None:
        self.refused("does not fit", id="msg_2")

    def test_another_time(self) -> None:
        self.refused("does not fit", timestamp=str(NOW + 1))

    def test_another_version_of_the_scheme(self) -> None:
        self.refused("does not fit", signature=signed()["Webhook-Signature"].replace("v1,", "v1a,"))

    @pytest.mark.parametrize("signature", ["", "v1", "v1,", "v1,====", "v1,ünï"])
    def test_no_signature(self, signature: str) -> None:
        self.refused("does not fit", signature=signature)

    @pytest.mark.parametrize("timestamp", ["", "soon", "-5", "1e9"])
    def test_no_time(self, timestamp: str) -> None:
        self.refused("no webhook-timestamp", timestamp=timestamp)

    def test_no_id(self) -> None:
        self.refused("no webhook-id", id="")


def test_a_secret_that_is_none_is_said_to_be_none() -> None:
    with pytest.raises(NotVerified, match="whsec_ and base64"):
        verify(BODY, signed(), "hunter2!", now=NOW)


def test_a_body_that_is_no_event_is_refused() -> None:
    for body in (b"[]", b"{", b"7"):
        with pytest.raises(NotVerified, match="no event"):
            verify(body, signed(body=body), SECRET, now=NOW)


class TestRotation:
    """For 24 hours two secrets are valid, and deliveries are signed with both."""

    def test_either_secret_verifies_a_delivery_that_both_have_signed(self) -> None:
        both = {
            **signed(),
            "Webhook-Signature": " ".join(signed(s)["Webhook-Signature"] for s in (OTHER, SECRET)),
        }
        assert verify(BODY, both, SECRET, now=NOW)
        assert verify(BODY, both, OTHER, now=NOW)

    def test_a_receiver_with_both_takes_either(self) -> None:
        for secret in (SECRET, OTHER):
            assert verify(BODY, signed(secret), [SECRET, OTHER], now=NOW)
        with pytest.raises(NotVerified):
            verify(BODY, signed(), [OTHER], now=NOW)


class TestReplay:
    @pytest.mark.parametrize("age", [STANDARD_TOLERANCE_SECONDS, -STANDARD_TOLERANCE_SECONDS, 0])
    def test_within_five_minutes_it_is_taken(self, age: float) -> None:
        assert verify(BODY, signed(), SECRET, now=NOW + age)

    @pytest.mark.parametrize("age", [301, -301])
    def test_beyond_it_is_refused_unless_the_receiver_says_otherwise(self, age: float) -> None:
        with pytest.raises(NotVerified, match="may be a replay"):
            verify(BODY, signed(), SECRET, now=NOW + age)
        assert verify(BODY, signed(), SECRET, now=NOW + age, tolerance_seconds=400)
        assert verify(BODY, signed(), SECRET, now=NOW + age, tolerance_seconds=None)

    def test_what_was_handled_before_is_refused(self) -> None:
        handled: set[str] = set()

        def seen(delivery: str) -> bool:
            known = delivery in handled
            handled.add(delivery)
            return known

        assert verify(BODY, signed(), SECRET, now=NOW, seen=seen)
        with pytest.raises(NotVerified, match="msg_1 was handled before"):
            verify(BODY, signed(), SECRET, now=NOW, seen=seen)
        assert verify(BODY, signed(message="msg_2"), SECRET, now=NOW, seen=seen)
        with pytest.raises(NotVerified, match="does not fit"):
            verify(BODY, signed(message="msg_3"), OTHER, now=NOW, seen=seen)
        assert handled == {"msg_1", "msg_2"}
