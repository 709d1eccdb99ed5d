"""A disk that is full or fails while a command writes: refused in one line, nothing half-written, mended."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dtcpos.cli.app import app
from dtcpos.sim import SimulatedServer, parse_dialogue
from tests.cli.conftest import Ran
from tests.crash import vfs
from tests.crash.test_kill_anywhere import COMMANDS, EMPTY, Errand, proved, sound, state_of
from tests.crash.vfs import Does, Kind, Plan, recording
from tests.outcome import assert_true

pytestmark = pytest.mark.skipif(bool(vfs.why_not()), reason=vfs.why_not() or "-")

FAULTS: tuple[tuple[Kind, Does], ...] = (
    ("write", "full"),
    ("write", "ioerr"),
    ("sync", "ioerr"),
    ("truncate", "ioerr"),
    ("delete", "ioerr"),
)
VENUE = """
account Sim1
account 120005 no-position-after
symbol MES tick 0.25 value 1.25
symbol MNQ tick 0.25 value 0.50
history-burst 12 120005 MNQ @ 18000
history Sim1 BUY 3 MES @ 5050 id E-1 ago 1h
history Sim1 SELL 5 MES @ 5052 id E-2 ago 30m
--
"""


def run(*words: str | Path) -> Ran:
    """Run a command line here; an error that is not the world's comes through."""
    done = CliRunner().invoke(app, list(map(str, words)), env={"DTCPOS_CONFIG": ""})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Ran(done.exit_code, done.stdout, done.stderr)


def refused(ran: Ran, path: Path) -> None:
    """Check the exit code and the one line that names the place."""
    assert ran.code == 5, ran
    assert ran.err.count("\n") == 1, ran.err
    assert str(path) in ran.err, ran.err
    assert any(word in ran.err for word in ("free some", "check the disk", "check that its folder", "allow writing"))


class FailingErrand(Errand):
    """A command that meets a fault of the disk instead of its end."""

    def failed(self, plan: Plan) -> bool:
        """Let the disk fail, hold what is found against before and after, mend it, run it again; tell if it failed."""
        place = self.copied("failing")
        path, copy = place / "ledger.db", place / "copy.db"
        with recording(place, plan, keeps=False) as tape:
            ran = run(*self.words(place))
        if ran.code == 0:
            # What fails after the commit, as the removal of an empty log, undoes nothing and is no reason to refuse.
            assert "Traceback" not in ran.err
            assert state_of(path) == self.after, plan
        else:
            refused(ran, place)
        found = self.found(path, plan)
        if found != EMPTY and (self.name != "rebuild" or found == self.after):
            assert proved(path) == self.proves, plan
        assert not [one.name for one in place.iterdir() if one.name.startswith(".")]
        if found != self.after or self.name == "backup":
            assert run(*self.words(place), *(["--force"] if copy.exists() else [])).code == 0
        assert state_of(path) == self.after, plan
        assert proved(path) == self.proves, plan
        return tape.has_struck


@pytest.mark.parametrize("name", ["close", "backup"])
def test_a_disk_that_fails_under_a_command(tmp_path: Path, name: str) -> None:
    """N14: exit 5, one line, all or nothing; once the disk is mended the same command ends where it would have."""
    errand = FailingErrand(tmp_path, name)
    for kind, does in FAULTS[:3]:
        assert errand.failed(Plan(kind=kind, number=max(errand.counts[kind] // 2, 1), does=does))


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_disk_that_fails_anywhere_under_any_command(tmp_path: Path, name: str) -> None:
    """N14: the same at every write, flush, truncation and removal."""
    errand, struck = FailingErrand(tmp_path, name), 0
    for kind, does in FAULTS:
        for number in range(1, errand.counts[kind] + 1):
            struck += errand.failed(Plan(kind=kind, number=number, does=does))
    print(f"{struck} faults under {name} with {dict(errand.counts)}")


def failing_session(folder: Path, address: str, venue: SimulatedServer, plan: Plan) -> bool:
    """Let the disk fail under `connect --once`, mend it, connect again, and hold the ledger against the venue."""
    path = folder / "ledger.db"
    folder.mkdir()
    words = ["connect", address, "--once", "--json", "--db", path]
    with recording(folder, plan, keeps=False) as tape:
        ran = run(*words)
    if ran.code != 0:
        refused(ran, folder)
    assert run(*words).code == 0
    sound(path)
    from dtcpos.store import LedgerReader

    with LedgerReader.open(path) as reader:
        assert_true(reader, venue.venue)
    return tape.has_struck


def test_a_disk_that_fails_under_connect(tmp_path: Path) -> None:
    """N14: exit 5 and one line; after repair the next run is complete."""
    with SimulatedServer(parse_dialogue(VENUE, name="disk")) as server:
        plan = Plan(kind="write", number=150, does="full")
        assert failing_session(tmp_path / "failing", server.address, server, plan)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_disk_that_fails_anywhere_under_connect(tmp_path: Path) -> None:
    """N14: the same at every write, flush, truncation and removal."""
    struck = 0
    with SimulatedServer(parse_dialogue(VENUE, name="disk")) as server:
        (tmp_path / "whole").mkdir()
        with recording(tmp_path / "whole", keeps=False) as tape:
            assert run("connect", server.address, "--once", "--db", tmp_path / "whole" / "ledger.db").code == 0
        for kind, does in FAULTS:
            for number in range(1, tape.counts[kind] + 1):
                struck += failing_session(
                    tmp_path / "s", server.address, server, Plan(kind=kind, number=number, does=does)
                )
                shutil.rmtree(tmp_path / "s")
    print(f"{struck} faults under connect with {dict(tape.counts)}")
