"""Every pull request of the corpus gets the verdict, and the top reason, that it deserves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .corpus import PullRequest
from .corpus.bad import BAD
from .corpus.harmless import HARMLESS
from .corpus.worlds import Worlds


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    with Worlds(tmp_path_factory.mktemp("corpus")) as worlds:
        yield worlds


@pytest.mark.parametrize("request_", [*BAD, *HARMLESS], ids=lambda each: each.title)
def test_the_verdict_and_the_top_reason_are_right(worlds: Worlds, request_: PullRequest) -> None:
    outcome = worlds.review(request_)
    print(f"{request_.title}: {outcome.lines} lines, {outcome.seconds:.1f} s")
    assert outcome.top == (request_.verdict, request_.rule, request_.resource), outcome.comment
    assert outcome.lines <= 40
    assert "secret-marker" not in outcome.renderings


def test_half_of_the_corpus_is_harmless() -> None:
    titles = [each.title for each in (*BAD, *HARMLESS)]
    assert len(titles) == len(set(titles)) >= 60
    assert min(len(BAD), len(HARMLESS)) >= 30
