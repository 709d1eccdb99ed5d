"""What the venue answers when it is asked: batches, empty forms, refusals."""

from __future__ import annotations

import pytest

from dtcpos.dtc import (
    AccountBalanceRequest,
    AccountBalanceUpdate,
    CurrentPositionsRequest,
    Encoding,
    ExchangeListRequest,
    ExchangeListResponse,
    HistoricalOrderFillResponse,
    HistoricalOrderFillsReject,
    HistoricalOrderFillsRequest,
    Message,
    OpenOrdersRequest,
    OrderUpdate,
    PositionUpdate,
    SecurityDefinitionForSymbolRequest,
    SecurityDefinitionResponse,
    SecurityDefinitionResponseV2,
    TradeAccountResponse,
    TradeAccountsRequest,
)
from tests.sim.client import NOON, TERMS, Room

PAST = """
held 120005 MNQZ26-CME -2 @ 18200.25
history Sim1 BUY 1 MESZ26-CME @ 5050.25 id E-1 order 1001 of 2 ago 3h
history Sim1 BUY 1 MESZ26-CME @ 5051.25 id E-2 order 1001 ago 2h
history Sim1 SELL 2 MESZ26-CME @ 5052 id E-3 order 1002 ago 1h position 7
order 120005 2001 BUY 1 MNQZ26-CME stop 18300
order 120005 2002 BUY 1 MNQZ26-CME limit 18100
order Sim1 2003 SELL 1 MESZ26-CME limit 5060 status canceled
"""


def ask(request: Message, *, terms: str = TERMS + PAST) -> list[Message]:
    return Room(terms=terms).connect().ask(request)


def test_accounts_are_numbered_to_the_total() -> None:
    """A batch is complete when MessageNumber reaches the total."""
    answers = ask(TradeAccountsRequest(RequestID=9), terms=TERMS + "account A3 disabled")
    assert answers == [
        TradeAccountResponse(TotalNumberMessages=3, MessageNumber=1, TradeAccount="120005", RequestID=9),
        TradeAccountResponse(TotalNumberMessages=3, MessageNumber=2, TradeAccount="Sim1", RequestID=9),
        TradeAccountResponse(
            TotalNumberMessages=3, MessageNumber=3, TradeAccount="A3", RequestID=9, TradingIsDisabled=1
        ),
    ]


def test_history_tells_fills_in_whole_seconds_with_the_position_after() -> None:
    """304 knows seconds only, always a positive quantity, and states the position after each fill."""
    answers = ask(HistoricalOrderFillsRequest(RequestID=2, TradeAccount="Sim1", NumberOfDays=1))
    assert answers[0] == HistoricalOrderFillResponse(
        RequestID=2,
        MessageNumber=1,
        TotalNumberMessages=3,
        Symbol="MESZ26-CME",
        ServerOrderID="1001",
        BuySell=1,
        Price=5050.25,
        DateTime=int(NOON) - 3 * 3600,
        Quantity=1.0,
        UniqueExecutionID="E-1",
        TradeAccount="Sim1",
        PositionQuantity=1.0,
    )
    fills = [answer for answer in answers if isinstance(answer, HistoricalOrderFillResponse)]
    assert [fill.PositionQuantity for fill in fills] == [1.0, 2.0, 7.0]


@pytest.mark.parametrize(
    ("limits", "ids"),
    [
        ({"NumberOfDays": 30}, ["E-1", "E-2", "E-3"]),
        ({"StartDateTime": int(NOON) - 5000}, ["E-3"]),
        ({"StartDateTime": (int(NOON) - 8000) * 1_000_000}, ["E-2", "E-3"]),
        ({"StartDateTime": int(NOON) - 8000, "NumberOfDays": 30}, ["E-2", "E-3"]),
        ({"NumberOfDays": 30, "ServerOrderID": "1002"}, ["E-3"]),
    ],
)
def test_history_honours_its_limits(limits: dict[str, int], ids: list[str]) -> None:
    """StartDateTime wins over NumberOfDays and may be in microseconds."""
    answers = ask(HistoricalOrderFillsRequest(RequestID=2, TradeAccount="Sim1", **limits))
    assert [answer.UniqueExecutionID for answer in answers if isinstance(answer, HistoricalOrderFillResponse)] == ids


