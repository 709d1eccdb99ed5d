"""The order of the ledger within one key: a function of what is stored, never of arrival.

Rules, first to last:
1. By whole second (history knows no finer).
2. Within a second by the chain of stated positions: where every fill says what the position was after it and the
   statements chain, that chain is the order.
3. Else, where all know a finer time: by that time, then place, then execution id.
4. Else by place in the history batch, then execution id; a fill that has an exact time and no place goes before the
   first placed fill whose exact time is later; a fill that has neither goes last, by execution id.
Execution ids compare in natural order: `EX-9` before `EX-10`. An id that an import made up, because nobody named the
execution, counts as none: an export that is imported again keeps its order.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Any

from dtcpos.exact import EXACT
from dtcpos.model import Fill, Side

_add, _subtract = EXACT.add, EXACT.subtract
_DIGITS = re.compile(r"(\d+)")
_NO_PLACE = 1 << 62
# Begins the ids of executions that the file they were imported from does not name: never the exchange's word.
UNNAMED = "log-"


def whole_second(moment: datetime) -> datetime:
    """Return the second a moment lies in."""
    return moment.replace(microsecond=0)


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key in which runs of digits compare as numbers."""
    parts = _DIGITS.split(text)
    return tuple((1, int(part), part) if part.isdecimal() else (0, 0, part) for part in parts if part)


def arranged(fills: Iterable[Fill], held: Decimal) -> Iterator[Fill]:
    """Yield the fills of one key in ledger order, `held` (signed) being the position before the first of them."""
    fills = fills if isinstance(fills, list) else list(fills)
    if _is_by_time(fills) or _is_by_place(fills, held):
        yield from fills
        return
    for _, group in groupby(sorted(fills, key=attrgetter("time")), key=lambda fill: whole_second(fill.time)):
        within = list(group)
        if len(within) > 1:
            within = within_second(within, held)
        for fill in within:
            held = EXACT.add(held, fill.signed_quantity)
            yield fill


def _is_by_time(fills: Sequence[Fill]) -> bool:
    # What a live feed tells, mostly: exact times that rise and nothing stated. Looking takes 0.2 µs a fill, sorting and
    # grouping 2.
    before = None
    for fill in fills:
        if not fill.time_is_exact or fill.position_after is not None or (before is not None and fill.time <= before):
            return False
        before = fill.time
    return True


def _is_by_place(fills: Sequence[Fill], held: Decimal) -> bool:
    # What history tells, mostly: whole seconds, a place in each, and positions that chain, which is then the order.
    before = None
    for fill in fills:
        if fill.time_is_exact or fill.place is None:
            return False
        if before is not None and (fill.time, fill.place) <= (before.time, before.place):
            return False
        held = _add(held, fill.quantity) if fill.side is Side.BUY else _subtract(held, fill.quantity)
        if held != fill.position_after:
            return False
        before = fill
    return True


def within_second(fills: Sequence[Fill], held: Decimal) -> list[Fill]:
    """Order the fills of one key that share a second."""
    fallback = _by_time_place_id(fills)
    return _chained(fallback, held) or fallback


def _by_time_place_id(fills: Sequence[Fill]) -> list[Fill]:
    if all(fill.time_is_exact for fill in fills):
        return _sorted(fills, lambda fill: (fill.time, _place(fill)))
    placed = _sorted((fill for fill in fills if fill.place is not None), _place)
    timed = [fill for fill in fills if fill.place is None and fill.time_is_exact]
    for fill in _sorted(timed, attrgetter("time")):
        later = (i for i, other in enumerate(placed) if other.time_is_exact and other.time > fill.time)
        placed.insert(next(later, len(placed)), fill)
    unknown = [fill for fill in fills if fill.place is None and not fill.time_is_exact]
    return placed + sorted(unknown, key=_last)


def _sorted(fills: Iterable[Fill], key: Callable[[Fill], Any]) -> list[Fill]:
    # Ids are taken apart only where the key cannot tell two fills apart: that takes 2.6 µs a fill, the rest 0.4.
    ordered = sorted(fills, key=key)
    if any(key(left) == key(right) for left, right in pairwise(ordered)):
        ordered.sort(key=lambda fill: (key(fill), *_last(fill)))
    return ordered


def _place(fill: Fill) -> int:
    return _NO_PLACE if fill.place is None else fill.place


# The last resort has to tell any two executions apart by content alone, so that the result is one order.
def _last(fill: Fill) -> tuple[object, ...]:
    named = "" if fill.execution_id.startswith(UNNAMED) else fill.execution_id
    counted = (fill.cumulative_quantity or 0, fill.side, fill.quantity, fill.price is None, fill.price or 0)
    return (natural(named), natural(fill.order_id), *counted)


def _chained(fills: Sequence[Fill], held: Decimal) -> list[Fill] | None:
    """Return the order in which every stated position follows from the one before, None if there is no such order.

    Each fill is an edge from the position before it to the position after it, and an order that chains is an Eulerian
    path over those edges (Hierholzer 1873). Where several paths exist, the order given decides.
    """
    if any(fill.position_after is None for fill in fills):
        return None
    if _chains(fills, held):
        return list(fills)
    edges: dict[Decimal, list[Fill]] = defaultdict(list)
    balance: dict[Decimal, int] = defaultdict(int)
    for fill in reversed(fills):
        assert fill.position_after is not None
        before = EXACT.subtract(fill.position_after, fill.signed_quantity)
        edges[before].append(fill)
        balance[before] += 1
        balance[fill.position_after] -= 1
    starts = [position for position, surplus in balance.items() if surplus > 0]
    if len(starts) > 1 or (starts and balance[starts[0]] > 1):
        return None
    start = starts[0] if starts else held
    path: list[Fill] = []
    walk: list[tuple[Decimal, Fill | None]] = [(start, None)]
    while walk:
        position, arrived_by = walk[-1]
        if edges.get(position):
            fill = edges[position].pop()
            assert fill.position_after is not None
            walk.append((fill.position_after, fill))
        else:
            walk.pop()
            if arrived_by is not None:
                path.append(arrived_by)
    return path[::-1] if len(path) == len(fills) else None


def _chains(fills: Sequence[Fill], held: Decimal) -> bool:
    # The walk below takes of several ways the first in the order given, so where that order chains from `held`, it is
    # what the walk finds; looking takes 0.3 µs a fill and walking 1.7.
    for fill in fills:
        held = EXACT.add(held, fill.signed_quantity)
        if held != fill.position_after:
            return False
    return True
