"""What statistics ask of a ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dtcpos.errors import LedgerCorrupt
from dtcpos.model import Sighting, Source
from dtcpos.store import EVERYTHING, PositionRepository, Selection
from dtcpos.store.exits import ExitReader
from tests.store.ledgers import MES, SIM, at, fill, trade


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[PositionRepository]:
    with PositionRepository.open(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture
def reader(repository: PositionRepository) -> Iterator[ExitReader]:
    with ExitReader.open(repository.path) as opened:
        yield opened


def test_fills_of_a_stretch_are_found_by_their_refined_time(
    repository: PositionRepository, reader: ExitReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N10: a fill first told hours wrong is where its better sighting says, in whatever parts the stretch is read."""
    wrong = fill(2, -7200, time_is_exact=False, source=Source.IMPORT)
    better = Sighting(fill_id=2, source=Source.LIVE, seen_at=at(99), time=at(2.5), time_is_exact=True)
    gone = fill(4, 3, time_is_exact=False, source=Source.IMPORT)
    elsewhere = Sighting(fill_id=4, source=Source.LIVE, seen_at=at(99), time=at(7200), time_is_exact=True)
    with repository.transaction():
        repository.add_fills(
            [fill(1, 1), wrong, fill(3, 3), gone, fill(5, 4), fill(6, 5), fill(7, 6, symbol="MNQZ26-CME")]
        )
        repository.add_sightings("Sim1", [better, elsewhere])
    ids = [[found.id for found in part] for part in reader.fills_within("Sim1", MES, at(1), at(4))]
    assert ids == [[1, 2, 3, 5]]
    (part,) = reader.fills_within("Sim1", MES, at(2), at(2))
    assert [(found.id, found.time) for found in part] == [(2, at(2.5))]
    ends = "SELECT time FROM fill WHERE account = ? AND symbol = ? AND time >= ? AND time < ? ORDER BY time LIMIT 1"
    monkeypatch.setattr("dtcpos.store.exits._PART_ENDS", f"{ends} OFFSET 1")
    parts = [[found.id for found in part] for part in reader.fills_within("Sim1", MES, at(1), None)]
    assert [fill_id for part in parts for fill_id in part] == [1, 2, 3, 5, 6, 4]
    assert len(parts) > 1


def test_where_a_key_was_flat_before_an_entry(repository: PositionRepository, reader: ExitReader) -> None:
    """P11: trades that follow one another within a second reach back to the first of them, a gap ends that."""
    with repository.transaction():
        repository.add_trades(
            [trade(1, 1, 2), trade(3, 10, 20.2), trade(5, 20.2, 20.5), trade(7, 20.9, 30), trade(9, 31, 40)]
        )
    assert reader.flat_before("Sim1", MES, at(31)) == at(31)
    assert reader.flat_before("Sim1", MES, at(20.9)) == at(10)
    assert reader.flat_before("Sim1", MES, at(30.4)) == at(10)
    assert reader.flat_before("Sim1", MES, at(30.4), known=at(25)) == at(20)


def test_trades_by_exit_within_a_time_and_after_it(repository: PositionRepository, reader: ExitReader) -> None:
    """P11: those that ended within it, and those that lived in it and had more than one exit."""
    with repository.transaction():
        repository.add_trades([trade(1, 1, 2), trade(3, 10, 20), trade(5, 21, 40, fills=3), trade(7, 41, 50, fills=3)])
    selection = Selection(since=at(2), until=at(30))
    assert [found.opened_by for found in reader.closed(selection, "SIM")] == [1, 3]
    assert [found.opened_by for found in reader.closed_later(selection, "SIM")] == [5]
    assert [*reader.closed_later(EVERYTHING, "SIM")] == []
    assert [*reader.closed(EVERYTHING, "LIVE")] == []


def test_a_damaged_trade_is_named(repository: PositionRepository, reader: ExitReader) -> None:
    """N15: a row that cannot be read back is exit 5 and the next step, never a wrong figure."""
    with repository.transaction():
        repository.add_trades([trade(1, 1, 2)])
    with sqlite3.connect(repository.path) as connection:
        connection.execute("UPDATE trade SET realized = '1.7x'")
    with pytest.raises(LedgerCorrupt, match="dtcpos verify"):
        list(reader.closed(EVERYTHING, SIM.mode))


def test_one_moment_for_everything_asked_inside(repository: PositionRepository, reader: ExitReader) -> None:
    """M3: what a writer does meanwhile is not half of an answer."""
    with reader.held_still():
        assert [*reader.closed(EVERYTHING, "SIM")] == []
        with repository.transaction():
            repository.add_trades([trade(1, 1, 2)])
        assert reader.positions() == []
        assert [*reader.closed(EVERYTHING, "SIM")] == []
    (found,) = reader.closed(EVERYTHING, "SIM")
    assert found.exit_time - found.entry_time == timedelta(seconds=1)
