"""Rules for stacks on OpenRelay and Relay: plain values, and a ready policy pack of them.

The ready pack, for a whole preview or update:

    pulumi preview --policy-pack "$(pulumi-openrelay policy path)"

It reads `openrelay-policy.json` from the folder where that runs; see `configuration`. A pack of
one's own with the same rules beside others is five lines, and needs `pulumi-openrelay[policy]`:

    from pulumi_policy import PolicyPack
    from pulumi_openrelay.policies import Configuration
    from pulumi_openrelay.policies.pulumi_pack import policies

    PolicyPack("acme", [*policies(Configuration(profile="regulated")), my_policy])

A rule is a value that needs neither the engine nor `pulumi-policy`:

    from pulumi_openrelay.policies import RULES, judge
"""

from . import access, cost, exposure, naming, relay, reliability, supply
from .configuration import Configuration as Configuration
from .exemptions import Exemption as Exemption
from .judge import Finding as Finding
from .judge import judge as judge
from .rule import Level as Level
from .rule import ResourceRule as ResourceRule
from .rule import Rule as Rule
from .rule import StackRule as StackRule

RULES: tuple[Rule, ...] = (
    *cost.RULES,
    *exposure.RULES,
    *supply.RULES,
    *access.RULES,
    *reliability.RULES,
    *naming.RULES,
    *relay.RULES,
)

__all__ = [
    "RULES",
    "Configuration",
    "Exemption",
    "Finding",
    "Level",
    "ResourceRule",
    "Rule",
    "StackRule",
    "judge",
]
