"""What people write for a moment."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest

from dtcpos.cli.times import parse_since, parse_until
from dtcpos.errors import UsageError
from dtcpos.settings import TradingDay

NOW = datetime(2026, 11, 22, 15, 0, 0, tzinfo=UTC)
FUTURES = TradingDay()


def since(text: str, now: datetime = NOW, day: TradingDay = FUTURES) -> str:
    return parse_since(text, now=now, trading_day=day).strftime("%Y-%m-%dT%H:%M:%S")


def until(text: str, now: datetime = NOW, day: TradingDay = FUTURES) -> str:
    return parse_until(text, now=now, trading_day=day).strftime("%Y-%m-%dT%H:%M:%S")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", "2026-11-22T13:00:00"),
        ("90m", "2026-11-22T13:30:00"),
        ("30s", "2026-11-22T14:59:30"),
        ("3d", "2026-11-19T15:00:00"),
        ("1w", "2026-11-15T15:00:00"),
        ("now", "2026-11-22T15:00:00"),
        ("14:30", "2026-11-22T14:30:00"),
        ("9:05", "2026-11-22T09:05:00"),
        ("14:30:15Z", "2026-11-22T14:30:15"),
        ("23:59", "2026-11-21T23:59:00"),
        ("2026-11-20T10:00:00Z", "2026-11-20T10:00:00"),
        ("2026-11-20 10:00", "2026-11-20T10:00:00"),
        ("2026-11-20T10:00:00-06:00", "2026-11-20T16:00:00"),
        ("2026-11-20", "2026-11-19T23:00:00"),
        ("today", "2026-11-21T23:00:00"),
        ("Yesterday", "2026-11-20T23:00:00"),
    ],
)
def test_the_ways_to_say_since(text: str, moment: str) -> None:
    """A date is a trading day, a time without a zone is UTC and the last one that was, `2h` is ago."""
    assert since(text) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-20", "2026-11-20T23:00:00"),
        ("today", "2026-11-22T23:00:00"),
        ("yesterday", "2026-11-21T23:00:00"),
        ("2h", "2026-11-22T13:00:00"),
    ],
)
def test_until_a_day_is_to_its_end(text: str, moment: str) -> None:
    """`--since yesterday --until yesterday` is all of yesterday."""
    assert until(text) == moment


@pytest.mark.parametrize(
    ("now", "start", "end"),
    [
        # The clocks go forward on the 8th: the day that ends then has 23 hours.
        ("2026-03-08T20:00:00", "2026-03-07T23:00:00", "2026-03-08T22:00:00"),
        ("2026-03-08T22:30:00", "2026-03-08T22:00:00", "2026-03-09T22:00:00"),
        # And back on 1 November: 25 hours.
        ("2026-11-01T22:30:00", "2026-10-31T22:00:00", "2026-11-01T23:00:00"),
        ("2026-11-01T23:30:00", "2026-11-01T23:00:00", "2026-11-02T23:00:00"),
    ],
)
def test_today_when_the_clocks_change(now: str, start: str, end: str) -> None:
    """P10: `today` rolls at 17:00 in Chicago, also on 2026-03-08 and 2026-11-01."""
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert (since("today", moment), until("today", moment)) == (start, end)


def test_a_day_that_starts_at_midnight_is_the_date_itself() -> None:
    """The trading day is a setting; a morning start names the date it starts on."""
    day = TradingDay(timezone="Europe/Berlin", start=time(0))
    assert since("2026-07-01", day=day) == "2026-06-30T22:00:00"
    assert until("2026-07-01", day=day) == "2026-07-01T22:00:00"
    assert since("today", datetime(2026, 6, 30, 22, 30, tzinfo=UTC), day) == "2026-06-30T22:00:00"


@pytest.mark.parametrize("text", ["", "tomorrowish", "2026-13-01", "25:00", "2 fortnights", "2026-11-20T", "999999w"])
def test_nonsense_is_refused_with_the_value_and_the_remedy(text: str) -> None:
    """U4: every error names the value and the remedy."""
    with pytest.raises(UsageError, match="is not a time; write") as refusal:
        since(text)
    assert repr(text) in str(refusal.value)
