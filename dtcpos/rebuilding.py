"""Rebuild the projections from the ledger: whatever `prove` would name of them becomes what the replay gives.

Invariants:
1. One transaction: the projections are those of the ledger, or the file is as it was.
2. A row that is right is not touched; a wrong one keeps its id, and what is kept beside its booking, as long as it is
   about the same position.
3. Every change is journaled.
4. A key whose fills are damaged, or may have lost one, is left alone and named, and so is one whose account or
   instrument is not what was written: nothing sound can be made from them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain

from attrs import frozen

from dtcpos.booking.excursions import widest
from dtcpos.errors import LedgerCorrupt
from dtcpos.keeping.journal import position_text, trade_text
from dtcpos.model import Instrument, JournalEntry, Position, PositionKey, Trade
from dtcpos.proving import Difference, compare_position, compare_trades, not_as_written, proved_key
from dtcpos.skimming import NOTHING_SKIMMED, Skimmed, skim
from dtcpos.store import PositionRepository, StoredPosition, StoredTrade
from dtcpos.store.audit import (
    Progress,
    leniently,
    modes_of,
    quietly,
    unsound_fills,
    unsound_sightings,
)
from dtcpos.store.columns import BESIDE_POSITION, BESIDE_TRADE
from dtcpos.store.lost import advance_counter, counter_words, counters_behind, keys_hurt, missing_rows, missing_words
from dtcpos.store.mending import (
    forget_beside,
    mend_structure,
    put_again,
    refuse_misshapen,
    remove_other_positions,
)
from dtcpos.store.pages import PagesCheck
from dtcpos.store.stored import stored_positions, stored_trades, stray_trades
from dtcpos.store.unsealed import Unsealed, remove_unsealed, unsealed_rows

_UNREADABLE = "unreadable"


@frozen(kw_only=True)
class Rebuilt:
    """What a rebuild found and mended, and what it had to leave alone."""

    mended: tuple[Difference, ...]
    left: tuple[Difference, ...]


class _DryRunDone(Exception):
    pass


class _Doubts:
    """Why what a replay of a key gives may not be what it gave when its fills were booked.

    `hurt` are the keys that a damaged or missing fill may belong to, None where that may be any.
    """

    def __init__(
        self,
        modes: Mapping[str, str],
        instruments: Mapping[str, Instrument],
        unsealed: Sequence[Unsealed],
        hurt: set[tuple[str, str]] | None,
    ) -> None:
        self.instruments = instruments
        self.hurt = hurt
        self._known = {"account": set(modes), "instrument": set(instruments)}
        for row in unsealed:
            if row.table in self._known:
                self._known[row.table].discard(row.name)

    def weigh(self, key: PositionKey) -> None:
        """Raise LedgerCorrupt if a difference of the key may be a fault of something else."""
        _, account, symbol = key
        if self.hurt is None or (account, symbol) in self.hurt:
            raise LedgerCorrupt("a fill that is damaged or missing may be one of it; restore a backup")
        for table, name in (("account", account), ("instrument", symbol)):
            if name not in self._known[table]:
                raise LedgerCorrupt(f"{table} {name} is not what was written; restore a backup")


def rebuild(
    repository: PositionRepository, *, now: datetime, dry_run: bool = False, progress: Progress | None = None
) -> Rebuilt:
    """Make every open position and trade what a replay of the fills gives; return what was not.

    Raises LedgerCorrupt, with nothing changed, where the file is damaged beyond its projections and indexes. A dry run
    is undone when it is known what it would change. `progress` is told a stage, how much of it is done, and of how
    much.
    """
    work = _Rebuild(repository, now, progress or quietly)
    try:
        with repository.transaction(), leniently(repository):
            work.run()
            if dry_run:
                raise _DryRunDone
    except _DryRunDone:
        pass
    return work.done


class _Rebuild:
    def __init__(self, repository: PositionRepository, now: datetime, progress: Progress) -> None:
        self._repository = repository
        self._progress = progress
        self._now = now
        self._mended: list[Difference] = []
        self._left: list[Difference] = []
        self._journal: list[JournalEntry] = []

    @property
    def done(self) -> Rebuilt:
        return Rebuilt(mended=tuple(self._mended), left=tuple(self._left))

    def run(self) -> None:
        repository, progress = self._repository, self._progress
        skimmed = self._skimmed()
        unsealed = list(unsealed_rows(repository, progress))
        unsound: set[int] = set()
        if not skimmed.fills_are_sound:
            unsound |= set(unsound_fills(repository, progress))
        moved = set() if skimmed.sightings_are_sound else set(unsound_sightings(repository, progress))
        modes, instruments = modes_of(repository), repository.instruments()
        doubts = _Doubts(modes, instruments, unsealed, self._hurt(unsound, is_moved=bool(moved)))
        unsound |= {fill_id for fill_id, _ in moved}
        held = {row.key: row for row in stored_positions(repository)}
        ledger_keys = repository.keys()
        keys = [PositionKey(modes.get(account, ""), account, symbol) for account, symbol in ledger_keys]
        kept: set[PositionKey] = set()
        for done, key in enumerate(keys):
            progress("keys", done, len(keys))
            try:
                self._key(key, held.get(key), kept, skimmed.positions.get(key[1:]), unsound, doubts)
            except LedgerCorrupt as error:
                self._left.append(Difference(kind="fill", key=key, text=f"{' '.join(key)} was left alone: {error}"))
                kept |= {other for other in held if other[1:] == key[1:]}
        self._remove_strays(held, keys, kept, doubts)
        self._remove_unsealed(unsealed)
        self._advance_counters()
        repository.add_journal(self._journal)

    def _hurt(self, unsound: set[int], *, is_moved: bool) -> set[tuple[str, str]] | None:
        """Return the keys that fills which are damaged or missing may belong to; None where that may be any."""
        gaps = missing_rows(self._repository, "fill")
        if not unsound:
            # Of one that has another number now, the damage is named already.
            self._left += [Difference(kind="fill", id=gap[0], text=missing_words("fill", gap)) for gap in gaps]
        ids = chain(sorted(unsound), *(range(first, last + 1) for first, last in gaps))
        # A sighting that tells of another fill than it did is told no more of its own.
        return None if is_moved else keys_hurt(self._repository, ids)

    def _key(
        self,
        key: PositionKey,
        row: StoredPosition | None,
        kept: set[PositionKey],
        position: Position | None,
        unsound: set[int],
        doubts: _Doubts,
    ) -> None:
        """Mend one key, whose `position` was found by a walk or is replayed; raise LedgerCorrupt to leave it alone."""
        if position is None:
            proved = proved_key(self._repository, key, unsound, doubts.instruments)
            rows, position = stored_trades(self._repository, *key[1:]), proved.position
            if list(compare_trades(key, rows, proved.trades)) or list(compare_position(row, position)):
                doubts.weigh(key)
            self._trades(key, rows, proved.trades)
        elif list(compare_position(row, position)):
            doubts.weigh(key)
        self._keep(key, row, position, kept)

    def _skimmed(self) -> Skimmed:
        """Mend the file where it has to be, and return what a walk over the fills finds sound."""
        repository, progress = self._repository, self._progress
        progress("pages", 0, 0)
        refuse_misshapen(repository)
        with PagesCheck(repository) as pages:
            skimmed = skim(repository, progress)
            faults = pages.faults(progress)
        if not faults:
            return skimmed
        mend_structure(repository, progress)
        self._mended += [Difference(kind="file", text=f"file: {fault}") for fault in faults]
        return NOTHING_SKIMMED

    def _keep(self, key: PositionKey, row: StoredPosition | None, position: Position, kept: set[PositionKey]) -> None:
        self._position(key, row, position)
        if not position.is_flat:
            kept.add(key)

    def _position(self, key: PositionKey, row: StoredPosition | None, after: Position) -> None:
        found = list(compare_position(row, after))
        if not found:
            return
        is_same = row is not None and (
            row.opened_by == after.opened_by or [each.field for each in found] == ["opened_by"]
        )
        if row is not None and (after.is_flat or not is_same):
            self._repository.remove_position(key)
        if not after.is_flat:
            if is_same and row is not None and row.position is not None and _may_be_wider(row, found):
                after = widest(row.position, after)
            if is_same and row is not None and not (row.is_sealed or row.unreadable) and row.beside_is_sealed:
                put_again(self._repository, after)
            else:
                self._repository.put_position(after)
            if is_same and row is not None:
                hurt = row.unreadable or (() if row.beside_is_sealed else BESIDE_POSITION)
                forget_beside(self._repository, "open_position", hurt, key)
        self._note(key, found, _position_words(row), position_text(after))

    def _trades(self, key: PositionKey, rows: Sequence[StoredTrade], trades: Sequence[Trade]) -> None:
        found: dict[int | None, list[Difference]] = defaultdict(list)
        for difference in compare_trades(key, rows, trades):
            found[difference.id].append(difference)
        if not found:
            return
        stored = {row.opened_by: row for row in rows}
        expected = {trade.opened_by for trade in trades}
        # Where the damage is the fill that a trade began with, the one that ended it tells which it is.
        ended = {row.trade.closed_by: row for row in rows if row.trade is not None and row.opened_by not in expected}
        known_of = {trade.opened_by: stored.get(trade.opened_by) or ended.get(trade.closed_by) for trade in trades}
        known_ids = {row.id for row in known_of.values() if row is not None}
        # First what is in the way: no two trades begin with the same fill.
        for row in rows:
            if row.id not in known_ids:
                self._repository.remove_trade(row.id)
                self._note(key, found[row.id], _trade_words(row), "")
        for trade in trades:
            known = known_of[trade.opened_by]
            if known is None:
                self._repository.add_trades([trade])
                text = f"trade {' '.join(key)} from fill {trade.opened_by} to {trade.closed_by} was missing"
                self._note(key, [Difference(kind="trade", key=key, text=text)], "", trade_text(trade))
            elif known.id in found:
                self._repository.replace_trade(_with_id(trade, known, found[known.id]))
                hurt = known.unreadable or (() if known.beside_is_sealed else BESIDE_TRADE)
                forget_beside(self._repository, "trade", hurt, known.id)
                self._note(key, found[known.id], _trade_words(known), trade_text(trade))

    def _remove_strays(
        self,
        held: dict[PositionKey, StoredPosition],
        keys: Sequence[PositionKey],
        kept: set[PositionKey],
        doubts: _Doubts,
    ) -> None:
        if doubts.hurt is None or doubts.hurt - {key[1:] for key in keys}:
            # What seems to follow from no fill may follow from one that is damaged.
            return
        known = set(keys)
        for key, row in held.items():
            if key not in known and key not in kept:
                text = f"position {' '.join(key)} follows from no fill of the ledger"
                self._note(key, [Difference(kind="position", key=key, text=text)], _position_words(row), "flat")
        remove_other_positions(self._repository, kept)
        for stray in stray_trades(self._repository, {key[1:] for key in keys}):
            self._repository.remove_trade(stray.id)
            self._note(stray.key, list(compare_trades(stray.key, [stray], ())), _trade_words(stray), "")

    def _advance_counters(self) -> None:
        for table, last in list(counters_behind(self._repository)):
            advance_counter(self._repository, table, last)
            found = Difference(kind="file", text=counter_words(table))
            self._mended.append(found)
            self._journal.append(JournalEntry(at=self._now, cause="rebuild", after=f"{last}", reason=found.text))

    def _remove_unsealed(self, unsealed: Sequence[Unsealed]) -> None:
        """Remove the rows around the ledger that are not what was written and that the server tells again."""
        for row in unsealed:
            found = not_as_written(row)
            if row.is_told_again:
                remove_unsealed(self._repository, row)
                self._mended.append(found)
                before = f"{row.table} {row.name}"
                self._journal.append(JournalEntry(at=self._now, cause="rebuild", before=before, reason=found.text))
            else:
                self._left.append(found)

    def _note(self, key: PositionKey, found: Sequence[Difference], before: str, after: str) -> None:
        self._mended += found
        reason = "; ".join(each.text for each in found)
        entry = JournalEntry(
            at=self._now,
            cause="rebuild",
            account=key.account,
            symbol=key.symbol,
            before=before,
            after=after,
            reason=reason,
        )
        self._journal.append(entry)


def _may_be_wider(row: StoredPosition | StoredTrade, found: Sequence[Difference]) -> bool:
    """Return whether the extremes a row has may be those written: what it says elsewhere explains its checksum."""
    return row.is_sealed or bool(row.fault) or any(each.field is not None for each in found)


def _with_id(trade: Trade, row: StoredTrade, found: Sequence[Difference]) -> Trade:
    is_explained = _may_be_wider(row, found) or row.opened_by != trade.opened_by
    again = widest(row.trade, trade) if row.trade is not None and is_explained else trade
    return again._replace(id=row.id)


def _position_words(row: StoredPosition | None) -> str:
    if row is None:
        return "flat"
    return _UNREADABLE if row.position is None else position_text(row.position)


def _trade_words(row: StoredTrade) -> str:
    return _UNREADABLE if row.trade is None else trade_text(row.trade)
