from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from decimal import Decimal

import pytest
from attrs import evolve

from dtcpos.errors import LedgerLocked
from dtcpos.model import (
    Break,
    Instrument,
    Link,
    Mark,
    PositionKey,
    Side,
    Sighting,
    Snapshot,
    Source,
    Verification,
    WorkingOrder,
)
from dtcpos.store import ExportCursor, PositionRepository
from dtcpos.store.columns import FILL, JOURNAL, SIGHTING, listed
from dtcpos.store.rows import checksum_of
from tests.store.ledgers import LIVE, MES, MNQ, SIM, account, at, entry, fill, fill_small, position, trade


@pytest.fixture
def repository() -> Iterator[PositionRepository]:
    with PositionRepository.in_memory() as opened:
        yield opened


def sighting(fill_id: int, source: Source, **other: object) -> Sighting:
    return Sighting(fill_id=fill_id, source=source, seen_at=at(99), **other)  # type: ignore[arg-type]


def test_fills_come_back_by_id_and_ids_go_on(repository: PositionRepository) -> None:
    """N1: what was booked is what is read, and the next id is one no fill has."""
    booked = [fill(1), fill(2, 1), fill(3, 2)]
    with repository.transaction():
        assert repository.next_fill_id() == 1
        repository.add_fills(booked)
        assert repository.next_fill_id() == 4
    assert repository.fills([3, 1, 3]) == [booked[0], booked[2]]


@pytest.mark.parametrize("count", [1, 2, 9, 65, 700])
def test_executions_are_found_in_any_number(repository: PositionRepository, count: int) -> None:
    """N2: asking about one id or many gives each its fill; unknown ids and empty ids are no answer."""
    with repository.transaction():
        repository.add_fills([fill(n) for n in range(1, count + 1)])
        repository.add_fills([fill(count + 1, execution_id="")])
    ids = [f"E-{n}" for n in range(1, count + 1)]
    assert repository.find_executions("Sim1", [*ids, "unknown", ""]) == {f"E-{n}": n for n in range(1, count + 1)}
    assert repository.find_executions("other", ids) == {}
    assert repository.find_executions("Sim1", []) == {}


def test_an_execution_is_found_by_any_id_it_was_seen_under(repository: PositionRepository) -> None:
    """N4, N6: history may tell an execution under another id."""
    with repository.transaction():
        repository.add_fills([fill(1)])
        repository.add_sightings("Sim1", [sighting(1, Source.BACKFILL, execution_id="H-77")])
    assert repository.find_executions("Sim1", ["E-1", "H-77"]) == {"E-1": 1, "H-77": 1}


def test_an_execution_leads_to_the_newest_row_of_its_chain(repository: PositionRepository) -> None:
    """N8: corrections are followed to the end, a bust included, so that neither is booked again."""
    with repository.transaction():
        repository.add_fills([fill(1), fill(2, execution_id="E-1", supersedes=1), fill(3, execution_id="E-9")])
        repository.add_fills(
            [fill(4, execution_id="", supersedes=2), fill(5, execution_id="", supersedes=3, is_void=True)]
        )
    assert repository.find_executions("Sim1", ["E-1", "E-9"]) == {"E-1": 4, "E-9": 5}
    assert [one.id for one in repository.fills_of_key("Sim1", MES)] == [4]
    assert repository.count_of_key("Sim1", MES) == 1
    assert [one.id for one in repository.fills_of_orders("Sim1", ["1001", ""])] == [4]
    assert [one.id for one in repository.fills([1, 5])] == [1, 5]


def test_fills_of_orders_leave_out_fills_without_one(repository: PositionRepository) -> None:
    """N6: a fill without an order id belongs to no order."""
    with repository.transaction():
        repository.add_fills([fill(1), fill(2, order_id="1002"), fill(3, order_id=""), fill(4, account="other")])
    assert [one.id for one in repository.fills_of_orders("Sim1", ["1002", "1001", "", "7"])] == [1, 2]


def test_one_fill_has_three_sightings(repository: PositionRepository) -> None:
    """N4: live, history and log are three sightings of one fill; a source that told it before adds none."""
    with repository.transaction():
        repository.add_fills([fill(1)])
        for _ in range(2):
            repository.add_sightings(
                "Sim1", [sighting(1, source) for source in (Source.LIVE, Source.BACKFILL, Source.IMPORT)]
            )
    seen = repository.sightings_of([1, 2])[1]
    assert sorted(one.source for one in seen) == ["BACKFILL", "IMPORT", "LIVE"]
    (own,) = [one for one in seen if one.source is Source.LIVE]
    assert (own.execution_id, own.time, own.seen_at) == ("E-1", at(0), at(3600))


