"""The Pulumi CLI as reviews start it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulumi_openrelay.review.command import Interruptible


def test_the_reviewed_program_gets_no_token_that_comments_are_posted_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GITHUB_TOKEN", "GITLAB_TOKEN", "GITEA_TOKEN", "OPENRELAY_API_KEY"):
        monkeypatch.setenv(name, "marker")
    script = tmp_path / "pulumi"
    script.write_text("#!/bin/sh\nenv\n")
    script.chmod(0o755)
    cli = Interruptible.__new__(Interruptible)
    cli.command = str(script)
    told = cli.run(["preview"], str(tmp_path), {"PULUMI_STACK": "dev"}).stdout.splitlines()
    assert [line for line in told if line.endswith("=marker")] == ["OPENRELAY_API_KEY=marker"]
    assert "PULUMI_STACK=dev" in told
