"""The GitOps examples, their very steps: branch, review, merge, apply, drift, destroy."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pulumi_openrelay.cli.review import BLOCKED, DRIFTED
from pulumi_openrelay.emulator import ServedWorld, serve
from tests.engine.support import KEY, ROOT, cli_directory
from tests.review import forge as forges

EXAMPLES = ROOT / "examples" / "gitops"
SECONDS = 120

PROGRAM = """
import pulumi_openrelay as relay

key = relay.SshKey("laptop", public_key={key!r})
for name in {names}:
    relay.Vm(name, ssh_key_ids=[key.id], resource_size="small", deletion_protection=False{more})
"""

# What the workflows find on the forge's runner: its command line for artifacts and its API.
GH = """#!/usr/bin/env bash
set -eu
case "$1 $2" in
  "run list") echo 1 ;;
  "run download") cp "$ARTIFACTS"/review.* . ;;
  "api repos/$GITHUB_REPOSITORY/commits/main") git ls-remote origin refs/heads/main | cut -f 1 ;;
  *) exit 1 ;;
esac
"""

# What GitLab's API answers: the merge request of a commit, and a file of its review.
CURL = """#!/usr/bin/env bash
set -eu
file=${*: -1}
case "$*" in
  *"/repository/commits/$CI_COMMIT_SHA/merge_requests "*) echo '[{"iid": 7}]' > "$file" ;;
  *"/jobs/artifacts/refs%2Fmerge-requests%2F7%2Fhead/raw/review.json?job=review "*)
    cp "$ARTIFACTS/review.json" "$file" ;;
  *) exit 22 ;;
esac
"""


@dataclass
class Repository:
    """A working copy with a remote, a stack on a local backend, and the emulator behind it."""

    folder: Path
    cloud: ServedWorld
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        tools, self.artifacts = self.folder.parent / "tools", self.folder.parent / "artifacts"
        tools.mkdir()
        self.artifacts.mkdir()
        for name, text in {"gh": GH, "curl": CURL}.items():
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        backend = self.folder.parent / "backend"
        backend.mkdir()
        path = [str(tools), cli_directory(), str(Path(sys.executable).parent), os.environ["PATH"]]
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join(path),
            "STACK": "production",
            "CONFIRM": "production",
            "ARTIFACTS": str(self.artifacts),
            "HEAD": "0",
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_RUN_ID": "2",
            "CI_JOB_URL": "https://gitlab.example/acme/gpu/-/jobs/3",
            "CI_DEFAULT_BRANCH": "main",
            "CI_PIPELINE_SOURCE": "push",
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
            "GITHUB_REPOSITORY": "acme/gpu",
            "GITHUB_STEP_SUMMARY": str(self.folder.parent / "summary.md"),
            "PULUMI_BACKEND_URL": backend.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_HOME": str(self.folder.parent / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "OPENRELAY_API_URL": self.cloud.url,
            "OPENRELAY_API_KEY": self.cloud.key,
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.com",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.com",
        }
        self.environment.pop("PULUMI_ACCESS_TOKEN", None)
        (self.folder / "Pulumi.yaml").write_text("name: gpu\nruntime: python\n")
        (self.folder / ".gitignore").write_text("reviews/\nreview.*\n__pycache__/\n")
        self.write("trainer")
        self.run("git init --quiet --initial-branch main && git add . && git commit -qm One")
        self.run("pulumi stack init production --non-interactive")
        self.run("git add . && git commit -qm Stack --allow-empty")
        self.run(f"git clone --quiet --bare . {self.folder.parent}/origin.git")
        self.run(f"git remote add origin {self.folder.parent}/origin.git")

    def write(self, *names: str, more: str = "") -> None:
        """The program, with these machines."""
        text = PROGRAM.format(key=KEY, names=list(names), more=more)
        (self.folder / "__main__.py").write_text(text)

    def begin(self) -> None:
        """As it was at first: one machine in the program, none in the world."""
        self.run("git checkout -q -f main && rm -rf review.* reviews")
        self.write("trainer")
        self.run("git commit -qam Begin --allow-empty && git push -qf origin main")
        if self.machines():
            self.run("pulumi destroy --yes --skip-preview --non-interactive --stack production")

    def run(self, script: str, code: int = 0) -> str:
        """Run a step as a runner does; what it printed. It must end with the code."""
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def machines(self) -> list[str]:
        """The live machines' names in the program."""
        return sorted(vm.name.split("-")[0] for vm in self.cloud.world.live_vms())


