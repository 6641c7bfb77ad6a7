"""Where comments go: GitHub, GitLab and Gitea, as their pipelines describe themselves.

| forge    | token          | where                                                        |
|----------|----------------|--------------------------------------------------------------|
| `github` | `GITHUB_TOKEN` | `GITHUB_REPOSITORY`, the pull request of `GITHUB_EVENT_PATH` |
| `gitlab` | `GITLAB_TOKEN` | `CI_PROJECT_ID`, `CI_MERGE_REQUEST_IID`                      |
| `gitea`  | `GITEA_TOKEN`  | as GitHub's, which its runner sets too                       |
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote


class NotPosted(Exception):
    """The comment is not there. str() is the sentence that says why."""


@dataclass(frozen=True, slots=True)
class Forge:
    """How a forge takes comments.

    token, api_url, project: the names of environment variables. comments, comment: paths below the
    API's URL. update: the method that changes a comment. longest: characters of one. author: the
    field of a user that names the account. machine_accounts: who a pipeline's own token comments
    as, which cannot ask. application: the type of a user that is an application's; None where the
    forge tells none.
    """

    name: str
    token: str
    api_urls: tuple[str, ...]
    default_api_url: str
    project: str
    comments: str
    comment: str
    update: str
    longest: int
    author: str
    header: str
    scheme: str
    machine_accounts: frozenset[str]
    application: str | None = None


FORGES = {
    forge.name: forge
    for forge in (
        Forge(
            name="github",
            token="GITHUB_TOKEN",  # noqa: S106 - a variable's name
            api_urls=("GITHUB_API_URL",),
            default_api_url="https://api.github.com",
            project="GITHUB_REPOSITORY",
            comments="/repos/{project}/issues/{number}/comments",
            comment="/repos/{project}/issues/comments/{id}",
            update="PATCH",
            longest=65_536,
            author="login",
            header="authorization",
            scheme="Bearer ",
            machine_accounts=frozenset({"github-actions[bot]"}),
            application="Bot",
        ),
        Forge(
            name="gitlab",
            token="GITLAB_TOKEN",  # noqa: S106
            api_urls=("CI_API_V4_URL",),
            default_api_url="https://gitlab.com/api/v4",
            project="CI_PROJECT_ID",
            comments="/projects/{project}/merge_requests/{number}/notes",
            comment="/projects/{project}/merge_requests/{number}/notes/{id}",
            update="PUT",
            longest=1_000_000,
            author="username",
            header="private-token",
            scheme="",
            machine_accounts=frozenset(),
        ),
        Forge(
            name="gitea",
            token="GITEA_TOKEN",  # noqa: S106
            api_urls=("GITEA_API_URL", "GITHUB_API_URL"),
            default_api_url="https://gitea.com/api/v1",
            project="GITHUB_REPOSITORY",
            comments="/repos/{project}/issues/{number}/comments",
            comment="/repos/{project}/issues/comments/{id}",
            update="PATCH",
            longest=65_535,
            author="login",
            header="authorization",
            scheme="token ",
            machine_accounts=frozenset({"gitea-actions"}),
        ),
    )
}


@dataclass(frozen=True)
class Target:
    """A pull request of a project of a forge."""

    forge: Forge
    api_url: str
    project: str
    number: str
    token: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        return {
            self.forge.header: self.forge.scheme + self.token,
            "accept": "application/json",
        }

    def path(self, template: str, **parts: str) -> str:
        """A path of the API. GitLab takes a project's path as one part, quoted whole."""
        one_part = self.forge.name == "gitlab"
        project = quote(self.project, safe="") if one_part else self.project
        return template.format(project=project, number=self.number, **parts)


def target(name: str, environment: Mapping[str, str], number: int | None = None) -> Target:
    """Where a pipeline's environment says that it runs.

    number: the pull request's; None reads it there. Raises NotPosted, naming what is missing.
    """
    forge = FORGES[name]
    token, project = (environment.get(v, "").strip() for v in (forge.token, forge.project))
    if not token:
        raise NotPosted(f"{forge.token} is not set: it needs a token that may comment")
    if not (token.isascii() and token.isprintable()):
        raise NotPosted(f"{forge.token} is no token: it has characters that no token has")
    if not project:
        raise NotPosted(f"{forge.project} is not set: it names the project")
    found = str(number) if number is not None else _number(name, environment)
    if not found.isdecimal():
        raise NotPosted("this pipeline is of no pull request: give one with --pull-request")
    urls = [environment[v] for v in forge.api_urls if environment.get(v)]
    api_url = (urls or [forge.default_api_url])[0].rstrip("/")
    return Target(forge, api_url, project, found, token)


def _number(name: str, environment: Mapping[str, str]) -> str:
    if name == "gitlab":
        return environment.get("CI_MERGE_REQUEST_IID", "")
    try:
        event = json.loads(Path(environment["GITHUB_EVENT_PATH"]).read_text())
        return str((event.get("pull_request") or event.get("issue") or {}).get("number") or "")
    except (KeyError, OSError, ValueError, AttributeError):
        return ""
