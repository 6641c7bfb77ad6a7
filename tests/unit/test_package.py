"""The package as its users import it: whole, documented, cheap; no field of the API forgotten."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
import tarfile
import tomllib
from dataclasses import dataclass, is_dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hatchling.builders.sdist import SdistBuilder

import pulumi_openrelay
from pulumi_openrelay import Resource, relay
from pulumi_openrelay.lifecycle.declare import ACTIONS, KINDS
from pulumi_openrelay.lifecycle.fields import INPUTS
from pulumi_openrelay.relay import account, catalog, offers

from ..contract.examples import EXAMPLES

ROOT = Path(pulumi_openrelay.__file__).parent
NEED_EXTRAS = ("emulator", "cli", "__main__", "policies", "review")
"""The parts that only an extra brings: nothing else may import them."""
EXTRAS = {
    *("click", "jinja2", "jsonschema", "starlette", "uvicorn", "pulumi_policy", "rich"),
    *("hypothesis", "pytest", "greenlet", "cryptography"),
}
HEAVY = {"httpx", "pydantic", "pydantic_core", "anyio", "h11"}
"""What only the plugin needs: a program that imports the package does not pay for it."""


class TestNames:
    @pytest.mark.parametrize("place", [pulumi_openrelay, relay])
    def test_all_is_everything_public(self, place: Any) -> None:
        """And nothing else is; what is imported when it is used is there too."""
        ours = {
            name
            for name, value in vars(place).items()
            if not name.startswith("_")
            and str(getattr(value, "__module__", "")).startswith("pulumi_openrelay")
        }
        assert ours <= set(place.__all__)
        assert all(hasattr(place, name) for name in place.__all__)
        assert list(place.__all__) == sorted(place.__all__)
        assert len(place.__all__) == len(set(place.__all__))

    def test_every_resource_is_where_its_token_says(self) -> None:
        """`relay:Instance` is `pulumi_openrelay.relay.Instance`."""
        for token, kind in KINDS.items():
            module, _, name = token.partition(":")
            place: Any = {"openrelay": pulumi_openrelay, "relay": relay}[module]
            assert getattr(place, name) is kind.resource
            assert name in place.__all__

    def test_every_resource_has_a_kind(self) -> None:
        public = {
            value
            for place in (pulumi_openrelay, relay)
            for value in vars(place).values()
            if inspect.isclass(value) and issubclass(value, Resource) and value is not Resource
        }
        assert public == {kind.resource for kind in [*KINDS.values(), *ACTIONS.values()]}


def test_types_are_shipped() -> None:
    """A wheel without this marker has no types."""
    assert (ROOT / "py.typed").is_file()


def test_a_source_distribution_holds_the_package_whole_and_no_tests_that_need_a_checkout(
    tmp_path: Path,
) -> None:
    """They read the pages, the scripts and the Makefile too."""
    builder = SdistBuilder(str(ROOT.parent))
    (built,) = builder.build(directory=str(tmp_path), versions=["standard"])
    with tarfile.open(built) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {name.partition("/")[0] for name in names} == {
        ".gitignore",
        "CHANGELOG.md",
        "LICENSE",
        "PKG-INFO",
        "README.md",
        "examples",
        "pulumi_openrelay",
        "pyproject.toml",
    }
    parts = [path for path in ROOT.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert {path.relative_to(ROOT.parent).as_posix() for path in parts} <= names


def imported(statement: str) -> set[str]:
    """The top-level packages that are loaded after this statement in a new process."""
    program = f"import sys; {statement}\nprint(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    return {*done.stdout.split(), *(name.partition(".")[0] for name in done.stdout.split())}


class TestImports:
    def test_importing_the_package_imports_no_extra(self) -> None:
        assert imported("import pulumi_openrelay") & EXTRAS == set()

    def test_importing_the_package_imports_nothing_that_only_the_plugin_needs(self) -> None:
        assert imported("import pulumi_openrelay") & HEAVY == set()

    def test_asking_the_api_imports_no_command_line(self) -> None:
        """Neither ours nor that of httpx, which takes click and rich where they are there."""
        loaded = imported(
            "from contextlib import suppress; "
            "from pulumi_openrelay.api.transport import HttpxTransport, WireRequest; "
            "from pulumi_openrelay.errors import Unreachable; "
            "request = WireRequest('GET', 'http://127.0.0.1:9/', {}, {}, None)\n"
            "with suppress(Unreachable): HttpxTransport()._send(request)\n"
        )
        assert "httpx" in loaded
        assert loaded & EXTRAS == set()

    def test_importing_the_package_imports_none_of_its_other_tools(self) -> None:
        loaded = imported("import pulumi_openrelay")
        assert "pulumi_openrelay.resources.vm" in loaded
        for part in NEED_EXTRAS:
            assert f"pulumi_openrelay.{part}" not in loaded

    def test_making_a_provider_does_neither(self) -> None:
        statement = "import pulumi_openrelay.provider as p; p.Provider('openrelay:Vm')"
        assert imported(statement) & (EXTRAS | HEAVY) == set()

    def test_the_emulator_is_forbidden_every_other_part_and_the_other_way_round(self) -> None:
        """A part that is added later must stand in both lists."""
        linter = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["tool"]["importlinter"]
        rules = {rule["name"].partition(":")[0]: rule for rule in linter["contracts"]}
        names = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or path.is_dir()}
        parts = {f"pulumi_openrelay.{name}" for name in names if not name.startswith("__")}
        parts -= {"pulumi_openrelay.emulator", "pulumi_openrelay.py"}
        forbidden = rules["The emulator is a second reading of the API"]["forbidden_modules"]
        assert {name for name in forbidden if "." in name} == parts
        bound = rules["The provider imports nothing of the emulator"]["source_modules"]
        assert set(bound) == parts - {"pulumi_openrelay.cli"}  # which starts it

    def test_only_the_engine_module_knows_the_sdks_inside(self) -> None:
        inside = re.compile(r"pulumi\.dynamic\.dynamic|pulumi\.runtime\.(rpc|proto)|\bgrpc\b")
        for path in ROOT.rglob("*.py"):
            if path.name != "engine.py":
                imports = [line for line in path.read_text().splitlines() if "import " in line]
                assert not any(inside.search(line) for line in imports), path

    def test_the_plugin_needs_no_extra(self) -> None:
        loaded = imported("import pulumi_openrelay.plugin, pulumi_openrelay.lifecycle.life")
        assert loaded & EXTRAS == set()

    def test_nothing_but_the_parts_of_an_extra_imports_one(self) -> None:
        for path in ROOT.rglob("*.py"):
            if path.relative_to(ROOT).parts[0].removesuffix(".py") in NEED_EXTRAS:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and not node.level:
                    names = [str(node.module)]
                found = {name.partition(".")[0] for name in names} & EXTRAS
                assert found == set(), path


class TestDocstrings:
    @pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: p.stem)
    def test_every_module_says_what_it_is(self, path: Path) -> None:
        if path.name == "__main__.py" and len(path.read_text().splitlines()) < 5:
            return  # runs another module that does
        assert ast.get_docstring(ast.parse(path.read_text())), path

    @pytest.mark.parametrize("name", pulumi_openrelay.__all__)
    def test_every_public_name_is_documented(self, name: str) -> None:
        assert inspect.getdoc(getattr(pulumi_openrelay, name))

    @pytest.mark.parametrize("place", [pulumi_openrelay, pulumi_openrelay.webhooks, relay])
    def test_every_public_class_and_function_is_documented(self, place: Any) -> None:
        for value in vars(place).values():
            if not (inspect.isclass(value) or inspect.isfunction(value)):
                continue
            if not value.__module__.startswith("pulumi_openrelay") or value.__name__[0] == "_":
                continue
            assert value.__doc__, value
            for name, member in vars(value).items() if inspect.isclass(value) else ():
                if inspect.isfunction(member) and not name.startswith("_"):
                    assert member.__doc__, f"{value.__name__}.{name}"

    @pytest.mark.parametrize("place", [account, catalog, offers])
    def test_every_object_that_relay_answers_with_is_documented(self, place: Any) -> None:
        """A dataclass without a docstring has its signature for one."""
        shapes = {name: each for name, each in vars(place).items() if is_dataclass(each)}
        bare = [name for name, each in shapes.items() if f"{each.__doc__}".startswith(f"{name}(")]
        assert [name for name in bare if name[0] != "_"] == []

    @pytest.mark.parametrize("token", KINDS)
    def test_every_property_of_every_resource_is_documented(self, token: str) -> None:
        """By the string below it, where editors and the documentation find it."""
        undocumented = []
        for base in KINDS[token].resource.__mro__:
            if not base.__module__.startswith("pulumi_openrelay"):
                continue
            undocumented += [name for name, said in properties(base) if not said]
        assert undocumented == []

    @pytest.mark.parametrize("token", KINDS)
    def test_every_resource_names_the_operations_of_the_api_behind_it(self, token: str) -> None:
        known = set(operations())
        said = str(KINDS[token].resource.__doc__)
        assert "API" in said
        assert any(name in said for name in known), said


def properties(cls: type) -> list[tuple[str, bool]]:
    """The properties that a class declares in its source, each with whether a string is below."""
    (tree,) = ast.parse(inspect.cleandoc("\n" + inspect.getsource(cls))).body
    assert isinstance(tree, ast.ClassDef)
    found = []
    for node, below in zip(tree.body, [*tree.body[1:], None], strict=True):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.annotation, ast.Subscript):
            continue
        if ast.unparse(node.annotation.value) not in (*(kind.__name__ for kind in INPUTS), "Out"):
            continue
        says = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        found.append((ast.unparse(node.target), says))
    return found


# The API's documents, against what the resources declare.

MONEY = "it moves by itself, and would show as a change for ever"
ENDED = "of one that has ended, which is no resource any more"
PERSON = "of the person, and no setting"
UNDECLARED = {
    ("openrelay:Vm", "sshKeyId"): "one element of ssh_key_ids",
    ("openrelay:Vm", "newSizeGb"): "the new disk_size_gb",
    ("relay:ApiKey", "restrictions"): "model_restrictions and rate_limits, as properties",
    ("relay:Instance", "hours_billed"): MONEY,
    ("relay:Instance", "spend_usd"): MONEY,
    ("relay:Instance", "ended_at"): ENDED,
    ("relay:Instance", "terminate_requested_at"): ENDED,
    ("relay:AccountSettings", "name"): PERSON,
    ("relay:AccountSettings", "email"): PERSON,
    ("relay:AccountSettings", "email_verified"): PERSON,
    ("relay:AccountSettings", "created_at"): PERSON,
    ("relay:AccountSettings", "credits"): MONEY,
    ("relay:AccountSettings", "tier_details"): "what a tier has is told by the list of tiers",
    ("relay:AccountSettings", "sub_key_model_allowlist"): "the resource ModelAllowlist",
}
"""Fields of the API that are no property, each with the reason."""


def documents() -> list[dict[str, Any]]:
    folder = resources.files("pulumi_openrelay.emulator") / "openapi"
    return [
        json.loads((folder / f"{name}.openapi.json").read_text()) for name in ("openrelay", "relay")
    ]


@cache
def operations() -> dict[str, Operation]:
    """Every operation of both services by its id."""
    return {
        spec["operationId"]: Operation(method.upper(), _shape(path), spec, document)
        for document in documents()
        for path, methods in document["paths"].items()
        for method, spec in methods.items()
    }


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    spec: dict[str, Any]
    document: dict[str, Any]

    @property
    def takes(self) -> dict[str, Any]:
        """The fields of its request."""
        return self._fields(self.spec.get("requestBody", {}))

    @property
    def gives(self) -> dict[str, Any]:
        """The fields of its answer, or of one row where that is a list."""
        success = next(code for code in sorted(self.spec["responses"]) if code.startswith("2"))
        return self._fields(self.spec["responses"][success])

    def rows(self, name: str) -> dict[str, Any]:
        """The fields of one row of a page."""
        return self._of(self.gives[name])

    def _fields(self, content: dict[str, Any]) -> dict[str, Any]:
        json_content = content.get("content", {}).get("application/json", {})
        return self._of(json_content.get("schema", {}))

    def _of(self, schema: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
        if schema.get("type") == "array":
            return self._of(schema["items"])
        found: dict[str, Any] = schema.get("properties", {})
        return found


def _shape(path: str) -> str:
    return re.sub(r"\{.*?\}", "{}", path)


def operation(method: str, path: str) -> Operation:
    return next(o for o in operations().values() if (o.method, o.path) == (method, _shape(path)))


def requests_of(token: str) -> dict[str, Any]:
    """The fields of the requests that make and change one."""
    kind = KINDS[token]
    fields: dict[str, Any] = {}
    if not kind.singleton:
        fields |= operation("POST", kind.create.path).takes
    for update in EXAMPLES[token].updates.values():
        for call in update.calls:
            fields |= operations()[call].takes
    return fields


def answers_of(token: str) -> dict[str, Any]:
    """The fields of the answers that tell of one."""
    kind = KINDS[token]
    fields: dict[str, Any] = {}
    if kind.detail is not None:
        fields |= operation("GET", kind.detail).gives
    if not kind.singleton:
        listed = operation("GET", kind.listed.path)
        pages = kind.listed.pages
        fields |= listed.gives if pages is None else listed.rows(pages.items)
        fields.pop(kind.listed.key, None)
    return fields


def fields_of(token: str, schema: dict[str, Any]) -> set[str]:
    """The fields of an object, or of each of a list, in a schema of this kind's service."""
    of = "getVmDetail" if KINDS[token].service.name == "openrelay" else "getInstance"
    for option in schema.get("anyOf", [schema]):
        found = operations()[of]._of(option)
        if found:
            return set(found)
    return set()


