"""Update lines of `connect`: one for people, one object for scripts."""

from __future__ import annotations

from typing import Any

from dtcpos.booking import average_price
from dtcpos.cli.jsonout import plain
from dtcpos.cli.keys import break_json, display_price, fill_json, moved_position_json, trade_json
from dtcpos.cli.prices import price_text
from dtcpos.cli.render import break_text, clock, held_text, place, printable, profit
from dtcpos.store import ClosedTrade
from dtcpos.updates import (
    AlertUpdate,
    BreakUpdate,
    FillUpdate,
    SessionUpdate,
    SyncedUpdate,
    TradeUpdate,
    Update,
    VerifiedUpdate,
)


def update_json(update: Update) -> dict[str, Any]:
    """Return an update as the object `connect --json` prints."""
    match update:
        case SessionUpdate():
            return {
                "event": "session",
                "state": update.state,
                "server": update.server,
                "encoding": update.encoding,
                "reason": update.reason,
            }
        case FillUpdate():
            after = update.position
            held = None if after is None or after.is_flat else moved_position_json(after, update.instrument)
            fill = fill_json(update.fill, update.mode, update.instrument)
            return {"event": "fill", **fill, "action": str(update.action), "position": held}
        case TradeUpdate():
            return {"event": "trade", **trade_json(_closed(update)), "is_restated": update.is_restated}
        case BreakUpdate():
            return {"event": "break", **break_json(update.break_), "is_resolved": update.is_resolved}
        case VerifiedUpdate():
            mode, account, symbol = update.key
            return {
                "event": "verified",
                "mode": mode,
                "account": account,
                "symbol": symbol,
                "quantity": update.quantity,
                "at": update.at,
            }
        case AlertUpdate():
            names = dict(zip(("mode", "account", "symbol"), update.key or (None, None, None), strict=True))
            return {"event": "alert", "kind": update.kind, "text": update.text, **names}
        case SyncedUpdate():
            return {
                "event": "synced",
                "accounts": update.accounts,
                "backfilled": update.backfilled,
                "breaks": update.breaks,
                "unfinished": list(update.unfinished),
            }


def render_update(update: Update) -> str:
    """Return an update as the line `connect` prints for people; what was not compared is told below it."""
    line = printable(_line_of(update))
    below = update.unfinished if isinstance(update, SyncedUpdate) else ()
    return line + "".join(f"\n          not compared: {printable(reason)}" for reason in below)


def _line_of(update: Update) -> str:
    match update:
        case SessionUpdate():
            parts = (update.state, update.server, update.encoding, update.reason)
            return "session   " + "  ".join(part for part in parts if part)
        case FillUpdate():
            return _fill_line(update)
        case TradeUpdate():
            return _trade_line(update)
        case BreakUpdate():
            return f"{'resolved' if update.is_resolved else 'BREAK':<9} {break_text(update.break_)}"
        case VerifiedUpdate():
            return f"verified  {place(update.key)}: the server agrees with {plain(update.quantity)}"
        case AlertUpdate():
            return f"alert     {f'{place(update.key)}: ' if update.key else ''}{update.text}"
        case SyncedUpdate():
            return (
                f"synced    {_many(update.accounts, 'account')}, {_many(update.backfilled, 'missed fill')} booked, "
                f"{_many(update.breaks, 'break')}"
            )


def _fill_line(update: FillUpdate) -> str:
    fill, after = update.fill, update.position
    price = price_text(display_price(fill.price, update.instrument), update.instrument)
    if after is None or after.is_flat:
        held = "flat"
    else:
        held = held_text(after.signed_quantity, average_price(after))
    return (
        f"fill      {clock(fill.time)}  {update.mode} {fill.account}  {fill.side} {plain(fill.quantity)} {fill.symbol} "
        f"@ {price}  {update.action}  now {held}"
    )


def _trade_line(update: TradeUpdate) -> str:
    keys = trade_json(_closed(update))
    result = profit(keys["net_pnl"], keys["realized_points"])
    entry, exit_ = (price_text(keys[name], update.instrument) for name in ("entry_price", "exit_price"))
    return (
        f"{'restated' if update.is_restated else 'trade':<9} {clock(keys['exit_time'])}  {keys['mode']} "
        f"{keys['account']}  {keys['side']} {plain(keys['quantity'])} {keys['symbol']}  {entry} to {exit_}  {result}"
    )


def _closed(update: TradeUpdate) -> ClosedTrade:
    return update.closed or ClosedTrade(trade=update.trade, instrument=update.instrument)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
