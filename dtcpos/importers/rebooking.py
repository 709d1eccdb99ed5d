"""Book an export of fills: under the ids, modes and price factors it states, in the order of its times.

Invariants:
1. The same file a second time, or into the ledger that wrote it, appends nothing.
2. A person's entries and adjustments are known by their own ids alone; like content never makes two of them one.
3. An account the ledger knows keeps its mode; where the file says otherwise that is a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from attrs import evolve, frozen

from dtcpos.booking import assumed
from dtcpos.booking.order import UNNAMED
from dtcpos.exact import EXACT
from dtcpos.importers.checks import Quantities
from dtcpos.importers.fills import BY_PERSON, FillsFile
from dtcpos.importers.logs import alerts, parts, superseded_words
from dtcpos.importers.report import Difference, ImportRefused, Report, number_text
from dtcpos.importers.spool import Spool
from dtcpos.importers.steps import Steps
from dtcpos.keeping.identity import Known
from dtcpos.keeping.imported import ImportedLog, Logged
from dtcpos.keeping.lookup import Lookup
from dtcpos.keeping.posting import Posting
from dtcpos.model import Account, JournalEntry, Terms
from dtcpos.store import PositionRepository
from dtcpos.translate import mode_of

KIND = "fills of dtcpos"
_ONE = Decimal(1)

Progress = Callable[[str, int, int], None]


class RebookedLog(ImportedLog):
    """What an export has come to so far; what a person entered is never taken for an execution that looks like it."""

    def _groups(
        self, rows: Sequence[Logged], lookup: Lookup, *, with_strays: bool
    ) -> Iterator[tuple[list[Logged], list[Known]]]:
        # What a person enters has an id of its own; without one it corrects an execution that nobody named.
        executions = [
            row for row in rows if row.fill.source not in BY_PERSON or row.fill.execution_id.startswith(UNNAMED)
        ]
        return super()._groups(executions, lookup, with_strays=with_strays)


@frozen(kw_only=True)
class ReadFills:
    """An export that was read whole and found good; its rows wait in the spool."""

    path: Path
    spool: Spool
    rows: int
    modes: Mapping[str, str]
    multipliers: Mapping[str, Decimal]


def read_fills(path: Path, spool: Spool, *, progress: Progress | None = None) -> ReadFills:
    """Read an export into a spool. Raises ImportRefused for one that cannot be read or meant."""
    found = FillsFile(path)
    try:
        size = path.stat().st_size
        tell = None if progress is None else lambda done, _: progress(f"reading {path.name}", done, size)
        with path.open(encoding="utf-8-sig", newline="") as source:
            for row in found.read(source, tell):
                spool.add(row)
    except UnicodeDecodeError as error:
        raise ImportRefused(
            f"{path} is not UTF-8: {error.reason}; write it again with `dtcpos export fills`"
        ) from error
    except OSError as error:
        raise ImportRefused(f"{path} cannot be read: {error.strerror or error}; correct its name or rights") from error
    return ReadFills(path=path, spool=spool, rows=found.rows, modes=found.modes, multipliers=found.multipliers)


def examine_fills(read: ReadFills, repository: PositionRepository, into: ImportedLog) -> None:
    """Learn whose ids the file uses and over what time it reaches; nothing is written."""
    lookup = Lookup(repository)
    for part in parts(read.spool):
        into.learn(part, lookup)


@frozen(kw_only=True)
class Into:
    """The ledger an export is booked into, when, and what the settings say of accounts and instruments."""

    repository: PositionRepository
    posting: Posting
    now: datetime
    mode_rules: Mapping[str, str]
    instrument_rules: Mapping[str, Terms]


class Prepared(NamedTuple):
    """What there is to say of accounts and price factors, what differs, and by what each symbol's prices are scaled."""

    notes: list[str]
    differences: list[Difference]
    factors: dict[str, Decimal]


def prepare(read: ReadFills, into: Into) -> Prepared:
    """Make accounts and price factors known as the file states them, inside the caller's transaction."""
    notes: list[str] = []
    differences: list[Difference] = []
    for account, mode in read.modes.items():
        found = _meet(read, account, mode, into)
        if isinstance(found, Difference):
            differences.append(found)
        elif found:
            notes.append(found)
    factors = {symbol: _factor(read, symbol, each, into, notes) for symbol, each in read.multipliers.items()}
    return Prepared(notes, differences, factors)


