"""What clients hear of what happens at the venue."""

from __future__ import annotations

import pytest

from dtcpos.dtc import (
    AtBidOrAsk,
    Encoding,
    HistoricalOrderFillResponse,
    HistoricalOrderFillsRequest,
    MarketDataReject,
    MarketDataRequest,
    MarketDataSnapshot,
    MarketDataUpdateBidAsk,
    MarketDataUpdateTrade,
    Message,
    OpenOrdersRequest,
    OrderUpdate,
    PositionUpdate,
    RequestAction,
    UserMessage,
)
from dtcpos.errors import UsageError
from tests.sim.client import NOON, TERMS, MemoryClient, Room


def told(text: str, *, room: Room | None = None, client: MemoryClient | None = None) -> list[Message]:
    """What a client hears of some lines performed one after another."""
    room = room or Room()
    client = client or room.connect()
    before = len(client.heard)
    for line in text.strip().splitlines():
        room.perform(line)
    return client.heard[before:]


def orders(messages: list[Message]) -> list[OrderUpdate]:
    return [message for message in messages if isinstance(message, OrderUpdate)]


def positions(messages: list[Message]) -> list[PositionUpdate]:
    return [message for message in messages if isinstance(message, PositionUpdate)]


def test_a_fill_is_a_301_and_then_a_306() -> None:
    """Reason 4, the execution in the LastFill fields in milliseconds, then the position, unsolicited."""
    fill, position = told("fill Sim1 BUY 1 MESZ26-CME @ 5050.25 id E-2 order 1002 at 2026-11-20T14:30:01.250")
    assert fill == OrderUpdate(
        TotalNumMessages=1,
        MessageNumber=1,
        Symbol="MESZ26-CME",
        ServerOrderID="1002",
        OrderStatus=7,
        OrderUpdateReason=4,
        OrderType=1,
        BuySell=1,
        TimeInForce=1,
        OrderQuantity=1.0,
        FilledQuantity=1.0,
        RemainingQuantity=0.0,
        AverageFillPrice=5050.25,
        LastFillPrice=5050.25,
        LastFillDateTime=1_795_185_001_250,
        LastFillQuantity=1.0,
        LastFillExecutionID="E-2",
        TradeAccount="Sim1",
        OrderReceivedDateTime=int(NOON),
        LatestTransactionDateTime=1_795_185_001.25,
    )
    assert position == PositionUpdate(
        TotalNumberMessages=1,
        MessageNumber=1,
        Symbol="MESZ26-CME",
        Quantity=1.0,
        AveragePrice=5050.25,
        TradeAccount="Sim1",
        Unsolicited=1,
        EntryDateTime=1_795_185_001,
    )


def test_partial_fills_count_up_to_the_order() -> None:
    """N5: FilledQuantity is cumulative, LastFillQuantity this execution, reason 5 until the order is done."""
    heard = told(
        """
        fill Sim1 BUY 1 MESZ26-CME @ 10 id A order 7 of 3
        fill Sim1 BUY 2 MESZ26-CME @ 13 id B order 7
        fill Sim1 BUY 1 MESZ26-CME @ 12 id C order 7
        """
    )
    assert [
        (o.OrderUpdateReason, o.OrderStatus, o.LastFillQuantity, o.FilledQuantity, o.RemainingQuantity, o.OrderQuantity)
        for o in orders(heard)
    ] == [(5, 10, 1, 1, 2, 3), (4, 7, 2, 3, 0, 3), (4, 7, 1, 4, 0, 4)]
    assert [o.AverageFillPrice for o in orders(heard)] == [10, 12, 12]
    assert [p.Quantity for p in positions(heard)] == [1, 3, 4]


def test_an_overfill_is_told_as_it_is() -> None:
    """N7: more filled than ordered, with nothing remaining."""
    heard = told("order Sim1 7 BUY 1 MESZ26-CME limit 10\nfill Sim1 BUY 3 MESZ26-CME @ 10 order 7")
    assert [(o.FilledQuantity, o.OrderQuantity, o.RemainingQuantity) for o in orders(heard)][1] == (3, 1, 0)


