"""How fast fills become durable, one at a time and as a backlog."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dtcpos.client import Address, Follower
from dtcpos.dtc import State
from dtcpos.keeper import PositionKeeper
from dtcpos.store import PositionRepository
from dtcpos.updates import FillUpdate, Update
from tests.benchmarks.bare import BareLedger, Report, bare_backlog, percentile, spread, timed
from tests.benchmarks.feed import Feed, Venue, feeding, live_frames

BACKLOG = 100_000
PACED, PACED_RATE = 3000, 1000
# What an ORM (SQLModel, one `merge` and commit a fill, SQLite in WAL mode) reached at best on a machine whose bare
# commit took 0.4 ms. It is no dependency and is not run here: the figure is quoted.
ORM_RATE = 332
SINGLE = 2000
# Fills, and bare transactions, after which the log surely still grows, and surely does not any more.
GROWING, GROWN = 200, 500


def synced_keeper(path: Path, venue: Venue) -> PositionKeeper:
    """A keeper on a new ledger whose session with the venue is ready."""
    keeper = PositionKeeper(PositionRepository.open(path), server="feed")
    keeper.start(now=time.time())
    while keeper.state is not State.READY:
        answer(keeper, venue)
    return keeper


def answer(keeper: PositionKeeper, venue: Venue) -> None:
    """Let the venue answer what the keeper owes it, if it owes anything."""
    owed = keeper.data_to_send()
    if owed and (answers := venue.answers(owed)):
        keeper.receive_data(answers, now=time.time())


def one_at_a_time(folder: Path, count: int) -> tuple[list[float], list[float]]:
    """Return how long each of so many live fills took from its bytes to the disk, and a bare transaction in turn."""
    venue = Venue()
    keeper = synced_keeper(folder / "ledger.db", venue)
    bare = BareLedger(folder / "bare.db", count)
    ours, theirs = [], []
    for frame in live_frames(0, count):
        with timed() as spent:
            keeper.receive_data(frame, now=time.time())
        ours.append(spent[0])
        with timed() as spent:
            bare.write(1)
        theirs.append(spent[0])
        answer(keeper, venue)
    keeper.stop(now=time.time())
    bare.close()
    return ours, theirs


def test_one_fill_at_a_time(tmp_path: Path, report: Report) -> None:
    """F1: bytes of one live fill to a durable row, against a transaction that inserts a fill and upserts a position.

    SQLite's log grows until it has been copied into the file for the first time, and is written over from its beginning
    ever after, which a disk does in half the time. A session is in the first state for its first minutes.
    """
    growing, again = [], []
    for turn in range(5):
        folder = tmp_path / str(turn)
        folder.mkdir()
        growing.append(one_at_a_time(folder, GROWING))
    ours, theirs = one_at_a_time(tmp_path, GROWN + SINGLE)
    for start in range(GROWN, GROWN + SINGLE, SINGLE // 10):
        part = slice(start, start + SINGLE // 10)
        again.append((ours[part], theirs[part]))
    for what, turns in (("in a log that grows", growing), ("in a log that is written over", again)):
        medians = [(statistics.median(ours), statistics.median(theirs)) for ours, theirs in turns]
        mine, bare = (statistics.median(column) * 1e6 for column in zip(*medians, strict=True))
        figures = f"{mine:.0f} µs against {bare:.0f} µs"
        ratios = spread([ours / theirs for ours, theirs in medians])
        report.add("F1", f"one fill, bytes to durable / bare transaction, {what}", ratios, "at most 1.5", figures)


def follow(feed: Feed, path: Path, on_synced: Callable[[], None], count: int) -> tuple[float, list[float]]:
    """Follow the feed until so many fills are durable; return when it was synced and when each fill was published."""
    give_up_at = time.monotonic() + 60
    published: list[float] = []
    synced: list[float] = []

    def publish(updates: list[Update]) -> None:
        now = time.monotonic()
        published.extend(now for update in updates if type(update) is FillUpdate)
        if not synced and keeper.is_synced:
            synced.append(now)
            on_synced()

    with PositionRepository.open(path) as repository:
        keeper = PositionKeeper(repository, server="feed")
        follower = Follower(
            keeper=keeper,
            address=Address(port=feed.port),
            publish=publish,
            should_stop=lambda: time.monotonic() > give_up_at or (len(published) >= count and bool(synced)),
        )
        follower.run()
    assert len(published) == count
    return synced[0], published


@pytest.mark.timeout(300)
def test_a_live_backlog(tmp_path: Path, report: Report) -> None:
    """F2: 100,000 live fills that wait in the socket, durable at the end, against the bare loop in groups of 512."""
    ratios, rates = [], []
    for turn in range(3):
        bare = bare_backlog(tmp_path / f"bare{turn}.db", BACKLOG)
        with feeding() as feed:
            feed.order(f"prepare {BACKLOG}")
            feed.said()
            start, published = follow(feed, tmp_path / f"live{turn}.db", lambda: feed.order("live"), BACKLOG)
        rates.append(len(published) / (published[-1] - start))
        ratios.append(rates[-1] / bare)
    figures = f"{statistics.median(rates):,.0f} fills/s"
    report.add("F2", "backlog of live fills, rate / bare loop", spread(ratios), "at least 0.3", figures)
    times = spread([rate / ORM_RATE for rate in rates])
    report.add("F2", "the same / an ORM's merge per fill", times, "at least 50", f"{ORM_RATE}/s, quoted")


@pytest.mark.timeout(300)
def test_a_backlog_of_history(tmp_path: Path, report: Report) -> None:
    """F2: the same as one batch of history, asked for, answered, identified and booked."""
    ratios, rates = [], []
    for turn in range(3):
        bare = bare_backlog(tmp_path / f"bare{turn}.db", BACKLOG)
        with feeding() as feed:
            feed.order(f"history {BACKLOG}")
            feed.said()
            start = time.monotonic()
            _, published = follow(feed, tmp_path / f"history{turn}.db", lambda: None, BACKLOG)
        rates.append(len(published) / (published[-1] - start))
        ratios.append(rates[-1] / bare)
    figures = f"{statistics.median(rates):,.0f} fills/s"
    report.add("F2", "backlog of history, rate / bare loop", spread(ratios), "at least 0.3", figures)


@pytest.mark.timeout(300)
def test_a_thousand_fills_a_second(tmp_path: Path, report: Report) -> None:
    """F2: how long after it was sent a fill is durable while 1,000 arrive each second."""
    with feeding() as feed:
        feed.order(f"prepare {PACED}")
        feed.said()
        _, published = follow(feed, tmp_path / "paced.db", lambda: feed.order(f"paced {PACED_RATE}"), PACED)
        sent = json.loads(feed.said())
    waits = [done - began for began, done in zip(sent, published, strict=True)]
    bare = BareLedger(tmp_path / "bare.db", 500)
    commits = []
    for _ in range(500):
        with timed() as spent:
            bare.write(1)
        commits.append(spent[0])
    bare.close()
    figures = f"median {statistics.median(waits) * 1e3:.1f} ms, bare commit {statistics.median(commits) * 1e3:.2f} ms"
    slowest = f"{percentile(waits, 0.99) * 1e3:.1f} ms"
    report.add("F2", "1,000 fills a second, slowest of a hundred", slowest, "at most 20 ms", figures)