def test_seen_live_and_past_names_fills_both_have_told(repository: PositionRepository) -> None:
    """N6: whether the two namespaces meet is judged by fills that both sources told."""
    with repository.transaction():
        repository.add_fills([fill(1), fill(2, source=Source.BACKFILL), fill(3), fill(4, source=Source.IMPORT)])
        repository.add_sightings("Sim1", [sighting(1, Source.BACKFILL), sighting(2, Source.LIVE)])
        repository.add_sightings("Sim1", [sighting(3, Source.IMPORT), sighting(4, Source.LIVE)])
    assert repository.seen_live_and_past("Sim1") == [2, 1]
    assert repository.seen_live_and_past("other") == []


def test_fills_of_a_key_are_refined_and_cut_by_the_second(repository: PositionRepository) -> None:
    """N10: "after" means in a later second, by the time the sightings agree on, however far the first one was off."""
    with repository.transaction():
        repository.add_fills([fill(1, 1.9), fill(2, 2, time_is_exact=False, source=Source.BACKFILL), fill(3, 3)])
        repository.add_fills([fill(4, 5 - 6 * 3600, source=Source.IMPORT), fill(5, 5, account="other")])
        repository.add_sightings("Sim1", [sighting(2, Source.LIVE, time=at(2.75), time_is_exact=True)])
        repository.add_sightings("Sim1", [sighting(4, Source.LIVE, time=at(5.5), time_is_exact=True)])
    assert [one.time for one in repository.fills_of_key("Sim1", MES)] == [at(1.9), at(2.75), at(3), at(5.5)]
    assert [one.id for one in repository.fills_of_key("Sim1", MES, after=at(1))] == [2, 3, 4]
    assert [one.id for one in repository.fills_of_key("Sim1", MES, after=at(2.0))] == [3, 4]
    assert [one.id for one in repository.latest_second_of_key("Sim1", MES)] == [4]
    assert repository.latest_second_of_key("Sim1", MNQ) == []


def test_a_fill_that_really_happened_before_is_left_out_though_its_row_says_after(
    repository: PositionRepository,
) -> None:
    """N10: a log read in the wrong zone does not move an execution the server told exactly."""
    with repository.transaction():
        repository.add_fills([fill(1, 6 * 3600, source=Source.IMPORT)])
        repository.add_sightings("Sim1", [sighting(1, Source.LIVE, time=at(1.5), time_is_exact=True)])
    assert repository.fills_of_key("Sim1", MES, after=at(1)) == []


@pytest.mark.parametrize(
    ("trades", "entered", "before", "flat"),
    [
        ([], None, 100, None),
        ([(1, 5)], None, 5.9, None),
        ([(1, 5)], None, 6, 5),
        ([(1, 5), (8, 9)], None, 100, 9),
        ([(1, 5), (8, 9)], None, 9.5, 5),
        ([(1, 5.2), (5.2, 9)], None, 9, None),
        ([(1, 5.2), (5.9, 9)], None, 9, None),
        ([(1, 5.2), (6, 9)], None, 9, 5),
        ([(1, 3), (3.5, 5), (5, 5.9)], None, 9, 5),
        ([(1, 3), (4, 5), (5, 5.9), (5.9, 20)], None, 9, 3),
        ([(1, 3), (3, 5)], 5, 9, None),
        ([(1, 3), (4, 5)], 5.9, 9, 3),
        ([(1, 3), (4, 5)], 6, 9, 5),
    ],
)
def test_the_flat_point_is_a_second_nothing_spans(
    repository: PositionRepository,
    trades: list[tuple[float, float]],
    entered: float | None,
    before: float,
    flat: float | None,
) -> None:
    """N10: a replay starts where nothing was held at the end of the second, reversals and quick trades included."""
    with repository.transaction():
        repository.add_trades([trade(10 * n, start, end) for n, (start, end) in enumerate(trades)])
        if entered is not None:
            repository.put_position(position(opened_by=999, seconds=entered))
    expected = None if flat is None else at(flat)
    assert repository.flat_point_before("Sim1", MES, at(before)) == expected
    assert repository.flat_point_before("Sim1", MNQ, at(before)) is None


