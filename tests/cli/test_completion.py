"""U4: pressing Tab: the files the wheel installs are current, and what they ask is answered."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from dtcpos.cli.app import COMMANDS
from tests.generators import check

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "man" / "completion"


def asked(**environment: str) -> str:
    """Run the command as a shell does that wants to know how a line may go on."""
    ran = subprocess.run(
        [sys.executable, "-m", "dtcpos"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def test_the_files_are_current() -> None:
    """U4: `python man/completions.py` writes them."""
    assert check("completions.py") == (0, "", "")


def test_the_wheel_puts_every_file_where_its_shell_looks() -> None:
    """U4: nobody has to copy them."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    shared = told["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert shared["man/completion/bash/dtcpos"] == "share/bash-completion/completions/dtcpos"
    assert shared["man/completion/zsh/_dtcpos"] == "share/zsh/site-functions/_dtcpos"
    assert shared["man/completion/fish/dtcpos.fish"] == "share/fish/vendor_completions.d/dtcpos.fish"
    files = {f"man/completion/{path.relative_to(FOLDER).as_posix()}" for path in FOLDER.rglob("*") if path.is_file()}
    assert files == {source for source in shared if source.startswith("man/completion")}


def test_every_shell_is_answered() -> None:
    """U4: commands, sub-commands, options and choices, each shell in its own words."""
    bash = {"_DTCPOS_COMPLETE": "complete_bash", "COMP_CWORD": "1"}
    assert asked(**bash, COMP_WORDS="dtcpos ").split() == list(COMMANDS)
    assert asked(**bash | {"COMP_CWORD": "2"}, COMP_WORDS="dtcpos export tr").split() == ["trades"]
    assert "replace" in asked(**bash | {"COMP_CWORD": "2"}, COMP_WORDS="dtcpos fix ").split()
    assert "--cursor" in asked(**bash | {"COMP_CWORD": "3"}, COMP_WORDS="dtcpos export trades --cu").split()
    zsh = asked(_DTCPOS_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="dtcpos verif")
    assert zsh.startswith('_arguments \'*: :(("verify":')
    fish = {"_DTCPOS_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    assert asked(**fish, _TYPER_COMPLETE_ARGS="dtcpos verif").startswith("verify\t")
    power = {"_DTCPOS_COMPLETE": "complete_powershell", "_TYPER_COMPLETE_WORD_TO_COMPLETE": "verif"}
    assert asked(**power, _TYPER_COMPLETE_ARGS="dtcpos verif").startswith("verify:::")


@pytest.mark.skipif(shutil.which("bash") is None or sys.platform == "win32", reason="there is no bash here")
def test_bash_loads_the_file_and_completes(tmp_path: Path) -> None:
    """U4: sourced as bash-completion does, with the command on the path."""
    command = tmp_path / "dtcpos"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m dtcpos "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    program = (
        f"source {shlex.quote(str(FOLDER / 'bash' / 'dtcpos'))}; complete -p dtcpos; "
        "COMP_WORDS=(dtcpos export jour) COMP_CWORD=2; _dtcpos_completion dtcpos; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    ran = subprocess.run(
        ["bash", "--norc", "-c", program],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ran.stdout.splitlines() == ["complete -o default -F _dtcpos_completion dtcpos", "journal"]
