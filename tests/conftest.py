"""What every test may rely on: no settings, no ledger and no zone of the machine it runs on."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# Two slow cores say nothing about the code, so nothing fails for being slow; the examples are the same on every run.
settings.register_profile(
    "suite", deadline=None, max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def _apart_from_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = ("DTCPOS_DB", "DTCPOS_CONFIG", "DTCPOS_PASSWORD", "DTCPOS_WEBHOOK", "DTCPOS_DEBUG")
    for name in (*ours, "NO_COLOR", "COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
