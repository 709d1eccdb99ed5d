"""What a venue answers when it is asked: one function a request, each returning the whole batch.

Pure. The forms of the answers, empty ones and refusals included, are those of the DTC documentation (trading related,
account list, account balance and symbol discovery messages).
"""

from __future__ import annotations

from collections.abc import Callable

from dtcpos.dtc import (
    AccountBalanceReject,
    AccountBalanceRequest,
    AccountBalanceUpdate,
    CurrentPositionsReject,
    CurrentPositionsRequest,
    ExchangeListRequest,
    ExchangeListResponse,
    HistoricalOrderFillResponse,
    HistoricalOrderFillsReject,
    HistoricalOrderFillsRequest,
    MarketDataReject,
    MarketDataRequest,
    Message,
    OpenOrdersReject,
    OpenOrdersRequest,
    OrderUpdate,
    OrderUpdateReason,
    PositionUpdate,
    SecurityDefinitionForSymbolRequest,
    SecurityDefinitionReject,
    SecurityDefinitionResponse,
    SecurityDefinitionResponseV2,
    SecurityType,
    TradeAccountResponse,
    TradeAccountsRequest,
)
from dtcpos.model import ZERO
from dtcpos.sim.books import Execution
from dtcpos.sim.reports import BUY_SELL, order_update, position_update, wire_price
from dtcpos.sim.steps import Kind
from dtcpos.sim.venue import Venue

KIND_OF: dict[type[Message], Kind] = {
    TradeAccountsRequest: Kind.ACCOUNTS,
    HistoricalOrderFillsRequest: Kind.HISTORY,
    CurrentPositionsRequest: Kind.POSITIONS,
    OpenOrdersRequest: Kind.ORDERS,
    AccountBalanceRequest: Kind.BALANCES,
    ExchangeListRequest: Kind.EXCHANGES,
    SecurityDefinitionForSymbolRequest: Kind.DEFINITIONS,
    MarketDataRequest: Kind.MARKET_DATA,
}
_DAY_S = 86400.0
# Sierra also takes microseconds in StartDateTime; what would be before 1973 as microseconds is seconds.
_MICROSECONDS_MIN = 10**14


def answer(venue: Venue, request: Message, now: float) -> list[Message]:
    """Return everything the venue says to a request, in order.

    A market data request is answered by the session, which knows the symbols its client asked for.
    """
    match request:
        case TradeAccountsRequest():
            return _accounts(venue, request)
        case HistoricalOrderFillsRequest():
            return _history(venue, request, now)
        case CurrentPositionsRequest():
            return _positions(venue, request)
        case OpenOrdersRequest():
            return _orders(venue, request)
        case AccountBalanceRequest():
            return _balances(venue, request)
        case ExchangeListRequest():
            return _exchanges(venue, request)
        case _:
            assert isinstance(request, SecurityDefinitionForSymbolRequest)
            return [_definition(venue, request)]


def reject(request: Message, text: str) -> Message:
    """Return the refusal of a request; only for those DTC has a refusal for."""
    return _REJECTS[type(request)](request, text)


# The arguments are a request and the words of its refusal.
_REJECTS: dict[type[Message], Callable[..., Message]] = {
    HistoricalOrderFillsRequest: lambda asked, text: HistoricalOrderFillsReject(
        RequestID=asked.RequestID, RejectText=text
    ),
    CurrentPositionsRequest: lambda asked, text: CurrentPositionsReject(RequestID=asked.RequestID, RejectText=text),
    OpenOrdersRequest: lambda asked, text: OpenOrdersReject(RequestID=asked.RequestID, RejectText=text),
    AccountBalanceRequest: lambda asked, text: AccountBalanceReject(RequestID=asked.RequestID, RejectText=text),
    SecurityDefinitionForSymbolRequest: lambda asked, text: SecurityDefinitionReject(
        RequestID=asked.RequestID, RejectText=text
    ),
    MarketDataRequest: lambda asked, text: MarketDataReject(SymbolID=asked.SymbolID, RejectText=text),
}


def _accounts(venue: Venue, request: TradeAccountsRequest) -> list[Message]:
    if not venue.accounts:
        return [TradeAccountResponse(TotalNumberMessages=1, MessageNumber=1, RequestID=request.RequestID)]
    return [
        TradeAccountResponse(
            TotalNumberMessages=len(venue.accounts),
            MessageNumber=number,
            TradeAccount=account.name,
            RequestID=request.RequestID,
            TradingIsDisabled=int(account.is_disabled),
        )
        for number, account in enumerate(venue.accounts.values(), 1)
    ]


def _history(venue: Venue, request: HistoricalOrderFillsRequest, now: float) -> list[Message]:
    # Sierra refuses without an account, in these words; both limits at 0 must be refused by any server.
    if not request.TradeAccount:
        return [reject(request, "TradeAccount is not set")]
    if request.TradeAccount not in venue.accounts:
        return [reject(request, f"TradeAccount {request.TradeAccount} is unknown")]
    if not request.StartDateTime and not request.NumberOfDays:
        return [reject(request, "neither StartDateTime nor NumberOfDays is set")]
    fills = [
        (execution, after)
        for execution, after in _fills_of(venue, request.TradeAccount)
        if execution.time_s >= _since(request, now) and request.ServerOrderID in ("", execution.order_id)
    ]
    if not fills:
        return [
            HistoricalOrderFillResponse(
                RequestID=request.RequestID,
                TotalNumberMessages=1,
                MessageNumber=1,
                TradeAccount=request.TradeAccount,
                NoOrderFills=1,
            )
        ]
    return [
        _historical_fill(venue, request.RequestID, fill, (number, len(fills))) for number, fill in enumerate(fills, 1)
    ]


