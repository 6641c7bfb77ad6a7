"""Relay: rented machines, keys, account settings and checks of the inference API, one file each;
and what a program may ask of it before it declares anything."""

from .account import base_url as base_url
from .account import credits as credits  # noqa: A004 - the API's noun
from .account import tiers as tiers
from .account_settings import AccountSettings as AccountSettings
from .api_key import ApiKey as ApiKey
from .catalog import media_storage as media_storage
from .catalog import model as model
from .catalog import models as models
from .catalog import pricing as pricing
from .catalog import workflows as workflows
from .inference_check import InferenceCheck as InferenceCheck
from .instance import Instance as Instance
from .model_allowlist import ModelAllowlist as ModelAllowlist
from .model_name import ModelName as ModelName
from .offers import billing_terms as billing_terms
from .offers import instance_catalog as instance_catalog
from .webhook_secret import WebhookSecret as WebhookSecret

__all__ = [
    "AccountSettings",
    "ApiKey",
    "InferenceCheck",
    "Instance",
    "ModelAllowlist",
    "ModelName",
    "WebhookSecret",
    "base_url",
    "billing_terms",
    "credits",
    "instance_catalog",
    "media_storage",
    "model",
    "models",
    "pricing",
    "tiers",
    "workflows",
]
