"""The command itself, as a process of its own, over lines that misbehave; here time is the wall's."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dtcpos.sim import SimulatedServer, parse_dialogue
from dtcpos.store import LedgerReader
from tests.crash.commands import PATIENCE_S, ended, finished, started, until
from tests.network.proxy import Fault, Proxy, faults_of
from tests.network.scene import TERMS, trading
from tests.outcome import assert_true

# Those that are known to be lost at once or after two heartbeats; "nothing" takes the whole wait for an answer.
KINDS = ("fin", "rst", "fin-server", "ghost", "half-open", "half-close", "half-close-server", "slam", "refuse")


def statuses(path: Path) -> set[str]:
    """What a process that only reads says of every position."""
    return {position["status"] for position in json.loads(finished("positions", "--json", "--db", path).stdout)}


def stopped(child: subprocess.Popen[str]) -> str:
    """Ask the command to end, and return what it printed meanwhile; it ends in order."""
    child.send_signal(signal.SIGTERM)
    output, complaints = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 0, complaints
    assert not complaints
    return output


def gone(child: subprocess.Popen[str]) -> None:
    """Leave no process behind, whatever went wrong."""
    if child.poll() is None:
        ended(child)


def suffer(folder: Path, seed: int, count: int) -> int:
    """Run the command through so many faults while executions happen; returns the number of connections."""
    chance, path = random.Random(seed), folder / "ledger.db"
    script = trading(chance, 3 * count)
    faults = list(faults_of(chance, count, kinds=KINDS))
    with (
        SimulatedServer(parse_dialogue(TERMS, name="server")) as server,
        Proxy(server.port, faults, seed=seed) as proxy,
    ):
        child = started("connect", f"127.0.0.1:{proxy.port}", "--json", "--db", path, "--heartbeat", "1")
        try:
            while not proxy.is_exhausted:
                until(child, event="synced")
                for line in script[:3]:
                    server.perform(line)
                del script[:3]
                proxy.strike_all()
            stopped(child)
        finally:
            gone(child)
        run = finished("connect", f"127.0.0.1:{proxy.port}", "--json", "--db", path, "--once")
        assert run.returncode == 0, (run.stdout[-2000:], run.stderr)
        with LedgerReader.open(path) as reader:
            assert_true(reader, server.venue)
        return proxy.connections


@pytest.mark.skipif(sys.platform == "win32", reason="a process is asked to end by a signal")
def test_the_command_comes_through_a_bad_line_with_the_truth(tmp_path: Path) -> None:
    """N3, S3, S5: cut, reset, half-open, refused; the process goes on by itself and ends in order."""
    suffer(tmp_path, 3, 3)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.platform == "win32", reason="a process is asked to end by a signal")
def test_the_command_comes_through_very_many(tmp_path: Path) -> None:
    """N3, S3, S5: the same with ten processes and twelve faults each."""
    connections = 0
    for seed in range(10):
        folder = tmp_path / str(seed)
        folder.mkdir()
        connections += suffer(folder, seed, 12)
    print(f"\n10 processes, {connections} connections")


@pytest.mark.skipif(sys.platform == "win32", reason="a process is asked to end by a signal")
def test_a_half_open_line_is_stale_for_everybody_and_verified_again_without_a_restart(tmp_path: Path) -> None:
    """S3: the socket stays open and says nothing: STALE in another process's listing, then VERIFIED again."""
    path = tmp_path / "ledger.db"
    with (
        SimulatedServer(parse_dialogue(TERMS, name="server")) as server,
        Proxy(server.port, [Fault(kind="half-open", after=1 << 30), *[Fault(kind="refuse")] * 3]) as proxy,
    ):
        child = started("connect", f"127.0.0.1:{proxy.port}", "--json", "--db", path, "--heartbeat", "1")
        try:
            until(child, event="synced")
            assert statuses(path) == {"VERIFIED"}
            proxy.strike_all()
            server.perform("fill Sim1 BUY 1 MNQ @ 18001")
            until(child, event="session", state="waiting")
            assert "VERIFIED" not in statuses(path)
            until(child, event="synced")
            assert any(statuses(path) == {"VERIFIED"} for _ in range(60))
            stopped(child)
        finally:
            gone(child)
        with LedgerReader.open(path) as reader:
            assert_true(reader, server.venue)
