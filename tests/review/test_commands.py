"""`pulumi-openrelay review` and `apply`, as a pipeline runs them, on the real engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pulumi_openrelay.emulator import ServedWorld
from tests.engine.support import Stack, mutations, running

from .forge import TOKEN, FakeForge, serve

VM = """
    key = relay.SshKey("laptop", public_key=KEY)
    relay.Vm("trainer", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1,
             cloud_init="#!/bin/sh\\necho secret-marker", env_vars={"TOKEN": "secret-marker"})
"""
LARGER = VM.replace("gpu_count=1", "gpu_count=2")
DEVELOPMENT = ("--profile", "development")


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


def run(stack: Stack, command: str, *options: str, **environment: str) -> Ran:
    done = subprocess.run(
        [sys.executable, "-m", "pulumi_openrelay", command, "--stack", stack.name, *options],
        cwd=stack.folder,
        env={**stack.environment, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


def review(
    stack: Stack, program: str | None, *options: str, **environment: str
) -> tuple[Ran, dict[str, Any]]:
    """A review of the program, and its JSON."""
    if program is not None:
        stack.write(program)
    file = stack.folder / "review.json"
    ran = run(stack, "review", "--json", str(file), *options, **environment)
    return ran, json.loads(file.read_text()) if ran.code != 1 else {}


def test_a_review_says_what_a_change_does_and_changes_nothing(
    stack: Stack, cloud: ServedWorld, tmp_path: Path
) -> None:
    assert stack.up(VM).code == 0
    before, sent = stack.export(), mutations(cloud)
    files = {name: tmp_path / name for name in ("markdown", "sarif", "html")}

    ran, told = review(
        stack, LARGER, *(part for name, file in files.items() for part in (f"--{name}", str(file)))
    )

    assert ran.code == 3
    assert ran.out == ""
    assert told["verdict"] == "block"
    assert told["reasons"][0]["rule"] == "data-loss"
    assert set(told["reasons"][0]) >= {"rule", "severity", "resource", "message"}
    assert [(r["resource"], r["because"]) for r in told["replacements"]] == [
        ("trainer", "gpu_count")
    ]
    assert told["deletions"] == []
    rate = told["rate_cents_per_hour"]
    assert (rate["before"], rate["after"]) == (29, 58)
    comment = files["markdown"].read_text()
    assert comment.startswith("### ⛔ Blocked: `trainer`")
    assert json.loads(files["sarif"].read_text())["runs"][0]["results"]
    assert "<h1>" in files["html"].read_text()
    everything = "".join([comment, *(f.read_text() for f in files.values()), json.dumps(told)])
    assert "secret-marker" not in everything + ran.err
    assert stack.export() == before
    assert mutations(cloud) == sent


def test_a_machine_that_its_state_says_ends_with_another_is_told_as_left_running(
    stack: Stack,
) -> None:
    """A transform gives the option past this package, which refuses it in a program."""
    program = """
    key = relay.SshKey("laptop", public_key=KEY)
    disk = relay.Vm("disk", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1)

    def bind(args):
        more = Options(deleted_with=disk)
        return pulumi.ResourceTransformResult(args.props, Options.merge(args.opts, more))

    relay.Vm("trainer", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1,
             opts=Options(transforms=[bind]))
