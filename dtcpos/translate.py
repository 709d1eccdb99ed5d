"""The one door between the protocol's words and ours.

What comes in is a message; what goes out is a noun of `model`, None where the message does not speak of that thing, or
`Unusable` where it claims to and cannot be meant: not a number, a quantity of nothing, a date out of this world. The
caller counts what is unusable; nothing of it reaches the ledger.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import lru_cache

from attrs import frozen

from dtcpos.dtc import (
    BuySell,
    HistoricalOrderFillResponse,
    MarketDataSnapshot,
    MarketDataUpdateLastTradeSnapshot,
    MarketDataUpdateTrade,
    MarketDataUpdateTradeCompact,
    MarketDataUpdateTradeNoTimestamp,
    MarketDataUpdateTradeV2,
    MarketDataUpdateTradeWithUnbundledIndicator,
    MarketDataUpdateTradeWithUnbundledIndicator2,
    Message,
    OrderUpdate,
    OrderUpdateReason,
    PositionUpdate,
    SecurityDefinitionResponse,
    SecurityDefinitionResponseV2,
    raw_reader,
    text_of_raw,
)
from dtcpos.model import (
    RULE_BY_HAND,
    Account,
    Fill,
    Instrument,
    Mode,
    ReportedPosition,
    Side,
    Source,
    WorkingOrder,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Nothing that trades over this protocol is older, and a date further off is a broken field, not an appointment.
_TIME_MIN_S = 946_684_800  # 2000-01-01
_TIME_MAX_S = 4_102_444_800  # 2100-01-01
# Magnitudes tell seconds, milliseconds and microseconds apart: the header's own unit changed between versions.
_SECONDS_MAX = 10**11
_MILLISECONDS_MAX = 10**14
# Exact sums have to stay exact: no price or quantity in use lies outside, every denormal and overflow does.
_MAGNITUDE_MAX = 1e15
_MAGNITUDE_MIN = 1e-12
# The names in one message together: structs hold a quarter of it, JSON and variable-length strings anything at all.
TEXT_LENGTH_MAX = 1024
# A decimal of a 32-bit float has at most 9 digits; the double made from it shows 15 or more unless it is exact.
_FLOAT32_DIGITS_MAX = 11
_SIDES: dict[int, Side] = {BuySell.BUY: Side.BUY, BuySell.SELL: Side.SELL}
_FILLED = (OrderUpdateReason.ORDER_FILLED, OrderUpdateReason.ORDER_FILLED_PARTIALLY)
_OVERFILL = ("overfill",)
_SIM_WORDS = ("sim", "demo", "paper")
_BY_SETTINGS = "settings: "


@frozen
class Unusable:
    """A message that claims a fact which cannot be meant; `reason` names the field and its value."""

    reason: str


@lru_cache(maxsize=4096)
def decimal_of(value: float) -> Decimal | None:
    """Return the shortest decimal that names a wire double, None where it is no price or quantity at all."""
    if not math.isfinite(value):
        return None
    size = abs(value)
    if size >= _MAGNITUDE_MAX or 0 < size < _MAGNITUDE_MIN:
        return None
    whole = int(value)
    return Decimal(whole) if whole == value else Decimal(repr(value))


def decimal_of_float32(value: float) -> Decimal | None:
    """Return the shortest decimal that names a value which may have travelled as a 32-bit float.

    A double that no 32-bit float can hold is read as it is, and so is one whose own decimal is short: binary fractions
    such as 118.0078125 are exact in both.
    """
    exact = decimal_of(value)
    if exact is None or len(exact.as_tuple().digits) <= _FLOAT32_DIGITS_MAX:
        return exact
    try:
        wire = struct.pack("<f", value)
    except OverflowError:
        return exact
    if struct.unpack("<f", wire)[0] != value:
        return exact
    for digits in range(6, 10):
        text = f"{value:.{digits}g}"
        if struct.pack("<f", float(text)) == wire:
            return decimal_of(float(text))
    return exact


def units_a_second(wire: float) -> int:
    """Return how many of a wire time's units make a second, told by its magnitude."""
    if abs(wire) < _SECONDS_MAX:
        return 1
    return 1_000 if abs(wire) < _MILLISECONDS_MAX else 1_000_000


