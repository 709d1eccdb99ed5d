"""A person's entries: close a stale position, add, replace or void a fill, undo; each a further row with its reason.

Nothing is overwritten: a correction supersedes, and an undo supersedes the correction. Every function runs inside one
transaction of the repository, which the caller may roll back to see only what would happen.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import frozen

from dtcpos.booking import close_out, flat
from dtcpos.booking.entries import synthetic_id
from dtcpos.booking.pricing import wire_price
from dtcpos.errors import UsageError
from dtcpos.keeping.dating import dated
from dtcpos.keeping.journal import changed, position_text
from dtcpos.keeping.orders import Orders
from dtcpos.keeping.posting import Posting
from dtcpos.model import Fill, Position, PositionKey, Side, Source, Trade
from dtcpos.store import PositionRepository, refined
from dtcpos.updates import TradeUpdate, Update, last_fills

CLOSE, ADD, REPLACE, VOID, UNDO = "close", "fix add", "fix replace", "fix void", "undo"
BY_PERSON = (CLOSE, ADD, REPLACE, VOID)


# A person's clock may be a little ahead of this machine's.
_AHEAD_MAX = timedelta(minutes=5)


def _clock(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%SZ")


@frozen(kw_only=True)
class Correction:
    """What an entry did: the position before and after, the trades it closed or changed, and where it is written."""

    key: PositionKey
    before: Position
    after: Position
    trades: tuple[Trade, ...]
    fill_id: int | None
    entry_id: int | None
    is_undo: bool = False


class Corrections:
    """The entries of a person into one ledger; `now` is when they are made."""

    def __init__(self, repository: PositionRepository, *, now: datetime) -> None:
        self._repository = repository
        self._posting = Posting(repository)
        self._now = now

    def close(
        self,
        account: str,
        symbol: str,
        *,
        price: Decimal | None,
        quantity: Decimal | None,
        time: datetime | None,
        reason: str,
    ) -> Correction:
        """Close a position, or `quantity` lots of it, at a display price; without one the profit stays unknown.

        Without a time it was closed now, by the clock of the server whose executions the position is made of. Raises
        UsageError where nothing is held, or less than `quantity`.
        """
        key = self._key(account, symbol)
        held = self._posting.positions.get(key)
        if held is None:
            raise UsageError(f"nothing is held in {' '.join(key)}; `dtcpos positions` lists what is")
        if time is None:
            time = dated(self._repository, account, symbol, self._now)
        else:
            self._refuse_future(time)
        if held.entry_time is not None and time < held.entry_time:
            entered = _clock(held.entry_time)
            raise UsageError(f"{_clock(time)} is before the position was entered, {entered}; correct --time")
        if quantity is not None and not 0 < quantity <= abs(held.signed_quantity):
            raise UsageError(f"cannot close {quantity:f} of {abs(held.signed_quantity):f} lots; give a part of them")
        closing = close_out(held, price=self._wire_price(symbol, price), time=time, reason=reason)
        if quantity is not None:
            closing = closing._replace(
                quantity=quantity, execution_id=synthetic_id(closing.execution_id, quantity, time)
            )
        return self._post(CLOSE, closing)

    def add(
        self, account: str, symbol: str, side: Side, *, quantity: Decimal, price: Decimal, time: datetime, reason: str
    ) -> Correction:
        """Add an execution nobody told us of; the same one again changes nothing."""
        self._key(account, symbol)
        self._refuse_future(time)
        wire_price = self._wire_price(symbol, price)
        added = Fill(
            account=account,
            symbol=symbol,
            side=side,
            quantity=quantity,
            price=wire_price,
            time=time,
            time_is_exact=True,
            execution_id=synthetic_id("manual", account, symbol, side, quantity, wire_price, time),
            source=Source.MANUAL,
            reason=reason,
        )
        found = self._repository.find_executions(account, [added.execution_id])
        if found:
            (known,) = self._repository.fills(list(found.values()))
            if known.is_void:
                return self._correct(ADD, known, added._replace(is_void=False))
        return self._post(ADD, added)

    def replace(self, fill_id: int, *, changes: dict[str, Any], reason: str) -> Correction:
        """Put other facts (side, quantity, display price, time) in the place of a fill's."""
        before = self._current(fill_id)
        known = self._refined(before)
        facts = dict(changes)
        if "price" in facts:
            facts["price"] = self._wire_price(before.symbol, facts["price"])
        after = known._replace(source=Source.MANUAL, reason=reason, position_after=None, **facts)
        return self._correct(REPLACE, before, after)

    def void(self, fill_id: int, *, reason: str) -> Correction:
        """Take a fill out of the account: it stays readable and counts no more."""
        before = self._current(fill_id)
        return self._correct(VOID, before, before._replace(is_void=True, source=Source.MANUAL, reason=reason))

    def undo(self, entry_id: int | None, *, reason: str) -> Correction:
        """Take back an entry of a person, the last one without `entry_id`.

        Raises UsageError where there is none, or where it was taken back or corrected since.
        """
        standing = self._standing()
        if not standing and entry_id is None:
            raise UsageError("there is no entry of a person to undo; `dtcpos history` lists what happened")
        wanted = next(reversed(standing)) if entry_id is None else entry_id
        if wanted not in standing:
            known = ", ".join(map(str, [*standing][-5:])) or "none"
            raise UsageError(f"{wanted} is no entry of a person that stands; those that do are {known}")
        row_id, base_id = standing[wanted]
        if self._repository.newest_of(row_id) != row_id:
            raise UsageError(f"entry {wanted} was corrected since; undo the later entry first")
        (row,) = self._repository.fills([row_id])
        if base_id is None:
            return self._correct(UNDO, row, row._replace(is_void=True, reason=reason))
        (base,) = self._repository.fills([base_id])
        return self._correct(UNDO, row, self._refined(base)._replace(reason=reason))

    def _standing(self) -> dict[int, tuple[int, int | None]]:
        """Return the entries not taken back: the row that stands for each, and the row it took the place of.

        Taking an entry back adds a row too, which then stands for whatever entry had stood there before.
        """
        standing: dict[int, tuple[int, int | None]] = {}
        for entry in self._repository.entries_by_person():
            assert entry.id is not None
            assert entry.fill_id is not None
            (row,) = self._repository.fills([entry.fill_id])
            if entry.cause != UNDO:
                standing[entry.id] = (entry.fill_id, row.supersedes)
                continue
            undone = next((each for each, (row_id, _) in standing.items() if row_id == row.supersedes), None)
            if undone is None:
                continue
            _, base_id = standing.pop(undone)
            for each, (row_id, below) in standing.items():
                if row_id == base_id:
                    standing[each] = (entry.fill_id, below)
        return standing

    def _refuse_future(self, time: datetime) -> None:
        if time > self._now + _AHEAD_MAX:
            raise UsageError(f"{_clock(time)} is in the future; an execution has happened, so correct --time")

    def _key(self, account: str, symbol: str) -> PositionKey:
        if account not in self._posting.accounts:
            known = ", ".join(sorted(self._posting.accounts)) or "none yet"
            raise UsageError(f"no account {account!r}; known are {known}")
        return self._posting.key_of(account, symbol)

    def _wire_price(self, symbol: str, price: Decimal | None) -> Decimal | None:
        return wire_price(price, self._posting.instruments.get(symbol))

    def _current(self, fill_id: int) -> Fill:
        found = self._repository.fills([fill_id])
        if not found:
            raise UsageError(f"no fill {fill_id}; `dtcpos tail --json` shows their ids")
        newest = self._newest(found[0])
        if newest.id != fill_id:
            raise UsageError(f"fill {fill_id} was superseded by fill {newest.id}; correct that one")
        if newest.is_void:
            raise UsageError(f"fill {fill_id} is void; `dtcpos undo` brings it back")
        return newest

    def _refined(self, fill: Fill) -> Fill:
        """Return a row as it is booked; one that takes its place has no sightings that would refine it again."""
        assert fill.id is not None
        return refined(fill, self._repository.sightings_of([fill.id]).get(fill.id, ()))

    def _newest(self, fill: Fill) -> Fill:
        assert fill.id is not None
        (newest,) = self._repository.fills([self._repository.newest_of(fill.id)])
        return newest

    def _post(self, cause: str, fill: Fill) -> Correction:
        key = self._key(fill.account, fill.symbol)
        before = self._posting.positions.get(key, flat(key))
        updates = self._posting.post_entry(fill, now=self._now)
        found = self._repository.find_executions(fill.account, [fill.execution_id])
        fill_id = found[fill.execution_id] if updates else None
        return self._written(cause, key, before, updates, fill_id, fill.reason)

    def _correct(self, cause: str, before: Fill, after: Fill) -> Correction:
        key = self._key(after.account, after.symbol)
        held = self._posting.positions.get(key, flat(key))
        fill_id, updates = self._posting.post_correction(before, after, now=self._now)
        return self._written(cause, key, held, updates, fill_id, after.reason)

    def _settle_breaks(self, key: PositionKey, after: Position) -> None:
        """End the breaks about a key that an entry has brought to what the server stated."""
        for found in self._repository.open_breaks():
            reached = found.key == key and after.signed_quantity == (found.reported_quantity or 0)
            if reached and found.kind != "average_price":
                assert found.id is not None
                self._repository.answer_break(found.id, "corrected", self._now)

    def _written(
        self, cause: str, key: PositionKey, before: Position, updates: list[Update], fill_id: int | None, reason: str
    ) -> Correction:
        after = self._posting.positions.get(key, flat(key))
        orders = Orders(self._repository, self._posting)
        orders.concern(key)
        orders.write(last_fills(updates))
        self._settle_breaks(key, after)
        entry_id = None
        if fill_id is not None:
            entry = changed(key, self._now, cause, position_text(before), position_text(after), fill_id)
            entry_id = self._repository.add_journal([entry._replace(reason=reason)])
        trades = tuple(update.trade for update in updates if isinstance(update, TradeUpdate))
        return Correction(
            key=key,
            before=before,
            after=after,
            trades=trades,
            fill_id=fill_id,
            entry_id=entry_id,
            is_undo=cause == UNDO,
        )
