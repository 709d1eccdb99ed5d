"""The clock of these tests: client and server live faster than the wall."""

from __future__ import annotations

import pytest

from tests.network.scene import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A fast clock that the client and the simulated server go by."""
    return Clock().rule(monkeypatch)
