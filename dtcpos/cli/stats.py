"""`dtcpos stats`: what was earned, by day, week, month, symbol and account."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from dtcpos.cli.jsonout import write_array
from dtcpos.cli.options import (
    AccountFilter,
    AsJson,
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
from dtcpos.stats import ALL

app = new_app()


@app.command(
    epilog=examples(
        "dtcpos stats --since today",
        "dtcpos stats --mode LIVE --by month",
        "dtcpos stats --since 2026-01-01 --book fifo --json",
    )
)
def stats(
    by: Annotated[
        Literal["day", "week", "month", "symbol", "account"], typer.Option("--by", help="What the table is about.")
    ] = "day",
    book: Annotated[
        Literal["flat", "fifo", "lifo", "average"],
        typer.Option("--book", help="What a trade is: flat to flat, or lots paired first in, last in, or at average."),
    ] = "flat",
    mode: ModeFilter = None,
    account: AccountFilter = None,
    symbol: SymbolFilter = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
    db: Db = None,
    config: Config = None,
) -> None:
    """Add up what was earned, and say how the trades did.

    Realized profit belongs to the trading day of the exit, with the commission of the lots that went out; hit rate,
    profit factor, expectancy, streaks and drawdown are of whole trades, net of commission. Unrealized profit is at the
    last marks, whose age is given. Modes and currencies are never added together; --mode ALL adds a total of all modes
    to the rest. --json has every figure and every breakdown.
    """
    from dtcpos.booking.pairing import Method
    from dtcpos.cli.faults import say
    from dtcpos.cli.figures import block_json, print_block
    from dtcpos.earnings import performance
    from dtcpos.store.exits import ExitReader

    settings, now = load_settings(config), utc_now()
    day = settings.trading_day
    with ExitReader.open(ledger_path(db)) as reader:
        selection = select(
            reader, mode=mode, account=account, symbol=symbol, since=since, until=until, trading_day=day, now=now
        )
        blocks = performance(
            reader,
            selection,
            trading_day=day,
            method=None if book == "flat" else Method(book),
            with_total=mode is not None and mode.strip().upper() == ALL,
            # What is open now is nothing of a time that is over.
            with_open=selection.until is None or selection.until > now,
        )
    if as_json:
        asked = {
            "book": book,
            "since": selection.since,
            "until": selection.until,
            "trading_day": f"{day.start:%H:%M} {day.timezone}",
        }
        rows = [block_json(block, asked, now) for block in blocks]
        write_array(rows, sys.stdout)
        for row in rows:
            for warning in row["warnings"]:
                say(f"{row['mode']}: {warning}")
        return
    for number, block in enumerate(blocks):
        if number:
            print()
        print_block(block, by, now)
    if not blocks:
        print(f"nothing was traded{f' in {selection.modes[0]}' if selection.modes else ''}")