"""
    assert stack.up(program).code == 0
    ran, told = review(stack, "")
    assert ran.code == 3
    found = {(each["rule"], each["resource"]) for each in told["reasons"]}
    assert found == {("left-running", "trainer"), ("data-loss", "disk")}


def test_without_a_file_the_comment_goes_to_stdout(stack: Stack) -> None:
    assert stack.up(VM).code == 0
    ran, _ = review(stack, VM, *DEVELOPMENT)
    assert ran.code == 0
    assert ran.out == "✅ Pass: no resource changes in stack `dev` (profile `development`).\n"


def test_the_users_own_selection_of_a_stack_stays(stack: Stack) -> None:
    stack.run("stack", "init", "other")
    review(stack, VM, *DEVELOPMENT)
    listed = json.loads(stack.run("stack", "ls", "--json").stdout)
    assert [each["name"] for each in listed if each["current"]] == ["other"]


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ('raise ValueError("no such dataset")', "the program failed: ValueError: no such dataset"),
        ("x = (", "the program failed: __main__.py, line 8: SyntaxError: '(' was never closed"),
        (
            VM.replace("gpu_count=1", "gpu_count=0"),
            "an input is refused: trainer: gpu_count should be greater than or equal to 1, not 0",
        ),
    ],
)
def test_what_cannot_be_judged_is_one_sentence_and_code_1(
    stack: Stack, program: str, sentence: str
) -> None:
    stack.write(program)
    ran = run(stack, "review")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"Error: the plan could not be judged: {sentence}\n"


def test_a_stack_or_a_project_that_is_not_there_is_one_sentence(
    stack: Stack, tmp_path: Path
) -> None:
    stack.write(VM)
    missing = run(stack, "review", "--stack", "nope")
    assert (missing.code, missing.err) == (
        1,
        "Error: the plan could not be judged: no stack named 'nope' found\n",
    )
    nowhere = "postgres://state:marker-0123@127.0.0.1:1/state?sslmode=disable"
    away = run(stack, "review", PULUMI_BACKEND_URL=nowhere)
    assert away.code == 1
    assert "marker-0123" not in away.err
    assert "state:[secret]@" in away.err
    (tmp_path / "empty").mkdir()
    empty = run(stack, "review", "--cwd", str(tmp_path / "empty"))
    assert empty.code == 1
    assert empty.err.endswith("has no Pulumi.yaml: give the project's folder with --cwd\n")


def test_without_pulumi_one_sentence_says_what_to_install(stack: Stack, tmp_path: Path) -> None:
    stack.write(VM)
    ran = run(stack, "review", PATH=str(tmp_path))
    assert ran.code == 1
    assert ran.err.startswith("Error: the plan could not be judged: there is no pulumi on PATH:")


def test_capacity_and_balance_that_cannot_be_read_are_not_evaluated(
    stack: Stack, cloud: ServedWorld
) -> None:
    for path in ("gpu-availability$", "billing/balance$"):
        rule = {
            "match": {"method": "GET", "path_regex": path},
            "times": None,
            "action": {"type": "status", "status": 403, "code": "FORBIDDEN"},
        }
        assert cloud.world.call("POST", "/_emulator/faults", rule).status < 300
    _, told = review(stack, VM, *DEVELOPMENT)
    missing = {(n["rule"], n["resource"]) for n in told["not_evaluated"]}
    assert missing >= {("capacity", "trainer"), ("runway", "")}


def test_a_secret_in_clear_in_the_configuration_is_found_and_not_shown(stack: Stack) -> None:
    stack.run("config", "set", "openrelay:apiKey", stack.cloud.key, "--plaintext", "--stack", "dev")
    ran, told = review(stack, VM, *DEVELOPMENT)
    assert ran.code == 3
    assert told["reasons"][0]["message"] == (
        "the stack's configuration openrelay:apiKey holds what looks like a secret, in clear"
    )
    assert stack.cloud.key not in ran.out + json.dumps(told)


def test_a_secret_of_the_configuration_in_a_failure_is_taken_out(stack: Stack) -> None:
    stack.run("config", "set", "--secret", "password", "secret-marker", "--stack", "dev")
    stack.write('raise ValueError(pulumi.Config().require("password"))')
    ran = run(stack, "review")
    assert ran.code == 1
    assert "secret-marker" not in ran.err
    assert "the program failed: ValueError: [secret]" in ran.err


def test_what_was_reviewed_is_applied(stack: Stack, cloud: ServedWorld) -> None:
    ran, told = review(stack, VM, *DEVELOPMENT)
    assert ran.code == 0, ran.out
    assert told["digest"].startswith("sha256:")

    applied = run(stack, "apply", "--reviewed", "review.json")

    assert applied.code == 0, applied.err
    assert len(cloud.world.live_vms()) == 1
    again = run(stack, "apply", "--reviewed", "review.json")
    assert again.code == 3
    assert again.err == (
        "refused, and nothing was applied: the plan is no longer the reviewed one: laptop (create, "
        "now same), trainer (create, now same); review it again\n"
    )


LATER = """
    key = relay.SshKey("laptop", public_key=KEY)
    one = relay.Vm("one", ssh_key_ids=[key.id], resource_size="small")

    def more(made):
        relay.Vm.get("found", made)
        for n in range(3):
            relay.Vm(f"extra{n}", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1)
        return made

    pulumi.export("made", one.id.apply(more))
