"""Working orders as the server last told them, and the target and stop they give an open position.

An exit order is one on the other side of the position that can trade now: a limit or market-if-touched order is a
target, a stop or stop-limit order a stop. A child that waits for its parent is neither yet. Of several, children of a
bracket (those with a parent or an OCO partner) come first, then the one that would trade first.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from dtcpos.booking import average_price
from dtcpos.dtc import OrderStatus, OrderType, OrderUpdate, OrderUpdateReason, raw_reader
from dtcpos.keeping.posting import Posting
from dtcpos.model import Position, PositionKey, Side, WorkingOrder
from dtcpos.store import PositionRepository
from dtcpos.translate import name_of, order_of

_TARGETS = frozenset({OrderType.LIMIT, OrderType.MARKET_IF_TOUCHED, OrderType.LIMIT_IF_TOUCHED})
_STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
# More orders in one read are a burst.
_BURST = 16
_DONE = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED})
_FILLS = frozenset({OrderUpdateReason.ORDER_FILLED, OrderUpdateReason.ORDER_FILLED_PARTIALLY})
_names = raw_reader(OrderUpdate, "NoOrders", "ServerOrderID", "PreviousServerOrderID", "OrderUpdateReason")


class Orders:
    """The working orders of every account followed."""

    def __init__(self, repository: PositionRepository, posting: Posting) -> None:
        self._repository = repository
        self._posting = posting
        self._working = {_name(order): order for order in repository.working_orders()}
        self._told: dict[tuple[str, str], tuple[OrderUpdate, datetime, bool]] = {}
        self._changed: dict[tuple[str, str], WorkingOrder] = {}
        self._concerned: set[tuple[str, str]] = set()
        # What was last written of a position's brackets, with the fill that opened it.
        self._written: dict[PositionKey, tuple[object, ...]] = {}

    def note(self, update: OrderUpdate, account: str, moment: datetime) -> None:
        """Take what an update for an account says of its order, whatever else it says."""
        has_none, order_id, replaced_id, why = _names(update)
        order_id = name_of(order_id)
        if has_none or not order_id:
            return
        replaced_id = name_of(replaced_id)
        if replaced_id and replaced_id != order_id:
            self._read_told()
            replaced = self._working.get((account, replaced_id))
            if replaced is not None:
                self._put(replaced._replace(status=int(OrderStatus.CANCELED), updated_at=moment))
        name = account, order_id
        before = self._told.get(name)
        is_fill = why in _FILLS
        if before is not None and not (is_fill and before[2]):
            # What follows may name little more than the order, as a rejection does; the rest was said before.
            self._read(name, *before[:2])
        # Of fills only the last word within a batch is read: those of a burst are mostly several to an order.
        self._told[name] = update, moment, is_fill

    def _read_told(self) -> None:
        is_burst = len(self._told) > _BURST
        for name, (update, moment, _) in self._told.items():
            known = self._working.get(name)
            if is_burst and known is None and update.OrderStatus in _DONE:
                # Of what came and was done in one read nothing can trade; keeping it takes a tenth of a backlog's time.
                continue
            self._read(name, update, moment)
        self._told.clear()

    def _read(self, name: tuple[str, str], update: OrderUpdate, moment: datetime) -> None:
        if (order := order_of(update, received_at=moment)) is not None:
            self._put(_filled_in(order, self._working.get(name)))

    def replace_all(self, account: str, orders: Iterable[WorkingOrder]) -> None:
        """Take a whole answer: the account has these open orders and no others."""
        self._read_told()
        told = {order.order_id: order._replace(account=order.account or account) for order in orders}
        gone = [order for order in self._working.values() if order.account == account and order.order_id not in told]
        self._repository.remove_orders(account, [order.order_id for order in gone])
        for order in gone:
            del self._working[_name(order)]
            self._concerned.add((order.account, order.symbol))
        for order in told.values():
            self._put(order)

    def concern(self, key: PositionKey) -> None:
        """Work the brackets of a position out again with the next `write`."""
        self._concerned.add((key.account, key.symbol))

    def write(self, booked: Iterable[PositionKey]) -> None:
        """Store the brackets of the positions that orders or fills concern, of those just `booked` too.

        The rows of the orders wait for `flush`: a person reads them, and the brackets are what counts at once.
        """
        self._read_told()
        # What is booked again may begin anew without a fill that is told: its row has no brackets then.
        self._concerned.update((key.account, key.symbol) for key in (*booked, *self._posting.rebooked))
        self._posting.rebooked.clear()
        for account, symbol in self._concerned:
            if account in self._posting.accounts:
                self._write_brackets(self._posting.key_of(account, symbol))
        self._concerned.clear()

    def flush(self) -> None:
        """Store the orders that changed."""
        self._read_told()
        if self._changed:
            self._repository.put_orders(list(self._changed.values()))
            self._changed.clear()

    def forget(self) -> None:
        """Write the brackets again: another process has written, perhaps by orders that were told since."""
        self._concerned.update((key.account, key.symbol) for key in self._written)
        self._written.clear()

    def _write_brackets(self, key: PositionKey) -> None:
        position = self._posting.positions.get(key)
        if position is None:
            # Its row is gone with its brackets: should the same position come back, they are written again.
            self._written.pop(key, None)
            return
        instrument = self._posting.instruments.get(key.symbol)
        factor = Decimal(1) if instrument is None else instrument.multiplier
        target, stop = brackets(position, self._working.values())
        found = (position.opened_by, target, stop, factor)
        if self._written.get(key) == found:
            return
        self._written[key] = found
        if stop is not None and (average := average_price(position)) is not None:
            # The first stop that is known decides; later stops and sizes are history.
            risk = abs(average - stop * factor) * abs(position.signed_quantity)
            self._repository.set_initial_risk(key, risk)
        self._repository.set_brackets(
            key, None if target is None else target * factor, None if stop is None else stop * factor
        )

    def _put(self, order: WorkingOrder) -> None:
        name = _name(order)
        self._changed[name] = order
        self._concerned.add((order.account, order.symbol))
        if order.is_working:
            self._working[name] = order
        else:
            self._working.pop(name, None)


def _filled_in(order: WorkingOrder, known: WorkingOrder | None) -> WorkingOrder:
    """Take from what is known what an update leaves out: rejections need to name little more than the order."""
    if known is None:
        return order
    (
        account, symbol, order_id, side, order_type, status, price1, price2, quantity, filled, parent_id, oco_id, at,
    ) = order  # fmt: skip
    return WorkingOrder(
        account,
        symbol or known.symbol,
        order_id,
        side or known.side,
        order_type or known.order_type,
        status or known.status,
        known.price1 if price1 is None else price1,
        known.price2 if price2 is None else price2,
        known.quantity if quantity is None else quantity,
        known.filled_quantity if filled is None else filled,
        parent_id or known.parent_order_id,
        oco_id or known.oco_order_id,
        at,
    )


def _name(order: WorkingOrder) -> tuple[str, str]:
    return order.account, order.order_id


def brackets(position: Position, orders: Iterable[WorkingOrder]) -> tuple[Decimal | None, Decimal | None]:
    """Return the prices of the target and of the stop of an open position, None where there is none."""
    is_long = position.signed_quantity > 0
    exit_side = Side.SELL if is_long else Side.BUY
    exits = [
        order
        for order in orders
        if order.side is exit_side
        and order.symbol == position.key.symbol
        and order.account == position.key.account
        and order.is_working
        and order.status != OrderStatus.PENDING_CHILD
        and order.price1 is not None
    ]
    if not exits:
        return None, None
    target = _first((order for order in exits if order.order_type in _TARGETS), lowest_first=is_long)
    stop = _first((order for order in exits if order.order_type in _STOPS), lowest_first=not is_long)
    return target, stop


def _first(orders: Iterable[WorkingOrder], *, lowest_first: bool) -> Decimal | None:
    def rank(order: WorkingOrder) -> tuple[bool, Decimal]:
        assert order.price1 is not None
        is_child = bool(order.parent_order_id or order.oco_order_id)
        return not is_child, order.price1 if lowest_first else -order.price1

    chosen = min(orders, key=rank, default=None)
    return None if chosen is None else chosen.price1
