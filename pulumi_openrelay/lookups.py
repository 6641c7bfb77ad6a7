"""What a program asks the API before it declares anything."""

from __future__ import annotations

from functools import cache
from typing import Any

import pulumi

from .caller import Direct
from .errors import OpenRelayError


@cache
def gpu_model_id(name: str) -> str:
    """The catalog's id of a GPU model, by its name, such as "RTX 4090" or "H100 SXM 80GB".

    Asked while the program runs, in preview too; case does not count. Raises pulumi.RunError, which
    names the models that there are. API: `listGpuModels`.
    """
    found = {str(model.get("name")): str(model.get("id")) for model in _catalog()}
    for known, model_id in found.items():
        if known.lower() == name.strip().lower():
            return model_id
    raise pulumi.RunError(f"there is no GPU model {name!r}; there are {', '.join(sorted(found))}")


@cache
def _catalog() -> list[dict[str, Any]]:
    from .plugin import session

    caller = Direct(pulumi.log.warn)
    caller.deadline = caller.now() + 60
    try:
        asked = session(_configuration)
        models: list[dict[str, Any]] = asked.send(caller, "GET", "/v1/gpu-models", {}, answers=list)
    except OpenRelayError as error:
        advice = f"; {error.advice}" if error.advice else ""
        raise pulumi.RunError(f"the GPU models cannot be read: {error.what}{advice}") from None
    return models


def _configuration(key: str) -> str | None:
    namespace, _, name = key.partition(":")
    return pulumi.Config(namespace).get(name)
