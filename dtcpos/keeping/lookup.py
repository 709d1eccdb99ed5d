"""What the ledger already knows of executions that are told: by id, by order, by neither."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from dtcpos.booking import whole_second
from dtcpos.keeping.identity import Corrected, Known, KnownOrder, content, ids_shared
from dtcpos.model import Fill, Source
from dtcpos.store import PositionRepository

_Order = tuple[str, str]  # account, order id
# Orders whose fills are kept at hand; more are asked for again.
_ORDERS_KEPT = 4096
# A log's times are those of writing it, and a clock may be set wrong.
_LOG_SLACK = timedelta(hours=1)
_FROM_LOG = "log"


def raw_of(order_ids: Iterable[str]) -> str:
    """Return the raw reference of an execution a log told: every name the log has for its order."""
    return " ".join((_FROM_LOG, *(name for name in order_ids if name)))


def remember_import(repository: PositionRepository, account: str, latest: datetime) -> None:
    """Store that a log has told executions of an account, the latest at that time."""
    before = _imported_until(repository, account)
    repository.set_preference(_preference(account), (latest if before is None else max(before, latest)).isoformat())


def _imported_until(repository: PositionRepository, account: str) -> datetime | None:
    text = repository.preference(_preference(account))
    return None if text is None else datetime.fromisoformat(text)


def _preference(account: str) -> str:
    return f"imported {account}"


class Lookup:
    """Finds the fills that executions may restate."""

    def __init__(self, repository: PositionRepository) -> None:
        self._repository = repository
        self._ids_are_shared: dict[str, bool | None] = {}
        self._orders: dict[_Order, KnownOrder] = {}
        self._imported_until: dict[str, datetime | None] = {}

    def known_by_id(self, fills: Iterable[Fill]) -> dict[str, dict[str, Known]]:
        """Return, by account, the fills of the ledger that carry one of the execution ids given."""
        wanted: dict[str, list[str]] = defaultdict(list)
        for fill in fills:
            if fill.execution_id:
                wanted[fill.account].append(fill.execution_id)
        found: dict[str, dict[str, Known]] = defaultdict(dict)
        for account, ids in wanted.items():
            fill_ids = self._repository.find_executions(account, ids)
            knowns = self.known(set(fill_ids.values()))
            found[account] = {execution_id: knowns[fill_id] for execution_id, fill_id in fill_ids.items()}
        return found

    def known(self, fill_ids: Iterable[int]) -> dict[int, Known]:
        """Return fills by id, with where they have been seen."""
        ids = list(fill_ids)
        if not ids:
            return {}
        sightings = self._repository.sightings_of(ids)
        fills = self._repository.fills(ids)
        return {fill.id: Known(fill, tuple(sightings.get(fill.id, ()))) for fill in fills if fill.id is not None}

    def orders(self, fills: Iterable[Fill]) -> dict[_Order, KnownOrder]:
        """Return all fills of at least the orders that the fills given belong to.

        The lists are kept: a caller adds what it appends to the ledger, or calls `forget_orders`. That spares the
        second and later fills of an order three queries, an eighth of the time of one fill alone.
        """
        orders = self._orders
        if len(orders) > _ORDERS_KEPT:
            orders.clear()
        wanted: dict[str, set[str]] = defaultdict(set)
        logged: list[Fill] = []
        for fill in fills:
            name = (fill.account, fill.order_id)
            if name not in orders:
                orders[name] = KnownOrder()
                if fill.order_id:
                    wanted[fill.account].add(fill.order_id)
                    if self._may_be_logged(fill):
                        logged.append(fill)
        for account, order_ids in wanted.items():
            fills_found = self._repository.fills_of_orders(account, sorted(order_ids))
            knowns = self.known(fill.id for fill in fills_found if fill.id is not None)
            for fill in fills_found:
                assert fill.id is not None
                orders[account, fill.order_id].add(knowns[fill.id])
        if logged:
            self._add_logged(logged)
        return orders

    def add_corrected(self, account: str) -> None:
        """Look up what fills of the orders at hand said before they were replaced or voided, as history will go on."""
        order_ids = [order_id for name, order_id in self._orders if name == account and order_id]
        found = self._repository.corrected_of_orders(account, order_ids)
        if not found:
            return
        knowns = self.known({newest for _, newest in found})
        told = self._repository.sightings_of([fill.id for fill, _ in found if fill.id is not None])
        for fill, newest in found:
            now = knowns[newest]
            # What was told of the row before was told of this one: it has the name that history gave it then.
            now = now._replace(sightings=(*now.sightings, *told.get(fill.id or 0, ())))
            self._orders[account, fill.order_id].corrected.append(Corrected(content(fill), now))

    def _may_be_logged(self, fill: Fill) -> bool:
        """Whether an imported log may have told the fill's order under another of its names."""
        if fill.account not in self._imported_until:
            self._imported_until[fill.account] = _imported_until(self._repository, fill.account)
        until = self._imported_until[fill.account]
        return until is not None and fill.time <= until + _LOG_SLACK

    def _add_logged(self, fills: Sequence[Fill]) -> None:
        wanted = {(fill.account, fill.order_id) for fill in fills}
        for account, symbol in {(fill.account, fill.symbol) for fill in fills}:
            times = [fill.time for fill in fills if (fill.account, fill.symbol) == (account, symbol)]
            found = self._repository.fills_of_key(account, symbol, after=min(times) - _LOG_SLACK)
            told = {fill.id: fill.raw.split()[1:] for fill in found if fill.id and fill.raw.startswith(_FROM_LOG)}
            for fill_id, known in self.known(told).items():
                for name in told[fill_id]:
                    if known.fill.source is Source.IMPORT and name != known.fill.order_id and (account, name) in wanted:
                        self._orders[account, name].add(known)

    def forget_orders(self) -> None:
        """Ask the ledger again for the fills of every order."""
        self._orders.clear()

    def without_order(self, fills: Sequence[Fill]) -> list[Known]:
        """Return the fills of the same symbol and time that name no order either.

        History may round up to whole seconds, so it is also looked for a second earlier, but for what history dated so.
        """
        first = whole_second(min(fill.time for fill in fills))
        found = self._repository.fills_of_key(fills[0].account, fills[0].symbol, after=first - timedelta(seconds=2))
        times = {fill.id: fill.time for fill in found if not fill.order_id and fill.id is not None}
        knowns = self.known(times)
        return [
            knowns[fill_id]
            for fill_id, time in times.items()
            if time >= first or max(knowns[fill_id].times_from(Source.BACKFILL), default=first) >= first
        ]

    def ids_are_shared(self, account: str) -> bool | None:
        """Return whether live and history ids of the account are one namespace, None while nothing shows it."""
        if account not in self._ids_are_shared:
            self._ids_are_shared[account] = ids_shared(
                self.known(self._repository.seen_live_and_past(account)).values()
            )
        return self._ids_are_shared[account]

    def forget(self, account: str) -> None:
        """Decide again, when next asked, whether the account's ids are one namespace."""
        self._ids_are_shared.pop(account, None)
