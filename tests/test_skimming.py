"""The quick yes: what it tells is right, it tells most, and what is named is the same with it and without."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlite_utils import Database

from dtcpos import proving, rebuilding
from dtcpos.model import PositionKey, Side, Source
from dtcpos.proving import Difference, compare_trades, prove, proved_key
from dtcpos.rebuilding import rebuild
from dtcpos.skimming import NOTHING_SKIMMED, is_as_stored, skim
from dtcpos.store import AuditReader, PositionRepository
from dtcpos.store.audit import corrections_of_key, faults_of, modes_of, quietly
from dtcpos.store.columns import (
    EXIT,
    FILL,
    JOURNAL,
    OPEN_POSITION,
    SIGHTING,
    SNAPSHOT,
    TRADE,
    WORKING_ORDER,
    listed,
    marks,
)
from dtcpos.store.overfills import overfilled_orders
from dtcpos.store.pages import PagesCheck
from dtcpos.store.rows import checksum_of, fill_of, fill_row
from dtcpos.store.skimming import bookable_fill, journal_is_sound
from dtcpos.store.stored import stored_trades
from tests.pair import Pair
from tests.store.ledgers import at, fill
from tests.test_proving import Wanderer, alter, auditor, some_trading
from tests.test_rebuilding import NOW

CHECKED = {"fill": FILL, "resighting": SIGHTING, "journal": JOURNAL}
UNCHECKED = {
    "trade": (*TRADE, *SNAPSHOT, *EXIT),
    "open_position": (*OPEN_POSITION, "stop_price", "agreed_at", "comparison"),
    "working_order": WORKING_ORDER,
}
TEXTS = (
    "", " ", "0", "-0", "1", " 1", "1.0", "1E1", "01", "-1", "2.5", "x", "NaN", "-Infinity", "BUY", "LONG", "SHORT",
    "carried", "MANUAL", "2026-11-22T14:30:01.000000Z", "2026-11-22T14:30:01.000000",
    "2026-11-22T14:30:01.000000+01:00",
    "2026-11-22d14:30:01.000000Z", "1\x1f2", "\x00",
)  # fmt: skip


VALUES = [*TEXTS, None, 0, 1, 2, -7, 10**12, b"\xff", b"5\xc3"]
KEYS = {
    "open_position": ("mode", "account", "symbol"),
    "working_order": ("account", "order_id"),
    "resighting": ("fill_id", "source"),
}


_AMOUNTS = "opened_notional closed_notional realized commission trade_min_price trade_max_price mae mfe".split()
_KEPT = [column for column in TRADE if column not in ("id", "opened_by", *_AMOUNTS)]
ONE_MORE = (
    f"INSERT INTO trade (id, {listed(_KEPT)}, checksum, beside_checksum) SELECT 99, {listed(_KEPT)}, 0, 0 FROM trade"
)


def named(reader: AuditReader) -> list[Difference]:
    return list(prove(reader))


@contextmanager
def unskimmed() -> Iterator[None]:
    """Nothing is told by any quick yes."""
    with (
        patch.object(proving, "skim", lambda *_: NOTHING_SKIMMED),
        patch.object(rebuilding, "skim", lambda *_: NOTHING_SKIMMED),
        patch.object(proving, "journal_is_sound", lambda *_: False),
        patch.object(proving, "overfilled_orders", lambda *_: None),
    ):
        yield


@contextmanager
def unguarded() -> Iterator[None]:
    """The schema, which is not altered and takes longer to look at than all the rest, is not looked at."""
    with ExitStack() as stack:
        for place in ("dtcpos.proving", "dtcpos.store.mending"):
            stack.enter_context(patch(f"{place}.schema_faults", lambda _: []))
        stack.enter_context(patch("dtcpos.proving.migration_faults", lambda _: []))
        yield


def named_one_by_one(reader: AuditReader) -> list[Difference]:
    with unskimmed():
        return named(reader)


@pytest.fixture(scope="module")
def wandered() -> Pair:
    """A ledger with corrections, sightings, late fills, several keys and trades, and an order that is overfilled."""
    pair = Wanderer(3).wander(60)
    pair.perform("fill Sim1 BUY 1 MES @ 5000 id z-1 order z of 1", "correct Sim1 z-1 quantity 2 @ 5000").settle()
    assert pair.repository.database.execute("SELECT count(*) FROM trade").fetchone()[0] > 3
    return pair


def altered(
    pair: Pair, table: str, column: str, value: object, chance: random.Random, *, is_resealed: bool
) -> AuditReader | None:
    """Return a copy in which one value of one row is another; None where the table does not take it.

    A row that is resealed has the checksum of what it says now.
    """
    copy = sqlite3.connect(":memory:", isolation_level=None)
    pair.repository.database.conn.backup(copy)
    triggers = copy.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,))
    for name, _ in (found := triggers.fetchall()):
        copy.execute(f"DROP TRIGGER {name}")
    key = KEYS.get(table, ("id",))
    rows = copy.execute(f"SELECT {listed(key)} FROM {table}").fetchall()
    if not rows:
        copy.close()
        return None
    place = chance.choice(rows)
    new = "CAST(? AS TEXT)" if isinstance(value, bytes) else "?"
    where = f"({listed(key)}) = ({marks(len(key))})"
    try:
        copy.execute(f"UPDATE {table} SET {column} = {new} WHERE {where}", (value, *place))
        if is_resealed:
            place = tuple(value if name == column else old for name, old in zip(key, place, strict=True))
            (row,) = copy.execute(f"SELECT {listed(CHECKED[table])} FROM {table} WHERE {where}", place).fetchall()
            copy.execute(f"UPDATE {table} SET checksum = ? WHERE {where}", (checksum_of(row), *place))
    except (sqlite3.Error, ValueError):
        copy.close()
        return None
    for _, sql in found:
        copy.execute(sql)
    return AuditReader(copy, ":memory:")


def compared(pair: Pair, table: str, column: str, values: Iterable[object], chance: random.Random) -> tuple[int, int]:
    """Alter a column in many ways; return how often the table took it, and how often that was named."""
    taken = differing = 0
    before = repr(named(auditor(pair)))
    for value in values:
        for is_resealed in (False, True) if table in CHECKED else (False,):
            reader = altered(pair, table, column, value, chance, is_resealed=is_resealed)
            if reader is None:
                continue
            with reader, unguarded():
                found = named(reader)
                # By what is shown: a number that is none equals nothing.
                assert repr(found) == repr(named_one_by_one(reader)), (table, column, value, is_resealed)
            taken += 1
            differing += repr(found) != before
    return taken, differing


COLUMNS = [(table, column) for table, columns in (CHECKED | UNCHECKED).items() for column in columns]


def neighbours(pair: Pair, table: str, column: str) -> list[object]:
    """What the column says in other rows, which is always well-formed."""
    return [row[0] for row in pair.repository.database.conn.execute(f"SELECT DISTINCT {column} FROM {table}")]


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_whatever_value_is_altered_the_same_is_named(wandered: Pair, table: str, column: str) -> None:
    """N15: the walk and the questions one by one name the same differences, in the same order."""
    chance = random.Random(f"{table}.{column}")
    values = chance.sample(VALUES, 3) + chance.sample(found := neighbours(wandered, table, column), min(len(found), 2))
    compared(wandered, table, column, values, chance)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("table", [*CHECKED, *UNCHECKED])
def test_whatever_values_are_altered_the_same_is_named(table: str) -> None:
    """N15: the same of many ledgers, rows and values."""
    taken = differing = 0
    for seed in range(6):
        pair, chance = Wanderer(100 + seed).wander(60), random.Random(seed)
        for column in (CHECKED | UNCHECKED)[table]:
            found = neighbours(pair, table, column)
            values = [*VALUES, *chance.sample(found, min(len(found), 6))]
            more = compared(pair, table, column, values, chance)
            taken, differing = taken + more[0], differing + more[1]
    print(f"{table}: {taken} altered, {differing} of them named")
    assert differing


def test_every_way_to_look_is_taken(wandered: Pair) -> None:
    """The ledger that is altered above has what makes the walk difficult."""
    connection = wandered.repository.database.conn
    for table in ("trade", "resighting", "open_position"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] > 1
    assert connection.execute("SELECT count(*) FROM fill WHERE supersedes IS NOT NULL").fetchone()[0] > 1
    assert {found.kind for found in named(auditor(wandered))} == {"order", "gap"}
    with patch("dtcpos.skimming.fills_by_time", return_value=iter(())) as by_time:
        skim(auditor(wandered), quietly)
    assert by_time.called


# What is told


@pytest.mark.parametrize("seed", range(20, 32))
def test_what_is_told_is_what_the_proof_of_a_key_gives(seed: int) -> None:
    """N15: the walk tells the position that a key's fills come to, of every key without a gap or a correction."""
    reader = auditor(Wanderer(seed).wander(60))
    skimmed = skim(reader, quietly)
    assert skimmed.fills_are_sound
    assert skimmed.sightings_are_sound
    for account, symbol in reader.keys():  # noqa: SIM118 - a ledger is no dict
        key = PositionKey(modes_of(reader)[account], account, symbol)
        proved = proved_key(reader, key, set(), reader.instruments())
        assert not list(compare_trades(key, stored_trades(reader, account, symbol), proved.trades))
        told = skimmed.positions.get((account, symbol))
        if proved.gaps:
            assert told is None
        elif told is None:
            assert corrections_of_key(reader, account, symbol)
        else:
            assert told == proved.position


