"""What a venue tells about its orders, fills and positions, as messages.

Pure. Prices leave here as the wire has them: the display price divided by the instrument's multiplier.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from dtcpos.dtc import BuySell, OrderStatus, OrderUpdate, OrderUpdateReason, PositionUpdate, TimeInForce
from dtcpos.model import ZERO, Side

if TYPE_CHECKING:
    from dtcpos.sim.books import Execution
    from dtcpos.sim.venue import Venue, VenueOrder

BUY_SELL = {Side.BUY: BuySell.BUY, Side.SELL: BuySell.SELL}


def wire_price(venue: Venue, symbol: str, price: Decimal) -> float:
    """Return a display price as it goes on the wire."""
    return float(price / venue.multiplier(symbol))


def order_update(
    venue: Venue,
    order: VenueOrder,
    reason: OrderUpdateReason,
    *,
    text: str = "",
    previous_id: str = "",
    request_id: int = 0,
    place: tuple[int, int] = (1, 1),
) -> OrderUpdate:
    """Return the state of an order; `place` is its number in the batch and the size of the batch.

    It never carries a last fill: only reasons 4 and 5 may, and `fill_update` makes those.
    """
    average = order.notional / order.filled if order.filled else None
    return OrderUpdate(
        RequestID=request_id,
        MessageNumber=place[0],
        TotalNumMessages=place[1],
        Symbol=order.symbol,
        PreviousServerOrderID=previous_id,
        ServerOrderID=order.order_id,
        OrderStatus=order.status,
        OrderUpdateReason=reason,
        OrderType=order.order_type,
        BuySell=BUY_SELL[order.side],
        Price1=None if order.price1 is None else wire_price(venue, order.symbol, order.price1),
        Price2=None if order.price2 is None else wire_price(venue, order.symbol, order.price2),
        TimeInForce=TimeInForce.DAY,
        OrderQuantity=float(order.quantity),
        FilledQuantity=float(order.filled),
        RemainingQuantity=float(max(ZERO, order.quantity - order.filled)) if order.is_working else 0.0,
        AverageFillPrice=None if average is None else wire_price(venue, order.symbol, average),
        TradeAccount=order.account,
        InfoText=text,
        ParentServerOrderID=order.parent_id,
        OCOLinkedOrderServerOrderID=order.oco_id,
        OrderReceivedDateTime=int(order.received_s),
    )


def fill_update(venue: Venue, execution: Execution, order: VenueOrder | None) -> OrderUpdate:
    """Return an execution as it is told live.

    A fill is a 301 with reason 4 or 5 and nothing else; LastFillDateTime is in milliseconds (DTC documentation,
    trading related messages).
    """
    is_done = execution.cumulative >= execution.order_quantity
    reason = OrderUpdateReason.ORDER_FILLED if is_done else OrderUpdateReason.ORDER_FILLED_PARTIALLY
    price1 = order.price1 if order else None
    price2 = order.price2 if order else None
    return OrderUpdate(
        MessageNumber=1,
        TotalNumMessages=1,
        Symbol=execution.symbol,
        ServerOrderID=execution.order_id,
        OrderStatus=OrderStatus.FILLED if is_done else OrderStatus.PARTIALLY_FILLED,
        OrderUpdateReason=reason,
        OrderType=order.order_type if order else 1,
        BuySell=BUY_SELL[execution.side],
        Price1=None if price1 is None else wire_price(venue, execution.symbol, price1),
        Price2=None if price2 is None else wire_price(venue, execution.symbol, price2),
        TimeInForce=TimeInForce.DAY,
        OrderQuantity=float(execution.order_quantity),
        FilledQuantity=float(execution.cumulative),
        RemainingQuantity=float(max(ZERO, execution.order_quantity - execution.cumulative)),
        AverageFillPrice=wire_price(venue, execution.symbol, execution.notional / execution.cumulative),
        LastFillPrice=wire_price(venue, execution.symbol, execution.price),
        LastFillDateTime=round(execution.time_s * 1000),
        LastFillQuantity=float(execution.quantity),
        LastFillExecutionID=execution.execution_id,
        TradeAccount=execution.account,
        ParentServerOrderID=order.parent_id if order else "",
        OCOLinkedOrderServerOrderID=order.oco_id if order else "",
        OrderReceivedDateTime=int(order.received_s) if order else int(execution.time_s),
        LatestTransactionDateTime=execution.time_s,
    )


def position_update(
    venue: Venue, account: str, symbol: str, *, request_id: int = 0, place: tuple[int, int] = (1, 1)
) -> PositionUpdate:
    """Return a position as it stands; with no request it is marked as unsolicited."""
    holding = venue.holding(account, symbol)
    states_extremes = venue.dialogue.states_extremes
    high = holding.high if states_extremes and holding.high is not None else ZERO
    low = holding.low if states_extremes and holding.low is not None else ZERO
    return PositionUpdate(
        RequestID=request_id,
        MessageNumber=place[0],
        TotalNumberMessages=place[1],
        Symbol=symbol,
        Quantity=float(holding.signed_quantity),
        AveragePrice=wire_price(venue, symbol, holding.average_price),
        TradeAccount=account,
        Unsolicited=int(not request_id),
        EntryDateTime=max(0, int(holding.opened_at_s)) if holding.opened_at_s > 0 and holding.signed_quantity else 0,
        HighPriceDuringPosition=wire_price(venue, symbol, high),
        LowPriceDuringPosition=wire_price(venue, symbol, low),
    )
