"""A machine that loses its power while a ledger is kept: whatever it may find on its disk, nothing told is missing."""

from __future__ import annotations

import random
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from dtcpos.proving import prove
from dtcpos.sim import Performance
from dtcpos.store import AuditReader, PositionRepository
from dtcpos.updates import FillUpdate, Update
from tests.crash import vfs
from tests.crash.images import LOSSES, Disk, Loss, put
from tests.crash.vfs import Event, Tape, recording
from tests.outcome import assert_true
from tests.pair import Pair

pytestmark = [
    pytest.mark.skipif(bool(vfs.why_not()), reason=vfs.why_not() or "-"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the name of an open file is asked of /proc"),
]
Facts = dict[int, tuple[object, ...]]


class Told(list[Update]):
    """Updates that were returned to whoever feeds the keeper; the record notes when."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self.tape = tape
        self.facts: Facts = {}

    def __iadd__(self, updates: Any) -> Told:  # type: ignore[override]
        for update in updates:
            if isinstance(update, FillUpdate):
                assert update.fill.id is not None
                self.facts[update.fill.id] = fact_of(update.fill)
        self.tape.add("told", content=dict(self.facts))
        self.extend(updates)
        return self


def fact_of(fill: Any) -> tuple[object, ...]:
    return fill.account, fill.symbol, fill.side, fill.quantity, fill.price, fill.execution_id


def facts_of(path: Path) -> Facts:
    """Return every row of the ledger of fills as it was booked."""
    with PositionRepository.open(path) as repository:
        ids = [row[0] for row in repository.database.conn.execute("SELECT id FROM fill")]
        return {fill.id or 0: fact_of(fill) for fill in repository.fills(ids)}


# A session of the keeper


@frozen(kw_only=True)
class Recorded:
    """What was done to the disk, what was on it before, and the venue as it is in the end."""

    events: list[Event]
    before: dict[str, bytes]
    performance: Performance | None = None
    now: float = 0.0


def session(path: Path) -> Recorded:
    """Follow a venue through fills, a flip, a correction, checkpoints, a crash of the keeper and a clean end."""
    with recording(path.parent) as tape:
        repository = PositionRepository.open(path)
        # Small enough for several checkpoints, and for the log to be begun anew.
        repository.database.conn.execute("PRAGMA wal_autocheckpoint = 30")
        pair = Pair(repository=repository)
        pair.told = Told(tape)
        pair.connect().settle()
        pair.fill("+1 MES @ 5000", id="E-1", order="1").fill("+2 MES @ 5001", id="E-2", order="2")
        pair.perform("tick MES 4990", "tick MES 5010").fill("-5 MES @ 5002", id="E-3", order="3")
        pair.fill("+1 MNQ @ 18000.25", id="E-4", order="4", account="120005").settle()
        repository.database.conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        pair.perform("correct Sim1 E-2 @ 5000.5").fill("+2 MES @ 4999", id="E-5", order="5", away=True)
        pair.reconnect().settle()
        repository.database.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        for number in range(6, 12):
            side = "+1" if number % 2 else "-1"
            pair.fill(f"{side} MNQ @ 18001", id=f"E-{number}", order=str(number), account="120005")
        pair.crash().settle()
        pair.lose()
        repository.close()
        repository = pair.repository = PositionRepository.open(path)
        again = pair.told
        pair.keeper = pair._new_keeper()
        pair.told = again
        pair.connect().settle().fill("-1 MES @ 5003", id="E-12", order="12").settle()
        repository.close()
        events = list(tape.events)
    return Recorded(events=events, before={}, performance=pair.performance, now=pair.now)


def sound(path: Path) -> None:
    """Check that a ledger is whole, and that everything derived from it is what it gives."""
    with AuditReader.open(path) as reader:
        assert list(prove(reader)) == []


def resumed(path: Path, recorded: Recorded, promised: Facts) -> None:
    """Open an image as a new `connect` does, hold it against what was told, and follow the venue to its truth."""
    assert recorded.performance is not None
    with PositionRepository.open(path) as repository:
        assert repository.database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        found = {fill.id: fact_of(fill) for fill in repository.fills(list(promised))}
        assert found == promised
        assert list(prove(AuditReader(repository.database.conn, path))) == []
        pair = Pair(repository=repository, performance=recorded.performance)
        pair.now = recorded.now + 60.0
        pair.connect().settle()
        assert_true(repository, recorded.performance.venue)
        pair.lose()
    sound(path)


def images(
    recorded: Recorded, points: Callable[[int], bool], losses: tuple[Loss, ...], chance: random.Random
) -> Iterator[tuple[str, dict[str, bytes], Any]]:
    """Yield what may be found after each chosen event: which it was, the files, and what had been promised by then."""
    disk, promised = Disk.holding(recorded.before), None
    for place, event in enumerate(recorded.events):
        if event.kind == "told":
            promised = event.content
        else:
            disk.apply(event)
        if points(place):
            for loss in losses:
                yield f"{place} {event.kind} {event.name} {loss}", disk.image(loss, chance), promised


def tried(recorded: Recorded, folder: Path, found: Iterator[tuple[str, dict[str, bytes], Any]]) -> int:
    count = 0
    for count, (name, files, promised) in enumerate(found, start=1):
        place = folder / f"image {count}"
        place.mkdir()
        put(files, place)
        if count % 3 == 0:
            # The index of the log is never flushed: it may hold anything.
            (place / "ledger.db-shm").write_bytes(random.Random(count).randbytes(32_768))
        try:
            resumed(place / "ledger.db", recorded, promised or {})
        except BaseException as error:
            error.add_note(f"{name}: {place}")
            raise
    return count


def some(count: int, of: int, chance: random.Random) -> Callable[[int], bool]:
    chosen = frozenset(chance.sample(range(of), min(count, of)))
    return lambda place: place in chosen


def test_no_loss_of_power_loses_what_was_told(tmp_path: Path) -> None:
    """N1, N14: whatever was not flushed is gone: the ledger opens, is sound, has every fill told, and ends true."""
    (tmp_path / "run").mkdir()
    recorded, chance = session(tmp_path / "run" / "ledger.db"), random.Random(1)
    assert {"create", "write", "truncate", "sync", "delete", "folder", "told"} <= {one.kind for one in recorded.events}
    chosen = some(9, len(recorded.events), chance)
    assert tried(recorded, tmp_path, images(recorded, chosen, LOSSES, chance)) == 54


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(3))
def test_no_loss_of_power_at_any_point_loses_what_was_told(tmp_path: Path, seed: int) -> None:
    """N1, N14: the same after every single thing done to the disk, in every kind of loss."""
    (tmp_path / "run").mkdir()
    recorded, chance = session(tmp_path / "run" / "ledger.db"), random.Random(seed)
    count = tried(recorded, tmp_path, images(recorded, lambda _: True, LOSSES, chance))
    print(f"{count} images of {len(recorded.events)} points")


def test_a_commit_that_is_not_flushed_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """N1: with the flush at each commit left out, the same images show a fill that was told and is gone."""
    from dtcpos.store import repository as writer

    configure = writer.connect_writer

    def careless(path: Path) -> sqlite3.Connection:
        connection = configure(path)
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    (tmp_path / "run").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(writer, "connect_writer", careless)
        recorded = session(tmp_path / "run" / "ledger.db")
    last = max(place for place, event in enumerate(recorded.events) if event.kind == "write" and "wal" in event.name)
    with pytest.raises(AssertionError):
        tried(recorded, tmp_path, images(recorded, lambda place: place == last, ("everything",), random.Random(1)))
