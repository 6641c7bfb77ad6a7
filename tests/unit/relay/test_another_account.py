"""Relay tells no key whose it is: what another account's key does not see is said to be unknown."""

from __future__ import annotations

import pytest

from pulumi_openrelay.emulator import RelayWorld

from .support import Stack, account, instance, one, speak_as

PROGRAMS = {"Instance": instance(), "ApiKey": one("ApiKey")}
GOES_ON = {"Instance": "it goes on billing there", "ApiKey": "it can still be used there"}


def as_another_account(stack: Stack) -> None:
    """From now on, the stack's operations use the credentials of another account."""
    assert isinstance(stack.world, RelayWorld)
    stack.world.add_customer("Other", "jwt_other")
    speak_as(stack, None, "jwt_other")
    asks = {"name": "theirs"}
    answer = stack.world.call("POST", "/v2/customer/keys", asks, key="jwt_other")
    stack.strangers.add(answer.json()["key_id"])
    speak_as(stack, answer.json()["key"], "jwt_other")
    stack.engine.warnings.clear()


def told(stack: Stack) -> str:
    return "\n".join(stack.engine.warnings)


@pytest.mark.parametrize("kind", PROGRAMS)
class TestWithTheKeyOfAnotherAccount:
    def test_a_destroy_says_what_it_has_not_ended(self, kind: str) -> None:
        stack = account(kind)
        stack.up(PROGRAMS[kind])
        (made,) = stack.alive()
        as_another_account(stack)
        stack.destroy()
        assert made in stack.alive()
        assert f"the API does not know {made}, so that nothing was ended" in told(stack)
        assert GOES_ON[kind] in told(stack)

    def test_a_refresh_says_what_the_state_forgets(self, kind: str) -> None:
        stack = account(kind)
        stack.up(PROGRAMS[kind])
        (made,) = stack.alive()
        as_another_account(stack)
        stack.refresh()
        assert made in stack.alive()
        assert f"the API does not know {made}, so that the state forgets it" in told(stack)
        assert GOES_ON[kind] in told(stack)


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_destroy_with_the_accounts_own_key_says_nothing(kind: str) -> None:
    stack = account(kind)
    stack.up(PROGRAMS[kind])
    stack.world.faults.add(
        {"match": {"method": "POST", "path_regex": "/(terminate|revoke)$"}, "action": "lose_answer"}
    )
    stack.world.faults.add({"match": {"method": "DELETE"}, "action": "lose_answer"})
    stack.destroy()
    assert not stack.alive()
    assert told(stack) == ""
