"""One walk over each table of an audit, for a quick yes: every checksum, and the nouns as they come.

What is sound here is found sound by `audit` too, which asks one question at a time, reads bytes that are no text, and
names what is wrong. Whoever skims reads as a listing does, so text that is none ends the walk with LedgerCorrupt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from math import inf
from typing import Final
from zlib import crc32

from dtcpos.errors import LedgerCorrupt
from dtcpos.model import ZERO, Fill, Side, Sighting, Source
from dtcpos.store.audit import TOLD_EVERY, Progress, aware, strictly
from dtcpos.store.columns import BESIDE_TRADE, FILL, JOURNAL, SIGHTING, TRADE, listed
from dtcpos.store.glance import UNREADABLE
from dtcpos.store.groups import by_group, groups_of
from dtcpos.store.queries import CURRENT, LedgerQueries
from dtcpos.store.rows import Row, finite, refined, sighting_of

_FILLS: Final = f"SELECT {listed((*FILL, 'checksum'))} FROM fill ORDER BY id"
_SUPERSEDED: Final = (
    "SELECT supersedes FROM fill INDEXED BY fill_by_superseded WHERE supersedes IS NOT NULL ORDER BY supersedes"
)
_SIGHTINGS: Final = f"SELECT {listed((*SIGHTING, 'checksum'))} FROM resighting ORDER BY fill_id, source"
# Not sorted but walked: the index has a key's fills by time already.
_BY_TIME: Final = (
    f"SELECT {listed((*FILL, 'checksum'), 'f')} FROM fill f WHERE f.account = ? AND f.symbol = ? AND {CURRENT} "
    "ORDER BY f.time, f.id"
)
_SIGHTINGS_OF_KEY: Final = (
    f"SELECT {listed(SIGHTING, 's')} FROM resighting s JOIN fill f ON f.id = s.fill_id "
    "WHERE f.account = ? AND f.symbol = ?"
)
_ENTRIES: Final = f"SELECT {listed((*JOURNAL, 'checksum'))} FROM journal ORDER BY id"
_TRADES: Final = by_group(
    f"SELECT {listed((*TRADE, *BESIDE_TRADE, 'checksum', 'beside_checksum'))} FROM trade "
    "WHERE account = ? AND symbol = ? AND opened_by IN ({ids})"
)
_TRADE_COUNT: Final = "SELECT count(*) FROM trade WHERE account = ? AND symbol = ?"
_FILL_FORMAT: Final = "%s\x1f" * len(FILL)
_SIGHTING_FORMAT: Final = "%s\x1f" * len(SIGHTING)
_ENTRY_FORMAT: Final = "%s\x1f" * len(JOURNAL)
_SIDES: Final = {side.value: side for side in Side}
_SOURCES: Final = {source.value: source for source in Source}
_NOTHING_TOLD: Final[tuple[float, Sighting | None]] = (inf, None)
_make = tuple.__new__


class FillWalk:
    """A walk over every fill of a ledger by id, with what was found on the way.

    `spoilt` are the keys of which a fill, or a sighting of one, is not what was written or cannot be booked. The two
    flags say of the tables whether every row of them is what was written, and every current fill can be booked.
    """

    def __init__(self, ledger: LedgerQueries, progress: Progress) -> None:
        self.spoilt: set[tuple[str, str]] = set()
        self.fills_are_sound = True
        self.sightings_are_sound = True
        self._ledger = ledger
        self._progress = progress

    def fills(self) -> Iterator[Fill]:
        """Yield the fills that are current and sound, each refined by its sightings."""
        ledger = self._ledger
        of = int(ledger._rows("SELECT coalesce(max(id), 0) FROM fill")[0][0])
        sightings = self._sightings()
        seen = next(sightings, _NOTHING_TOLD)
        superseded = (row[0] for row in ledger._stream(_SUPERSEDED))
        newer = next(superseded, inf)
        for done, row in enumerate(ledger._stream(_FILLS)):
            fill_id = row[0]
            if not done % TOLD_EVERY:
                self._progress("fills", done, of)
            told: list[Sighting | None] = []
            while seen[0] <= fill_id:
                if seen[0] == fill_id:
                    told.append(seen[1])
                seen = next(sightings, _NOTHING_TOLD)
            is_current = row[20] == 0
            while newer <= fill_id:
                is_current = is_current and newer != fill_id
                newer = next(superseded, inf)
            if crc32((_FILL_FORMAT % row[:-1]).encode()) != row[-1]:
                self.fills_are_sound = False
                self.spoilt.add(row[1:3])
                continue
            if not is_current or row[19] is not None:
                self._read_correction(row)
            if is_current:
                try:
                    fill = bookable_fill(row)
                    yield _told(fill, told) if told else fill
                except UNREADABLE:
                    self.fills_are_sound = False
                    self.spoilt.add(row[1:3])
        # Of fills that are not there.
        for _ in sightings:
            pass

    def _read_correction(self, row: Row) -> None:
        # Its times weigh the statements of every fill behind the one that was corrected, perhaps of another key.
        try:
            aware(row[6])
            aware(row[21])
        except UNREADABLE as error:
            raise self._ledger._damage(error) from error

    def _sightings(self) -> Iterator[tuple[float, Sighting | None]]:
        for row in self._ledger._stream(_SIGHTINGS):
            if crc32((_SIGHTING_FORMAT % row[:-1]).encode()) != row[-1]:
                self.sightings_are_sound = False
                yield row[0], None
                continue
            try:
                sighting = sighting_of(row)
            except UNREADABLE:
                sighting = None
            yield row[0], sighting


def fills_by_time(ledger: LedgerQueries, account: str, symbol: str) -> Iterator[Fill]:
    """Yield the current fills of one account and symbol by their own time, each refined by its sightings."""
    further: dict[int, list[Sighting | None]] = {}
    for row in ledger._stream(_SIGHTINGS_OF_KEY, (account, symbol)):
        further.setdefault(row[0], []).append(sighting_of(row))
    for row in ledger._stream(_BY_TIME, (account, symbol)):
        fill = bookable_fill(row)
        told = further.get(row[0])
        yield _told(fill, told) if told else fill


def _told(fill: Fill, told: Sequence[Sighting | None]) -> Fill:
    known = [sighting for sighting in told if sighting is not None]
    if len(known) < len(told):
        raise ValueError("a sighting is not what was written")
    again = refined(fill, known)
    if again.time.tzinfo is not UTC or (again.position_after is not None and not again.position_after.is_finite()):
        raise ValueError("a sighting of what cannot be booked")
    return again


def bookable_fill(row: Row) -> Fill:
    """Return the fill of a row of `FILL` and its checksum; raise one of UNREADABLE where it is none or no booking.

    The same as `fill_of`, in two thirds of the time.
    """
    (
        fill_id, account, symbol, side, quantity, price, time, is_exact, execution_id, order_id, parent_id, cumulative,
        after, place, source, commission, flags, reason, raw, supersedes, is_void, booked_at, _,
    ) = row  # fmt: skip
    lots, moment = finite(quantity), datetime.fromisoformat(time)
    booked = moment if booked_at == time else datetime.fromisoformat(booked_at)
    if lots <= ZERO or moment.tzinfo is not UTC or booked.tzinfo is not UTC:
        raise ValueError(row)
    return _make(
        Fill,
        (
            account,
            symbol,
            _SIDES[side],
            lots,
            None if price is None else finite(price),
            moment,
            is_exact == 1,
            execution_id,
            order_id,
            parent_id,
            None if cumulative is None else Decimal(cumulative),
            None if after is None else finite(after),
            place,
            _SOURCES[source],
            None if commission is None else finite(commission),
            tuple(flags.split()) if flags else (),
            reason,
            raw,
            supersedes,
            is_void == 1,
            fill_id,
            booked,
        ),
    )


def trade_rows(
    ledger: LedgerQueries, account: str, symbol: str, opened_by: Sequence[int | None]
) -> dict[int | None, Row]:
    """Return the rows of the trades that begin with these fills: columns `TRADE`, `BESIDE_TRADE`, two checksums."""
    place = TRADE.index("opened_by")
    found: dict[int | None, Row] = {}
    for group in groups_of(opened_by):
        found.update((row[place], row) for row in ledger._rows(_TRADES[len(group)], (account, symbol, *group)))
    return found


def trade_count(ledger: LedgerQueries, account: str, symbol: str) -> int:
    """Return how many trades one account and symbol have."""
    return int(ledger._rows(_TRADE_COUNT, (account, symbol))[0][0])


def journal_is_sound(ledger: LedgerQueries, progress: Progress) -> bool:
    """Return whether every entry of the journal is what was written and can be read."""
    try:
        with strictly(ledger):
            for done, row in enumerate(ledger._stream(_ENTRIES)):
                if not done % TOLD_EVERY:
                    progress("journal", done, 0)
                if crc32((_ENTRY_FORMAT % row[:-1]).encode()) != row[-1]:
                    return False
                datetime.fromisoformat(row[1])
    except (LedgerCorrupt, *UNREADABLE):
        return False
    return True
