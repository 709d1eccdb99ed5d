"""What a ledger comes to, in values that can be compared whatever the way it came about.

Left out are the ids of rows, when and from where an execution was heard, the part of a time that only one of two
sources knows, and extremes of prices that only a listener hears.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from attrs import frozen

from dtcpos.booking import replay, whole_second
from dtcpos.exact import EXACT
from dtcpos.model import ZERO, Fill, Instrument, Position, PositionKey, Source, Trade
from dtcpos.sim import Venue
from dtcpos.sim.books import Execution
from dtcpos.store import LedgerReader, PositionRepository


@frozen(kw_only=True)
class Outcome:
    """The executions (a multiset), the positions and the trades of a ledger."""

    fills: Mapping[tuple[object, ...], int]
    positions: Mapping[PositionKey, Position]
    trades: tuple[Trade, ...]


def outcome_of(ledger: PositionRepository | LedgerReader, *, ids: bool = True) -> Outcome:
    """Return what a ledger comes to; `ids` False leaves execution ids out, where two sources name them differently."""
    fills = [fill for key in keys_of(ledger) for fill in ledger.fills_of_key(*key)]
    trades = [trade for key in keys_of(ledger) for trade in ledger.trades_of_key(*key)]
    positions = positions_of(ledger)
    return Outcome(
        fills=Counter(_execution(fill, ids=ids) for fill in fills),
        positions={key: _bare_position(position) for key, position in positions.items()},
        trades=_sorted(map(_bare_trade, trades)),
    )


def keys_of(ledger: PositionRepository | LedgerReader) -> list[tuple[str, str]]:
    """Return every (account, symbol) there is a fill of."""
    return ledger.keys()


def positions_of(ledger: PositionRepository | LedgerReader) -> dict[PositionKey, Position]:
    """Return the open positions as stored."""
    if isinstance(ledger, PositionRepository):
        return ledger.positions()
    return {holding.key: holding.position for holding in ledger.positions()}


def prove(ledger: PositionRepository | LedgerReader) -> None:
    """Check that the stored positions and trades are what a replay of the fills gives."""
    modes = {account.account: account.mode for account in ledger.accounts()}
    stored, instruments = positions_of(ledger), ledger.instruments()
    for account, symbol in keys_of(ledger):
        key = PositionKey(modes[account], account, symbol)
        fills = ledger.fills_of_key(account, symbol)
        again = replay(key, [priced(fill, instruments.get(symbol)) for fill in fills])
        position = stored.pop(key, None)
        assert (position is None) == again.position.is_flat, key
        if position is not None:
            assert _without_extremes(position) == _without_extremes(again.position)
        trades = ledger.trades_of_key(account, symbol)
        assert _sorted(map(_row, trades)) == _sorted(map(_row, again.trades))
        assert_cash(again.position, again.trades, [priced(fill, instruments.get(symbol)) for fill in fills])
    assert not stored, "positions without a fill"


def assert_cash(position: Position, trades: Iterable[Trade], fills: Iterable[Fill]) -> None:
    """P2: what was realized less what is still open is the cash that moved, with `==`."""
    realized = [position.realized, *(trade.realized for trade in trades)]
    moved = [cash_of(fill) for fill in fills]
    if position.cost is None or None in realized or None in moved:
        return
    total = EXACT.subtract(sum_of(realized), position.cost)
    assert total == sum_of(moved)


def assert_true(ledger: PositionRepository | LedgerReader, venue: Venue, *, has_past: bool = False) -> None:
    """Check that every execution of the venue is in the ledger exactly once, and every position is the venue's.

    With `has_past` the venue held something before every execution it remembers, and adjustments stand for that.
    """
    prove(ledger)
    instruments = ledger.instruments()
    fills = [fill for key in keys_of(ledger) for fill in ledger.fills_of_key(*key)]
    if has_past:
        fills = [fill for fill in fills if fill.source is not Source.ADJUSTMENT]
    booked = Counter(_content(priced(fill, instruments.get(fill.symbol))) for fill in fills)
    happened = Counter(_content(execution) for execution in venue.executions())
    assert booked == happened
    held = {key[1:]: position.signed_quantity for key, position in positions_of(ledger).items()}
    holdings = {key: holding.signed_quantity for key, holding in venue.holdings.items()}
    assert held == {key: quantity for key, quantity in holdings.items() if quantity}


def _content(one: Fill | Execution) -> tuple[object, ...]:
    assert one.price is not None
    return one.account, one.symbol, one.order_id, one.side, one.quantity.normalize(), one.price.normalize()


def cash_of(fill: Fill) -> Decimal | None:
    """Return the points of cash an execution moves: received when selling, paid when buying."""
    return None if fill.price is None else EXACT.multiply(-fill.signed_quantity, fill.price)


def sum_of(values: Iterable[Decimal | None]) -> Decimal:
    """Add exactly."""
    total = ZERO
    for value in values:
        assert value is not None
        total = EXACT.add(total, value)
    return total


def priced(fill: Fill, instrument: Instrument | None) -> Fill:
    """Return a fill in display prices, with the commission its instrument knows."""
    if instrument is None:
        return fill
    commission, price = fill.commission, fill.price
    if commission is None and instrument.commission is not None:
        commission = EXACT.multiply(instrument.commission, fill.quantity)
    if price is not None:
        price = EXACT.multiply(price, instrument.multiplier)
    return fill._replace(commission=commission, price=price)


def _execution(fill: Fill, *, ids: bool) -> tuple[object, ...]:
    execution_id = fill.execution_id if ids else ""
    quantity, price = fill.quantity.normalize(), None if fill.price is None else fill.price.normalize()
    second = whole_second(fill.time)
    return fill.account, fill.symbol, fill.side, quantity, price, execution_id, fill.order_id, second, fill.flags


def _without_extremes(position: Position) -> Position:
    return position._replace(price_min=None, price_max=None, mae=ZERO, mfe=ZERO)


def _bare_position(position: Position) -> Position:
    return _without_extremes(position)._replace(
        opened_by=None,
        entry_time=_second(position.entry_time),
        updated_at=_second(position.updated_at),
    )


# By exit is no order of the ledger where one of two fills of a second knows no more than the second.
def _sorted(trades: Iterable[Trade]) -> tuple[Trade, ...]:
    return tuple(sorted(trades, key=repr))


def _row(trade: Trade) -> Trade:
    return trade._replace(id=None, price_min=None, price_max=None, mae=None, mfe=None)


def _bare_trade(trade: Trade) -> Trade:
    return _row(trade)._replace(
        opened_by=None,
        closed_by=None,
        entry_time=whole_second(trade.entry_time),
        exit_time=whole_second(trade.exit_time),
    )


def _second(moment: datetime | None) -> datetime | None:
    return None if moment is None else whole_second(moment)
