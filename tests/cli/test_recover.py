"""`recover`: what is open after a gap, with a server, without one, and with questions."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from dtcpos.sim import SimulatedServer, parse_dialogue
from tests.cli.conftest import Shell
from tests.crash.commands import PATIENCE_S, ended, started
from tests.ports import answering, silence

TERMS = "account Sim1\nsymbol MESZ26-CME tick 0.25 value 1.25\n"
LONG_ONE = TERMS + "history Sim1 BUY 1 MESZ26-CME @ 5050.25 id E-1 order 1001 ago 1h\n"
LONG_TWO = TERMS + "held Sim1 MESZ26-CME 2 @ 5049\n"


def server(text: str) -> SimulatedServer:
    return SimulatedServer(parse_dialogue(text, name="test"))


@pytest.fixture
def held(tmp_path: Path) -> Shell:
    """A shell whose ledger holds one lot the server knew of."""
    shell = Shell(tmp_path / "l.db")
    with server(LONG_ONE) as there:
        shell("connect", "--once", there.address)
    return shell


def test_without_a_server_what_is_open_is_to_be_verified_with_the_broker(held: Shell) -> None:
    """N13: never asked when nobody sits there, never changed, exit 6."""
    ran = held("recover", "--offline", code=6)
    assert "Open position detected: LONG 1 MESZ26-CME @ 5050.25. Verify with broker." in ran.out
    report = held("recover", "--offline", "--json", code=6).json
    assert (report["ledger"], report["backfilled"], report["breaks"]) == ("ok", 0, [])
    assert [row["quantity"] for row in report["positions"]] == [1]


def test_a_server_that_cannot_be_reached_is_said_and_the_ledger_listed(held: Shell) -> None:
    """S4: the listing does not wait for a server that is not there."""
    with server(LONG_ONE) as there:
        gone = there.address
    ran = held("recover", gone, "--timeout", "0.2", code=6)
    assert f"cannot reach {gone}" in ran.err
    assert "Verify with broker" in ran.out


@pytest.mark.skipif(os.name != "posix", reason="Windows has no polite kill")
def test_stopped_before_the_server_answered_nothing_is_called_agreed(held: Shell) -> None:
    """N11: Ctrl-C while nobody answers lists the ledger, says that nobody answered, and ends with exit 6."""
    with answering(silence) as address:
        child = started("recover", address, "--timeout", "60", "--db", held.path, "--config", "")
        try:
            time.sleep(2)
            child.send_signal(signal.SIGTERM)
            out, err = child.communicate(timeout=PATIENCE_S)
        finally:
            ended(child)
    assert child.returncode == 6, (out, err)
    assert "stopped before the server had answered; listing what the ledger holds" in err
    assert "Verify with broker" in out
    assert "server: answered" not in out


def test_with_a_server_it_books_what_was_missed_and_proves_the_rest(held: Shell) -> None:
    """N3: missed fills from history, agreement said, exit 0."""
    with server(LONG_ONE + "history Sim1 BUY 1 MESZ26-CME @ 5051.25 id E-2 order 1002 ago 30m\n") as there:
        ran = held("recover", there.address)
    assert "1 missed fill booked" in ran.out
    assert "Open position: LONG 2 MESZ26-CME @ 5050.75. The server agrees." in ran.out


def test_elsewhere_than_on_a_terminal_nothing_is_asked_or_changed(held: Shell) -> None:
    """N13: a break is reported, exit 6, and the ledger is as it was."""
    with server(LONG_TWO) as there:
        before = held("export", "fills").out
        ran = held("recover", there.address, code=6)
        assert "BREAK" in ran.out
        assert held("export", "fills").out == before
        report = held("recover", "--json", there.address, code=6).json
    assert [found["kind"] for found in report["breaks"]] == ["quantity"]


@pytest.mark.parametrize(
    ("answers", "quantity", "status"),
    [
        ("adopt\nseen at the broker\n", 2, "VERIFIED"),
        ("keep\nthe server is wrong\n", 1, "UNVERIFIED"),
    ],
)
def test_a_person_is_shown_the_difference_and_answers(held: Shell, answers: str, quantity: int, status: str) -> None:
    """N13: the diff first, what each answer does, then the answer with its reason in the journal; settled, exit 0."""
    with server(LONG_TWO) as there:
        ran = held("recover", "--policy", "ask", there.address, stdin=answers.encode())
        assert "adopt  book 1 @ 5047.75; then we hold LONG 2 @ 5049, as the server states" in ran.out
        again = held("recover", "--policy", "ask", there.address)
        assert "Answer" not in again.out
    (row,) = held("positions", "--json").json
    assert (row["quantity"], row["status"]) == (quantity, status)
    journal = held("export", "journal").out
    assert answers.splitlines()[1] in journal


def test_a_person_closes_at_a_price_or_decides_later(held: Shell) -> None:
    """N13: skip leaves the break; close asks for the price and books it."""
    with server(LONG_TWO) as there:
        held("recover", "--policy", "ask", there.address, stdin=b"skip\n", code=6)
        held("recover", "--policy", "ask", there.address, stdin=b"close\nabc\n5055.25\nby phone\n")
    assert held("positions", "--json").json == []
    (trade,) = held("export", "trades", "--format", "json").json
    assert trade["realized_points"] == 5


def test_a_policy_answers_for_cron(held: Shell) -> None:
    """N13: adopt books the server's quantity; running twice changes nothing."""
    with server(LONG_TWO) as there:
        held("recover", "--policy", "adopt", there.address)
        before = held("export", "fills").out
        held("recover", "--policy", "adopt", there.address)
    assert held("export", "fills").out == before


def test_without_a_ledger_there_is_nothing_to_recover(tmp_path: Path) -> None:
    """U4: exit 5, and how to start one."""
    ran = Shell(tmp_path / "none.db")("recover", "--offline", code=5)
    assert "run `dtcpos connect` to start one" in ran.err


def test_offline_a_person_may_close_what_is_closed_at_the_broker(held: Shell) -> None:
    """N13: keep, close at a price, or skip."""
    held("recover", "--offline", "--policy", "ask", stdin=b"close\n\nbroker says flat\n")
    (trade,) = held("export", "trades", "--format", "json").json
    assert trade["realized_pnl"] is None
    assert trade["exit_price"] is None


def test_connect_once_asks_too(held: Shell) -> None:
    """N13: the policy `ask` needs someone to ask and an end of the feed to ask at."""
    with server(LONG_TWO) as there:
        assert "needs --once" in held("connect", "--policy", "ask", there.address, code=2).err
        ran = held("connect", "--once", "--policy", "ask", there.address, stdin=b"adopt\nseen at the broker\n")
    assert "done: SIM Sim1 MESZ26-CME is now LONG 2 @ 5049" in ran.out


def test_an_export_that_must_be_verified_says_when_it_is_not(held: Shell) -> None:
    """S3: the rows are written with their status, and the exit code says that one is not verified."""
    assert held("export", "positions", "--require", "verified").out.count("\n") == 2
    with server(LONG_TWO) as there:
        held("connect", "--once", there.address, code=6)
    ran = held("export", "positions", "--require", "verified", "--format", "json", code=6)
    assert [row["status"] for row in ran.json] == ["BREAK"]
    assert "is about positions" in held("export", "fills", "--require", "verified", code=2).err
