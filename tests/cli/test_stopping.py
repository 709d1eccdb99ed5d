"""How a `connect` that runs for good is ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dtcpos.cli.stopping import STOPS, stopping
from dtcpos.sim import SimulatedServer, parse_dialogue
from dtcpos.store import LedgerReader
from tests.crash.commands import PATIENCE_S, ended, started, until
from tests.ports import answering, silence
from tests.web import Web

SESSION = """
account Sim1
symbol MES tick 0.25 value 1.25
history-burst 3 Sim1 MES @ 5000
start connect
--
"""


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in STOPS}
    yield
    for number, was in before.items():
        signal.signal(number, was)


@pytest.mark.parametrize("number", STOPS, ids=lambda number: number.name)
def test_the_first_signal_is_noted_and_the_second_is_the_systems(number: signal.Signals) -> None:
    """Whoever follows asks between two reads; a second one ends the process whatever it is doing."""
    with stopping() as asked:
        assert asked() == ""
        signal.raise_signal(number)
        assert asked() == number.name
        assert {signal.getsignal(each) for each in STOPS} == {signal.SIG_DFL}


def test_after_a_session_ctrl_c_means_what_it_always_meant() -> None:
    """U4: a prompt can be left."""
    with stopping():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no such signal")
def test_nohup_is_respected() -> None:
    """What was told to ignore that the terminal goes away goes on ignoring it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stopping() as asked:
        signal.raise_signal(signal.SIGHUP)
        assert not asked()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.skipif(os.name != "posix", reason="Windows has no polite kill")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_connect_ends_in_order(tmp_path: Path, name: str) -> None:
    """Exit 0, the link's row is closed, what was to be told is told, and the log says why it ended."""
    path, log = tmp_path / "ledger.db", tmp_path / "connect.log"
    with Web() as web, SimulatedServer(parse_dialogue(SESSION, name="stop")) as server:
        words = ["--db", path, "--config", "", "--log-file", log, "--webhook", web.url]
        child = started("connect", server.address, "--json", *words)
        try:
            until(child, event="synced")
            child.send_signal(getattr(signal, name))
            out, err = child.communicate(timeout=PATIENCE_S)
        finally:
            ended(child)
    assert (child.returncode, err) == (0, "")
    assert '"state": "closed"' in out
    with LedgerReader.open(path) as reader:
        assert [link.state for link in reader.links()] == ["closed"]
    assert [each["event"] for each in web.bodies].count("fill") == 3
    assert (web.bodies[-1]["event"], web.bodies[-1]["state"]) == ("session", "closed")
    lines = log.read_text(encoding="utf-8").splitlines()
    assert lines[-2].endswith(f"Z  stopped by {name}")
    assert lines[-1].endswith("Z  ended with exit code 0")


@pytest.mark.skipif(os.name != "posix", reason="Windows has no polite kill")
def test_once_without_an_answer_is_no_success(tmp_path: Path) -> None:
    """N11: `--once` stopped while nobody answers exits 3 and says so: cron must not take it for agreement."""
    with answering(silence) as address:
        child = started("connect", address, "--once", "--json", "--db", tmp_path / "ledger.db", "--config", "")
        try:
            until(child, event="session", state="negotiating")
            child.send_signal(signal.SIGTERM)
            out, err = child.communicate(timeout=PATIENCE_S)
        finally:
            ended(child)
    assert (child.returncode, err) == (3, "dtcpos: stopped before the server had answered; run it again\n"), out
    assert '"event": "synced"' not in out


@pytest.mark.skipif(os.name != "posix", reason="Windows has no polite kill")
def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """Even while a webhook hangs; the ledger has what was printed."""
    path = tmp_path / "ledger.db"
    with Web() as web, SimulatedServer(parse_dialogue(SESSION, name="stop")) as server:
        web.usual = web.hang
        child = started("connect", server.address, "--json", "--db", path, "--config", "", "--webhook", web.url)
        try:
            until(child, event="synced")
            child.send_signal(signal.SIGTERM)
            until(child, event="session", state="closed")
            # The link is closed; what is left is the webhook's five seconds, none of which are waited for.
            child.send_signal(signal.SIGTERM)
            assert child.wait(PATIENCE_S) == -signal.SIGTERM
        finally:
            ended(child)
        assert len(web.bodies) == 1
    with LedgerReader.open(path) as reader:
        assert len(list(reader.fills())) == 3
