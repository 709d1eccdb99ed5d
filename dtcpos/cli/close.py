"""`dtcpos close`: a person closes a stale position."""

from __future__ import annotations

from typing import Annotated

import typer

from dtcpos.cli.corrections import DryRun, Reason, correct, decimal, positive, when
from dtcpos.cli.options import AsJson, Db
from dtcpos.cli.shape import examples, new_app
from dtcpos.errors import UsageError

app = new_app()


@app.command(
    epilog=examples(
        "dtcpos close Sim1 MESZ26-CME --price 5050.25 --reason 'closed on the phone'",
        "dtcpos close 120005 CLF27 --no-price --reason 'flat at the broker'",
    )
)
def close(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account, as `positions` lists it.")],
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="The symbol, as `positions` lists it.")],
    reason: Reason,
    price: Annotated[str | None, typer.Option("--price", metavar="P", help="What it was closed at.")] = None,
    no_price: Annotated[
        bool, typer.Option("--no-price", help="Nobody knows the price: the trade has no profit and no total counts it.")
    ] = False,
    quantity: Annotated[
        str | None, typer.Option("--quantity", metavar="Q", help="Only so many lots; without it, all.")
    ] = None,
    time: Annotated[str | None, typer.Option("--time", metavar="T", help="When; without it, now.")] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    db: Db = None,
) -> None:
    """Close a position in the ledger that is closed in the account.

    Books a tagged adjustment; no order is sent anywhere. Works while `connect` runs, which notices.
    """
    if (price is None) == (not no_price):
        raise UsageError("give either --price P or --no-price")
    at_price = None if price is None else decimal(price, "--price")
    lots = None if quantity is None else positive(quantity, "--quantity")
    moment = None if time is None else when(time)
    correct(
        db,
        reason,
        lambda entries: entries.close(account, symbol, price=at_price, quantity=lots, time=moment, reason=reason),
        dry_run=dry_run,
        as_json=as_json,
    )