def test_trades_keep_their_ids_and_never_reuse_one(repository: PositionRepository) -> None:
    """U3: an export's cursor may trust that a greater id is a newer row."""
    with repository.transaction():
        assert repository.add_trades([trade(1, 0, 5), trade(3, 6, 7)]) == [1, 2]
        repository.replace_trade(trade(1, 0, 5, realized=Decimal(9))._replace(id=1))
        repository.remove_trade(2)
        assert repository.add_trades([trade(5, 8, 9)]) == [3]
        assert repository.add_trades([]) == []
    assert [(one.id, one.realized) for one in repository.trades_of_key("Sim1", MES)] == [
        (1, Decimal(9)),
        (3, Decimal("1.75")),
    ]
    assert [one.id for one in repository.trades_of_key("Sim1", MES, after=at(5.5))] == [3]


def test_a_trade_inherits_what_was_remembered_of_its_entry(repository: PositionRepository) -> None:
    """P8, P9: snapshots and initial risk go from the position to its trade, and a replay keeps them."""
    with repository.transaction():
        repository.put_position(position(opened_by=1))
        assert repository.set_entry_snapshot(SIM, vwap=Decimal("6849.5"), cum_delta=Decimal(-120), poc=None) == 1
        assert repository.set_initial_risk(SIM, Decimal(10)) == 1
        repository.add_trades([trade(1, 0, 5), trade(3, 5, 6)])
        repository.replace_trade(trade(1, 0, 5, fills=3)._replace(id=1))
        repository.remove_position(SIM)
    kept = repository.database.execute("SELECT fills, entry_vwap, entry_cum_delta, entry_poc, initial_risk FROM trade")
    assert kept.fetchall() == [(3, "6849.5", "-120", None, "10"), (2, None, None, None, None)]


def test_a_trade_keeps_the_market_of_its_entry_and_exit(repository: PositionRepository) -> None:
    """The trade is found by the fill that opened it; None leaves a side as it is, and a replay keeps both."""
    first, second = trade(1, 0, 5), trade(3, 5, 6)
    entry = Snapshot(vwap=Decimal("6849.5"), cum_delta=Decimal(0), poc=Decimal(6849))
    with repository.transaction():
        repository.add_trades([first, second])
        repository.set_trade_snapshots(second, entry=entry, exit_=Snapshot(vwap=Decimal(6850)))
        repository.set_trade_snapshots(second, entry=None, exit_=Snapshot(cum_delta=Decimal(-3)))
        repository.replace_trade(second._replace(id=2, fills=3))
    kept = repository.database.execute(
        "SELECT entry_vwap, entry_cum_delta, entry_poc, exit_vwap, exit_cum_delta, exit_poc FROM trade ORDER BY id"
    )
    assert kept.fetchall() == [(None,) * 6, ("6849.5", "0", "6849", None, "-3", None)]


def stored_brackets(repository: PositionRepository) -> tuple[object, ...]:
    row: tuple[object, ...] = repository.database.execute(
        "SELECT target_price, stop_price, heat_since, agreed_quantity, initial_risk FROM open_position"
    ).fetchone()
    return row


def test_booking_leaves_brackets_heat_and_verification_alone(repository: PositionRepository) -> None:
    """P9, P12: a fill writes what booking knows, and ends the agreement; nothing else of the row."""
    agreed = Verification(key=SIM, agreed_quantity=Decimal(1), agreed_at=at(3), compared_at=at(3), outcome="agreed")
    with repository.transaction():
        repository.put_position(position())
        assert repository.set_brackets(SIM, Decimal(6900), Decimal("6840.5")) == 1
        assert repository.set_heat(SIM, at(2)) == 1
        assert repository.set_initial_risk(SIM, Decimal("9.75")) == 1
        assert repository.put_verification(agreed) == 1
        repository.put_position(position(signed_quantity=Decimal(2), fills=2, opened_by=7))
    assert stored_brackets(repository) == ("6900", "6840.5", "2026-11-20T12:00:02.000000Z", None, "9.75")
    assert repository.verifications() == {SIM: evolve(agreed, agreed_quantity=None)}
    assert repository.positions() == {SIM: position(signed_quantity=Decimal(2), fills=2, opened_by=7)}


def test_a_reversed_position_begins_anew(repository: PositionRepository) -> None:
    """P1, P8: the stop, the heat and the risk of a position that became a trade are not those of the next one."""
    with repository.transaction():
        repository.put_position(position(opened_by=1))
        repository.set_brackets(SIM, Decimal(6900), Decimal(6840))
        repository.add_trades([trade(1, 0, 5)])
        repository.put_positions([position(opened_by=2, seconds=5)])
    assert stored_brackets(repository) == (None,) * 5


