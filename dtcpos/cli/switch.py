"""`dtcpos switch`: choose what listings show; nothing is closed, hidden from the ledger, or moved."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dtcpos.cli.options import Config, Db, known_mode, ledger_path, load_settings, utc_now
from dtcpos.cli.render import print_table
from dtcpos.cli.shape import examples, new_app
from dtcpos.cli.standings import notes_of, standings, summary, table_of, unheld_breaks
from dtcpos.cli.writing import opened
from dtcpos.errors import UsageError
from dtcpos.store import LedgerReader, Selection

app = new_app()


@app.command(epilog=examples("dtcpos switch LIVE", "dtcpos switch SIM Sim1", "dtcpos switch ALL"))
def switch(
    mode: Annotated[str, typer.Argument(metavar="MODE", help="SIM, LIVE, another mode, or ALL for every mode.")],
    account: Annotated[str | None, typer.Argument(metavar="ACCOUNT", help="Only this account of the mode.")] = None,
    db: Db = None,
    config: Config = None,
) -> None:
    """Choose the mode that listings show by default, and say what stays open elsewhere.

    Every account is followed all the time; this only chooses what to look at.
    """
    settings, path = load_settings(config), ledger_path(db)
    with LedgerReader.open(path) as reader:
        view = "" if mode.strip().upper() == "ALL" else known_mode(reader, mode)
        _check_account(reader, view, account)
        everything = standings(reader, Selection(), settings, utc_now())
        selection = Selection(modes=(view,) if view else None, account=account)
        unheld = unheld_breaks(reader, selection, everything)
    with opened(path) as repository, repository.transaction():
        repository.set_preference("view", view)
        repository.set_preference("view_account", account or "")
    shown = [
        item
        for item in everything
        if view in ("", item.holding.position.key.mode) and account in (None, item.holding.position.key.account)
    ]
    print(f"view: {view or 'ALL'}{f' {account}' if account else ''}")
    if shown:
        print_table(table_of(shown))
    else:
        print("no open positions")
    for note in notes_of(shown, unheld):
        print(note)
    for item in everything:
        if item not in shown:
            print(f"stays open: {summary(item)}", file=sys.stderr)


def _check_account(reader: LedgerReader, view: str, account: str | None) -> None:
    if account is None:
        return
    modes = {known.account: known.mode for known in reader.accounts()}
    if account not in modes:
        raise UsageError(f"no account {account!r}; known are {', '.join(sorted(modes)) or 'none yet'}")
    if view and modes[account] != view:
        raise UsageError(f"account {account} is in {modes[account]}, not in {view}; `dtcpos accounts set` corrects it")
