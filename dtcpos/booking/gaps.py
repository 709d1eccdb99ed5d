"""Where executions are missing: the positions a server states after its fills, against our own running quantity.

Invariants:
1. Fills whose every statement follows from the one before, starting from nothing, have no gap.
2. A difference that stays the same is one gap, at the first statement that shows it.
3. Entries of a person and adjustments are ours like any fill; a difference they have made good is no gap any more.
4. A statement made before an earlier execution was corrected is no evidence: it counted what was believed then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple

from attrs import frozen

from dtcpos.booking.order import whole_second
from dtcpos.exact import EXACT
from dtcpos.model import ZERO, Fill, PositionKey, Source

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


class Correction(NamedTuple):
    """That an execution of some time was replaced or voided, and when that was booked."""

    time: datetime
    booked_at: datetime


def gaps(fills: Iterable[Fill], corrections: Iterable[Correction] = ()) -> list[Gap]:
    """Return the gaps among the fills of one key, given in ledger order and beginning where nothing is held.

    `corrections` are those of the same key, in any order.

    Only differences nobody has made good count: where entries of a person or adjustments bring the quantity back to
    what the server states, the gaps before them are answered.
    """
    found: list[Gap] = []
    after: Fill | None = None
    running = offset = ZERO
    entries: list[Fill] = []
    for fill, is_evidence in _weighed(fills, sorted(corrections)):
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


def gap_words(key: PositionKey, gap: Gap) -> str:
    """Write between which executions lots are missing, and how many."""
    lots = f"{abs(gap.missing):f} lot{'' if abs(gap.missing) == 1 else 's'} {'bought' if gap.missing > 0 else 'sold'}"
    where = f"before {_execution(gap.before)}"
    if gap.after is not None:
        where = f"between {_execution(gap.after)} and {_execution(gap.before)}"
    return (
        f"{' '.join(key)}: {lots} missing {where}: the server states {gap.stated:f} after it, "
        f"the ledger comes to {gap.running:f}"
    )


def _execution(fill: Fill) -> str:
    time = fill.time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return f"{fill.execution_id or f'fill {fill.id}'} ({time})"


def states_no_gap(fills: Sequence[Fill], held: Decimal) -> bool:
    """Whether a batch of history, told oldest or newest first, states positions that follow from each other to `held`.

    A quick yes for most batches, also for those that state none; a no only says that `gaps` must look.
    """
    if all(fill.position_after is None for fill in fills):
        return True
    return _chains(fills, held) or _chains(fills[::-1], held)


def _chains(fills: Sequence[Fill], held: Decimal) -> bool:
    before: Decimal | None = None
    for fill in fills:
        if fill.position_after is None:
            return False
        if before is not None and EXACT.add(before, fill.signed_quantity) != fill.position_after:
            return False
        before = fill.position_after
    return before is None or before == held


def _weighed(fills: Iterable[Fill], corrections: list[Correction]) -> Iterator[tuple[Fill, bool]]:
    """Yield the fills, each with whether its statement may be held against the running quantity.

    In a second where every fill states its position there either is an order that chains, and then it is the order of
    the ledger, or something is missing. Where some do not, their place among the others may be a guess, and only the
    last statement of the second counts; none does where an outdated one may have chosen the order.
    """
    corrected_at: datetime | None = None
    for second, group in groupby(fills, key=lambda fill: whole_second(fill.time)):
        within = list(group)
        while corrections and whole_second(corrections[0].time) <= second:
            booked_at = corrections.pop(0).booked_at
            corrected_at = booked_at if corrected_at is None else max(corrected_at, booked_at)
        stated = [fill for fill in within if fill.position_after is not None]
        is_stale = any(_is_before(fill, corrected_at) for fill in stated)
        for fill in within:
            yield fill, not is_stale and (len(stated) == len(within) or fill in stated[-1:])


def _is_before(fill: Fill, corrected_at: datetime | None) -> bool:
    return corrected_at is not None and fill.booked_at is not None and fill.booked_at < corrected_at
