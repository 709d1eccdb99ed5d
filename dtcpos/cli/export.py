"""`dtcpos export`: rows for scripts and cron, streamed, and put in place whole or not at all."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from io import TextIOWrapper
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Annotated, Any, Literal

import typer
from attrs import frozen

from dtcpos.cli.held import standings
from dtcpos.cli.jsonout import iso, plain, write_array, write_lines
from dtcpos.cli.keys import (
    FILL_KEYS,
    JOURNAL_KEYS,
    POSITION_KEYS,
    TRADE_KEYS,
    fill_json,
    journal_json,
    trade_json,
)
from dtcpos.cli.options import (
    AccountFilter,
    Config,
    Db,
    ModeFilter,
    Since,
    SymbolFilter,
    Until,
    ledger_path,
    load_settings,
    select,
    utc_now,
)
from dtcpos.cli.shape import examples, new_app
from dtcpos.errors import OutputUnwritable, UsageError
from dtcpos.settings import Settings
from dtcpos.store import LedgerReader, Selection

app = new_app()

Row = Mapping[str, Any]


@frozen
class Listing:
    """One thing that can be exported: its columns, and how its rows are read."""

    keys: tuple[str, ...]
    rows: Callable[[LedgerReader, Selection, Settings], Iterator[Row]]


@app.command(
    epilog=examples(
        "dtcpos export trades --since today > trades.csv",
        "dtcpos export fills --mode LIVE --format jsonl --output fills.jsonl",
        "dtcpos export trades --columns account,symbol,exit_time,net_pnl",
    )
)
def export(
    what: Annotated[
        Literal["trades", "fills", "positions", "journal"], typer.Argument(metavar="WHAT", help="What to export.")
    ],
    form: Annotated[Literal["csv", "json", "jsonl"], typer.Option("--format", help="How to write it.")] = "csv",
    columns: Annotated[
        str | None, typer.Option("--columns", metavar="NAMES", help="Only these, in this order, commas between.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="A file that appears when it is complete."),
    ] = None,
    mode: ModeFilter = None,
    account: AccountFilter = None,
    symbol: SymbolFilter = None,
    since: Since = None,
    until: Until = None,
    db: Db = None,
    config: Config = None,
) -> None:
    """Export trades, fills, positions or the journal.

    CSV is UTF-8 with a header, decimals with a dot, and times in ISO-8601 UTC. Every mode is exported unless --mode
    says otherwise: the view chosen with `switch` is for people, and does not change what cron writes.
    """
    settings = load_settings(config)
    listing = LISTINGS[what]
    keys = _chosen(columns, listing.keys, what)
    with LedgerReader.open(ledger_path(db)) as reader:
        selection = select(
            reader,
            mode=mode,
            account=account,
            symbol=symbol,
            since=since,
            until=until,
            trading_day=settings.trading_day,
            now=utc_now(),
            follow_view=False,
        )
        rows = listing.rows(reader, selection, settings)
        if keys != listing.keys:
            rows = ({key: row[key] for key in keys} for row in rows)
        with _destination(output) as out:
            WRITERS[form](rows, keys, out)


def _chosen(columns: str | None, known: tuple[str, ...], what: str) -> tuple[str, ...]:
    if columns is None:
        return known
    chosen = tuple(name.strip() for name in columns.split(",") if name.strip())
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen:
        raise UsageError(f"{what} have no column {', '.join(unknown) or repr(columns)}; known are {', '.join(known)}")
    return chosen


def _trades(reader: LedgerReader, selection: Selection, _settings: Settings) -> Iterator[Row]:
    return map(trade_json, reader.trades(selection))


def _fills(reader: LedgerReader, selection: Selection, _settings: Settings) -> Iterator[Row]:
    instruments = reader.instruments()
    for fill, mode in reader.fills(selection):
        yield fill_json(fill, mode, instruments.get(fill.symbol))


def _positions(reader: LedgerReader, selection: Selection, settings: Settings) -> Iterator[Row]:
    for item in standings(reader, selection, settings, utc_now()):
        yield item.as_json()


def _journal(reader: LedgerReader, selection: Selection, _settings: Settings) -> Iterator[Row]:
    return map(journal_json, reader.journal(selection))


LISTINGS = {
    "trades": Listing(TRADE_KEYS, _trades),
    "fills": Listing(FILL_KEYS, _fills),
    "positions": Listing(POSITION_KEYS, _positions),
    "journal": Listing(JOURNAL_KEYS, _journal),
}


def _write_csv(rows: Iterator[Row], keys: Sequence[str], out: IO[str]) -> None:
    writer = csv.writer(out)
    writer.writerow(keys)
    # A table of types instead of a ladder of tests: a million trades have 27 million cells.
    writer.writerows([_CELLS[type(value)](value) for value in row.values()] for row in rows)


def _as_it_is(value: object) -> object:
    return value


_CELLS: dict[type, Callable[[Any], object]] = {
    Decimal: plain,
    datetime: iso,
    list: " ".join,
    str: _as_it_is,
    int: _as_it_is,
    # The writer leaves the cell empty.
    type(None): _as_it_is,
}


WRITERS: dict[str, Callable[[Iterator[Row], Sequence[str], IO[str]], None]] = {
    "csv": _write_csv,
    "json": lambda rows, _keys, out: write_array(rows, out),
    "jsonl": lambda rows, _keys, out: write_lines(rows, out),
}


@contextmanager
def _destination(output: Path | None) -> Iterator[IO[str]]:
    if output is None:
        # CSV says where its lines end; a text stream of Windows would say it again.
        stream = TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
        try:
            yield stream
            stream.flush()
        finally:
            stream.detach()
        return
    try:
        with _replacing(output) as out:
            yield out
    except OSError as error:
        raise OutputUnwritable(
            f"cannot write {output}: {error.strerror or error}; free some room or choose another --output"
        ) from error


@contextmanager
def _replacing(path: Path) -> Iterator[IO[str]]:
    # In the same folder, because a rename is atomic only within a file system.
    with NamedTemporaryFile(
        "w", encoding="utf-8", newline="", dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False
    ) as out:
        part = Path(out.name)
        try:
            yield out
            out.flush()
            os.fsync(out.fileno())
            out.close()
            part.chmod(0o666 & ~_umask())
            part.replace(path)
        except BaseException:
            out.close()
            part.unlink(missing_ok=True)
            raise


def _umask() -> int:
    # Temporary files are private; the finished one is as readable as any other the person makes.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