def test_ids_may_be_absent_or_chosen_by_the_venue() -> None:
    """Without an id each fill gets one of its own; `-` gives none."""
    heard = told(
        """
        fill Sim1 BUY 1 MESZ26-CME @ 10
        fill Sim1 BUY 1 MESZ26-CME @ 10
        fill Sim1 BUY 1 MESZ26-CME @ 10 id - order -
        """
    )
    first, second, third = orders(heard)
    assert first.LastFillExecutionID != second.LastFillExecutionID
    assert first.ServerOrderID != second.ServerOrderID
    assert (third.LastFillExecutionID, third.ServerOrderID, third.FilledQuantity) == ("", "", 1)


def test_a_bracket_lives_as_in_the_documentation() -> None:
    """P9: children wait, wake and grow with the parent; a filled child cancels the other."""
    heard = told(
        """
        order Sim1 1 BUY 2 MESZ26-CME limit 5050
        order Sim1 2 SELL 2 MESZ26-CME limit 5055 parent 1 oco 3
        order Sim1 3 SELL 2 MESZ26-CME stop 5046 parent 1 oco 2
        fill Sim1 BUY 1 MESZ26-CME @ 5050 order 1
        fill Sim1 BUY 1 MESZ26-CME @ 5050 order 1
        fill Sim1 SELL 1 MESZ26-CME @ 5055 order 2
        fill Sim1 SELL 1 MESZ26-CME @ 5055 order 2
        """
    )
    story = [(o.ServerOrderID, o.OrderUpdateReason, o.OrderStatus, o.OrderQuantity) for o in orders(heard)]
    assert story == [
        ("1", 2, 4, 2),
        ("2", 2, 3, 2),
        ("3", 2, 3, 2),
        ("1", 5, 10, 2),
        ("2", 3, 4, 1),
        ("3", 3, 4, 1),
        ("1", 4, 7, 2),
        ("2", 3, 4, 2),
        ("3", 3, 4, 2),
        ("2", 5, 10, 2),
        ("3", 3, 4, 1),
        ("2", 4, 7, 2),
        ("3", 6, 8, 1),
    ]
    child = orders(heard)[1]
    assert (child.ParentServerOrderID, child.OCOLinkedOrderServerOrderID, child.Price1) == ("1", "3", 5055.0)


def test_a_canceled_parent_takes_its_children_along() -> None:
    """P9: nothing of a bracket that never filled stays."""
    room = Room()
    client = room.connect()
    heard = told(
        """
        order Sim1 1 BUY 1 MESZ26-CME limit 5050
        order Sim1 2 SELL 1 MESZ26-CME limit 5055 parent 1
        cancel 1
        """,
        room=room,
        client=client,
    )
    assert [(o.ServerOrderID, o.OrderStatus) for o in orders(heard)[2:]] == [("1", 8), ("2", 8)]
    assert [o.NoOrders for o in orders(client.ask(OpenOrdersRequest(RequestID=1)))] == [1]


def test_a_replaced_order_may_change_its_id() -> None:
    """P9: PreviousServerOrderID names the old one, and linked orders follow."""
    heard = told(
        """
        order Sim1 1 SELL 1 MESZ26-CME limit 5055 oco 2
        order Sim1 2 SELL 1 MESZ26-CME stop 5045 oco 1
        replace 1 price 5056 as 9
        replace 2 quantity 3
        refuse-order 2 "no margin"
        """
    )
    _, _, replaced, grown, refused = orders(heard)
    assert (replaced.OrderUpdateReason, replaced.ServerOrderID, replaced.PreviousServerOrderID) == (7, "9", "1")
    assert (replaced.Price1, grown.OrderQuantity, grown.OCOLinkedOrderServerOrderID) == (5056.0, 3.0, "9")
    assert (refused.OrderUpdateReason, refused.OrderStatus, refused.InfoText) == (8, 9, "no margin")


def test_a_stop_limit_has_two_prices() -> None:
    """Price1 is the stop, Price2 the limit."""
    (order,) = orders(told("order Sim1 1 SELL 1 MESZ26-CME stop-limit 5040 5039.75"))
    assert (order.Price1, order.Price2, order.AverageFillPrice) == (5040.0, 5039.75, None)


