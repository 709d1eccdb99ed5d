"""Real processes killed at any moment while executions arrive, and started again."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from dtcpos.sim import SimulatedServer, parse_dialogue
from dtcpos.store import LedgerReader
from tests.crash.commands import PATIENCE_S, ended, finished, started, until
from tests.outcome import assert_true

VENUE = """
account Sim1
account 120005 no-position-after
symbol MES tick 0.25 value 1.25
symbol MNQ tick 0.25 value 0.50
history-burst 40 120005 MNQ @ 18000
start connect
"""
BURSTS = """
burst 60 Sim1 MES @ 5050 rate 120
burst 40 120005 MNQ @ 18000
tick MES 5049.25
burst 60 Sim1 MNQ @ 18010 rate 200
wait 0.3
burst 50 120005 MES @ 5055
"""


class Trial:
    """One server, one ledger, and clients that are killed one after another."""

    def __init__(self, folder: Path, *, rounds: int) -> None:
        self.path = folder / "ledger.db"
        self.printed: list[dict[str, object]] = []
        self._options = ["--json", "--db", str(self.path), "--heartbeat", "5"]
        script = "\n".join([BURSTS] * rounds)
        self.server = SimulatedServer(parse_dialogue(f"{VENUE}\n--\nwait 0.5\n{script}", name="bursts"))

    def live_and_die(self, seconds: float) -> None:
        """Follow the server for so long, counted from the first line printed, then be killed."""
        child = started("connect", self.server.address, *self._options)
        assert child.stdout is not None
        lines = [child.stdout.readline()]
        # The one place where a test waits for real: a kill at a moment nobody chose is what is tested.
        time.sleep(seconds)
        rest, complaints = ended(child)
        assert not complaints, complaints
        lines += rest.splitlines(keepends=True)
        # A line without its end was not printed yet.
        self.printed += [json.loads(line) for line in lines if line.endswith("\n")]

    def prove(self) -> None:
        """When everything has happened, connect once more, then hold everything against everything."""
        give_up_at = time.monotonic() + PATIENCE_S
        while not self.server.performance.is_over:
            assert time.monotonic() < give_up_at, "the script does not end"
            time.sleep(0.05)
        run = finished("connect", self.server.address, "--once", *self._options)
        assert run.returncode == 0, (run.stdout[-2000:], run.stderr)
        self.printed += [json.loads(line) for line in run.stdout.splitlines()]
        with LedgerReader.open(self.path) as reader:
            assert reader.integrity(indexes=True) == "ok"
            assert_true(reader, self.server.venue)
            booked = {fill.id: fill for fill, _ in reader.fills()}
        printed = [line for line in self.printed if line["event"] == "fill"]
        for line in printed:
            fill = booked[line["id"]]
            assert (fill.account, fill.symbol, fill.execution_id) == (
                line["account"],
                line["symbol"],
                line["execution_id"],
            )
        # Nothing is announced twice either: a line belongs to the commit that booked it.
        assert max(Counter(line["id"] for line in printed).values()) == 1


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_again_and_again_nothing_is_lost_and_nothing_twice(tmp_path: Path, seed: int) -> None:
    """N1: every execution the server knows is in the ledger exactly once, and no printed line is missing from it."""
    chance = random.Random(seed)
    trial = Trial(tmp_path, rounds=2)
    with trial.server:
        for _ in range(4):
            trial.live_and_die(chance.uniform(0.0, 0.8))
        trial.prove()


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(10, 15))
def test_killed_hundreds_of_times_nothing_is_lost_and_nothing_twice(tmp_path: Path, seed: int) -> None:
    """N1: the same, at hundreds of moments, many of them within the first writes of a run."""
    chance = random.Random(seed)
    trial = Trial(tmp_path, rounds=60)
    with trial.server:
        for _ in range(80):
            trial.live_and_die(chance.choice([chance.uniform(0.0, 0.1), chance.uniform(0.0, 1.0)]))
        trial.prove()


def test_the_second_process_is_refused_and_told_who_holds(tmp_path: Path) -> None:
    """U2: a second `connect` on the same file exits 5 and names the process; when that is killed the file is free."""
    trial = Trial(tmp_path, rounds=1)
    with trial.server:
        first = started("connect", trial.server.address, "--json", "--db", trial.path)
        try:
            until(first, event="session", state="ready")
            second = finished("connect", trial.server.address, "--db", trial.path)
            assert second.returncode == 5
            assert len(second.stderr.strip().splitlines()) == 1
            assert f"process {first.pid} since 20" in second.stderr
        finally:
            ended(first)
        third = finished("connect", trial.server.address, "--once", "--json", "--db", trial.path)
        assert third.returncode == 0, third.stderr


@pytest.mark.parametrize("place", ["a file for a folder", "no folder", "a folder for a file", "no ledger"])
def test_a_place_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path, place: str) -> None:
    """N14: exit 5 and one line that names the path; nothing is kept in memory instead, and nothing is left behind."""
    path = tmp_path / "x" / "ledger.db"
    if place == "a file for a folder":
        path.parent.write_text("no folder")
    elif place == "a folder for a file":
        path.mkdir(parents=True)
    elif place == "no ledger":
        path.parent.mkdir()
        path.write_text("this is no database, and it is long enough to be seen to be none" * 20)
    before = sorted(tmp_path.rglob("*"))
    run = finished("connect", "127.0.0.1:1", "--once", "--db", path)
    assert run.returncode == 5, run.stderr
    assert len(run.stderr.strip().splitlines()) == 1
    assert str(path.parent) in run.stderr
    assert "Traceback" not in run.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_turned_read_only_is_refused_and_repaired(tmp_path: Path) -> None:
    """N14: exit 5 while it is read-only; after the repair the next run is complete."""
    trial = Trial(tmp_path, rounds=1)
    with trial.server:
        trial.live_and_die(0.3)
        tmp_path.chmod(0o500)
        try:
            run = finished("connect", trial.server.address, "--once", "--db", trial.path)
            assert run.returncode == 5
            assert len(run.stderr.strip().splitlines()) == 1
        finally:
            tmp_path.chmod(0o700)
        trial.prove()


def test_ten_restarts_of_the_command_leave_the_same_ledger(tmp_path: Path) -> None:
    """N2: `connect --once` again and again, the server unchanged: the content hash stays, and no fill is announced."""
    text = f"{VENUE.replace('start connect', '')}\nhistory Sim1 BUY 3 MES @ 5050 id E-1 ago 1h\n--\n"
    path = tmp_path / "ledger.db"
    hashes = set()
    with SimulatedServer(parse_dialogue(text, name="still")) as server:
        for number in range(5):
            run = finished("connect", server.address, "--once", "--json", "--db", path)
            assert run.returncode == 0, run.stderr
            assert ('"event":"fill"' in run.stdout.replace(" ", "")) == (number == 0)
            with LedgerReader.open(path) as reader:
                hashes.add(reader.content_hash())
    assert len(hashes) == 1
