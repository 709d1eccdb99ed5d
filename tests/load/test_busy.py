"""A ledger that is being written by others for a long time: who waits loses nothing, and the file stays small."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from attrs import evolve

from dtcpos.errors import LedgerLocked
from dtcpos.importers import Import, import_files
from dtcpos.importers import logs as importing
from dtcpos.keeping.posting import Posting
from dtcpos.model import Fill, PositionKey
from dtcpos.sim import SimulatedServer, parse_dialogue
from dtcpos.store import LedgerReader, Patience, PositionRepository
from tests.crash.commands import ended, finished, started, until
from tests.importers.writing import log
from tests.load.crowd import TERMS, calm, told_rows
from tests.notation import KEY, at, fill
from tests.outcome import Outcome, outcome_of, prove
from tests.pair import Pair

# What a ledger's log is cut back to, and a little for what is in it.
LOG_SIZE_MAX = 9 << 20


@contextmanager
def busy(path: Path) -> Iterator[sqlite3.Connection]:
    """Hold the ledger as another writer does that takes its time."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield other
    finally:
        if other.in_transaction:
            other.rollback()
        other.close()


def impatient(path: Path) -> PositionRepository:
    """Open a ledger whose busy timeout is over at once."""
    repository = PositionRepository.open(path)
    repository.database.conn.execute("PRAGMA busy_timeout = 1")
    return repository


def test_a_follower_outlasts_another_writer(tmp_path: Path) -> None:
    """U1: executions that arrive while another process writes are booked when it is done, and this is said once."""
    path = tmp_path / "l.db"
    said: list[str] = []
    with impatient(path) as repository:
        pair = Pair(repository=repository).connect().settle()
        with busy(path) as other:

            def tell() -> None:
                said.append("waiting")
                other.rollback()

            repository.patience = Patience(seconds=60, tell=tell)
            pair.fill("+1 MES @ 5050", id="E-1", order="1").fill("+1 MES @ 5051", id="E-2", order="2")
        assert said == ["waiting"]
        assert pair.told_fills() == ["Sim1 +1 MES @ 5050 E-1", "Sim1 +1 MES @ 5051 E-2"]
        assert pair.positions() == ["Sim1 +2 MES @ 5050.5"]


def test_patience_has_an_end_and_then_nothing_is_half_done(tmp_path: Path) -> None:
    """U1: after its time the refusal is that of a busy ledger; what was not booked is told again at the next logon."""
    path = tmp_path / "l.db"
    with impatient(path) as repository:
        pair = Pair(repository=repository).connect().settle()
        repository.patience = Patience(seconds=0, tell=lambda: None)
        with busy(path), pytest.raises(LedgerLocked, match="is being written by another process"):
            pair.fill("+1 MES @ 5050", id="E-1", order="1")
        assert pair.repository.positions() == {}
        pair.crash().settle()
        assert pair.positions() == ["Sim1 +1 MES @ 5050"]


@pytest.mark.long
def test_connect_says_that_it_waits_and_goes_on(tmp_path: Path) -> None:
    """U1: the process itself, over a real busy timeout: one line on stderr, then the execution, then a clean end."""
    path = tmp_path / "l.db"
    text = f"{TERMS}\n--\nwait 1\nfill Sim1 BUY 1 MES @ 5050\n"
    with SimulatedServer(parse_dialogue(text, name="one")) as server:
        writer = started("connect", server.address, "--json", "--db", path)
        try:
            until(writer, event="session", state="ready")
            assert writer.stderr is not None
            with busy(path):
                assert "another process has been writing to ledger" in writer.stderr.readline()
            until(writer, event="fill", symbol="MES")
            writer.terminate()
            _, complaints = writer.communicate(timeout=60)
            assert (writer.returncode, complaints) == (0, "")
        finally:
            ended(writer)


