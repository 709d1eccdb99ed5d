"""Which executions are the same one: the rules that make a fill be booked once.

Identity, in order: the account and the execution id where it is given; else the account, the order and its cumulative
filled quantity. History may name executions from another namespace than the live feed; where an order's history ids
never meet its live ids, its executions are matched as a multiset of (side, quantity, price). Times never decide
whether two are one, because the live feed knows milliseconds and history whole seconds; they only pair those that
are alike. All functions are pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from dtcpos.booking import whole_second
from dtcpos.exact import EXACT
from dtcpos.model import Fill, Side, Sighting, Source

Content = tuple[str, Side, Decimal, Decimal | None]


class Known(NamedTuple):
    """A fill of the ledger and where it has been seen."""

    fill: Fill
    sightings: tuple[Sighting, ...] = ()

    def ids_from(self, source: Source) -> set[str]:
        """Return the execution ids a source gave this fill; empty if that source never saw it."""
        ids = {sighting.execution_id for sighting in self.sightings if sighting.source is source}
        if self.fill.source is source:
            ids.add(self.fill.execution_id)
        return ids

    def times_from(self, source: Source) -> list[datetime]:
        """Return when a source says that this fill was executed; empty if that source never saw it."""
        told: list[Fill | Sighting] = [self.fill, *self.sightings]
        return [each.time for each in told if each.source is source and each.time is not None]

    def was_seen_by(self, source: Source) -> bool:
        """Whether a source has told this fill."""
        return self.fill.source is source or any(sighting.source is source for sighting in self.sightings)


def content(fill: Fill) -> Content:
    """Return what an execution did, which two sources must agree on for it to be the same one."""
    return fill.symbol, fill.side, fill.quantity, fill.price


class Corrected(NamedTuple):
    """What a fill said before it was replaced or voided, and the row that stands in its place now."""

    before: Content
    now: Known


class KnownOrder:
    """The fills of one order that are known, and their total quantity; `corrected` is what some of them said before."""

    __slots__ = ("corrected", "fills", "total")

    def __init__(self, fills: Iterable[Known] = ()) -> None:
        self.fills: list[Known] = []
        self.corrected: list[Corrected] = []
        self.total = Decimal(0)
        for known in fills:
            self.add(known)

    def add(self, known: Known) -> None:
        """Count a fill in."""
        self.fills.append(known)
        self.total = EXACT.add(self.total, known.fill.quantity)

    def filled_until(self, cumulative: Decimal) -> Decimal:
        """Return how much is booked of what was filled when the total was this; later fills do not count."""
        if self.total < cumulative:
            return self.total
        later = (known.fill for known in self.fills if (known.fill.cumulative_quantity or 0) > cumulative)
        return EXACT.subtract(self.total, sum((fill.quantity for fill in later), Decimal(0)))

    def replace(self, before: Known, after: Known) -> None:
        """Put what is known now of a fill in the place of what was known."""
        self.fills.remove(before)
        self.total = EXACT.subtract(self.total, before.fill.quantity)
        self.add(after)


def live_match(fill: Fill, order: KnownOrder, *, ids_are_shared: bool | None) -> Known | None:
    """Return the fill of its order that a live execution with an unknown (or no) id restates, None if it is new.

    `ids_are_shared` says whether live and history ids of the account are known to be one namespace.
    """
    if not fill.execution_id:
        return _same_cumulative(fill, order)
    # History or a log told it first, under another name: the order's quantity, this execution included, is booked.
    if fill.cumulative_quantity is None or order.filled_until(fill.cumulative_quantity) < fill.cumulative_quantity:
        return None
    unseen = (known for known in order.fills if not known.was_seen_by(Source.LIVE))
    return _nearest(fill, (known for known in unseen if not (ids_are_shared and any(known.ids_from(Source.BACKFILL)))))


def nameless_match(fill: Fill, others: Iterable[Known]) -> Known | None:
    """Return the execution that one without id and order restates: the same content at the same exact time.

    Here alone time decides, because nothing else is left.
    """
    for known in others:
        other = known.fill
        is_nameless = not other.execution_id and not other.order_id and other.account == fill.account
        if is_nameless and content(other) == content(fill) and other.time == fill.time and other.time_is_exact:
            return known
    return None


def _same_cumulative(fill: Fill, order: KnownOrder) -> Known | None:
    for known in order.fills:
        other = known.fill
        if fill.cumulative_quantity is not None and other.cumulative_quantity is not None:
            if fill.cumulative_quantity == other.cumulative_quantity:
                return known
        elif content(other) == content(fill) and other.time == fill.time:
            # Neither id nor cumulative quantity: the same words at the same instant are a restatement.
            return known
    uncounted = [known for known in order.fills if known.fill.cumulative_quantity is None]
    unseen = _nearest(fill, (known for known in uncounted if not known.was_seen_by(Source.LIVE)))
    if fill.cumulative_quantity is None:
        return unseen
    # As many lots as the order has filled by now are booked, so this execution is among them; else it is new.
    is_among = order.filled_until(fill.cumulative_quantity) >= fill.cumulative_quantity
    return (unseen or _nearest(fill, uncounted)) if is_among else None


def _nearest(fill: Fill, order: Iterable[Known]) -> Known | None:
    alike = (known for known in order if content(known.fill) == content(fill))
    return min(alike, key=lambda known: abs(known.fill.time - fill.time), default=None)


def history_matches(
    fills: Sequence[Fill],
    by_id: Mapping[str, Known],
    order: Sequence[Known],
    *,
    ids_are_shared: bool | None,
    corrected: Sequence[Corrected] = (),
) -> list[Known | None]:
    """Return, for each historical fill of one order, the fill of the ledger it restates, or None where it is missing.

    `by_id` finds the ledger's fills by execution id, `order` holds all of the order's fills. Each fill of the ledger
    is matched at most once. One that was `corrected` is known by what it said before: history goes on saying that, also
    after a person has replaced or voided it.
    """
    matches = _each_once([by_id.get(fill.execution_id) if fill.execution_id else None for fill in fills], fills)
    taken = {known.fill.id for known in matches if known is not None}
    if ids_are_shared is None:
        ids_are_shared = _ids_meet(matches, fills)
    candidates: dict[Content, list[Known]] = defaultdict(list)
    for known in order:
        if known.fill.id not in taken:
            candidates[content(known.fill)].append(known)
    for was, now in corrected:
        if now.fill.id not in taken:
            candidates[was].append(now)
    named_by = (Source.BACKFILL, Source.LIVE) if ids_are_shared else (Source.BACKFILL,)
    unnamed = [index for index, match in enumerate(matches) if match is None]
    # Of several that are alike, those of one second are each other: what is missing is then missing at its own time.
    for second_counts in (True, False):
        for index in unnamed:
            if matches[index] is None:
                alike = [known for known in candidates[content(fills[index])] if known.fill.id not in taken]
                matches[index] = match = _take(alike, fills[index], named_by, second_counts=second_counts)
                if match is not None:
                    taken.add(match.fill.id)
    return matches


def _each_once(matches: Sequence[Known | None], fills: Sequence[Fill]) -> list[Known | None]:
    """Leave each fill of the ledger to one of those whose ids lead to it: the one of its own name, else the first.

    History tells an execution once, so a second id was taken for a name of this one by mistake.
    """
    owners: dict[int | None, int] = {}
    for index, (known, fill) in enumerate(zip(matches, fills, strict=True)):
        if known is not None and (known.fill.id not in owners or known.fill.execution_id == fill.execution_id):
            owners[known.fill.id] = index
    return [known if known and owners[known.fill.id] == index else None for index, known in enumerate(matches)]


def _ids_meet(matches: Iterable[Known | None], fills: Iterable[Fill]) -> bool:
    pairs = zip(matches, fills, strict=True)
    return any(known is not None and fill.execution_id in known.ids_from(Source.LIVE) for known, fill in pairs)


def _take(candidates: list[Known], fill: Fill, named_by: Sequence[Source], *, second_counts: bool) -> Known | None:
    for index, known in enumerate(candidates):
        if second_counts and whole_second(known.fill.time) != whole_second(fill.time):
            continue
        # A fill that a source of the same ids already named is not told again under a second name.
        if not (fill.execution_id and any(name for source in named_by for name in known.ids_from(source))):
            return candidates.pop(index)
    return None


def ids_shared(known: Iterable[Known]) -> bool | None:
    """Return whether live and history ids are one namespace, as far as fills seen by both can tell."""
    verdict: bool | None = None
    for each in known:
        live = {name for name in each.ids_from(Source.LIVE) if name}
        past = {name for name in each.ids_from(Source.BACKFILL) if name}
        if live and past:
            if live & past:
                return True
            verdict = False
    return verdict
