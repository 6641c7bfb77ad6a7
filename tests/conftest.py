"""What every run of the tests has: an order, notes of its own, and the seeds in its summary."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _notes_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What creates note on this machine is not left in the home of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


LONG = ("tests/engine/test_kill_matrix", "tests/engine/test_demo", "tests/gitops", "tests/engine")
"""Where the longest tests are, the very longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: what is left at the end is short, and keeps all workers busy."""

    def place(item: pytest.Item) -> int:
        return next((n for n, part in enumerate(LONG) if item.nodeid.startswith(part)), len(LONG))

    items.sort(key=place)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the fresh seeds of the simulated stories, of those that broke nothing too."""
    seeds = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "fresh seeds" and report.when == "call"
    ]
    if seeds:
        terminalreporter.write_line(f"simulated stories of the fresh seeds {', '.join(seeds)}")
