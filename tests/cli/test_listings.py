"""`tail`, `accounts`, `instruments`, `switch`, `config`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import pytest

from dtcpos.cli.keys import FILL_KEYS
from dtcpos.model import Instrument
from tests.cli.conftest import MES, MNQ, SIM_MES, Shell, fill, record

ROOT = Path(__file__).parents[2]


def test_tail_json_has_the_fixed_keys(shell: Shell) -> None:
    """Keys scripts depend on, in order; the wire's price beside the one people write."""
    fills = shell("tail", "--json").json
    assert [tuple(row) for row in fills] == [FILL_KEYS] * 5
    assert fills[0] == {
        "id": 1,
        "mode": "SIM",
        "account": "Sim1",
        "symbol": MES,
        "side": "BUY",
        "quantity": 1,
        "price": Decimal("5050.25"),
        "time": "2026-11-20T14:01:01.250000Z",
        "execution_id": "E-1",
        "order_id": "1001",
        "source": "LIVE",
        "position_after": None,
        "booked_at": "2026-11-20T14:01:02.000000Z",
        "reason": "",
        "wire_price": Decimal("5050.25"),
        "commission": Decimal("0.62"),
        "flags": [],
        "cumulative_quantity": None,
        "place": None,
        "time_is_exact": True,
        "parent_order_id": "",
    }


def test_a_display_multiplier_scales_the_price_and_not_the_wire(shell: Shell) -> None:
    """P5: price is what people write, wire_price what was sent."""
    with shell.writer as writer, writer.transaction():
        writer.put_instrument(Instrument(symbol=MNQ, multiplier=Decimal("0.01")))
    (found,) = shell("tail", "--symbol", MNQ, "--json").json
    assert (found["price"], found["wire_price"]) == (Decimal("182.0025"), Decimal("18200.25"))


def test_tail_counts_and_filters(shell: Shell) -> None:
    """The last n, oldest first; filters apply before counting."""
    assert [row["id"] for row in shell("tail", "-n", "2", "--json").json] == [4, 5]
    assert [row["id"] for row in shell("tail", "-n", "2", "--mode", "SIM", "--json").json] == [2, 3]
    assert shell("tail", "-n", "0", "--json").json == []
    assert [row["id"] for row in shell("tail", "--since", "14:04", "--json").json] == [4, 5]
    assert [row["id"] for row in shell("tail", "--until", "2026-11-20T14:02:00Z", "--json").json] == [1]
    assert shell("tail", "--symbol", "CLF27").out == "no fills\n"
    assert "14:05:01Z" in shell("tail", "-n", "1").out


