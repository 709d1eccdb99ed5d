"""`connect --on-event` and the terminal's bell."""

from __future__ import annotations

import io
import json
import shlex
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from dtcpos.cli.notices import Notices, announcing, choice_of
from dtcpos.errors import UsageError
from dtcpos.model import Action, Fill, PositionKey, Side
from dtcpos.settings import Notify, Settings
from dtcpos.sim import SimulatedServer, parse_dialogue
from dtcpos.updates import AlertUpdate, FillUpdate, SessionUpdate, Update, VerifiedUpdate
from tests.crash.commands import finished
from tests.web import Web, status

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SESSION = """
account Sim1
account 120005
symbol MES tick 0.25 value 1.25
history-burst 4 120005 MES @ 5000
history-burst 2 Sim1 MES @ 5000
start connect
--
"""


def filled(mode: str) -> FillUpdate:
    fill = Fill(account="A", symbol="MES", side=Side.BUY, quantity=Decimal(1), price=Decimal(1), time=NOW)
    return FillUpdate(fill=fill, mode=mode, action=Action.OPENED, position=None)


UPDATES: list[Update] = [
    SessionUpdate(state="ready"),
    filled("LIVE"),
    filled("SIM"),
    VerifiedUpdate(key=PositionKey("SIM", "Sim1", "MES"), quantity=Decimal(1), at=NOW),
    AlertUpdate(kind="account", text="account A is SIM"),
]


@pytest.mark.parametrize(
    ("events", "mode", "chosen"),
    [
        (None, None, [0, 1, 2, 3, 4]),
        ("fill,trade,break", None, [1, 2]),
        ("fill", "live", [1]),
        (None, "SIM", [0, 2, 3, 4]),
        (" Alert ,verified", "LIVE", [4]),
        (None, "live, sim", [0, 1, 2, 3, 4]),
        ("fill", "EVAL", []),
    ],
)
def test_what_is_chosen(events: str | None, mode: str | None, chosen: list[int]) -> None:
    """By event and mode; what is of no mode is for everyone."""
    choice = choice_of(events, mode, Settings())
    assert [number for number, update in enumerate(UPDATES) if update in choice] == chosen


def test_the_settings_choose_where_the_command_line_does_not() -> None:
    """[notify] is what holds without options."""
    settings = Settings(notify=Notify(events=("fill",), mode="SIM"))
    assert [update in choice_of(None, None, settings) for update in UPDATES] == [False, False, True, False, False]
    assert filled("LIVE") in choice_of("fill", "LIVE", settings)
    both = Settings(notify=Notify(modes=("LIVE",), mode="SIM"))
    assert all(filled(mode) in choice_of(None, None, both) for mode in ("SIM", "LIVE"))
    assert filled("EVAL") not in choice_of(None, None, both)
    with pytest.raises(UsageError, match="fil: no such event; known are session, fill"):
        choice_of("fil", None, Settings())


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for what came together, after it was printed; never into a file."""
    printed: list[Update] = []
    for terminal, rings in ((Terminal(), "\a\a"), (io.StringIO(), "")):
        monkeypatch.setattr(sys, "stderr", terminal)
        with announcing(printed.extend, Settings(), Notices(bell=True)) as announcer:
            announcer.publish(UPDATES)
            announcer.publish(UPDATES[:1])
            announcer.publish(UPDATES[1:2])
        assert terminal.getvalue() == rings
    assert len(printed) == 2 * 7


def test_connect_tells_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every update chosen is a JSON line for the command, the same that is printed; the password is not for it."""
    monkeypatch.setenv("DTCPOS_PASSWORD", "secret")
    teller = tmp_path / "tell.py"
    teller.write_text(
        "import os, sys\nassert 'DTCPOS_PASSWORD' not in os.environ\nprint('heard')\n"
        "open(sys.argv[1], 'a').write(sys.stdin.read())\n",
        encoding="utf-8",
    )
    command = shlex.join([sys.executable, str(teller), str(tmp_path / "told")])
    with SimulatedServer(parse_dialogue(SESSION, name="told")) as server:
        words = ["--db", str(tmp_path / "ledger.db"), "--config", "", "--on-event-filter", "fill,synced"]
        ran = finished(
            "connect", server.address, "--once", "--json", *words, "--on-event-mode", "LIVE", "--on-event", command
        )
    assert ran.returncode == 0, ran.stderr
    printed = [json.loads(line) for line in ran.stdout.splitlines()]
    expected = [
        line for line in printed if line["event"] == "synced" or (line["event"], line.get("mode")) == ("fill", "LIVE")
    ]
    assert len(expected) == 5
    assert [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()] == expected
    assert set(ran.stderr.split()) == {"heard"}


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    """Following goes on; one line says what is wrong."""
    with SimulatedServer(parse_dialogue(SESSION, name="told")) as server:
        words = ["--db", str(tmp_path / "ledger.db"), "--config", "", "--on-event", "no-such-command-anywhere"]
        ran = finished("connect", server.address, "--once", "--json", *words)
    assert ran.returncode == 0
    assert "dtcpos: the --on-event command failed once (exit code" in ran.stderr


