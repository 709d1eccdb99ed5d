"""`dtcpos instruments`: what a symbol is worth, and who said so."""

from __future__ import annotations

import sys

from dtcpos.cli.jsonout import write_array
from dtcpos.cli.options import AsJson, Db, SymbolFilter, ledger_path
from dtcpos.cli.render import Column, Table, number, print_table
from dtcpos.cli.shape import examples, new_app
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


@app.command(epilog=examples("dtcpos instruments", "dtcpos instruments --symbol MESZ26-CME --json"))
def instruments(symbol: SymbolFilter = None, as_json: AsJson = False, db: Db = None) -> None:
    """List the instruments seen, with the worth of a point and the place each value came from.

    Where no worth of a point is known, money stays empty and profits are in points.
    """
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
