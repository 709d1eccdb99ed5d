"""Servers for `doctor` to look at, and what it found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dtcpos.diagnosis.words import CHECKS
from dtcpos.sim import SimulatedServer, parse_dialogue
from tests.cli.conftest import Ran

CERTIFICATE = Path(__file__).parents[2] / "fixtures" / "tls" / "localhost.pem"
SETTINGS = "Global Settings >> Sierra Chart Server Settings >> DTC Protocol Server >> "
LOCAL = ("settings", "time_zone", "ledger", "lock", "disk")
# Heartbeats come often, so that nobody waits for the server's time.
TERMS = """
heartbeat 0.1
account 120005
symbol MESZ26-CME tick 0.25 value 1.25
history 120005 BUY 1 MESZ26-CME @ 6850.25 id E-1 order 1001 ago 1h
"""


@contextmanager
def serving(text: str = TERMS, **options: Any) -> Iterator[SimulatedServer]:
    with SimulatedServer(parse_dialogue(text, name="test"), **options) as server:
        yield server


def checked(ran: Ran) -> dict[str, dict[str, str]]:
    checks = json.loads(ran.out)
    assert [each["check"] for each in checks] == [*LOCAL, *CHECKS]
    assert all(list(each) == ["check", "result", "found", "remedy", "menu"] for each in checks)
    assert all(each["remedy"] for each in checks if each["result"] == "fault")
    return {each["check"]: each for each in checks}


def found(ran: Ran, check: str, result: str = "fault") -> dict[str, str]:
    each = checked(ran)[check]
    assert each["result"] == result, ran.out
    return each


def faults(ran: Ran) -> set[str]:
    return {name for name, each in checked(ran).items() if each["result"] == "fault"}
