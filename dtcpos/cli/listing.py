"""The list of open positions: what `positions` does once its command line is read.

Apart from `positions`, because nothing here needs Typer, and `positions --json` starts without it.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

from dtcpos.cli.held import Standing, standings, unheld_breaks
from dtcpos.cli.jsonout import write_array
from dtcpos.cli.places import ledger_path, load_settings, select, utc_now
from dtcpos.errors import AttentionNeeded
from dtcpos.model import Break, Status
from dtcpos.settings import Settings
from dtcpos.store import LedgerReader, Selection


def list_positions(
    *,
    mode: str | None = None,
    account: str | None = None,
    symbol: str | None = None,
    as_json: bool = False,
    require: str | None = None,
    watch: bool = False,
    db: Path | None = None,
    config: Path | None = None,
) -> None:
    """Print the open positions selected; raise `AttentionNeeded` where a required status is not there."""
    settings = load_settings(config)
    with LedgerReader.open(ledger_path(db)) as reader:
        selection = select(
            reader, mode=mode, account=account, symbol=symbol, trading_day=settings.trading_day, now=utc_now()
        )
        if watch:
            _watch(reader, selection, settings, as_json=as_json)
            return
        found, unheld = _show(reader, selection, settings, as_json=as_json)
    if require:
        insist(found, unheld)


def insist(found: list[Standing], unheld: list[Break]) -> None:
    """Raise `AttentionNeeded` unless every position is verified and the server holds no other."""
    from dtcpos.cli.standings import summary

    doubtful = [summary(item) for item in found if item.status is not Status.VERIFIED]
    doubtful += [f"a position in {' '.join(item.key)} only the server holds" for item in unheld]
    if doubtful:
        raise AttentionNeeded(f"not verified: {'; '.join(doubtful)}; `dtcpos connect --once` compares with the server")


def _show(
    reader: LedgerReader, selection: Selection, settings: Settings, *, as_json: bool
) -> tuple[list[Standing], list[Break]]:
    found = standings(reader, selection, settings, utc_now())
    unheld = unheld_breaks(reader, selection, found)
    if as_json:
        write_array((item.as_json() for item in found), sys.stdout)
        return found, unheld
    from dtcpos.cli.render import print_table
    from dtcpos.cli.standings import notes_of, table_of

    if found:
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
    if not as_json:
        from dtcpos.cli.watching import watch_positions

        watch_positions(reader, selection, settings)
        return
    from dtcpos.cli.follow import changes

    with suppress(KeyboardInterrupt):
        # Marks and statuses age without a write, so there is an array at least once a second.
        for _ in changes(reader, at_least_every_s=1.0):
            _show(reader, selection, settings, as_json=True)
            sys.stdout.flush()
