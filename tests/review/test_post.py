"""The comment on a pull request: there once, up to date, and nobody else's."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pulumi_openrelay.review.forges import FORGES, NotPosted, target
from pulumi_openrelay.review.post import cut, mark, post

from .forge import ACCOUNTS, TOKEN, FakeForge, serve

MARK = "pulumi-openrelay review of shop/dev"


@pytest.fixture(params=sorted(FORGES))
def forge(request: pytest.FixtureRequest) -> Iterator[FakeForge]:
    with serve(FakeForge(request.param)) as served:
        yield served


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulumi_openrelay.review.post.PAUSES", (0.0, 0.0))


def comment(forge: FakeForge, text: str, mark: str = MARK) -> None:
    post(target(forge.name, forge.environment, 7), mark, text)


def bodies(forge: FakeForge) -> list[str]:
    return [each["body"] for each in forge.comments.values()]


def test_the_same_comment_is_updated_and_not_repeated(forge: FakeForge) -> None:
    forge.add("Looks good to me.", "ada")
    comment(forge, "### Blocked\n")
    comment(forge, "### Pass\n")
    assert bodies(forge) == ["Looks good to me.", f"### Pass\n<!-- {MARK} -->\n"]


def test_of_two_that_were_first_at_the_same_time_one_stays_and_is_up_to_date(
    forge: FakeForge,
) -> None:
    for verdict in ("Pass", "Blocked"):
        forge.add(f"### {verdict}\n<!-- {MARK} -->", ACCOUNTS[forge.name])
    forge.add(f"### Pass\n<!-- {MARK} -->", "mallory")
    comment(forge, "### Blocked again")
    kept = [body.split("\n")[0] for body in bodies(forge)]
    assert kept == ["### Blocked again", "### Pass"]


@pytest.mark.parametrize("status", [429, 502, 503])
def test_what_a_forge_fails_at_for_the_moment_is_asked_again(forge: FakeForge, status: int) -> None:
    comment(forge, "old")
    for method in ("GET", "GET", forge.update):
        forge.stumbles.append((method, status))
    comment(forge, "new")
    assert bodies(forge) == [f"new\n<!-- {MARK} -->\n"]
    assert forge.stumbles == []


def test_a_comment_that_may_have_been_made_is_not_made_again(forge: FakeForge) -> None:
    forge.stumbles.append(("POST", 502))
    with pytest.raises(NotPosted, match="refused the comment: 502"):
        comment(forge, "text")
    assert [each for each in forge.requests if each.startswith("POST")] == [forge.requests[-1]]


def test_a_forge_that_goes_on_failing_is_asked_a_few_times_alone(forge: FakeForge) -> None:
    forge.refuse = (503, "busy")
    with pytest.raises(NotPosted, match="refused the comment: 503: busy"):
        comment(forge, "text")
    assert len(forge.requests) == 3


def test_two_stacks_have_a_comment_each(forge: FakeForge) -> None:
    comment(forge, "a", "review of shop/dev")
    comment(forge, "b", "review of shop/prod")
    comment(forge, "c", "review of shop/dev")
    assert [body[0] for body in bodies(forge)] == ["c", "b"]


def test_the_projects_of_a_repository_have_a_comment_each_wherever_it_is(tmp_path: Path) -> None:
    marks = []
    for clone in ("one", "another"):
        root = tmp_path / clone
        (root / ".git").mkdir(parents=True)
        marks.append([mark(root / "a-->b", "dev"), mark(root / "c", "dev"), mark(root, "dev")])
    assert marks[0] == marks[1]
    assert len({*marks[0]}) == 3
    assert not any(">" in each for each in marks[0])
    (tmp_path / "none").mkdir()
    assert mark(tmp_path / "none", "dev") == "pulumi-openrelay review of none/dev"


def test_a_comment_of_somebody_else_with_our_mark_is_left_alone(forge: FakeForge) -> None:
    forge.add(f"### Pass <!-- {MARK} -->", "mallory")
    comment(forge, "### Blocked")
    assert bodies(forge)[0] == f"### Pass <!-- {MARK} -->"
    assert bodies(forge)[1].startswith("### Blocked")


def test_it_is_found_behind_pages_of_other_comments(forge: FakeForge) -> None:
    forge.page_size = 10
    for n in range(25):
        forge.add(f"comment {n}", "ada")
    forge.add(f"old <!-- {MARK} -->", ACCOUNTS[forge.name])
    comment(forge, "new")
    assert len(forge.comments) == 26
    assert bodies(forge)[-1].startswith("new")


def test_a_pipelines_own_token_that_cannot_say_whose_it_is_updates_too() -> None:
    for name in ("github", "gitea"):
        with serve(FakeForge(name, knows_user=False)) as forge:
            account = "github-actions[bot]" if name == "github" else "gitea-actions"
            forge.add(f"old <!-- {MARK} -->", account)
            forge.add(f"forged <!-- {MARK} -->", "mallory")
            comment(forge, "new")
            assert [body[:6] for body in bodies(forge)] == ["new\n<!", "forged"]


def test_an_application_that_cannot_say_who_it_is_updates_its_own_comment() -> None:
    with serve(FakeForge("github", knows_user=False)) as forge:
        forge.add(f"forged\n<!-- {MARK} -->", "mallory")
        forge.add(f"old\n<!-- {MARK} -->", "acme-reviews[bot]")
        comment(forge, "new")
        comment(forge, "newer")
        assert [body.split("\n")[0] for body in bodies(forge)] == ["forged", "newer"]


def test_what_may_be_another_applications_is_not_deleted() -> None:
    with serve(FakeForge("github", knows_user=False)) as forge:
        for account in ("github-actions[bot]", "another[bot]"):
            forge.add(f"old\n<!-- {MARK} -->", account)
        comment(forge, "new")
        assert [body.split("\n")[0] for body in bodies(forge)] == ["new", "old"]


def test_a_comment_that_is_posted_is_so_though_an_old_one_cannot_be_deleted(
    forge: FakeForge,
) -> None:
    for _ in range(2):
        forge.add(f"old\n<!-- {MARK} -->", ACCOUNTS[forge.name])
    forge.stumbles.append(("DELETE", 403))
    comment(forge, "new")
    assert [body.split("\n")[0] for body in bodies(forge)] == ["new", "old"]


@pytest.mark.parametrize("name", ["gitea", "gitlab"])
def test_a_token_that_may_only_comment_keeps_to_one_comment_too(name: str) -> None:
    with serve(FakeForge(name, knows_user=False)) as forge:
        forge.add(f"forged\n<!-- {MARK} -->", "mallory")
        for text in ("old", "new", "newer"):
            comment(forge, text)
        assert [body.split("\n")[0] for body in bodies(forge)] == ["forged", "newer"]


def test_a_comment_that_the_token_may_not_change_is_left_and_a_new_one_made() -> None:
    with serve(FakeForge("github", knows_user=False)) as forge:
        forge.locked.add(forge.add(f"another's\n<!-- {MARK} -->", "another[bot]"))
        comment(forge, "new")
        comment(forge, "newer")
        assert [body.split("\n")[0] for body in bodies(forge)] == ["another's", "newer"]


def test_a_comment_that_quotes_ours_is_not_ours(forge: FakeForge) -> None:
    forge.add(f"> old\n> <!-- {MARK} -->\nI agree.", ACCOUNTS[forge.name])
    comment(forge, "new")
    assert len(forge.comments) == 2


def test_each_forge_is_asked_in_its_own_way(forge: FakeForge) -> None:
    comment(forge, "first")
    comment(forge, "second")
    expected = {
        "github": (
            "Bearer ",
            "/repos/acme/infra/issues",
            "PATCH /repos/acme/infra/issues/comments",
        ),
        "gitea": ("token ", "/repos/acme/infra/issues", "PATCH /repos/acme/infra/issues/comments"),
        "gitlab": (
            "",
            "/projects/acme%2Finfra/merge_requests",
            "PUT /projects/acme%2Finfra/merge_requests/7/notes",
        ),
    }
    scheme, path, update = expected[forge.name]
    noun = "notes" if forge.name == "gitlab" else "comments"
    assert forge.authorizations == {scheme + TOKEN}
    assert f"GET {path}/7/{noun}" in forge.requests
    assert f"POST {path}/7/{noun}" in forge.requests
    assert f"{update}/1000" in forge.requests


@pytest.mark.parametrize(
    ("status", "said", "sentence"),
    [
        (401, "Bad credentials", "401: Bad credentials (the token is wrong)"),
        (403, "Not accessible", "403: Not accessible (the token may not comment there)"),
        (404, "", "404 (there is no such pull request, or the token may not see it)"),
        (500, f"echoed {TOKEN}", "500: echoed [token]"),
    ],
)
def test_a_refusal_is_one_sentence_without_the_token(
    forge: FakeForge, status: int, said: str, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    forge.refuse = (status, said)
    with pytest.raises(NotPosted) as failed:
        comment(forge, "text")
    assert str(failed.value) == f"{forge.name} refused the comment: {sentence}"
    assert failed.value.__cause__ is None
    assert TOKEN not in caplog.text + repr(target(forge.name, forge.environment, 7))


def test_a_forge_that_is_away_is_one_sentence(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    away = FakeForge("github", url="http://127.0.0.1:9")
    with pytest.raises(NotPosted, match=r"^github cannot be reached: ConnectError$"):
        comment(away, "text")
    assert TOKEN not in caplog.text


def test_an_address_that_no_request_can_go_to_is_not_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pulumi_openrelay.review.post.PAUSES", (float("inf"),))
    with pytest.raises(NotPosted, match=r"^github cannot be reached: UnsupportedProtocol$"):
        comment(FakeForge("github", url="ftp://forge.example.com"), "text")


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "localhost:9", "http://[::"])
def test_an_address_that_is_none_is_one_sentence(url: str) -> None:
    with pytest.raises(NotPosted, match=r"^github cannot be reached: "):
        comment(FakeForge("github", url=url), "text")


@pytest.mark.parametrize("token", ["gh…", "a\nb"])
def test_a_token_that_is_none_is_one_sentence(token: str) -> None:
    environment = {**FakeForge("github", url="http://x").environment, "GITHUB_TOKEN": token}
    with pytest.raises(NotPosted, match=r"^GITHUB_TOKEN is no token"):
        target("github", environment, 7)


@pytest.mark.parametrize("missing", ["GITHUB_TOKEN", "GITHUB_REPOSITORY"])
def test_what_the_pipeline_does_not_say_is_named(missing: str) -> None:
    environment = {**FakeForge("github", url="http://x").environment, missing: " "}
    with pytest.raises(NotPosted, match=f"^{missing} is not set"):
        target("github", environment, 7)


def test_the_pull_request_is_read_where_the_pipeline_tells_it(tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 12}}))
    environment = FakeForge("github", url="http://x").environment
    assert target("github", {**environment, "GITHUB_EVENT_PATH": str(event)}).number == "12"
    assert target("gitlab", FakeForge("gitlab", url="http://x").environment).number == "7"
    event.write_text(json.dumps({"ref": "refs/heads/main"}))
    with pytest.raises(NotPosted, match="is of no pull request"):
        target("github", {**environment, "GITHUB_EVENT_PATH": str(event)})


def test_a_comment_too_long_for_the_forge_is_cut_at_a_line_with_a_link() -> None:
    hidden = f"<!-- {MARK} -->"
    body = "\n".join(["### Blocked", *(f"line {n}" for n in range(20_000)), hidden])
    short = cut(body, hidden, 65_536, "https://ci.example/page.html")
    assert len(short) <= 65_536
    *kept, sign, link, mark = short.splitlines()
    assert kept[-1] == f"line {len(kept) - 2}"
    assert (sign, link, mark) == ("…", "[The whole review](https://ci.example/page.html)", hidden)
    assert cut("short", hidden, 65_536, None) == "short"


@pytest.mark.parametrize("name", sorted(FORGES))
def test_the_fakes_comments_have_the_shape_that_others_saw(name: str) -> None:
    """Where each came from stands in data/README.md."""
    recorded = json.loads((Path(__file__).parent / "data" / "comments.json").read_text())[name]
    fake = FakeForge(name)
    comment = fake.comments[fake.add("text", "somebody")]

    def shape(value: Any, beside: Any) -> Any:
        if not isinstance(value, dict):
            return type(value)
        return {key: shape(part, beside[key]) for key, part in value.items() if key in beside}

    assert shape(comment, recorded) == shape(recorded, recorded)