def test_history_may_come_newest_first_and_without_positions() -> None:
    """No order of the batch is promised, and simulated accounts were seen without PositionQuantity."""
    terms = "history-order newest\n" + TERMS.replace("Sim1", "Sim1 no-position-after") + PAST
    answers = ask(HistoricalOrderFillsRequest(RequestID=2, TradeAccount="Sim1", NumberOfDays=1), terms=terms)
    fills = [answer for answer in answers if isinstance(answer, HistoricalOrderFillResponse)]
    assert [fill.UniqueExecutionID for fill in fills] == ["E-3", "E-2", "E-1"]
    assert [fill.PositionQuantity for fill in fills] == [None, None, None]


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"NumberOfDays": 30}, "TradeAccount is not set"),
        ({"TradeAccount": "X", "NumberOfDays": 30}, "TradeAccount X is unknown"),
        ({"TradeAccount": "Sim1"}, "neither StartDateTime nor NumberOfDays is set"),
    ],
)
def test_history_refuses_as_sierra_does(asked: dict[str, str | int], text: str) -> None:
    """N11: 308 with the server's words, never an empty batch."""
    assert ask(HistoricalOrderFillsRequest(RequestID=2, **asked)) == [
        HistoricalOrderFillsReject(RequestID=2, RejectText=text)
    ]


def test_positions_list_what_was_traded_before_as_flat() -> None:
    """Quantity 0 with NoPositions 0 is flat for that symbol, as in Sierra's answers."""
    both = ask(CurrentPositionsRequest(RequestID=3))
    assert [(p.TradeAccount, p.Quantity, p.AveragePrice) for p in both if isinstance(p, PositionUpdate)] == [
        ("120005", -2.0, 18200.25),
        ("Sim1", 0.0, 0.0),
    ]
    one = ask(CurrentPositionsRequest(RequestID=3, TradeAccount="Sim1"))
    assert one == [
        PositionUpdate(RequestID=3, TotalNumberMessages=1, MessageNumber=1, Symbol="MESZ26-CME", TradeAccount="Sim1")
    ]


def test_an_account_may_never_appear_among_positions() -> None:
    """Accounts of chart simulation may be left out of every snapshot."""
    terms = TERMS.replace("Sim1", "Sim1 no-positions") + PAST
    answers = ask(CurrentPositionsRequest(RequestID=3, TradeAccount="Sim1"), terms=terms)
    assert [answer.NoPositions for answer in answers if isinstance(answer, PositionUpdate)] == [1]


def test_open_orders_are_working_orders_and_never_fills() -> None:
    """Reason 1 and no last fill: an order told again is no execution."""
    answers = ask(OpenOrdersRequest(RequestID=4))
    orders = [answer for answer in answers if isinstance(answer, OrderUpdate)]
    assert [(o.ServerOrderID, o.OrderUpdateReason, o.OrderStatus, o.LastFillPrice) for o in orders] == [
        ("2001", 1, 4, None),
        ("2002", 1, 4, None),
    ]
    assert [(o.MessageNumber, o.TotalNumMessages, o.NoOrders) for o in orders] == [(1, 2, 0), (2, 2, 0)]
    one = ask(OpenOrdersRequest(RequestID=4, RequestAllOrders=0, ServerOrderID="2002", TradeAccount="120005"))
    assert [order.ServerOrderID for order in one if isinstance(order, OrderUpdate)] == ["2002"]


def test_balances_of_the_accounts_that_have_one() -> None:
    """One 600 an account."""
    terms = "account A balance 1000.5\naccount B balance 7\naccount C"
    answers = ask(AccountBalanceRequest(RequestID=5), terms=terms)
    balances = [answer for answer in answers if isinstance(answer, AccountBalanceUpdate)]
    assert [(b.TradeAccount, b.CashBalance, b.MessageNumber, b.TotalNumberMessages) for b in balances] == [
        ("A", 1000.5, 1, 2),
        ("B", 7.0, 2, 2),
    ]


