"""`dtcpos history`: the journal of one position, or of everything."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dtcpos.cli.jsonout import write_array
from dtcpos.cli.keys import journal_json
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
from dtcpos.cli.render import moment
from dtcpos.cli.shape import examples, new_app
from dtcpos.model import JournalEntry
from dtcpos.store import LedgerReader

app = new_app()


@app.command(
    epilog=examples(
        "dtcpos history --account Sim1 --symbol MESZ26-CME",
        "dtcpos history --since today",
        "dtcpos history --account Sim1 --symbol MESZ26-CME -n 20",
        "dtcpos history --json | jq 'map(select(.cause == \"late\"))'",
    )
)
def history(
    mode: ModeFilter = None,
    account: AccountFilter = None,
    symbol: SymbolFilter = None,
    since: Since = None,
    until: Until = None,
    count: Annotated[
        int | None, typer.Option("-n", "--last", metavar="COUNT", min=1, help="Only so many of the newest.")
    ] = None,
    as_json: AsJson = False,
    db: Db = None,
    config: Config = None,
) -> None:
    """Print every change of state, oldest first: when, what caused it, before and after, and why.

    Nothing in it is ever changed or removed. `dtcpos positions --as-of TIME` shows what was held then.
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
        entries = reader.journal(selection, last=count)
        if as_json:
            write_array(map(journal_json, entries), sys.stdout)
            return
        is_empty = True
        # As they come: a journal may be longer than memory.
        for entry in entries:
            print(_line(entry))
            is_empty = False
        if is_empty:
            print("nothing happened that was selected")


def _line(entry: JournalEntry) -> str:
    place = " ".join(filter(None, (entry.account, entry.symbol))) or "-"
    change = " -> ".join(filter(None, (entry.before, entry.after)))
    line = f"{moment(entry.at)}  {place:<20}  {entry.cause:<16}  {change}".rstrip()
    return f"{line}  ({' '.join(entry.reason.split())})" if entry.reason else line