def moment_of(wire: float) -> tuple[datetime, bool] | None:
    """Return the time a wire number means and whether it is finer than a second; None where it is out of this world.

    Seconds, milliseconds and microseconds since 1970 are told apart by magnitude. UTC.
    """
    if isinstance(wire, int):
        # What executions have, milliseconds as they happen and seconds in history, takes half the time of any number.
        if _TIME_MIN_S * 1_000 <= wire < _TIME_MAX_S * 1_000:
            return _EPOCH + timedelta(0, 0, wire * 1_000), True
        if _TIME_MIN_S <= wire < _TIME_MAX_S:
            return _EPOCH + timedelta(0, wire), False
    if not math.isfinite(wire):
        return None
    if abs(wire) < _SECONDS_MAX:
        is_exact = wire != int(wire)
        microseconds = round(wire * 1_000_000)
    elif abs(wire) < _MILLISECONDS_MAX:
        is_exact, microseconds = True, round(wire * 1_000)
    else:
        is_exact, microseconds = True, int(wire)
    if not _TIME_MIN_S * 1_000_000 <= microseconds < _TIME_MAX_S * 1_000_000:
        return None
    return _EPOCH + timedelta(microseconds=microseconds), is_exact


_execution = raw_reader(
    OrderUpdate,
    "OrderUpdateReason",
    "BuySell",
    "LastFillPrice",
    "LastFillQuantity",
    "LastFillDateTime",
    "OrderQuantity",
    "FilledQuantity",
    "Symbol",
    "TradeAccount",
    "LastFillExecutionID",
    "ServerOrderID",
    "ParentServerOrderID",
)
_order = raw_reader(
    OrderUpdate,
    "NoOrders",
    "TradeAccount",
    "Symbol",
    "ServerOrderID",
    "BuySell",
    "OrderType",
    "OrderStatus",
    "Price1",
    "Price2",
    "OrderQuantity",
    "FilledQuantity",
    "ParentServerOrderID",
    "OCOLinkedOrderServerOrderID",
)
# The names that come again with every message, orders' among them: a hit costs half of reading the text.
name_of = lru_cache(maxsize=4096)(text_of_raw)


def fill_of(update: OrderUpdate, *, received_at: datetime) -> Fill | Unusable | None:
    """Return the execution an order update reports, None unless it reports one.

    Only the reasons filled and filled partially mean a new execution; a status alone never does (DTC documentation,
    "Order Entry and Modification: OrderUpdateReason"). A fill without a time is given the time it was received.
    """
    (
        why, buy_sell, price_told, quantity_told, filled_at, ordered_told, filled_told, symbol, account, execution_id,
        order_id, parent_id,
    ) = _execution(update)  # fmt: skip
    if why not in _FILLED:
        return None
    side = _SIDES.get(buy_sell)
    if side is None:
        return Unusable(f"BuySell {buy_sell} of an execution")
    # What is unset lies outside the magnitudes of any price or quantity, so it is None here.
    price, quantity = decimal_of(price_told), decimal_of(quantity_told)
    if price is None:
        return Unusable(f"LastFillPrice {update.LastFillPrice} of an execution")
    if quantity is None or quantity <= 0:
        return Unusable(f"LastFillQuantity {update.LastFillQuantity} of an execution")
    symbol = name_of(symbol)
    if not symbol:
        return Unusable("an execution without a Symbol")
    time, is_exact = received_at, True
    if filled_at:
        moment = moment_of(filled_at)
        if moment is None:
            return Unusable(f"LastFillDateTime {filled_at} of an execution")
        time, is_exact = moment
    # After an execution nothing can be filled 0: a server that writes zeros for what it does not know means unknown.
    cumulative, ordered = decimal_of(filled_told) or None, decimal_of(ordered_told)
    overfilled = cumulative is not None and ordered is not None and 0 < ordered < cumulative
    account, execution_id, order_id = name_of(account), text_of_raw(execution_id), name_of(order_id)
    flags = _OVERFILL if overfilled else ()
    # By place, in the noun's order: naming the fields takes twice as long.
    stated = symbol, side, quantity, price, time, is_exact, execution_id, order_id, name_of(parent_id), cumulative
    fill = Fill(account, *stated, None, None, Source.LIVE, None, flags, "", "301")
    return fill if _is_short(fill) else Unusable("texts too long to be names of an execution")