def test_a_gap_is_left_to_the_proof() -> None:
    """N3: a statement that differs from what is booked is weighed by those who know how."""
    pair = Pair("").connect().settle()
    pair.fill("+1 MES @ 5000", id="e-1").settle().fill("-1 MES @ 5001", id="e-2", position=-2).settle()
    reader = auditor(pair.reconnect().settle())
    assert skim(reader, quietly).positions == {}


def test_fills_that_came_late_are_walked_by_time() -> None:
    """N10: what was missed while live fills were booked is told all the same."""
    pair = some_trading()
    pair.lose()
    pair.perform("fill Sim1 BUY 1 MES @ 5003 id l-1 order l-1").connect()
    pair.fill("+1 MES @ 5004", id="l-2", order="l-2").settle()
    alter(pair, "UPDATE working_order SET quantity = NULL")
    reader = auditor(pair)
    assert set(skim(reader, quietly).positions) == set(reader.keys())


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE trade SET realized = '23'",
        "UPDATE trade SET mae = '1'",
        "UPDATE trade SET mfe = '1E3'",
        "UPDATE trade SET mfe = 'NaN'",
        "UPDATE trade SET trade_max_price = NULL",
        "UPDATE trade SET entry_poc = 'x'",
        "UPDATE trade SET exit_time = replace(exit_time, 'T', 'U')",
        "UPDATE trade SET mode = 'LIVE'",
        "DELETE FROM trade",
        "UPDATE trade SET opened_by = NULL",
        ONE_MORE,
    ],
)
def test_a_trade_that_differs_is_not_told(sql: str) -> None:
    """N15: neither one that is other, nor one too many, nor one too few."""
    pair = some_trading()
    reader = auditor(pair)
    assert ("Sim1", "MES") in skim(reader, quietly).positions
    alter(pair, sql)
    assert ("Sim1", "MES") not in skim(reader, quietly).positions