"""


def test_what_no_review_saw_is_not_made(stack: Stack, cloud: ServedWorld) -> None:
    """As what a program declares in `apply`, of which a preview sees nothing."""
    assert stack.up('relay.SshKey("old", public_key=OTHER_KEY)').code == 0
    _, told = review(stack, LATER, *DEVELOPMENT)
    assert [each["resource"] for each in told["creations"]] == ["laptop", "one"]

    applied = run(stack, "apply", "--reviewed", "review.json")

    assert applied.code == 1
    said = (
        r"Error: extra\d is declared in no review, but only while the update runs; it was not "
        r"touched, and what was begun before it is recorded; review again, and apply that\n"
    )
    assert re.fullmatch(said, applied.err), applied.err
    assert len(cloud.world.live_vms()) == 1
    assert "old" in stack.resources()
    _, told = review(stack, None, *DEVELOPMENT)
    names = [f"extra{n}" for n in range(3)]
    assert [each["resource"] for each in told["creations"]] == names
    applied = run(stack, "apply", "--reviewed", "review.json")
    assert applied.code == 0, applied.err
    assert len(cloud.world.live_vms()) == 4


def test_another_plan_than_the_reviewed_one_is_refused(stack: Stack, cloud: ServedWorld) -> None:
    review(stack, VM, *DEVELOPMENT)
    stack.write(LARGER)
    refused = run(stack, "apply", "--reviewed", "review.json")
    assert refused.code == 3
    assert refused.err == (
        "refused, and nothing was applied: the plan is no longer the reviewed one: the same "
        "resources change, and their inputs or the stack's secrets differ; review it again\n"
    )
    assert cloud.world.live_vms() == []


def test_a_plan_that_was_reviewed_for_another_organization_is_refused(
    stack: Stack, cloud: ServedWorld
) -> None:
    review(stack, VM, *DEVELOPMENT)
    key = {"secret": "or_other", "organization": "other"}
    assert cloud.world.call("POST", "/_emulator/keys", key).status < 300
    refused = run(stack, "apply", "--reviewed", "review.json", OPENRELAY_API_KEY="or_other")
    assert refused.code == 3
    assert "refused, and nothing was applied: the plan was reviewed for the acc" in refused.err
    assert cloud.world.live_vms() == []


def test_a_review_of_another_stack_is_refused_before_its_secrets_are_read(stack: Stack) -> None:
    review(stack, VM, *DEVELOPMENT)
    stack.run("stack", "init", "other")
    refused = run(stack, "apply", "--reviewed", "review.json", "--stack", "other")
    assert refused.code == 3
    assert "refused, and nothing was applied: the review is of stack dev of " in refused.err


def test_another_secret_than_the_reviewed_one_is_refused(stack: Stack, cloud: ServedWorld) -> None:
    program = VM.replace('"secret-marker"}', 'pulumi.Config().require_secret("token")}')
    stack.run("config", "set", "--secret", "token", "one", "--stack", "dev")
    review(stack, program, *DEVELOPMENT)
    stack.run("config", "set", "--secret", "token", "two", "--stack", "dev")
    refused = run(stack, "apply", "--reviewed", "review.json")
    assert refused.code == 3
    assert cloud.world.live_vms() == []


def test_a_configuration_in_a_folder_of_its_own_is_reviewed_and_applied(
    stack: Stack, cloud: ServedWorld
) -> None:
    project = stack.folder / "Pulumi.yaml"
    project.write_text(f"{project.read_text()}\nstackConfigDir: of-stacks\n")
    own = stack.folder / "of-stacks" / "Pulumi.dev.yaml"
    own.parent.mkdir()
    (stack.folder / own.name).rename(own)
    stack.run("config", "set", "--secret", "unused", "one", "--stack", "dev")
    review(stack, VM, *DEVELOPMENT)
    reviewed = own.read_text()

    stack.run("config", "set", "--secret", "unused", "two", "--stack", "dev")
    refused = run(stack, "apply", "--reviewed", "review.json")
    assert refused.code == 3
    assert "their inputs or the stack's secrets differ; review it again" in refused.err
    assert cloud.world.live_vms() == []

    own.write_text(reviewed)
    applied = run(stack, "apply", "--reviewed", "review.json")
    assert applied.code == 0, applied.err
    assert len(cloud.world.live_vms()) == 1


HOOK = """
    relay.Webhook("hook", url=pulumi.Output.secret("https://a.example/secret-marker"))
