"""`positions --json` read without Typer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dtcpos.cli.quick import read_plainly
from tests.cli.conftest import Shell

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "wishes"),
    [
        ("positions --json", {}),
        ("positions --mode LIVE --json", {"mode": "LIVE"}),
        ("positions --json --account=Sim1 --symbol MESZ26-CME", {"account": "Sim1", "symbol": "MESZ26-CME"}),
        ("positions --json --db a.db --config=b=c.toml", {"db": Path("a.db"), "config": Path("b=c.toml")}),
        ("positions --json --require verified", {"require": "verified"}),
        ("positions --json --mode SIM --mode LIVE", {"mode": "LIVE"}),
        ("positions", None),
        ("positions --json --json", None),
        ("positions --json --watch", None),
        ("positions --json --help", None),
        ("positions --json --mode", None),
        ("positions --json --mode --account", None),
        ("positions --json --mode=", None),
        ("positions --json --require stale", None),
        ("positions --json extra", None),
        ("positions --json --", None),
        ("tail --json", None),
        ("", None),
    ],
)
def test_only_plain_forms_are_read(words: str, wishes: dict[str, object] | None) -> None:
    """Whatever is not plain, right or wrong, is left to the command tree."""
    assert read_plainly(words.split()) == wishes


def test_places_come_from_the_environment_as_in_the_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """An option wins over the environment; an empty variable is none."""
    monkeypatch.setenv("DTCPOS_DB", "here.db")
    monkeypatch.setenv("DTCPOS_CONFIG", "")
    assert read_plainly(["positions", "--json"]) == {"db": Path("here.db")}
    assert read_plainly(["positions", "--json", "--db", "there.db"]) == {"db": Path("there.db")}


@pytest.mark.parametrize(
    "words",
    [
        ("--mode", "ALL"),
        ("--mode", "sim"),
        ("--mode", "LVE"),
        ("--account", "120005", "--require", "verified"),
        ("--db", "absent.db"),
        ("--config", "absent.toml"),
    ],
    ids=" ".join,
)
def test_the_answer_is_the_same_either_way(shell: Shell, words: tuple[str, ...]) -> None:
    """F4: the quick way saves time and changes nothing: output, complaint and exit code are those of the tree."""
    ways = []
    assert read_plainly(["positions", "--json", *words]) is not None
    for code in (
        "from dtcpos.cli import main; main()",
        "from dtcpos.cli.app import run; run()",
    ):
        run = subprocess.run(
            [sys.executable, "-c", code, "positions", "--json", *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ | {"DTCPOS_DB": str(shell.path)},
            check=False,
        )
        ways.append((run.returncode, _without_ages(run.stdout), run.stderr))
    assert ways[0] == ways[1]


def _without_ages(text: str) -> str:
    # Seconds since something pass between the two runs.
    parts = text.replace(", ", ",\n").splitlines()
    return "\n".join(part for part in parts if "mark_age_s" not in part and "silent for" not in part)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("words", [("positions", "--json"), ("positions",), ("positions", "--help"), ("--version",)])
def test_a_full_disk_under_any_output_is_said(shell: Shell, words: tuple[str, ...]) -> None:
    """N14: exit 5 and one line, with the command tree and without it, and before any command is run."""
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "dtcpos", *words],
            cwd=ROOT,
            env={**os.environ, "DTCPOS_DB": str(shell.path)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert (ran.returncode, ran.stderr.count("\n")) == (5, 1)
    assert ran.stderr == "dtcpos: the disk is full, the output is not complete; free some room\n"
