"""Previews on the real engine, through Pulumi's Automation API.

A review changes nothing: not the state, not the machines, not which stack the user has selected.
What cannot be previewed cannot be judged, and is told in one sentence.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped]

from ..config import REVIEW_KEY, REVIEWED
from ..urn import name_of

if TYPE_CHECKING:
    from pulumi.automation import Stack
    from pulumi.automation.events import DiagnosticEvent, EngineEvent, PolicyEvent

NO_PULUMI = (
    "there is no pulumi on PATH: install the Pulumi CLI (https://www.pulumi.com/docs/install/), or "
    "put its folder on PATH"
)
NO_PROJECT = "{} has no Pulumi.yaml: give the project's folder with --cwd"
HIDDEN = "[secret]"
SEALED = "pulumi-openrelay:review"
"""The name under which the stack's secrets provider is handed the key of a review."""
_PROVIDER = ("secretsprovider", "encryptedkey", "encryptionsalt")
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


def is_project(folder: Path) -> bool:
    """Whether the folder has a Pulumi project of its own."""
    return bool(_written_as(folder / "Pulumi"))


def _written_as(base: Path) -> list[Path]:
    """The files with this path and one of the endings that Pulumi knows."""
    files = [base.with_name(f"{base.name}.{end}") for end in ("yaml", "yml", "json")]
    return [file for file in files if file.exists()]


def configurations(folder: Path, stack: str) -> list[Path]:
    """The files of a stack's configuration, which a project may have in a folder of its own. stack:
    its name alone."""
    project = yaml.safe_load(_written_as(folder / "Pulumi")[0].read_text())
    own = project.get("stackConfigDir") or project.get("config")  # as Pulumi called it before
    return _written_as(folder / (own if isinstance(own, str) else "") / f"Pulumi.{stack}")


