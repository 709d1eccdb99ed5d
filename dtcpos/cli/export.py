"""`dtcpos export`: rows for scripts and cron, streamed, and put in place whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from dtcpos.booking.pairing import Method
from dtcpos.cli.columns import columns_of
from dtcpos.cli.export_files import destination, export_days, export_once
from dtcpos.cli.exports import JOURNALS, Wanted, form_of, keys_of
from dtcpos.cli.faults import say
from dtcpos.cli.held import standings, unheld_breaks
from dtcpos.cli.listing import insist
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
from dtcpos.errors import UsageError
from dtcpos.exporters.cursor import Cursor
from dtcpos.exporters.placing import has_placeholder, named
from dtcpos.exporters.remarks import Remarks
from dtcpos.store.exporting import ExportReader

app = new_app()


@app.command(
    epilog=examples(
        "dtcpos export trades --since today > trades.csv",
        "dtcpos export trades --columns symbol,Closed=exit_time,Profit=net_pnl",
        "dtcpos export fills --mode LIVE --cursor nightly -o 'fills-{number:04}.csv'",
        "dtcpos export trades --since yesterday --per-day -o 'trades-{date}.csv'",
        "dtcpos export fills --mode LIVE --format tradenote --timezone Europe/Vienna -o tradenote.csv",
    )
)
def export(
    what: Annotated[
        Literal["trades", "fills", "positions", "journal"], typer.Argument(metavar="WHAT", help="What to export.")
    ],
    form: Annotated[
        Literal["csv", "json", "jsonl", "tradervue", "tradenote"],
        typer.Option("--format", help="How to write it; tradervue and tradenote are lists of executions."),
    ] = "csv",
    columns: Annotated[
        str | None,
        typer.Option("--columns", metavar="[NAME=]KEY,...", help="Only these, in this order, under these names."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="PATH", help="A file that appears when complete; may have {date} and {number}."
        ),
    ] = None,
    per_day: Annotated[
        bool, typer.Option("--per-day", help="A file for each trading day, its {date} in --output.")
    ] = False,
    cursor: Annotated[
        str | None,
        typer.Option("--cursor", metavar="NAME", help="Only what is new since the last run under this name."),
    ] = None,
    restated: Annotated[
        bool, typer.Option("--restated", help="Trades or fills that were changed after they had been closed or booked.")
    ] = False,
    book: Annotated[
        Literal["flat", "fifo", "lifo", "average"],
        typer.Option("--book", help="What a trade is: flat to flat, or lots paired first in, last in, or at average."),
    ] = "flat",
    timezone: Annotated[
        str | None,
        typer.Option(
            "--timezone", metavar="ZONE", help="Of tradervue and tradenote; without it that of the trading day."
        ),
    ] = None,
    require: Annotated[
        Literal["verified"] | None,
        typer.Option("--require", help="Of positions: exit with 6 unless every one is of this status."),
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

    With --cursor every row goes to one file and to one only, whenever a run is killed: the next run first completes
    what the last one left. With nothing new no file is made. A file of an earlier run is never written over: have
    {number} (counted under the name) or {date} in --output, or take the files away. To standard output a run that is
    killed may be repeated. One name is for one thing: the same WHAT and the same filters.

    A trade is exported once, under its id, when it has closed; a fill once, when it is booked. What a late fill or a
    correction changes afterwards is not exported again, but by --restated, which may have a cursor of its own: such a
    trade comes under its old id, such a fill with the ids it `supersedes`. An execution that turned out void is in the
    journal.

    --per-day writes whole trading days and replaces the files of days it has written before.
    """
    settings, now = load_settings(config), utc_now()
    listing = _listing(what, form)
    method = None if book == "flat" else Method(book)
    _refuse(listing, form, method, columns=columns, restated=restated, timezone=timezone)
    if require and what != "positions":
        raise UsageError(f"--require is about positions, not {what}; leave it out")
    _refuse_names(output, listing, per_day=per_day, cursor=cursor)
    chosen = columns_of(columns, keys_of(listing, book=method, restated=restated), listing)
    zone = _zone(timezone or settings.trading_day.timezone)
    path, remarks = ledger_path(db), Remarks()

    def wanted(reader: ExportReader) -> Wanted:
        selection = select(
            reader,
            mode=mode,
            account=account,
            symbol=symbol,
            since=since,
            until=until,
            trading_day=settings.trading_day,
            now=now,
            follow_view=False,
        )
        return Wanted(
            what=listing,
            form=form,
            columns=chosen,
            selection=selection,
            settings=settings,
            now=now,
            zone=zone,
            book=method,
            restated=restated,
        )

    if cursor is None:
        with ExportReader.open(path) as reader, reader.held_still():
            if per_day:
                assert output is not None
                export_days(reader, wanted(reader), output, remarks)
            else:
                found = form_of(wanted(reader), reader, remarks)
                with destination(output and named(output, day=settings.trading_day.day_of(now))) as out:
                    found.write(found.records, out)
            if require:
                selection = wanted(reader).selection
                held = standings(reader, selection, settings, now)
                insist(held, unheld_breaks(reader, selection, held))
    else:
        if method is not None or since is not None or until is not None or what == "positions":
            raise UsageError(
                "a cursor says from where, and follows ids; leave out --since, --until, --book and positions"
            )
        filters = {"--restated": restated, "--mode": mode, "--account": account, "--symbol": symbol}
        with Cursor.open(path, cursor, _label(listing, filters), now=now) as place:
            export_once(place, path, wanted, output, remarks)
    for line in remarks.lines():
        say(line)


def _listing(what: str, form: str) -> str:
    if form not in JOURNALS:
        return what
    if what not in ("fills", "trades"):
        raise UsageError(f"--format {form} is for executions; write `dtcpos export fills --format {form}`")
    return "fills"


def _refuse(
    what: str, form: str, book: Method | None, *, columns: str | None, restated: bool, timezone: str | None
) -> None:
    if form in JOURNALS and (columns is not None or restated):
        raise UsageError(f"the columns of {form} are fixed; leave out --columns and --restated, or use --format csv")
    if timezone is not None and form not in JOURNALS:
        raise UsageError("--timezone is for tradervue and tradenote; every other format is in UTC")
    if book is not None and (what != "trades" or restated):
        raise UsageError(f"--book {book} is for trades, and not with --restated")
    if restated and what not in ("trades", "fills"):
        raise UsageError(f"--restated is for trades and fills, not for {what}")


def _refuse_names(output: Path | None, what: str, *, per_day: bool, cursor: str | None) -> None:
    if per_day and (output is None or not has_placeholder(output, "date")):
        raise UsageError("--per-day needs a place for the day: --output 'trades-{date}.csv'")
    if per_day and (cursor is not None or what == "positions"):
        raise UsageError("--per-day writes whole days of trades, fills or the journal, and has no --cursor")
    if output is not None and has_placeholder(output, "number") and cursor is None:
        raise UsageError(f"{output} has a {{number}}, which counts the files of a --cursor; name one")


def _label(what: str, filters: dict[str, str | bool | None]) -> str:
    words = [what]
    for name, value in filters.items():
        if value:
            words += [name] if value is True else [name, value.upper() if name == "--mode" else value]
    return " ".join(words)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"{name!r} is not a known time zone; write one such as America/Chicago") from error
