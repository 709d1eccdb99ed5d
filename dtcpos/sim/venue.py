"""A venue: accounts, instruments, orders, executions and positions, and the news they make.

Pure state: time is an argument, nothing here knows of bytes or connections. `apply` lets one thing happen and returns
what every client hears of it; `dtcpos.sim.answers` is what a client hears that asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from attrs import define, evolve

from dtcpos.dtc import Message, OrderStatus, OrderUpdateReason
from dtcpos.model import ZERO, Side
from dtcpos.sim import reports, steps
from dtcpos.sim.books import Execution, Holding, Restatement
from dtcpos.sim.script import Vocabulary
from dtcpos.sim.steps import AccountTerms, Dialogue, InstrumentTerms, MarketStep

# Trades and quotes stay steps: every session has its own SymbolID for a symbol.
News = Message | MarketStep
_DONE = frozenset({OrderStatus.UNSPECIFIED, OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED})
# A position from before the window comes before every execution.
_LONG_AGO_S = float("-inf")


@define
class VenueOrder:
    """An order at the venue; `declared` is the quantity it was given with, whatever its parent has filled."""

    account: str
    order_id: str
    side: Side
    symbol: str
    declared: Decimal
    quantity: Decimal
    status: int
    order_type: int = 1
    price1: Decimal | None = None
    price2: Decimal | None = None
    parent_id: str = ""
    oco_id: str = ""
    filled: Decimal = ZERO
    notional: Decimal = ZERO
    received_s: float = 0.0
    is_implicit: bool = False

    @property
    def is_working(self) -> bool:
        """Whether the order can still trade."""
        return self.status not in _DONE


class Venue:
    """The state of a simulated venue.

    Invariant: a position is always what its entries in `holdings` come to.
    """

    def __init__(self, dialogue: Dialogue, *, now: float) -> None:
        self.dialogue = dialogue
        self.opened_at_s = now
        self.accounts: dict[str, AccountTerms] = {account.name: account for account in dialogue.accounts}
        self.instruments: dict[str, InstrumentTerms] = {terms.symbol: terms for terms in dialogue.instruments}
        self.orders: dict[tuple[str, str], VenueOrder] = {}
        self.holdings: dict[tuple[str, str], Holding] = {}
        self.last_trades: dict[str, tuple[Decimal, Decimal, float]] = {}
        self.quotes: dict[str, tuple[Decimal, Decimal]] = {}
        # Every fill asks for the children of its order, and a burst has a hundred thousand orders.
        self._by_parent: dict[tuple[str, str], list[VenueOrder]] = {}
        self._told: list[Execution] = []
        self._ordinal = 0

    def holding(self, account: str, symbol: str) -> Holding:
        """Return what an account holds of a symbol, flat if it never traded it."""
        return self.holdings.setdefault((account, symbol), Holding())

    def multiplier(self, symbol: str) -> Decimal:
        """Return the factor from the wire's price to the display price."""
        terms = self.instruments.get(symbol)
        return terms.multiplier if terms else Decimal(1)

    def knows(self, symbol: str) -> bool:
        """Whether the symbol was declared or traded here."""
        return symbol in self.instruments or any(traded == symbol for _, traded in self.holdings)

    def vocabulary(self) -> Vocabulary:
        """Return the names a statement may refer to now."""
        return Vocabulary(
            accounts=set(self.accounts),
            orders={order_id for _, order_id in self.orders},
            executions={(e.account, e.execution_id) for e in self.executions() if e.execution_id},
        )

    def executions(self) -> Iterator[Execution]:
        """Yield every execution there was, account by account and symbol by symbol, each in the order of time."""
        for holding in self.holdings.values():
            for execution, _ in holding.executions():
                yield execution

    def apply(self, step: steps.VenueStep | MarketStep, now: float, *, is_heard: bool = True) -> list[News]:
        """Let one thing happen and return what every client hears of it.

        `is_heard` False: nobody listens, so a later `repeat` leaves the fill out.
        """
        told = len(self._told)
        news = self._happen(step, now)
        if not is_heard:
            del self._told[told:]
        return news

    def _happen(self, step: steps.VenueStep | MarketStep, now: float) -> list[News]:
        match step:
            case steps.Fill():
                return self._fill(step, now)
            case steps.Tick() | steps.Quote():
                return self._trade(step, now)
            case steps.Held():
                return self._restate(step, _LONG_AGO_S)
            case steps.Restate():
                return self._restate(step, now)
            case steps.RestateAll():
                return [update for key in self.holdings for update in self._positions(*key)]
            case steps.Correct():
                return self._correct(step)
            case steps.Repeat():
                told = self._told if step.is_all else self._told[-1:]
                return [self._fill_report(execution) for execution in told]
            case _:
                return self._change_orders(step, now)

    def _change_orders(
        self, step: steps.Order | steps.Replace | steps.Cancel | steps.RefuseOrder, now: float
    ) -> list[News]:
        match step:
            case steps.Order():
                return self._order(step, now)
            case steps.Replace():
                return self._replace(step)
            case steps.Cancel():
                return self._cancel(self._find(step.order_id))
            case steps.RefuseOrder():
                order = self._find(step.order_id)
                order.status = OrderStatus.REJECTED
                return [reports.order_update(self, order, OrderUpdateReason.NEW_ORDER_REJECTED, text=step.text)]

    def _restate(self, step: steps.Held | steps.Restate, time_s: float) -> list[News]:
        self._ordinal += 1
        self.holding(step.account, step.symbol).add(
            Restatement(
                signed_quantity=step.signed_quantity,
                average_price=step.average_price,
                time_s=time_s,
                ordinal=self._ordinal,
            )
        )
        return self._positions(step.account, step.symbol)

    def _fill(self, step: steps.Fill, now: float) -> list[News]:
        self._ordinal += 1
        order = self._order_filled_by(step, now)
        order.filled += step.quantity
        order.notional += step.quantity * step.price
        if order.is_implicit and step.order_quantity is None:
            order.quantity = max(order.quantity, order.filled)
        order.status = OrderStatus.FILLED if order.filled >= order.quantity else OrderStatus.PARTIALLY_FILLED
        execution = self._execution(step, order, now)
        holding = self.holding(step.account, step.symbol)
        holding.add(execution)
        self._told.append(execution)
        news: list[News] = [self._fill_report(execution)]
        news += self._positions(step.account, step.symbol)
        news += self._after_fill(order, step.quantity)
        return news

    def _execution(self, step: steps.Fill, order: VenueOrder, now: float) -> Execution:
        execution_id = f"X-{self._ordinal}" if step.execution_id is None else step.execution_id
        time_s = now if step.at_s is None else step.at_s
        return Execution(
            account=step.account,
            symbol=step.symbol,
            side=step.side,
            quantity=step.quantity,
            price=step.price,
            time_s=time_s if step.ago_s is None else self.opened_at_s - step.ago_s,
            ordinal=self._ordinal,
            execution_id=execution_id,
            history_id=execution_id if step.history_id is None else step.history_id,
            order_id=order.order_id,
            order_quantity=order.quantity,
            cumulative=order.filled,
            notional=order.notional,
            position_after=step.position_after,
        )

    def _order_filled_by(self, step: steps.Fill, now: float) -> VenueOrder:
        order_id = f"{700000 + self._ordinal}" if step.order_id is None else step.order_id
        order = self.orders.get((step.account, order_id))
        if order is None:
            quantity = step.order_quantity or step.quantity
            order = VenueOrder(
                account=step.account,
                order_id=order_id,
                side=step.side,
                symbol=step.symbol,
                declared=quantity,
                quantity=quantity,
                status=OrderStatus.OPEN,
                received_s=now,
                is_implicit=True,
            )
            if order_id:
                self.orders[step.account, order_id] = order
        elif step.order_quantity is not None:
            order.quantity = step.order_quantity
        return order

    def _after_fill(self, order: VenueOrder, quantity: Decimal) -> list[News]:
        # A bracket's children wake when the parent fills and grow with it; what fills of one of two linked orders is
        # taken from the other, and when one is done the other is canceled (DTC documentation, bracket orders).
        news: list[News] = []
        for child in self._children(order):
            child.quantity = min(child.declared, order.filled)
            if child.status == OrderStatus.PENDING_CHILD:
                child.status = OrderStatus.OPEN
            news.append(reports.order_update(self, child, OrderUpdateReason.GENERAL_ORDER_UPDATE))
        other = self.orders.get((order.account, order.oco_id)) if order.oco_id else None
        if other is not None and other.is_working:
            if order.status == OrderStatus.FILLED:
                news += self._cancel(other)
            else:
                other.quantity -= quantity
                news.append(reports.order_update(self, other, OrderUpdateReason.GENERAL_ORDER_UPDATE))
        return news

    def _children(self, order: VenueOrder) -> list[VenueOrder]:
        key = (order.account, order.order_id)
        return [child for child in self._by_parent.get(key, ()) if child.is_working]

    def _correct(self, step: steps.Correct) -> list[News]:
        key = (step.account, step.execution_id)
        old = next(execution for execution in self.executions() if (execution.account, execution.execution_id) == key)
        new = evolve(old, price=step.price, quantity=step.quantity or old.quantity)
        self.holding(old.account, old.symbol).correct(old, new)
        self._told = [new if execution is old else execution for execution in self._told]
        return [self._fill_report(new), *self._positions(old.account, old.symbol)]

    def _order(self, step: steps.Order, now: float) -> list[News]:
        parent = self.orders.get((step.account, step.parent_id)) if step.parent_id else None
        status = step.status
        if status is None:
            status = OrderStatus.PENDING_CHILD if parent is not None and not parent.filled else OrderStatus.OPEN
        order = VenueOrder(
            account=step.account,
            order_id=step.order_id,
            side=step.side,
            symbol=step.symbol,
            declared=step.quantity,
            quantity=step.quantity,
            status=status,
            order_type=step.order_type,
            price1=step.price1,
            price2=step.price2,
            parent_id=step.parent_id,
            oco_id=step.oco_id,
            received_s=now,
        )
        self.orders[step.account, step.order_id] = order
        if order.parent_id:
            self._by_parent.setdefault((order.account, order.parent_id), []).append(order)
        return [reports.order_update(self, order, OrderUpdateReason.NEW_ORDER_ACCEPTED)]

    def _replace(self, step: steps.Replace) -> list[News]:
        order = self._find(step.order_id)
        order.price1 = order.price1 if step.price is None else step.price
        order.declared = order.quantity = step.quantity or order.quantity
        previous = ""
        if step.new_id:
            previous = order.order_id
            del self.orders[order.account, previous]
            self._rename(order, step.new_id)
        return [
            reports.order_update(self, order, OrderUpdateReason.ORDER_CANCEL_REPLACE_COMPLETE, previous_id=previous)
        ]

    def _rename(self, order: VenueOrder, new_id: str) -> None:
        for other in self.orders.values():
            other.oco_id = new_id if other.oco_id == order.order_id else other.oco_id
            other.parent_id = new_id if other.parent_id == order.order_id else other.parent_id
        if children := self._by_parent.pop((order.account, order.order_id), None):
            self._by_parent[order.account, new_id] = children
        order.order_id = new_id
        self.orders[order.account, new_id] = order

    def _cancel(self, order: VenueOrder) -> list[News]:
        order.status = OrderStatus.CANCELED
        news: list[News] = [reports.order_update(self, order, OrderUpdateReason.ORDER_CANCELED)]
        # Children of an order that never filled go with it; those that protect a position stay.
        for child in [] if order.filled else self._children(order):
            news += self._cancel(child)
        return news

    def _find(self, order_id: str) -> VenueOrder:
        # A statement names only orders that were told before, or it would not have been read.
        return next(order for order in self.orders.values() if order.order_id == order_id)

    def _positions(self, account: str, symbol: str) -> list[News]:
        if not self.accounts[account].states_positions:
            return []
        return [reports.position_update(self, account, symbol)]

    def _fill_report(self, execution: Execution) -> Message:
        order = self.orders.get((execution.account, execution.order_id))
        return reports.fill_update(self, execution, order)

    def _trade(self, step: MarketStep, now: float) -> list[News]:
        if isinstance(step, steps.Quote):
            self.quotes[step.symbol] = step.bid, step.ask
            return [step]
        self.last_trades[step.symbol] = step.price, step.volume, now
        for (_, symbol), holding in self.holdings.items():
            if symbol == step.symbol:
                holding.see(step.price)
        return [step]
