"""`dtcpos undo`: take back an entry of a person."""

from __future__ import annotations

from typing import Annotated

import typer

from dtcpos.cli.corrections import DryRun, Reason, correct
from dtcpos.cli.options import AsJson, Db
from dtcpos.cli.shape import examples, new_app

app = new_app()


@app.command(epilog=examples("dtcpos undo --reason 'wrong account'", "dtcpos undo 42 --reason 'it was filled'"))
def undo(
    reason: Reason,
    entry: Annotated[
        int | None, typer.Argument(metavar="[ENTRY]", min=1, help="The entry's number; without it, the last.")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    db: Db = None,
) -> None:
    """Take back a `close` or a `fix`; the entry and its undoing both stay in the journal."""
    correct(db, reason, lambda entries: entries.undo(entry, reason=reason), dry_run=dry_run, as_json=as_json)
