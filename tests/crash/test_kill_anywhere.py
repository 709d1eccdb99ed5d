"""The real command killed before, in the middle of and after each of its writes and flushes, and run again."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from dtcpos.errors import LedgerMissing
from dtcpos.proving import prove
from dtcpos.sim import SimulatedServer, parse_dialogue
from dtcpos.store import AuditReader, PositionRepository
from tests.crash import vfs
from tests.crash.armed import counted, ran
from tests.crash.commands import PATIENCE_S, finished
from tests.crash.vfs import Does, Kind, Plan
from tests.importers.writing import log, told
from tests.outcome import assert_true
from tests.store.ledgers import LEDGERS

pytestmark = [
    pytest.mark.skipif(bool(vfs.why_not()), reason=vfs.why_not() or "-"),
    pytest.mark.skipif(sys.platform == "win32", reason="a process is killed by a signal"),
]

# Twelve executions of the past and thirteen that arrive: a scale-in, a flip, a correction, then an end for good.
SESSION = """
account Sim1
account 120005 no-position-after
symbol MES tick 0.25 value 1.25
symbol MNQ tick 0.25 value 0.50
history-burst 12 120005 MNQ @ 18000
start logon
--
wait 0.05
fill Sim1 BUY 1 MES @ 5000 id L-1 order 71
fill Sim1 BUY 2 MES @ 5001 id L-2 order 72
tick MES 4990
wait 0.02
fill Sim1 SELL 5 MES @ 5002 id L-3 order 73
correct Sim1 L-2 @ 5000.5
wait 0.02
burst 8 120005 MES @ 5055 rate 400
fill Sim1 BUY 2 MES @ 4999 id L-4 order 74
wait 0.02
fill 120005 SELL 1 MNQ @ 18001 id L-5 order 75
wait 0.05
logoff no-reconnect "The session is over."
"""
KINDS: tuple[tuple[Kind, Does], ...] = (
    ("write", "kill before"),
    ("write", "kill after"),
    ("write", "kill torn"),
    ("sync", "kill before"),
    ("sync", "kill after"),
    ("truncate", "kill before"),
    ("delete", "kill before"),
    ("delete", "kill after"),
)


def plans(counts: Counter[str]) -> list[Plan]:
    """Return a kill at each thing that was done, for every way of being killed there."""
    return [Plan(kind=kind, number=number, does=does) for kind, does in KINDS for number in range(1, counts[kind] + 1)]


def server() -> SimulatedServer:
    return SimulatedServer(parse_dialogue(SESSION, name="session"))


def sound(path: Path) -> None:
    with AuditReader.open(path) as reader:
        assert list(prove(reader)) == []


def killed_in_a_session(folder: Path, plan: Plan) -> bool:
    """Follow a server until the plan strikes, connect again, hold the ledger against it; tell if the plan struck."""
    path = folder / "ledger.db"
    folder.mkdir()
    options = ["--json", "--db", str(path), "--config", ""]
    with server() as venue:
        run = ran(folder, plan, "connect", venue.address, *options)
        struck = run.returncode == -signal.SIGKILL
        assert struck or run.returncode == 3, (run.returncode, run.stderr)
        if struck:
            assert run.stderr == ""
        printed = [run.stdout]
        if struck and venue.performance.next_deadline() is None and not venue.performance.is_over:
            # Killed before it had logged on, so the script has yet to begin.
            run = finished("connect", venue.address, *options)
            assert run.returncode == 3, run.stderr
            printed.append(run.stdout)
        # What is left of the script happens whether somebody listens or not; then the server lets in who comes.
        give_up_at = time.monotonic() + PATIENCE_S
        while not venue.performance.is_over:
            assert time.monotonic() < give_up_at, "the script does not end"
            time.sleep(0.01)
        venue.perform("admit")
        run = finished("connect", venue.address, "--once", *options)
        assert run.returncode == 0, (run.stdout[-1000:], run.stderr)
        printed.append(run.stdout)
        with AuditReader.open(path) as reader:
            assert reader.integrity(indexes=True) == "ok"
            assert_true(reader, venue.venue)
            assert list(prove(reader)) == []
        with PositionRepository.open(path) as repository:
            # Also what was corrected since: it stays in the ledger.
            booked = {row[0] for row in repository.database.conn.execute("SELECT id FROM fill")}
    # A line without its end was not printed yet.
    lines = [line for text in printed for line in text.splitlines(keepends=True)]
    updates = [json.loads(line) for line in lines if line.endswith("\n")]
    fills = [update for update in updates if update["event"] == "fill"]
    for fill in fills:
        assert fill["id"] in booked, fill
    assert max(Counter(fill["id"] for fill in fills).values(), default=1) == 1
    return struck


def test_a_session_killed_at_a_write_or_a_flush(tmp_path: Path) -> None:
    """N1: killed within a write or at a flush, the next run has everything once, and all that was printed."""
    assert killed_in_a_session(tmp_path / "killed", Plan(kind="write", number=150, does="kill torn"))


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(2))
def test_a_session_killed_at_every_write_and_every_flush(tmp_path: Path, seed: int) -> None:
    """N1: the same at each write, whole or torn, and before and after each flush, truncation and removal."""
    chance = random.Random(seed)
    (tmp_path / "whole").mkdir()
    with server() as venue:
        words = ["connect", venue.address, "--json", "--db", str(tmp_path / "whole" / "ledger.db"), "--config", ""]
        counts = counted(tmp_path / "whole", *words)
    struck = 0
    for plan in plans(counts):
        if plan.kind == "write" and plan.does != chance.choice(["kill before", "kill torn"]):
            continue
        folder = tmp_path / "killed"
        struck += killed_in_a_session(folder, plan)
        shutil.rmtree(folder)
    print(f"{struck} kills of a session with {dict(counts)}")
    assert struck > 0.9 * counts["write"]


# Commands of a person


class Errand:
    """One command, the ledger it begins with, and what it comes to undisturbed."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.folder = name, folder
        self.files = folder / "files"
        self.files.mkdir()
        log(self.files, *(told(f"+{number} @ {5000 + number}", number) for number in range(1, 4)))
        log(self.files, *(told(f"-1 @ {5040 + number}", 100 + number) for number in range(1, 4)), name="more.txt")
        self.base = folder / "base"
        self.base.mkdir()
        BEGUN[name](self)
        self.before = state_of(self.base / "ledger.db")
        whole = self.copied("whole")
        self.counts = counted(whole, *self.words(whole))
        self.after = state_of(whole / "ledger.db")
        # The ledgers of released schemas hold something of everything, and are no proof.
        self.proves = proved(whole / "ledger.db")

    def copied(self, name: str) -> Path:
        """Return a folder of that name with the ledger as it is before the command."""
        place = self.folder / name
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.base, place)
        return place

    def words(self, folder: Path) -> list[str]:
        """Return the command line."""
        words = [word.format(files=self.files, folder=folder) for word in COMMANDS[self.name]]
        return [*words, "--db", str(folder / "ledger.db")]

    def found(self, path: Path, plan: Plan) -> tuple[str, int]:
        """Return the state of a ledger, which is that from before or that after; a new file may have no row yet."""
        found = state_of(path)
        is_new = self.name == "create" and not found[1]
        assert is_new or found in (self.before, self.after), plan
        return found

    def killed(self, plan: Plan) -> bool:
        """Kill the command as planned, hold what is found against before and after, run it again; tell if it struck."""
        place = self.copied("killed")
        path, copy = place / "ledger.db", place / "copy.db"
        run = ran(place, plan, *self.words(place))
        assert run.returncode in (0, -signal.SIGKILL), run.stderr
        found = self.found(path, plan)
        if copy.exists():
            sound(copy)
        if self.name != "rebuild" or found == self.after:
            assert found == EMPTY or proved(path) == self.proves, plan
        if found != self.after or self.name == "backup":
            again = finished(*self.words(place), *(["--force"] if copy.exists() else []))
            assert again.returncode == 0, again.stderr
        assert state_of(path) == self.after, plan
        assert proved(path) == self.proves, plan
        if self.name == "backup":
            sound(copy)
        return run.returncode != 0


