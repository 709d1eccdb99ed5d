"""A person's entries: further rows with reasons, undone by further rows."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from dtcpos.errors import UsageError
from dtcpos.keeping.corrections import Correction, Corrections
from dtcpos.model import PositionKey, Side
from dtcpos.store import PositionRepository
from dtcpos.updates import AlertUpdate
from tests.pair import NOON, Pair

D = Decimal
KEY = PositionKey("SIM", "Sim1", "MES")
NOW = datetime.fromtimestamp(NOON + 60, UTC)


def held() -> Pair:
    """Return a pair that is long 2 and follows its server."""
    pair = Pair().connect().settle()
    return pair.fill("+1 MES @ 5000", id="E-1").fill("+1 MES @ 5002", id="E-2")


def entries(repository: PositionRepository) -> Corrections:
    return Corrections(repository, now=NOW)


def close(
    repository: PositionRepository, price: Decimal | None, quantity: Decimal | None = None, time: datetime = NOW
) -> Correction:
    with repository.transaction():
        return entries(repository).close("Sim1", "MES", price=price, quantity=quantity, time=time, reason="by phone")


def undo(repository: PositionRepository, entry: int | None = None) -> Correction:
    with repository.transaction():
        return entries(repository).undo(entry, reason="a mistake")


def test_closing_books_a_tagged_adjustment_with_its_reason() -> None:
    """N13: the position is closed at the price a person gives, and the journal says why."""
    pair = held()
    done = close(pair.repository, D(5011))
    assert (done.before.signed_quantity, done.after.is_flat) == (2, True)
    assert [trade.realized for trade in done.trades] == [D(20)]
    assert done.fill_id is not None
    (row,) = pair.repository.fills([done.fill_id])
    assert (row.source, row.reason) == ("ADJUSTMENT", "by phone")
    (entry,) = pair.repository.entries_by_person()
    assert (entry.id, entry.reason, entry.fill_id) == (done.entry_id, "by phone", done.fill_id)


def test_closing_without_a_price_leaves_the_profit_unknown() -> None:
    """N13: exit and profit are null, never zero."""
    done = close(held().repository, None)
    assert [trade.realized for trade in done.trades] == [None]


def test_closing_a_part_of_it() -> None:
    """P1: a partial exit by hand is a partial exit."""
    done = close(held().repository, D(5011), D(1))
    assert (done.after.signed_quantity, done.after.realized) == (1, D(10))


@pytest.mark.parametrize("quantity", [D(3), D(0), D(-1)])
def test_more_than_is_held_cannot_be_closed(quantity: Decimal) -> None:
    """U4: the error names the value and what there is."""
    with pytest.raises(UsageError, match="of 2 lots"):
        close(held().repository, D(5011), quantity)


def test_nothing_held_cannot_be_closed() -> None:
    """U4: the error says where to look."""
    pair = Pair().connect().settle()
    with pytest.raises(UsageError, match="nothing is held in SIM Sim1 MES"):
        close(pair.repository, D(5011))


def test_undoing_a_close_brings_the_position_back_as_it_was() -> None:
    """N8: by a further row; the close stays readable."""
    pair = held()
    before = pair.repository.positions()
    close(pair.repository, D(5011))
    undo(pair.repository)
    assert pair.repository.positions() == before
    assert pair.repository.trades_of_key("Sim1", "MES") == []
    with pytest.raises(UsageError, match="no entry of a person to undo"):
        undo(pair.repository)


def test_adding_a_missed_fill_books_it_in_its_place_and_once() -> None:
    """N10: a fill a person adds stands where its time puts it; the same one again changes nothing."""
    pair = held()
    for expected in (True, False):
        with pair.repository.transaction():
            done = entries(pair.repository).add(
                "Sim1",
                "MES",
                Side.SELL,
                quantity=D(1),
                price=D(5001),
                time=datetime.fromtimestamp(NOON - 60, UTC),
                reason="missed",
            )
        assert (done.fill_id is not None) is expected
    # -1 @ 5001, then +1 @ 5000 closes it with a profit of 1, then +1 @ 5002 opens.
    (trade,) = pair.repository.trades_of_key("Sim1", "MES")
    assert trade.realized == 1
    assert pair.repository.positions()[KEY].cost == 5002
    undo(pair.repository)
    with pair.repository.transaction():
        again = entries(pair.repository).add(
            "Sim1",
            "MES",
            Side.SELL,
            quantity=D(1),
            price=D(5001),
            time=datetime.fromtimestamp(NOON - 60, UTC),
            reason="it was filled after all",
        )
    assert again.fill_id is not None
    assert pair.repository.positions()[KEY].cost == 5002


def test_replacing_and_voiding_supersede_and_the_server_does_not_bring_them_back() -> None:
    """N8: what a person corrected stays corrected when the server tells the old story again."""
    pair = held()
    first = next(fill for fill in pair.repository.fills([1, 2]) if fill.execution_id == "E-1")
    assert first.id is not None
    with pair.repository.transaction():
        done = entries(pair.repository).replace(first.id, changes={"price": D(4990)}, reason="repriced")
    assert done.after.cost == 9992
    assert done.fill_id is not None
    with pair.repository.transaction():
        voided = entries(pair.repository).void(done.fill_id, reason="busted")
    assert (voided.after.signed_quantity, voided.after.cost) == (1, D(5002))
    pair.reconnect().settle()
    assert pair.repository.positions()[KEY].cost == 5002
    undo(pair.repository)
    assert pair.repository.positions()[KEY].cost == 9992
    undo(pair.repository)
    assert pair.repository.positions()[KEY].cost == 10002


def test_an_older_row_cannot_be_corrected_twice() -> None:
    """U4: the error names the row that stands now."""
    pair = held()
    with pair.repository.transaction():
        done = entries(pair.repository).replace(1, changes={"price": D(4990)}, reason="repriced")
    with pytest.raises(UsageError, match=f"superseded by fill {done.fill_id}"), pair.repository.transaction():
        entries(pair.repository).void(1, reason="x")
    with pytest.raises(UsageError, match="no fill 999"), pair.repository.transaction():
        entries(pair.repository).void(999, reason="x")


def test_undoing_by_number_takes_back_that_entry() -> None:
    """N8: an entry that was corrected since is not torn out from under the later one."""
    pair = held()
    with pair.repository.transaction():
        first = entries(pair.repository).replace(1, changes={"price": D(4990)}, reason="one")
    assert first.fill_id is not None
    with pair.repository.transaction():
        entries(pair.repository).replace(first.fill_id, changes={"price": D(4980)}, reason="two")
    with pytest.raises(UsageError, match="was corrected since"):
        undo(pair.repository, first.entry_id)
    with pytest.raises(UsageError, match="no entry of a person"):
        undo(pair.repository, 999)


def test_a_keeper_notices_what_another_process_corrects(tmp_path: object) -> None:
    """U1: within a second the running keeper shows, says and uses the corrected position."""
    path = tmp_path / "l.db"  # type: ignore[operator]
    pair = Pair(repository=PositionRepository.open(path)).connect().settle()
    pair.fill("+1 MES @ 5000", id="E-1")
    with PositionRepository.open(path) as other:
        close(other, D(5011), time=datetime.fromtimestamp(pair.now, UTC))
    # A tick is remembered and not yet written: it must not bring the position back.
    pair.perform("tick MES 4990")
    pair.wait(1.0)
    assert KEY not in pair.keeper.positions
    assert pair.repository.positions() == {}
    changed = [update for update in pair.told if isinstance(update, AlertUpdate) and update.kind == "changed"]
    assert [(alert.key, alert.text) for alert in changed] == [(KEY, "corrected by another process: +1 to flat")]
    pair.fill("+1 MES @ 5020", id="E-2")
    assert pair.keeper.positions[KEY].cost == 5020
    pair.keeper.stop(now=pair.now)
    pair.repository.close()


def test_a_close_lies_between_the_entry_and_now() -> None:
    """U4: a mistyped time is refused, not turned into a trade of the other side."""
    pair = held()
    with pytest.raises(UsageError, match="is before the position was entered"):
        close(pair.repository, D(5011), time=datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(UsageError, match="is in the future"):
        close(pair.repository, D(5011), time=datetime(2099, 1, 1, tzinfo=UTC))


def test_an_entry_that_settles_a_difference_ends_its_break() -> None:
    """N13: once the ledger holds what the server stated there is nothing left to answer."""
    terms = "account Sim1\nsymbol MES tick 0.25 value 1.25\n"
    first = Pair(terms=terms + "history Sim1 BUY 1 MES @ 5000 id E-1 order 1 ago 1h\n").connect().settle()
    first.keeper.stop(now=first.now)
    pair = Pair(terms=terms + "held Sim1 MES 2 @ 5001\n", repository=first.repository).connect().settle()
    assert len(pair.repository.open_breaks()) == 1
    with pair.repository.transaction():
        entries(pair.repository).add(
            "Sim1",
            "MES",
            Side.BUY,
            quantity=D(1),
            price=D(5002),
            time=datetime.fromtimestamp(NOON, UTC),
            reason="missed",
        )
    assert pair.repository.open_breaks() == []
