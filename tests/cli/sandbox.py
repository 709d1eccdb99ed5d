"""A trader's machine in a folder: a home, a ledger made by the demo's dialogue, the server that holds the same, tools.

The server is the demo's after its last fill: what the demo tells live it tells as history, under the same ids. So a
ledger made by `connect --once` agrees with it, and goes on agreeing however often it is asked.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

from attrs import frozen

from dtcpos.model import JournalEntry
from dtcpos.sim import SimulatedServer, parse_dialogue
from dtcpos.store import PositionRepository
from tests.cli.conftest import NOW
from tests.importers.writing import log, panel, state, told

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "fixtures" / "imports"
PATIENCE_S = 60
_JQ = """import json, sys
text = ""
for line in sys.stdin:
    text += line
    try:
        json.loads(text)
    except ValueError:
        continue
    text = ""
    print("parsed", flush=True)
assert not text, text
"""
# What a line of an example calls beside dtcpos; each takes what it is given as the real one would.
_TOOLS = {
    "mail": '#!/bin/sh\ncat > "$HOME/mail.txt"\necho "$@" >> "$HOME/mail.txt"\n',
    "jq": f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(_JQ)}\n",
    "code": "#!/bin/sh\n",
}


def demo_as_history() -> str:
    """Return the demo's dialogue with every fill of its script told as history."""
    text = resources.files("dtcpos.sim").joinpath("dialogues/demo.txt").read_text(encoding="utf-8")
    before, _, script = text.partition("\n--\n")
    fills = re.findall(r"^fill (.+)$", script, re.MULTILINE)
    told_before = [f"history {words} ago {len(fills) - place}m" for place, words in enumerate(fills)]
    return "\n".join([before, *told_before, "--", "tick MESZ26-CME 6854.25 x 2", "tick MNQZ26-CME 25316.00 x 1", ""])


@contextmanager
def demo_server(**options: Any) -> Iterator[SimulatedServer]:
    """Serve what the demo comes to."""
    with SimulatedServer(parse_dialogue(demo_as_history(), name="demo as history"), **options) as server:
        yield server


@frozen
class Sandbox:
    """A home of its own: `home` holds everything, `port` is the server's."""

    home: Path
    port: int

    @property
    def ledger(self) -> Path:
        """The ledger commands use here."""
        return self.home / "ledger.db"

    @property
    def environment(self) -> dict[str, str]:
        """All that a process is told: no more than cron tells one, and where ledger and settings are."""
        return {
            "HOME": str(self.home),
            "PATH": f"{self.home / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "DTCPOS_DB": str(self.ledger),
            "DTCPOS_CONFIG": str(self.home / "settings.toml"),
        }

    def sh(self, line: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a line as `/bin/sh` does, in the home."""
        return subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=self.home,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def on_terminal(self, line: str, **environment: str) -> tuple[int, str]:
        """Run a line as `/bin/sh` does on a terminal; return how it ended and what the screen was sent."""
        import pty

        ours, theirs = pty.openpty()
        with subprocess.Popen(
            ["/bin/sh", "-c", line],
            cwd=self.home,
            env={**self.environment, "TERM": "xterm", **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        ) as child:
            os.close(theirs)
            said = b""
            # The last process to close its side ends it with an error instead of an empty answer.
            with suppress(OSError):
                while octets := os.read(ours, 65536):
                    said += octets
            os.close(ours)
            return child.wait(timeout=PATIENCE_S), said.decode()

    def started(self, line: str) -> subprocess.Popen[str]:
        """Start a line that does not end by itself, in a group of its own."""
        return subprocess.Popen(
            ["/bin/sh", "-c", line],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def furnished(home: Path, port: int, ledger: Path | None) -> Sandbox:
    """Return a sandbox with the tools on its path, settings that name the server, and a copy of a ledger."""
    tools = home / "bin"
    tools.mkdir(parents=True)
    # `exec` keeps the process id, so that whoever reads it ends the command and not a shell around it.
    python = f"PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)}"
    command = f'#!/bin/sh\necho $$ > "$HOME/pid"\n{python} -m dtcpos "$@"\n'
    for name, text in {**_TOOLS, "dtcpos": command}.items():
        (tools / name).write_text(text, encoding="utf-8")
        (tools / name).chmod(0o755)
    (home / "settings.toml").write_text(f'[server]\nhost = "127.0.0.1"\nport = {port}\n', encoding="utf-8")
    sandbox = Sandbox(home, port)
    if ledger is not None:
        shutil.copy(ledger, sandbox.ledger)
    return sandbox


def correct_until(path: Path, *, fill_id: int, entry_id: int) -> None:
    """Enter fills until there is a position to close, a fill of this id, and a person's entry of this number."""
    from datetime import timedelta
    from decimal import Decimal

    from dtcpos.keeping.corrections import Corrections
    from dtcpos.model import Side

    with PositionRepository.open(path, create=False) as ledger, ledger.transaction():
        ledger.add_journal([JournalEntry(at=NOW, cause="note", account="Sim1")])
        entries = Corrections(ledger, now=NOW)
        number = 0
        while True:
            account, symbol = ("Sim1", "MESZ26-CME") if number % 2 else ("120005", "CLF27")
            moment = NOW - timedelta(minutes=100 - number)
            done = entries.add(
                account, symbol, Side.BUY, quantity=Decimal(1), price=Decimal(70), time=moment, reason="by phone"
            )
            number += 1
            assert done.entry_id is not None
            if done.entry_id >= entry_id - 4:
                break
        while ledger.add_journal([JournalEntry(at=NOW, cause="note", account="Sim1")]) < entry_id - 2:
            pass
        done = entries.add(
            "Sim1", "MESZ26-CME", Side.BUY, quantity=Decimal(1), price=Decimal(71), time=NOW, reason="by phone"
        )
        assert done.entry_id == entry_id, done
        assert done.fill_id is not None
        assert done.fill_id >= fill_id, done


def older_files(folder: Path) -> None:
    """Write the files that examples of `import` name."""
    shutil.copy(FIXTURES / "activity.txt", folder / "TradeActivityLog.txt")
    shutil.copy(FIXTURES / "activity.txt", folder / "TradeActivityLogExport.txt")
    shutil.copy(FIXTURES / "activity_chicago.txt", folder / "SavedLog.txt")
    log(folder, told("+1 @ 505025", Symbol="ESZ26"))
    panel(folder)
    state(folder, "state_SIM_Sim1.json", entry_time_epoch=1763263000, heat_start_epoch=None)
