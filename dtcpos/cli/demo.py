"""The sample session of `connect --demo`: a simulated server, a ledger of its own, and what to try next."""

from __future__ import annotations

import shlex
import sys
from contextlib import suppress
from pathlib import Path

from attrs import evolve

from dtcpos.cli.keys import trade_json
from dtcpos.cli.options import ledger_path, utc_now
from dtcpos.cli.prices import price_text
from dtcpos.cli.render import Column, Table, clock, number, print_table, profit
from dtcpos.cli.session import Wishes, printer, session
from dtcpos.cli.standings import notes_of, standings, table_of, unheld_breaks
from dtcpos.errors import ConnectionLost, UsageError
from dtcpos.settings import Settings
from dtcpos.store import ClosedTrade, LedgerReader, PositionRepository, Selection

_MARK = "demo"
_TRADES = (
    Column("MODE"),
    Column("ACCOUNT"),
    Column("SYMBOL"),
    Column("SIDE"),
    Column("QTY", is_number=True),
    Column("ENTRY", is_number=True),
    Column("EXIT", is_number=True),
    Column("CLOSED"),
    Column("PROFIT", is_number=True),
)


def play(wishes: Wishes, db: Path | None, *, as_json: bool) -> None:
    """Play the sample session into a ledger of its own and show what it left behind."""
    from dtcpos.sim import SimulatedServer, demo_dialogue

    path = _fresh_ledger(db)
    with SimulatedServer(demo_dialogue()) as server:
        mine = evolve(wishes, server=server.address, heartbeat_s=wishes.heartbeat_s or 5)
        # The script's last line: the server logs off and asks not to come back.
        with suppress(ConnectionLost), session(mine, Settings(), path, printer(as_json=as_json)) as (follower, _):
            follower.run()
    if not as_json:
        _show(path)


def _fresh_ledger(db: Path | None) -> Path:
    """Make an empty ledger for the demo: never one that holds anything but an earlier demo."""
    path = db or ledger_path(None).with_name("demo.db")
    if path.exists():
        with LedgerReader.open(path) as reader:
            is_ours = reader.preference(_MARK) is not None
        if not is_ours:
            raise UsageError(f"{path} is a real ledger; give the demo another --db, or none")
        for leftover in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
            leftover.unlink(missing_ok=True)
    with PositionRepository.open(path, create_folder=db is None) as repository, repository.transaction():
        repository.set_preference(_MARK, "1")
    return path


def _show(path: Path) -> None:
    with LedgerReader.open(path) as reader:
        everything = Selection()
        held = standings(reader, everything, Settings(), utc_now())
        trades = list(reader.trades(everything))
        notes = notes_of(held, unheld_breaks(reader, everything, held))
    print("\nOpen positions")
    print_table(table_of(held))
    for note in notes:
        print(note)
    print("\nClosed trades")
    modes = sorted({closed.trade.key.mode for closed in trades})
    print_table(
        Table(
            columns=_TRADES,
            groups=[[_row(closed) for closed in trades if closed.trade.key.mode == mode] for mode in modes],
        )
    )
    place = shlex.quote(str(path)) if sys.platform != "win32" else f'"{path}"'
    print(
        f"""
That was a simulated server; its ledger is {path}
Try next:
  dtcpos positions --db {place}
  dtcpos export trades --db {place}
  dtcpos connect            with Sierra Chart running and its DTC server enabled"""
    )


def _row(closed: ClosedTrade) -> list[str]:
    keys = trade_json(closed)
    return [
        keys["mode"],
        keys["account"],
        keys["symbol"],
        keys["side"],
        number(keys["quantity"]),
        price_text(keys["entry_price"], closed.instrument),
        price_text(keys["exit_price"], closed.instrument),
        clock(keys["exit_time"]),
        profit(keys["net_pnl"], keys["realized_points"]),
    ]
