"""A new kind is in all of these tests as soon as it has an example."""

from __future__ import annotations

import pytest

from pulumi_openrelay.lifecycle.fields import Role

from .examples import EXAMPLES
from .support import KINDS, TOKENS


def test_every_kind_has_an_example() -> None:
    missing = sorted(set(KINDS) - set(EXAMPLES))
    assert not missing, (
        f"tests/contract/examples.py has no example of {', '.join(missing)}: add one, and every "
        f"contract test is made from it"
    )


def test_every_example_is_of_a_kind() -> None:
    assert sorted(EXAMPLES) == TOKENS


@pytest.mark.parametrize("token", TOKENS)
def test_an_example_has_another_value_for_every_input(token: str) -> None:
    example = EXAMPLES[token]
    given = {
        Role.UPDATES: set(example.updates),
        Role.REPLACES: set(example.replaces),
        Role.SETTING: set(example.settings),
    }
    for role, names in given.items():
        declared = {f.name for f in KINDS[token].fields.values() if f.role is role}
        assert names == declared, (
            f"tests/contract/examples.py, {token}: the inputs that are {role.value} are "
            f"{', '.join(sorted(declared)) or 'none'}"
        )


@pytest.mark.parametrize("token", TOKENS)
def test_an_example_drifts_in_every_input_that_can(token: str) -> None:
    """An input that changes in place and is read back can be changed by another hand."""
    for name, update in EXAMPLES[token].updates.items():
        field = KINDS[token].fields[name]
        # Of one that changes in one direction only, the other needs a new machine.
        if field.readable and field.replaces_when is None:
            assert update.drift is not None, f"{token}: {name} needs a drift"
