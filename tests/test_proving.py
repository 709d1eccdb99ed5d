"""The proof of a ledger, and the ledger as it was at an earlier moment."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from dtcpos.booking import flat, mark
from dtcpos.errors import LedgerCorrupt
from dtcpos.keeping.corrections import Corrections
from dtcpos.keeping.session import moment_of_clock
from dtcpos.model import (
    ZERO,
    Instrument,
    JournalEntry,
    Position,
    PositionKey,
)
from dtcpos.proving import Difference, come_to, compare_position, compare_trades, held_at, prove
from dtcpos.store import AuditReader, StoredPosition, StoredTrade
from tests.notation import KEY, fill, fills
from tests.pair import Pair

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def proof(pair: Pair) -> list[Difference]:
    return list(prove(auditor(pair)))


def auditor(pair: Pair) -> AuditReader:
    return AuditReader(pair.repository.database.conn, ":memory:")


def alter(pair: Pair, sql: str, *values: Any) -> None:
    pair.repository.database.conn.execute(sql, values)


def some_trading() -> Pair:
    """A trade and an open position in Sim1, a position in 120005, stated positions from history."""
    pair = Pair("").connect().settle()
    pair.fill("+1 MES @ 5000", id="a-1", order="1").fill("+2 MES @ 5004", id="a-2", order="2")
    pair.fill("-3 MES @ 5010", id="a-3", order="3").fill("+2 MES @ 5002", id="a-4", order="4")
    pair.fill("-1 MNQ @ 18000", id="b-1", order="5", account="120005")
    return pair.settle().reconnect().settle()


def stored(position: Position) -> StoredPosition:
    return StoredPosition(key=position.key, opened_by=position.opened_by, position=position)


# The pure comparison


def test_equal_is_no_difference() -> None:
    """N15: what is right is not named."""
    proved = come_to(KEY, fills("+1 @ 5000, -1 @ 5010, +2 @ 5005"), None)
    rows = [
        StoredTrade(id=1, key=KEY, opened_by=trade.opened_by, trade=trade._replace(id=1)) for trade in proved.trades
    ]
    assert not list(compare_position(stored(proved.position), proved.position))
    assert not list(compare_trades(KEY, rows, proved.trades))
    assert not list(compare_position(None, flat(KEY)))


def test_each_field_that_differs_is_named_with_both_values() -> None:
    """N15: one difference a field."""
    right = come_to(KEY, fills("+2 @ 5000"), None).position
    wrong = right._replace(cost=Decimal(10001), flags=("carried",))
    cost, flags = compare_position(stored(wrong), right)
    assert (cost.field, cost.stored, cost.replayed) == ("cost", Decimal(10001), Decimal(10000))
    assert cost.text == "position SIM Sim1 MESZ26-CME: cost is 10001, the ledger gives 10000"
    assert flags.text.endswith(": flags is carried, the ledger gives commission_unknown")


def test_only_a_narrower_excursion_differs() -> None:
    """P7: market prices widen what fills alone give."""
    least = come_to(KEY, fills("+1 @ 5000, +1 @ 4990"), None).position
    assert not list(compare_position(stored(mark(least, Decimal(4900))), least))
    (found,) = compare_position(stored(least._replace(mae=Decimal(-5))), least)
    assert (found.field, found.stored, found.replayed) == ("mae", Decimal(-5), Decimal(-10))


def test_missing_and_needless_rows_are_named() -> None:
    """N15: a position or a trade too many, or one that is not there."""
    proved = come_to(KEY, fills("+1 @ 5000, -1 @ 5010, +2 @ 5005"), None)
    (missing,) = compare_position(None, proved.position)
    assert missing.text == "position SIM Sim1 MESZ26-CME is missing: the ledger gives 2"
    (needless,) = compare_position(stored(proved.position), flat(KEY))
    assert needless.text == "position SIM Sim1 MESZ26-CME holds 2: the ledger gives nothing"
    (trade,) = proved.trades
    (absent,) = compare_trades(KEY, [], [trade])
    assert absent.text.endswith(f"from fill {trade.opened_by} to {trade.closed_by} is missing")
    (invented,) = compare_trades(KEY, [StoredTrade(id=9, key=KEY, opened_by=trade.opened_by, trade=trade)], [])
    assert invented.text == "trade 9 SIM Sim1 MESZ26-CME follows from no fill of the ledger"


def test_a_key_that_is_no_text_is_no_crash() -> None:
    """N15: a broken record may hold anything in any column, also where the schema allows text only."""
    key = PositionKey(None, b"Sim1", 5)  # type: ignore[arg-type]
    (found,) = compare_position(StoredPosition(key=key, opened_by=1, position=None, fault="cannot be read"), flat(KEY))
    assert found.kind == "position"
    (trade,) = compare_trades(KEY, [StoredTrade(id=1, key=key, opened_by=None, trade=None, fault="cannot be read")], [])
    assert trade.text == "trade 1 None b'Sim1' 5 cannot be read"


def test_a_trade_under_another_mode_is_named() -> None:
    """M2: a trade goes with its account."""
    (trade,) = come_to(KEY, fills("+1 @ 5000, -1 @ 5010"), None).trades
    row = StoredTrade(id=1, key=KEY._replace(mode="LIVE"), opened_by=trade.opened_by, trade=trade)
    (found,) = compare_trades(KEY, [row], [trade])
    assert (found.field, found.stored, found.replayed) == ("mode", "LIVE", "SIM")


def test_fills_are_priced_as_when_they_were_booked() -> None:
    """P5, P6: the same multiplier and commission as the bookkeeper's."""
    known = Instrument(symbol=KEY.symbol, multiplier=Decimal("0.01"), commission=Decimal("0.5"))
    position = come_to(KEY, fills("+2 @ 500000"), known).position
    assert (position.cost, position.commission) == (Decimal(10000), Decimal(1))


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": ZERO},
        {"quantity": Decimal("NaN")},
        {"time": datetime(2026, 11, 20)},  # noqa: DTZ001
        {"booked_at": datetime(2026, 11, 20)},  # noqa: DTZ001
        {"account": "Sim2"},
    ],
)
def test_a_fill_that_cannot_be_booked_is_no_crash(change: dict[str, Any]) -> None:
    """N15: damage is named, not tripped over."""
    with pytest.raises(LedgerCorrupt, match="fill 77 cannot be booked"):
        come_to(KEY, [fill("+1 @ 5000", id=77), fill("+1 @ 5000", id=77, **change)], None)


