"""Rebuilding the projections from the ledger."""

from __future__ import annotations

import random
import sqlite3
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from dtcpos.errors import LedgerCorrupt, LedgerError
from dtcpos.proving import prove
from dtcpos.rebuilding import Rebuilt, rebuild
from dtcpos.store import AuditReader, LedgerReader, PositionRepository
from dtcpos.store.columns import FILL, JOURNAL, OPEN_POSITION, SIGHTING, TRADE, listed
from tests.pair import Pair

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)

_ONE_TOO_MANY = """INSERT INTO open_position
    (mode, account, symbol, signed_quantity, opened_quantity, peak_quantity, fills, mae, mfe, flags, checksum,
    beside_checksum) VALUES ('SIM', 'Sim1', 'ZN', '1', '1', '1', 1, '0', '0', '', 0, 0)"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger file: three trades and an open position in Sim1 with a bracket, verified; a position in 120005."""
    place = tmp_path / "ledger.db"
    with PositionRepository.open(place) as repository:
        pair = Pair("", repository=repository).connect().settle()
        pair.fill("+1 MES @ 5000", id="a-1", order="1").perform("tick MES 4990").settle()
        pair.fill("-1 MES @ 5010", id="a-2", order="2").fill("+1 MES @ 5004", id="a-3", order="3")
        pair.fill("-2 MES @ 5006", id="a-4", order="4").fill("+3 MES @ 5001", id="a-5", order="5")
        pair.perform("order Sim1 6 SELL 2 MES limit 5040", "order Sim1 7 SELL 2 MES stop 4980", "tick MES 4995")
        pair.fill("-1 MNQ @ 18000", id="b-1", order="8", account="120005").settle().reconnect().settle()
        assert pair.positions() == ["120005 -1 MNQ @ 18000", "Sim1 +2 MES @ 5001"]
        pair.keeper.stop(now=pair.now)
    return place


def altered(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def rebuilt(path: Path, *, dry_run: bool = False) -> Rebuilt:
    with PositionRepository.open(path, create=False) as repository:
        return rebuild(repository, now=NOW, dry_run=dry_run)


def content(path: Path) -> str:
    with LedgerReader.open(path) as reader:
        return reader.content_hash()


def differences(path: Path) -> list[str]:
    with AuditReader.open(path) as reader:
        return [found.text for found in prove(reader)]


def test_a_right_ledger_is_not_touched(path: Path) -> None:
    """N2: nothing is written, not even into the journal."""
    before = path.read_bytes()
    assert rebuilt(path) == Rebuilt(mended=(), left=())
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE open_position SET cost = '9'",
        "UPDATE open_position SET cost = '10x'",
        "UPDATE open_position SET mae = '0', flags = 'carried' WHERE symbol = 'MNQ'",
        "UPDATE trade SET realized = '900'",
        "UPDATE trade SET realized = '9.0.0', exit_time = '' WHERE id = 1",
        "UPDATE trade SET exit_time = replace(exit_time, 'T', 'U')",
        "UPDATE open_position SET entry_time = replace(entry_time, 'T', 'd')",
        "UPDATE trade SET mode = 'LIVE'",
        "UPDATE trade SET opened_by = opened_by + 1000",
        "UPDATE trade SET account = 'Sim7' WHERE id = 2",
        _ONE_TOO_MANY,
        "UPDATE open_position SET stop_price = '?' WHERE symbol = 'MES'",
        "UPDATE open_position SET comparison = CAST(x'e1' AS TEXT) WHERE symbol = 'MES'",
    ],
)
def test_whatever_happened_to_a_row_the_proof_holds_again(path: Path, statement: str) -> None:
    """N15: found by the proof, restored from the ledger, journaled with before and after."""
    altered(path, statement)
    found = differences(path)
    assert found
    done = rebuilt(path)
    assert len(done.mended) >= 1
    assert not done.left
    assert not differences(path)
    assert not rebuilt(path).mended
    with LedgerReader.open(path) as reader:
        entries = [entry for entry in reader.journal() if entry.cause == "rebuild"]
    assert entries
    assert all(entry.at == NOW and entry.reason for entry in entries)