EMPTY = ("", 0)
COMMANDS = {
    "create": ["import", "{files}/log.txt"],
    "import": ["import", "{files}/more.txt"],
    "older": ["switch", "SIM"],
    "add": "fix add Sim1 MESZ26-CME BUY 2 5001 --time 2026-11-20T15:00:00Z --reason phone".split(),
    "void": "fix void 2 --reason phone".split(),
    "close": "close Sim1 MESZ26-CME --price 5003 --time 2026-11-21T15:00:00Z --reason phone".split(),
    "undo": "undo --reason phone".split(),
    "rebuild": ["rebuild"],
    "relabel": "accounts set Sim1 LIVE".split(),
    "backup": ["backup", "{folder}/copy.db"],
}


def _nothing(errand: Errand) -> None:
    pass


def _log(errand: Errand) -> None:
    run = finished("import", errand.files / "log.txt", "--db", errand.base / "ledger.db")
    assert run.returncode == 0, run.stderr


def _oldest(errand: Errand) -> None:
    connection = sqlite3.connect(errand.base / "ledger.db")
    connection.executescript((LEDGERS / "1.sql").read_text(encoding="utf-8"))
    connection.close()


def _corrected(errand: Errand) -> None:
    _log(errand)
    words = [word.format(files=errand.files, folder=errand.base) for word in COMMANDS["add"]]
    assert finished(*words, "--db", errand.base / "ledger.db").returncode == 0


def _wrong(errand: Errand) -> None:
    _log(errand)
    connection = sqlite3.connect(errand.base / "ledger.db")
    with connection:
        connection.execute("UPDATE open_position SET cost = '1'")
    connection.close()


BEGUN = dict.fromkeys(COMMANDS, _log) | {"create": _nothing, "older": _oldest, "undo": _corrected, "rebuild": _wrong}


def proved(path: Path) -> bool:
    with AuditReader.open(path) as reader:
        return list(prove(reader)) == []


def state_of(path: Path) -> tuple[str, int]:
    """Return the content of a ledger as a number, and how many entries its journal has."""
    if not path.exists():
        return EMPTY
    try:
        with AuditReader.open(path) as reader:
            return reader.content_hash(), sum(1 for _ in reader.journal())
    except LedgerMissing:
        return EMPTY


def test_a_command_killed_halfway_did_all_or_nothing(tmp_path: Path) -> None:
    """N1: the ledger is as before or as after, sound, and the same command run again ends where it would have."""
    errand = Errand(tmp_path, "close")
    assert errand.killed(Plan(kind="sync", number=errand.counts["sync"] - 1, does="kill before"))


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_killed_anywhere_did_all_or_nothing(tmp_path: Path, name: str) -> None:
    """N1: the same at every write and flush of every command that writes."""
    errand = Errand(tmp_path, name)
    chance, struck = random.Random(name), 0
    for plan in plans(errand.counts):
        if plan.kind != "write" or plan.does == chance.choice(["kill before", "kill torn"]):
            struck += errand.killed(plan)
    print(f"{struck} kills of {name} with {dict(errand.counts)}")
    assert struck
