"""The README keeps its word: the embedding example runs as printed, the commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from dtcpos.cli.app import COMMANDS
from dtcpos.sim import SimulatedServer, parse_dialogue

README = Path(__file__).parent.parent / "README.md"
SESSION = """
account Sim1
symbol MESZ26-CME tick 0.25 value 1.25
history Sim1 BUY 1 MESZ26-CME @ 5050.25 id E-1 order 1001 ago 1h
history Sim1 BUY 1 MESZ26-CME @ 5050.75 id E-2 order 1002 ago 30m
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_embedding_example_runs_as_printed(tmp_path: Path) -> None:
    """N3: a program of a few lines, no thread and no driver of ours, ends with the right positions, durable."""
    (example,) = blocks("python")
    with SimulatedServer(parse_dialogue(SESSION, name="readme")) as server:
        program = example.replace("11099", str(server.port))
        ran = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert lines[-1] == "SIM Sim1 MESZ26-CME 2 5050.5"
    assert lines.count("FillUpdate") == 2
    assert "SyncedUpdate" in lines
    assert (tmp_path / "ledger.db").exists()


def test_every_command_shown_exists() -> None:
    """U4: nothing is taught that cannot be done."""
    examples = "\n".join(blocks("sh") + blocks("powershell"))
    shown = set(re.findall(r"(?<![\w./-])dtcpos ([a-z]+)", examples))
    shown |= set(re.findall(r"^\$ dtcpos ([a-z]+)", "\n".join(blocks("text")), re.MULTILINE))
    assert shown <= set(COMMANDS), shown - set(COMMANDS)
    assert {"connect", "positions", "recover", "export"} <= shown


def test_two_commands_do_all_the_set_up() -> None:
    """U5: one installs and shows the demo, one installs and passes the tests."""
    assert blocks("sh")[:2] == [
        "pip install . && dtcpos connect --demo\n",
        "pip install -e '.[dev]' && pytest\n",
    ]
