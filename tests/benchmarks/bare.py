"""The bare loops everything is measured against, and how a ratio is taken and printed.

A ratio compares two loops of one run: they take turns, so that both meet the same noise, and what is printed is the
median of the ratios of the turns with their range. Absolute figures on another machine mean nothing.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

GROUP = 512
_COMMITS = 200

# The facts a ledger cannot do without, in plain tables: an execution counts once, a position is one row.
_FILL = (
    "id account symbol side quantity price time execution_id order_id parent_order_id source position_after raw "
    "booked_at reason"
).split()
_POSITION = (
    "mode account symbol signed_quantity cost entry_time target_price stop_price vwap cum_delta poc price_min "
    "price_max mae mfe heat_since initial_risk status verified_at verified_how"
).split()
_SCHEMA = f"""
CREATE TABLE fill ({", ".join(_FILL).replace("id,", "id INTEGER PRIMARY KEY,", 1)}, UNIQUE (account, execution_id));
CREATE TABLE position ({", ".join(_POSITION)}, PRIMARY KEY (mode, account, symbol));
"""
_INSERT = f"INSERT INTO fill VALUES ({', '.join('?' * len(_FILL))})"
_UPSERT = (
    f"INSERT INTO position VALUES ({', '.join('?' * len(_POSITION))}) ON CONFLICT (mode, account, symbol) DO UPDATE "
    f"SET {', '.join(f'{column} = excluded.{column}' for column in _POSITION[3:])}"
)

Row = tuple[object, ...]


class BareLedger:
    """A fill inserted and a position upserted by `sqlite3` alone, WAL and every commit flushed."""

    def __init__(self, path: Path, count: int) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA)
        self._rows = iter([_rows_of(number) for number in range(1, count + 1)])

    def write(self, count: int) -> None:
        """Write so many fills, each with its position, in one transaction."""
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        for _, (fill, position) in zip(range(count), self._rows, strict=False):
            execute(_INSERT, fill)
            execute(_UPSERT, position)
        execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


def _rows_of(number: int) -> tuple[Row, Row]:
    moment = "2026-11-22T14:30:01.250000Z"
    account, symbol = (("SIM", "Sim1"), "MESZ26") if number % 2 else (("LIVE", "120005"), "ESZ26")
    execution = (f"EX-{number}", f"ORDER-{number // 4}", "", "LIVE", None, "301", moment, "")
    fill = (number, account[1], symbol, "BUY", "1", "5050.25", moment, *execution)
    extremes = ("5050.25", "5060.75", "-12.5", "30")
    position = (
        *account,
        symbol,
        str(number % 8),
        "5050.25",
        moment,
        *[None] * 5,
        *extremes,
        *[None] * 2,
        "",
        *[None] * 2,
    )
    return fill, position


def bare_backlog(path: Path, count: int) -> float:
    """Return how many fills a second a bare loop makes durable in groups of 512."""
    ledger = BareLedger(path, count)
    with timed() as spent:
        for start in range(0, count, GROUP):
            ledger.write(min(GROUP, count - start))
    ledger.close()
    return count / spent[0]


@contextmanager
def timed() -> Iterator[list[float]]:
    """Yield a list that holds the seconds the block took once it has ended."""
    spent: list[float] = []
    start = time.perf_counter()
    yield spent
    spent.append(time.perf_counter() - start)


def seconds_of(work: Callable[[], object]) -> float:
    """Return the seconds something took."""
    with timed() as spent:
        work()
    return spent[0]


def spread(ratios: Sequence[float]) -> str:
    """Return the median and the range of some ratios in words."""
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


class Report:
    """The table that is printed at the end, as README has it."""

    def __init__(self, machine: str = "") -> None:
        self._machine = machine
        self._rows: list[tuple[str, str, str, str]] = []

    def add(self, number: str, what: str, measured: str, target: str, detail: str = "") -> None:
        promise = f"{number} {what}".strip()
        self._rows.append((promise, measured, target or "none", detail))

    def text(self) -> str:
        heading = ("promise", "measured (median, range)", "target", "in figures")
        rows = [heading, ("---",) * 4, *self._rows]
        return "\n".join(["", self._machine, "", *(f"| {' | '.join(row)} |" for row in rows)])


def machine_of(folder: Path) -> str:
    """Describe the machine as far as ratios depend on it: cores, versions, and how long a bare commit is flushed."""
    bare = BareLedger(folder / "machine.db", _COMMITS)
    commits = [seconds_of(lambda: bare.write(1)) for _ in range(_COMMITS)]
    bare.close()
    return (
        f"{os.cpu_count()} cores ({platform.machine()}, {platform.system()}), Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}; a bare commit of one fill takes {statistics.median(commits) * 1e3:.2f} ms "
        f"({min(commits) * 1e3:.2f} to {percentile(commits, 0.95) * 1e3:.2f})"
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
