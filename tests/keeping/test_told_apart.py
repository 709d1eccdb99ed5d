"""Executions that two sources tell apart: by another second, another name, or later than what followed them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from dtcpos.keeping.corrections import Corrections
from dtcpos.keeping.posting import Posting
from dtcpos.model import Fill, Side, Source
from dtcpos.store import PositionRepository
from tests.outcome import prove

MORNING = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
NOW = MORNING + timedelta(minutes=10)


@pytest.fixture
def ledger() -> PositionRepository:
    return PositionRepository.in_memory()


def lots(number: int, quantity: int, second: float, **words: object) -> Fill:
    facts: dict[str, object] = {
        "account": "Sim1",
        "symbol": "MES",
        "side": Side.BUY if quantity > 0 else Side.SELL,
        "quantity": Decimal(abs(quantity)),
        "price": Decimal(5000 + number),
        "time": MORNING + timedelta(seconds=second),
        "time_is_exact": True,
        "execution_id": f"X-{number}",
        "order_id": str(number),
        "source": Source.LIVE,
    }
    return Fill(**facts | words)  # type: ignore[arg-type]


def past(number: int, quantity: int, second: float, **words: object) -> Fill:
    facts = {"time_is_exact": False, "source": Source.BACKFILL, "place": 0}
    return lots(number, quantity, second, **facts | words)


def live(ledger: PositionRepository, posting: Posting, *fills: Fill) -> None:
    with ledger.transaction():
        posting.post_live(fills, now=NOW)


def history(ledger: PositionRepository, posting: Posting, *fills: Fill) -> None:
    with ledger.transaction():
        posting.post_history("Sim1", fills, now=NOW)


def held(ledger: PositionRepository) -> list[Decimal]:
    return [position.signed_quantity for position in ledger.positions().values()]


def test_a_live_feed_of_whole_seconds_moves_what_history_dated_otherwise(ledger: PositionRepository) -> None:
    """N4, N10: the feed's second counts before history's, also where it knows no milliseconds."""
    posting = Posting(ledger)
    history(ledger, posting, past(1, 1, 2), past(2, -1, 4), past(3, 1, 6))
    live(ledger, posting, lots(3, 1, 3, time_is_exact=False))
    prove(ledger)


def test_what_is_left_of_a_symbol_is_still_known_when_its_last_fill_has_gone(ledger: PositionRepository) -> None:
    """N8, N10: the newest execution is restated as another symbol's; one before the flat point is booked before it."""
    posting = Posting(ledger)
    live(ledger, posting, lots(1, 1, 1), lots(2, -1, 2), lots(3, 1, 5))
    live(ledger, posting, lots(3, 1, 5, symbol="MNQ"))
    live(ledger, posting, lots(4, -1, 0.5))
    prove(ledger)
    assert [trade.direction.name for trade in ledger.trades_of_key("Sim1", "MES")] == ["SHORT"]


def test_a_void_taken_back_stands_where_the_fill_stood(ledger: PositionRepository) -> None:
    """N4, N8: undo restores the place that all sources gave the fill together, not that of the first alone."""
    posting = Posting(ledger)
    history(ledger, posting, past(1, 1, 6), past(2, -2, 5))
    live(ledger, posting, lots(1, 1, 4.9))
    before = ledger.trades_of_key("Sim1", "MES")
    with ledger.transaction():
        Corrections(ledger, now=NOW).void(1, reason="not ours")
    with ledger.transaction():
        Corrections(ledger, now=NOW).undo(None, reason="it is")
    after = ledger.trades_of_key("Sim1", "MES")
    assert [trade.realized for trade in after] == [trade.realized for trade in before] == [Decimal(1)]
    prove(ledger)


def test_a_price_that_a_person_mends_leaves_the_fill_in_its_place(ledger: PositionRepository) -> None:
    """N8, N10: only what was changed changes."""
    posting = Posting(ledger)
    history(ledger, posting, past(1, 1, 6), past(2, -2, 5))
    live(ledger, posting, lots(1, 1, 4.9))
    with ledger.transaction():
        Corrections(ledger, now=NOW).replace(1, changes={"price": Decimal(4999)}, reason="misheard")
    assert [trade.realized for trade in ledger.trades_of_key("Sim1", "MES")] == [Decimal(3)]
    prove(ledger)


def test_an_earlier_fill_of_an_order_is_not_one_of_those_that_history_told(ledger: PositionRepository) -> None:
    """N5, N10: lots told live to be later do not count when it is asked whether the earlier ones are booked."""
    posting = Posting(ledger)
    same = {"order_id": "7", "price": Decimal(5000)}
    history(ledger, posting, *(past(number, 1, number, **same) for number in (1, 2, 3)))
    live(ledger, posting, lots(5, 1, 5, cumulative_quantity=Decimal(5), **same))
    live(ledger, posting, lots(4, 1, 4, cumulative_quantity=Decimal(4), **same))
    assert held(ledger) == [Decimal(5)]


def test_a_name_that_was_given_to_the_wrong_fill_is_found_out(ledger: PositionRepository) -> None:
    """N5, N6: history names both of two executions that one fill was taken for, so the other is booked."""
    posting = Posting(ledger)
    same = {"order_id": "7", "price": Decimal(5000)}
    history(ledger, posting, past(1, 1, 1, **same), past(2, 1, 2, **same))
    # It says that two lots of the order are filled, and two are booked.
    live(ledger, posting, lots(3, 1, 3, cumulative_quantity=Decimal(2), **same))
    assert held(ledger) == [Decimal(2)]
    told = [past(number, 1, number, **same) for number in (1, 2, 3)]
    for _ in range(2):
        history(ledger, posting, *told)
        assert held(ledger) == [Decimal(3)]
    prove(ledger)


@pytest.mark.parametrize(("live_id", "past_id"), [("", ""), ("L", "H"), ("L", ""), ("", "H")])
def test_without_an_order_a_second_rounded_up_is_no_second_execution(
    ledger: PositionRepository, live_id: str, past_id: str
) -> None:
    """N4: told live at 9.9 s and by history at 10 s, with nothing else that could name it: one fill."""
    posting = Posting(ledger)
    live(ledger, posting, lots(1, 1, 9.9, execution_id=live_id, order_id=""))
    history(ledger, posting, past(1, 1, 10, execution_id=past_id, order_id=""))
    assert held(ledger) == [Decimal(1)]
    # The next second may bring another one just like it.
    again = past(1, 1, 11, execution_id=past_id and "H-2", order_id="")
    history(ledger, posting, past(1, 1, 10, execution_id=past_id, order_id=""), again)
    assert held(ledger) == [Decimal(2)]


@pytest.mark.parametrize("is_live_first", [True, False])
def test_places_of_another_second_go_before_or_after_all_of_this_one(
    ledger: PositionRepository, is_live_first: bool
) -> None:
    """N10: where live and history seconds differ, the order of the history's batch holds, not the names' order."""
    posting = Posting(ledger)
    told = [past(9, 1, 5, execution_id="Z-9"), past(2, -2, 6)]
    moved = lots(2, -2, 5.8)
    if is_live_first:
        live(ledger, posting, moved)
        history(ledger, posting, *told)
    else:
        history(ledger, posting, *told)
        live(ledger, posting, moved)
    assert [trade.direction.name for trade in ledger.trades_of_key("Sim1", "MES")] == ["LONG"]
    prove(ledger)