def parts_of(shape: Any) -> set[str] | None:
    """The parts of a declared object, also where it is optional or one of a list."""
    if isinstance(shape, type) and issubclass(shape, dict) and shape is not dict:
        return set(get_type_hints(shape))
    inner = [parts_of(part) for part in get_args(shape)]
    return next((parts for parts in inner if parts), None)


@pytest.mark.parametrize("token", KINDS)
class TestNothingOfTheApiIsForgotten:
    """A field that an API adds, or that we overlooked, fails here until it is a property."""

    def test_every_field_of_a_request_can_be_given(self, token: str) -> None:
        inputs = {f.wire for f in KINDS[token].fields.values() if f.is_input}
        assert self.forgotten(token, requests_of(token), inputs) == []

    def test_every_field_of_an_answer_can_be_read(self, token: str) -> None:
        known = {field.wire for field in KINDS[token].fields.values()}
        assert self.forgotten(token, answers_of(token), known) == []

    def test_every_field_of_an_object_in_an_answer_can_be_read(self, token: str) -> None:
        kind, told = KINDS[token], answers_of(token)
        for field in kind.fields.values():
            parts = parts_of(field.shape)
            schema = told.get(field.wire)
            if parts is None or schema is None:
                continue
            known = {kind.service.wire(name) for name in parts}
            assert fields_of(token, schema) == known, field.name

    def test_what_we_read_is_what_the_api_tells(self, token: str) -> None:
        """A property that no answer has would be None for ever."""
        told = answers_of(token)
        derived = {"desired_state", "enabled", "model_restrictions", "rate_limits"}
        told_apart = {"ssh_key_ids"}  # asked for by a request of its own
        strange = [
            field.name
            for field in KINDS[token].fields.values()
            if field.readable and field.wire not in told and field.name not in derived | told_apart
        ]
        assert strange == []

    def test_what_we_send_is_what_the_api_takes(self, token: str) -> None:
        if KINDS[token].singleton:
            return
        taken = operation("POST", KINDS[token].create.path).takes
        body = KINDS[token].body({**EXAMPLES[token].inputs, "__name": "it"})
        assert set(body) <= set(taken)
        assert {name for name, value in taken.items() if name in body} == set(body)

    def forgotten(self, token: str, fields: dict[str, Any], known: set[str]) -> list[str]:
        return sorted(f for f in fields if f not in known and (token, f) not in UNDECLARED)


def test_no_exception_is_left_over() -> None:
    """Each is for a field that there is, and that is no property."""
    for token, name in UNDECLARED:
        assert name in requests_of(token) | answers_of(token)
        assert name not in {field.wire for field in KINDS[token].fields.values()}
