"""What every machine of either service takes in a program, beside what its API has."""

from __future__ import annotations

from typing import Literal

from ..lifecycle.duration import not_a_duration
from ..lifecycle.fields import In, Out, output, setting
from ..resource import Resource


class Machine(Resource):
    """Settings of ours that every machine has; the API sees none of them."""

    capacity_timeout: In[int | float | str | None] = setting(default=None, problem=not_a_duration)
    """How long to wait for capacity where there is none: seconds, or a duration such as "2h". What
    `custom_timeouts` allow for the machine itself begins after that. Default: not at all, a clear
    error at once."""
    on_failure: In[Literal["keep", "delete"] | None] = setting(default=None, absent="keep")
    """What becomes of a machine that fails before it ever served: `keep` records it, and the next
    `pulumi up` replaces it; `delete` ends it at once, so that it bills nothing. Default: `keep`."""
    on_timeout: In[Literal["keep", "delete"] | None] = setting(default=None, absent="keep")
    """What becomes of a machine that is not up in time: `keep` records it, and the next `pulumi up`
    goes on waiting; `delete` ends it at once, so that it bills nothing. Default: `keep`."""
    deletion_protection: In[bool | None] = setting(default=None, absent=False)
    """True refuses to delete or replace it, in the very `pulumi up` that sets it too: lifting that
    takes a change of the program, and a `pulumi up`. Default: False."""

    rate_cents_per_hour: Out[int | None] = output(readable=False)
    """What it bills in US cents an hour, by the API's pricing; 0 while it is stopped or
    interrupted, and where it is never charged. Known in preview too; None where the pricing does
    not tell, and for one that has failed, of which the API does not say whether it is billed."""
