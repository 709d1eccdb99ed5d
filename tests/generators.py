"""The programs under `man`, which write files of the repository from what the package says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "man"


def check(name: str) -> tuple[int, str, str]:
    """Return how `python man/NAME --check` ended, and what it said: nothing where its files are current."""
    ran = subprocess.run(
        [sys.executable, str(FOLDER / name), "--check"], capture_output=True, text=True, timeout=60, check=False
    )
    return ran.returncode, ran.stdout, ran.stderr
