"""No question grows with the history: how SQLite answers every statement a session issues, taken from the session."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from dtcpos.store import PositionRepository
from dtcpos.store.seals import ROW_CHECKSUM
from tests.cli.conftest import MES, Shell
from tests.pair import Pair

# What grows for as long as somebody trades.
GROWING = {"fill", "resighting", "journal", "trade", "working_order"}

# What may be walked whole because few of its rows are in it.
PARTIAL = ("journal_by_person", "working_order_open")

# A part of the statement, and why it may walk or sort what grows. Everything else must find its rows by an index.
ALLOWED = {
    "ORDER BY f.id DESC LIMIT": "the newest fills: from the last id back until there are enough",
    "ORDER BY j.id DESC LIMIT": "the newest entries: from the last id back until there are enough",
    "f.id > ": "what an export or `tail -f` has not seen yet: from an id on",
    "ORDER BY account, symbol LIMIT 1": "the first key of the ledger: one step of the index",
    "WITH RECURSIVE older": "the chain of one corrected fill",
    "f.order_id IN (": "the fills of the orders of one batch, sorted",
    "USING (account) WHERE f.account = 'Sim1' AND f.symbol": "the fills of one key, all asked for",
    "j.account = 'Sim1' AND j.symbol =": "the journal of one key, all asked for",
}
ALLOWED_OF_A_SESSION = ALLOWED | {
    "FROM fill f WHERE f.account = 'Sim1' AND f.symbol": "a whole key that was never flat before",
}
ALLOWED_OF_EVERYTHING = ALLOWED | {
    "SELECT count(*), coalesce(max(id), 0) FROM": "verify and rebuild look whether a row of the ledger is missing",
    "checksum FROM": "verify and rebuild compare every row of the ledger with its checksum",
    "SELECT DISTINCT account, symbol FROM trade": "verify and rebuild look for trades of keys without fills",
    "FROM trade WHERE account = ": "verify and rebuild compare the trades of one key at a time, by id",
    "FROM fill f WHERE f.account = ": "verify, rebuild and --as-of replay one key at a time, by id",
    "FROM fill f LEFT JOIN account a USING (account)": "an export of every fill, by id",
    "FROM trade t": "an export or figures of every trade, by exit or by id",
    "FROM journal j": "the whole journal, by id",
    "fill_id FROM journal ORDER BY id": "verify reads the whole journal, by id",
    "FROM working_order": "verify reads every order, and compares it with its fills, by id",
}
_SOURCE = re.compile(
    r"\b(?:FROM|JOIN|INTO|UPDATE)\s+(\w+)(?:\s+(?:AS\s+)?(?!WHERE|LEFT|JOIN|ON|ORDER|INDEXED|USING|SET|GROUP|LIMIT|UNION)(\w+))?"
)
_SCAN = re.compile(r"\bSCAN (\w+)")
_SORT = "USE TEMP B-TREE FOR ORDER BY"


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every statement any connection runs, with its values in it."""
    statements: set[str] = set()
    connect = sqlite3.connect

    def connect_traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(statements.add)
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_traced)
    return statements


def plan_of(connection: sqlite3.Connection, statement: str) -> list[str]:
    connection.create_function(ROW_CHECKSUM, -1, lambda *row: len(row))
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]


def growing_in(statement: str) -> dict[str, str]:
    """The names under which a statement knows tables that grow."""
    found = {alias or table: table for table, alias in _SOURCE.findall(statement)}
    return {alias: table for alias, table in found.items() if table in GROWING}


def faults_of(connection: sqlite3.Connection, statement: str) -> list[str]:
    """What is wrong with how a statement is answered."""
    growing = growing_in(statement)
    plan = [line for line in plan_of(connection, statement) if not line.endswith(PARTIAL)]
    faults = [line for line in plan for name in _SCAN.findall(line) if name in growing]
    faults += [line for line in plan if line == _SORT and growing]
    return faults


def converse(path: Path) -> None:
    """A session that meets everything: history, live fills, doubles, corrections, breaks, orders, marks."""
    with PositionRepository.open(path) as repository:
        pair = Pair(repository=repository)
        pair.fill("+2 MES @ 5312.25", id="h-1", away=True).fill("-1 MES @ 5313", id="h-2", away=True)
        pair.connect().settle()
        pair.fill("+2 MES @ 5312.25", id="a-1").fill("-3 MES @ 5314", id="a-2").fill("-1 MNQ @ 18200", id="a-3")
        pair.perform("tick MES 5315", "tick MNQ 18199")
        pair.settle().reconnect().settle()
        pair.fill("+1 MNQ @ 18100", id="a-4", away=True)
        pair.crash().settle()
        pair.told += pair.keeper.stop(now=pair.now)


