"""`verify`, `rebuild`, `backup`, `history` and `positions --as-of`."""

from __future__ import annotations

import io
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dtcpos.cli.progress import telling
from dtcpos.model import JournalEntry
from dtcpos.store import PositionRepository, WriterLock
from tests.cli.conftest import LIVE_MES, MES, NOW, Shell, fill

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("history", "past", "rebuild"):
        monkeypatch.setattr(f"dtcpos.cli.{module}.utc_now", lambda: NOW)


def alter(shell: Shell, *statements: str) -> None:
    connection = sqlite3.connect(shell.path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


# verify and rebuild


def test_a_sound_ledger(shell: Shell) -> None:
    """N15: nothing to say but that, and nothing in JSON."""
    assert shell("verify").out == "ok\n"
    assert shell("verify", "--json").json == []
    assert shell("rebuild").out == "nothing to rebuild: positions and trades are what the ledger gives\n"


def test_an_altered_position_is_named_and_restored(shell: Shell) -> None:
    """N15: exit 6 and what differs; then as it was."""
    before = shell("positions", "--json").out
    alter(shell, f"UPDATE open_position SET cost = '10103' WHERE mode = 'SIM' AND symbol = '{MES}'")
    ran = shell("verify", code=6)
    assert ran.out == "position SIM Sim1 MESZ26-CME: cost is 10103, the ledger gives 10102\n"
    assert ran.err == "dtcpos: 1 difference; `dtcpos rebuild` restores projections\n"
    (found,) = shell("verify", "--json", code=6).json
    assert found == {
        "kind": "position",
        "mode": "SIM",
        "account": "Sim1",
        "symbol": MES,
        "id": None,
        "field": "cost",
        "stored": Decimal(10103),
        "replayed": Decimal(10102),
        "text": "position SIM Sim1 MESZ26-CME: cost is 10103, the ledger gives 10102",
    }
    assert shell("rebuild", "--dry-run").out.endswith("nothing was changed\n")
    assert shell("verify", code=6)
    (mended,) = shell("rebuild", "--json").json
    assert mended == found
    assert shell("verify").out == "ok\n"
    assert shell("positions", "--json").out == before
    (entry,) = [row for row in shell("history", "--json").json if row["cause"] == "rebuild"]
    assert (entry["before"], entry["after"]) == ("+2 cost 10103 realized 0", "+2 cost 10102 realized 0")


def flipped(shell: Shell, text: bytes) -> None:
    """Flip one bit of the last character of a text, everywhere it stands in the file."""
    alter(shell)
    octets = shell.path.read_bytes()
    assert text in octets
    shell.path.write_bytes(octets.replace(text, text[:-1] + bytes([text[-1] ^ 1])))


def test_a_flipped_byte_in_a_fill_is_found_and_not_rebuilt(shell: Shell) -> None:
    """N15: the checksum of the row; only a backup has the truth, and `rebuild` says so."""
    flipped(shell, b"5052.5")
    ran = shell("verify", code=6)
    assert ran.out.splitlines()[0] == "fill 2 is not what was booked: its checksum differs; restore a backup"
    ran = shell("rebuild", code=6)
    assert "SIM Sim1 MESZ26-CME was left alone: fill 2 is damaged; restore a backup" in ran.out


@pytest.mark.parametrize("content", [b"not a database at all, " * 50, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_refused(shell: Shell, content: bytes) -> None:
    """N14: exit 5 as with every command, and no advice to rebuild what never was a ledger."""
    shell.path.write_bytes(content)
    for command in ("verify", "positions", "rebuild"):
        ran = shell(command, code=5)
        assert (ran.out, ran.err.count("\n")) == ("", 1)
        assert "is not a database; restore a backup or name another file with --db" in ran.err


@pytest.mark.parametrize("command", [("verify",), ("positions",), ("accounts", "set", "Sim1", "LIVE")])
def test_a_directory_is_called_one(shell: Shell, tmp_path: Path, command: tuple[str, ...]) -> None:
    """N14: whoever reads or writes says what is wrong with the path."""
    ran = shell(*command, "--db", str(tmp_path), code=5)
    assert ran.err.startswith(f"dtcpos: {tmp_path} is a directory; name a file")


def test_a_flipped_byte_in_the_journal_is_found(shell: Shell) -> None:
    """N15: its checksum differs, and only a backup has the truth."""
    alter(
        shell,
        "DROP TRIGGER journal_never_updated",
        "UPDATE journal SET after = 'bookee' WHERE id = 3",
        "CREATE TRIGGER journal_never_updated BEFORE UPDATE ON journal\n"
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: a row of journal cannot be updated'); END",
    )
    ran = shell("verify", code=6)
    assert ran.out == "journal 3 is not what was written: its checksum differs; restore a backup\n"
    assert ran.err == "dtcpos: 1 difference; `dtcpos rebuild` mends none of it\n"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """U4: a line drawn again, not at every step, and erased at the end."""
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with telling(iter([0.0, 0.0, 0.05, 0.2]).__next__) as progress:
        for step in (("pages", 0, 0), ("keys", 1, 2000), ("keys", 2, 2000)):
            progress(*step)
    assert terminal.getvalue() == "\r\x1b[Kpages\r\x1b[Kkeys: 2 of 2,000\r\x1b[K"


def test_progress_in_a_log_is_a_plain_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """U4: nothing at all of short work, and a line every quarter of a minute of long work."""
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    with telling(iter([0.0, 1.0, 16.0, 17.0, 40.0]).__next__) as progress:
        for step in (("pages", 0, 0), ("checksums of fill", 4096, 0), ("keys", 1, 2), ("orders", 0, 0)):
            progress(*step)
    assert log.getvalue() == "dtcpos: checksums of fill: 4,096\ndtcpos: orders\n"


@pytest.mark.parametrize(("offset", "bit"), [(0, 4), (20, 4), (47, 1), (100, 4), (110, 4), (2040, 4)])
def test_a_flipped_byte_at_the_beginning_is_found(shell: Shell, offset: int, bit: int) -> None:
    """N15: in the header or in the schema, which every reader needs: exit 6 with one line for what is wrong."""
    alter(shell)
    octets = bytearray(shell.path.read_bytes())
    octets[offset] ^= bit
    shell.path.write_bytes(octets)
    ran = shell("verify", code=6)
    assert ran.out.strip()
    assert "Traceback" not in ran.err


def test_a_file_of_something_else_is_no_ledger(shell: Shell) -> None:
    """N14: not a difference but a refusal."""
    shell.path.unlink()
    shell("verify", code=5)
    shell("rebuild", code=5)
    assert not shell.path.exists()


_HOLDER = (
    "import sys\n"
    "from dtcpos.store import WriterLock\n"
    "WriterLock(sys.argv[1]).acquire(0)\n"
    "print('held', flush=True)\n"
    "sys.stdin.read()\n"
)


def test_rebuild_waits_for_no_other_keeper(shell: Shell) -> None:
    """U2: refused while `connect` keeps the ledger, naming it; `verify` and `backup` are not."""
    command = [sys.executable, "-c", _HOLDER, str(shell.path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        ran = shell("rebuild", code=5)
        assert f"in use by process {holder.pid}" in ran.err
        shell("verify")
        shell("backup", str(shell.path.with_name("copy.db")))
        holder.communicate("", timeout=20)
    shell("rebuild")


# backup


def test_a_backup_restores(shell: Shell, tmp_path: Path) -> None:
    """N15: the copy proves, and lists what the ledger lists."""
    copy = tmp_path / "copy.db"
    ran = shell("backup", str(copy))
    assert ran.out.startswith(f"{copy}: ")
    assert shell("verify", "--db", str(copy)).out == "ok\n"
    for words in (["positions", "--json"], ["export", "trades"], ["history", "--json"]):
        assert shell(*words, "--db", str(copy)).out == shell(*words).out


def test_a_backup_of_a_ledger_that_is_written(shell: Shell, tmp_path: Path) -> None:
    """U1: copies made while fills are booked are each a whole ledger that proves."""
    is_done = threading.Event()

    def write() -> None:
        with shell.writer as writer:
            for number in range(400):
                if is_done.is_set():
                    break
                with writer.transaction():
                    added = fill(LIVE_MES, "-1 @ 5060", minute=10, commission=Decimal(number))
                    _book(writer, added, number)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(4):
            copy = tmp_path / f"copy-{number}.db"
            shell("backup", str(copy))
            assert shell("verify", "--db", str(copy)).out == "ok\n"
    finally:
        is_done.set()
        thread.join()
    assert shell("verify").out == "ok\n"
    assert any(row["execution_id"].startswith("W-") for row in shell("tail", "--json").json)


def _book(writer: PositionRepository, added: Any, number: int) -> None:

    from dtcpos.keeping.posting import Posting

    Posting(writer).post_live([added._replace(execution_id=f"W-{number}", order_id=f"w-{number}")], now=NOW)


@pytest.mark.parametrize("ending", ["", "-wal", ".lock"])
def test_a_backup_never_replaces_the_ledger_itself(shell: Shell, ending: str) -> None:
    """N14: not even with --force, and not what stands beside it."""
    before = shell.path.read_bytes()
    ran = shell("backup", "--force", f"{shell.path}{ending}", code=2)
    assert "belongs to the ledger itself; name another file" in ran.err
    assert shell.path.read_bytes() == before


def test_a_backup_replaces_only_when_told_to(shell: Shell, tmp_path: Path) -> None:
    """N14: exit 2 with the remedy, and the earlier file as it was."""
    copy = tmp_path / "copy.db"
    copy.write_text("mine")
    assert "--force replaces it" in shell("backup", str(copy), code=2).err
    assert copy.read_text() == "mine"
    shell("backup", str(copy), "--force")
    assert shell("verify", "--db", str(copy)).out == "ok\n"
    (tmp_path / "copy.db-wal").write_text("")
    assert "belongs to a ledger in use" in shell("backup", str(copy), "--force", code=2).err
    assert "is a folder" in shell("backup", str(tmp_path), code=2).err


# history


def test_history_of_one_position(shell: Shell) -> None:
    """History: time, place, cause, before and after, and why."""
    entry = JournalEntry(
        at=NOW, cause="late", account="Sim1", symbol=MES, before="+1", after="+2", reason="told\nlater", fill_id=3
    )
    with shell.writer as writer, writer.transaction():
        writer.add_journal([entry])
    ran = shell("history", "--account", "Sim1", "--symbol", MES)
    assert len(ran.out.splitlines()) == 4
    assert ran.out.splitlines()[-1] == (
        "2026-11-20 16:00:00Z  Sim1 MESZ26-CME       late              +1 -> +2  (told later)"
    )
    rows = shell("history", "--account", "Sim1", "--symbol", MES, "--json").json
    assert list(rows[-1]) == ["id", "at", "cause", "account", "symbol", "before", "after", "reason", "fill_id"]


def test_history_follows_the_shared_filters(shell: Shell) -> None:
    """History: mode, time and the view chosen with `switch`."""
    assert {row["account"] for row in shell("history", "--mode", "LIVE", "--json").json} == {"120005"}
    assert shell("history", "--until", "2026-11-20T15:59:59Z", "--json").json == []
    assert shell("history", "--since", "tomorrow", code=2)
    shell("switch", "SIM")
    assert {row["account"] for row in shell("history", "--json").json} == {"Sim1"}
    assert shell("history", "--symbol", "none").out == "nothing happened that was selected\n"


# positions --as-of


def test_what_was_held_then(shell: Shell) -> None:
    """History: the same keys; no mark and no verdict is known of the past."""
    now = {row["symbol"]: row for row in shell("positions", "--mode", "SIM", "--json").json}
    (past,) = shell("positions", "--mode", "SIM", "--as-of", "2026-11-20T14:01:30Z", "--json").json
    assert list(past) == list(now[MES])
    assert (past["quantity"], past["entry_price"]) == (1, Decimal("5050.25"))
    assert (past["status"], past["status_reason"]) == ("UNVERIFIED", "as of 2026-11-20T14:01:30.000000Z")
    assert {past[key] for key in ("mark_price", "unrealized_pnl", "stop_price", "verified_at")} == {None}
    assert shell("positions", "--mode", "SIM", "--as-of", "2026-11-20T14:02:30Z", "--json").json == []
    (last,) = shell("positions", "--mode", "SIM", "--as-of", "now", "--json").json
    assert {key: last[key] for key in ("quantity", "cost", "realized_pnl", "entry_time")} == {
        key: now[MES][key] for key in ("quantity", "cost", "realized_pnl", "entry_time")
    }


def test_the_past_as_people_see_it(shell: Shell) -> None:
    """History: a table under the moment it is about; filters apply."""
    lines = shell("positions", "--as-of", "2026-11-20T14:04:30Z").out.splitlines()
    assert lines[0] == "as of 2026-11-20T14:04:30.000000Z"
    assert [line.split()[:4] for line in lines[2:] if line] == [
        ["LIVE", "120005", MES, "-1"],
        ["SIM", "Sim1", MES, "2"],
    ]
    assert len(shell("positions", "--as-of", "now", "--account", "120005", "--json").json) == 2
    assert len(shell("positions", "--as-of", "now", "--symbol", MES, "--json").json) == 2
    empty = shell("positions", "--as-of", "2026-11-19").out
    assert empty == "as of 2026-11-19T23:00:00.000000Z: no open positions\n"


def test_what_the_server_tells_again_is_for_a_rebuild_too(shell: Shell) -> None:
    """N15: a damaged last price is named with what to do, and is gone after it."""
    alter(shell, "UPDATE mark SET price = '1'")
    ran = shell("verify", code=6)
    assert "is not what was written: its checksum differs; the server tells it again" in ran.out
    assert ran.err.endswith("; `dtcpos rebuild` restores projections\n")
    shell("rebuild")
    shell("verify")


def test_modes_are_those_of_then(shell: Shell) -> None:
    """M2: a relabelled account is found under the mode it had."""
    with shell.writer as writer, writer.transaction():
        writer.relabel_account("Sim1", "LIVE", "set by hand")
        at = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
        writer.add_journal([JournalEntry(at=at, cause="relabelled", account="Sim1", before="SIM", after="LIVE")])
    then = shell("positions", "--account", "Sim1", "--as-of", "2026-11-20T14:30:00Z", "--json").json
    later = shell("positions", "--account", "Sim1", "--as-of", "2026-11-20T15:30:00Z", "--json").json
    assert ([row["mode"] for row in then], [row["mode"] for row in later]) == (["SIM"], ["LIVE"])


@pytest.mark.parametrize("other", [["--watch"], ["--require", "verified"]])
def test_the_past_is_neither_watched_nor_required(shell: Shell, other: list[str]) -> None:
    """U4: a command line that cannot be meant."""
    assert "leave them out" in shell("positions", "--as-of", "now", *other, code=2).err


def test_a_writer_lock_is_given_back(shell: Shell) -> None:
    """U2: a rebuild that is over is in nobody's way."""
    shell("rebuild")
    lock = WriterLock(shell.path)
    lock.acquire(0)
    lock.release()


@pytest.mark.parametrize("value", ["NaN", "Infinity", "sNaN1"])
@pytest.mark.parametrize("table", ["instrument SET point_value", "mark SET price"])
@pytest.mark.parametrize("words", [("positions",), ("positions", "--json"), ("stats",), ("export", "trades")])
def test_an_amount_that_is_no_number_is_damage(shell: Shell, value: str, table: str, words: tuple[str, ...]) -> None:
    """N15: exit 5 and one line, wherever money would be made of it."""
    alter(shell, f"UPDATE {table} = '{value}'")
    is_read = words != ("export", "trades") or "mark" not in table
    ran = shell(*words, code=5 if is_read else 0)
    if is_read:
        assert "holds a damaged row" in ran.err
        assert ran.err.count("\n") == 1