def test_a_correction_has_the_same_id_and_other_content() -> None:
    """N8: told again live and in history."""
    room = Room()
    client = room.connect()
    heard = told("fill Sim1 BUY 1 MESZ26-CME @ 10 id A\ncorrect Sim1 A quantity 2 @ 11", room=room, client=client)
    assert [(o.LastFillExecutionID, o.LastFillQuantity, o.LastFillPrice) for o in orders(heard)] == [
        ("A", 1, 10),
        ("A", 2, 11),
    ]
    assert positions(heard)[-1].Quantity == 2
    request = HistoricalOrderFillsRequest(RequestID=1, TradeAccount="Sim1", NumberOfDays=1)
    (historical,) = [m for m in client.ask(request) if isinstance(m, HistoricalOrderFillResponse)]
    assert (historical.Quantity, historical.Price) == (2, 11)


def test_history_may_know_an_execution_by_another_id() -> None:
    """N6: live ids and history ids from different namespaces."""
    room = Room()
    client = room.connect()
    told("fill Sim1 BUY 1 MESZ26-CME @ 10 id L history-id H", room=room, client=client)
    request = HistoricalOrderFillsRequest(RequestID=1, TradeAccount="Sim1", NumberOfDays=1)
    (historical,) = [m for m in client.ask(request) if isinstance(m, HistoricalOrderFillResponse)]
    assert historical.UniqueExecutionID == "H"


def test_repeats_are_the_same_messages_again() -> None:
    """N4, N7: the last fill or all of them; what was never told live is not among them."""
    room = Room(terms=TERMS + "history Sim1 BUY 1 MESZ26-CME @ 9 id OLD ago 1h")
    client = room.connect()
    first = orders(told("fill Sim1 BUY 1 MESZ26-CME @ 10 id A", room=room, client=client))
    told("away fill Sim1 BUY 1 MESZ26-CME @ 11 id B", room=room, client=client)
    second = orders(told("fill Sim1 SELL 1 MESZ26-CME @ 12 id C", room=room, client=client))
    assert told("repeat last", room=room, client=client) == second
    assert told("repeat all", room=room, client=client) == [*first, *second]


def test_a_position_may_change_without_a_fill() -> None:
    """A break: the server's position differs, and goes on differing."""
    heard = told(
        "fill Sim1 BUY 1 MESZ26-CME @ 10\nposition Sim1 MESZ26-CME 3 @ 11\nfill Sim1 BUY 1 MESZ26-CME @ 15\nrestate"
    )
    assert [(p.Quantity, p.AveragePrice) for p in positions(heard)] == [(1, 10), (3, 11), (4, 12), (4, 12)]


def test_an_account_that_states_no_positions_never_does() -> None:
    """Neither after a fill nor when everything is told again."""
    room = Room(terms=TERMS.replace("Sim1", "Sim1 no-positions"))
    assert not positions(told("fill Sim1 BUY 1 MESZ26-CME @ 10\nrestate", room=room))


def test_what_happens_away_is_told_to_nobody() -> None:
    """N3: found out only by asking."""
    room = Room()
    client = room.connect()
    assert told("away fill Sim1 BUY 1 MESZ26-CME @ 10 id A", room=room, client=client) == []
    assert [m.Quantity for m in client.synchronise() if isinstance(m, HistoricalOrderFillResponse)] == [1]


def test_prices_leave_by_the_multiplier() -> None:
    """P5: the wire has the feed's unit, the dialogue the display price."""
    room = Room(terms="account A\nsymbol S tick 0.25 value 1.25 multiplier 0.01\nextremes on")
    client = room.connect()
    client.ask(MarketDataRequest(SymbolID=1, Symbol="S"))
    heard = told(
        "order A 1 BUY 1 S stop-limit 10 11\nfill A BUY 1 S @ 50.25 order 1\ntick S 51\nrestate",
        room=room,
        client=client,
    )
    accepted, filled = orders(heard)
    assert (accepted.Price1, accepted.Price2) == (1000.0, 1100.0)
    assert (filled.LastFillPrice, filled.AverageFillPrice) == (5025.0, 5025.0)
    stated = positions(heard)[-1]
    assert (stated.AveragePrice, stated.LowPriceDuringPosition, stated.HighPriceDuringPosition) == (5025, 5025, 5100)
    (tick,) = [message for message in heard if isinstance(message, MarketDataUpdateTrade)]
    assert tick.Price == 5100.0