# The proof of a ledger


def test_a_ledger_that_was_kept_proves() -> None:
    """N15: nothing to name; the progress covers every key."""
    pair = some_trading()
    steps: list[tuple[str, int, int]] = []
    assert not list(prove(auditor(pair), lambda *step: steps.append(step)))
    assert [step for step in steps if step[0] == "keys"] == [("keys", 0, 2), ("keys", 1, 2)]
    assert {step[0] for step in steps} == {"pages", "fills", "journal", "orders", "other tables", "keys"}


@pytest.mark.parametrize(
    ("sql", "kind", "words"),
    [
        ("UPDATE open_position SET cost = '10003' WHERE symbol = 'MES'", "position", "cost is 10003, the ledger gives"),
        ("UPDATE open_position SET cost = '1000x' WHERE symbol = 'MES'", "position", "cannot be read"),
        ("UPDATE open_position SET stop_price = '49,0' WHERE symbol = 'MES'", "position", "stop_price cannot be read"),
        (
            "UPDATE open_position SET comparison = CAST(x'e1' AS TEXT)",
            "position",
            "keeps beside its booking what was not written",
        ),
        ("UPDATE open_position SET account = 'Sim9' WHERE symbol = 'MES'", "position", "Sim9 MES holds 2"),
        ("DELETE FROM open_position WHERE symbol = 'MNQ'", "position", "is missing: the ledger gives -1"),
        ("UPDATE trade SET realized = '23'", "trade", "realized is 23, the ledger gives 22"),
        ("UPDATE trade SET mfe = '1'", "trade", "mfe is 1, the ledger gives"),
        ("UPDATE open_position SET cost = 'NaN' WHERE symbol = 'MES'", "position", "cost is NaN, the ledger gives"),
        ("UPDATE trade SET exit_time = replace(exit_time, 'T', 'U')", "trade", "is not written as dtcpos writes it"),
        ("UPDATE open_position SET entry_time = replace(entry_time, 'T', 'd')", "position", "is not written as dtcpos"),
        ("UPDATE trade SET exit_time = 'noon'", "trade", "cannot be read"),
        ("UPDATE trade SET symbol = 'MEX'", "trade", "MEX follows from no fill"),
        ("UPDATE trade SET mode = 'LIVE'", "trade", "another mode"),
        ("DELETE FROM trade", "trade", "is missing"),
        ("UPDATE mark SET price = ''", "table", "table mark, row MES is not what was written"),
        ("UPDATE account SET mode = 'SIX' WHERE account = 'Sim1'", "position", "SIX Sim1 MES is missing"),
        ("DELETE FROM account WHERE account = 'Sim1'", "account", "account Sim1 has fills and no row of its own"),
        ("DROP INDEX trade_by_mode", "file", "schema: index trade_by_mode is not as dtcpos makes it"),
        ("UPDATE working_order SET quantity = 'NaN'", "order", "orders could not be compared with their fills"),
        ("UPDATE working_order SET quantity = '0.5' WHERE order_id = '4'", "order", "is for 0.5, its fills are 2"),
    ],
)
def test_every_kind_of_damage_is_named(sql: str, kind: str, words: str) -> None:
    """N15: what differs, and from what."""
    pair = some_trading()
    if "mark" in sql:
        pair.perform("tick MES 5003").settle()
    alter(pair, sql)
    found = proof(pair)
    assert any(each.kind == kind and words in each.text for each in found), found


