"""`dtcpos positions`: what is held, and how true that is."""

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
    SymbolFilter,
    ledger_path,
    load_settings,
    select,
    utc_now,
)
from dtcpos.cli.shape import examples, new_app
from dtcpos.cli.standings import Standing, notes_of, standings, summary, table_of, unheld_breaks
from dtcpos.errors import AttentionNeeded
from dtcpos.model import Break, Status
from dtcpos.settings import Settings
from dtcpos.store import LedgerReader, Selection

app = new_app()


@app.command(
    epilog=examples(
        "dtcpos positions",
        "dtcpos positions --mode LIVE --json",
        "dtcpos positions --require verified && ./send-orders",
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
    watch: Annotated[bool, typer.Option("--watch", help="Draw the list again whenever the ledger changes.")] = False,
    db: Db = None,
    config: Config = None,
) -> None:
    """List open positions with their status, marks and unrealized profit.

    Modes are grouped and never summed. VERIFIED: the server agreed. UNVERIFIED: not yet compared. STALE: it agreed
    once, but the link is down or silent. BREAK: the server says otherwise. Reads only, also while `connect` runs.
    """
    settings = load_settings(config)
    with LedgerReader.open(ledger_path(db)) as reader:
        selection = select(
            reader, mode=mode, account=account, symbol=symbol, trading_day=settings.trading_day, now=utc_now()
        )
        if watch:
            _watch(reader, selection, settings, as_json=as_json)
            return
        found, unheld = _show(reader, selection, settings, as_json=as_json)
    doubtful = [summary(item) for item in found if item.status is not Status.VERIFIED]
    doubtful += [f"a position in {' '.join(item.key)} only the server holds" for item in unheld]
    if require and doubtful:
        raise AttentionNeeded(f"not verified: {'; '.join(doubtful)}; `dtcpos connect --once` compares with the server")


def _show(
    reader: LedgerReader, selection: Selection, settings: Settings, *, as_json: bool
) -> tuple[list[Standing], list[Break]]:
    found = standings(reader, selection, settings, utc_now())
    unheld = unheld_breaks(reader, selection, found)
    if as_json:
        write_array((item.as_json() for item in found), sys.stdout)
        return found, unheld
    if found:
        from dtcpos.cli.render import print_table

        print_table(table_of(found))
    else:
        print(f"no open positions{f' in {selection.modes[0]}' if selection.modes else ''}")
    for note in notes_of(found, unheld):
        print(note)
    _say_what_is_hidden(reader, selection, found)
    return found, unheld


def _say_what_is_hidden(reader: LedgerReader, selection: Selection, found: list[Standing]) -> None:
    shown = {item.holding.position.key for item in found}
    hidden = [holding.position.key for holding in reader.positions(Selection()) if holding.position.key not in shown]
    if selection.modes and hidden:
        modes = ", ".join(sorted({key.mode for key in hidden}))
        print(f"not shown: {len(hidden)} open in {modes}; --mode ALL lists them", file=sys.stderr)


def _watch(reader: LedgerReader, selection: Selection, settings: Settings, *, as_json: bool) -> None:
    from dtcpos.cli.follow import changes
    from dtcpos.cli.render import is_terminal

    # Marks and statuses age without a write, so the list is drawn again at least once a second.
    for _ in changes(reader, at_least_every_s=1.0):
        if is_terminal(sys.stdout) and not as_json:
            typer.echo("\x1b[H\x1b[2J", nl=False)
        _show(reader, selection, settings, as_json=as_json)
        sys.stdout.flush()
