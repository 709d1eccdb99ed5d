"""Run the command as a user does: another process, its own ledger, bounded in time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60


def started(*words: str | Path) -> subprocess.Popen[str]:
    """Start `dtcpos` with these words."""
    command = [sys.executable, "-m", "dtcpos", *map(str, words)]
    return subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finished(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `dtcpos` with these words to its end."""
    child = started(*words)
    output, complaints = child.communicate(timeout=PATIENCE_S)
    return subprocess.CompletedProcess(child.args, child.returncode, output, complaints)


def until(child: subprocess.Popen[str], **wanted: object) -> dict[str, Any]:
    """Read JSON lines until one has these values; the child's own end ends the wait."""
    assert child.stdout is not None
    for line in child.stdout:
        update: dict[str, Any] = json.loads(line)
        if all(update.get(name) == value for name, value in wanted.items()):
            return update
    raise AssertionError(f"ended with {child.wait()} before {wanted}")


def ended(child: subprocess.Popen[str]) -> tuple[str, str]:
    """Kill a child that is still there, and return what it said."""
    child.kill()
    return child.communicate(timeout=PATIENCE_S)