def test_a_damaged_fill_is_named_and_its_key_left_unproved() -> None:
    """N15: a checksum that differs; nothing is claimed of the position that stands on it."""
    pair = some_trading()
    (trigger,) = pair.repository.database.conn.execute(
        "SELECT sql FROM sqlite_master WHERE name = 'fill_never_updated'"
    ).fetchone()
    alter(pair, "DROP TRIGGER fill_never_updated")
    alter(pair, "UPDATE fill SET price = '5001' WHERE execution_id = 'a-1'")
    alter(pair, trigger)
    first, second = proof(pair)
    assert (first.kind, first.id) == ("fill", 1)
    assert second.text == "SIM Sim1 MES cannot be proved: fill 1 is damaged; restore a backup"


@pytest.mark.parametrize(
    ("table", "change", "kind", "words"),
    [
        ("journal", "reason = 'flipped' WHERE id = 2", "journal", "journal 2 is not what was written"),
        ("journal", "after = CAST(x'ff' AS TEXT) WHERE id = 1", "journal", "journal 1 is not what was written"),
        ("journal", "after = CAST(x'ff' AS TEXT) WHERE id = 1", "table", "table journal: "),
        ("journal", "id = 99 WHERE id = 3", "journal", "journal 99 is not what was written"),
        ("resighting", "order_id = '9' WHERE fill_id = 1", "fill", "fill 1, what BACKFILL said of it"),
        ("resighting", "order_id = '9' WHERE fill_id = 1", "fill", "cannot be proved: fill 1 is damaged"),
    ],
)
def test_an_altered_row_beside_the_fills_is_named(table: str, change: str, kind: str, words: str) -> None:
    """N15: journal and sightings carry a checksum as fills do, and what `history` cannot read is named."""
    pair = some_trading()
    assert not proof(pair)
    (trigger,) = pair.repository.database.conn.execute(
        f"SELECT sql FROM sqlite_master WHERE name = '{table}_never_updated'"
    ).fetchone()
    alter(pair, f"DROP TRIGGER {table}_never_updated")
    alter(pair, f"UPDATE {table} SET {change}")
    alter(pair, trigger)
    found = proof(pair)
    assert any(each.kind == kind and words in each.text for each in found), found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("name = '1_first_releasd'", "table _sqlite_migrations does not say what dtcpos writes there"),
        ("migration_set = 'dtcqos'", "table _sqlite_migrations does not say what dtcpos writes there"),
        ("applied_at = '2026-1q-22'", "table _sqlite_migrations: "),
    ],
)
def test_an_altered_record_of_migrations_is_named(change: str, words: str) -> None:
    """N15: the one table that the schema's own tool keeps is read too."""
    pair = some_trading()
    alter(pair, f"UPDATE _sqlite_migrations SET {change}")
    (found,) = proof(pair)
    assert found.kind == "table"
    assert found.text.startswith(words)


