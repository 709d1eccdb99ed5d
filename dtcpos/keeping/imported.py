"""Executions that an imported log tells: which of them the ledger knows already.

A log names its executions and its orders in its own way, so a row is the execution of the same id where there is one;
else one of its order's that the ledger knows by another name, matched as a multiset of (side, quantity, price).

Invariants:
1. Within one log a fill of the ledger stands for one id only, however many parts the log is booked in.
2. Where a source is seen to use the log's ids, its fills are matched by id alone.
3. The same log a second time appends nothing and supersedes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from dtcpos.booking import whole_second
from dtcpos.booking.order import UNNAMED
from dtcpos.keeping.batch import Batch
from dtcpos.keeping.identity import Known, content
from dtcpos.keeping.lookup import Lookup, remember_import
from dtcpos.model import Fill, Sighting, Source
from dtcpos.store import PositionRepository

# A log tells when it was written, a server when it was executed; without an order only what is this near is the same.
_NEAR = timedelta(seconds=5)
# A machine's clock may be wrong by this much; what is further from a log's first or last line is not in it.
_SKEW = timedelta(minutes=1)
_TELLERS = (Source.LIVE, Source.BACKFILL)

_Symbol = tuple[str, str]  # account, symbol


class Logged(NamedTuple):
    """An execution as a line of a log tells it.

    `order_ids` are the names the log has for its order, each in its own place and empty where there is none; any of
    them may be the one the server uses. `low` and `high` are the prices the log saw during the position.
    """

    line: int
    fill: Fill
    order_ids: tuple[str, ...] = ()
    low: Decimal | None = None
    high: Decimal | None = None


class ImportedLog:
    """What one log has come to so far, and what its rows have taught of its names.

    `late` holds the keys that must be booked again, each from its moment on, `unfollowed` those whose statements have
    to be held against the whole key: booked again, or known in part before. `matched` is the fill of each row of the
    part booked last, `superseded` the rows that tell an execution otherwise than the ledger did, with what it did.
    """

    def __init__(self, repository: PositionRepository) -> None:
        self._repository = repository
        self.new = self.seen_before = self.sighted = 0
        self.superseded: list[tuple[Logged, Fill]] = []
        self.late: dict[_Symbol, datetime] = {}
        self.unfollowed: set[_Symbol] = set()
        self.matched: list[int] = []
        self._claimed = bytearray()
        self._shared: dict[str, set[Source]] = defaultdict(lambda: {Source.IMPORT})
        self._order_place: dict[str, int] = {}
        self._latest: dict[str, datetime] = {}
        self._span: tuple[datetime, datetime] | None = None

    def learn(self, rows: Sequence[Logged], lookup: Lookup) -> list[tuple[Logged, Known]]:
        """Learn whose ids a part of the log uses, before anything is booked.

        Returns rows beside fills of the ledger that are the same execution, or look like it but for their price.
        """
        times = [row.fill.time for row in rows]
        first, last = self._span or (times[0], times[0])
        self._span = (min(first, *times), max(last, *times))
        by_id = lookup.known_by_id([row.fill for row in rows])
        pairs: list[tuple[Logged, Known]] = []
        unknown: list[Logged] = []
        for row in rows:
            known = by_id[row.fill.account].get(row.fill.execution_id)
            if known is None:
                unknown.append(row)
                continue
            pairs.append((row, known))
            self._note_order(row, known)
            shared = self._shared[row.fill.account]
            shared.update(source for source in _TELLERS if row.fill.execution_id in known.ids_from(source))
        for group, order in self._groups(unknown, lookup, with_strays=False):
            for row in group:
                alike = [each for each in order if _alike_but_for_price(each.fill, row.fill)]
                if alike:
                    nearest = min(alike, key=lambda each: abs(each.fill.time - row.fill.time))
                    pairs.append((row, nearest))
                    self._note_order(row, nearest)
        return pairs

    def identify(self, rows: Sequence[Logged], batch: Batch, lookup: Lookup) -> None:
        """Put a part of the log into a batch: what is new is appended, what is known is seen again."""
        by_id = lookup.known_by_id([row.fill for row in rows])
        matches: dict[int, Known] = {}
        unknown: list[Logged] = []
        names: set[tuple[str, str]] = set()
        for row in rows:
            name = (row.fill.account, row.fill.execution_id)
            known = by_id[row.fill.account].get(row.fill.execution_id)
            if known is not None:
                self._claim(known)
            elif name not in names:
                names.add(name)
                unknown.append(row)
        for group, order in self._groups(unknown, lookup, with_strays=True):
            matches |= self._matches(group, order)
        self.matched = [self._take(row, matches.get(row.line), by_id[row.fill.account], batch) for row in rows]

    def note_caught_up(self) -> None:
        """Take it that every key of `late` was booked again."""
        self.unfollowed.update(self.late)
        self.late.clear()

    def remember(self) -> None:
        """Store until when the accounts have executions that only a log named, for servers that tell them later."""
        for account, latest in self._latest.items():
            remember_import(self._repository, account, latest)

    def _take(self, row: Logged, match: Known | None, by_id: dict[str, Known], batch: Batch) -> int:
        fill = row.fill
        match = by_id.get(fill.execution_id, match)
        if match is None:
            known = batch.append(fill._replace(order_id=self._order_of(row)))
            self.new += 1
            self._latest[fill.account] = max(fill.time, self._latest.get(fill.account, fill.time))
        else:
            self.unfollowed.add((fill.account, fill.symbol))
            is_first_sighting = not match.was_seen_by(Source.IMPORT)
            known = batch.see(match, fill)
            symbol = (fill.account, fill.symbol)
            if symbol in batch.disturbed:
                # The log may know a better time, which lies before the fill's own.
                batch.disturbed[symbol] = min(batch.disturbed[symbol], fill.time)
            is_other = known.fill.id != match.fill.id
            if is_other:
                self.superseded.append((row, match.fill))
            self.seen_before += not is_other
            self.sighted += is_first_sighting and not is_other
        by_id[fill.execution_id] = known
        self._claim(known)
        assert known.fill.id is not None
        return known.fill.id

    def _matches(self, rows: Sequence[Logged], order: Sequence[Known]) -> dict[int, Known]:
        """Return the fills of one order that its rows tell under other names, by line; each fill at most once."""
        found: dict[int, Known] = {}
        candidates = self._in_span([known for known in order if not self._is_claimed(known)])
        for second_counts in (True, False):
            for row in rows:
                if row.line in found:
                    continue
                alike = [known for known in candidates if self._may_be(row, known, second_counts=second_counts)]
                if alike:
                    known = min(alike, key=lambda each: abs(each.fill.time - row.fill.time))
                    found[row.line] = known
                    candidates.remove(known)
                    self._claim(known)
                    self._note_order(row, known)
        return found

    def _in_span(self, order: list[Known]) -> list[Known]:
        """Leave out what lies before or after the whole log, unless the times of the two have nothing in common."""
        assert self._span is not None, "a log is examined before it is booked"
        first, last = self._span
        within = [known for known in order if first - _SKEW <= known.fill.time <= last + _SKEW]
        return within or order

    def _may_be(self, row: Logged, known: Known, *, second_counts: bool) -> bool:
        if content(known.fill) != content(row.fill):
            return False
        second = whole_second(row.fill.time)
        if second_counts and whole_second(known.fill.time) != second:
            return False
        # Logs agree about the time of an execution; only a server may have told it at another.
        if any(whole_second(time) != second for time in _times_in_logs(known)):
            return False
        if row.fill.execution_id.startswith(UNNAMED):
            return True
        # Its id would have been met, if a source that uses the log's ids has named it.
        sources = self._shared[row.fill.account]
        names = {name for source in sources for name in known.ids_from(source)}
        return all(not name or name.startswith(UNNAMED) for name in names)

    def _groups(
        self, rows: Sequence[Logged], lookup: Lookup, *, with_strays: bool
    ) -> Iterator[tuple[list[Logged], list[Known]]]:
        """Yield the rows of each order beside all fills the ledger has of it under any of its names."""
        orders = self._orders(rows, lookup)
        groups: dict[tuple[str, str, str], list[Logged]] = defaultdict(list)
        for row in rows:
            name = next((name for name in row.order_ids if name), "")
            groups[row.fill.account, row.fill.symbol, name].append(row)
        for (account, symbol, name), group in groups.items():
            if name:
                names = {name for row in group for name in row.order_ids if name}
                order = [known for name in sorted(names) for known in orders.get((account, name), ())]
                yield group, [known for known in order if known.fill.symbol == symbol]
            elif with_strays:
                for row in group:
                    yield [row], self._near(row, lookup)

    def _orders(self, rows: Iterable[Logged], lookup: Lookup) -> dict[tuple[str, str], list[Known]]:
        wanted: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            wanted[row.fill.account].update(name for name in row.order_ids if name)
        orders: dict[tuple[str, str], list[Known]] = defaultdict(list)
        for account, names in wanted.items():
            fills = self._repository.fills_of_orders(account, sorted(names))
            knowns = lookup.known(fill.id for fill in fills if fill.id is not None)
            for fill in fills:
                assert fill.id is not None
                orders[account, fill.order_id].append(knowns[fill.id])
        return orders

    def _near(self, row: Logged, lookup: Lookup) -> list[Known]:
        fill = row.fill
        after = whole_second(fill.time) - _NEAR
        found = self._repository.fills_of_key(fill.account, fill.symbol, after=after)
        near = [each for each in found if abs(each.time - fill.time) <= _NEAR]
        return list(lookup.known(each.id for each in near if each.id is not None).values())

    def _note_order(self, row: Logged, known: Known) -> None:
        # What an import has named says nothing of the server: where a row lacks one name it took another.
        if known.fill.source in _TELLERS and known.fill.order_id in row.order_ids and known.fill.order_id:
            self._order_place[row.fill.account] = row.order_ids.index(known.fill.order_id)

    def _order_of(self, row: Logged) -> str:
        """Return the name of the row's order that the server of the account uses, as far as it is known."""
        place = self._order_place.get(row.fill.account, 0)
        names = [name for name in (*row.order_ids[place:], *row.order_ids) if name]
        return names[0] if names else ""

    def _claim(self, known: Known) -> None:
        assert known.fill.id is not None
        # One bit for each fill of the ledger: a set of five million ids would take a thousand times the room.
        byte, bit = divmod(known.fill.id, 8)
        if byte >= len(self._claimed):
            self._claimed.extend(bytes(byte + 1024 - len(self._claimed)))
        self._claimed[byte] |= 1 << bit

    def _is_claimed(self, known: Known) -> bool:
        assert known.fill.id is not None
        byte, bit = divmod(known.fill.id, 8)
        return byte < len(self._claimed) and bool(self._claimed[byte] >> bit & 1)


def _times_in_logs(known: Known) -> list[datetime]:
    told: list[Fill | Sighting] = [known.fill, *known.sightings]
    return [each.time for each in told if each.source is Source.IMPORT and each.time is not None]


def _alike_but_for_price(known: Fill, fill: Fill) -> bool:
    return content(known)[:3] == content(fill)[:3]