def test_exchanges_end_with_the_final_message() -> None:
    """IsFinalMessage is on the last one only."""
    answers = ask(ExchangeListRequest(RequestID=6), terms="exchange CME\nexchange NYMEX")
    assert answers == [
        ExchangeListResponse(RequestID=6, Exchange="CME"),
        ExchangeListResponse(RequestID=6, Exchange="NYMEX", IsFinalMessage=1),
    ]


def test_a_definition_states_money_per_increment() -> None:
    """P4: CurrencyValuePerIncrement is per tick; the display multiplier goes with it."""
    terms = "symbol CLZ26 tick 0.01 value 10 multiplier 0.01 currency EUR format 2 description Crude"
    assert ask(SecurityDefinitionForSymbolRequest(RequestID=7, Symbol="CLZ26"), terms=terms) == [
        SecurityDefinitionResponse(
            RequestID=7,
            Symbol="CLZ26",
            SecurityType=1,
            Description="Crude",
            MinPriceIncrement=0.01,
            PriceDisplayFormat=2,
            CurrencyValuePerIncrement=10.0,
            IsFinalMessage=1,
            DisplayPriceMultiplier=0.01,
            Currency="EUR",
        )
    ]


@pytest.mark.parametrize("encoding", [Encoding.BINARY, Encoding.JSON, Encoding.JSON_COMPACT])
def test_a_definition_may_come_in_doubles(encoding: Encoding) -> None:
    """P4: 510, where 0.01 is exact."""
    room = Room(terms="definitions 510\nsymbol CLZ26 tick 0.01 value 10")
    (definition,) = room.connect(encoding).ask(SecurityDefinitionForSymbolRequest(RequestID=7, Symbol="CLZ26"))
    assert isinstance(definition, SecurityDefinitionResponseV2)
    assert (definition.MinPriceIncrement, definition.CurrencyValuePerIncrement) == (0.01, 10.0)


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize(
    ("request_", "empty"),
    [
        (
            TradeAccountsRequest(RequestID=1),
            TradeAccountResponse(TotalNumberMessages=1, MessageNumber=1, RequestID=1),
        ),
        (
            CurrentPositionsRequest(RequestID=1),
            PositionUpdate(RequestID=1, TotalNumberMessages=1, MessageNumber=1, NoPositions=1),
        ),
        (
            OpenOrdersRequest(RequestID=1),
            OrderUpdate(RequestID=1, TotalNumMessages=1, MessageNumber=1, OrderUpdateReason=1, NoOrders=1),
        ),
        (
            AccountBalanceRequest(RequestID=1),
            AccountBalanceUpdate(RequestID=1, TotalNumberMessages=1, MessageNumber=1, NoAccountBalances=1),
        ),
        (ExchangeListRequest(RequestID=1), ExchangeListResponse(RequestID=1, IsFinalMessage=1)),
        (
            SecurityDefinitionForSymbolRequest(RequestID=1, Symbol="X"),
            SecurityDefinitionResponse(RequestID=1, IsFinalMessage=1),
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Message) else None,
)
def test_nothing_to_report_has_its_own_form(request_: Message, empty: Message, encoding: Encoding) -> None:
    """S1: one message that says so, in every encoding."""
    assert Room(terms="").connect(encoding).ask(request_) == [empty]


def test_no_fills_has_its_own_form() -> None:
    """NoOrderFills, for the account that was asked."""
    request = HistoricalOrderFillsRequest(RequestID=1, TradeAccount="Sim1", NumberOfDays=30)
    assert ask(request, terms=TERMS) == [
        HistoricalOrderFillResponse(
            RequestID=1, TotalNumberMessages=1, MessageNumber=1, TradeAccount="Sim1", NoOrderFills=1
        )
    ]
