"""`dtcpos fix`: a person adds, replaces or voids a fill."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from dtcpos.cli.corrections import DryRun, Reason, correct, decimal, positive, when
from dtcpos.cli.options import AsJson, Db
from dtcpos.cli.shape import examples, new_app
from dtcpos.errors import UsageError
from dtcpos.model import Side

app = new_app(no_args_is_help=True)

SideWord = Literal["BUY", "SELL"]
FillId = Annotated[int, typer.Argument(metavar="FILL_ID", min=1, help="The fill's id, as `tail --json` shows it.")]


@app.callback(
    epilog=examples(
        "dtcpos fix add Sim1 MESZ26-CME BUY 1 5050.25 --time 14:30 --reason 'missed'",
        "dtcpos fix replace 17 --price 5050.5 --reason 'busted and repriced'",
        "dtcpos fix void 17 --reason 'busted by the exchange'",
    )
)
def fix() -> None:
    """Correct the fills of the ledger; each correction is a further row with its reason, and can be undone."""


@app.command(
    epilog=examples("dtcpos fix add Sim1 MESZ26-CME SELL 1 5050.25 --time 14:30 --reason 'missed by the feed'")
)
def add(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's name.")],
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="The symbol in the server's spelling.")],
    side: Annotated[SideWord, typer.Argument(metavar="BUY|SELL", help="Which way.")],
    quantity: Annotated[str, typer.Argument(metavar="QUANTITY", help="How many lots.")],
    price: Annotated[str, typer.Argument(metavar="PRICE", help="The price, as people write it.")],
    time: Annotated[str, typer.Option("--time", metavar="T", help="When it was executed.")],
    reason: Reason,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    db: Db = None,
) -> None:
    """Add an execution nobody told us of; the same one again changes nothing."""
    lots, at_price, moment = positive(quantity, "QUANTITY"), decimal(price, "PRICE"), when(time)
    correct(
        db,
        reason,
        lambda entries: entries.add(
            account, symbol, Side(side), quantity=lots, price=at_price, time=moment, reason=reason
        ),
        dry_run=dry_run,
        as_json=as_json,
    )


@app.command(epilog=examples("dtcpos fix replace 17 --price 5050.5 --reason 'repriced by the exchange'"))
def replace(
    fill_id: FillId,
    reason: Reason,
    side: Annotated[SideWord | None, typer.Option("--side", help="The right side.")] = None,
    quantity: Annotated[str | None, typer.Option("--quantity", metavar="Q", help="The right quantity.")] = None,
    price: Annotated[str | None, typer.Option("--price", metavar="P", help="The right price.")] = None,
    time: Annotated[str | None, typer.Option("--time", metavar="T", help="The right time.")] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    db: Db = None,
) -> None:
    """Put other facts in the place of a fill's; the old row stays readable."""
    changes: dict[str, Any] = {}
    if side is not None:
        changes["side"] = Side(side)
    if quantity is not None:
        changes["quantity"] = positive(quantity, "--quantity")
    if price is not None:
        changes["price"] = decimal(price, "--price")
    if time is not None:
        changes |= {"time": when(time), "time_is_exact": True}
    if not changes:
        raise UsageError("nothing to replace; give --side, --quantity, --price or --time")
    correct(
        db,
        reason,
        lambda entries: entries.replace(fill_id, changes=changes, reason=reason),
        dry_run=dry_run,
        as_json=as_json,
    )


@app.command(epilog=examples("dtcpos fix void 17 --reason 'busted by the exchange'"))
def void(fill_id: FillId, reason: Reason, dry_run: DryRun = False, as_json: AsJson = False, db: Db = None) -> None:
    """Take a fill out of the account: it stays readable and counts no more."""
    correct(db, reason, lambda entries: entries.void(fill_id, reason=reason), dry_run=dry_run, as_json=as_json)