class Project:
    """A folder with a Pulumi project, and one of its stacks. Raises NotJudged where the folder has
    none, or there is no Pulumi CLI."""

    def __init__(self, folder: Path, stack: str) -> None:
        if not is_project(folder):
            raise NotJudged(NO_PROJECT.format(folder))
        if shutil.which("pulumi") is None:
            raise NotJudged(NO_PULUMI)
        self.folder = folder
        self.name = stack
        self._environment = {"PULUMI_SKIP_UPDATE_CHECK": "true"}
        self._stack = _select(folder, stack, self._environment)
        try:
            self._settings = self._stack.workspace.project_settings()
        except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, OSError):
            raise NotJudged(
                f"{folder}/Pulumi.yaml cannot be read: `pulumi preview` says where it is wrong"
            ) from None

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
        files = configurations(self.folder, self.stack)
        return [found for file in files for found in _SECURE.findall(file.read_text())]

    def configuration(self) -> dict[str, tuple[str, bool]]:
        """The stack's configuration in clear: each value, and whether it is a secret."""
        from pulumi.automation.errors import CommandError

        try:
            values = self._stack.get_all_config()
        except CommandError as error:
            raise NotJudged(_last_sentence(str(error).splitlines())) from None
        return {key: (value.value, bool(value.secret)) for key, value in values.items()}

    def deleted_with(self) -> dict[tuple[str, str], str]:
        """Of what is recorded with that option, the URN of what it is deleted with, by its own type
        and id. The events of a preview do not tell."""
        from pulumi.automation.errors import CommandError

        run, words = self._stack.workspace.pulumi_command.run, ["stack", "export", "--stack"]
        try:
            said = run([*words, self.name], str(self.folder), self._environment).stdout
            recorded = json.loads(said)["deployment"].get("resources") or []
        except CommandError as error:
            raise NotJudged(_last_sentence(str(error).splitlines())) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise NotJudged("what `pulumi stack export` says cannot be read") from None
        return {
            (each["type"], each["id"]): each["deletedWith"]
            for each in recorded
            if each.get("id") and each.get("deletedWith")
        }

    def preview(self, packs: Sequence[Path], key: str, *, refresh: bool = False) -> Told:
        """What `pulumi preview` tells. packs: the folders of policy packs. key: of the
        fingerprints of inputs. refresh: look first at what is really there; the record stays as
        it is."""
        self._environment[REVIEW_KEY] = key
        try:
            return self._run("preview", packs, refresh=refresh)
        finally:
            del self._environment[REVIEW_KEY]

    def up(
        self,
        packs: Sequence[Path],
        show: Callable[[str], object],
        reviewed: Iterable[str],
        *,
        refresh: bool = False,
    ) -> Told:
        """Apply. show: called with each line of the engine's display. reviewed: the URNs of what
        the program may declare, to which the ready pack holds it. packs, refresh: as for a preview.

        Raises NotJudged with the engine's sentence where it fails.
        """
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "reviewed.json")
            file.write_text(json.dumps(sorted(reviewed)), encoding="utf-8")
            self._environment[REVIEWED] = str(file)
            try:
                return self._run("up", packs, show, refresh=refresh)
            finally:
                del self._environment[REVIEWED]

    def seal(self, text: str) -> str:
        """The text, encrypted as the stack's own secrets are. Raises NotJudged."""
        with self._secrets() as file:
            self._config("set", "--secret", file=file, given=text)
            return str(yaml.safe_load(file.read_text())["config"][SEALED]["secure"])

    def unseal(self, sealed: str) -> str:
        """The text that was sealed. Raises NotJudged where this stack's secrets cannot be read."""
        with self._secrets({"config": {SEALED: {"secure": sealed}}}) as file:
            return self._config("get", file=file)

    @contextmanager
    def _secrets(self, more: dict[str, Any] | None = None) -> Iterator[Path]:
        """A configuration file of its own, with the stack's secrets provider and nothing else."""
        own = configurations(self.folder, self.stack)
        text = own[0].read_text() if own else "{}"
        settings = {k: v for k, v in (yaml.safe_load(text) or {}).items() if k in _PROVIDER}
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "Pulumi.review.yaml")
            file.write_text(yaml.safe_dump({**settings, **(more or {})}))
            yield file

    def _config(self, *words: str, file: Path, given: str = "") -> str:
        command = ["pulumi", "config", *words, SEALED, "--config-file", str(file)]
        done = subprocess.run(  # noqa: S603
            [*command, "--stack", self.name, "--non-interactive"],
            cwd=self.folder,
            env={**os.environ, **self._environment},
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            why = _last_sentence(done.stderr.splitlines())
            raise NotJudged(f"the stack's secrets cannot be compared: {why}")
        return done.stdout.strip()

    def _run(
        self,
        operation: str,
        packs: Sequence[Path],
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
                policy_packs=[str(pack) for pack in packs],
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


def _select(folder: Path, stack: str, environment: dict[str, str]) -> Stack:
    """environment: what every command gets beside this process's own, as it is at the time."""
    from pulumi import automation

    from .command import Interruptible

    class Workspace(automation.LocalWorkspace):
        """Every command names its stack, so that the user's own selection stays as it is."""

        def select_stack(self, stack_name: str) -> None:
            """Leave it."""

    try:
        workspace = Workspace(
            work_dir=str(folder),
            env_vars=environment,
            pulumi_command=Interruptible(),
        )
    except automation.InvalidVersionError as error:
        raise NotJudged(f"the `pulumi` on PATH cannot be used: {_cut(str(error))}") from None
    except (OSError, subprocess.SubprocessError) as error:
        raise NotJudged(f"the `pulumi` on PATH does not start: {type(error).__name__}") from None
    return automation.Stack.select(stack, workspace)


def sentence(told: Told) -> str:
    """Why there is no plan: the first failure, on one line."""
    for error in told.errors:
        message = error.message.strip()
        if "Traceback (most recent call last)" in message:
            return f"the program failed: {_cut(_raised(message))}"
        if error.urn and " has a problem: " in message:
            name, problem = name_of(error.urn), message.split(" has a problem: ", 1)[1]
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