@pytest.mark.parametrize("tick_type", [107, 112, 134, 137, 142, 146, 147])
@pytest.mark.parametrize("encoding", Encoding)
def test_trades_come_in_every_form_a_server_may_use(tick_type: int, encoding: Encoding) -> None:
    """F3, S1: the form the dialogue names, for the symbol id the client chose."""
    room = Room(terms=f"ticks {tick_type}\nsymbol S tick 0.25 value 1")
    client = room.connect(encoding)
    client.ask(MarketDataRequest(SymbolID=77, Symbol="S"))
    (tick,) = told("tick S 5051.25 x 3", room=room, client=client)
    assert tick.type == tick_type
    assert tick.SymbolID == 77  # type: ignore[attr-defined]
    assert getattr(tick, "LastTradePrice" if tick_type == 134 else "Price") == 5051.25
    assert getattr(tick, "LastTradeVolume" if tick_type == 134 else "Volume") == 3
    assert getattr(tick, "AtBidOrAsk", AtBidOrAsk.AT_ASK) == AtBidOrAsk.AT_ASK


def test_market_data_goes_to_who_asked() -> None:
    """101 is answered by 104 with what is known, then by updates until unsubscribed."""
    room = Room()
    client, other = room.connect(), room.connect()
    assert client.ask(MarketDataRequest(SymbolID=1, Symbol="MESZ26-CME")) == [MarketDataSnapshot(SymbolID=1)]
    tick, quote = told("tick MESZ26-CME 5 x 2\nquote MESZ26-CME 4.75 5", room=room, client=client)
    assert tick == MarketDataUpdateTrade(SymbolID=1, Price=5, Volume=2, DateTime=NOON, AtBidOrAsk=2)
    assert quote == MarketDataUpdateBidAsk(SymbolID=1, BidPrice=4.75, AskPrice=5, DateTime=int(NOON))
    known = MarketDataSnapshot(
        SymbolID=2, LastTradePrice=5, LastTradeVolume=2, LastTradeDateTime=NOON, BidPrice=4.75, AskPrice=5
    )
    once = MarketDataRequest(RequestAction=RequestAction.SNAPSHOT, SymbolID=2, Symbol="MESZ26-CME")
    assert client.ask(once) == [known]
    client.ask(MarketDataRequest(RequestAction=RequestAction.UNSUBSCRIBE, SymbolID=1))
    assert told("tick MESZ26-CME 6", room=room, client=client) == []
    assert not other.all(MarketDataUpdateTrade)


@pytest.mark.parametrize(
    ("terms", "text"), [("", "unknown symbol X"), ("market-data off", "market data is not supported")]
)
def test_market_data_may_be_refused(terms: str, text: str) -> None:
    """103 for a symbol nobody declared, and for everything where the server has none to give."""
    client = Room(terms=terms).connect()
    assert client.ask(MarketDataRequest(SymbolID=1, Symbol="X")) == [MarketDataReject(SymbolID=1, RejectText=text)]


def test_a_symbol_that_was_traded_is_known() -> None:
    """Without a declaration there is market data, but no definition."""
    room = Room(terms="account A\nhistory A BUY 1 X @ 5 ago 1h")
    assert room.connect().ask(MarketDataRequest(SymbolID=1, Symbol="X")) == [MarketDataSnapshot(SymbolID=1)]


def test_say_is_a_user_message() -> None:
    """Words for every client, without a popup."""
    assert told('say "good morning"') == [UserMessage(UserMessage="good morning", IsPopupMessage=0)]


@pytest.mark.parametrize("text", ["wait 1", "await"])
def test_waiting_belongs_to_a_script(text: str) -> None:
    """A single line cannot wait."""
    with pytest.raises(UsageError, match="belongs to a script"):
        Room().perform(text)


def test_a_line_at_run_time_knows_what_happened() -> None:
    """Names that exist at the venue may be used, others are refused with a remedy."""
    room = Room()
    room.perform("order Sim1 5 BUY 1 MESZ26-CME limit 5")
    room.perform("fill Sim1 BUY 1 MESZ26-CME @ 5 id A order 5")
    room.perform("correct Sim1 A @ 6")
    room.perform("replace 5 quantity 2 as 6")
    with pytest.raises(UsageError, match="unknown order '5'"):
        room.perform("cancel 5")