def test_a_corrected_fill_whose_time_cannot_be_read_is_not_passed_over() -> None:
    """N15: its time weighs the statements of the server, so no key is told."""
    pair = some_trading()
    pair.perform("correct Sim1 a-4 quantity 1 @ 5002").settle()
    reader = auditor(pair)
    (corrected,) = reader._rows("SELECT supersedes FROM fill WHERE supersedes IS NOT NULL")[0]
    assert skim(reader, quietly).fills_are_sound
    (row,) = reader._rows(f"SELECT {listed(FILL)} FROM fill WHERE id = ?", (corrected,))
    damaged = [*row]
    damaged[FILL.index("time")] = "0"
    alter(pair, "DROP TRIGGER fill_never_updated")
    alter(pair, "UPDATE fill SET time = '0', checksum = ? WHERE id = ?", checksum_of(tuple(damaged)), corrected)
    assert skim(reader, quietly) == NOTHING_SKIMMED


def test_a_wider_excursion_is_told() -> None:
    """P7: what the market showed beyond the fills is nobody's error, and the common case."""
    pair = some_trading()
    (row,) = stored_trades(auditor(pair), "Sim1", "MES")
    assert row.trade is not None
    extremes = {"price_min": Decimal("4981.5"), "price_max": Decimal(5030), "mae": Decimal("-55.5"), "mfe": Decimal(90)}
    pair.repository.replace_trade(row.trade._replace(**extremes))
    assert ("Sim1", "MES") in skim(auditor(pair), quietly).positions
    (row,) = stored_trades(auditor(pair), "Sim1", "MES")
    assert row.trade is not None
    assert not is_as_stored(row.trade, None)


def test_journal_and_orders_have_a_quick_yes_too(wandered: Pair) -> None:
    """N15: yes for what is right; orders filled beyond their quantity are told one by one."""
    reader = auditor(wandered)
    assert journal_is_sound(reader, quietly)
    assert overfilled_orders(reader, quietly) == [("Sim1", "z")]