def booked(path: Path, count: int, *, at_once: int = 500) -> int:
    """Book so many fills, in and out by turns, while a reader holds the first moment; return the log's largest size."""
    largest, wal = 0, path.with_name(path.name + "-wal")
    with PositionRepository.open(path) as repository:
        with repository.transaction():
            Posting(repository).post_live([fill("+1 @ 5000")], now=at(0))
        posting = Posting(repository)
        with LedgerReader.open(path) as reader, reader.held_still():
            seen = [one.id for one, _ in reader.fills()]
            for start in range(0, count, at_once):
                numbers = range(start, start + at_once)
                told = [fill("+1 @ 5000" if number % 2 else "-1 @ 5001", 1 + number) for number in numbers]
                with repository.transaction():
                    posting.post_live(told, now=at(count))
                largest = max(largest, wal.stat().st_size)
            assert [one.id for one, _ in reader.fills()] == seen, "the reader's moment moved"
        # The reader has let go: the next commits may start the log anew, which cuts it.
        for number in range(2):
            with repository.transaction():
                posting.post_live([fill("+1 @ 5000", count + 2 + number)], now=at(count))
        assert wal.stat().st_size <= LOG_SIZE_MAX
        assert repository.count_of_key(*KEY[1:]) == count + 3
    return largest


def test_the_log_shrinks_when_a_slow_reader_lets_go(tmp_path: Path) -> None:
    """U1: a reader that holds a moment keeps the log from being folded in, and its size does not stay afterwards."""
    assert booked(tmp_path / "l.db", 4_000, at_once=10) > LOG_SIZE_MAX


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_log_shrinks_after_a_hundred_thousand_fills(tmp_path: Path) -> None:
    """U1: the same with 100,000 fills written past the reader."""
    largest = booked(tmp_path / "l.db", 100_000)
    print(f"largest log {largest >> 20} MiB")
    assert largest > LOG_SIZE_MAX


def ledger_of(path: Path) -> Outcome:
    with LedgerReader.open(path) as reader:
        assert reader.integrity(indexes=True) == "ok"
        prove(reader)
        return outcome_of(reader)


def imported(path: Path, source: Path, *, pauses: list[int] | None = None) -> PositionRepository:
    """Import a log; between its transactions, note how many fills are booked."""
    repository = PositionRepository.open(path)

    def pause() -> None:
        with LedgerReader.open(path) as reader:
            prove(reader)
            if pauses is not None:
                pauses.append(sum(1 for _ in reader.fills()))

    list(import_files(Import(paths=[source], pause=pause), lambda: repository, now=at(86_400)))
    return repository


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "ROWS_PER_PART", 50)


class Killed(BaseException):
    """Ends an import between two transactions as a kill does."""


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("kill_after", [1, 3, 9])
def test_a_long_import_is_many_short_transactions_and_may_be_broken_off(tmp_path: Path, kill_after: int) -> None:
    """N10: after every one of them the ledger is whole; broken off and imported again it is what one run gives."""
    source = log(tmp_path, *told_rows(500, "Sim1"), *told_rows(37, "Sim2"))
    pauses: list[int] = []
    imported(tmp_path / "whole.db", source, pauses=pauses)
    assert len(pauses) >= 9
    assert sorted(set(pauses)) == pauses, "every transaction books something"
    path = tmp_path / "cut.db"
    count = iter(range(1, 1_000))

    def kill() -> None:
        if next(count) == kill_after:
            raise Killed

    repository = PositionRepository.open(path)
    with pytest.raises(Killed):
        list(import_files(Import(paths=[source], pause=kill), lambda: repository, now=at(86_400)))
    assert ledger_of(path) != ledger_of(tmp_path / "whole.db")
    imported(path, source)
    assert ledger_of(path) == ledger_of(tmp_path / "whole.db")
    before = path.stat().st_size
    imported(path, source)
    assert ledger_of(path) == ledger_of(tmp_path / "whole.db")
    assert path.stat().st_size == before


