"""`dtcpos positions`: what is held, and how true that is."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from dtcpos.cli.listing import list_positions
from dtcpos.cli.options import AccountFilter, AsJson, Config, Db, ModeFilter, SymbolFilter
from dtcpos.cli.shape import examples, new_app
from dtcpos.errors import UsageError

app = new_app()


@app.command(
    epilog=examples(
        "dtcpos positions",
        "dtcpos positions --mode LIVE --json",
        "dtcpos positions --require verified && ./send-orders",
        "dtcpos positions --watch",
        "dtcpos positions --as-of yesterday",
    )
)
def positions(
    mode: ModeFilter = None,
    account: AccountFilter = None,
    symbol: SymbolFilter = None,
    as_json: AsJson = False,
    require: Annotated[
        Literal["verified"] | None,
        typer.Option("--require", help="Exit with 6 unless every position listed is of this status."),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Draw it live, also while `connect` writes.")] = False,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="WHEN", help="What was held then, or at the end of a day.")
    ] = None,
    db: Db = None,
    config: Config = None,
) -> None:
    """List open positions with their status, marks and unrealized profit.

    Modes are grouped and never summed. VERIFIED: the server agreed. UNVERIFIED: not yet compared. STALE: it agreed
    once, but the link is down or silent. BREAK: the server says otherwise. Reads only, also while `connect` runs.

    --as-of replays what had been booked by then, in the modes of then; there are no marks, and MAE and MFE are those of
    the fills alone.
    """
    if as_of is not None:
        if watch or require:
            raise UsageError("--as-of shows the past, which --watch and --require are not about; leave them out")
        from dtcpos.cli.past import list_past_positions

        list_past_positions(as_of, mode=mode, account=account, symbol=symbol, as_json=as_json, db=db, config=config)
        return
    list_positions(
        mode=mode,
        account=account,
        symbol=symbol,
        as_json=as_json,
        require=require,
        watch=watch,
        db=db,
        config=config,
    )