@pytest.mark.parametrize("table", ["open_position", "trade"])
def test_emptied_projections_come_back_as_they_were(path: Path, table: str) -> None:
    """N15: the ledger alone is enough for everything the fills decide."""
    before = content(path)
    altered(path, f"DELETE FROM {table}", "UPDATE sqlite_sequence SET seq = 40 WHERE name = 'trade'")
    assert rebuilt(path).mended
    assert not differences(path)
    with LedgerReader.open(path) as reader:
        if table == "trade":
            # An export's cursor may have passed the old ids, so they are never given again.
            assert [closed.trade.id for closed in reader.trades()] == [41, 42, 43]
        else:
            assert [holding.stop_price for holding in reader.positions()] == [None, None]
    assert before


def test_what_belongs_to_the_position_stays_with_it(path: Path) -> None:
    """P9: brackets, verification and what the market showed survive a rebuild of the same position."""
    with LedgerReader.open(path) as reader:
        (before,) = [holding for holding in reader.positions() if holding.key.symbol == "MES"]
        first = next(reader.trades()).trade
    assert (before.target_price, before.stop_price) == (Decimal(5040), Decimal(4980))
    assert before.position.mae == -12
    assert first.mae == -10
    altered(path, "UPDATE open_position SET realized = '77'", "UPDATE trade SET fills = 9")
    rebuilt(path)
    with LedgerReader.open(path) as reader:
        (after,) = [holding for holding in reader.positions() if holding.key.symbol == "MES"]
        assert next(reader.trades()).trade == first
    assert after == before


def test_a_bracket_that_cannot_be_read_is_emptied_and_the_rest_stays(path: Path) -> None:
    """N15: the next `connect` asks for orders anyway."""
    altered(path, "UPDATE open_position SET stop_price = '4x80' WHERE symbol = 'MES'")
    rebuilt(path)
    with LedgerReader.open(path) as reader:
        (after,) = [holding for holding in reader.positions() if holding.key.symbol == "MES"]
    assert (after.target_price, after.stop_price) == (Decimal(5040), None)


def test_a_dry_run_says_the_same_and_changes_nothing(path: Path) -> None:
    """U4: look before you leap."""
    altered(path, "UPDATE trade SET realized = '900'")
    before = content(path)
    would = rebuilt(path, dry_run=True)
    assert content(path) == before
    assert rebuilt(path).mended == would.mended


