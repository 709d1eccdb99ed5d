"""The command tree, faults and exit codes, help."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from dtcpos._version import __version__
from dtcpos.cli.app import COMMANDS, app
from dtcpos.errors import DtcposError
from tests.cli.conftest import Shell

ROOT = Path(__file__).parents[2]
DAILY = ["connect", "positions", "tail", "recover"]


def every_command() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        found.append((name,))
        found.extend((name, sub) for sub in getattr(command, "commands", {}))
    return found


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dtcpos", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | environment,
        check=False,
    )


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_help_of_every_command_ends_with_an_example(words: tuple[str, ...]) -> None:
    """U4: help with an example for every command, readable at 80 columns."""
    result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    heading = next(place for place, line in enumerate(lines) if line.strip() in ("Example:", "Examples:"))
    examples = [line.strip() for line in lines[heading + 1 :]]
    assert examples
    assert any(example.startswith(f"dtcpos {' '.join(words)}") for example in examples)
    assert all(len(line) <= 80 for line in lines[:heading])
    assert all(len(line) <= 100 for line in lines)
    assert all(option_help(words).values()), "an option without help"


def option_help(words: tuple[str, ...]) -> dict[str, str]:
    command: Any = get_command(app)
    for word in words:
        command = command.commands[word]
    return {param.name: param.help for param in command.params}


def test_help_lists_the_commands_in_the_order_of_use() -> None:
    """The daily ones first; each with one line."""
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    listed = [line.split()[0] for line in result.stdout.partition("Commands:")[2].splitlines() if line.startswith("  ")]
    assert [name for name in listed if name in COMMANDS] == list(COMMANDS)
    assert list(COMMANDS)[: len(DAILY)] == DAILY


def test_version() -> None:
    """One line, from the one place that states it."""
    assert CliRunner().invoke(app, ["--version"]).stdout == f"dtcpos {__version__}\n"


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["position"], "No such command 'position'. Did you mean 'positions'"),
        (["positions", "--jsn"], "No such option: --jsn"),
        (["tail", "-n", "many"], "'many' is not a valid int"),
        (["tail", "-n", "-1"], "-1 is not in the range"),
        (["tail", "--since", "someday"], "'someday' is not a time; write"),
        (["switch"], "Missing argument 'MODE'"),
        (["decode", "x", "--encoding", "morse"], "'morse' is not one of"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_2(shell: Shell, words: list[str], part: str) -> None:
    """U4: every error names the value and the remedy."""
    ran = shell(*words, code=2)
    assert part in ran.err
    assert ran.err.startswith("dtcpos: ")
    assert ran.err.count("\n") == 1
    assert ran.out == ""


def test_without_a_command_the_help_is_shown() -> None:
    """A newcomer who types the name learns what there is."""
    result = CliRunner().invoke(app, [])
    assert "positions" in result.output
    assert result.exit_code == 2


@pytest.mark.parametrize("kind", DtcposError.__subclasses__())
def test_faults_become_one_line_and_their_code(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, kind: type[DtcposError]
) -> None:
    """What was wrong, the value, the remedy; never a traceback for the world's faults."""

    def fail(_path: object) -> None:
        raise kind("the thing\nis 5; mend it")

    monkeypatch.setattr("dtcpos.cli.listing.ledger_path", fail)
    assert shell("positions", code=kind.exit_code).err == "dtcpos: the thing is 5; mend it\n"


_BROKEN = (
    "import sys\n"
    "import dtcpos.cli.listing as room\n"
    "from dtcpos.cli import main\n"
    "room.ledger_path = None\n"
    "sys.argv = ['dtcpos', 'positions']\n"
    "main()\n"
)


@pytest.mark.parametrize("debug", ["", "1"])
def test_our_own_faults_are_one_line_and_exit_1(debug: str) -> None:
    """A traceback only for those who ask for it."""
    ran = subprocess.run(
        [sys.executable, "-c", _BROKEN],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"DTCPOS_DEBUG": debug},
        check=False,
    )
    assert ran.returncode == 1
    if debug:
        assert "Traceback" in ran.stderr
    else:
        assert ran.stderr.startswith("dtcpos: internal error: TypeError: ")
        assert ran.stderr.count("\n") == 1


@pytest.mark.skipif(os.name != "posix", reason="pipes close like this on POSIX only")
def test_a_reader_that_has_had_enough_is_no_fault(shell: Shell) -> None:
    """`dtcpos export fills | head -1` says nothing on standard error."""
    command = f'"{sys.executable}" -m dtcpos export fills --db "{shell.path}" | true'
    ran = subprocess.run(["/bin/sh", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_under_the_output_is_said(shell: Shell) -> None:
    """N14: exit 5 and one line."""
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "dtcpos", "export", "fills", "--db", str(shell.path)],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.returncode == 5
    assert ran.stderr == "dtcpos: the disk is full, the output is not complete; free some room\n"


@pytest.mark.parametrize("name", ["DTCPOS_DB", "DTCPOS_CONFIG"])
def test_places_come_from_the_environment(tmp_path: Path, name: str) -> None:
    """The option, else the environment, else the platform's folder."""
    path = tmp_path / "some.file"
    ran = run("config", **{name: str(path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)})
    assert str(path) in ran.stdout + ran.stderr


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish"])
def test_completion(shell_name: str) -> None:
    """U4: completion for the usual shells comes with the program."""
    ran = run("--show-completion", shell_name, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert ran.returncode == 0
    assert "_DTCPOS_COMPLETE" in ran.stdout


def test_completion_knows_the_commands() -> None:
    """Typing `dtcpos pos` and a tab finds `positions`."""
    ran = run(_DTCPOS_COMPLETE="complete_bash", COMP_WORDS="dtcpos pos", COMP_CWORD="1")
    assert ran.stdout.split() == ["positions"]