def test_tail_follows_another_process_and_ends_cleanly(shell: Shell) -> None:
    """U1: fills booked elsewhere appear, one object a line; SIGTERM ends it with 0."""
    with subprocess.Popen(
        [sys.executable, "-m", "dtcpos", "tail", "-f", "-n", "1", "--json", "--db", str(shell.path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as follower:
        guard = threading.Timer(30, follower.kill)
        guard.start()
        assert follower.stdout is not None
        assert '"id": 5,' in follower.stdout.readline()
        with shell.writer as writer, writer.transaction():
            record(writer, SIM_MES, [fill(SIM_MES, "-2 @ 5053", minute=30)])
        assert '"id": 6,' in follower.stdout.readline()
        follower.send_signal(signal.SIGTERM if os.name == "posix" else signal.CTRL_BREAK_EVENT)
        _, err = follower.communicate(timeout=30)
        guard.cancel()
    assert (follower.returncode, err) == (0, "")


def test_accounts_are_listed_with_their_rule(shell: Shell) -> None:
    """M2: the mode and what decided it can be read."""
    found = shell("accounts", "--json").json
    assert [(row["account"], row["mode"], row["rule"]) for row in found] == [
        ("120005", "LIVE", "name"),
        ("Sim1", "SIM", "name"),
    ]
    assert "120005" in shell("accounts").out


def test_accounts_set_moves_everything_and_is_journaled(shell: Shell) -> None:
    """M2: a correction re-labels the account's rows and is journaled."""
    assert shell("accounts", "set", "Sim1", "paper").out == "Sim1 is now in PAPER (was SIM)\n"
    assert {row["mode"] for row in shell("positions", "--account", "Sim1", "--json").json} == {"PAPER"}
    assert {row["mode"] for row in shell("tail", "--account", "Sim1", "--json").json} == {"PAPER"}
    trades = shell("export", "trades", "--mode", "PAPER", "--format", "json").json
    assert [row["account"] for row in trades] == ["Sim1"]
    entry = shell("export", "journal", "--account", "Sim1", "--format", "json").json[-1]
    assert (entry["cause"], entry["before"], entry["after"]) == ("relabelled", "SIM", "PAPER")
    assert shell("accounts", "set", "Sim1", "PAPER").out == "Sim1 is in PAPER already\n"


def test_accounts_set_refuses_what_it_does_not_know(shell: Shell) -> None:
    """U4: the nearest known account, and no mode called ALL."""
    assert shell("accounts", "set", "Sim2", "LIVE", code=2).err == ("dtcpos: no account 'Sim2'; did you mean Sim1?\n")
    assert "known are 120005, Sim1" in shell("accounts", "set", "X", "LIVE", code=2).err
    assert "is not a mode" in shell("accounts", "set", "Sim1", "all", code=2).err
    absent = str(shell.path.with_name("absent.db"))
    assert "no ledger at" in shell("accounts", "--db", absent, "set", "Sim1", "LIVE", code=5).err


def test_instruments_say_where_their_values_came_from(shell: Shell) -> None:
    """P4: a point value comes with its source."""
    (found,) = shell("instruments", "--json").json
    assert (found["symbol"], found["point_value"], found["point_value_source"]) == (MES, 5, "server")
    assert MES in shell("instruments").out
    assert shell("instruments", "--symbol", "X").out.startswith("no instruments")


def test_switch_shows_the_view_and_what_stays_open_elsewhere(shell: Shell) -> None:
    """M1: switching closes, hides and moves nothing."""
    before = shell("positions", "--mode", "ALL", "--json").json
    ran = shell("switch", "live")
    assert ran.out.startswith("view: LIVE\n")
    assert "Sim1" not in ran.out
    assert ran.err == "stays open: LONG 2 MESZ26-CME @ 5051 in SIM Sim1\n"
    assert shell("positions", "--mode", "ALL", "--json").json == before
    assert shell("switch", "ALL").err == ""
    assert shell("positions", "--json").json == before


def test_switch_to_an_account(shell: Shell) -> None:
    """The view may be one account of a mode; one that is in another mode is refused."""
    shell("switch", "SIM", "Sim1")
    assert {row["account"] for row in shell("positions", "--json").json} == {"Sim1"}
    assert "is in SIM, not in LIVE" in shell("switch", "LIVE", "Sim1", code=2).err
    assert "no account 'Sim9'" in shell("switch", "SIM", "Sim9", code=2).err
    assert "no account is in mode 'XX'" in shell("switch", "XX", code=2).err
    assert {row["account"] for row in shell("positions", "--json").json} == {"Sim1"}


def test_config_says_where_things_are(shell: Shell) -> None:
    """A person can find the two files, and a broken one is named."""
    assert shell("config", "--json").json["ledger"] == {"path": str(shell.path), "exists": True}
    assert str(shell.path) in shell("config").out
    assert "[trading_day]" in shell("config", "--explain").out
    shell.path.with_name("settings.toml").write_text("[guard]", encoding="utf-8")
    assert "did you mean guards?" in shell("config", code=2).err
    assert "did you mean guards?" in shell("positions", code=2).err


def test_a_settings_file_that_was_named_must_exist(shell: Shell, tmp_path: Path) -> None:
    """A misspelt --config is not silently the defaults."""
    assert "do not exist" in shell("positions", "--config", str(tmp_path / "x.toml"), code=2).err


@pytest.mark.parametrize("start", ["15:30", "00:00"])
def test_today_follows_the_trading_day_of_the_settings(shell: Shell, start: str) -> None:
    """P10: what `today` means is a setting. 16:00 UTC is 10:00 in Chicago."""
    settings = shell.path.with_name("settings.toml")
    settings.write_text(f'[trading_day]\ntimezone = "UTC"\nstart = "{start}"', encoding="utf-8")
    expected = [] if start == "15:30" else [1, 2, 3, 4, 5]
    assert [row["id"] for row in shell("tail", "--since", "today", "--json").json] == expected


def test_ctrl_c_in_the_middle_of_a_fill_ends_tail_cleanly(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends `tail -f` with 0 whatever it is doing, not only while it waits."""

    def pressed(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("dtcpos.cli.tail._line", pressed)
    assert shell("tail", "-f").out == ""


def test_history_can_be_of_the_newest_only(shell: Shell) -> None:
    """F4: the last entries of a key, oldest first, without reading the others."""
    everything = shell("history", "--symbol", MES, "--json").json
    assert len(everything) > 2
    assert shell("history", "--symbol", MES, "-n", "2", "--json").json == everything[-2:]
    shell("history", "-n", "0", code=2)
