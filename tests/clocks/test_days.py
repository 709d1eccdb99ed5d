"""Trading days over changes of the clocks, ends of years and leap days, in several zones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dtcpos.cli.times import parse_since, parse_until
from dtcpos.settings import TradingDay
from dtcpos.stats import month_of, week_of
from dtcpos.store import PositionRepository
from tests.importers.writing import imported, log, told

ROOT = Path(__file__).parents[2]
ZONES = ["America/Chicago", "Europe/Berlin", "UTC", "Australia/Lord_Howe", "Asia/Kolkata"]
# The last two lie in the hours that a change of clocks leaves out or brings twice.
STARTS = [time(17), time(0), time(18, 30), time(2, 30), time(1, 30)]
CHANGES = [
    date(2026, 3, 8),
    date(2026, 3, 29),
    date(2026, 4, 5),
    date(2026, 10, 4),
    date(2026, 10, 25),
    date(2026, 11, 1),
]
EDGES = [*CHANGES, date(2026, 12, 31), date(2027, 1, 1), date(2028, 2, 29)]
near_edges = st.builds(
    lambda day, offset_s: datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=offset_s),
    st.sampled_from(EDGES),
    st.integers(-2 * 86_400, 2 * 86_400),
)


# Ten past one for the second time, on a day that began at half past one for the first.
TWICE = datetime(2026, 11, 1, 7, 10, tzinfo=UTC)


@given(moment=near_edges, zone=st.sampled_from(ZONES), start=st.sampled_from(STARTS))
@example(moment=TWICE, zone="America/Chicago", start=time(1, 30))
def test_every_moment_is_in_exactly_one_trading_day(moment: datetime, zone: str, start: time) -> None:
    """P10: a day is from its first moment to that of the next, also where the clocks change at its start."""
    trading_day = TradingDay(timezone=zone, start=start)
    day = trading_day.day_of(moment)
    assert trading_day.starts_at(day) <= moment < trading_day.starts_at(day + timedelta(days=1))
    assert trading_day.day_of(trading_day.starts_at(day)) == day


@given(moment=near_edges, zone=st.sampled_from(ZONES), start=st.sampled_from(STARTS))
@example(moment=TWICE, zone="America/Chicago", start=time(1, 30))
def test_today_and_yesterday_meet_without_gap(moment: datetime, zone: str, start: time) -> None:
    """P10: `--since yesterday --until yesterday` ends where `--since today` begins, and today holds now."""
    trading_day = TradingDay(timezone=zone, start=start)
    begins, ends = (
        parse(text, now=moment, trading_day=trading_day)
        for parse, text in ((parse_since, "today"), (parse_until, "yesterday"))
    )
    assert begins == ends <= moment
    assert parse_until("today", now=moment, trading_day=trading_day) > moment
    assert parse_since("yesterday", now=moment, trading_day=trading_day) < begins


@pytest.mark.parametrize(
    ("moment", "day", "week", "month"),
    [
        ("2026-12-31T22:59:59Z", "2026-12-31", "2026-W53", "2026-12"),
        ("2026-12-31T23:00:00Z", "2027-01-01", "2026-W53", "2027-01"),
        ("2027-01-03T23:00:00Z", "2027-01-04", "2027-W01", "2027-01"),
        ("2028-02-28T23:00:00Z", "2028-02-29", "2028-W09", "2028-02"),
        ("2028-02-29T23:00:00Z", "2028-03-01", "2028-W09", "2028-03"),
        ("2026-03-08T21:59:59Z", "2026-03-08", "2026-W10", "2026-03"),
        ("2026-03-08T22:00:00Z", "2026-03-09", "2026-W11", "2026-03"),
        ("2026-11-01T22:59:59Z", "2026-11-01", "2026-W44", "2026-11"),
        ("2026-11-01T23:00:00Z", "2026-11-02", "2026-W45", "2026-11"),
    ],
)
def test_days_weeks_and_months_at_the_edges(moment: str, day: str, week: str, month: str) -> None:
    """P10: New Year's Eve after 17:00 is next year's trading day and still week 53; a leap day is a day."""
    found = TradingDay().day_of(datetime.fromisoformat(moment))
    assert (str(found), week_of(found), month_of(found)) == (day, week, month)


# Several command lines in one process, because each process costs a second on a busy machine.
RUNS = """
import json, sys
from dtcpos.cli import main
for words in json.loads(sys.argv[1]):
    sys.argv[1:] = words
    try:
        main()
    except SystemExit as end:
        assert not end.code, end.code
    print("\\f", end="", flush=True)
"""


def run(path: Path, zone: str, *commands: list[str]) -> list[str]:
    """Run command lines where the machine's zone is another, and return what each printed."""
    words = [[*command, "--db", str(path), "--config", ""] for command in commands]
    ran = subprocess.run(
        [sys.executable, "-c", RUNS, json.dumps(words)],
        cwd=ROOT,
        env={**os.environ, "TZ": zone},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split("\f")


def test_one_log_in_three_zones_of_the_machine(tmp_path: Path) -> None:
    """P10: the zone a process runs in changes no id, no time, no day and no amount of what it imports."""
    texts = ["2026-11-01  00:30:00.250000", "2026-11-01  03:30:00.500000", "2026-12-31  17:30:00.000000"]
    rows = [
        told(sign, DateTime=text, FillExecutionServiceID="")
        for sign, text in zip(("+2 @ 5050", "-1 @ 5060", "-1 @ 5070"), texts, strict=True)
    ]
    path = log(tmp_path, *rows)
    answers = set()
    for number, zone in enumerate(("UTC", "America/Chicago", "Asia/Tokyo")):
        _, fills_text, stats, _ = run(
            tmp_path / f"{number}.db",
            zone,
            ["import", str(path), "--timezone", "America/Chicago"],
            ["export", "fills", "--format", "json"],
            ["stats", "--since", "2026-10-31", "--until", "2027-01-02", "--json"],
        )
        fills = json.loads(fills_text)
        assert all(fill.pop("booked_at") for fill in fills)
        answers.add((json.dumps(fills), stats))
    ((fills_text, stats),) = answers
    assert [fill["time"] for fill in json.loads(fills_text)] == [
        "2026-11-01T05:30:00.250000Z",
        "2026-11-01T09:30:00.500000Z",
        "2026-12-31T23:30:00.000000Z",
    ]
    assert [each["day"] for each in json.loads(stats)[0]["by_day"]] == ["2026-11-01", "2027-01-01"]


def test_the_repeated_hour_of_a_local_log_is_said(tmp_path: Path) -> None:
    """U7: nobody can tell which of the two hours is meant: how many times are unclear is said, and nothing is lost."""
    texts = ["2026-11-01  01:10:00.000000", "2026-11-01  01:50:00.000000", "2026-03-08  02:30:00.000000"]
    path = log(tmp_path, *(told("+1 @ 5050", DateTime=text, FillExecutionServiceID=f"E-{text}") for text in texts))
    report = imported(PositionRepository.in_memory(), path, zone=ZoneInfo("America/Chicago"))
    assert report.fills == report.new == 3
    assert [note for note in report.notes if "twice or never" in note] == [
        "3 times lie in an hour the zone has twice or never; the first is taken"
    ]
