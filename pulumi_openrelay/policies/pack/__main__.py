"""The ready policy pack: all rules, configured by the file beside this one."""

import json
import os
import sys
from pathlib import Path

from pulumi_policy import PolicyPack

from pulumi_openrelay.config import REVIEW_KEY, REVIEWED
from pulumi_openrelay.policies.configuration import WrongConfiguration, read
from pulumi_openrelay.policies.message import PACK
from pulumi_openrelay.policies.pulumi_pack import fence, fingerprints, policies

try:
    rules = policies(read(Path(__file__).with_name("policy.json")))
except WrongConfiguration as wrong:
    sys.exit(f"the policy pack's configuration is wrong: {wrong}")
if os.environ.get(REVIEW_KEY):
    rules.append(fingerprints(os.environ[REVIEW_KEY]))
if os.environ.get(REVIEWED):
    rules.append(fence(json.loads(Path(os.environ[REVIEWED]).read_text(encoding="utf-8"))))
PolicyPack(PACK, rules)