_Stated = tuple[Execution, float]


def _fills_of(venue: Venue, account: str) -> list[_Stated]:
    stated = [
        (execution, float(after if execution.position_after is None else execution.position_after))
        for (holder, _), holding in venue.holdings.items()
        if holder == account
        for execution, after in holding.executions()
    ]
    stated.sort(key=lambda pair: (pair[0].time_s, pair[0].ordinal), reverse=venue.dialogue.newest_first)
    return stated


def _since(request: HistoricalOrderFillsRequest, now: float) -> float:
    start = request.StartDateTime
    if start >= _MICROSECONDS_MIN:
        return start / 1_000_000
    return float(start) if start else now - request.NumberOfDays * _DAY_S


def _historical_fill(venue: Venue, request_id: int, fill: _Stated, place: tuple[int, int]) -> Message:
    execution, after = fill
    return HistoricalOrderFillResponse(
        RequestID=request_id,
        MessageNumber=place[0],
        TotalNumberMessages=place[1],
        Symbol=execution.symbol,
        ServerOrderID=execution.order_id,
        BuySell=BUY_SELL[execution.side],
        Price=wire_price(venue, execution.symbol, execution.price),
        DateTime=int(execution.time_s),
        Quantity=float(execution.quantity),
        UniqueExecutionID=execution.history_id,
        TradeAccount=execution.account,
        PositionQuantity=after if venue.accounts[execution.account].states_after else None,
    )


def _positions(venue: Venue, request: CurrentPositionsRequest) -> list[Message]:
    # Sierra's answer lists symbols traded before with quantity 0.
    keys = [
        key
        for key in venue.holdings
        if request.TradeAccount in ("", key[0]) and venue.accounts[key[0]].states_positions
    ]
    if not keys:
        return [
            PositionUpdate(
                RequestID=request.RequestID,
                TotalNumberMessages=1,
                MessageNumber=1,
                TradeAccount=request.TradeAccount,
                NoPositions=1,
            )
        ]
    return [
        position_update(venue, account, symbol, request_id=request.RequestID, place=(number, len(keys)))
        for number, (account, symbol) in enumerate(keys, 1)
    ]


def _orders(venue: Venue, request: OpenOrdersRequest) -> list[Message]:
    orders = [
        order
        for order in venue.orders.values()
        if order.is_working
        and request.TradeAccount in ("", order.account)
        and (request.RequestAllOrders or request.ServerOrderID in ("", order.order_id))
    ]
    reason = OrderUpdateReason.OPEN_ORDERS_REQUEST_RESPONSE
    if not orders:
        return [
            OrderUpdate(
                RequestID=request.RequestID,
                TotalNumMessages=1,
                MessageNumber=1,
                OrderUpdateReason=reason,
                TradeAccount=request.TradeAccount,
                NoOrders=1,
            )
        ]
    return [
        order_update(venue, order, reason, request_id=request.RequestID, place=(number, len(orders)))
        for number, order in enumerate(orders, 1)
    ]


def _balances(venue: Venue, request: AccountBalanceRequest) -> list[Message]:
    accounts = [
        account
        for account in venue.accounts.values()
        if account.balance is not None and request.TradeAccount in ("", account.name)
    ]
    if not accounts:
        return [
            AccountBalanceUpdate(
                RequestID=request.RequestID,
                TotalNumberMessages=1,
                MessageNumber=1,
                TradeAccount=request.TradeAccount,
                NoAccountBalances=1,
            )
        ]
    return [
        AccountBalanceUpdate(
            RequestID=request.RequestID,
            CashBalance=float(account.balance or ZERO),
            BalanceAvailableForNewPositions=float(account.balance or ZERO),
            AccountCurrency="USD",
            TradeAccount=account.name,
            TotalNumberMessages=len(accounts),
            MessageNumber=number,
        )
        for number, account in enumerate(accounts, 1)
    ]


def _exchanges(venue: Venue, request: ExchangeListRequest) -> list[Message]:
    names = venue.dialogue.exchanges or ("",)
    return [
        ExchangeListResponse(RequestID=request.RequestID, Exchange=name, IsFinalMessage=int(number == len(names)))
        for number, name in enumerate(names, 1)
    ]


def _definition(venue: Venue, request: SecurityDefinitionForSymbolRequest) -> Message:
    terms = venue.instruments.get(request.Symbol)
    if terms is None:
        return SecurityDefinitionResponse(RequestID=request.RequestID, IsFinalMessage=1)
    # 510 is the same with doubles for the floats of 507.
    kind = SecurityDefinitionResponseV2 if venue.dialogue.definition_type == 510 else SecurityDefinitionResponse
    return kind(
        RequestID=request.RequestID,
        Symbol=terms.symbol,
        SecurityType=SecurityType.FUTURES,
        Description=terms.description,
        MinPriceIncrement=float(terms.tick),
        PriceDisplayFormat=terms.price_format,
        CurrencyValuePerIncrement=float(terms.value),
        IsFinalMessage=1,
        DisplayPriceMultiplier=float(terms.multiplier),
        Currency=terms.currency,
    )
