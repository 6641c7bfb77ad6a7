"""Previews on the real engine, through Pulumi's Automation API.

A review changes nothing: not the state, not the machines, not which stack the user has selected.
What cannot be previewed cannot be judged, and is told in one sentence.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pulumi.automation import Stack
    from pulumi.automation.events import DiagnosticEvent, EngineEvent, PolicyEvent

HIDDEN = "[secret]"
_PLACE = re.compile(r'File "([^"]+)", line (\d+)')
_SECURE = re.compile(r"""\bsecure["']?:\s*["']?([^\s"',}]+)""")


class NotJudged(Exception):
    """There is no plan to judge. str() is the sentence that says why."""


@dataclass(slots=True)
class Told:
    """What the engine said in one operation."""

    events: list[EngineEvent] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def policies(self) -> list[PolicyEvent]:
        return [event.policy_event for event in self.events if event.policy_event is not None]

    @property
    def errors(self) -> list[DiagnosticEvent]:
        """Failures of the program, of a provider or of the engine. `preview failed` alone is how
        the engine tells that a policy was violated."""
        found = (event.diagnostic_event for event in self.events)
        errors = [each for each in found if each is not None and each.severity == "error"]
        return [each for each in errors if each.message.strip() != "preview failed"]


class Project:
    """A folder with a Pulumi project, and one of its stacks. Raises NotJudged where the folder has
    none, or the Pulumi CLI is not to be had."""

    def __init__(self, folder: Path, stack: str) -> None:
        if not any((folder / f"Pulumi.{end}").exists() for end in ("yaml", "yml", "json")):
            raise NotJudged(f"{folder} has no Pulumi.yaml: give the project's folder with --cwd")
        if shutil.which("pulumi") is None:
            raise NotJudged(
                "there is no pulumi on PATH: install the Pulumi CLI "
                "(https://www.pulumi.com/docs/install/), or put its folder on PATH"
            )
        self.folder = folder
        self.name = stack
        self._stack = _select(folder, stack)
        self._settings = self._stack.workspace.project_settings()

    @property
    def project(self) -> str:
        """The project's name."""
        return str(self._settings.name)

    @property
    def stack(self) -> str:
        """The stack's name without organization and project, as rules have it."""
        return self.name.rsplit("/", 1)[-1]

    @property
    def program(self) -> Path:
        """The folder of the program."""
        main = self.folder / (self._settings.main or "")
        return main if main.is_dir() else main.parent

    def ciphertexts(self) -> list[str]:
        """The secrets of the stack's configuration file, encrypted as they stand there."""
        files = sorted(self.folder.glob(f"Pulumi.{self.stack}.*"))
        return [found for file in files for found in _SECURE.findall(file.read_text())]

    def configuration(self) -> dict[str, tuple[str, bool]]:
        """The stack's configuration in clear: each value, and whether it is a secret."""
        from pulumi.automation.errors import CommandError

        try:
            values = self._stack.get_all_config()
        except CommandError as error:
            raise NotJudged(_last_sentence(str(error).splitlines())) from None
        return {key: (value.value, bool(value.secret)) for key, value in values.items()}

    def preview(self, pack: Path, *, refresh: bool = False) -> Told:
        """What `pulumi preview` tells. pack: the folder of a policy pack. refresh: look first at
        what is really there; the record stays as it is."""
        return self._run("preview", pack, refresh=refresh)

    def up(self, pack: Path, show: Callable[[str], object], *, refresh: bool = False) -> Told:
        """Apply. show: called with each line of the engine's display. pack, refresh: as for a
        preview.

        Raises NotJudged with the engine's sentence where it fails.
        """
        return self._run("up", pack, show, refresh=refresh)

    def _run(
        self,
        operation: str,
        pack: Path,
        show: Callable[[str], object] = lambda _line: None,
        **options: Any,
    ) -> Told:
        from pulumi.automation.errors import CommandError

        told = Told()

        def hear(line: str) -> None:
            told.lines.append(line)
            show(line)

        try:
            getattr(self._stack, operation)(
                color="never",
                on_event=told.events.append,
                on_output=hear,
                on_error=hear,
                policy_packs=[str(pack)],
                **options,
            )
        except CommandError:
            violated = any(each.enforcement_level == "mandatory" for each in told.policies)
            if told.errors or not violated or operation == "up":
                raise NotJudged(sentence(told)) from None
        except RuntimeError as error:  # the engine ended before it began
            raise NotJudged(_last_sentence(told.lines) or str(error)) from None
        if not any(event.summary_event for event in told.events):
            raise NotJudged("the engine's account of the preview broke off; run it again")
        return told


def _select(folder: Path, stack: str) -> Stack:
    from pulumi import automation

    class Workspace(automation.LocalWorkspace):
        """Every command names its stack, so that the user's own selection stays as it is."""

        def select_stack(self, stack_name: str) -> None:
            """Leave it."""

    try:
        workspace = Workspace(
            work_dir=str(folder),
            env_vars={"PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
    except automation.InvalidVersionError as error:
        raise NotJudged(f"the pulumi on PATH is of no use: {_cut(str(error))}") from None
    except (OSError, subprocess.SubprocessError) as error:
        raise NotJudged(f"the pulumi on PATH does not start: {type(error).__name__}") from None
    return automation.Stack.select(stack, workspace)


def sentence(told: Told) -> str:
    """Why there is no plan: the first failure, on one line."""
    for error in told.errors:
        message = error.message.strip()
        if "Traceback (most recent call last)" in message:
            return f"the program failed: {_cut(_raised(message))}"
        if error.urn and " has a problem: " in message:
            name, problem = error.urn.rsplit("::", 1)[-1], message.split(" has a problem: ", 1)[1]
            return f"an input is refused: {name}: {_cut(problem)}"
        return _cut(message)
    return _last_sentence(told.lines) or "the preview failed and did not say why"


def _raised(traceback: str) -> str:
    """Its last line; where Python could not read the program, with the file and the line, which
    that does not name."""
    last = traceback.splitlines()[-1]
    places = _PLACE.findall(traceback)
    if places and last.startswith(("SyntaxError:", "IndentationError:", "TabError:")):
        file, line = places[-1]
        return f"{Path(file).name}, line {line}: {last}"
    return last


def _last_sentence(lines: Sequence[str]) -> str:
    for line in reversed(lines):
        if "error: " in line:
            return _cut(line.split("error: ", 1)[1])
    return _cut(next((line for line in reversed(lines) if line.strip()), ""))


def _cut(text: str) -> str:
    line = re.sub(r"\s+", " ", text).strip()
    return line if len(line) <= 400 else line[:400] + "…"
