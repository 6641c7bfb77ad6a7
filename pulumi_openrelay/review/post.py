"""The comment on a pull request: made once, and changed from then on.

It is found again by a mark that readers do not see, and only among the comments of the token's own
account: whoever can comment could write that mark, and change the verdict afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx

from .forges import NotPosted, Target

SECONDS = 30.0
MOST_PAGES = 100


def post(to: Target, mark: str, comment: str, page_url: str | None = None) -> None:
    """Make the comment, or change the one with this mark.

    page_url: where the whole page is, for a comment that the forge would not take whole. Raises
    NotPosted.
    """
    hidden = f"<!-- {mark} -->"
    body = cut(f"{comment.rstrip()}\n{hidden}\n", hidden, to.forge.longest, page_url)
    with httpx.Client(headers=to.headers, timeout=SECONDS, follow_redirects=False) as client:
        existing = _existing(client, to, hidden)
        if existing is None:
            _send(client, to, "POST", to.path(to.forge.comments), {"body": body})
        else:
            path = to.path(to.forge.comment, id=existing)
            _send(client, to, to.forge.update, path, {"body": body})


def cut(body: str, hidden: str, longest: int, page_url: str | None) -> str:
    """The comment within the forge's limit: whole lines from its beginning, then where the rest
    is."""
    if len(body) <= longest:
        return body
    rest = f"[The whole review]({page_url})" if page_url else "The rest is in the pipeline's files."
    end = f"\n…\n{rest}\n{hidden}\n"
    return body[: longest - len(end)].rsplit("\n", 1)[0] + end


def _existing(client: httpx.Client, to: Target, hidden: str) -> str | None:
    """The id of our own comment with the mark: the first, where there are several."""
    marked = [note for note in _comments(client, to) if hidden in str(note.get("body"))]
    if not marked:
        return None
    mine = _accounts(client, to)
    author = to.forge.author
    for note in marked:
        by = note.get("user") or note.get("author") or {}
        if by.get(author) in mine:
            return str(note["id"])
    return None


def _accounts(client: httpx.Client, to: Target) -> frozenset[str]:
    """The accounts that the token comments as."""
    answer = _ask(client, to, "GET", "/user")
    if answer.status_code in (401, 403, 404):  # a pipeline's own token is of no user
        return to.forge.machine_accounts
    user = _json(to, answer)
    return frozenset({str(user.get(to.forge.author))}) if isinstance(user, dict) else frozenset()


def _comments(client: httpx.Client, to: Target) -> Iterator[dict[str, Any]]:
    """Every comment. A forge that knows no pages answers with all of them each time."""
    seen: set[str] = set()
    for page in range(1, MOST_PAGES + 1):
        path = f"{to.path(to.forge.comments)}?per_page=100&limit=100&page={page}"
        notes = _json(to, _ask(client, to, "GET", path))
        if not isinstance(notes, list):
            raise NotPosted(f"{to.forge.name} answered with something else than comments")
        fresh = [note for note in notes if str(note.get("id")) not in seen]
        if not fresh:
            return
        seen.update(str(note.get("id")) for note in fresh)
        yield from fresh


def _send(client: httpx.Client, to: Target, method: str, path: str, body: Any) -> None:
    _json(to, _ask(client, to, method, path, body))


def _ask(
    client: httpx.Client, to: Target, method: str, path: str, body: Any = None
) -> httpx.Response:
    try:
        return client.request(method, to.api_url + path, json=body)
    except httpx.HTTPError as error:
        raise NotPosted(f"{to.forge.name} cannot be reached: {type(error).__name__}") from None


def _json(to: Target, answer: httpx.Response) -> Any:
    """The answer's JSON. Raises NotPosted for a refusal."""
    if answer.status_code >= 300:
        raise NotPosted(f"{to.forge.name} refused the comment: {_why(to, answer)}")
    try:
        return answer.json()
    except ValueError:
        raise NotPosted(f"{to.forge.name} answered with something else than JSON") from None


def _why(to: Target, answer: httpx.Response) -> str:
    try:
        told = answer.json()
    except ValueError:
        told = {}
    message = (told.get("message") or told.get("error")) if isinstance(told, dict) else None
    said = " ".join(str(message or "").split()).replace(to.token, "[token]")[:200]
    needs = {
        401: "the token is wrong",
        403: "the token may not comment there",
        404: ("there is no such pull request, or the token may not see it"),
    }
    return ": ".join(part for part in (str(answer.status_code), said) if part) + (
        f" ({needs[answer.status_code]})" if answer.status_code in needs else ""
    )
