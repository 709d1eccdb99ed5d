"""Post executions to the ledger: identify, append, book, and write the projections through.

Everything here happens inside one transaction of the repository, opened by the caller, and returns the updates that
become true with its commit. If the transaction fails, call `reload` before posting again.

Invariants:
1. A fill is appended at most once; every later telling of it is a sighting.
2. Positions and trades written are those a replay of the key's fills would give.
3. What arrived late, or was corrected, changes only rows whose own fills changed, and the journal says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice

from dtcpos.booking import Booking, assumed, flat, fold, replay, ruled
from dtcpos.booking.excursions import same_booking, same_trade, too_narrow, widest
from dtcpos.booking.pricing import priced
from dtcpos.keeping.batch import Batch
from dtcpos.keeping.identity import Known, KnownOrder, history_matches, live_match, nameless_match
from dtcpos.keeping.imported import ImportedLog, Logged
from dtcpos.keeping.journal import booked, changed, position_text, trade_text
from dtcpos.keeping.lookup import Lookup
from dtcpos.keeping.tails import Tails
from dtcpos.model import (
    ZERO,
    Account,
    Action,
    Fill,
    Instrument,
    JournalEntry,
    Position,
    PositionKey,
    Terms,
    Trade,
)
from dtcpos.store import PositionRepository
from dtcpos.translate import mode_of, outdated_modes
from dtcpos.updates import AlertUpdate, FillUpdate, TradeUpdate, Update

_Symbol = tuple[str, str]  # account, symbol
# An alert names so many other symbols; an account may hold thousands.
_NAMED_MAX = 5


class Posting:
    """The bookkeeper of one repository: knows what is held and books what happens.

    `openings` grows whenever a key may have come to be held that was not; `rebooked` are keys whose position was made
    anew by something else than their latest fill, until who keeps more of a position takes them out.
    """

    def __init__(
        self,
        repository: PositionRepository,
        *,
        mode_rules: Mapping[str, str] | None = None,
        instrument_rules: Mapping[str, Terms] | None = None,
        one_position_per_account: bool = True,
    ) -> None:
        self._repository = repository
        self._instrument_rules = dict(instrument_rules or {})
        self._guards_accounts = one_position_per_account
        self._mode_rules = dict(mode_rules or {})
        self.openings = 0
        self.rebooked: set[PositionKey] = set()
        self.reload()

    def reload(self) -> None:
        """Read what is held from the file again, forgetting everything remembered of it."""
        self._positions = self._repository.positions()
        self.openings += 1
        self._symbols: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        for mode, account, symbol in self._positions:
            self._symbols[mode, account][symbol] = None
        self._accounts = {account.account: account for account in self._repository.accounts()}
        self._instruments = self._repository.instruments()
        self._tails = Tails(self._repository)
        self._lookup = Lookup(self._repository)

    @property
    def positions(self) -> Mapping[PositionKey, Position]:
        """What is held, by key."""
        return self._positions

    @property
    def accounts(self) -> Mapping[str, Account]:
        """The accounts known, by name."""
        return self._accounts

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """The instruments known, by symbol."""
        return self._instruments

    def key_of(self, account: str, symbol: str) -> PositionKey:
        """Return the key of a symbol in a known account."""
        return PositionKey(self._accounts[account].mode, account, symbol)

    def meet(self, account: str, *, now: datetime) -> list[Update]:
        """Make an account known, deciding its mode at first sight; nothing if it is known already."""
        if account in self._accounts:
            return []
        mode, rule = mode_of(account, self._mode_rules)
        met = Account(account=account, mode=mode, rule=rule, first_seen_at=now)
        self._repository.put_account(met)
        self._accounts[account] = met
        entry = JournalEntry(at=now, cause="account", account=account, after=mode, reason=rule)
        self._repository.add_journal([entry])
        return [AlertUpdate(kind="account", text=f"account {account} is {mode} ({rule})")]

    def put_account(self, account: Account) -> None:
        """Store what has been learned of an account."""
        self._repository.put_account(account)
        self._accounts[account.account] = account

    def post_live(self, fills: Sequence[Fill], *, now: datetime) -> list[Update]:
        """Book executions told by the live feed, in the order told."""
        batch = Batch(self._repository, now)
        updates = self._meet_all(fills, now)
        known = self._lookup.known_by_id(fills)
        orders = self._lookup.orders(fill for fill in fills if fill.execution_id not in known[fill.account])
        for fill in fills:
            by_id = known[fill.account]
            match = by_id.get(fill.execution_id) if fill.execution_id else None
            if match is not None:
                match = batch.see(match, fill)
            elif fill.order_id:
                order = orders[fill.account, fill.order_id]
                match = live_match(fill, order, ids_are_shared=self._lookup.ids_are_shared(fill.account))
                if match is None:
                    match = batch.append(fill)
                    order.add(match)
                else:
                    before, match = match, batch.see(match, fill)
                    order.replace(before, match)
            elif fill.execution_id:
                match = batch.append(fill)
            else:
                nameless = [*self._lookup.without_order([fill]), *map(Known, batch.appended)]
                match = nameless_match(fill, nameless)
                match = batch.append(fill) if match is None else batch.see(match, fill)
            if fill.execution_id:
                by_id[fill.execution_id] = match
        return updates + self._write(batch, orders_are_followed=not (batch.sightings or batch.disturbed))

    def post_history(self, account: str, fills: Sequence[Fill], *, now: datetime) -> list[Update]:
        """Book what a whole batch of history says of one account; most of it is usually known."""
        batch = Batch(self._repository, now)
        updates = self._meet_all(fills, now)
        known = self._lookup.known_by_id(fills)
        self._lookup.forget_orders()
        orders = self._lookup.orders(fill for fill in fills if fill.execution_id not in known[fill.account])
        for name in dict.fromkeys(fill.account for fill in fills):
            self._lookup.add_corrected(name)
        groups: dict[_Symbol, list[Fill]] = defaultdict(list)
        for fill in fills:
            groups[fill.account, fill.order_id or f"\0{fill.symbol}"].append(fill)
        for (name, order_id), group in groups.items():
            if group[0].order_id:
                order = orders.get((name, order_id)) or KnownOrder()
            else:
                order = KnownOrder(self._lookup.without_order(group))
            self._post_order_history(batch, group, known[name], order)
        self._lookup.forget(account)
        return updates + self._write(batch)

    def _post_order_history(self, batch: Batch, fills: list[Fill], by_id: dict[str, Known], order: KnownOrder) -> None:
        """Identify the historical fills of one order; a batch that names one id twice has told it twice."""
        ids = {fill.execution_id for fill in fills}
        if (
            not order.fills
            and not order.corrected
            and len(ids) == len(fills)
            and "" not in ids
            and by_id.keys().isdisjoint(ids)
        ):
            # Nothing known that they could be: most of a first history, which need not be matched with nothing.
            for fill in fills:
                by_id[fill.execution_id] = batch.append(fill)
            return
        firsts = {fill.execution_id or f"\0{index}": fill for index, fill in reversed(list(enumerate(fills)))}
        told = list(firsts.values())[::-1]
        shared = self._lookup.ids_are_shared(fills[0].account)
        matches = history_matches(told, by_id, order.fills, ids_are_shared=shared, corrected=order.corrected)
        for fill, match in zip(told, matches, strict=True):
            known = batch.append(fill) if match is None else batch.see(match, fill)
            if fill.execution_id:
                by_id[fill.execution_id] = known
        for fill in fills:
            if fill.execution_id and firsts[fill.execution_id] is not fill:
                by_id[fill.execution_id] = batch.see(by_id[fill.execution_id], fill)

    def post_import(self, rows: Sequence[Logged], log: ImportedLog, *, now: datetime) -> list[Update]:
        """Book a part of an imported log; `catch_up` books the keys of which something belongs earlier."""
        batch = Batch(self._repository, now)
        updates = self._meet_all((row.fill for row in rows), now)
        log.identify(rows, batch, self._lookup)
        return updates + self._write(batch, late=log.late)

    def catch_up(self, log: ImportedLog, *, now: datetime) -> list[Update]:
        """Book again, once, every key that parts of a log have left waiting."""
        updates: list[Update] = []
        for (account, symbol), moment in log.late.items():
            updates += self._replay(account, symbol, moment, [], now, cause="import")
        return updates

    def post_entry(self, fill: Fill, *, now: datetime) -> list[Update]:
        """Book an adjustment or a person's fill; its synthetic id makes a second posting change nothing."""
        if self._lookup.known_by_id([fill])[fill.account]:
            return []
        batch = Batch(self._repository, now)
        updates = self._meet_all([fill], now)
        batch.append(fill)
        return updates + self._write(batch)

    def post_correction(self, before: Fill, after: Fill, *, now: datetime) -> tuple[int, list[Update]]:
        """Put a row in the place of a fill; returns the new row's id beside the updates."""
        batch = Batch(self._repository, now)
        assert before.id is not None
        row = batch.correct(before, after, self._repository.sightings_of([before.id]).get(before.id, ()))
        assert row.id is not None
        return row.id, self._write(batch)

    def apply_rules(self, *, now: datetime) -> list[Update]:
        """Bring the instruments known up to date with the settings; a new commission re-books their fills.

        Accounts keep their mode; one the settings would put elsewhere now is only spoken of.
        """
        updates: list[Update] = []
        if outdated := outdated_modes(self._accounts.values(), self._mode_rules):
            updates.append(AlertUpdate(kind="accounts", text=outdated))
        for instrument in list(self._instruments.values()):
            updates += self.put_instrument(ruled(instrument, self._instrument_rules), now=now)
        return updates

    def _introduce(self, symbol: str) -> None:
        """Give a new symbol what the settings and the shipped table know of it, before its first fill is booked."""
        if symbol not in self._instruments:
            instrument = assumed(symbol, self._instrument_rules)
            self._repository.put_instrument(instrument)
            self._instruments[symbol] = instrument

    def put_instrument(self, instrument: Instrument, *, now: datetime) -> list[Update]:
        """Store what an instrument is; a new multiplier or commission re-books the symbol's fills."""
        before = self._instruments.get(instrument.symbol)
        if before == instrument:
            return []
        self._repository.put_instrument(instrument)
        self._instruments[instrument.symbol] = instrument
        updates: list[Update] = []
        before = before or Instrument(symbol=instrument.symbol)
        if (before.multiplier, before.commission) != (instrument.multiplier, instrument.commission):
            for account in self._accounts:
                if self._repository.count_of_key(account, instrument.symbol):
                    updates += self._replay(account, instrument.symbol, None, [], now, cause="instrument")
        return updates

    def widen(self, positions: Iterable[Position]) -> None:
        """Store open positions whose excursions have grown; one that was booked again since is passed over."""
        changed = [each for each in positions if same_booking(each, self._positions.get(each.key, flat(each.key)))]
        self._repository.put_positions(changed)
        for position in changed:
            self._positions[position.key] = position

    def _meet_all(self, fills: Iterable[Fill], now: datetime) -> list[Update]:
        updates: list[Update] = []
        for fill in fills:
            if fill.account not in self._accounts:
                updates += self.meet(fill.account, now=now)
        return updates

    def _write(
        self, batch: Batch, *, orders_are_followed: bool = False, late: dict[_Symbol, datetime] | None = None
    ) -> list[Update]:
        """Write a batch and book it; with `late`, keys that must be booked again are left there with the moment."""
        if not orders_are_followed:
            self._lookup.forget_orders()
        if not batch.appended and not batch.sightings:
            return []
        new: dict[_Symbol, list[Fill]] = defaultdict(list)
        for fill in batch.appended:
            new[fill.account, fill.symbol].append(fill)
        for symbol in new:
            self._introduce(symbol[1])
            # Read before the new fills are there to be read.
            self._tails.of(*symbol, held=self._held(*symbol))
        self._repository.add_fills(batch.appended)
        for account, sightings in batch.sightings.items():
            self._repository.add_sightings(account, sightings)
        updates: list[Update] = []
        for symbol in dict.fromkeys([*new, *batch.disturbed]):
            moment = late.get(symbol) if late else None
            moment = batch.disturbed.get(symbol, moment)
            if moment is None:
                ordered = self._tails.following(*symbol, new[symbol], held=self._held(*symbol))
                if ordered is not None:
                    updates += self._extend(*symbol, ordered, batch.now)
                    continue
            moments = [fill.time for fill in new.get(symbol, [])] + ([moment] if moment else [])
            if late is not None:
                late[symbol] = min(*moments, late.get(symbol, moments[0]))
                continue
            account, name = symbol
            updates += self._replay(account, name, min(moments), new.get(symbol, []), batch.now, cause="late")
        return updates

    def _held(self, account: str, symbol: str) -> Decimal:
        position = self._positions.get(self.key_of(account, symbol))
        return ZERO if position is None else position.signed_quantity

    def _extend(self, account: str, symbol: str, fills: list[Fill], now: datetime) -> list[Update]:
        key = self.key_of(account, symbol)
        before = self._positions.get(key, flat(key))
        bookings = fold(before, (self._priced(fill) for fill in fills))
        trades = [booking.trade for booking in bookings if booking.trade is not None]
        if trades:
            self._repository.add_trades(trades)
        self._hold(bookings[-1].after)
        self._repository.add_journal(booked(bookings, now))
        self._tails.extend(account, symbol, fills)
        instrument = self._instruments.get(symbol)
        updates: list[Update] = []
        for fill, booking in zip(fills, bookings, strict=True):
            updates += self._told(fill, booking, instrument)
        return updates

    def _told(self, fill: Fill, booking: Booking, instrument: Instrument | None) -> list[Update]:
        key = booking.after.key
        position = None if booking.after.is_flat else booking.after
        # A named tuple's own constructor is a Python function, and every fill would go through it.
        updates: list[Update] = [tuple.__new__(FillUpdate, (fill, key.mode, booking.action, position, instrument))]
        if booking.trade is not None:
            updates.append(TradeUpdate(trade=booking.trade, instrument=instrument))
        if booking.action is Action.OPENED and self._guards_accounts:
            updates += self._guarded(key)
        return updates

    def _guarded(self, key: PositionKey) -> list[Update]:
        held = self._symbols[key.mode, key.account]
        others = sorted(islice((symbol for symbol in held if symbol != key.symbol), _NAMED_MAX))
        if not others:
            return []
        more = len(held) - (key.symbol in held) - len(others)
        names = ", ".join(others) + (f" and {more} more" if more else "")
        text = f"account {key.account} now holds {key.symbol} beside {names}"
        return [AlertUpdate(kind="one_position_per_account", text=text, key=key)]

    def _hold(self, position: Position) -> None:
        if position.is_flat:
            if self._positions.pop(position.key, None) is not None:
                self._symbols[position.key[:2]].pop(position.key.symbol, None)
                self._repository.remove_position(position.key)
        else:
            if position.key not in self._positions:
                self._symbols[position.key[:2]][position.key.symbol] = None
                self.openings += 1
            self._positions[position.key] = position
            self._repository.put_position(position)

    def _replay(
        self, account: str, symbol: str, moment: datetime | None, new: list[Fill], now: datetime, *, cause: str
    ) -> list[Update]:
        """Book a key again from its last flat point before `moment` (None: from its first fill)."""
        key = self.key_of(account, symbol)
        since = self._repository.flat_point_before(account, symbol, moment) if moment is not None else None
        fills = self._repository.fills_of_key(account, symbol, after=since)
        again = replay(key, (self._priced(fill) for fill in fills))
        updates, told = [], {fill.id: fill for fill in new}
        for booking in again.bookings:
            if booking.fill.id in told:
                # What is held after it is what is held now: later fills are booked already.
                now_held = booking._replace(after=again.position)
                updates += self._told(told[booking.fill.id], now_held, self._instruments.get(symbol))
        closed_now = {booking.fill.id for booking in again.bookings if booking.fill.id in told}
        stored = self._repository.trades_of_key(account, symbol, after=since)
        updates += self._settle(stored, again.trades, closed_now, now, cause)
        before = self._positions.get(key, flat(key))
        if not same_booking(before, again.position):
            self._hold(again.position)
            self.rebooked.add(key)
            causes = [booking.fill.id for booking in again.bookings if booking.fill.id in told]
            entry = changed(
                key, now, cause, position_text(before), position_text(again.position), causes[-1] if causes else None
            )
            self._repository.add_journal([entry])
        elif too_narrow(before, again.position):
            self._hold(widest(before, again.position))
        self._tails.replace(account, symbol, [booking.fill for booking in again.bookings])
        return updates

    def _settle(
        self, stored: Sequence[Trade], trades: Sequence[Trade], told: set[int | None], now: datetime, cause: str
    ) -> list[Update]:
        """Make the stored trades of a key those of a replay, touching only what differs."""
        old = {trade.opened_by: trade for trade in stored}
        updates: list[Update] = []
        journal: list[JournalEntry] = []
        for trade in trades:
            before = old.pop(trade.opened_by, None)
            instrument = self._instruments.get(trade.key.symbol)
            if before is None:
                self._repository.add_trades([trade])
            elif not same_trade(before, trade):
                self._repository.replace_trade(trade._replace(id=before.id))
            else:
                if too_narrow(before, trade):
                    self._repository.replace_trade(widest(before, trade)._replace(id=before.id))
                continue
            journal.append(changed(trade.key, now, cause, trade_text(before), trade_text(trade), trade.closed_by))
            if trade.closed_by not in told:
                updates.append(TradeUpdate(trade=trade, instrument=instrument, is_restated=True))
        for before in old.values():
            assert before.id is not None
            self._repository.remove_trade(before.id)
            journal.append(changed(before.key, now, cause, trade_text(before), "", before.closed_by))
        self._repository.add_journal(journal)
        return updates

    def _priced(self, fill: Fill) -> Fill:
        """Return the fill in display prices and with the commission that is known for its symbol."""
        return priced(fill, self._instruments.get(fill.symbol))


# What is made without its constructor is not counted by it.
assert len(FillUpdate._fields) == 5
