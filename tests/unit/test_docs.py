"""What the pages promise has a test."""

from __future__ import annotations

import html
import re

import pytest

from pulumi_openrelay import config
from pulumi_openrelay.bill import OUTPUT

from ..engine.support import ROOT

FAILURES = ROOT / "docs" / "failures.md"
TEST = re.compile(r"\(\.\./(tests/[\w/]+\.py)#(\w+)\)")


def items() -> list[str]:
    """The items of the page's lists, each on one line."""
    text = re.sub(r"\n  +", " ", FAILURES.read_text())
    return [line for line in text.splitlines() if line.startswith("- ")]


def test_every_case_of_the_failures_links_its_test() -> None:
    assert len(items()) > 20
    assert [item for item in items() if not TEST.search(item)] == []


@pytest.mark.parametrize(("path", "name"), sorted(set(TEST.findall(FAILURES.read_text()))))
def test_a_linked_test_exists(path: str, name: str) -> None:
    assert (ROOT / path).is_file(), f"there is no {path}"
    assert re.search(rf"def {name}\(", (ROOT / path).read_text()), f"{path} has no {name}"


def test_the_readme_has_every_configuration_value() -> None:
    keys = re.findall(r"^\| (`\w+:\w+`)", str(config.__doc__), re.MULTILINE)
    assert len(keys) > 8
    readme = (ROOT / "README.md").read_text()
    assert [key for key in keys if f"| {key}" not in readme] == []


def test_the_picture_shows_the_outputs_of_the_quickstart_and_no_others() -> None:
    """It is drawn by `make picture`, from a real run."""
    drawn = (ROOT / "docs" / "up.svg").read_text()
    pieces = re.findall(r"<text\b[^>]*>(.*?)</text>", drawn, re.DOTALL)
    text = html.unescape("\n".join(pieces)).replace("\xa0", " ")
    outputs = text.partition("Outputs:")[2].partition("Resources:")[0]
    program = (ROOT / "examples" / "quickstart" / "__main__.py").read_text()
    exported = re.findall(r'pulumi\.export\("(\w+)"', program)
    assert re.findall(r"^ +(\w+) *:", outputs, re.MULTILINE) == sorted([*exported, OUTPUT])


PICTURE = re.compile(r"!\[([^\]]*)\]\((docs/[^)]+)\)")


def test_each_picture_of_the_readme_is_there_is_told_in_words_and_is_small() -> None:
    pictures = PICTURE.findall((ROOT / "README.md").read_text())
    assert {path for _, path in pictures} >= {"docs/review-comment.png", "docs/review-page.png"}
    for words, path in pictures:
        assert len(words) > 20, path
        assert (ROOT / path).stat().st_size < 200_000, path


BARE = re.compile(r"pip install [\w-]+\[|policy-pack \$\(")
"""A command that fails in zsh, which takes the bracket for a pattern, or in a folder whose name has
a space."""


def test_commands_to_copy_are_quoted_where_a_shell_would_take_them_apart() -> None:
    files = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("pulumi_openrelay/**/*.py")]
    assert len(files) > 100
    found = {str(f.relative_to(ROOT)): BARE.findall(f.read_text(encoding="utf-8")) for f in files}
    assert {file: bare for file, bare in found.items() if bare} == {}
