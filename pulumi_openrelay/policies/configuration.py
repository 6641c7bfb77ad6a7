"""The configuration of the rules: a profile, what differs from it, and exemptions; a JSON file.

    {
      "profile": "production",
      "rules": {"machine-rate": {"level": "advisory", "max_cents_per_hour": 4000}},
      "exemptions": [
        {"rule": "public-machine", "resource": "demo-*", "reason": "the public demo",
         "owner": "ada@example.com", "expires": "2027-01-31"}
      ]
    }

Each key may be left out, and `$schema` may name what `pulumi-openrelay policy schema` prints. The
three profiles stand in the pack's own file, `pack/policy.json`: `production` is the rules' own
levels and settings, the others say what differs. A file may have `profiles` of its own beside them.
What stands under `rules` wins over the profile, and what `--policy-pack-config` says over both.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from .exemptions import Exemption
from .of_reviews import OF_REVIEWS
from .rule import Level, Rule, Settings

FILE = "openrelay-policy.json"
"""What the file is called in a project's folder."""
SHIPPED = Path(__file__).parent / "pack" / "policy.json"
LEVEL = "level"

Name = Annotated[str, StringConstraints(pattern=r"^[\w.-]+$")]

Choices = dict[str, dict[str, Any]]
"""For each rule its `level` and its settings, as far as they are given."""


class WrongConfiguration(Exception):
    """str() is the sentence that says what is wrong, and where."""


@cache
def _shipped() -> dict[str, Any]:
    shipped: dict[str, Any] = json.loads(SHIPPED.read_text(encoding="utf-8"))
    return shipped


class Configuration(BaseModel):
    """What a configuration file holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    profile: Name = Field(default_factory=lambda: str(_shipped()["profile"]))
    profiles: dict[Name, Choices] = Field(default_factory=dict)
    rules: Choices = Field(default_factory=dict)
    exemptions: tuple[Exemption, ...] = ()

    def level(self, rule: Rule) -> Level:
        """The level that a rule has by this configuration."""
        return Level(self._choices(rule).get(LEVEL, rule.level))

    def settings(self, rule: Rule, given: Mapping[str, Any] | None = None) -> Settings:
        """A rule's settings. given: what wins over this configuration."""
        choices = {k: v for k, v in self._choices(rule).items() if k != LEVEL}
        return rule.settings.model_validate({**choices, **(given or {})})

    def check(self, rules: Iterable[Rule]) -> None:
        """Raise WrongConfiguration for a profile, a rule, a level or a setting that is none, and
        for an exemption of a rule that neither these rules nor reviews have.
        """
        known = {rule.name: rule for rule in rules}
        exemptible = {*known, *OF_REVIEWS}
        profiles = self._profiles()
        if self.profile not in profiles:
            names = ", ".join(sorted(profiles))
            raise WrongConfiguration(f"there is no profile {self.profile!r}; there are {names}")
        named = {*self.rules, *self.profiles.get(self.profile, {})}
        for name in sorted(named - known.keys()):
            raise _no_rule(name, known)
        for name in sorted({each.rule for each in self.exemptions} - exemptible):
            raise _no_rule(name, exemptible)
        for rule in known.values():
            try:
                self.level(rule)
                self.settings(rule)
            except ValidationError as error:
                raise WrongConfiguration(f"{rule.name}: {first_fault(error)}") from None
            except ValueError:
                raise WrongConfiguration(
                    f"{rule.name}: its level should be one of {', '.join(Level)}"
                ) from None

    def _profiles(self) -> dict[str, Choices]:
        return {**_shipped()["profiles"], **self.profiles}

    def _choices(self, rule: Rule) -> dict[str, Any]:
        chosen = self._profiles().get(self.profile, {}).get(rule.name, {})
        return {**chosen, **self.rules.get(rule.name, {})}


def _no_rule(name: str, known: Iterable[str]) -> WrongConfiguration:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    hint = f"did you mean {close[0]}?" if close else "see `pulumi-openrelay policy list`"
    return WrongConfiguration(f"there is no rule {name!r}; {hint}")


def find(
    folder: Path | None = None, file: Path | None = None, profile: str | None = None
) -> Configuration:
    """The configuration of a project, or of a file.

    folder: the project's; None means the current one. file: None means `openrelay-policy.json` in
    the folder, if it is there. profile: wins over the file's. Raises WrongConfiguration.
    """
    own = (folder or Path()) / FILE
    configuration = read(file or own) if file or own.is_file() else Configuration()
    return configuration.model_copy(update={"profile": profile}) if profile else configuration


def read(file: Path) -> Configuration:
    """The configuration in a file. Raises WrongConfiguration."""
    try:
        return Configuration.model_validate_json(file.read_bytes())
    except OSError as error:
        raise WrongConfiguration(f"{file} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise WrongConfiguration(f"{file}: {first_fault(error)}") from None


def first_fault(error: ValidationError) -> str:
    """Where the first fault is and what it is, on one line; without the value."""
    fault = error.errors(include_input=False, include_url=False)[0]
    place = " ".join(".".join(map(str, fault["loc"])).split())
    return f"{place}: {fault['msg']}" if place else str(fault["msg"])
