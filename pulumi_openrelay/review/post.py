"""The comment on a pull request: made once, and changed from then on.

It is found again by a mark at its end that readers do not see, and only among the comments of the
token's own account: whoever can comment could write that mark, and change the verdict afterwards. A
token that cannot ask whose it is, as an application's, takes comments of applications for its own:
no person can write those. One that it may not change is left, and a new one made. Where nothing
else tells, the new one does: an older one of the same account takes its place.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from .forges import NotPosted, Target

SECONDS = 30.0
PAUSES = (1.0, 4.0)
"""Seconds before the second and the third time that the same is asked."""
PASSING = frozenset({429, 500, 502, 503, 504})
"""What a forge answers where it may answer otherwise soon."""
MOST_PAGES = 100


def mark(folder: Path, stack: str) -> str:
    """What tells the comment on a stack from those on others: the project's folder within its
    repository, or its name outside of one. A project's own name would not do: where its file is
    missing or broken, the old comment has to be found all the same."""
    root = next((each for each in (folder, *folder.parents) if (each / ".git").exists()), None)
    place = folder.relative_to(root or folder.parent).as_posix()
    return f"pulumi-openrelay review of {quote(f'{place}/{stack}')}"


def post(to: Target, mark: str, comment: str, page_url: str | None = None) -> None:
    """Make the comment, or change the one with this mark.

    page_url: where the whole page is, for a comment that the forge would not take whole. Raises
    NotPosted.
    """
    hidden = f"<!-- {mark} -->"
    body = cut(f"{comment.rstrip()}\n{hidden}\n", hidden, to.forge.longest, page_url)
    with httpx.Client(headers=to.headers, timeout=SECONDS, follow_redirects=False) as client:
        marked = [each for each in _comments(client, to) if _ends_with(each, hidden)]
        me = _account(client, to) if marked else None
        surely, likely = _own(to, marked, me)
        if _update(client, to, surely, body, likely):
            return
        made = _json(to, _ask(client, to, "POST", to.path(to.forge.comments), {"body": body}))
        if not marked or me is not None or not isinstance(made, dict):
            return
        # The token cannot ask whose it is; its new comment tells, and an older one takes its place.
        older = [str(each["id"]) for each in marked if _author(to, each) == _author(to, made)]
        if _update(client, to, older, body):
            _ask(client, to, "DELETE", to.path(to.forge.comment, id=str(made["id"])))


def cut(body: str, hidden: str, longest: int, page_url: str | None) -> str:
    """The comment within the forge's limit: whole lines from its beginning, then where the rest
    is."""
    if len(body) <= longest:
        return body
    rest = f"[The whole review]({page_url})" if page_url else "The rest is in the pipeline's files."
    end = f"\n…\n{rest}\n{hidden}\n"
    return body[: longest - len(end)].rsplit("\n", 1)[0] + end


def _ends_with(comment: dict[str, Any], hidden: str) -> bool:
    return str(comment.get("body")).rstrip().endswith(hidden)


def _author(to: Target, comment: dict[str, Any]) -> Any:
    return (comment.get("user") or comment.get("author") or {}).get(to.forge.author)


def _own(to: Target, marked: list[dict[str, Any]], me: str | None) -> tuple[list[str], list[str]]:
    """The ids of the comments with the mark that are our own, and of those that may be. me: our
    account, None where the token cannot ask."""
    surely, likely = [], []
    for comment in marked:
        by = comment.get("user") or {}
        if _author(to, comment) in ({me} if me else to.forge.machine_accounts):
            surely.append(str(comment["id"]))
        elif me is None and to.forge.application and by.get("type") == to.forge.application:
            likely.append(str(comment["id"]))
    return surely, likely


def _update(
    client: httpx.Client, to: Target, ids: list[str], body: str, likely: Sequence[str] = ()
) -> bool:
    """Change the first of our own that the token may change, else of those that may be. The others
    of our own go, since their verdict is an old one: two first reviews at the same time have made
    one each. Whether there was one."""
    for number, each in enumerate([*ids, *likely], start=1):
        path = to.path(to.forge.comment, id=each)
        answer = _ask(client, to, to.forge.update, path, {"body": body})
        if answer.status_code not in (403, 404):
            _json(to, answer)
            for other in ids[number:]:
                with suppress(NotPosted):
                    _ask(client, to, "DELETE", to.path(to.forge.comment, id=other))
            return True
    return False


def _account(client: httpx.Client, to: Target) -> str | None:
    """The account that the token comments as; None where it cannot ask."""
    answer = _ask(client, to, "GET", "/user")
    if answer.status_code in (401, 403, 404):
        return None
    user = _json(to, answer)
    # What is no user is nobody's account: no comment is taken for ours.
    return str(user.get(to.forge.author)) if isinstance(user, dict) else "?"


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


def _ask(
    client: httpx.Client, to: Target, method: str, path: str, body: Any = None
) -> httpx.Response:
    """What the forge answers. Where it fails for the moment, it is asked again after each pause;
    but not to make a comment, which may be there all the same: there would be two."""
    ask = partial(client.request, method, to.api_url + path, json=body)
    try:
        for pause in () if method == "POST" else PAUSES:
            with suppress(httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError):
                answer = ask()
                if answer.status_code not in PASSING:
                    return answer
            time.sleep(pause)
        return ask()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
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
