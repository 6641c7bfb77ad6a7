"""A delivery is trusted when it is signed with the secret, and fresh; of either service."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulumi_openrelay.webhooks import SIGNATURE, NotVerified, verify

SECRET = "whsec_" + base64.b64encode(b"swordfish").decode()
OTHER = "whsec_" + base64.b64encode(b"trout").decode()
AT = 1_767_225_600.0
EVENT = {
    "id": "evt_1",
    "type": "vm.running",
    "created_at": "2026-01-01T00:00:00Z",
    "data": {"name": "trainer"},
}
BODY = json.dumps(EVENT).encode()
Signed = Callable[[bytes, str], dict[str, str]]


def openrelay(body: bytes = BODY, secret: str = SECRET) -> dict[str, str]:
    """As OpenRelay signs: keyed with the bytes of the secret's SHA-256."""
    key = hashlib.sha256(secret.encode()).digest()
    return {SIGNATURE: "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()}


def openrelay_in_hex(body: bytes = BODY, secret: str = SECRET) -> dict[str, str]:
    """The same in the other reading of its pages: keyed with the digest as text."""
    key = hashlib.sha256(secret.encode()).hexdigest().encode()
    return {SIGNATURE: "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()}


def relay(body: bytes = BODY, secret: str = SECRET) -> dict[str, str]:
    """As Relay signs, by Standard Webhooks."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    sent = str(int(AT))
    digest = hmac.digest(key, f"msg_1.{sent}.".encode() + body, "sha256")
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": sent,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


WAYS = pytest.mark.parametrize(
    "signed", [openrelay, openrelay_in_hex, relay], ids=["bytes", "hex text", "Standard Webhooks"]
)


def test_the_time_of_these_tests_is_that_of_the_event() -> None:
    assert datetime.fromtimestamp(AT, UTC).isoformat() == "2026-01-01T00:00:00+00:00"


@WAYS
class TestSigned:
    def test_a_signed_delivery_is_its_event(self, signed: Signed) -> None:
        assert verify(BODY, signed(BODY, SECRET), SECRET, now=AT) == EVENT

    def test_another_secret_does_not_fit(self, signed: Signed) -> None:
        with pytest.raises(NotVerified, match="does not fit"):
            verify(BODY, signed(BODY, SECRET), OTHER, now=AT)

    def test_while_the_secret_changes_either_fits(self, signed: Signed) -> None:
        for secret in (OTHER, SECRET):
            assert verify(BODY, signed(BODY, secret), [OTHER, SECRET], now=AT) == EVENT

    def test_after_it_has_changed_the_old_one_does_not(self, signed: Signed) -> None:
        with pytest.raises(NotVerified):
            verify(BODY, signed(BODY, OTHER), [SECRET], now=AT)

    def test_without_a_secret_nothing_fits(self, signed: Signed) -> None:
        for secrets in ([], ["whsec_%%%"]):
            with pytest.raises(NotVerified):
                verify(BODY, signed(BODY, SECRET), secrets, now=AT)

    def test_an_empty_secret_fits_nothing(self, signed: Signed) -> None:
        """Anybody can sign with it."""
        for empty in ("", " ", "whsec_", "whsec_ ", None):
            headers = signed(BODY, "whsec_" if empty is None else empty)
            for secrets in (empty, [empty], [OTHER, empty]):
                with pytest.raises(NotVerified):
                    verify(BODY, headers, secrets, now=AT)
            assert verify(BODY, signed(BODY, SECRET), [SECRET, empty], now=AT) == EVENT

    def test_a_header_that_is_no_text_is_refused(self, signed: Signed) -> None:
        for name in signed(BODY, SECRET):
            for value in (None, "\udce9", "v1,\udce9", "sha256=\udce9", "\ud800"):
                with pytest.raises(NotVerified):
                    verify(BODY, {**signed(BODY, SECRET), name: value}, SECRET, now=AT)

    def test_no_byte_of_the_body_may_change(self, signed: Signed) -> None:
        headers = signed(BODY, SECRET)
        for at in range(len(BODY)):
            with pytest.raises(NotVerified):
                verify(BODY[:at] + b"~" + BODY[at + 1 :], headers, SECRET, now=AT)

    def test_no_part_of_a_signature_will_do(self, signed: Signed) -> None:
        for name, value in signed(BODY, SECRET).items():
            for end in (-1, len(value) // 2, 3, 0):
                with pytest.raises(NotVerified):
                    verify(BODY, {**signed(BODY, SECRET), name: value[:end]}, SECRET, now=AT)

    def test_the_names_of_headers_are_known_in_any_case(self, signed: Signed) -> None:
        for case in (str.upper, str.lower, str.title):
            headers = {case(name): value for name, value in signed(BODY, SECRET).items()}
            assert verify(BODY, headers, SECRET, now=AT) == EVENT

    def test_the_secret_is_in_no_refusal(self, signed: Signed) -> None:
        for body, headers in ((BODY, signed(b"x", SECRET)), (b"{", signed(b"{", SECRET))):
            with pytest.raises(NotVerified) as error:
                verify(body, headers, SECRET, now=AT)
            assert SECRET not in f"{error.value}{error.value.what}"
            assert "swordfish" not in str(error.value)

    def test_a_body_that_is_no_event_is_refused(self, signed: Signed) -> None:
        for body in (b"", b"{", b"[]", b"7", b'"x"', b"null", b"\xff\xfe", b"[" * 99_999):
            with pytest.raises(NotVerified, match="no event"):
                verify(body, signed(body, SECRET), SECRET, now=AT)

    @settings(max_examples=100, deadline=None, derandomize=True, database=None)
    @given(body=st.binary(), junk=st.text(), signs=st.booleans())
    def test_whatever_is_posted_is_an_event_or_refused(
        self, signed: Signed, body: bytes, junk: str, signs: bool
    ) -> None:
        headers = signed(body, SECRET)
        with pytest.raises(NotVerified):
            verify(body, headers if signs else dict.fromkeys(headers, junk), SECRET, now=AT)


@pytest.mark.parametrize("given_headers", [{}, {SIGNATURE: ""}, {"x-other": "sha256=00"}])
def test_a_delivery_without_a_signature_is_refused(given_headers: dict[str, str]) -> None:
    with pytest.raises(NotVerified, match="no header"):
        verify(BODY, given_headers, SECRET, now=AT)


class TestOpenRelay:
    def test_the_signature_may_be_in_capitals(self) -> None:
        digest = openrelay()[SIGNATURE].removeprefix("sha256=").upper()
        assert verify(BODY, {SIGNATURE: f"sha256={digest}"}, SECRET, now=AT) == EVENT

    def test_only_the_digest_that_the_service_uses_will_do(self) -> None:
        digest = openrelay()[SIGNATURE].removeprefix("sha256=")
        for scheme in ("sha1", "md5", "SHA256", ""):
            with pytest.raises(NotVerified):
                verify(BODY, {SIGNATURE: f"{scheme}={digest}"}, SECRET, now=AT)

    @pytest.mark.parametrize(
        "created_at",
        [
            "2026-01-01T00:00:00.123456Z",
            "2026-01-01T01:00:00+01:00",
            "2025-12-31T19:00:00-05:00",
            "2026-01-01T00:00:00",
        ],
    )
    def test_a_time_is_read_in_any_zone_and_in_utc_without_one(self, created_at: str) -> None:
        body, headers = dated(created_at)
        told = verify(body, headers, SECRET, now=AT, tolerance_seconds=2)
        assert told["created_at"] == created_at

    @pytest.mark.parametrize("created_at", [None, "", "yesterday", 1_767_225_600, {}, ["2026"]])
    def test_an_event_without_a_time_is_refused(self, created_at: Any) -> None:
        body, headers = dated(created_at)
        with pytest.raises(NotVerified, match="no event"):
            verify(body, headers, SECRET, now=AT)

    def test_this_machines_clock_is_the_default(self) -> None:
        assert verify(*dated(datetime.now(UTC).isoformat()), SECRET)["id"] == "evt_1"
        with pytest.raises(NotVerified, match="replay"):
            verify(*dated("2020-01-01T00:00:00Z"), SECRET)


class TestRelay:
    def test_one_of_several_signatures_will_do(self) -> None:
        """While a secret is being changed, the service signs with both."""
        good = relay()["webhook-signature"]
        for header in (f"v1,AAAA {good}", f"{good} v1,AAAA", f"v0,x {good} v2,y"):
            headers = {**relay(), "webhook-signature": header}
            assert verify(BODY, headers, SECRET, now=AT) == EVENT

    def test_only_the_version_that_is_known_will_do(self) -> None:
        digest = relay()["webhook-signature"].removeprefix("v1,")
        for version in ("v0", "v1a", "V1", ""):
            headers = {**relay(), "webhook-signature": f"{version},{digest}"}
            with pytest.raises(NotVerified):
                verify(BODY, headers, SECRET, now=AT)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("webhook-id", "msg_2"),
            ("webhook-timestamp", str(int(AT) + 1)),
            ("webhook-id", ""),
            ("webhook-timestamp", ""),
            ("webhook-timestamp", "now"),
            ("webhook-timestamp", "-1"),
        ],
    )
    def test_its_id_and_its_time_are_signed_too(self, name: str, value: str) -> None:
        with pytest.raises(NotVerified):
            verify(BODY, {**relay(), name: value}, SECRET, now=AT)


@dataclass
class Handled:
    """What a receiver keeps of the deliveries that it has handled."""

    ids: set[str]

    def __call__(self, delivery: str) -> bool:
        seen = delivery in self.ids
        self.ids.add(delivery)
        return seen


class TestReplay:
    @pytest.mark.parametrize(
        ("signed", "tolerance"),
        [(openrelay, 900.0), (relay, 300.0)],
    )
    def test_one_of_another_time_is_refused(self, signed: Signed, tolerance: float) -> None:
        headers = signed(BODY, SECRET)
        for late in (0, tolerance, -tolerance):
            assert verify(BODY, headers, SECRET, now=AT + late) == EVENT
        for late in (tolerance + 1, 86_400.0, -tolerance - 1):
            with pytest.raises(NotVerified, match="replay"):
                verify(BODY, headers, SECRET, now=AT + late)

    def test_openrelays_last_attempt_still_comes_in_time(self) -> None:
        """About 10, 60 and 300 seconds apart, with the time of the event."""
        assert verify(BODY, openrelay(), SECRET, now=AT + 371) == EVENT

    @WAYS
    def test_the_tolerance_is_the_receivers_choice(self, signed: Signed) -> None:
        headers = signed(BODY, SECRET)
        with pytest.raises(NotVerified):
            verify(BODY, headers, SECRET, now=AT + 61, tolerance_seconds=60)
        for tolerance in (62, None):
            assert verify(BODY, headers, SECRET, now=AT + 61, tolerance_seconds=tolerance) == EVENT

    @WAYS
    def test_one_that_was_handled_before_is_refused(self, signed: Signed) -> None:
        seen = Handled(set())
        headers = signed(BODY, SECRET)
        assert verify(BODY, headers, SECRET, now=AT, seen=seen) == EVENT
        with pytest.raises(NotVerified, match="handled before"):
            verify(BODY, headers, SECRET, now=AT, seen=seen)

    @WAYS
    def test_what_is_not_to_be_trusted_is_not_taken_for_handled(self, signed: Signed) -> None:
        """Else whoever guesses an id could keep the true delivery out."""
        seen = Handled(set())
        headers = signed(BODY, SECRET)
        for body, secret, now in ((BODY, OTHER, AT), (b"{}", SECRET, AT), (BODY, SECRET, AT + 1e6)):
            with pytest.raises(NotVerified):
                verify(body, headers, secret, now=now, seen=seen)
        assert seen.ids == set()


def dated(created_at: Any) -> tuple[bytes, dict[str, str]]:
    body = json.dumps({**EVENT, "created_at": created_at}).encode()
    return body, openrelay(body)
