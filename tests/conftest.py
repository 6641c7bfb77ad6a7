"""What the summary of every run of the tests tells."""

from __future__ import annotations

import pytest


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
