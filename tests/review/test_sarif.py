"""Violations for code scanning: at the line that names the resource."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pulumi_openrelay.policies.message import Kind, Message, Severity
from pulumi_openrelay.policies.message import format as text_of
from pulumi_openrelay.review import sarif

from . import told
from .told import vm


def run_of(folder: Path, *events: Any) -> dict[str, Any]:
    document = json.loads(sarif.render(told.review(*events), folder))
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    return dict(run)


def test_a_violation_points_to_the_line_that_names_its_resource(tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text("import machines\n")
    (tmp_path / "machines.py").write_text("import x\n\n\nx.Vm('trainer')\n")
    run = run_of(tmp_path, told.replaced("trainer", vm(), vm(gpu_count=2)))
    (result,) = run["results"]
    assert (result["ruleId"], result["level"]) == ("data-loss", "error")
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "machines.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 4},
    }
    assert result["message"]["text"].startswith("trainer: it is replaced because of gpu_count")


def test_a_link_to_nowhere_is_no_part_of_the_program(tmp_path: Path) -> None:
    for name in (".#__main__.py", "gone.py"):
        (tmp_path / name).symlink_to("ada@host.4711")
    (result,) = run_of(tmp_path, told.replaced("trainer", vm(), vm(gpu_count=2)))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "gone.py"


def test_a_program_beside_its_project_is_named_as_the_repository_has_it(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for name in ("app", "infra"):
        (tmp_path / name).mkdir()
    (tmp_path / "app/__main__.py").write_text("Vm('trainer')\n")
    folder = tmp_path / "infra/../app"
    (result,) = run_of(folder, told.replaced("trainer", vm(), vm(gpu_count=2)))["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "app/__main__.py"


def test_one_that_no_line_names_points_to_the_beginning_of_the_program(tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text("for n in range(2):\n    Vm(f'vm{n}')\n")
    (result,) = run_of(tmp_path, told.deleted("vm1", vm()))["results"]
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]) == ("__main__.py", {"startLine": 1})


def test_each_result_refers_to_its_rule(tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        told.replaced("a", vm(), vm(gpu_count=3)),
        told.deleted("b", vm(), status="stopped"),
    )
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    assert {result["level"] for result in run["results"]} == {"error", "warning"}
    assert len({json.dumps(r["partialFingerprints"]) for r in run["results"]}) == 3


def test_a_plan_without_violations_is_a_valid_empty_run(tmp_path: Path) -> None:
    run = run_of(tmp_path, told.same("a", vm()))
    assert run["results"] == run["tool"]["driver"]["rules"] == []


def test_a_rule_says_what_it_asks_for(tmp_path: Path) -> None:
    said = text_of(Message(Kind.VIOLATION, Severity.HIGH, "is open to everyone", "close it"))
    events = [told.policy(said, "web", rule="public-machine"), told.policy(said, "web")]
    document = json.loads(sarif.render(told.review(policies=events), tmp_path))
    described = {
        rule["id"]: rule.get("fullDescription")
        for rule in document["runs"][0]["tool"]["driver"]["rules"]
    }
    ours = {"text": "Machines serve only those who have a key."}
    assert described == {"public-machine": ours, "a-rule": None}


SCHEMA = json.loads((Path(__file__).parent / "data" / "sarif-schema-2.1.0.json").read_text())


@pytest.mark.parametrize("name", ["nothing", "a stack", "machines"])
def test_the_document_fits_the_standards_own_schema(name: str, tmp_path: Path) -> None:
    said = text_of(Message(Kind.VIOLATION, Severity.HIGH, "costs too much", "take less"))
    reviews = {
        "nothing": told.review(),
        "a stack": told.review(policies=[told.policy(said, rule="stack-rate")]),
        "machines": told.review(
            told.replaced("trainer", vm(), vm(gpu_count=2)),
            told.deleted("old", vm(), status="stopped"),
            policies=[told.policy(said, "trainer"), told.policy("Another's.\nIs wrong.", "old")],
        ),
    }
    document = json.loads(sarif.render(reviews[name], tmp_path))
    assert document["$schema"] == SCHEMA["id"]
    jsonschema.Draft4Validator.check_schema(SCHEMA)
    jsonschema.Draft4Validator(SCHEMA).validate(document)
    document["runs"][0]["tool"]["driver"].pop("name")
    assert not jsonschema.Draft4Validator(SCHEMA).is_valid(document)
