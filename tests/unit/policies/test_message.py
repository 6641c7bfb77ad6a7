"""What rules say is text that people read and programs read back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pulumi_openrelay.policies.message import Kind, Message, Severity, parse
from pulumi_openrelay.policies.message import format as write

messages = st.builds(
    Message,
    kind=st.sampled_from(Kind),
    severity=st.sampled_from(Severity),
    text=st.text(min_size=1).map(lambda text: " ".join(text.split())).filter(bool),
    remediation=st.text().map(lambda text: " ".join(text.split())),
    rule=st.sampled_from(["", "machine-rate"]),
)


def test_a_message_is_two_lines_with_a_mark() -> None:
    message = Message(Kind.VIOLATION, Severity.HIGH, "bills\na lot", "make it\nsmaller")

    assert write(message) == ("bills a lot [severity=high kind=violation]\nFix: make it smaller")


@given(messages, st.sampled_from(["", "A rule's description.\n"]))
def test_whatever_is_said_is_read_back(message: Message, description: str) -> None:
    assert parse(f"{description}{write(message)}\n") == message


def test_what_others_say_is_none_of_ours() -> None:
    for text in (
        "",
        "A description.\nsome message",
        "odd [severity=odd kind=violation]",
        "odd [severity=high kind=odd]",
    ):
        assert parse(text) is None
