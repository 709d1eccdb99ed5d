"""One table for the whole run, printed at its end; nothing here fails for being slow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.benchmarks.bare import Report


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Iterator[Report]:
    """The table; `-s` shows it."""
    table = Report()
    yield table
    print(table.text())
