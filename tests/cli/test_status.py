"""`dtcpos status`: for those who run dtcpos unattended."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve

from tests.cli.conftest import LIVE_MNQ, NOW, Shell


@pytest.fixture
def calm(shell: Shell) -> Shell:
    """The ledger with its break answered."""
    with shell.writer as writer, writer.transaction():
        (found,) = writer.open_breaks()
        assert found.id is not None
        writer.answer_break(found.id, "keep", NOW)
    return shell


def silent(shell: Shell, seconds: float, state: str = "ready") -> None:
    with shell.writer as writer:
        (link,) = writer.links()
        writer.put_link(evolve(link, last_heard_at=NOW - timedelta(seconds=seconds), state=state))


def test_all_is_well(calm: Shell) -> None:
    """Exit 0, with the age of the last byte and what is held."""
    silent(calm, 4)
    lines = calm("status").out.splitlines()
    assert lines[0] == "link       127.0.0.1:11099  ready  up, last byte 4 s ago"
    assert lines[1] == "synced     0 s ago, 2 accounts"
    assert lines[2].startswith("positions  3 (")
    assert lines[3] == "breaks     0"


@pytest.mark.parametrize(
    ("seconds", "state", "code"),
    [(19, "ready", 0), (20, "syncing", 0), (21, "ready", 3), (1, "lost", 3), (61, "closed", 3), (1, "logging_on", 3)],
)
def test_the_line_is_up_while_bytes_come(calm: Shell, seconds: float, state: str, code: int) -> None:
    """S3: silent for two heartbeat intervals, lost or closed: exit 3."""
    silent(calm, seconds, state)
    assert calm("status", "--json", code=code).json["links"][0]["up"] is (code == 0)


def test_a_line_closed_in_order_is_good_for_a_while(calm: Shell) -> None:
    """For cron: `connect --once` and then `status` is fine, as its positions are verified for so long."""
    silent(calm, 60, "closed")
    found = calm("status", "--json").json
    assert (found["links"][0]["up"], found["status"]) == (False, "ok")
    assert "closed  just now, last byte 60 s ago" in calm("status").out


def test_what_needs_a_person(shell: Shell, calm: Shell) -> None:
    """A comparison that did not end makes it 6; a line that is down goes before it."""
    with shell.writer as writer:
        account = writer.account("120005")
        assert account is not None
        writer.put_account(evolve(account, sync_outcome="positions were not answered"))
    found = shell("status", "--json", code=6).json
    assert (found["status"], found["unfinished"]) == ("attention", {"120005": "positions were not answered"})
    assert "attention  LIVE 120005: positions were not answered" in shell("status", code=6).out
    silent(shell, 3600)
    assert shell("status", "--json", code=3).json["status"] == "link_down"


def test_a_break_needs_a_person(shell: Shell) -> None:
    """Exit 6 while a break is unanswered."""
    found = shell("status", "--json", code=6).json
    assert (found["breaks"], found["by_status"]["BREAK"], found["positions"]) == (1, 1, 3)
    assert found["last_fill_at"] == "2026-11-20T14:05:01.250000Z"
    assert LIVE_MNQ.mode == "LIVE"


def test_nagios(shell: Shell, calm: Shell) -> None:
    """One line with performance data, and the exit codes of a monitoring plugin."""
    line = calm("status", "--nagios").out
    assert re.fullmatch(
        r"DTCPOS OK - 3 positions, every account compared \| "
        r"silent=0\.000s breaks=0 unfinished=0 positions=3 unverified=2\n",
        line,
    )
    silent(calm, 100)
    assert calm("status", "--nagios", code=2).out.startswith("DTCPOS CRITICAL - no line to a server is up | silent=100")
    calm.path.unlink()
    ran = calm("status", "--nagios", code=3)
    assert ran.out.startswith("DTCPOS UNKNOWN - no ledger at ")
    assert calm("status", code=5).out == ""


def test_nagios_warns_of_breaks(shell: Shell) -> None:
    """Attention is a warning."""
    assert shell("status", "--nagios", code=1).out.startswith("DTCPOS WARNING - 1 unanswered breaks | ")


def test_prometheus(shell: Shell, tmp_path: Path) -> None:
    """Text that a collector takes, replaced in one step, whatever the state is."""
    path = tmp_path / "metrics" / "dtcpos.prom"
    path.parent.mkdir()
    path.write_text("old", encoding="utf-8")
    assert shell("status", "--prometheus", str(path), code=6).out == ""
    text = path.read_text(encoding="utf-8")
    assert 'dtcpos_link_up{server="127.0.0.1:11099"} 1\n' in text
    assert 'dtcpos_positions{mode="LIVE",status="BREAK"} 1\n' in text
    assert f"dtcpos_written_timestamp_seconds {NOW.timestamp():.17g}\n" in text
    assert list(path.parent.iterdir()) == [path]
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r'dtcpos_[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.]+', line) for line in samples)


TOLD = {
    "name": "the webhook https://h",
    "delivered": 5,
    "failed": 2,
    "dropped": 1,
    "waiting": 0,
    "last_failure": "HTTP 500",
}


def test_how_those_fare_who_are_told(calm: Shell, tmp_path: Path) -> None:
    """Deliveries, failures and drops of the last `connect`, in every form; they alone change no exit code."""
    assert "notified" not in calm("status").out
    assert calm("status", "--json").json["notifiers"] == {}
    with calm.writer as writer, writer.transaction():
        writer.set_preference("notifiers", json.dumps({"at": "", "notifiers": {"webhook": TOLD}}))
    line = "notified   the webhook https://h: 5 delivered, 2 failed, 1 dropped (HTTP 500)"
    assert calm("status").out.splitlines()[-1] == line
    assert calm("status", "--json").json["notifiers"]["webhook"]["failed"] == 2
    assert calm("status", "--nagios").out.endswith(" undelivered=3\n")
    path = tmp_path / "dtcpos.prom"
    calm("status", "--prometheus", str(path))
    text = path.read_text(encoding="utf-8")
    assert '# TYPE dtcpos_notify_failed_total counter\ndtcpos_notify_failed_total{to="webhook"} 2\n' in text


@pytest.mark.parametrize("kept", ["", "x", "[]", "{}", '{"notifiers": 5}', '{"notifiers": {"a": {}}}'])
def test_what_another_version_kept_is_no_fault(calm: Shell, kept: str) -> None:
    """Status says what it can."""
    with calm.writer as writer, writer.transaction():
        writer.set_preference("notifiers", kept)
    assert calm("status", "--json").json["notifiers"] == {}


def test_counts_and_ages_are_in_every_form(calm: Shell, tmp_path: Path) -> None:
    """The age of the last byte, how many accounts were compared whole, how many breaks."""
    silent(calm, 4)
    found = calm("status", "--json").json
    assert (found["silent_s"], found["accounts"], found["synced"], found["breaks"]) == (4, 2, 2, 0)
    path = tmp_path / "dtcpos.prom"
    calm("status", "--prometheus", str(path))
    text = path.read_text(encoding="utf-8")
    for sample in ('link_silent_seconds{server="127.0.0.1:11099"} 4', "accounts 2", "accounts_synced 2", "breaks 0"):
        assert f"dtcpos_{sample}\n" in text
    names = re.findall(r"^(dtcpos_[a-z_]+)", text, re.MULTILINE)
    for name in names:
        assert f"# HELP {name} " in text
        assert re.search(rf"^# TYPE {name} (gauge|counter)$", text, re.MULTILINE)


def test_labels_are_escaped(calm: Shell, tmp_path: Path) -> None:
    """A server may be called anything; a collector reads it all the same."""
    with calm.writer as writer:
        (link,) = writer.links()
        writer.put_link(evolve(link, server='a"b\\c\nd'))
    path = tmp_path / "dtcpos.prom"
    calm("status", "--prometheus", str(path))
    assert 'dtcpos_link_up{server="a\\"b\\\\c\\nd"} 1\n' in path.read_text(encoding="utf-8")


def test_one_form_at_a_time(shell: Shell) -> None:
    """U4: the remedy is named."""
    assert "choose one" in shell("status", "--json", "--nagios", code=2).err
