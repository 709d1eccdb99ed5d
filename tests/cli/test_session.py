"""What the commands that talk to a server leave behind."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest

from dtcpos.model import Link
from tests.cli.conftest import NOW, Shell


def test_a_process_that_was_killed_took_its_link_with_it(shell: Shell) -> None:
    """S3: STALE at once, without waiting for two heartbeats, when the holder is gone."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with shell.writer as repository:
        for link in repository.links():
            repository.put_link(
                Link(
                    server=link.server,
                    state="ready",
                    last_heard_at=NOW,
                    heartbeat_interval_s=3600.0,
                    holder_pid=gone.pid,
                    since=NOW - timedelta(days=1),
                )
            )
    rows = shell("positions", "--json", "--mode", "ALL").json
    assert "VERIFIED" not in {row["status"] for row in rows}
    assert "the process that held the link is gone" in {row["status_reason"] for row in rows}


@pytest.mark.parametrize("words", ["127.0.0.1:1", "--once", "--bell", "--on fill"])
def test_the_demo_refuses_what_it_would_ignore(shell: Shell, words: str) -> None:
    """U4: the option is named, and nothing is played."""
    ran = shell("connect", "--demo", *words.split(), code=2)
    name = "HOST" if words[0] != "-" else words.split(maxsplit=1)[0]
    assert ran.err == f"dtcpos: --demo brings its own server and ends by itself; leave out {name}\n"


@pytest.mark.parametrize("command", ["connect --once", "recover", "doctor"])
@pytest.mark.parametrize("address", ["127.0.0.1:99999", "http://127.0.0.1:11099", "host:port"])
def test_an_address_that_is_none_is_a_mistake_of_usage(shell: Shell, command: str, address: str) -> None:
    """U4: exit 2 names it and says how one is written; nothing was tried that could be unreachable."""
    ran = shell(*command.split(), address, code=2)
    assert repr(address) in ran.err
    assert ": write " in ran.err
