"""What the shell sees when the server refuses, sends away, or sends elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from dtcpos.sim import SimulatedServer, parse_dialogue
from dtcpos.store import LedgerReader
from tests.crash.commands import PATIENCE_S, ended, finished, started, until
from tests.pair import TERMS

ONE_FILL = "history Sim1 BUY 1 MES @ 5050 id E-1 ago 1h"


def server_of(before: str, script: str = "") -> SimulatedServer:
    return SimulatedServer(parse_dialogue(f"{TERMS}\n{before}\n--\n{script}", name="test"))


@pytest.mark.parametrize(
    ("before", "script", "text"),
    [
        ('refuse-logon "Invalid username or password."', "", "Invalid username or password."),
        ('refuse-logon no-reconnect "Account expired."', "", "Account expired."),
        ("", 'logoff no-reconnect "Trading service restarts."', "Trading service restarts."),
    ],
    ids=["refused", "refused for good", "logged off for good"],
)
def test_a_refusal_ends_with_3_and_the_servers_words(tmp_path: Path, before: str, script: str, text: str) -> None:
    """S4: logon refused, or told not to come back: exit 3, one line with the server's text, obeyed at once."""
    with server_of(before, script) as server:
        run = finished("connect", server.address, "--db", tmp_path / "l.db")
        assert run.returncode == 3
        assert len(run.stderr.strip().splitlines()) == 1
        assert text in run.stderr
        assert "Traceback" not in run.stderr
        assert len(server.sessions) == 1


def test_a_new_address_is_followed(tmp_path: Path) -> None:
    """S4: told to log on at another `host:port`, dtcpos goes there and nowhere else."""
    path = tmp_path / "l.db"
    with server_of(ONE_FILL) as target, server_of(f"reconnect-to {target.address}") as gate:
        run = finished("connect", gate.address, "--once", "--db", path)
        assert len(gate.sessions) == 1
    assert run.returncode == 0, run.stderr
    assert executions(path) == ["E-1"]


def test_a_new_host_keeps_the_port(tmp_path: Path) -> None:
    """S4: told another `host` alone, dtcpos goes there on the port it has."""
    path = tmp_path / "l.db"
    with server_of(f"{ONE_FILL}\nreconnect-to 127.0.0.1") as server:
        child = started("connect", f"localhost:{server.port}", "--once", "--json", "--db", path)
        try:
            # Sent round in a circle, it pauses, at the new name.
            until(child, event="session", state="waiting", server=f"127.0.0.1:{server.port}")
            server.perform("admit")
            until(child, event="synced")
            assert child.wait(PATIENCE_S) == 0
        finally:
            ended(child)
    assert executions(path) == ["E-1"]


def executions(path: Path) -> list[str]:
    with LedgerReader.open(path) as reader:
        return [fill.execution_id for fill, _ in reader.fills()]