def test_connect_posts_to_a_webhook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every update chosen is a POST, the same JSON that is printed; `status` knows how many arrived."""
    path = tmp_path / "ledger.db"
    with Web() as web, SimulatedServer(parse_dialogue(SESSION, name="told")) as server:
        monkeypatch.setenv("DTCPOS_WEBHOOK", web.url)
        words = ["--db", str(path), "--config", "", "--on", "fill,synced", "--on-mode", "LIVE"]
        ran = finished("connect", server.address, "--once", "--json", *words)
    assert (ran.returncode, ran.stderr) == (0, "")
    printed = [json.loads(line) for line in ran.stdout.splitlines()]
    assert web.bodies == [
        line for line in printed if line["event"] == "synced" or (line["event"], line.get("mode")) == ("fill", "LIVE")
    ]
    assert len(web.bodies) == 5
    told = json.loads(finished("status", "--json", "--db", path, "--config", "").stdout)["notifiers"]
    name = f"the webhook http://127.0.0.1:{web.port}"
    assert told == {"webhook": {"name": name, "delivered": 5, "failed": 0, "dropped": 0, "last_failure": ""}}


def test_a_webhook_that_fails(tmp_path: Path) -> None:
    """Following goes on; the kind is said once and counted at the end, in the ledger and never with its secret."""
    path, settings = tmp_path / "ledger.db", tmp_path / "settings.toml"
    with Web(usual=status(404)) as web, SimulatedServer(parse_dialogue(SESSION, name="told")) as server:
        settings.write_text(f"[notify]\nwebhook = '{web.url}'\nevents = ['fill']\n", encoding="utf-8")
        ran = finished("connect", server.address, "--once", "--db", path, "--config", settings)
    assert ran.returncode == 0
    name = f"the webhook http://127.0.0.1:{web.port}"
    assert ran.stderr.splitlines() == [
        f"dtcpos: {name} failed once (HTTP 404)",
        f"dtcpos: {name}: 0 delivered, 6 failed (HTTP 404)",
    ]
    shown = finished("status", "--db", path, "--config", "").stdout
    assert f"notified   {name}: 0 delivered, 6 failed, 0 dropped (HTTP 404)" in shown
    assert b"SECRET" not in path.read_bytes()


def test_a_webhook_that_cannot_be_meant(tmp_path: Path) -> None:
    """U4: exit 2 before anything is done, without the value, which may be a secret."""
    ran = finished("connect", "--webhook", "hooks.example.com/SECRET", "--config", "", "--db", tmp_path / "l.db")
    assert ran.returncode == 2
    assert "--webhook must begin with https://" in ran.stderr
    assert "SECRET" not in ran.stderr
