"""What a program asks the API before it declares anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pulumi

from .caller import Direct
from .errors import OpenRelayError

if TYPE_CHECKING:
    from .lifecycle.session import Session

ASK_SECONDS = 60.0


def gpu_model_id(name: str) -> str:
    """The catalog's id of a GPU model, by its name, such as "RTX 4090" or "H100 SXM 80GB".

    Asked while the program runs, in preview too; case does not count. Raises pulumi.RunError, which
    names the models that there are. API: `listGpuModels`.
    """
    from .plugin import session

    wanted = str(name).strip().lower()
    with in_one_sentence("the GPU models"):
        asked = session(configuration)
        found = _models.get(asked, {})
        if wanted not in found:
            found = _models[asked] = _ask_models(asked)
    if wanted not in found:
        known = ", ".join(sorted(str(model.get("name")) for model in found.values()))
        raise pulumi.RunError(f"there is no GPU model {name!r}; there are {known}")
    return str(found[wanted].get("id"))


_models: dict[Session, dict[str, dict[str, Any]]] = {}
"""The GPU models by name, as each configuration's API has told them: a program asks for many."""


def _ask_models(asked: Session) -> dict[str, dict[str, Any]]:
    models = asked.send(until_asked(), "GET", "/v1/gpu-models", {}, answers=list)
    return {str(model.get("name")).lower(): model for model in models}


def configuration(key: str) -> str | None:
    """A value of the stack's configuration, for `plugin.session`."""
    namespace, _, name = key.partition(":")
    return pulumi.Config(namespace).get(name)


def until_asked() -> Direct:
    """The caller of one question."""
    caller = Direct(pulumi.log.warn)
    caller.deadline = caller.now() + ASK_SECONDS
    return caller


@contextmanager
def in_one_sentence(what: str) -> Iterator[None]:
    """Failures of the API as pulumi.RunError. what: what is read."""
    try:
        yield
    except OpenRelayError as error:
        advice = f"; {error.advice}" if error.advice else ""
        raise pulumi.RunError(f"{what} cannot be read: {error.what}{advice}") from None