def test_what_belongs_to_no_position_changes_nothing(repository: PositionRepository) -> None:
    """N11: a comparison or an order of a key that is flat makes no position."""
    assert repository.put_verification(Verification(key=SIM, outcome="agreed")) == 0
    assert repository.set_brackets(SIM, None, None) == 0
    assert repository.positions() == {}


def test_the_ledger_refuses_to_be_changed(repository: PositionRepository) -> None:
    """N8: the database itself keeps fills, sightings and journal from being updated, deleted or replaced."""
    fill_small(repository)
    with repository.transaction():
        repository.add_sightings("Sim1", [sighting(1, Source.BACKFILL, execution_id="H-1")])
    before = repository.content_hash()
    for table in ("fill", "resighting", "journal"):
        for attempt in (f"UPDATE {table} SET account = 'x'", f"DELETE FROM {table}"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                repository.database.conn.execute(attempt)
    for table in ("fill", "journal"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            repository.database.conn.execute(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")
    repository.database.conn.execute("INSERT OR REPLACE INTO resighting SELECT * FROM resighting")
    assert repository.content_hash() == before


def test_an_error_between_trade_and_position_undoes_both(repository: PositionRepository) -> None:
    """N14: a trade and the end of its position are one change, whatever fails between them."""
    repository.put_position(position())
    before = repository.content_hash()

    def interrupted() -> None:
        with repository.transaction():
            repository.add_trades([trade(1, 0, 5)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert repository.content_hash() == before
    assert repository.positions() == {SIM: position()}


def test_transactions_do_not_nest(repository: PositionRepository) -> None:
    """N1: one batch is one transaction, and what needs one says so."""
    with pytest.raises(AssertionError), repository.transaction(), repository.transaction():
        pass
    for write in (repository.next_fill_id, lambda: repository.add_trades([trade(1, 0, 5)])):
        with pytest.raises(AssertionError):
            write()
    with repository.transaction():
        pass


def test_accounts_are_stored_and_relabelled_with_their_rows(repository: PositionRepository) -> None:
    """M2: a correction of the mode moves positions, trades and breaks of the account, and touches no fill."""
    fill_small(repository)
    with repository.transaction():
        repository.add_break(unanswered(LIVE))
        repository.relabel_account("120005", "SIM", "set by hand")
        repository.relabel_account("120005", "SIM", "set by hand")
    moved = repository.account("120005")
    assert moved is not None
    assert (moved.mode, moved.rule) == ("SIM", "set by hand")
    assert list(repository.positions()) == [PositionKey("SIM", "120005", MNQ)]
    assert repository.open_breaks()[0].key.mode == "SIM"
    assert [one.account for one in repository.accounts()] == ["120005", "Sim1"]
    assert repository.accounts()[1] == account(
        SIM, snapshots_trusted=True, last_sync_at=at(60), sync_outcome="complete"
    )
    assert repository.account("nobody") is None
    assert repository.keys() == [("120005", MNQ), ("Sim1", MES)]


def unanswered(key: PositionKey, **other: object) -> Break:
    return Break(
        key=key, kind="quantity", held_quantity=Decimal(1), held_average=Decimal("6850.25"),
        reported_quantity=Decimal(2), reported_average=None, found_at=at(7), **other,  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_break_is_open_until_it_is_answered(repository: PositionRepository) -> None:
    """N13: a break stays until someone answers, and has one answer."""
    with repository.transaction():
        first, second = repository.add_break(unanswered(SIM)), repository.add_break(unanswered(LIVE))
    assert [one.id for one in repository.open_breaks()] == [first, second]
    assert repository.answer_break(first, "keep", at(20)) == 1
    assert repository.answer_break(first, "adopt", at(21)) == 0
    assert repository.open_breaks() == [unanswered(LIVE, id=second)]


def order(order_id: str, **other: object) -> WorkingOrder:
    return WorkingOrder(
        account="Sim1", symbol=MES, order_id=order_id, side=Side.SELL, order_type=2, status=4, price1=Decimal(6900),
        price2=None, quantity=Decimal(1), filled_quantity=Decimal(0), parent_order_id="1001", updated_at=at(1), **other,  # type: ignore[arg-type]
    )  # fmt: skip


def test_orders_are_kept_as_last_told(repository: PositionRepository) -> None:
    """P9: targets and stops are found again after a restart."""
    repository.put_orders([order("1"), order("2"), order("3")._replace(account="other", side=None, updated_at=None)])
    repository.put_orders([order("1", oco_order_id="2")])
    repository.remove_orders("Sim1", ["2", "9"])
    assert repository.orders("Sim1") == [order("1", oco_order_id="2")]
    assert [one.account for one in repository.orders()] == ["Sim1", "other"]
    repository.put_orders([])
    repository.remove_orders("Sim1", [])


def test_what_is_known_around_the_ledger_comes_back(repository: PositionRepository) -> None:
    """P4, S3, U3: instruments, links, contacts, preferences and cursors are stored as they are."""
    instrument = Instrument(
        symbol=MES, point_value=Decimal(5), tick=Decimal("0.25"), price_format=2, currency="USD",
        commission=Decimal("0.62"), point_value_source="server", commission_source="user",
    )  # fmt: skip
    link = Link(
        server="127.0.0.1:11099", state="ready", last_heard_at=at(5), heartbeat_interval_s=10, holder_pid=77,
        since=at(0), encoding="binary", server_name="SC DTC Server",
    )  # fmt: skip
    cursor = ExportCursor(name="cron", what="trades", last_id=9, updated_at=at(1), pending_path="t.csv", pending_id=12)
    repository.put_instrument(instrument)
    repository.put_link(link)
    repository.add_contact("Sim1", MES, at(0))
    repository.add_contact("Sim1", MES, at(9))
    repository.set_preference("mode", "LIVE")
    repository.set_preference("mode", "SIM")
    repository.put_export_cursor(cursor)
    assert repository.instrument(MES) == instrument
    assert repository.instrument(MNQ) is None
    assert repository.instruments() == {MES: instrument}
    assert repository.links() == [link]
    assert repository.contacts() == {("Sim1", MES)}
    assert (repository.preference("mode"), repository.preference("other")) == ("SIM", None)
    assert (repository.export_cursor("cron"), repository.export_cursor("other")) == (cursor, None)


def test_a_mark_never_goes_back(repository: PositionRepository) -> None:
    """P10: an older price does not replace a newer one."""
    repository.put_marks([Mark(symbol=MES, price=Decimal("6851.25"), time=at(5))])
    repository.put_marks([Mark(symbol=MES, price=Decimal(1), time=at(4))])
    assert repository.database.execute("SELECT price FROM mark").fetchall() == [("6851.25",)]


def test_the_journal_grows_and_names_its_last_entry(repository: PositionRepository) -> None:
    """N8: a person's entry is named by its id."""
    assert repository.add_journal([]) == 0
    assert repository.add_journal([entry(), entry()]) == 2
    assert repository.add_journal([entry("close", reason="stale")]) == 3


def test_the_hash_is_of_what_happened_and_not_of_when_it_was_written() -> None:
    """N2, S1: two ledgers of the same session are the same ledger."""
    hashes = set()
    for seconds in (0, 500):
        with PositionRepository.in_memory() as repository:
            fill_small(repository)
            repository.add_fills([fill(9, 30, booked_at=at(seconds))])
            repository.put_link(Link(server="a", state="ready", last_heard_at=None, heartbeat_interval_s=seconds,
                                     holder_pid=1, since=at(seconds)))  # fmt: skip
            hashes.add(repository.content_hash())
    assert len(hashes) == 1
    with PositionRepository.in_memory() as repository:
        fill_small(repository)
        assert repository.content_hash() not in hashes


def test_another_writer_that_does_not_let_go_is_named(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """U1: a writer waits for another, and after the time allowed says so by name."""
    monkeypatch.setattr("dtcpos.store.connection.BUSY_TIMEOUT_S", 0)
    with PositionRepository.open(tmp_path / "l.db") as one, PositionRepository.open(tmp_path / "l.db") as other:
        version = other.data_version()
        with one.transaction():
            one.set_preference("mode", "SIM")
            with pytest.raises(LedgerLocked, match="another process"), other.transaction():
                raise AssertionError
        assert other.data_version() != version
        assert other.preference("mode") == "SIM"


def test_every_row_of_the_ledger_carries_its_checksum(repository: PositionRepository) -> None:
    """N15: CRC-32 over the columns as stored, the id of a journal entry included."""
    fill_small(repository)
    with repository.transaction():
        repository.add_sightings(SIM.account, [sighting(1, Source.BACKFILL), sighting(2, Source.IMPORT)])
    repository.add_journal([entry(reason="é"), entry("close", reason="stale")])
    for table, columns in (("fill", FILL), ("resighting", SIGHTING), ("journal", JOURNAL)):
        rows = list(repository.database.execute(f"SELECT {listed((*columns, 'checksum'))} FROM {table}"))
        assert rows, table
        assert all(checksum_of(row[:-1]) == row[-1] for row in rows)
