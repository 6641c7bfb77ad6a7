"""A forge on a loopback port: the comments of one pull request, as the real ones answer them.

The shape of a comment is as each of the three was recorded (data/README.md); the rest is written by
hand after the documentation of each, cut down to what is read here:

- GitHub REST API, version 2022-11-28, "Issue comments" and "Get the authenticated user". A user's
  `type` is `User`, `Bot` or `Organization`; an installation token gets 403 "Resource not accessible
  by integration" from `/user`, and where it may not edit.
- GitLab REST API v4, "Notes API", merge request notes, and "Users API", `/user`.
- Gitea API v1, its Swagger document: `issueGetComments`, which has no page, `issueCreateComment`,
  `issueEditComment` and `userGetCurrent`.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "token-marker-8f31"  # noqa: S105
ACCOUNTS = {"github": "github-actions[bot]", "gitlab": "project_7_bot", "gitea": "reviewer"}


@dataclass
class FakeForge:
    """Its comments by id, and every request. knows_user: whether the token may ask who it is.
    locked: comments that the token may not change. stumbles: methods, the first of which fails once
    with its status when it comes."""

    name: str
    url: str = ""
    comments: dict[int, dict[str, Any]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)
    refuse: tuple[int, str] | None = None
    stumbles: list[tuple[str, int]] = field(default_factory=list)
    knows_user: bool = True
    locked: set[int] = field(default_factory=set)
    page_size: int = 100
    made: int = 0

    def add(self, body: str, account: str) -> int:
        """A comment by somebody."""
        number = 1000 + self.made
        self.made += 1
        user: dict[str, Any] = {"id": 1, "username" if self.name == "gitlab" else "login": account}
        if self.name == "github":
            user["type"] = "Bot" if account.endswith("[bot]") else "User"
        self.comments[number] = {
            "id": number,
            "body": body,
            ("author" if self.name == "gitlab" else "user"): user,
            "created_at": "2026-01-01T00:00:00Z",
        }
        return number

    @property
    def update(self) -> str:
        """The method that changes a comment."""
        return "PUT" if self.name == "gitlab" else "PATCH"

    @property
    def environment(self) -> dict[str, str]:
        """What a pipeline of this forge sets."""
        if self.name == "gitlab":
            return {
                "GITLAB_TOKEN": TOKEN,
                "CI_API_V4_URL": self.url,
                "CI_PROJECT_ID": "acme/infra",
                "CI_MERGE_REQUEST_IID": "7",
            }
        return {
            f"{self.name.upper()}_TOKEN": TOKEN,
            "GITHUB_API_URL": self.url,
            "GITHUB_REPOSITORY": "acme/infra",
        }

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """What the forge says."""
        parts = urlsplit(path)
        self.requests.append(f"{method} {parts.path}")
        if self.refuse is not None:
            return self.refuse[0], {"message": self.refuse[1]}
        if self.stumbles and self.stumbles[0][0] == method:
            return self.stumbles.pop(0)[1], {"message": "for the moment"}
        if parts.path == "/user":
            if not self.knows_user:
                return 403, {"message": "Resource not accessible by integration"}
            field_name = "username" if self.name == "gitlab" else "login"
            return 200, {"id": 1, field_name: ACCOUNTS[self.name]}
        number = parts.path.rsplit("/", 1)[-1]
        if method == "GET":
            return 200, self._page(parse_qs(parts.query))
        if method == "POST":
            return 201, self.comments[self.add(body["body"], ACCOUNTS[self.name])]
        if int(number) in self.locked:
            return 403, {"message": "Resource not accessible by integration"}
        if method == "DELETE":
            del self.comments[int(number)]
            return 204, None
        comment = self.comments[int(number)]
        comment["body"] = body["body"]
        return 200, comment

    def _page(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        everything = list(self.comments.values())
        if self.name == "gitea":
            return everything
        first = (int(query["page"][0]) - 1) * self.page_size
        return everything[first : first + self.page_size]


@contextlib.contextmanager
def serve(forge: FakeForge) -> Iterator[FakeForge]:
    """The forge on a free port, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            given = self.headers.get("Authorization") or self.headers.get("Private-Token") or ""
            forge.authorizations.add(given)
            status, told = forge.answer(self.command, self.path, body)
            text = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    forge.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
