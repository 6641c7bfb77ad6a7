"""What a program gives a resource that it does not take."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from pulumi_openrelay import Vm


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (({"ssh_key_ids": ["x"]},), "inputs are keyword arguments, such as ssh_key_ids=...;"),
        (({}, pulumi.ResourceOptions()), "inputs are keyword arguments;"),
        ((None, {"sshKeyIds": ["x"]}), "inputs are keyword arguments;"),
        (("x",), "inputs are keyword arguments;"),
    ],
    ids=["a dict", "a dict and options", "a dict after options", "a value"],
)
def test_inputs_without_a_keyword_are_refused_with_one_line(given: Any, said: str) -> None:
    """As other languages of Pulumi have them; a RunError is shown without a traceback."""
    make: Any = Vm
    with pytest.raises(pulumi.RunError) as refused:
        make("t", *given)
    assert str(refused.value) == (
        f"Vm 't': {said} only its name and opts, a pulumi.ResourceOptions, stand before them"
    )