def _is_short(fill: Fill) -> bool:
    texts = len(fill.account) + len(fill.symbol) + len(fill.execution_id) + len(fill.order_id)
    return texts + len(fill.parent_order_id) <= TEXT_LENGTH_MAX


_past_execution = raw_reader(
    HistoricalOrderFillResponse,
    "BuySell",
    "Price",
    "Quantity",
    "DateTime",
    "Symbol",
    "TradeAccount",
    "UniqueExecutionID",
    "ServerOrderID",
    "PositionQuantity",
)


def historical_fill_of(response: HistoricalOrderFillResponse, *, account: str, place: int) -> Fill | Unusable:
    """Return the execution a historical fill states.

    `account` is the one the history was asked for, used where the server leaves the field empty; `place` is the
    ordinal of the response within its symbol and second.
    """
    buy_sell, price_told, quantity_told, filled_at, symbol, named, execution_id, order_id, after = _past_execution(
        response
    )
    side = _SIDES.get(buy_sell)
    if side is None:
        return Unusable(f"BuySell {buy_sell} of a historical fill")
    price, quantity, moment = decimal_of(price_told), decimal_of(quantity_told), moment_of(filled_at)
    if price is None:
        return Unusable(f"Price {price_told} of a historical fill")
    if quantity is None or quantity <= 0:
        return Unusable(f"Quantity {quantity_told} of a historical fill")
    if moment is None:
        return Unusable(f"DateTime {filled_at} of a historical fill")
    symbol = name_of(symbol)
    if not symbol:
        return Unusable("a historical fill without a Symbol")
    time, is_exact = moment
    account, execution_id, order_id = name_of(named) or account, text_of_raw(execution_id), name_of(order_id)
    stated = symbol, side, quantity, price, time, is_exact, execution_id, order_id, "", None, decimal_of(after), place
    fill = Fill(account, *stated, Source.BACKFILL, None, (), "", "304")
    return fill if _is_short(fill) else Unusable("texts too long to be names of a historical fill")


def reported_of(update: PositionUpdate, *, account: str = "") -> ReportedPosition | Unusable:
    """Return the position a server states; quantity zero is flat. An average of zero is a price."""
    quantity = _number(update.Quantity)
    if quantity is None:
        return Unusable(f"Quantity {update.Quantity} of a position")
    average = _number(update.AveragePrice)
    if average is None:
        return Unusable(f"AveragePrice {update.AveragePrice} of a position")
    if not update.Symbol:
        return Unusable("a position without a Symbol")
    if len(update.Symbol) + len(update.TradeAccount) + len(update.PositionIdentifier) > TEXT_LENGTH_MAX:
        return Unusable("texts too long to be names of a position")
    entered = moment_of(update.EntryDateTime) if update.EntryDateTime else None
    return ReportedPosition(
        account=update.TradeAccount or account,
        symbol=update.Symbol,
        signed_quantity=quantity,
        average_price=average if quantity else None,
        entry_time=entered[0] if entered else None,
        position_identifier=update.PositionIdentifier,
        # No sentinel is defined for these two, so zero is "not provided" (DTC documentation, unset fields).
        high_price=_number(update.HighPriceDuringPosition) or None,
        low_price=_number(update.LowPriceDuringPosition) or None,
    )


def order_of(update: OrderUpdate, *, received_at: datetime) -> WorkingOrder | None:
    """Return the order an update speaks of, None where it names no server order (rejections may not)."""
    (
        has_none, account, symbol, order_id, buy_sell, order_type, status, price1, price2, ordered, filled, parent,
        linked,
    ) = _order(update)  # fmt: skip
    order_id = name_of(order_id)
    if has_none or not order_id:
        return None
    account, symbol, parent, linked = name_of(account), name_of(symbol), name_of(parent), name_of(linked)
    if len(order_id) + len(symbol) + len(account) + len(parent) + len(linked) > TEXT_LENGTH_MAX:
        return None
    return WorkingOrder(
        account=account,
        symbol=symbol,
        order_id=order_id,
        side=_SIDES.get(buy_sell),
        order_type=order_type,
        status=status,
        price1=decimal_of(price1),
        price2=decimal_of(price2),
        quantity=decimal_of(ordered),
        filled_quantity=decimal_of(filled),
        parent_order_id=parent,
        oco_order_id=linked,
        updated_at=received_at,
    )