"""


@pytest.mark.parametrize(
    ("before", "program", "reviewed", "other"),
    [
        pytest.param(None, VM, "echo secret", "echo other", id="a first deployment"),
        pytest.param(
            None,
            VM.replace('"trainer", ', '"trainer", name="trainer", '),
            "echo secret",
            "echo other",
            id="a name that the program gives",
        ),
        pytest.param(
            HOOK,
            HOOK.replace("secret-marker", "of-the-review"),
            "of-the-review",
            "of-nobody",
            id="a change in place",
        ),
    ],
)
def test_a_secret_that_nobody_reviewed_is_refused_by_its_name(
    stack: Stack, cloud: ServedWorld, before: str | None, program: str, reviewed: str, other: str
) -> None:
    if before is not None:
        assert stack.up(before).code == 0
    ran, told = review(stack, program, *DEVELOPMENT)
    assert ran.code == 0, ran.out
    sent = mutations(cloud)
    assert reviewed in program
    stack.write(program.replace(reviewed, other))
    refused = run(stack, "apply", "--reviewed", "review.json")
    what = "url of hook" if before else "cloud_init of trainer"
    assert (refused.code, refused.err) == (
        3,
        "refused, and nothing was applied: the plan is no longer the reviewed one: the secret in "
        f"{what} is another; review it again\n",
    )
    assert mutations(cloud) == sent
    assert "secret-marker" not in json.dumps(told)
    assert "of-the-review" not in json.dumps(told)

    stack.write(program)
    applied = run(stack, "apply", "--reviewed", "review.json")
    assert applied.code == 0, applied.err


def test_the_fingerprints_of_two_reviews_have_nothing_in_common(stack: Stack) -> None:
    _, first = review(stack, VM, *DEVELOPMENT)
    _, second = review(stack, VM, *DEVELOPMENT)
    (one,) = first["secrets"].values()
    (other,) = second["secrets"].values()
    assert set(one) == set(other) == {"cloud_init", "env_vars"}
    assert not {*one.values()} & {*other.values()}
    assert first["secrets_key"] != second["secrets_key"]
    assert first["digest"] == second["digest"]


def test_a_review_whose_key_this_stack_cannot_read_is_one_sentence(stack: Stack) -> None:
    review(stack, VM, *DEVELOPMENT)
    file = stack.folder / "review.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "secrets_key": "v1:RQsA9s/XyKDvYYbL:9CL3EK9qs35="}))
    ran = run(stack, "apply", "--reviewed", "review.json")
    assert ran.code == 1
    assert ran.err.startswith("Error: the stack's secrets cannot be compared: ")
    assert len(ran.err.splitlines()) == 1


def test_replacing_a_protected_machine_is_a_reason_and_no_failure(stack: Stack) -> None:
    protected = VM.replace("gpu_count=1", "gpu_count=1, deletion_protection=True")
    assert stack.up(protected).code == 0
    ran, told = review(stack, protected.replace("gpu_count=1", "gpu_count=2"), *DEVELOPMENT)
    assert ran.code == 3
    top = told["reasons"][0]
    assert (top["rule"], top["resource"]) == ("protected-replacement", "trainer")
    assert told["replacements"][0]["because"] == "gpu_count"
    preview = stack.preview()
    assert preview.code != 0
    assert len([error for error in preview.errors if "deletion_protection" in error]) == 1


def test_what_cannot_be_judged_takes_the_place_of_the_old_comment(stack: Stack) -> None:
    with serve(FakeForge("github")) as forge:
        where = ("--post", "github", "--pull-request", "7")
        review(stack, VM, *where, *DEVELOPMENT, **forge.environment)
        stack.run("config", "set", "--secret", "password", "secret-marker", "--stack", "dev")
        stack.write('raise ValueError(pulumi.Config().require("password"))')
        failed = run(stack, "review", *where, **forge.environment)
        (comment,) = forge.comments.values()
    assert failed.code == 1
    assert comment["body"].startswith("### ⛔ Not judged: the program failed: ValueError: ")
    assert "secret-marker" not in comment["body"]
    assert "stack `dev`" in comment["body"]


@pytest.mark.parametrize("broken", [None, "name: [\n"], ids=["missing", "broken"])
def test_a_project_file_that_is_missing_or_broken_takes_the_place_of_the_old_comment(
    stack: Stack, broken: str | None
) -> None:
    with serve(FakeForge("github")) as forge:
        where = ("--post", "github", "--pull-request", "7")
        review(stack, VM, *where, *DEVELOPMENT, **forge.environment)
        file = stack.folder / "Pulumi.yaml"
        whole = file.read_text()
        if broken is None:
            file.unlink()
        else:
            file.write_text(broken)
        failed = run(stack, "review", *where, **forge.environment)
        (told,) = [comment["body"] for comment in forge.comments.values()]
        file.write_text(whole)
        review(stack, VM, *where, *DEVELOPMENT, **forge.environment)
        (mended,) = [comment["body"] for comment in forge.comments.values()]
    assert failed.code == 1
    assert told.startswith("### ⛔ Not judged: ")
    assert "Pulumi.yaml" in told
    assert not mended.startswith("### ⛔ Not judged")


def test_an_api_that_is_away_is_no_verdict_on_the_cost(stack: Stack) -> None:
    stack.write(VM.replace("GPU,", f'"{stack.gpu}",'))
    ran = run(stack, "review", OPENRELAY_API_URL="http://127.0.0.1:9")
    assert (ran.code, ran.out) == (1, "")
    assert "its cost cannot be told: " in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_file_that_cannot_be_written_is_one_sentence(stack: Stack) -> None:
    stack.write(VM)
    ran = run(stack, "review", "--json", "/nope/x.json")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.endswith("/nope/x.json cannot be written: No such file or directory\n")


def test_a_review_that_fails_leaves_no_earlier_one_to_be_taken_for_it(stack: Stack) -> None:
    files = {
        name: stack.folder / f"review.{name}" for name in ("markdown", "json", "sarif", "html")
    }
    for file in files.values():
        file.write_text("an earlier verdict")
    stack.write("raise ValueError('no')\n")
    ran = run(stack, "review", *(word for n, f in files.items() for word in (f"--{n}", str(f))))
    assert ran.code == 1
    assert {file.read_text() for file in files.values()} == {""}


def test_a_project_file_that_is_no_yaml_is_one_sentence(stack: Stack) -> None:
    stack.write(VM)
    (stack.folder / "Pulumi.yaml").write_text("name: [\n")
    ran = run(stack, "review")
    assert ran.code == 1
    assert "Pulumi.yaml cannot be read" in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize("command", ["review", "apply"])
def test_a_command_called_wrongly_ends_with_1(stack: Stack, command: str) -> None:
    stack.write(VM)
    ran = run(stack, command, "--no-such-option")
    assert ran.code == 1
    assert "No such option" in ran.err


def interrupted(
    stack: Stack, end: Callable[[int, int], None], number: int, *command: str
) -> tuple[int, str]:
    """The code and stderr of a command whose program is interrupted, once it has begun to wait."""
    began, home = stack.folder / "began", f"PULUMI_HOME={stack.environment['PULUMI_HOME']}"
    with subprocess.Popen(
        [sys.executable, "-m", "pulumi_openrelay", *command, "--stack", stack.name],
        cwd=stack.folder,
        env=stack.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Whoever started the tests may ignore Ctrl-C, which children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            assert soon(lambda: began.exists() or process.poll() is not None)
            end(process.pid, number)
            _, said = process.communicate(timeout=60)
            assert soon(lambda: not running(home))
        finally:
            stack.end()
    return process.returncode, said


def soon(holds: Callable[[], bool]) -> bool:
    """Whether something comes true within a minute."""
    end = time.monotonic() + 60
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


WAIT = 'import time; open("began", "w").close(); time.sleep(600)'


@pytest.mark.parametrize(
    ("end", "number"),
    [
        pytest.param(os.killpg, signal.SIGINT, id="in a terminal"),
        pytest.param(os.kill, signal.SIGINT, id="the command alone"),
        pytest.param(os.kill, signal.SIGTERM, id="by a pipeline"),
    ],
)
def test_an_interrupted_review_is_one_sentence_and_leaves_no_process(
    stack: Stack, end: Callable[[int, int], None], number: int
) -> None:
    stack.write(WAIT)
    code, said = interrupted(stack, end, number, "review")
    assert (code, said) == (1, "Error: interrupted, and nothing was changed\n")


def test_an_interrupted_apply_says_that_what_was_done_is_recorded(stack: Stack) -> None:
    program = 'relay.SshKey("laptop", public_key=KEY)'
    review(stack, program, *DEVELOPMENT)
    stack.write(f"{program}\nif not pulumi.runtime.is_dry_run():\n    {WAIT}")
    code, said = interrupted(stack, os.killpg, signal.SIGINT, "apply", "--reviewed", "review.json")
    assert code == 1
    assert said == (
        "Error: interrupted: what was done until then is recorded; `pulumi preview` shows what is "
        "left\n"
    )
    stack.export()


OWN_PACK = """\
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy

