"""docs/policies.md tells the rules as they are."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import policies_page  # noqa: E402 - scripts are no package

from pulumi_openrelay.policies import RULES, Configuration  # noqa: E402
from pulumi_openrelay.policies.of_reviews import OF_REVIEWS  # noqa: E402
from pulumi_openrelay.policies.schema import schema  # noqa: E402
from pulumi_openrelay.review import risk  # noqa: E402

PAGE = policies_page.PAGE.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)


def test_the_tables_are_the_rules_own() -> None:
    assert policies_page.rendered(PAGE) == PAGE, "run `make policies`"


def test_what_reviews_judge_is_described_whole() -> None:
    assert list(OF_REVIEWS) == [rule.name for rule in risk.RULES]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_a_configuration_and_fits_its_schema(example: str) -> None:
    Configuration.model_validate_json(example).check(RULES)
    jsonschema.Draft202012Validator(schema(RULES)).validate(json.loads(example))


@pytest.mark.parametrize(
    "wrong",
    [
        {"rules": {"machine-rat": {}}},
        {"rules": {"idle": {"level": "error"}}},
        {"rules": {"gpu-count": {"max_gpus": "x"}}},
        {"profiles": {"own": {"gpu-count": {"max": 1}}}},
        {"exemptions": [{"rule": "bananas"}]},
        {"exempt": []},
    ],
)
def test_the_schema_refuses_what_the_command_refuses(wrong: object) -> None:
    assert not jsonschema.Draft202012Validator(schema(RULES)).is_valid(wrong)


def test_the_schema_is_a_schema_and_takes_what_each_profile_sets() -> None:
    document = schema(RULES)
    jsonschema.Draft202012Validator.check_schema(document)
    shipped = json.loads((ROOT / "pulumi_openrelay/policies/pack/policy.json").read_text())
    jsonschema.Draft202012Validator(document).validate(shipped)
