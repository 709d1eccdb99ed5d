"""One table for the whole run, printed at its end; nothing here fails for being slow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.benchmarks.bare import Report, machine_of


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    """The table; `-s` shows it."""
    table = Report(machine_of(tmp_path_factory.mktemp("machine")))
    yield table
    print(table.text())