def check(args, report):
    if args.resource_type.endswith(":Vm"):
        report("is not what we want")

PolicyPack("acme", [
    ResourceValidationPolicy("no-vms", "No VMs.", check, EnforcementLevel.MANDATORY),
])
"""


def test_a_pack_of_the_users_own_is_run_too(stack: Stack, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    shutil.copy(stack.folder / "Pulumi.yaml", pack / "PulumiPolicy.yaml")
    (pack / "__main__.py").write_text(OWN_PACK)
    ran, told = review(stack, VM, *DEVELOPMENT, "--policy-pack", str(pack))
    assert ran.code == 3
    assert [(r["rule"], r["resource"]) for r in told["reasons"] if r["effect"] == "block"] == [
        ("no-vms", "trainer")
    ]
    ran, _ = review(stack, VM, *DEVELOPMENT)
    assert ran.code == 0
    refused = run(stack, "apply", "--reviewed", "review.json", "--policy-pack", str(pack))
    assert refused.code == 3
    assert refused.err.endswith("is blocked now: is not what we want\n")


def test_a_blocked_plan_is_refused(stack: Stack) -> None:
    assert stack.up(VM).code == 0
    review(stack, LARGER)
    refused = run(stack, "apply", "--reviewed", "review.json")
    assert (refused.code, refused.err) == (
        3,
        "refused, and nothing was applied: the review blocked this plan\n",
    )


def test_a_file_that_is_no_review_is_one_sentence(stack: Stack) -> None:
    stack.write(VM)
    (stack.folder / "review.json").write_text("{}")
    ran = run(stack, "apply", "--reviewed", "review.json")
    said = "review.json is no review; give the file that `review --json` wrote"
    assert (ran.code, ran.err) == (1, f"Error: {said}\n")


def test_drift_is_told_with_code_2_and_put_right_by_what_was_reviewed(
    stack: Stack, cloud: ServedWorld
) -> None:
    assert stack.up(VM).code == 0
    ran, told = review(stack, None, "--drift", *DEVELOPMENT)
    assert (ran.code, told["drift"]) == (0, [])
    machine = cloud.world.live_vms()[0]
    cloud.world.call("POST", f"/v1/vms/{machine.id}/visibility", {"public": True})
    blocked, told = review(stack, LARGER, "--drift")
    assert (blocked.code, len(told["drift"])) == (3, 1)
    stack.write(VM)

    ran, told = review(stack, None, "--drift", *DEVELOPMENT)

    assert ran.code == 2
    assert told["verdict"] == "warn"
    assert "- `trainer` (VM) `public False → True`" in ran.out
    assert [(d["resource"], d["gone"]) for d in told["drift"]] == [("trainer", False)]
    applied = run(stack, "apply", "--reviewed", "review.json")
    assert applied.code == 0, applied.err
    assert cloud.world.live_vms()[0].public is False


def test_the_commit_is_told_and_that_files_differ_from_it(stack: Stack) -> None:
    git = shutil.which("git")
    assert git is not None
    stack.write(VM)
    who = {
        f"GIT_{role}_{what}": "ada@example.com"
        for role in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    (stack.folder / ".gitignore").write_text(
        "home/\nbackend/\nevents-*\nreview.json\n__pycache__\n"
    )
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([git, *words], cwd=stack.folder, check=True, env={**os.environ, **who})
    _, told = review(stack, None, *DEVELOPMENT)
    assert len(told["commit"]) == 40
    _, dirty = review(stack, VM + "    # more\n", *DEVELOPMENT)
    assert dirty["commit"] == told["commit"] + "-dirty"


def test_the_comment_is_posted_once_and_its_failure_is_told(stack: Stack) -> None:
    assert stack.up(VM).code == 0
    with serve(FakeForge("github")) as forge:
        where = ("--post", "github", "--pull-request", "7")
        blocked, _ = review(stack, LARGER, *where, **forge.environment)
        passed, _ = review(stack, VM, *where, *DEVELOPMENT, **forge.environment)
        (comment,) = forge.comments.values()
        forge.refuse = (403, "no")
        failed, _ = review(stack, VM, *where, *DEVELOPMENT, **forge.environment)
    assert [blocked.code, passed.code] == [3, 0]
    assert comment["body"].startswith("✅ Pass: no resource changes")
    assert TOKEN not in blocked.out + blocked.err + failed.err
    assert failed.code == 1
    assert failed.err.endswith(
        "the review was not posted: github refused the comment: 403: no "
        "(the token may not comment there)\n"
    )
