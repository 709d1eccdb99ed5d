"""Prove a ledger: replay every key from its fills and name whatever is not what the replay gives.

The pure part compares. `prove` asks for a quick yes first (`skimming`), and of what has none a reader, one key at a
time, so that memory is bounded by the largest key.

Invariants:
1. Every open position and every trade is what a replay of its key's fills gives, field by field.
2. Excursions may be wider than fills alone give, because market prices widen them; never narrower.
3. A key whose fills are themselves damaged is named and not compared: there is nothing sound to compare with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain, starmap
from typing import TypeVar

from attrs import frozen

from dtcpos.booking import arranged, book, flat
from dtcpos.booking.excursions import too_narrow
from dtcpos.booking.gaps import Correction, Gap, gap_words, gaps
from dtcpos.booking.pricing import priced
from dtcpos.errors import LedgerCorrupt
from dtcpos.exact import EXACT
from dtcpos.model import ZERO, Fill, Instrument, Position, PositionKey, Trade
from dtcpos.skimming import NOTHING_SKIMMED, Skimmed, skim
from dtcpos.store import AuditReader, StoredPosition, StoredTrade
from dtcpos.store.audit import (
    Progress,
    corrections_of_key,
    migration_faults,
    modes_of,
    quietly,
    schema_faults,
    unsound_entries,
    unsound_fills,
    unsound_sightings,
)
from dtcpos.store.lost import NUMBERED, counter_words, counters_behind, missing_rows, missing_words
from dtcpos.store.overfills import filled_orders, overfilled_orders
from dtcpos.store.pages import PagesCheck
from dtcpos.store.queries import LedgerQueries
from dtcpos.store.skimming import journal_is_sound
from dtcpos.store.stored import stored_positions, stored_trades, stray_trades
from dtcpos.store.unsealed import Unsealed, unsealed_rows

_POSITION_FIELDS = (
    "signed_quantity cost realized opened_quantity opened_notional closed_notional peak_quantity commission fills "
    "opened_by entry_time updated_at flags"
).split()
_TRADE_FIELDS = (
    "direction quantity total_quantity entry_time exit_time opened_notional closed_notional realized commission fills "
    "closed_by flags"
).split()

# The kind under which a row of a table is named, and the word for it.
_NAMED_IN = {"account": ("account", "account"), "working_order": ("order", "order")}

_Held = TypeVar("_Held", Position, Trade)


@frozen(kw_only=True)
class Difference:
    """One thing that is not as it should be.

    `kind` is one of file, table, fill, journal, account, position, trade, order, gap. `id` is the row it is
    about, where rows have one; `field` what differs, None where the whole row does; `stored` and `replayed` are its
    two values. `is_told_again` says that the server tells it anew once a rebuild has removed it.
    """

    kind: str
    text: str
    key: PositionKey | None = None
    id: int | None = None
    field: str | None = None
    stored: object = None
    replayed: object = None
    is_told_again: bool = False

    @property
    def may_be_mended(self) -> bool:
        """Whether a rebuild may mend it; what it may not is for a backup, a person or the server."""
        return self.is_told_again or self.kind in ("file", "position", "trade")


@frozen(kw_only=True)
class Proved:
    """What the fills of one key come to."""

    position: Position
    trades: tuple[Trade, ...]
    gaps: tuple[Gap, ...] = ()


def come_to(
    key: PositionKey,
    fills: Iterable[Fill],
    instrument: Instrument | None,
    corrections: Iterable[tuple[datetime, datetime]] = (),
) -> Proved:
    """Replay the fills of one key, as the ledger has them and in any order, at display prices.

    `corrections` are the times of fills that were corrected, each with when; they tell which statements are outdated.

    Raises LedgerCorrupt where a fill cannot be booked at all.
    """
    fills = list(fills)
    for fill in fills:
        if fill.account != key.account or fill.symbol != key.symbol or not _is_bookable(fill):
            raise LedgerCorrupt(f"fill {fill.id} cannot be booked; restore a backup")
    ordered = list(arranged(fills, ZERO))
    position, trades = flat(key), []
    for fill in ordered:
        booking = book(position, priced(fill, instrument))
        position = booking.after
        if booking.trade is not None:
            trades.append(booking.trade)
    return Proved(position=position, trades=tuple(trades), gaps=tuple(gaps(ordered, starmap(Correction, corrections))))


def _spelt(key: PositionKey) -> str:
    # A damaged row may hold anything, also in its key.
    return " ".join(map(str, key))


def _is_bookable(fill: Fill) -> bool:
    amounts = (fill.quantity, fill.price, fill.commission, fill.position_after)
    is_finite = all(amount is None or amount.is_finite() for amount in amounts)
    is_aware = fill.time.tzinfo is not None and (fill.booked_at is None or fill.booked_at.tzinfo is not None)
    return is_finite and is_aware and fill.quantity > 0


def compare_position(stored: StoredPosition | None, replayed: Position) -> Iterator[Difference]:
    """Yield how a stored position differs from the replay of its key."""
    key = replayed.key
    place = f"position {_spelt(key)}"
    if stored is None:
        if not replayed.is_flat:
            text = f"{place} is missing: the ledger gives {_words(replayed.signed_quantity)}"
            yield Difference(kind="position", key=key, text=text, replayed=replayed.signed_quantity)
        return
    faults = [stored.fault] if stored.fault else []
    for fault in [*faults, *_cannot_be_read(stored.unreadable)]:
        yield Difference(kind="position", key=key, text=f"{place} {fault}")
    if stored.position is None:
        return
    if replayed.is_flat:
        held = stored.position.signed_quantity
        text = f"{place} holds {_words(held)}: the ledger gives nothing"
        yield Difference(kind="position", key=key, text=text, stored=held, replayed=ZERO)
        return
    differing = list(_fields("position", place, stored.position, replayed, _POSITION_FIELDS))
    yield from differing
    for fault in _unsealed(stored, is_named=bool(faults or differing or stored.unreadable)):
        yield Difference(kind="position", key=key, text=f"{place} {fault}")


def compare_trades(key: PositionKey, stored: Iterable[StoredTrade], replayed: Iterable[Trade]) -> Iterator[Difference]:
    """Yield how the stored trades of a key differ from those of its replay; they are paired by their first fill."""
    expected = {trade.opened_by: trade for trade in replayed}
    for row in stored:
        place = f"trade {row.id} {_spelt(row.key)}"
        faults = [row.fault] if row.fault else []
        for fault in [*faults, *_cannot_be_read(row.unreadable)]:
            yield Difference(kind="trade", key=row.key, id=row.id, text=f"{place} {fault}")
        trade = expected.pop(row.opened_by, None) if isinstance(row.opened_by, int) else None
        if row.trade is None:
            continue
        if trade is None:
            yield Difference(kind="trade", key=row.key, id=row.id, text=f"{place} follows from no fill of the ledger")
            continue
        if row.key != key:
            text = f"{place} is kept under another mode than its account's: {key.mode}"
            yield Difference(
                kind="trade", key=row.key, id=row.id, text=text, field="mode", stored=row.key.mode, replayed=key.mode
            )
        differing = list(_fields("trade", place, row.trade, trade, _TRADE_FIELDS, row_id=row.id))
        yield from differing
        for fault in _unsealed(row, is_named=bool(faults or differing or row.unreadable or row.key != key)):
            yield Difference(kind="trade", key=row.key, id=row.id, text=f"{place} {fault}")
    for trade in expected.values():
        text = f"trade {_spelt(key)} from fill {trade.opened_by} to {trade.closed_by} is missing"
        yield Difference(kind="trade", key=key, text=text, replayed=trade.realized)


def _unsealed(row: StoredPosition | StoredTrade, *, is_named: bool) -> Iterator[str]:
    """Yield in words what of a row is not what was written, unless it is named already by what it says."""
    if not is_named:
        if not row.is_sealed:
            yield "has wider extremes than were written: its checksum differs"
        if not row.beside_is_sealed:
            yield "keeps beside its booking what was not written: its checksum differs"


def _cannot_be_read(columns: Iterable[str]) -> list[str]:
    return [f"{column} cannot be read" for column in columns]


def _fields(
    kind: str,
    place: str,
    stored: _Held,
    replayed: _Held,
    names: Iterable[str],
    *,
    row_id: int | None = None,
) -> Iterator[Difference]:
    found = [(name, getattr(stored, name), getattr(replayed, name)) for name in names]
    differing = [each for each in found if each[1] != each[2]]
    differing += [(name, getattr(stored, name), getattr(replayed, name)) for name in too_narrow(stored, replayed)]
    for name, ours, theirs in differing:
        text = f"{place}: {name} is {_words(ours)}, the ledger gives {_words(theirs)}"
        yield Difference(kind=kind, key=replayed.key, id=row_id, text=text, field=name, stored=ours, replayed=theirs)


def _words(value: object) -> str:
    match value:
        case None:
            return "unknown"
        case Decimal():
            return f"{value:f}"
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case tuple():
            return " ".join(map(str, value)) or "none"
    return str(value)


def prove(reader: AuditReader, progress: Progress | None = None) -> Iterator[Difference]:
    """Yield everything that is not as it should be, from the file's pages to the trades; nothing for a sound ledger.

    All of it but the pages is asked of one moment of the ledger. `progress` is told a stage, how much of it is done,
    and of how much.
    """
    progress = progress or quietly
    with reader.moment():
        progress("pages", 0, 0)
        with PagesCheck(reader) as pages:
            misshapen = schema_faults(reader)
            skimmed = NOTHING_SKIMMED if misshapen else skim(reader, progress)
            faults = pages.faults(progress)
        yield from (Difference(kind="file", text=f"file: {fault}") for fault in faults)
        yield from (Difference(kind="file", text=f"schema: {fault}") for fault in misshapen)
        if misshapen:
            return
        if faults:
            # What an index leads to, or a row's types, may be anything: every question is asked again by itself.
            skimmed = NOTHING_SKIMMED
        yield from _of_rows(reader, skimmed, progress, is_whole=not faults)


def _of_rows(reader: AuditReader, skimmed: Skimmed, progress: Progress, *, is_whole: bool) -> Iterator[Difference]:
    """Yield what differs in the rows of a ledger whose schema is right, and whose file is whole or not."""
    journal_is_right = is_whole and journal_is_sound(reader, progress)
    overfilled = overfilled_orders(reader, progress) if skimmed.fills_are_sound else None
    known = {*(("journal",) if journal_is_right else ()), *(("working_order",) if overfilled is not None else ())}
    unsound: set[int] = set()
    try:
        for difference in _altered(reader, skimmed, progress, journal_is_right=journal_is_right):
            if difference.kind == "fill" and difference.id is not None:
                unsound.add(difference.id)
            yield difference
        yield from _lost(reader, is_sound=not unsound and journal_is_right)
        yield from (Difference(kind="table", text=text) for text in migration_faults(reader))
        for unsealed in unsealed_rows(reader, progress):
            known.add(unsealed.table)
            yield not_as_written(unsealed)
        yield from (Difference(kind="table", text=text) for text in reader.unreadable(progress, known=known))
        yield from _projections(reader, skimmed, unsound, progress)
    except LedgerCorrupt as error:
        yield Difference(kind="file", text=f"{error}; positions and trades could not be proved")
    try:
        yield from _overfilled(reader, overfilled, progress)
    except LedgerCorrupt as error:
        yield Difference(kind="order", text=f"{error}; orders could not be compared with their fills")


def _lost(reader: AuditReader, *, is_sound: bool) -> Iterator[Difference]:
    """Yield the rows that are not there any more, where none is left whose number may be another than it had."""
    for table, kind in NUMBERED.items() if is_sound else ():
        for gap in missing_rows(reader, table):
            named = "table" if table == "break_" else kind
            yield Difference(kind=named, id=gap[0], text=missing_words(table, gap))
    yield from (Difference(kind="file", text=counter_words(table)) for table, _ in counters_behind(reader))


def _altered(
    reader: AuditReader, skimmed: Skimmed, progress: Progress, *, journal_is_right: bool
) -> Iterator[Difference]:
    """Yield the rows of the ledger whose checksum differs; a sighting is part of what its fill says."""
    for fill_id in () if skimmed.fills_are_sound else unsound_fills(reader, progress):
        text = f"fill {fill_id} is not what was booked: its checksum differs; restore a backup"
        yield Difference(kind="fill", id=fill_id, text=text)
    for fill_id, source in () if skimmed.sightings_are_sound else unsound_sightings(reader, progress):
        text = f"fill {fill_id}, what {source} said of it is not what was written: its checksum differs"
        yield Difference(kind="fill", id=fill_id, text=f"{text}; restore a backup")
    for entry_id in () if journal_is_right else unsound_entries(reader, progress):
        text = f"journal {entry_id} is not what was written: its checksum differs; restore a backup"
        yield Difference(kind="journal", id=entry_id, text=text)


def not_as_written(row: Unsealed) -> Difference:
    """Return a row whose checksum differs as something to be named, with the remedy."""
    kind, noun = _NAMED_IN.get(row.table, ("table", f"table {row.table}, row"))
    remedy = "the server tells it again" if row.is_told_again else "restore a backup"
    if row.table == "instrument":
        remedy = f"`dtcpos instruments set` writes it again where it can be read, else {remedy}"
    text = f"{noun} {row.name} is not what was written: its checksum differs; {remedy}"
    return Difference(kind=kind, text=text, is_told_again=row.is_told_again)


def _projections(reader: AuditReader, skimmed: Skimmed, unsound: set[int], progress: Progress) -> Iterator[Difference]:
    modes, instruments = modes_of(reader), reader.instruments()
    held = {row.key: row for row in stored_positions(reader)}
    keys = [PositionKey(modes.get(str(account), ""), str(account), str(symbol)) for account, symbol in reader.keys()]  # noqa: SIM118 - a ledger is no dict
    damaged: set[tuple[str, str]] = set()
    for done, key in enumerate(keys):
        progress("keys", done, len(keys))
        if key.account not in modes:
            yield Difference(kind="account", key=key, text=f"account {key.account} has fills and no row of its own")
        position = skimmed.positions.get(key[1:])
        if position is not None:
            yield from compare_position(held.pop(key, None), position)
            continue
        try:
            proved = proved_key(reader, key, unsound, instruments)
        except LedgerCorrupt as error:
            damaged.add(key[1:])
            yield Difference(kind="fill", key=key, text=f"{_spelt(key)} cannot be proved: {error}")
            continue
        yield from compare_position(held.pop(key, None), proved.position)
        yield from compare_trades(key, stored_trades(reader, *key[1:]), proved.trades)
        for gap in proved.gaps:
            yield Difference(kind="gap", key=key, id=gap.before.id, text=gap_words(key, gap), stored=gap.running)
    for key, row in held.items():
        if key[1:] not in damaged:
            yield from compare_position(row, flat(key))
    for stray in stray_trades(reader, {key[1:] for key in keys}):
        yield from compare_trades(stray.key, [stray], ())


def proved_key(
    ledger: LedgerQueries, key: PositionKey, unsound: Set[int], instruments: Mapping[str, Instrument]
) -> Proved:
    """Replay one key of a ledger. Raises LedgerCorrupt where one of its fills is damaged, or among those `unsound`."""
    fills = ledger.fills_of_key(*key[1:])
    hurt = sorted(unsound & {fill.id or 0 for fill in fills})
    if hurt:
        raise LedgerCorrupt(f"fill {', '.join(map(str, hurt))} is damaged; restore a backup")
    corrections = corrections_of_key(ledger, *key[1:])
    return come_to(key, fills, instruments.get(key.symbol), corrections)


def _overfilled(
    reader: AuditReader, known: Sequence[tuple[str, str]] | None, progress: Progress
) -> Iterator[Difference]:
    """Yield the orders filled beyond their quantity: of all, or of those `known` to be."""
    modes = modes_of(reader)
    names = [None] if known is None else known
    for order in chain.from_iterable(filled_orders(reader, progress, name) for name in names):
        total = ZERO
        for quantity in order.fills:
            total = EXACT.add(total, quantity)
        if order.quantity and total > order.quantity:
            key = PositionKey(modes.get(order.account, ""), order.account, order.symbol)
            text = f"order {order.order_id} of {_spelt(key)} is for {order.quantity:f}, its fills are {total:f}"
            yield Difference(kind="order", key=key, text=text, stored=order.quantity, replayed=total)


def held_at(reader: AuditReader, moment: datetime) -> list[Position]:
    """Return what was held at a moment, by mode, account and symbol: a replay of what had been booked by then.

    Modes are as they were then; display prices and commissions as the instruments are known now. Excursions are those
    of the fills alone.
    """
    with reader.moment():
        modes, instruments = reader.modes_at(moment), reader.instruments()
        held = []
        for account, symbol in reader.keys():  # noqa: SIM118 - a ledger is no dict
            key = PositionKey(modes.get(account, ""), account, symbol)
            fills = reader.fills_of_key_at(account, symbol, moment)
            position = come_to(key, fills, instruments.get(symbol)).position
            if not position.is_flat:
                held.append(position)
    return sorted(held, key=lambda position: position.key)
