"""`dtcpos tail`: the last fills, and the next ones as they are booked."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Annotated

import typer

from dtcpos.cli.jsonout import dumps, plain, write_array
from dtcpos.cli.keys import display_price, fill_json
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
from dtcpos.cli.prices import price_text
from dtcpos.cli.render import Column, Table, moment, print_table
from dtcpos.cli.shape import examples, new_app
from dtcpos.model import Fill, Instrument
from dtcpos.store import LedgerReader, Selection

app = new_app()

COLUMNS = (
    Column("TIME"),
    Column("MODE"),
    Column("ACCOUNT"),
    Column("SIDE"),
    Column("QTY", is_number=True),
    Column("SYMBOL"),
    Column("PRICE", is_number=True),
    Column("SOURCE"),
    Column("ORDER", rank=1),
    Column("ID", is_number=True, rank=2),
)


@app.command(epilog=examples("dtcpos tail -n 50 --mode LIVE", "dtcpos tail -f --json | jq .price"))
def tail(
    count: Annotated[
        int, typer.Option("--lines", "-n", metavar="COUNT", min=0, help="How many of the last fills.")
    ] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new fills until Ctrl-C.")] = False,
    mode: ModeFilter = None,
    account: AccountFilter = None,
    symbol: SymbolFilter = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
    db: Db = None,
    config: Config = None,
) -> None:
    """Print the last fills, oldest first.

    With -f the new ones follow as they are booked, also by another process; with --json as well they are one object a
    line instead of one array.
    """
    settings = load_settings(config)
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
        )
        if follow:
            # Ctrl-C may come while a fill is read or printed too.
            with suppress(KeyboardInterrupt):
                _follow(reader, selection, count, as_json=as_json)
            return
        instruments = reader.instruments()
        fills = list(reader.fills(selection, last=count)) if count else []
        if as_json:
            write_array((fill_json(fill, of, instruments.get(fill.symbol)) for fill, of in fills), sys.stdout)
        elif fills:
            print_table(Table(columns=COLUMNS, groups=[[_row(fill, of, instruments) for fill, of in fills]]))
        else:
            print("no fills")


def _follow(reader: LedgerReader, selection: Selection, count: int, *, as_json: bool) -> None:
    from dtcpos.cli.follow import changes

    last_id: int | None = None
    for _ in changes(reader):
        fills: Iterable[tuple[Fill, str]]
        if last_id is None:
            newest = list(reader.fills(selection, last=max(count, 1)))
            last_id = _id(newest[-1][0]) if newest else 0
            fills = newest if count else ()
        else:
            fills = reader.fills(selection, after_id=last_id)
        instruments = reader.instruments()
        for fill, of in fills:
            last_id = _id(fill)
            if as_json:
                print(dumps(fill_json(fill, of, instruments.get(fill.symbol))))
            else:
                print(_line(fill, of, instruments))
        sys.stdout.flush()


def _id(fill: Fill) -> int:
    assert fill.id is not None, fill
    return fill.id


def _row(fill: Fill, mode: str, instruments: dict[str, Instrument]) -> list[str]:
    instrument = instruments.get(fill.symbol)
    return [
        moment(fill.time),
        mode,
        fill.account,
        str(fill.side),
        plain(fill.quantity),
        fill.symbol,
        price_text(display_price(fill.price, instrument), instrument),
        str(fill.source),
        fill.order_id,
        str(fill.id),
    ]


def _line(fill: Fill, mode: str, instruments: dict[str, Instrument]) -> str:
    # Rows to come are not known yet, so the widths are those of ordinary accounts and symbols.
    time, mode, account, side, quantity, symbol, price, source, *_ = _row(fill, mode, instruments)
    return f"{time}  {mode:<4}  {account:<8}  {side:<4}  {quantity:>4}  {symbol:<12}  {price:>10}  {source}"