def test_text_that_a_listing_refuses_is_named() -> None:
    """N15: `accounts` exits 5 over bytes that are no text, so the proof names their table."""
    pair = some_trading()
    alter(pair, "UPDATE account SET sync_outcome = CAST(x'ff' AS TEXT) WHERE account = 'Sim1'")
    (found,) = proof(pair)
    assert found.text.startswith("account Sim1 is not what was written: ")


def test_an_overfilled_order_is_named() -> None:
    """N7: recorded, flagged, and found again by the proof."""
    pair = Pair("").connect().settle()
    pair.fill("+1 MES @ 5000", id="a-1", order="1", of=1).perform("correct Sim1 a-1 quantity 2 @ 5000").settle()
    pair.wait(1)
    (found,) = proof(pair)
    assert (found.kind, found.text) == ("order", "order 1 of SIM Sim1 MES is for 1, its fills are 2")


def test_a_gap_is_named() -> None:
    """N3: the proof says between which executions some are missing."""
    pair = Pair("").connect().settle()
    pair.fill("+1 MES @ 5000", id="e-1").settle().fill("-1 MES @ 5001", id="e-2", position=-2).settle()
    (found,) = proof(pair.reconnect().settle())
    assert found.kind == "gap"
    assert found.text.startswith("SIM Sim1 MES: 2 lots sold missing between e-1 (")


# Random sessions


class Watched(Pair):
    """A pair that remembers what was held after everything that arrived."""

    def __init__(self, **options: Any) -> None:
        self.seen: dict[float, dict[PositionKey, Position]] = {}
        super().__init__("", **options)

    def feed(self, received: bytes) -> None:
        super().feed(received)
        self.note()

    def note(self) -> None:
        self.seen[self.now] = dict(self.keeper.positions)


