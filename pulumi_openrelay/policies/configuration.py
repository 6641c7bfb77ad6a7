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
import os
import re
from codecs import BOM_UTF8
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import to_json

from .exemptions import Exemption
from .of_reviews import OF_REVIEWS
from .rule import Level, Rule, Settings

FILE = "openrelay-policy.json"
"""What the file is called in a project's folder."""
SHIPPED = Path(__file__).parent / "pack" / "policy.json"
LEVEL = "level"

Name = Annotated[str, StringConstraints(pattern=r"^[\w.-]+$")]

_PLAIN = {
    "missing": "is missing",
    "string_too_short": "should not be blank",
    "string_pattern_mismatch": "should have letters, digits, '_', '.' and '-' alone",
    "dict_type": "should be an object",
    "tuple_type": "should be a list",
}
"""What is said in place of Pydantic's own words, by the kind of the fault."""

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
        """Raise WrongConfiguration for a profile, a rule, a level or a setting that is none, for a
        profile in place of a shipped one, and for an exemption of a rule that neither these rules
        nor reviews have. What the file's other profiles say is checked as if they were chosen.
        """
        known = {rule.name: rule for rule in rules}
        exemptible = {*known, *OF_REVIEWS}
        profiles, shipped = self._profiles(), _shipped()["profiles"]
        for name in sorted(shipped.keys() & self.profiles.keys()):
            if self.profiles[name] != shipped[name]:
                raise WrongConfiguration(
                    f"the profile {name!r} is the package's own: give yours another name, or say "
                    "under `rules` what is to differ"
                )
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
                self._check_settings(rule)
            except ValidationError as error:
                keys = [LEVEL, *rule.settings.model_fields]
                raise WrongConfiguration(f"{rule.name}: {first_fault(error, keys)}") from None
            except ValueError:
                raise WrongConfiguration(
                    f"{rule.name}: its level should be one of {', '.join(Level)}"
                ) from None
        for name in sorted(self.profiles.keys() - shipped.keys() - {self.profile}):
            chosen = {"profile": name, "profiles": {name: self.profiles[name]}}
            try:
                self.model_copy(update=chosen).check(known.values())
            except WrongConfiguration as wrong:
                raise WrongConfiguration(f"profiles.{name}: {wrong}") from None

    def _check_settings(self, rule: Rule) -> None:
        """Raise ValidationError for a setting of another type, too, where Python would take it for
        what is asked for: true for 1."""
        given = self._choices(rule).items()
        whole = {
            name: int(value) if isinstance(value, float) and value.is_integer() else value
            for name, value in given
            if name != LEVEL
        }
        rule.settings.model_validate_json(to_json(whole), strict=True)

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
    there = file or os.path.lexists(own)  # a broken link or a folder too: reading it says so
    configuration = read(file or own) if there else Configuration()
    return configuration.model_copy(update={"profile": profile}) if profile else configuration


def read(file: Path) -> Configuration:
    """The configuration in a file. Raises WrongConfiguration."""
    try:
        content = file.read_bytes().removeprefix(BOM_UTF8)
        _refuse_repeated(file, content)
        return Configuration.model_validate_json(content, strict=True)
    except OSError as error:
        raise WrongConfiguration(f"{file} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise WrongConfiguration(f"{file}: {first_fault(error, _keys(Configuration))}") from None


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON, with the keys that stand in it more than once."""


def _refuse_repeated(file: Path, text: bytes) -> None:
    """Raise WrongConfiguration for a key that an object has twice, of which JSON's readers take
    the last one."""
    try:
        read = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return  # it is no JSON, as whoever reads the rest of it says
    repeated = next(_repeated(read), None)
    if repeated is not None:
        raise WrongConfiguration(
            f"{file}: {' '.join(repeated.split())} stands there twice, and the first of them would "
            "count for nothing; leave one"
        )


def _repeated(value: Any, place: str = "") -> Iterator[str]:
    """Where a key stands that its object has already."""
    if not isinstance(value, list):
        return
    seen = set()
    for key, part in value if isinstance(value, _Pairs) else enumerate(value):
        here = f"{place}.{key}" if place else f"{key}"
        if key in seen:
            yield here
        seen.add(key)
        yield from _repeated(part, here)


def first_fault(error: ValidationError, keys: Collection[str]) -> str:
    """Where the first fault is and what it is, on one line; without the value. keys: those that
    the whole may have."""
    fault = error.errors(include_input=False, include_url=False)[0]
    place, said = list(fault["loc"]), _said(fault)
    if place[-1:] == ["[key]"]:
        said = f"{place[-2]!r} {said}"
        del place[-2:]
    elif fault["type"] == "extra_forbidden":
        name = str(place.pop())
        said = _no_key(name, _keys(Exemption) if place else keys)
    where = " ".join(".".join(map(str, place)).split())
    return f"{where}: {said}" if where else said


def _said(fault: Mapping[str, Any]) -> str:
    """Pydantic's finding as the rest of a sentence that begins with the place."""
    kind, said = str(fault["type"]), str(fault["msg"])
    if kind.startswith("date_"):
        return "should be a date, such as 2027-01-31"
    said = _PLAIN.get(kind) or re.sub(r"^(Input|String|Value) should", "should", said)
    said = said.removeprefix("Value error, ").replace("Invalid JSON:", "is no JSON:")
    return said.partition(", unable to ")[0]


def _no_key(name: str, names: Collection[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(names))}"
    return f"there is no key {name!r}; {hint}"


def _keys(shape: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in shape.model_fields.items()]