def instrument_of(definition: SecurityDefinitionResponse | SecurityDefinitionResponseV2) -> Instrument | None:
    """Return what a security definition teaches, None where it names no symbol or states no increment.

    The worth of a point is CurrencyValuePerIncrement / MinPriceIncrement; both travel as 32-bit floats in the older
    form and are read as the shortest decimal with that float's bits.
    """
    read = decimal_of_float32 if isinstance(definition, SecurityDefinitionResponse) else decimal_of
    tick = read(definition.MinPriceIncrement)
    value = read(definition.CurrencyValuePerIncrement)
    multiplier = read(definition.DisplayPriceMultiplier)
    if not definition.Symbol or not tick or not value:
        return None
    if len(definition.Symbol) + len(definition.Currency) > TEXT_LENGTH_MAX:
        return None
    has_multiplier = multiplier is not None and multiplier > 0
    return Instrument(
        symbol=definition.Symbol,
        point_value=(value / tick).normalize(),
        tick=tick,
        multiplier=multiplier if multiplier is not None and has_multiplier else Decimal(1),
        price_format=definition.PriceDisplayFormat,
        currency=definition.Currency,
        point_value_source="server",
        multiplier_source="server" if has_multiplier else "",
    )


def traded_price(message: Message) -> Decimal | None:
    """Return the price at which a market data message says a trade happened, None where it says none."""
    match message:
        case MarketDataSnapshot() | MarketDataUpdateLastTradeSnapshot():
            price = message.LastTradePrice
        case (
            MarketDataUpdateTrade()
            | MarketDataUpdateTradeCompact()
            | MarketDataUpdateTradeWithUnbundledIndicator()
            | MarketDataUpdateTradeNoTimestamp()
            | MarketDataUpdateTradeWithUnbundledIndicator2()
            | MarketDataUpdateTradeV2()
        ):
            price = message.Price
        case _:
            return None
    return None if price is None else decimal_of_float32(price + 0.0)


def traded_at(message: Message) -> tuple[datetime, bool] | None:
    """Return when that trade happened and whether it is known finer than a second, None where it is not said."""
    wire = getattr(message, "DateTime", 0) or getattr(message, "LastTradeDateTime", 0)
    return moment_of(wire) if wire else None


def mode_of(account: str, rules: Mapping[str, str]) -> tuple[str, str]:
    """Return the mode of an account and the rule that decided it, in words.

    An explicit entry of `rules` comes first (an exact name before a pattern with `*` or `?`), then names containing
    sim, demo or paper in any case are SIM, and the rest are LIVE: no field of the protocol states it.
    """
    if account in rules:
        return rules[account].upper(), f"{_BY_SETTINGS}{account}"
    for pattern, mode in rules.items():
        if fnmatchcase(account, pattern):
            return mode.upper(), f"{_BY_SETTINGS}{pattern}"
    lowered = account.lower()
    for word in _SIM_WORDS:
        if word in lowered:
            return Mode.SIM, f"name contains {word!r}"
    return Mode.LIVE, "no rule says otherwise"


def outdated_modes(accounts: Iterable[Account], rules: Mapping[str, str]) -> str:
    """Return one line about the accounts that `rules` put in another mode than they are kept in; empty for none.

    An account keeps the mode of the day it was first seen. One that a person set by hand is not spoken of.
    """
    moved = []
    for known in sorted(accounts, key=lambda account: account.account):
        mode, rule = mode_of(known.account, rules)
        if rule.startswith(_BY_SETTINGS) and mode != known.mode and known.rule != RULE_BY_HAND:
            moved.append((known, mode))
    if not moved:
        return ""
    words = ", ".join(f"{known.account} in {mode} (kept in {known.mode})" for known, mode in moved)
    first, mode = moved[0]
    return f"the settings put {words}; run `dtcpos accounts set {first.account} {mode}` to move an account"


def _number(value: float | None) -> Decimal | None:
    # Adding zero turns the double's negative zero into the zero people mean.
    return None if value is None else decimal_of(value + 0.0)
