"""Compare what we hold with what the server states: pure, and never a source of quantity.

Invariants:
1. Equal quantities and averages within the tolerance give no break.
2. At most one break per key; quantity matters before side, side before average.
3. A key the server does not mention is a break only where its account's snapshots are trusted.
4. Nothing here changes a position.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from dtcpos.exact import EXACT, average_price
from dtcpos.model import ZERO, Break, Instrument, Position, PositionKey, ReportedPosition

# Without a tick the server's average is still rounded to something; a hundred-thousandth of the price is finer than
# any tick in use and coarser than the noise of a double.
_RELATIVE_TOLERANCE = Decimal("0.00001")


def compare(
    key: PositionKey,
    held: Position | None,
    reported: ReportedPosition | None,
    *,
    instrument: Instrument | None = None,
    found_at: datetime,
) -> Break | None:
    """Return the break between one held and one reported position, None where they agree.

    `held` None is flat; `reported` None is a server that does not have it (the caller knows the silence is trusted).
    """
    ours = held.signed_quantity if held is not None else ZERO
    theirs = reported.signed_quantity if reported is not None else ZERO
    multiplier = instrument.multiplier if instrument is not None else Decimal(1)
    our_average = average_price(held) if held is not None else None
    their_average = None
    if reported is not None and reported.average_price is not None and theirs:
        their_average = EXACT.multiply(reported.average_price, multiplier)
    kind = _kind(ours, theirs)
    if kind is None and our_average is not None and their_average is not None:
        tick = instrument.tick if instrument is not None else None
        tolerance = tick if tick is not None else abs(our_average) * _RELATIVE_TOLERANCE
        if abs(our_average - their_average) > tolerance:
            kind = "average_price"
    if kind is None:
        return None
    return Break(
        key=key,
        kind=kind,
        held_quantity=ours,
        held_average=our_average,
        reported_quantity=theirs,
        reported_average=their_average,
        found_at=found_at,
    )


def _kind(ours: Decimal, theirs: Decimal) -> str | None:
    if ours == theirs:
        return None
    if not ours:
        return "missing_here"
    if not theirs:
        return "missing_there"
    return "quantity" if (ours > 0) == (theirs > 0) else "side"


def reconcile(
    held: Mapping[PositionKey, Position],
    reported: Iterable[ReportedPosition],
    *,
    modes: Mapping[str, str],
    trusted: Iterable[str],
    instruments: Mapping[str, Instrument],
    found_at: datetime,
) -> list[Break]:
    """Return every difference between the positions held and those a whole snapshot reports.

    `modes` maps the accounts compared to their mode; positions of other accounts are left alone.
    """
    trusted = frozenset(trusted)
    stated = {(report.account, report.symbol): report for report in reported}
    keys = {key for key in held if key.account in modes}
    keys |= {PositionKey(modes[account], account, symbol) for account, symbol in stated if account in modes}
    breaks = []
    for key in sorted(keys):
        report = stated.get((key.account, key.symbol))
        if report is None and key.account not in trusted:
            continue
        instrument = instruments.get(key.symbol)
        found = compare(key, held.get(key), report, instrument=instrument, found_at=found_at)
        if found is not None:
            breaks.append(found)
    return breaks
