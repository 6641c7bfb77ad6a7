"""GPU machines on OpenRelay and inference on Relay, declared in Python and reconciled by Pulumi."""

import importlib as _importlib
import typing as _typing

from . import webhooks as webhooks
from .bill import bill as _bill
from .lookups import gpu_model_id as gpu_model_id
from .owner import Owner as Owner
from .program import add_last_words as _add_last_words
from .program import end_quietly as _end_quietly
from .resource import Resource as Resource
from .resources import InferenceCluster as InferenceCluster
from .resources import SshKey as SshKey
from .resources import Vm as Vm
from .resources import Webhook as Webhook

if _typing.TYPE_CHECKING:
    from . import relay as relay

__all__ = [
    "InferenceCluster",
    "Owner",
    "Resource",
    "SshKey",
    "Vm",
    "Webhook",
    "gpu_model_id",
    "relay",
    "webhooks",
]

# Here, and not where a resource is declared: a program may have taken out its last one.
_end_quietly()
_add_last_words(_bill)


def __getattr__(name: str) -> _typing.Any:
    """Relay is imported when it is used, so that programs without it start sooner."""
    if name == "relay":
        return _importlib.import_module(".relay", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
