"""How fast a listing starts, and how long finding nothing new takes."""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from dtcpos.client import Address, Follower
from dtcpos.dtc import (
    Connection,
    HistoricalOrderFillResponse,
    HistoricalOrderFillsRequest,
    LogonRequest,
    Role,
    State,
)
from dtcpos.keeper import PositionKeeper
from dtcpos.model import Fill, Position, PositionKey, Side
from dtcpos.store import PositionRepository
from tests.benchmarks.bare import Report, seconds_of, spread
from tests.benchmarks.feed import ROOT, feeding

TURNS = 15
LEDGER = 200_000
# So many fills end flat, as the feed says it is.
KNOWN = 50_016

_MINIMAL = """
import json, sqlite3, typer
app = typer.Typer()
@app.command()
def positions(db: str, as_json: bool = True) -> None:
    connection = sqlite3.connect(f"file:{db}?mode=ro", uri=True)
    print(json.dumps(connection.execute("SELECT * FROM open_position").fetchall()))
app()
"""


def run(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True, timeout=60)


def loaded(*arguments: str) -> set[str]:
    """Return the modules a command imports, by the interpreter's own account."""
    command = [sys.executable, "-X", "importtime", *arguments]
    ran = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    return {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines() if line.startswith("import time:")}


def ledger_of(path: Path, count: int) -> Path:
    """A ledger that holds one position and so many fills."""
    start = datetime(2026, 5, 1, tzinfo=UTC)
    with PositionRepository.open(path) as repository, repository.transaction():
        for first in range(1, count + 1, 10_000):
            repository.add_fills(
                [
                    Fill(
                        account="Sim1",
                        symbol="MESZ26",
                        side=Side.BUY if number % 2 else Side.SELL,
                        quantity=Decimal(1),
                        price=Decimal("5050.25"),
                        time=start + timedelta(seconds=number),
                        execution_id=f"EX-{number}",
                        order_id=f"{number // 4}",
                        id=number,
                        booked_at=start,
                    )
                    for number in range(first, min(first + 10_000, count + 1))
                ]
            )
        repository.put_position(
            Position(
                key=PositionKey("SIM", "Sim1", "MESZ26"),
                signed_quantity=Decimal(1),
                cost=Decimal("5050.25"),
                opened_quantity=Decimal(1),
                peak_quantity=Decimal(1),
                fills=1,
                opened_by=1,
                entry_time=start,
                updated_at=start,
            )
        )
    return path


def test_positions_as_json(tmp_path: Path, report: Report) -> None:
    """F4: against a minimal Typer program that opens the same file, and as fast with many fills as with one."""
    minimal = tmp_path / "minimal.py"
    minimal.write_text(_MINIMAL, encoding="utf-8")
    small, large = ledger_of(tmp_path / "small.db", 1), ledger_of(tmp_path / "large.db", LEDGER)
    ratios, growth, seconds = [], [], []
    for _ in range(TURNS):
        ours = seconds_of(lambda: run("-m", "dtcpos", "positions", "--json", "--db", str(small)))
        many = seconds_of(lambda: run("-m", "dtcpos", "positions", "--json", "--db", str(large)))
        theirs = seconds_of(lambda: run(str(minimal), str(small)))
        seconds.append(ours)
        ratios.append(ours / theirs)
        growth.append(many / ours)
    figures = f"{statistics.median(seconds) * 1e3:.0f} ms"
    report.add("F4", "positions --json, time / minimal Typer", spread(ratios), "at most 1.3", figures)
    report.add("F4", f"the same with {LEDGER:,} fills / with one", spread(growth), "1")
    ours, theirs = loaded("-m", "dtcpos", "positions", "--json", "--db", str(small)), loaded(str(minimal), str(small))
    of_ours = sum(name.startswith("dtcpos") for name in ours)
    figures = f"{len(ours)} modules, {of_ours} of them its own, against {len(theirs)}"
    report.add("F4", "the same, modules loaded / minimal Typer", f"{len(ours) / len(theirs):.2f}", "", figures)


def received(port: int, count: int) -> None:
    """Ask for history, read all of it into messages and keep nothing."""
    client = Connection(Role.CLIENT, logon=LogonRequest(HeartbeatIntervalInSeconds=10))
    with socket.create_connection(("127.0.0.1", port)) as peer:
        client.start(time.time())
        asked, left = False, count
        while left:
            peer.sendall(client.data_to_send())
            client.receive_data(peer.recv(256 * 1024), time.time())
            left -= sum(isinstance(event, HistoricalOrderFillResponse) for event in client.events())
            if client.state is State.SYNCING and not asked:
                asked = True
                client.send(HistoricalOrderFillsRequest(RequestID=1, TradeAccount="Sim1"))


def synced_once(port: int, path: Path) -> None:
    """What `connect --once` does."""
    with PositionRepository.open(path) as repository:
        keeper = PositionKeeper(repository, server="feed")
        Follower(keeper=keeper, address=Address(port=port), publish=lambda _: None, once=True).run()
        assert keeper.is_synced


@pytest.mark.timeout(300)
def test_nothing_new(tmp_path: Path, report: Report) -> None:
    """F6: `connect --once` with 50,000 fills already known, against only receiving them."""
    path = tmp_path / "ledger.db"
    ratios, seconds = [], []
    for turn in range(4):
        with feeding() as feed:
            feed.order(f"history {KNOWN}")
            feed.said()
            bare = seconds_of(lambda port=feed.port: received(port, KNOWN))  # type: ignore[misc]
        with feeding() as feed:
            feed.order(f"history {KNOWN}")
            feed.said()
            spent = seconds_of(lambda port=feed.port: synced_once(port, path))  # type: ignore[misc]
        # The first turn is the one in which they become known.
        if turn:
            seconds.append(spent)
            ratios.append(spent / bare)
    figures = f"{statistics.median(seconds):.2f} s for {KNOWN:,}"
    report.add("F6", "connect --once, all known, time / receiving", spread(ratios), "at most 2", figures)
