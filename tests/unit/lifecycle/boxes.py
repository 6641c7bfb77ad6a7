"""A kind of this package's tests alone: one property of each sort. It is not among the KINDS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pulumi_openrelay.lifecycle.declare import (
    KINDS,
    Create,
    Delete,
    Inputs,
    Kind,
    Listed,
    States,
    in_place,
)
from pulumi_openrelay.lifecycle.fields import (
    In,
    InList,
    InMapOrNone,
    Out,
    output,
    replaces,
    setting,
    updates,
)
from pulumi_openrelay.resource import Resource

if TYPE_CHECKING:
    from pulumi_openrelay.lifecycle.remote import Remote


def _same_set(old: list[str], new: list[str]) -> bool:
    return set(old) == set(new)


def _shrinks(old: int, new: int) -> bool:
    return new < old


def _not_a_script(script: str) -> str | None:
    return None if script.startswith("#!") else "should begin with #!"


class Box(Resource, module="openrelay", name="TestBox"):
    """A thing that no API has."""

    size: In[int] = replaces(ge=1, le=8)
    """Its size."""
    name: In[str | None] = replaces(default=None, min_length=1)
    """Its name."""
    colour: In[Literal["red", "blue"] | None] = replaces(default=None)
    """Its colour; the API chooses one."""
    lid: In[bool | None] = replaces(default=None, absent=False)
    """Whether it has a lid; none means no."""
    script: In[str | None] = replaces(
        default=None, readable=False, secret=True, problem=_not_a_script
    )
    """What it does; the API does not give it back."""
    env: InMapOrNone[str] = replaces(default=None, secret=True)
    """A map."""
    tags: InList[str] = updates(default=None, absent=[], same=_same_set)
    """In any order."""
    disk: In[int | None] = updates(default=None, replaces_when=_shrinks)
    """It grows in place."""
    open: In[bool | None] = updates(default=None, absent=False)
    """None means closed."""
    version: In[str | int | None] = updates(default=None, readable=False, in_create=False)
    """Anything; the API does not give it back."""
    desired_state: In[Literal["running", "stopped"] | None] = updates(
        default=None, absent="running", in_create=False
    )
    """Whether it runs."""
    patience: In[int | float | str | None] = setting(default=None)
    """Ours alone."""
    keep: In[bool | None] = setting(default=None, absent=False)
    """Ours alone; None means no."""
    status: Out[str] = output()
    """Its state."""


class BoxKind(Kind, resource=Box):
    noun = "box"
    listed = Listed("/v1/boxes")
    create = Create("/v1/boxes/create")
    delete = Delete("DELETE", "/v1/boxes/{id}")
    states = States(
        starting=frozenset({"deploying"}),
        running=frozenset({"running"}),
        stopped=frozenset({"stopped"}),
        failed=frozenset({"failed"}),
        ended=frozenset({"terminated"}),
    )

    def problems(self, inputs: Inputs, known: Any) -> Iterator[tuple[str, str]]:
        if known("size", "disk") and inputs.get("disk", 0) > 100 * inputs["size"]:
            yield "disk", "should be at most 100 for each size"

    @in_place("tags", "disk", "open", "version", "desired_state")
    def change(self, box: Remote) -> None:
        """Nothing is sent in these tests."""


BOX = KINDS.pop(Box.token)
