"""What listings say when the clock was set back since the ledger was written: no negative age, and no false calm."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

import dtcpos.cli.places
from dtcpos.cli import accounts, export, listing, status, switch, tail
from tests.cli.conftest import NOW, Shell

COMMANDS = [
    ("positions",),
    ("positions", "--json"),
    ("status",),
    ("status", "--json"),
    ("tail",),
    ("stats",),
    ("stats", "--json"),
    ("positions", "--as-of", "2026-11-20T15:00:00Z"),
    ("history",),
    ("switch", "LIVE"),
    ("accounts",),
    ("export", "positions"),
]
# A negative duration in words, or under a key that is an age; a sign in front of lots or money is none.
_NEGATIVE = re.compile(r'-\d+(\.\d+)? ?(s|m|h|d)\b|_s": -')


@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(days=365)], ids=["an hour", "a year"])
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_age_is_negative(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], back: timedelta
) -> None:
    """S3: every listing works, and says of nothing that it happened in the future."""
    _set_back(monkeypatch, back)
    ran = shell(*words, code=3 if words[0] == "status" else 0)
    assert not _NEGATIVE.search(ran.out), ran.out


def test_a_link_heard_ahead_of_the_clock_is_down(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3: a monitor is told, and nothing counts as verified: nobody can tell how long ago the last byte came."""
    _set_back(monkeypatch, timedelta(hours=1))
    found = shell("status", "--json", code=3).json
    assert [line["up"] for line in found["links"]] == [False]
    assert found["by_status"]["VERIFIED"] == 0
    held = {(each["account"], each["symbol"]): each for each in shell("positions", "--json").json}
    assert held["120005", "MESZ26-CME"]["status"] == "STALE"


def test_a_few_seconds_between_two_clocks_are_no_matter(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3: a listing on a machine that is a little behind the one that follows shows what that has verified."""
    _set_back(monkeypatch, timedelta(seconds=3))
    held = {(each["account"], each["symbol"]): each for each in shell("positions", "--json").json}
    assert held["120005", "MESZ26-CME"]["status"] == "VERIFIED"


def _set_back(monkeypatch: pytest.MonkeyPatch, back: timedelta) -> None:
    for module in (dtcpos.cli.places, accounts, export, listing, status, switch, tail):
        monkeypatch.setattr(module, "utc_now", lambda: NOW - back)
