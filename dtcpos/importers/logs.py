"""Import a Trade Activity Log: read all of it, ask what speaks against it, then book it in the order of its times.

Memory does not grow with the file: rows wait in a spool and are booked in parts that end with a second. A key whose
fills must be booked again, because something belongs before what the ledger has, is read whole, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from pathlib import Path

from attrs import frozen

from dtcpos.booking import whole_second
from dtcpos.booking.entries import synthetic_id
from dtcpos.booking.order import UNNAMED
from dtcpos.importers.checks import Quantities, Ranges
from dtcpos.importers.report import Difference, ImportRefused, Report, moment_text, number_text
from dtcpos.importers.scaling import PriceDoubts, Scales
from dtcpos.importers.sierra import LogFile
from dtcpos.importers.spool import Spool
from dtcpos.importers.steps import Steps
from dtcpos.importers.zones import ZoneDoubts
from dtcpos.keeping.imported import ImportedLog, Logged
from dtcpos.keeping.lookup import Lookup
from dtcpos.keeping.posting import Posting
from dtcpos.model import Fill, Mark
from dtcpos.store import PositionRepository
from dtcpos.updates import AlertUpdate, Update

KIND = "trade activity log"
ROWS_PER_PART = 5_000
# Two clocks may differ by this much; the zones that people confuse by more.
_CLOCK_SLACK = timedelta(minutes=10)

Progress = Callable[[str, int, int], None]


@frozen(kw_only=True)
class ReadLog:
    """A log that was read whole and found to be one; its rows wait in the spool."""

    path: Path
    spool: Spool
    rows: int
    fills: int
    unclear_times: int


def read_log(
    path: Path, spool: Spool, *, zone: tzinfo = UTC, scales: Scales | None = None, progress: Progress | None = None
) -> ReadLog:
    """Read a log into a spool. Raises ImportRefused for a file that is no log or cannot be read."""
    log = LogFile(path, zone=zone, scales=scales)
    try:
        size = path.stat().st_size
        tell = None if progress is None else lambda done, _: progress(f"reading {path.name}", done, size)
        with path.open("rb") as source:
            for row in log.read(source, tell):
                spool.add(row)
    except OSError as error:
        raise ImportRefused(f"{path} cannot be read: {error.strerror or error}; correct its name or rights") from error
    return ReadLog(path=path, spool=spool, rows=log.rows, fills=log.fills, unclear_times=log.unclear_times)


def examine(
    read: ReadLog, repository: PositionRepository, marks: dict[str, Mark], *, scales: Scales, into: ImportedLog
) -> None:
    """Learn what the ledger knows of a log's names, and refuse a log whose prices or times are not what they seem.

    Raises ImportRefused. Nothing is written.
    """
    lookup = Lookup(repository)
    prices, zones = PriceDoubts(read.path, scales), ZoneDoubts(read.path)
    for part in parts(read.spool):
        for row in part:
            assert row.fill.price is not None
            prices.note(row.line, row.fill.symbol, row.fill.price)
        for row, known in into.learn(part, lookup):
            assert row.fill.price is not None
            prices.compare(row.line, row.fill.symbol, row.fill.price, known.fill.price)
            zones.compare(row.line, row.fill.time, known.fill.time)
    instruments = repository.instruments()
    last = _last_prices(repository, prices.symbols)
    for symbol, mark in marks.items():
        multiplier = instruments[symbol].multiplier if symbol in instruments else Decimal(1)
        last.setdefault(symbol, mark.price / multiplier)
    prices.settle(instruments, last)
    zones.settle()


def _last_prices(repository: PositionRepository, symbols: Iterable[str]) -> dict[str, Decimal]:
    wanted = set(symbols)
    found: dict[str, Fill] = {}
    keys = repository.keys()
    for account, symbol in keys:
        for fill in repository.latest_second_of_key(account, symbol) if symbol in wanted else ():
            if fill.price is not None and (symbol not in found or fill.time > found[symbol].time):
                found[symbol] = fill
    return {symbol: fill.price for symbol, fill in found.items() if fill.price is not None}


def book_log(
    read: ReadLog,
    repository: PositionRepository,
    posting: Posting,
    log: ImportedLog,
    *,
    steps: Steps,
    now: datetime,
    progress: Progress | None = None,
) -> Report:
    """Book a log that was read and examined, in transactions of its own."""
    quantities, ranges = Quantities(), Ranges(posting)
    notes: list[str] = []
    booked = ahead = 0

    def take(part: list[Logged]) -> None:
        nonlocal booked, ahead
        updates = posting.post_import(part, log, now=now)
        if part[-1].fill.time > now + _CLOCK_SLACK:
            ahead += sum(row.fill.time > now + _CLOCK_SLACK for row in part)
        quantities.take(part, updates)
        ranges.take(part, log.matched, updates)
        notes.extend(alerts(updates))
        booked += len(part)
        if progress is not None:
            progress(f"booking {read.path.name}", booked, read.fills)

    steps.book(parts(read.spool), log, take=take, now=now)
    if ahead:
        notes.append(
            f"executions that lie ahead of this computer's clock ({moment_text(now)}): {ahead}; if it is right, the "
            "log's times are those of another zone: --timezone ZONE"
        )
    if read.unclear_times:
        notes.append(f"{read.unclear_times} times lie in an hour the zone has twice or never; the first is taken")
    differences = list(quantities.differences(repository, log))
    return Report(
        path=read.path,
        kind=KIND,
        rows=read.rows,
        fills=read.fills,
        new=log.new,
        seen_before=log.seen_before,
        superseded=len(log.superseded),
        sighted=log.sighted,
        differences=tuple(differences),
        ranges=tuple(ranges.differences(repository)),
        notes=(*notes, *superseded_words(log), *_carried(repository, differences)),
    )


def parts(rows: Iterable[Logged]) -> Iterator[list[Logged]]:
    """Cut the rows into parts, never within a second; executions without an id are given one."""
    part: list[Logged] = []
    for row in _named(rows):
        is_full = len(part) >= ROWS_PER_PART
        if is_full and whole_second(row.fill.time) != whole_second(part[-1].fill.time):
            yield part
            part = []
        part.append(row)
    if part:
        yield part


def _named(rows: Iterable[Logged]) -> Iterator[Logged]:
    """Name executions that have no id by what they are; of several that are alike each by its number."""
    time: datetime | None = None
    alike: dict[tuple[object, ...], int] = {}
    for row in rows:
        fill = row.fill
        if fill.execution_id:
            yield row
            continue
        if fill.time != time:
            time = fill.time
            alike.clear()
        what = (fill.account, fill.symbol, *row.order_ids, fill.side, fill.quantity.normalize())
        what = (*what, None if fill.price is None else fill.price.normalize(), fill.time)
        alike[what] = alike.get(what, 0) + 1
        name = UNNAMED + synthetic_id(*what, alike[what]).removeprefix("adj-")
        yield row._replace(fill=fill._replace(execution_id=name))


def alerts(updates: Iterable[Update]) -> list[str]:
    """Return what booking gave cause to say."""
    return [update.text for update in updates if isinstance(update, AlertUpdate)]


def superseded_words(log: ImportedLog) -> Iterator[str]:
    """Yield what every execution was that a file tells otherwise, and what it is now."""
    for row, before in log.superseded:
        words = [f"{each.side} {number_text(each.quantity)} @ {number_text(each.price)}" for each in (before, row.fill)]
        yield f"line {row.line}: execution {row.fill.execution_id} was {words[0]} and is now {words[1]}"


def _carried(repository: PositionRepository, differences: Iterable[Difference]) -> Iterator[str]:
    """Say of lots carried in at first contact that the log may now have told them twice."""
    for account, symbol in sorted({(each.account, each.symbol) for each in differences}):
        for fill in repository.fills_of_key(account, symbol):
            if "carried" in fill.flags:
                yield (
                    f"{account} {symbol}: fill {fill.id} carried in {fill.signed_quantity:+f} lots; if the log tells "
                    f"their executions, `dtcpos fix void {fill.id} --reason TEXT` takes it out"
                )
