"""What a URN tells: `urn:pulumi:<stack>::<project>::<types>::<name>`.

The name is all that follows the third `::`, as it may hold more of them; no other part may. Types
are the parents' and the resource's own, as `parent$own`.
"""

from __future__ import annotations


def name_of(urn: str) -> str:
    """The resource's name in the program; empty of an empty one."""
    return urn.split("::", 3)[-1]


def type_of(urn: str) -> str:
    """The resource's own type, whatever its parent; empty of an empty one."""
    return "".join(urn.split("::", 3)[2:3]).rpartition("$")[2]
