"""Exports under a cursor, killed at any moment and run again."""

from __future__ import annotations

import csv
import random
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from dtcpos.model import Account, Fill, JournalEntry, Side
from dtcpos.store import PositionRepository
from tests.crash.commands import ended, finished, started

START = datetime(2026, 11, 20, 14, tzinfo=UTC)


def book(path: Path, first: int, count: int) -> None:
    """Book further fills, as `connect` does while exports run."""
    with PositionRepository.open(path) as repository, repository.transaction():
        repository.put_account(Account(account="Sim1", mode="SIM", rule="name", first_seen_at=START))
        repository.add_fills(
            [
                Fill(
                    id=number,
                    account="Sim1",
                    symbol="MESZ26",
                    side=Side.BUY if number % 2 else Side.SELL,
                    quantity=Decimal(1),
                    price=Decimal(5000),
                    time=START + timedelta(seconds=number),
                    execution_id=f"E-{number}",
                    booked_at=START,
                )
                for number in range(first, first + count)
            ]
        )


def files_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.csv"))


def exported(folder: Path, column: str) -> list[str]:
    found = []
    for path in files_of(folder):
        with path.open(encoding="utf-8", newline="") as rows:
            found += [row[column] for row in csv.DictReader(rows)]
    return found


@pytest.mark.parametrize(("what", "column", "seed"), [("fills", "id", 1), ("journal", "fill_id", 2)])
def test_exports_killed_again_and_again(tmp_path: Path, what: str, column: str, seed: int) -> None:
    """U3: the union of all files has no duplicate and no gap, whenever the runs were killed."""
    path, folder, chance = tmp_path / "ledger.db", tmp_path / "out", random.Random(seed)
    folder.mkdir()
    options = ["--db", path, "--config", "", "--cursor", "nightly", "--output", folder / "x-{number:04}.csv"]
    count, size, complete_s = 0, 3_000, 1.0
    for round_ in range(12):
        book(path, count + 1, size)
        if what == "journal":
            note(path, count + 1, size)
        count += size
        child = started("export", what, *options)
        if round_ == 0:
            begun = time.monotonic()
            output, complaints = child.communicate(timeout=60)
            complete_s = time.monotonic() - begun
            assert (child.returncode, output, complaints) == (0, "", "")
            continue
        # A kill at a moment nobody chose is what is tested, more often late, where there is something to break.
        time.sleep(complete_s * (1 - chance.random() ** 2 / 2))
        ended(child)
    last = finished("export", what, *options)
    assert last.returncode == 0, last.stderr
    assert exported(folder, column) == [str(number) for number in range(1, count + 1)]
    assert files_of(folder) == sorted(folder.iterdir()), "nothing half-written is left"
    before = files_of(folder)
    assert finished("export", what, *options).returncode == 0
    assert files_of(folder) == before


def note(path: Path, first: int, count: int) -> None:

    with PositionRepository.open(path) as repository, repository.transaction():
        entries = [JournalEntry(at=START, cause="fill", account="Sim1", fill_id=first + i) for i in range(count)]
        repository.add_journal(entries)
