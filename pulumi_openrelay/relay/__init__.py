"""Relay: rented machines, keys and account settings of the inference API; one file each."""

from .account_settings import AccountSettings as AccountSettings
from .api_key import ApiKey as ApiKey
from .instance import Instance as Instance
from .model_allowlist import ModelAllowlist as ModelAllowlist
from .webhook_secret import WebhookSecret as WebhookSecret

__all__ = ["AccountSettings", "ApiKey", "Instance", "ModelAllowlist", "WebhookSecret"]