def test_a_key_whose_fills_are_damaged_is_left_alone(path: Path) -> None:
    """N15: nothing is made from what is known to be wrong; the other keys are rebuilt."""
    connection = sqlite3.connect(path)
    (trigger,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'fill_never_updated'").fetchone()
    connection.close()
    altered(
        path,
        "DROP TRIGGER fill_never_updated",
        "UPDATE fill SET price = '5100' WHERE execution_id = 'a-1'",
        trigger,
        "UPDATE open_position SET cost = '1'",
        "UPDATE trade SET realized = '1' WHERE id = 1",
    )
    done = rebuilt(path)
    assert [found.text for found in done.left] == [
        "SIM Sim1 MES was left alone: fill 1 is damaged; restore a backup",
    ]
    assert {found.key[2] for found in done.mended if found.key is not None} == {"MNQ"}
    with LedgerReader.open(path) as reader:
        assert [holding.position.cost for holding in reader.positions()] == [Decimal(-18000), Decimal(1)]


@pytest.mark.parametrize("name", ["trade_by_key", "trade_by_mode", "fill_by_key", "open_position"])
def test_broken_pages_of_what_is_derived_are_made_again(path: Path, name: str) -> None:
    """N15: an index, or the table of a projection, whose page is overwritten."""
    before = content(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    octets = bytearray(path.read_bytes())
    cells = (page - 1) * size + size - 24
    octets[cells : cells + 20] = b"\x7f" * 20
    path.write_bytes(octets)
    assert differences(path)
    assert rebuilt(path).mended
    assert not differences(path)
    if name != "open_position":
        assert content(path) == before


def test_a_schema_that_is_not_ours_is_refused(path: Path) -> None:
    """N15: what the rows mean is not guessed at."""
    altered(path, "DROP TRIGGER fill_never_deleted")
    with pytest.raises(LedgerCorrupt, match="damaged in its schema"):
        rebuilt(path)


_BOOKED = {
    "fill": FILL,
    "resighting": SIGHTING,
    "journal": JOURNAL,
    "open_position": OPEN_POSITION,
    "trade": TRADE,
}


def _booked(path: Path) -> dict[str, list[str]] | None:
    """Return what booking made of the ledger, and the ledger itself; None where the file cannot be read.

    Without the extremes: nobody kept the ticks that moved them, so a wider one cannot be told from a true one.
    """
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
    connection.text_factory = bytes
    extremes = {"trade_min_price", "trade_max_price", "mae", "mfe"}
    tables = {table: [column for column in columns if column not in extremes] for table, columns in _BOOKED.items()}
    try:
        return {
            table: sorted(map(repr, connection.execute(f"SELECT {listed(columns)} FROM {table} NOT INDEXED")))
            for table, columns in tables.items()
        }
    except (sqlite3.Error, UnicodeDecodeError):
        return None
    finally:
        connection.close()


@pytest.mark.parametrize("seed", range(6))
def test_any_flipped_bit_is_found_and_mended_or_refused(path: Path, tmp_path: Path, seed: int) -> None:
    """N15: whatever changes a fill, a position or a trade is named; a rebuild proves, or says what it cannot do."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    whole, chance, flipped = path.read_bytes(), random.Random(seed), tmp_path / "flipped.db"
    right = _booked(path)
    for _ in range(40):
        octets = bytearray(whole)
        octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
        for ending in ("", "-wal", "-shm"):
            flipped.with_name(flipped.name + ending).unlink(missing_ok=True)
        flipped.write_bytes(octets)
        try:
            found = differences(flipped)
            assert found or _booked(flipped) == right
            done = rebuilt(flipped)
        except LedgerError:
            continue
        with AuditReader.open(flipped) as reader:
            left = [difference for difference in prove(reader) if difference.kind in ("position", "trade", "file")]
        assert done.left or not left


def test_nothing_is_made_from_a_sighting_that_is_damaged(path: Path) -> None:
    """N15: what a second source said of a fill decides its time and place, so its key is left alone."""
    connection = sqlite3.connect(path)
    (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'resighting_never_updated'").fetchone()
    ((fill_id,),) = connection.execute("SELECT min(fill_id) FROM resighting")
    connection.execute("DROP TRIGGER resighting_never_updated")
    connection.execute("UPDATE resighting SET order_id = 'x' WHERE fill_id = ?", (fill_id,))
    connection.execute(sql)
    connection.commit()
    connection.close()
    (left,) = rebuilt(path).left
    assert f"fill {fill_id} is damaged; restore a backup" in left.text


def test_what_the_server_tells_again_is_removed_and_the_rest_is_named(path: Path) -> None:
    """N15: a price, an order or a link that is not what was written; an account nobody could guess is left alone."""
    altered(
        path,
        "UPDATE mark SET price = '4995.5'",
        "UPDATE working_order SET price1 = '4981', order_id = CAST(x'ff' AS TEXT) WHERE order_id = '7'",
        "UPDATE link SET encoding = 'jsom'",
        "UPDATE account SET rule = 'name contains \"sin\"' WHERE account = 'Sim1'",
    )
    done = rebuilt(path)
    assert len(done.mended) == 3
    assert [found.text.split(":")[0] for found in done.left] == ["account Sim1 is not what was written"]
    assert [text.split(":")[0] for text in differences(path)] == ["account Sim1 is not what was written"]
    with LedgerReader.open(path) as reader:
        assert (reader.links(), [order.order_id for order in reader.orders() if order.order_id not in "1234568"]) == (
            [],
            [],
        )
        assert sum(entry.cause == "rebuild" for entry in reader.journal()) == 3


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE open_position SET mae = '-5000' WHERE symbol = 'MES'",
        "UPDATE trade SET mfe = '5000' WHERE id = 1",
        "UPDATE open_position SET stop_price = '4981' WHERE symbol = 'MES'",
        "UPDATE trade SET initial_risk = '3' WHERE id = 1",
    ],
)
def test_what_nobody_wrote_is_not_kept_beside_a_booking(path: Path, statement: str) -> None:
    """N15: extremes become those of the fills, and what is beside them unknown: never a guess."""
    altered(path, statement)
    assert len(rebuilt(path).mended) == 1
    assert not differences(path)
    with LedgerReader.open(path) as reader:
        (held,) = [holding for holding in reader.positions() if holding.key.symbol == "MES"]
        first = next(reader.trades())
    assert (held.position.mae, first.trade.mfe) != (Decimal(-5000), Decimal(5000))
    assert held.stop_price in (None, Decimal(4980))
    assert first.initial_risk is None
