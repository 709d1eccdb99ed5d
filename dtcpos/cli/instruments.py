"""`dtcpos instruments`: what a symbol is worth, and who said so."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from attrs import evolve

from dtcpos.booking import assumed
from dtcpos.booking.instruments import USER
from dtcpos.cli.corrections import decimal, positive
from dtcpos.cli.jsonout import plain, write_array
from dtcpos.cli.options import AsJson, Db, SymbolFilter, ledger_path, utc_now
from dtcpos.cli.render import Column, Table, number, print_table
from dtcpos.cli.shape import examples, new_app
from dtcpos.cli.writing import opened
from dtcpos.errors import UsageError
from dtcpos.model import JournalEntry
from dtcpos.store import LedgerReader

app = new_app()

COLUMNS = (
    Column("SYMBOL"),
    Column("POINT VALUE", is_number=True),
    Column("CURRENCY"),
    Column("TICK", is_number=True),
    Column("FROM"),
    Column("MULTIPLIER", is_number=True, rank=2),
    Column("COMMISSION", is_number=True, rank=1),
)


@app.callback(
    invoke_without_command=True,
    epilog=examples(
        "dtcpos instruments --symbol MESZ26-CME --json", "dtcpos instruments set MESZ26-CME --commission 0.62"
    ),
)
def instruments(context: typer.Context, symbol: SymbolFilter = None, as_json: AsJson = False, db: Db = None) -> None:
    """List the instruments seen, with the worth of a point and the place each value came from.

    Where no worth of a point is known, money stays empty and profits are in points.
    """
    if context.invoked_subcommand is not None:
        context.obj = db
        return
    with LedgerReader.open(ledger_path(db)) as reader:
        known = sorted(reader.instruments().values(), key=lambda instrument: instrument.symbol)
    known = [instrument for instrument in known if symbol in (None, instrument.symbol)]
    if as_json:
        write_array(
            (
                {
                    "symbol": instrument.symbol,
                    "point_value": instrument.point_value,
                    "point_value_source": instrument.point_value_source or None,
                    "currency": instrument.currency or None,
                    "tick": instrument.tick,
                    "price_format": instrument.price_format,
                    "multiplier": instrument.multiplier,
                    "multiplier_source": instrument.multiplier_source or None,
                    "commission": instrument.commission,
                    "commission_source": instrument.commission_source or None,
                }
                for instrument in known
            ),
            sys.stdout,
        )
    elif not known:
        print("no instruments yet; `dtcpos connect` learns them from the server")
    else:
        rows = [
            [
                instrument.symbol,
                number(instrument.point_value),
                instrument.currency or "-",
                number(instrument.tick),
                instrument.point_value_source or "-",
                number(instrument.multiplier),
                number(instrument.commission),
            ]
            for instrument in known
        ]
        print_table(Table(columns=COLUMNS, groups=[rows]))


@app.command("set", epilog=examples("dtcpos instruments set MESZ26-CME --point-value 5 --commission 0.62"))
def set_instrument(
    context: typer.Context,
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="The symbol, as the server spells it.")],
    point_value: Annotated[
        str | None, typer.Option("--point-value", metavar="V", help="Money per point and contract.")
    ] = None,
    tick: Annotated[str | None, typer.Option("--tick", metavar="T", help="The smallest price step.")] = None,
    commission: Annotated[
        str | None, typer.Option("--commission", metavar="C", help="Money per contract and side.")
    ] = None,
    multiplier: Annotated[
        str | None, typer.Option("--multiplier", metavar="M", help="Display price divided by the wire's price.")
    ] = None,
    db: Db = None,
) -> None:
    """Correct what a symbol is worth; it stands above what a server or the settings say.

    A new commission or multiplier books the symbol's fills again, and the journal says so.
    """
    from dtcpos.keeping.posting import Posting

    changes: dict[str, Any] = {}
    for name, given in (("point_value", point_value), ("tick", tick), ("multiplier", multiplier)):
        if given is not None:
            changes[name] = positive(given, f"--{name.replace('_', '-')}")
    if commission is not None:
        changes["commission"] = decimal(commission, "--commission")
    if not changes:
        raise UsageError("nothing to set; give --point-value, --tick, --commission or --multiplier")
    sources: dict[str, Any] = {f"{name}_source": USER for name in changes if name != "tick"}
    path = ledger_path(db or context.obj)
    with opened(path) as repository, repository.transaction():
        now = utc_now()
        known = repository.instrument(symbol) or assumed(symbol, {})
        after = evolve(known, **changes, **sources)
        Posting(repository).put_instrument(after, now=now)
        words = ", ".join(f"{name.replace('_', ' ')} {plain(value)}" for name, value in changes.items())
        entry = JournalEntry(at=now, cause="instrument set", symbol=symbol, after=words, reason="set by hand")
        repository.add_journal([entry])
    print(f"{symbol}: {words}")
