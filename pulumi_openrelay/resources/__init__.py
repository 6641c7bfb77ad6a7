"""One resource is one file; importing this package registers every kind."""

from .inference_cluster import InferenceCluster as InferenceCluster
from .ssh_key import SshKey as SshKey
from .vm import Vm as Vm
from .webhook import Webhook as Webhook