amounts = st.decimals(min_value=-(10**15), max_value=10**15, allow_nan=False, allow_infinity=False)


written = st.fixed_dictionaries(
    {
        "quantity": amounts.filter(lambda amount: amount > 0),
        "price": st.none() | amounts,
        "position_after": st.none() | amounts,
        "cumulative_quantity": st.none() | amounts,
        "side": st.sampled_from(Side),
        "source": st.sampled_from(Source),
        "flags": st.lists(st.sampled_from(["carried", "adopted"]), unique=True).map(tuple),
        "booked_at": st.integers(0, 2).map(at),
        "is_void": st.booleans(),
        "time_is_exact": st.booleans(),
        "supersedes": st.none() | st.integers(1, 6),
        "place": st.none() | st.integers(0, 9),
    }
)


@given(values=written)
def test_a_fill_read_quickly_is_the_fill(values: dict[str, Any]) -> None:
    """What is read and looked at in less time is what is read otherwise."""
    row = fill_row(fill(7, **values))
    assert bookable_fill(row) == fill_of(row[:-1]) == fill(7, **values)


@pytest.mark.parametrize(
    ("column", "value"),
    [("quantity", "0"), ("quantity", "-1"), ("quantity", "Infinity"), ("price", "NaN"), ("position_after", "-Infinity"),
     ("commission", "NaN"), ("time", "2026-11-20T12:00:00"), ("time", "2026-11-20T12:00:00+00:00:30"),
     ("booked_at", "2026-11-20T12:00:00"),
     ("booked_at", ""), ("side", "BOUGHT"), ("source", "RUMOUR"), ("quantity", None)],
)  # fmt: skip
def test_what_cannot_be_booked_is_no_fill(column: str, value: object) -> None:
    """N15: the proof of the key says what is wrong with it."""
    row = list(fill_row(fill(7)))
    row[FILL.index(column)] = value
    with pytest.raises((ValueError, KeyError, TypeError, ArithmeticError)):
        bookable_fill(tuple(row))


# Rebuilding


@pytest.mark.parametrize(("table", "column"), [each for each in COLUMNS if each[0] in ("trade", "open_position")])
def test_a_rebuild_mends_the_same(wandered: Pair, table: str, column: str) -> None:
    """N15: whatever is altered in a projection, both mend the same, and then nothing differs."""
    chance = random.Random(column)
    for value in chance.sample(VALUES, 3):
        seed = chance.random()
        done = []
        for looking in (nullcontext(), unskimmed()):
            reader = altered(wandered, table, column, value, random.Random(seed), is_resealed=False)
            if reader is None:
                break
            repository = PositionRepository(Database(reader._connection), ":memory:")
            with looking, unguarded():
                done.append(rebuild(repository, now=NOW))
                assert {found.kind for found in named(reader)} == {"order", "gap"}
            reader.close()
        assert len(done) in (0, 2)
        assert not done or repr(done[0]) == repr(done[1])


# Pages


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger in a file."""
    place = tmp_path / "ledger.db"
    connection = sqlite3.connect(place)
    some_trading().repository.database.conn.backup(connection)
    connection.close()
    return place


def test_pages_are_looked_at_beside(path: Path) -> None:
    """N15: a broken page is found by a connection of its own, and whoever leaves early waits for nothing."""
    octets = bytearray(path.read_bytes())
    octets[2048 * 3 : 2048 * 4] = bytes(2048)
    path.write_bytes(octets)
    with AuditReader.open(path) as reader:
        with PagesCheck(reader) as pages:
            found = pages.faults(quietly)
        assert found
        assert found == faults_of(reader)
        with pytest.raises(KeyboardInterrupt), PagesCheck(reader):
            raise KeyboardInterrupt


def test_pages_of_a_ledger_in_memory_are_looked_at_in_its_own_connection() -> None:
    """N15: there is no file to open a second time."""
    steps: list[str] = []
    with PagesCheck(auditor(some_trading())) as pages:
        assert pages.faults(lambda stage, *_: steps.append(stage)) == []
    assert set(steps) == {"pages"}


def test_a_file_that_cannot_be_opened_again_is_looked_at_in_the_one_connection(path: Path) -> None:
    """N15: its name may be gone while it is open."""
    with AuditReader.open(path) as reader:
        path.rename(path.with_name("elsewhere.db"))
        with PagesCheck(reader) as pages:
            assert pages.faults(quietly) == []
