"""What a person enters while another process is writing: it waits, says so, and is booked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import MES, Shell
from tests.importers.writing import log, told
from tests.load.test_busy import busy

REASON = ("--reason", "by hand")
ENTRIES = [
    ("accounts", "set", "Sim1", "LIVE"),
    ("switch", "LIVE"),
    ("instruments", "set", MES, "--commission", "0.62"),
    ("close", "Sim1", MES, "--price", "5050", *REASON),
    ("fix", "add", "Sim1", MES, "BUY", "1", "5000", "--time", "2026-11-20T14:00:00Z", *REASON),
    ("import", "log.txt"),
]


@pytest.mark.parametrize("words", ENTRIES, ids=lambda words: words[0])
def test_an_entry_outlasts_another_writer(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """U1: nobody is told that the database is locked because somebody else's batch takes long."""
    log(tmp_path, told("+1 @ 5050"))
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    with busy(shell.path) as other:

        def say(line: str) -> None:
            said.append(line)
            other.rollback()

        monkeypatch.setattr("dtcpos.store.connection.BUSY_TIMEOUT_S", 0.01)
        monkeypatch.setattr("dtcpos.cli.writing.say", say)
        shell(*words)
    assert len(said) == 1
    assert "waiting up to 60 s more" in said[0]


def test_an_entry_gives_up_in_the_end(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """U1: patience is bounded; then it is exit 5 and one line that says what to do, and nothing was changed."""
    monkeypatch.setattr("dtcpos.store.connection.BUSY_TIMEOUT_S", 0.01)
    monkeypatch.setattr("dtcpos.cli.writing.BUSY_S_MAX", 0.0)
    with busy(shell.path):
        ran = shell("accounts", "set", "Sim1", "LIVE", code=5)
    assert "is being written by another process; wait for it" in ran.err
    assert shell("accounts", "--json").json[1]["mode"] == "SIM"
