"""GPU machines on OpenRelay and inference on Relay, declared in Python and reconciled by Pulumi."""

from . import relay as relay
from . import webhooks as webhooks
from .lookups import gpu_model_id as gpu_model_id
from .owner import Owner as Owner
from .resource import Resource as Resource
from .resources import InferenceCluster as InferenceCluster
from .resources import SshKey as SshKey
from .resources import Vm as Vm
from .resources import Webhook as Webhook

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
