"""The keys scripts depend on: what a position, a fill and a trade are called in JSON and in CSV.

Keys may be added, never renamed. Points become money here and only through a known point value; where it is not known,
money is None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dtcpos.exact import EXACT, average_price, rounded_quotient, unrealized
from dtcpos.words import Status

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from dtcpos.model import Break, Fill, Instrument, JournalEntry, Position
    from dtcpos.store import ClosedTrade, Holding

COMMISSION_UNKNOWN = "commission_unknown"

POSITION_KEYS = tuple(
    """
    mode account symbol side quantity entry_price cost entry_time target_price stop_price entry_vwap entry_cum_delta
    entry_poc trade_min_price trade_max_price mae mfe mark_price mark_time unrealized_points unrealized_pnl realized_pnl
    commission currency status status_reason verified_at updated_at flags mark_age_s realized_points heat_since
    """.split()
)
FILL_KEYS = tuple(
    """
    id mode account symbol side quantity price time execution_id order_id source position_after booked_at reason
    wire_price commission flags cumulative_quantity place time_is_exact parent_order_id
    """.split()
)
TRADE_KEYS = tuple(
    """
    id mode account symbol side quantity total_quantity entry_time entry_price exit_time exit_price realized_points
    realized_pnl commission net_pnl currency mae mfe efficiency r_multiple entry_vwap entry_cum_delta entry_poc
    trade_min_price trade_max_price fills flags commission_source exit_vwap exit_cum_delta exit_poc
    """.split()
)
JOURNAL_KEYS = ("id", "at", "cause", "account", "symbol", "before", "after", "reason", "fill_id")


def money_of(points: Decimal | None, instrument: Instrument | None) -> Decimal | None:
    """Return what points are worth, None where either is unknown."""
    if points is None or instrument is None or instrument.point_value is None:
        return None
    return EXACT.multiply(points, instrument.point_value)


def currency_of(instrument: Instrument | None) -> str | None:
    """Return the currency money is in, None where nobody stated it."""
    return (instrument.currency or None) if instrument is not None else None


def position_json(holding: Holding, status: Status, reason: str, now: datetime) -> dict[str, Any]:
    """Return an open position under its fixed keys, with how true it is at `now`."""
    mark = holding.mark
    points = unrealized(holding.position, mark.price) if mark is not None else None
    values = _held(holding.position, holding.instrument) | {
        "target_price": holding.target_price,
        "stop_price": holding.stop_price,
        "entry_vwap": holding.entry_vwap,
        "entry_cum_delta": holding.entry_cum_delta,
        "entry_poc": holding.entry_poc,
        "mark_price": mark.price if mark is not None else None,
        "mark_time": mark.time if mark is not None else None,
        "mark_age_s": max(round((now - mark.time).total_seconds()), 0) if mark is not None else None,
        "unrealized_points": points,
        "unrealized_pnl": money_of(points, holding.instrument),
        "status": str(status),
        "status_reason": reason,
        "verified_at": holding.verification.agreed_at,
        "heat_since": holding.heat_since,
    }
    return {key: values[key] for key in POSITION_KEYS}


def moved_position_json(position: Position, instrument: Instrument | None) -> dict[str, Any]:
    """Return a position as a fill has just left it, under the same keys.

    What only the ledger's other tables know is None, and nobody has compared the new quantity yet.
    """
    values = _held(position, instrument) | {
        "status": str(Status.UNVERIFIED),
        "status_reason": "changed since the server last agreed",
    }
    return {key: values.get(key) for key in POSITION_KEYS}


def _held(position: Position, instrument: Instrument | None) -> dict[str, Any]:
    mode, account, symbol = position.key
    return {
        "mode": mode,
        "account": account,
        "symbol": symbol,
        "side": str(position.direction),
        "quantity": position.signed_quantity,
        "entry_price": average_price(position),
        "cost": position.cost,
        "entry_time": position.entry_time,
        "trade_min_price": position.price_min,
        "trade_max_price": position.price_max,
        "mae": money_of(position.mae, instrument),
        "mfe": money_of(position.mfe, instrument),
        "realized_points": position.realized,
        "realized_pnl": money_of(position.realized, instrument),
        "commission": position.commission,
        "currency": currency_of(instrument),
        "updated_at": position.updated_at,
        "flags": _flags(position.flags, position.commission),
    }


def fill_json(fill: Fill, mode: str, instrument: Instrument | None) -> dict[str, Any]:
    """Return a fill under its fixed keys; `price` is for display, `wire_price` what was sent."""
    return {
        "id": fill.id,
        "mode": mode,
        "account": fill.account,
        "symbol": fill.symbol,
        "side": str(fill.side),
        "quantity": fill.quantity,
        "price": display_price(fill.price, instrument),
        "time": fill.time,
        "execution_id": fill.execution_id,
        "order_id": fill.order_id,
        "source": str(fill.source),
        "position_after": fill.position_after,
        "booked_at": fill.booked_at,
        "reason": fill.reason,
        "wire_price": fill.price,
        "commission": fill.commission,
        "flags": list(fill.flags),
        "cumulative_quantity": fill.cumulative_quantity,
        "place": fill.place,
        "time_is_exact": fill.time_is_exact,
        "parent_order_id": fill.parent_order_id,
    }


def display_price(price: Decimal | None, instrument: Instrument | None) -> Decimal | None:
    """Return a price of the wire as people write it."""
    if price is None or instrument is None:
        return price
    return EXACT.multiply(price, instrument.multiplier)


def trade_json(closed: ClosedTrade) -> dict[str, Any]:
    """Return a closed trade under its fixed keys.

    Net is gross less commission, and equals gross (with a flag) where the commission is unknown. Efficiency is net
    over the best excursion, R net over the initial risk; both to 10 decimals, None where they cannot be known.
    """
    trade, instrument = closed.trade, closed.instrument
    mode, account, symbol = trade.key
    gross = money_of(trade.realized, instrument)
    net = gross if gross is None or trade.commission is None else EXACT.subtract(gross, trade.commission)
    mfe = money_of(trade.mfe, instrument)
    return {
        "id": trade.id,
        "mode": mode,
        "account": account,
        "symbol": symbol,
        "side": str(trade.direction),
        "quantity": trade.quantity,
        "total_quantity": trade.total_quantity,
        "entry_time": trade.entry_time,
        "entry_price": _mean(trade.opened_notional, trade.total_quantity),
        "exit_time": trade.exit_time,
        "exit_price": _mean(trade.closed_notional, trade.total_quantity),
        "realized_points": trade.realized,
        "realized_pnl": gross,
        "commission": trade.commission,
        "net_pnl": net,
        "currency": currency_of(instrument),
        "mae": money_of(trade.mae, instrument),
        "mfe": mfe,
        "efficiency": _ratio(net, mfe),
        "r_multiple": _ratio(net, money_of(closed.initial_risk, instrument)),
        "entry_vwap": closed.entry_vwap,
        "entry_cum_delta": closed.entry_cum_delta,
        "entry_poc": closed.entry_poc,
        "trade_min_price": trade.price_min,
        "trade_max_price": trade.price_max,
        "fills": trade.fills,
        "flags": _flags(trade.flags, trade.commission),
        "commission_source": None if instrument is None else instrument.commission_source or None,
        "exit_vwap": closed.exit_vwap,
        "exit_cum_delta": closed.exit_cum_delta,
        "exit_poc": closed.exit_poc,
    }


def journal_json(entry: JournalEntry) -> dict[str, Any]:
    """Return one change of state."""
    return {
        "id": entry.id,
        "at": entry.at,
        "cause": entry.cause,
        "account": entry.account,
        "symbol": entry.symbol,
        "before": entry.before,
        "after": entry.after,
        "reason": entry.reason,
        "fill_id": entry.fill_id,
    }


def break_json(found: Break) -> dict[str, Any]:
    """Return a difference between the ledger and the server."""
    mode, account, symbol = found.key
    return {
        "id": found.id,
        "mode": mode,
        "account": account,
        "symbol": symbol,
        "kind": found.kind,
        "held_quantity": found.held_quantity,
        "held_average": found.held_average,
        "reported_quantity": found.reported_quantity,
        "reported_average": found.reported_average,
        "found_at": found.found_at,
        "answer": found.answer or None,
        "answered_at": found.answered_at,
    }


def _flags(flags: tuple[str, ...], commission: Decimal | None) -> list[str]:
    if commission is None and COMMISSION_UNKNOWN not in flags:
        return [*flags, COMMISSION_UNKNOWN]
    return list(flags)


def _mean(notional: Decimal | None, quantity: Decimal) -> Decimal | None:
    return rounded_quotient(notional, quantity) if notional is not None and quantity else None


def _ratio(net: Decimal | None, base: Decimal | None) -> Decimal | None:
    return rounded_quotient(net, base) if net is not None and base is not None and base > 0 else None