class Wanderer:
    """Lets things happen in a session, as a random generator says."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.pair = Watched()
        self.pair.connect().settle()
        self._count = 0
        self._told: list[str] = []

    def wander(self, steps: int, *, by_a_person: bool = True) -> Watched:
        acts: list[Callable[[], object]] = [self._fill] * 7 + [self._tick] * 3
        acts += [self._away, self._correct, self._relabel, self.pair.settle, self._come_back, self._crash]
        if by_a_person:
            acts.append(self._void)
        for _ in range(steps):
            self.random.choice(acts)()
        self.pair.settle()
        return self.pair

    def _line(self) -> str:
        self._count += 1
        account, symbol = self.random.choice(["Sim1", "120005"]), self.random.choice(["MES", "MNQ"])
        side, quantity = self.random.choice(["BUY", "SELL"]), self.random.randint(1, 3)
        name = f"e-{self._count}"
        self._told.append(f"{account} {name}")
        # An order large enough that a correction does not fill it beyond its quantity.
        return f"fill {account} {side} {quantity} {symbol} @ {self._price()} id {name} order o-{self._count} of 9"

    def _price(self) -> float:
        return 5000 + self.random.randint(-40, 40) * 0.25

    def _fill(self) -> None:
        self.pair.perform(self._line())

    def _tick(self) -> None:
        self.pair.perform(f"tick {self.random.choice(['MES', 'MNQ'])} {self._price()}")

    def _away(self) -> None:
        self.pair.lose()
        for _ in range(self.random.randint(1, 3)):
            self.pair.perform(self._line())
        self.pair.connect().settle()

    def _come_back(self) -> None:
        self.pair.reconnect().settle()

    def _crash(self) -> None:
        self.pair.crash().settle()

    def _correct(self) -> None:
        if self._told:
            name = self.random.choice(self._told)
            self.pair.perform(f"correct {name} quantity {self.random.randint(1, 3)} @ {self._price()}")

    def _relabel(self) -> None:
        known = self.pair.repository.account("Sim1")
        if known is not None:
            mode = "LIVE" if known.mode == "SIM" else "SIM"
            self.pair.now += 1
            with self.pair.repository.transaction():
                self.pair.repository.relabel_account("Sim1", mode, "set by hand")
                entry = JournalEntry(
                    at=self._moment(), cause="relabelled", account="Sim1", before=known.mode, after=mode
                )
                self.pair.repository.add_journal([entry])
            self._notice()

    def _void(self) -> None:
        current = [found for key in self.pair.repository.keys() for found in self.pair.repository.fills_of_key(*key)]  # noqa: SIM118
        if current:
            fill_id = self.random.choice(current).id
            assert fill_id is not None
            self.pair.now += 1
            with self.pair.repository.transaction():
                Corrections(self.pair.repository, now=self._moment()).void(fill_id, reason="not mine")
            self._notice()

    def _moment(self) -> datetime:
        return moment_of_clock(self.pair.now)

    def _notice(self) -> None:
        # The other process's connection is this one here, so its writing does not show in the file's version.
        self.pair.keeper._file_version = None
        self.pair.wait(2)
        self.pair.note()


@pytest.mark.parametrize("seed", range(8))
def test_every_as_of_is_what_was_held_then(seed: int) -> None:
    """History: a replay of what was booked by a moment gives the positions the keeper had at that moment."""
    pair = Wanderer(seed).wander(40)
    assert len(pair.seen) > 20
    for now, held in pair.seen.items():
        again = {position.key: _bare(position) for position in held_at(auditor(pair), moment_of_clock(now))}
        assert again == {key: _bare(position) for key, position in held.items()}


@pytest.mark.parametrize("seed", range(8, 20))
def test_whatever_happens_the_ledger_proves(seed: int) -> None:
    """N1, N8, N10, N15: fills, losses, corrections, relabelling, ticks: nothing to name, excursions included."""
    pair = Wanderer(seed).wander(50, by_a_person=False)
    assert not proof(pair)


def test_before_anything_was_booked_nothing_was_held() -> None:
    """History: the first moment is empty, the last is now."""
    pair = some_trading()
    reader = auditor(pair)
    assert held_at(reader, moment_of_clock(0)) == []
    last = held_at(reader, moment_of_clock(pair.now))
    assert {position.key for position in last} == set(pair.keeper.positions)


def _bare(position: Position) -> Position:
    return position._replace(price_min=None, price_max=None, mae=ZERO, mfe=ZERO)


def test_an_order_learned_later_widens_what_it_shows() -> None:
    """P7, N10: history says which of two fills of a second came first; only the excursions change, and they do."""
    pair = Pair("").connect().settle()
    pair.fill("+1 MES @ 5000", id="a-1").settle()
    pair.fill("+2 MES @ 4990", id="a-2", position=4).fill("+1 MES @ 5010", id="a-3", position=2).settle()
    pair.fill("+1 MES @ 5000", id="a-4").settle()
    before = pair.keeper.positions[PositionKey("SIM", "Sim1", "MES")]
    pair.reconnect().settle()
    after = pair.keeper.positions[PositionKey("SIM", "Sim1", "MES")]
    assert (before.mae, after.mae) == (-10, -30)
    assert after.mfe == before.mfe == 50
    assert pair.positions()
    assert not proof(pair)


def test_excursions_of_a_position_booked_again_are_passed_over() -> None:
    """P2: what was remembered of an earlier state never overwrites a later one."""
    pair = Pair("").connect().settle()
    pair.fill("+1 MES @ 5000", id="a-1")
    (earlier,) = pair.keeper.positions.values()
    pair.fill("+1 MES @ 5004", id="a-2").settle()
    posting = pair.keeper._posting
    posting.widen([mark(earlier, Decimal(4000))])
    assert pair.positions() == ["Sim1 +2 MES @ 5002"]
    (held,) = posting.positions.values()
    posting.widen([mark(held, Decimal(4990))])
    (widened,) = pair.repository.positions().values()
    assert widened.price_min == 4990
