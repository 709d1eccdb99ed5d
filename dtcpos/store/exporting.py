"""What exports ask of a ledger: what is new since an id, what stands for what was exported before, rows by time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Final

from dtcpos.model import Fill, Instrument, JournalEntry, Sighting
from dtcpos.store.columns import EXIT, FILL, JOURNAL, SIGHTING, SNAPSHOT, TRADE, listed, marks
from dtcpos.store.exits import ExitReader
from dtcpos.store.nouns import EVERYTHING, ClosedTrade, Selection
from dtcpos.store.queries import CURRENT, NOT_SUPERSEDED
from dtcpos.store.reader import Where
from dtcpos.store.records import closed_trade_of, journal_of
from dtcpos.store.rows import Row, fill_of, moment_of, refined, sighting_of, trade_of

_LAST_ID: Final = {
    "fills": "SELECT coalesce(max(id), 0) FROM fill",
    "trades": "SELECT coalesce(max(id), 0) FROM trade",
    "journal": "SELECT coalesce(max(id), 0) FROM journal",
}
_FILLS: Final = f"SELECT {listed(FILL, 'f')}, coalesce(a.mode, '') FROM fill f LEFT JOIN account a USING (account)"
_OLDER: Final = (
    "WITH RECURSIVE older (id) AS (SELECT supersedes FROM fill WHERE id = ? "
    "UNION SELECT f.supersedes FROM fill f JOIN older o ON f.id = o.id WHERE f.supersedes IS NOT NULL) "
    "SELECT id FROM older WHERE id IS NOT NULL ORDER BY id"
)
_VOID_AFTER: Final = f"SELECT f.id FROM fill f WHERE f.id > ? AND f.is_void = 1 AND {NOT_SUPERSEDED} ORDER BY f.id"
_CORRECTED_AFTER: Final = f"SELECT f.id FROM fill f WHERE f.id > ? AND f.supersedes IS NOT NULL AND {CURRENT}"
_KEYS_AFTER: Final = "SELECT account, symbol, min(time) FROM fill WHERE id > ? GROUP BY account, symbol ORDER BY 1, 2"
_FIRST_OF_KEY: Final = "SELECT min(time) FROM fill WHERE account = ? AND symbol = ?"
# The journal names a trade by its words and the fill that closed it.
_RESTATED: Final = "j.before LIKE 'trade %' AND j.after LIKE 'trade %' AND j.fill_id IS NOT NULL"
_PART: Final = 256
_RESIGHTINGS: Final = [
    f"SELECT {listed(SIGHTING)} FROM resighting WHERE fill_id IN ({marks(count)})" for count in range(_PART + 1)
]
_JOURNAL: Final = f"SELECT {listed(JOURNAL, 'j')} FROM journal j"
_TRADES: Final = f"SELECT {listed((*TRADE, *SNAPSHOT, *EXIT), 't')} FROM trade t"


class ExportReader(ExitReader):
    """A ledger open for exporting."""

    def last_id(self, what: str) -> int:
        """Return the greatest id of `fills`, `trades` or `journal`, 0 where there is none."""
        return int(self._rows(_LAST_ID[what])[0][0])

    def fills_by_time(self, selection: Selection = EVERYTHING) -> Iterator[tuple[Fill, str]]:
        """Yield the current fills, each with its account's mode, by the time stored with them and id."""
        where = Where("f", selection, mode="a.mode", time="f.time")
        where.add(CURRENT)
        for row in self._stream(f"{_FILLS}{where.sql} ORDER BY f.time, f.id", where.parameters):
            yield self._made(fill_of, row), row[len(FILL)]

    def as_seen(self, found: Iterator[tuple[Fill, str]]) -> Iterator[tuple[Fill, str]]:
        """Yield fills with what their later sightings know better: the time, the position after, the place."""
        while part := list(islice(found, _PART)):
            ids = [fill.id for fill, _ in part]
            further: dict[int | None, list[Sighting]] = {}
            for row in self._rows(_RESIGHTINGS[len(ids)], ids):
                sighting = self._made(sighting_of, row)
                further.setdefault(sighting.fill_id, []).append(sighting)
            yield from ((refined(fill, further.get(fill.id, ())), mode) for fill, mode in part)

    def older_of(self, fill_id: int) -> list[int]:
        """Return the ids of the rows a fill stands for, oldest first; none where it supersedes nothing."""
        return [row[0] for row in self._rows(_OLDER, (fill_id,))]

    def void_after(self, last_id: int) -> list[int]:
        """Return the ids greater than one of the rows that say that an execution is void."""
        return [row[0] for row in self._rows(_VOID_AFTER, (last_id,))]

    def corrected_after(self, last_id: int) -> list[int]:
        """Return the ids greater than one of the current fills that stand for earlier rows."""
        return [row[0] for row in self._rows(_CORRECTED_AFTER, (last_id,))]

    def keys_after(self, last_id: int) -> list[tuple[str, str, datetime]]:
        """Return every (account, symbol) with a fill of a greater id, and the earliest time of those fills."""
        return [(account, symbol, moment_of(time)) for account, symbol, time in self._rows(_KEYS_AFTER, (last_id,))]

    def first_time_of_key(self, account: str, symbol: str) -> datetime:
        """Return the earliest time stored with a fill of the account and symbol, of which there must be one."""
        return moment_of(self._rows(_FIRST_OF_KEY, (account, symbol))[0][0])

    def restated_trades(self, selection: Selection = EVERYTHING, *, after_id: int = 0) -> Iterator[Row]:
        """Yield, as `trade_rows` does, the trades the journal says were changed after they had been closed, by id.

        `after_id` is an id of the journal; the selection's time is that of the journal. A trade that changed again or
        is there no more is what it is now.
        """
        where = Where("j", Selection(since=selection.since, until=selection.until), time="j.at")
        where.add("j.id > ?", after_id)
        where.add(_RESTATED)
        rows = f"SELECT j.account, j.symbol, j.fill_id FROM journal j{where.sql}"
        which = Where("t", Selection(modes=selection.modes, account=selection.account, symbol=selection.symbol))
        which.add(f"(t.account, t.symbol, t.closed_by) IN ({rows})", *where.parameters)
        return self._stream(f"{_TRADES}{which.sql} ORDER BY t.id", which.parameters)

    def closed_trades(self, rows: Iterator[Row]) -> Iterator[ClosedTrade]:
        """Yield the trades of rows as `trade_rows` gives them."""
        instruments = self.instruments()
        for row in rows:
            yield self._made(_closed_trade_of, row, instruments)

    def journal_by_time(self, selection: Selection = EVERYTHING) -> Iterator[JournalEntry]:
        """Yield the journal by time and id, with modes only the entries of accounts in one of them."""
        in_mode = "j.account IN (SELECT account FROM account WHERE mode IN ({modes}))"
        where = Where("j", selection, mode_test=in_mode, time="j.at")
        for row in self._stream(f"{_JOURNAL}{where.sql} ORDER BY j.at, j.id", where.parameters):
            yield self._made(journal_of, row)


def _closed_trade_of(row: Row, instruments: dict[str, Instrument]) -> ClosedTrade:
    return closed_trade_of(trade_of(row), instruments.get(row[3]), row[len(TRADE) :])