@pytest.mark.usefixtures("small_parts")
def test_a_broken_off_import_reports_what_a_whole_one_does(tmp_path: Path) -> None:
    """U7: differences to the quantities a log states are found again, also those before the place it was broken off."""
    rows = told_rows(400, "Sim1")
    for number, row in enumerate(rows):
        row["PositionQuantity"] = str((1 if number % 2 == 0 else 0) + (number >= 20))
    source = log(tmp_path, *rows)
    wanted = Import(paths=[source])
    whole = PositionRepository.open(tmp_path / "whole.db")
    (expected,) = import_files(wanted, lambda: whole, now=at(86_400))
    assert [each.kind for each in expected.differences] == ["quantity"]

    def kill() -> None:
        raise Killed

    cut = PositionRepository.open(tmp_path / "cut.db")
    with pytest.raises(Killed):
        list(import_files(evolve(wanted, pause=kill), lambda: cut, now=at(86_400)))
    again = PositionRepository.open(tmp_path / "cut.db")
    (found,) = import_files(wanted, lambda: again, now=at(86_400))
    assert found.differences == expected.differences


@pytest.mark.usefixtures("small_parts")
def test_another_writer_between_two_transactions_is_seen(tmp_path: Path) -> None:
    """N10: executions that arrive live in the middle of an import, in the same key, take their place."""
    source, path = log(tmp_path, *told_rows(300, KEY.account)), tmp_path / "l.db"
    numbers = iter(range(1_000))

    def live() -> None:
        number = next(numbers)
        with PositionRepository.open(path) as other, other.transaction():
            Posting(other).post_live([live_fill(number)], now=at(86_400))

    repository = PositionRepository.open(path)
    list(import_files(Import(paths=[source], pause=live), lambda: repository, now=at(86_400)))
    booked_live = next(numbers)
    assert booked_live >= 3
    with LedgerReader.open(path) as reader:
        prove(reader)
        assert sum(1 for _ in reader.fills()) == 300 + booked_live
        (held,) = reader.positions()
    assert held.key == PositionKey("SIM", KEY.account, KEY.symbol)
    assert held.position.signed_quantity == booked_live


def live_fill(number: int) -> Fill:
    return fill("+1 @ 5049", 1_000 + number, execution_id=f"live-{number}", order_id=f"o-{number}", price=Decimal(5049))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_connect_goes_on_beside_a_very_long_import(tmp_path: Path) -> None:
    """U1: a log of 100,000 executions, killed half way and imported again, while executions are booked live."""
    path = tmp_path / "l.db"
    source = log(tmp_path, *told_rows(100_000, "Old1"))
    text = f"{TERMS}\n--\nwait 1\n" + "burst 100 Sim1 MES @ 5050 rate 10\n" * 20
    with SimulatedServer(parse_dialogue(text, name="feed")) as server:
        writer = started("connect", server.address, "--json", "--db", path)
        try:
            until(writer, event="session", state="ready")
            importing_ = started("import", source, "--db", path, "--config", "")
            before = 0
            while before < 20_000:
                until(writer, event="fill", symbol="MES")
                assert importing_.poll() is None
                with LedgerReader.open(path) as reader:
                    before = reader.count_of_key("Old1", KEY.symbol)
            ended(importing_)
            calm(finished_patiently("import", source, "--db", path, "--config", ""), (0, 6))
            while True:
                update = until(writer, event="fill", symbol="MES")
                if update["execution_id"].endswith("2000") or server.performance.is_over:
                    break
            writer.terminate()
            _, complaints = writer.communicate(timeout=60)
            # A machine that is slow enough makes it wait, which is said and does no harm.
            assert all("another process has been writing" in line for line in complaints.splitlines()), complaints
            assert writer.returncode == 0
        finally:
            ended(writer)
        calm(finished("connect", server.address, "--once", "--db", path), (0,))
    with LedgerReader.open(path) as reader:
        prove(reader)
        assert 0 < before < 100_000
        print(f"{before} fills were booked when the import was killed")
        assert reader.count_of_key("Old1", KEY.symbol) == 100_000
        assert reader.count_of_key("Sim1", "MES") == 2_000


def finished_patiently(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command that takes minutes."""
    child = started(*words)
    output, complaints = child.communicate(timeout=600)
    return subprocess.CompletedProcess(child.args, child.returncode, output, complaints)
