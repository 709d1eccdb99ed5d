"""Where executions are missing: the positions a server states after its fills, against our own running quantity.

Invariants:
1. Fills whose every statement follows from the one before, starting from nothing, have no gap.
2. A difference that stays the same is one gap, at the first statement that shows it.
3. Entries of a person and adjustments are ours like any fill; a difference they have made good is no gap any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby

from attrs import frozen

from dtcpos.booking.book import EXACT
from dtcpos.booking.order import whole_second
from dtcpos.model import ZERO, Fill, Source

_ENTERED = frozenset({Source.MANUAL, Source.ADJUSTMENT})


@frozen(kw_only=True)
class Gap:
    """Lots that changed hands between two executions without one we know of.

    `after` is the last fill before it whose position the server stated, None where there is none; `before` the first
    one after it. `missing` is signed like a quantity: what the ledger would need to agree with the statement.
    """

    after: Fill | None
    before: Fill
    stated: Decimal
    running: Decimal
    missing: Decimal


def gaps(fills: Iterable[Fill]) -> list[Gap]:
    """Return the gaps among the fills of one key, given in ledger order and beginning where nothing is held.

    Only differences nobody has made good count: where entries of a person or adjustments bring the quantity back to
    what the server states, the gaps before them are answered.
    """
    found: list[Gap] = []
    after: Fill | None = None
    running = offset = ZERO
    entries: list[Fill] = []
    for fill, is_evidence in _weighed(fills):
        running = EXACT.add(running, fill.signed_quantity)
        if fill.source in _ENTERED:
            entries.append(fill)
        if fill.position_after is None or not is_evidence:
            continue
        differs = EXACT.subtract(fill.position_after, running)
        if not differs and entries:
            found.clear()
        elif differs != offset:
            missing = EXACT.subtract(differs, offset)
            found.append(Gap(after=after, before=fill, stated=fill.position_after, running=running, missing=missing))
        after, offset = fill, differs
        entries.clear()
    # Nothing was stated since; an entry of exactly the lots that were missing has answered them.
    if entries and sum((entry.signed_quantity for entry in entries), ZERO) == offset:
        found.clear()
    return found


def states_no_gap(fills: Sequence[Fill], held: Decimal) -> bool:
    """Whether every fill, in the order told, states a position that follows from the one before and ends at `held`.

    A quick yes for a batch of history; a no only says that `gaps` must look.
    """
    before: Decimal | None = None
    for fill in fills:
        if fill.position_after is None:
            return False
        if before is not None and EXACT.add(before, fill.signed_quantity) != fill.position_after:
            return False
        before = fill.position_after
    return before is None or before == held


def _weighed(fills: Iterable[Fill]) -> Iterator[tuple[Fill, bool]]:
    """Yield the fills, each with whether its statement may be held against the running quantity.

    In a second where every fill states its position there either is an order that chains, and then it is the order of
    the ledger, or something is missing. Where some do not, their place among the others may be a guess, and only the
    last statement of the second counts.
    """
    for _, group in groupby(fills, key=lambda fill: whole_second(fill.time)):
        within = list(group)
        stated = [fill for fill in within if fill.position_after is not None]
        for fill in within:
            yield fill, len(stated) == len(within) or (bool(stated) and fill is stated[-1])
