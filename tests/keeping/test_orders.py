"""Brackets and risk from working orders."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from dtcpos.dtc import (
    BuySell,
    Encoding,
    HistoricalOrderFillResponse,
    MarketDataUpdateTrade,
    Message,
    OrderStatus,
    OrderType,
    OrderUpdate,
    OrderUpdateReason,
    encode,
)
from dtcpos.keeping.corrections import Corrections
from dtcpos.keeping.session import moment_of_clock
from dtcpos.model import PositionKey
from dtcpos.store import PositionRepository
from tests.pair import Pair

D = Decimal
KEY = PositionKey("SIM", "Sim1", "MES")
BRACKET = (
    "order Sim1 1001 BUY 2 MES limit 5000",
    "order Sim1 1002 SELL 2 MES limit 5010 parent 1001 oco 1003",
    "order Sim1 1003 SELL 2 MES stop 4996 parent 1001 oco 1002",
)


def kept(pair: Pair) -> tuple[object, ...]:
    sql = "SELECT target_price, stop_price, initial_risk FROM open_position"
    return tuple(pair.repository.database.conn.execute(sql).fetchall())


def test_children_are_target_and_stop_once_the_parent_has_filled() -> None:
    """P9: a child that waits for its parent is neither yet."""
    pair = Pair().connect().settle()
    pair.fill("+1 MES @ 4999", id="E-0", order="900").wait(1)
    pair.perform(*BRACKET).wait(1)
    assert kept(pair) == ((None, None, None),)
    pair.fill("+2 MES @ 5000", id="E-1", order="1001").wait(1)
    ((target, stop, _),) = kept(pair)
    assert (target, stop) == ("5010", "4996")


def test_a_short_has_its_stop_above() -> None:
    """P9: also for shorts."""
    pair = Pair().connect().settle()
    pair.perform(
        "order Sim1 1001 SELL 1 MES limit 5000",
        "order Sim1 1002 BUY 1 MES limit 4990 parent 1001 oco 1003",
        "order Sim1 1003 BUY 1 MES stop 5003 parent 1001 oco 1002",
    )
    pair.fill("-1 MES @ 5000", id="E-1", order="1001").wait(1)
    assert kept(pair) == (("4990", "5003", "3"),)


def test_a_replaced_stop_moves_and_the_risk_stays() -> None:
    """P8: R is measured by the first stop known: later stops and sizes are history."""
    pair = Pair().connect().settle()
    pair.perform(*BRACKET)
    pair.fill("+2 MES @ 5000", id="E-1", order="1001").wait(1)
    assert kept(pair) == (("5010", "4996", "8"),)
    pair.perform("replace 1003 price 5000").wait(1)
    assert kept(pair) == (("5010", "5000", "8"),)
    pair.perform("cancel 1002").wait(1)
    pair.fill("-2 MES @ 5012", id="E-2", order="1009").wait(1)
    rows = pair.repository.database.conn.execute("SELECT initial_risk FROM trade").fetchall()
    assert rows == [("8",)]


def test_brackets_come_back_after_a_restart() -> None:
    """P9: OPEN_ORDERS tells them again, and comparing a position never drops them."""
    pair = Pair().connect().settle()
    pair.perform(*BRACKET)
    pair.fill("+2 MES @ 5000", id="E-1", order="1001").wait(1)
    before = kept(pair)
    pair.crash().settle()
    assert kept(pair) == before
    pair.lose()
    pair.perform("replace 1003 price 4998")
    pair.connect().settle()
    assert kept(pair) == (("5010", "4998", "8"),)


def test_an_order_that_ended_while_we_were_away_is_gone() -> None:
    """P9: what the whole answer does not list is not working any more."""
    pair = Pair().connect().settle()
    pair.perform(*BRACKET)
    pair.fill("+2 MES @ 5000", id="E-1", order="1001").wait(1)
    pair.lose()
    pair.perform("cancel 1002", "cancel 1003")
    pair.connect().settle()
    assert kept(pair) == ((None, None, "8"),)


def test_brackets_come_back_with_a_position_that_a_correction_opens_again() -> None:
    """P9: its row was gone, so what was written there before is written again."""
    pair = Pair().connect().settle().perform("order Sim1 7 SELL 2 MES stop 4990")
    pair.fill("+2 MES @ 5000", id="E-1", order="1").fill("-2 MES @ 5010", id="E-2", order="2").settle()
    assert pair.positions() == []
    pair.perform("correct Sim1 E-2 quantity 1 @ 5010").settle()
    assert pair.positions() == ["Sim1 +1 MES @ 5000"]
    ((stop,),) = pair.repository.database.conn.execute("SELECT stop_price FROM open_position").fetchall()
    assert stop == "4990"


def test_a_stop_moved_just_before_a_persons_entry_stands_after_it(tmp_path: Path) -> None:
    """P9: the entry knows the orders as they were last written; who follows them writes the stop again."""
    path = tmp_path / "ledger.db"
    pair = Pair(repository=PositionRepository.open(path)).connect().settle()
    pair.perform(*BRACKET)
    pair.fill("+2 MES @ 5000", id="E-1", order="1001").wait(2)
    pair.perform("replace 1003 price 4998")
    other = PositionRepository.open(path)
    with other.transaction():
        entries = Corrections(other, now=moment_of_clock(pair.now))
        entries.close("Sim1", "MES", price=D(5001), quantity=D(1), time=None, reason="by phone")
    pair.wait(2)
    assert kept(pair) == (("5010", "4998", "8"),)


def working_stop(**words: object) -> OrderUpdate:
    facts: dict[str, object] = {
        "Symbol": "MES",
        "ServerOrderID": "1003",
        "OrderStatus": OrderStatus.OPEN,
        "OrderUpdateReason": OrderUpdateReason.NEW_ORDER_ACCEPTED,
        "OrderType": OrderType.STOP,
        "BuySell": BuySell.SELL,
        "Price1": 4996.0,
        "OrderQuantity": 2.0,
        "TradeAccount": "Sim1",
    }
    return OrderUpdate(**facts | words)


@pytest.mark.parametrize("is_one_read", [True, False])
@pytest.mark.parametrize(
    "reason", [OrderUpdateReason.ORDER_CANCEL_REPLACE_REJECTED, OrderUpdateReason.ORDER_FILLED_PARTIALLY]
)
def test_an_order_is_what_all_that_was_said_of_it_comes_to(reason: int, is_one_read: bool) -> None:
    """P9, S1: what names little more than an order leaves its price, also where both came in one read."""
    pair = Pair().connect().settle()
    pair.fill("+2 MES @ 5000", id="E-1", order="1001").wait(1)
    little = OrderUpdate(
        Symbol="MES",
        ServerOrderID="1003",
        OrderStatus=OrderStatus.OPEN,
        OrderUpdateReason=reason,
        BuySell=BuySell.SELL,
        LastFillPrice=4996.0,
        LastFillQuantity=1.0,
        TradeAccount="Sim1",
    )
    told = [encode(message, Encoding.BINARY) for message in (working_stop(), little)]
    for octets in [b"".join(told)] if is_one_read else told:
        pair.feed(octets)
    assert [row[1] for row in kept(pair)] == ["4996"]


def begun_anew(*between: Message) -> Pair:
    """Bought 1, bought 2 and sold 1, as told live; by the positions history states, the sale came second.

    So the first trade ended with it, and what is held was opened after. `between` is told before history is.
    """
    terms = "account Sim1\nsymbol MES tick 0.25 value 1.25\nno-answer history"
    pair = Pair(terms=terms, request_timeout_s=1.0).connect().settle()
    second = int(pair.now)
    executions = [(1, 1, 5000.0, 1), (2, 2, 5001.0, 2), (3, -1, 5002.0, 0)]
    for number, (order, quantity, price, _) in enumerate(executions):
        live = OrderUpdate(
            Symbol="MES",
            ServerOrderID=str(order),
            OrderStatus=OrderStatus.FILLED,
            OrderUpdateReason=OrderUpdateReason.ORDER_FILLED,
            BuySell=BuySell.BUY if quantity > 0 else BuySell.SELL,
            LastFillPrice=price,
            LastFillQuantity=float(abs(quantity)),
            LastFillDateTime=second * 1000 + number,
            LastFillExecutionID=f"X-{order}",
            TradeAccount="Sim1",
        )
        pair.feed(encode(live, Encoding.BINARY))
    pair.feed(b"".join(encode(message, Encoding.BINARY) for message in between))
    # The quiet period passes, and it is asked again.
    pair.wait(2.1)
    current = pair.keeper._session._sync._current
    assert current is not None
    past = [
        HistoricalOrderFillResponse(
            RequestID=current.request_id,
            TotalNumberMessages=3,
            MessageNumber=number,
            Symbol="MES",
            ServerOrderID=str(order),
            BuySell=BuySell.BUY if quantity > 0 else BuySell.SELL,
            Price=price,
            DateTime=second,
            Quantity=float(abs(quantity)),
            UniqueExecutionID=f"X-{order}",
            PositionQuantity=float(after),
        )
        for number, (order, quantity, price, after) in enumerate((executions[0], executions[2], executions[1]), 1)
    ]
    pair.feed(b"".join(encode(message, Encoding.BINARY) for message in past))
    assert len(pair.repository.trades_of_key("Sim1", "MES")) == 1
    return pair


def test_a_position_that_history_begins_anew_keeps_its_stop() -> None:
    """P9: a batch that only tells the order of known executions otherwise drops no bracket."""
    assert [row[1] for row in kept(begun_anew(working_stop()))] == ["4996"]


def test_a_position_that_history_begins_anew_learns_from_prices_of_its_own() -> None:
    """P7: a price is news to it that was none to the position held in its place before."""
    trade = MarketDataUpdateTrade(SymbolID=1, Price=5000.5, Volume=1.0)
    pair = begun_anew(trade)
    before = pair.repository.positions()[KEY]
    assert (before.price_min, before.price_max) == (D(5001), D(5001))
    pair.feed(encode(trade, Encoding.BINARY))
    assert pair.wait(1).repository.positions()[KEY].price_min == D("5000.5")
