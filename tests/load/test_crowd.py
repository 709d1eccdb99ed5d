"""One writer that follows a server, twenty readers, and everybody's entries: nobody is locked out, nothing lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from dtcpos.model import Fill
from dtcpos.sim import SimulatedServer, parse_dialogue
from dtcpos.store import LedgerReader
from tests.crash.commands import ended, finished, started, until
from tests.importers.writing import log
from tests.load.crowd import TERMS, Crowd, calm, reads, runs, told_rows
from tests.outcome import prove

# A feed of executions in two accounts and of prices between them.
FEED = """
burst {fills} Sim1 MES @ 5050 rate {rate}
tick MES 5049.25
burst {fills} 120005 MNQ @ 18000 rate {rate}
tick MNQ 18001
"""
BY_HAND = "Hand1"


def server_of(*, rounds: int, fills: int, rate: int) -> SimulatedServer:
    script = "\n".join([FEED.format(fills=fills, rate=rate)] * rounds)
    return SimulatedServer(parse_dialogue(f"{TERMS}\n--\nwait 0.5\n{script}", name="feed"))


def entries(folder: Path, path: Path, imported: int) -> Callable[[], None]:
    """Return what a busy person enters: an import, a fill by hand, its close, a mode, a backup, a proof."""
    numbers = count(1)
    files = count(1)

    def deed() -> None:
        number = next(numbers)
        account = f"{BY_HAND}-{number}"
        name = f"log-{next(files)}.txt"
        source = log(folder, *told_rows(imported, account), name=name)
        db = ("--db", path, "--config", "")
        calm(finished("import", source, *db), (0, 6))
        calm(
            finished(
                "fix",
                "add",
                account,
                "MESZ26-CME",
                "BUY",
                "2",
                "5000",
                "--time",
                "2026-11-20T20:00:00Z",
                "--reason",
                "by hand",
                "--db",
                path,
            )
        )
        calm(finished("close", account, "MESZ26-CME", "--price", "5001", "--reason", "by hand", "--db", path))
        calm(finished("accounts", "set", account, "SIM", "--db", path))
        calm(finished("backup", folder / f"backup-{number}.db", "--db", path), (0,))
        calm(finished("verify", "--db", path), (0,))

    return deed


def crowded(
    folder: Path, server: SimulatedServer, *, expected: int, threads: int, commands: int, imported: int
) -> Counter[str]:
    """Follow the server to its end with everybody around it, prove the ledger, and return what was done."""
    path = folder / "ledger.db"
    db = ("--db", path)
    listings = [
        [("positions", "--json", *db)],
        [("tail", "--json", "-n", "5", *db)],
        [("stats", "--json", *db)],
        [("export", "fills", "--format", "csv", *db)],
        [("status", "--json", *db)],
        [("history", "--json", *db), ("export", "trades", "--format", "json", *db)],
    ]
    crowd = Crowd()
    with server:
        writer = started("connect", server.address, "--json", *db)
        try:
            until(writer, event="session", state="ready")
            crowd.join("reading thread", reads(path), of=threads)
            for number in range(commands):
                crowd.join("listing command", runs(*listings[number % len(listings)]))
            crowd.join("round of entries", entries(folder, path, imported))
            assert writer.stdout is not None
            printed = 0
            while printed < expected:
                assert not crowd.faults, crowd.faults
                printed += '"event":"fill"' in (line := writer.stdout.readline()).replace(" ", "")
                assert line, ended(writer)
            crowd.leave(120)
            assert writer.poll() is None
            writer.terminate()
            _, complaints = writer.communicate(timeout=60)
            assert not complaints
        finally:
            ended(writer)
        calm(finished("connect", server.address, "--once", *db), (0,))
        with LedgerReader.open(path) as reader:
            assert reader.integrity(indexes=True) == "ok"
            prove(reader)
            booked = Counter(_content(fill) for fill, _ in reader.fills() if not fill.account.startswith(BY_HAND))
            assert booked == Counter(_content(execution) for execution in server.venue.executions())
            crowd.done["fill"] = sum(booked.values())
    return crowd.done


def _content(one: Fill) -> tuple[object, ...]:
    assert one.price is not None
    return one.account, one.symbol, one.order_id, one.side, one.quantity.normalize(), one.price.normalize()


def test_readers_and_entries_beside_a_writer(tmp_path: Path) -> None:
    """U1: no reader, no command and no entry meets a lock, and every execution is booked once."""
    server = server_of(rounds=2, fills=60, rate=60)
    done = crowded(tmp_path, server, expected=240, threads=3, commands=2, imported=40)
    assert done["fill"] == 240
    assert min(done.values()) > 0


@pytest.mark.long
@pytest.mark.timeout(900)
def test_twenty_readers_for_a_minute(tmp_path: Path) -> None:
    """U1: the whole promise: 20 readers and one writer for a minute, counted in work done."""
    server = server_of(rounds=15, fills=100, rate=50)
    done = crowded(tmp_path, server, expected=3_000, threads=14, commands=6, imported=2_000)
    print(dict(done))
    assert done["fill"] == 3_000
    assert min(done.values()) > 0


def test_an_entry_beside_a_writer_is_noticed_within_a_second(tmp_path: Path) -> None:
    """U1: `close` in another process: the running `connect` says so unasked, and goes on."""
    path = tmp_path / "ledger.db"
    text = f"{TERMS}\n--\nwait 0.2\nfill Sim1 BUY 1 MES @ 5050\n"
    with SimulatedServer(parse_dialogue(text, name="one")) as server:
        writer = started("connect", server.address, "--json", "--db", path)
        try:
            until(writer, event="fill", symbol="MES")
            calm(finished("close", "Sim1", "MES", "--price", "5051", "--reason", "on the phone", "--db", path), (0,))
            assert "+1 to flat" in until(writer, event="alert", kind="changed")["text"]
            assert writer.poll() is None
        finally:
            ended(writer)
