"""What statistics ask of a ledger: closed trades by exit, and the fills of a stretch of one key.

Memory does not grow with the ledger: trades are streamed, and a long stretch of fills comes in parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from dtcpos.model import Fill, Sighting
from dtcpos.store.columns import FILL, SIGHTING, listed
from dtcpos.store.nouns import Selection
from dtcpos.store.queries import CURRENT
from dtcpos.store.reader import LedgerReader, Where
from dtcpos.store.rows import (
    fill_of,
    moment_of,
    next_second_text,
    refined,
    second_of,
    second_text,
    sighting_of,
    time_text,
)

# A stretch is read in parts of so many fills, about 2 MB.
_PART: Final = 1024


class Closed(NamedTuple):
    """A closed trade, as much of it as statistics need; amounts in points, `commission` in money."""

    mode: str
    account: str
    symbol: str
    entry_time: datetime
    exit_time: datetime
    realized: Decimal | None
    commission: Decimal | None
    mae: Decimal | None
    mfe: Decimal | None
    fills: int
    opened_by: int | None
    initial_risk: Decimal | None


_CLOSED: Final = f"SELECT {listed(Closed._fields, 't')} FROM trade t"
_EXITS_BACK: Final = (
    "SELECT entry_time, exit_time FROM trade WHERE account = ? AND symbol = ? AND exit_time < ? "
    "ORDER BY exit_time DESC, id DESC"
)
# By the fill's own time or by that of a sighting, which may lie hours apart where a log was read in the wrong zone.
_WITHIN: Final = (
    "FROM fill f WHERE f.id IN (SELECT id FROM fill WHERE account = ? AND symbol = ? AND time >= ? AND time < ? "
    "UNION SELECT fill_id FROM resighting WHERE account = ? AND time >= ? AND time < ?) "
    f"AND +f.account = ? AND +f.symbol = ? AND {CURRENT}"
)
_FILLS_WITHIN: Final = f"SELECT {listed(FILL, 'f')} {_WITHIN} ORDER BY f.id"
_SIGHTED_WITHIN: Final = f"SELECT {listed(SIGHTING)} FROM resighting WHERE fill_id IN (SELECT f.id {_WITHIN})"
_PART_ENDS: Final = (
    "SELECT time FROM fill WHERE account = ? AND symbol = ? AND time >= ? AND time < ? "
    f"ORDER BY time LIMIT 1 OFFSET {_PART}"
)
_ANY_TIME: Final = "9999"


class ExitReader(LedgerReader):
    """A ledger open for reading what was earned, and when."""

    def closed(self, selection: Selection, mode: str) -> Iterator[Closed]:
        """Yield the trades of one mode that ended within the selection's time, by exit."""
        return self._closed(Where("t", selection, mode="t.mode", time="t.exit_time", modes=(mode,)))

    def closed_later(self, selection: Selection, mode: str) -> Iterator[Closed]:
        """Yield the trades of one mode that ended after the selection's time but may have had exits within it."""
        if selection.until is None:
            return iter(())
        later = Selection(account=selection.account, symbol=selection.symbol, since=selection.until)
        where = Where("t", later, mode="t.mode", time="t.exit_time", modes=(mode,))
        where.add("t.fills > 2")
        where.add("t.entry_time < ?", time_text(selection.until))
        return self._closed(where)

    def _closed(self, where: Where) -> Iterator[Closed]:
        rows = self._stream(f"{_CLOSED}{where.sql} ORDER BY t.exit_time, t.id", where.parameters)
        moment, number = datetime.fromisoformat, Decimal
        try:
            # Written out, because this runs for every trade there ever was.
            for mode, account, symbol, entered, exited, realized, charged, mae, mfe, fills, opened_by, risk in rows:
                yield Closed(
                    mode,
                    account,
                    symbol,
                    moment(entered),
                    moment(exited),
                    None if realized is None else number(realized),
                    None if charged is None else number(charged),
                    None if mae is None else number(mae),
                    None if mfe is None else number(mfe),
                    fills,
                    opened_by,
                    None if risk is None else number(risk),
                )
        except (ValueError, ArithmeticError) as error:
            raise self._damage(error) from error

    def flat_before(self, account: str, symbol: str, entry: datetime, *, known: datetime | None = None) -> datetime:
        """Return the first second after which a position entered at `entry` can be booked from flat.

        That is the entry's own second unless trades that ended in it reach further back. The search stops at `known`, a
        second at whose end the caller knows what was held.
        """
        start = second_of(entry)
        for entered, exited in self._stream(_EXITS_BACK, (account, symbol, next_second_text(start))):
            if second_of(moment_of(exited)) < start or (known is not None and start <= known):
                break
            start = min(start, second_of(moment_of(entered)))
        return start

    def fills_within(self, account: str, symbol: str, first: datetime, last: datetime | None) -> Iterator[list[Fill]]:
        """Yield the current fills from one second to another (None: to the end), refined, in parts of whole seconds.

        The parts follow one another in time; within a part the fills are by ledger id.
        """
        begin = second_text(first)
        end = _ANY_TIME if last is None else next_second_text(last)
        while True:
            further = self._rows(_PART_ENDS, (account, symbol, begin, end))
            stop = next_second_text(moment_of(further[0][0])) if further else end
            yield self._part(account, symbol, begin, stop)
            if stop >= end:
                return
            begin = stop

    def _part(self, account: str, symbol: str, begin: str, end: str) -> list[Fill]:
        parameters = (account, symbol, begin, end, account, begin, end, account, symbol)
        fills = self._nouns(fill_of, _FILLS_WITHIN, parameters)
        further: dict[int | None, list[Sighting]] = {}
        for sighting in self._nouns(sighting_of, _SIGHTED_WITHIN, parameters):
            further.setdefault(sighting.fill_id, []).append(sighting)
        if not further:
            return fills
        refinements = (refined(fill, further.get(fill.id, ())) for fill in fills)
        return [fill for fill in refinements if begin <= time_text(fill.time) < end]
