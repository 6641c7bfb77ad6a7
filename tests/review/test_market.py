"""What the API says for a review, or why it does not."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_openrelay.review import market


@pytest.mark.parametrize(
    "rows",
    [
        [{"gpuModelId": "g", "name": "G"}],
        [{"gpuModelId": "g", "vm": None}],
        [{"gpuModelId": "g", "vm": {"freeGpus": 1}}],
        [{"gpuModelId": "g", "vm": {"freeGpus": "many", "placeableGpuCounts": []}}],
        ["g"],
    ],
)
def test_an_answer_that_is_not_what_the_api_documents_is_unreadable(
    rows: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_asked: object, path: str, _answers: type) -> Any:
        return rows if "gpu-availability" in path else {"availableCents": 100}

    monkeypatch.setattr(market, "session", lambda _get: None)
    monkeypatch.setattr(market, "_ask", answer)
    found = market.read(lambda _key: None)
    assert found.balance is not None
    assert (found.free, found.free_spot) == (None, None)
    assert found.unreadable == {"capacity": "the API's answer is not what it documents"}