def command(shell: Shell, text: str) -> None:
    from typer.testing import CliRunner

    from dtcpos.cli.app import app

    result = CliRunner().invoke(app, text.split(), env={"DTCPOS_DB": str(shell.path)})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    # 6 asks for attention; anything else means that nothing was asked of the ledger.
    assert result.exit_code in (0, 3, 6), (text, result.stderr)


# What people and scripts ask all day, and a session: nothing of it may walk the history.
DAILY = f"""
positions --json
positions --account 120005
tail
tail --account Sim1 --symbol {MES}
tail --symbol {MES}
tail --mode LIVE
status
stats --since today
stats --since today --account Sim1 --symbol {MES}
history --account Sim1 --symbol {MES}
history --account Sim1 --symbol {MES} -n 2
history -n 2
accounts
accounts set Sim1 LIVE
accounts set Sim1 SIM
instruments
instruments set {MES} --tick 0.25
switch LIVE
switch ALL
export positions
export fills --account Sim1 --symbol {MES}
"""
# What people correct: the fills of the key are booked again from its last flat point.
CORRECTIONS = f"""
fix add Sim1 {MES} BUY 1 5051 --time 2026-11-20T14:10:00Z --reason forgotten
undo --reason wrong
fix replace 1 --price 5050 --reason typed
close Sim1 {MES} --price 5052 --reason flat
recover --offline
"""
# What is about everything there is, and walks it.
EVERYTHING = f"""
positions --as-of today
tail --since 2026-11-20
stats
stats --mode ALL
stats --book fifo
history
history --since today
instruments set {MES} --multiplier 1
export trades
export trades --account Sim1
export trades --mode SIM --since today
export fills
export journal
export journal --account Sim1
export trades --format tradervue
export trades --format tradenote
verify
rebuild
"""


def asked_by(traced: set[str]) -> list[str]:
    """The questions and changes among the statements that were run."""
    asked = {" ".join(statement.split()) for statement in traced}
    return sorted(each for each in asked if each.startswith(("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")))


def assert_sound(path: Path, statements: list[str], allowed: dict[str, str]) -> None:
    connection = sqlite3.connect(path)
    found = {}
    for statement in statements:
        if "sqlite_master" in statement or "_sqlite_migrations" in statement:
            continue
        faults = faults_of(connection, statement)
        if faults and not any(part in statement for part in allowed):
            found[statement] = faults
    connection.close()
    assert not found, "\n".join(f"{statement[:600]}\n    {faults}" for statement, faults in found.items())


def test_a_session_never_walks_the_history(traced: set[str], tmp_path: Path) -> None:
    """F6: opening, syncing, following, correcting: as fast with five million fills as with none."""
    path = tmp_path / "session.db"
    converse(path)
    asked = asked_by(traced)
    assert len(asked) > 100
    assert_sound(path, asked, ALLOWED_OF_A_SESSION)


def test_connecting_again_never_walks_even_a_key(traced: set[str], tmp_path: Path) -> None:
    """F6: opening a ledger and finding nothing new asks for nothing but what is near the present."""
    path = tmp_path / "session.db"
    converse(path)
    traced.clear()
    with PositionRepository.open(path) as repository:
        pair = Pair(repository=repository).connect().settle()
        assert not pair.told_fills()
    asked = asked_by(traced)
    assert len(asked) > 10
    assert_sound(path, asked, ALLOWED)


def test_daily_questions_never_walk_the_history(traced: set[str], shell: Shell, tmp_path: Path) -> None:
    """F4: listings and exports with a cursor find what they need by an index, or say why they walk."""
    names = ("trades", "fills", "journal")
    exports = [f"export {name} --cursor {name} --output {tmp_path / name}-{{number}}.csv" for name in names]
    for text in exports:
        command(shell, text)
    traced.clear()
    for text in [*DAILY.strip().splitlines(), *exports]:
        command(shell, text)
    assert_sound(shell.path, asked_by(traced), ALLOWED)


def test_corrections_never_walk_more_than_their_key(traced: set[str], shell: Shell) -> None:
    """F4: what a person enters or takes back is found, and booked, without a walk through the history."""
    for text in CORRECTIONS.strip().splitlines():
        command(shell, text)
    assert_sound(shell.path, asked_by(traced), ALLOWED_OF_A_SESSION)


def test_what_is_about_everything_walks_it_in_order(traced: set[str], shell: Shell) -> None:
    """F5: proofs, exports and figures of everything walk an index, one row after another, and sort at most one key."""
    for text in EVERYTHING.strip().splitlines():
        command(shell, text)
    assert_sound(shell.path, asked_by(traced), ALLOWED_OF_EVERYTHING)