def book_fills(
    read: ReadFills,
    prepared: Prepared,
    log: ImportedLog,
    into: Into,
    *,
    steps: Steps,
    progress: Progress | None = None,
) -> Report:
    """Book an export that was read, examined and prepared for, in transactions of its own."""
    notes, differences, factors = prepared
    quantities, booked = Quantities(), 0

    def take(part: list[Logged]) -> None:
        nonlocal booked
        rows = [_scaled(row, factors.get(row.fill.symbol, _ONE)) for row in part]
        updates = into.posting.post_import(rows, log, now=into.now)
        quantities.take(rows, updates)
        notes.extend(alerts(updates))
        booked += len(rows)
        if progress is not None:
            progress(f"booking {read.path.name}", booked, read.rows)

    steps.book(parts(read.spool), log, take=take, now=into.now)
    begins = _begins(read.spool)
    for each in quantities.differences(into.repository, log):
        # What the file states later in a key was so in the ledger that wrote it; at its first something is missing.
        if each.time is not None and each.time <= begins[each.account, each.symbol]:
            differences.append(each)
        else:
            notes.append(f"{each.text}; so it was in the ledger that wrote the file")
    return Report(
        path=read.path,
        kind=KIND,
        rows=read.rows,
        fills=read.rows,
        new=log.new,
        seen_before=log.seen_before,
        superseded=len(log.superseded),
        sighted=log.sighted,
        differences=tuple(differences),
        notes=(*notes, *superseded_words(log)),
    )


def _meet(read: ReadFills, account: str, mode: str, into: Into) -> Difference | str | None:
    """Make an account known in the mode the file states; the settings and what the ledger knows come first."""
    known = into.posting.accounts.get(account)
    ruled, rule = mode_of(account, into.mode_rules)
    is_by_settings = rule != mode_of(account, {})[1]
    if known is None and not is_by_settings and ruled != mode:
        rule = f"stated by {read.path.name}"
        into.posting.put_account(Account(account=account, mode=mode, rule=rule, first_seen_at=into.now))
        entry = JournalEntry(at=into.now, cause="account", account=account, after=mode, reason=rule)
        into.repository.add_journal([entry])
        return f"account {account} is {mode} ({rule})"
    ours = ruled if known is None else known.mode
    if ours == mode:
        return None
    remedy = f"`dtcpos accounts set {account} {mode}` takes over the file's"
    text = f"account {account} is {mode} in the file and {ours} here; its fills are booked as {ours}, {remedy}"
    return Difference(kind="mode", account=account, symbol="", text=text)


def _factor(read: ReadFills, symbol: str, multiplier: Decimal, into: Into, notes: list[str]) -> Decimal:
    """Return what the file's wire prices of a symbol are to be multiplied by, so that their display prices stay."""
    instruments = into.posting.instruments
    known = instruments.get(symbol) or assumed(symbol, into.instrument_rules)
    if known.multiplier == multiplier:
        return _ONE
    if not known.multiplier_source and symbol not in instruments:
        told = evolve(known, multiplier=multiplier, multiplier_source="import")
        into.posting.put_instrument(told, now=into.now)
        notes.append(f"{symbol}: display prices are {number_text(multiplier)} times those of the wire, as in the file")
        return _ONE
    factor = multiplier / known.multiplier
    if EXACT.multiply(factor, known.multiplier) != multiplier:
        raise ImportRefused(
            f"{read.path}: prices of {symbol} are {number_text(multiplier)} times the wire's there and "
            f"{number_text(known.multiplier)} times here; correct one with `dtcpos instruments set {symbol} "
            "--multiplier M`; nothing was imported"
        )
    return factor


def _scaled(row: Logged, factor: Decimal) -> Logged:
    if factor == _ONE or row.fill.price is None:
        return row
    return row._replace(fill=row.fill._replace(price=EXACT.multiply(row.fill.price, factor)))


def _begins(spool: Spool) -> dict[tuple[str, str], datetime]:
    first: dict[tuple[str, str], datetime] = {}
    for row in spool:
        first.setdefault((row.fill.account, row.fill.symbol), row.fill.time)
    return first