def step(workflow: str, name: str) -> str:
    """What a step of a workflow runs, without the comment, which needs a forge."""
    jobs = YAML(typ="safe").load(EXAMPLES / "github" / f"{workflow}.yml")["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    (found,) = [step["run"] for step in steps if step.get("name") == name]
    return str(found).replace(" --post github", "").replace(" --profile production", PROFILE)


GITLAB = YAML(typ="safe").load(EXAMPLES / "gitlab" / ".gitlab-ci.yml")


def job(name: str) -> str:
    """What a job of GitLab's pipeline runs."""
    return "\n".join(GITLAB[name]["script"]).replace(" --profile production", PROFILE)


# The machines here are as small as can be, which no rule of production allows.
PROFILE = " --profile development"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    with serve(provision_seconds=0.2) as cloud:
        yield Repository(tmp_path_factory.mktemp("gitops") / "work", cloud)


@pytest.fixture
def repository(made: Repository) -> Iterator[Repository]:
    before = dict(made.environment)
    made.begin()
    yield made
    made.environment = before


def test_from_branch_to_merge_to_drift_to_destroy_with_the_steps_of_the_workflows(
    repository: Repository,
) -> None:
    do = repository.run
    do("git checkout -qB more")
    do(step("review", "Review"))
    do('cp review.* "$ARTIFACTS"')
    assert repository.machines() == []

    do("git checkout -q main && git merge -q --no-ff more -m Merge && rm -f review.*")
    do(step("apply", "Fetch the review"))
    do(step("apply", "Apply"))
    assert repository.machines() == ["trainer"]

    do(step("drift", "Drift"))
    (vm,) = repository.cloud.world.live_vms()
    repository.cloud.world.call("POST", f"/v1/vms/{vm.id}/visibility", {"public": True})
    do(step("drift", "Drift"), code=2)
    assert "public" in Path(repository.environment["GITHUB_STEP_SUMMARY"]).read_text()

    repository.environment["CONFIRM"] = "prod"
    do(step("destroy", "Confirm"), code=1)
    repository.environment["CONFIRM"] = "production"
    do(step("destroy", "Confirm"))
    do(step("destroy", "Destroy"))
    assert repository.machines() == []


def test_a_run_that_is_started_again_applies_no_commit_that_has_a_newer_one(
    repository: Repository,
) -> None:
    """A first run may have one, whose own run waits for it."""
    workflow = YAML(typ="safe").load(EXAMPLES / "github" / "apply.yml")
    names = [each.get("name") for each in workflow["jobs"]["apply"]["steps"]]
    assert names.index("Refuse an old commit") < names.index("Apply")
    (refusal,) = (
        each
        for each in workflow["jobs"]["apply"]["steps"]
        if each.get("name") == "Refuse an old commit"
    )
    assert refusal["if"] == "github.run_attempt != 1"

    do, check = repository.run, step("apply", "Refuse an old commit")
    do(check)
    do("git commit -qm Newer --allow-empty && git push -q origin main && git checkout -q HEAD~")
    assert "main has a newer commit: nothing was applied" in do(check, code=1)


def test_what_changed_since_the_review_is_not_applied(repository: Repository) -> None:
    do = repository.run
    do(step("review", "Review"))
    repository.write("trainer", "another")

    said = do(step("apply", "Apply"), code=3)

    assert "refused, and nothing was applied" in said
    assert repository.machines() == []

    do(step("apply", "Review again"))
    do('cp review.json "$ARTIFACTS"')
    repository.environment["HEAD"] = ""
    do(step("apply", "Fetch the review"))
    do(step("apply", "Apply"))
    assert repository.machines() == ["another", "trainer"]


def test_gitlabs_jobs_go_from_branch_to_merge_to_drift_to_destroy(repository: Repository) -> None:
    do, environment = repository.run, repository.environment
    with forges.serve(forges.FakeForge("gitlab")) as forge:
        environment.update(forge.environment)
        do("git checkout -qB more")
        do(job("review"))
        (comment,) = forge.comments.values()
    assert f"[The whole review]({environment['CI_JOB_URL']}/artifacts/browse)" in comment["body"]
    assert Path(repository.folder, "review.sarif").exists()
    do('mv review.* "$ARTIFACTS"')

    do("git checkout -q main && git merge -q --no-ff more -m Merge && git push -q origin main")
    merged = do("git rev-parse HEAD").strip()
    environment["CI_COMMIT_SHA"] = do("git rev-parse HEAD~").strip()
    assert "main has a newer commit than" in do(job("apply"), code=1)
    assert repository.machines() == []
    environment["CI_COMMIT_SHA"] = merged
    (repository.folder / "review.json").write_text("committed by somebody, and nobody's review")
    do(job("apply"))
    assert repository.machines() == ["trainer"]

    (vm,) = repository.cloud.world.live_vms()
    repository.cloud.world.call("POST", f"/v1/vms/{vm.id}/visibility", {"public": True})
    do(job("drift"), code=2)

    environment["DESTROY"] = "prod"
    do(job("destroy"), code=1)
    assert repository.machines() == ["trainer"]
    environment["DESTROY"] = "production"
    do(job("destroy"))
    assert repository.machines() == []


def test_gitlab_destroys_by_hand_on_the_default_branch_alone() -> None:
    (rule,) = GITLAB["destroy"]["rules"]
    assert rule["when"] == "manual"
    assert "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH" in rule["if"]
    assert GITLAB["default"]["image"] == "$IMAGE"


def test_an_apply_waits_its_turn_and_no_drift_report_takes_it() -> None:
    def group(name: str) -> dict[str, object]:
        workflow = YAML(typ="safe").load(EXAMPLES / "github" / f"{name}.yml")
        return dict(workflow["concurrency"])

    assert group("apply") == group("destroy")
    assert (group("apply")["cancel-in-progress"], group("apply")["queue"]) == (False, "max")
    assert group("drift")["group"] != group("apply")["group"]


@pytest.mark.parametrize(
    ("file", "near"),
    [
        ("README.md", "| every night |"),
        ("github/drift.yml", "- name: Drift "),
        ("gitlab/.gitlab-ci.yml", "changed something by hand."),
    ],
)
def test_both_codes_of_a_drift_report_are_told(file: str, near: str) -> None:
    """A rule that blocks has the first word: its code is 3 whatever else was found."""
    (line,) = [line for line in (EXAMPLES / file).read_text().splitlines() if near in line]
    assert f"{BLOCKED} where a rule blocks, else " in line
    assert re.search(rf"\b{DRIFTED} where ", line.partition("else ")[2])


def test_gitlabs_jobs_need_no_command_that_the_image_lacks() -> None:
    assert not re.search(r"\bjq\b", (EXAMPLES / "gitlab" / ".gitlab-ci.yml").read_text())


def test_a_machine_with_cron_follows_its_branch(repository: Repository) -> None:
    repository.environment["PROFILE"] = "development"
    script = EXAMPLES / "cron" / "reconcile.sh"
    do = repository.run

    do(f"{script} apply")
    assert repository.machines() == ["trainer"]
    do(f"{script} apply")
    repository.write("trainer", "evaluator")
    do("git checkout -q main && git commit -qam Two && git push -q origin main")
    do(f"{script} apply")
    assert repository.machines() == ["evaluator", "trainer"]

    do(f"{script} drift")
    do(f"{script} destroy", code=1)
    do(f"{script} destroy production")
    assert repository.machines() == []


def test_every_workflow_pins_its_actions_and_asks_for_no_more_than_it_needs() -> None:
    for file in sorted((EXAMPLES / "github").glob("*.yml")):
        workflow = YAML(typ="safe").load(file)
        assert workflow["permissions"] == {}, file.name
        for job_ in workflow["jobs"].values():
            writes = {name for name, right in job_["permissions"].items() if right == "write"}
            assert writes <= {"pull-requests", "security-events"}, file.name
            for step_ in job_["steps"]:
                _, _, commit = step_.get("uses", "@" + 40 * "0").partition("@")
                assert len(commit) == 40, step_


def test_the_operators_stack_ends_no_machine_when_it_is_deleted() -> None:
    stack = YAML(typ="safe").load(EXAMPLES / "operator" / "stack.yaml")
    assert stack["spec"]["destroyOnFinalize"] is False
    assert stack["spec"]["envRefs"]["OPENRELAY_API_KEY"]["type"] == "Secret"
    assert "or_" not in json.dumps(stack)
