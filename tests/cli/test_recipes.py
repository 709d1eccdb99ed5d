"""`dtcpos recipes`: files that work as they are printed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from dtcpos.cli.app import app
from dtcpos.cli.recipes import RECIPES
from dtcpos.errors import LinkError, UsageError
from tests.cli.conftest import Shell

# Where a command line of dtcpos stands: in a script or a unit, after three blanks in a comment, in backquotes in prose,
# in PowerShell after the program's variable, in NSSM's parameters.
CALLS = (
    re.compile(
        r"^[^#\n]*?(?<![\w./-])(?:%h/\.local/bin/|/opt/dtcpos/bin/)?dtcpos (?!'|follows|Start |Display|App)(.*)$", re.M
    ),
    re.compile(r"^#   .*?(?<![\w./-])dtcpos ([a-z].*)$", re.M),
    re.compile(r"`dtcpos ([a-z][^`\n]*)`"),
    re.compile(r"-Argument \"--headless `\"\$program`\" (.*)\"$", re.M),
    re.compile(r"AppParameters '(.*)'$", re.M),
)
# What a shell would take for itself.
ENDS = re.compile(r"\s+(?:2?>|\|\||&&|#)")


def command_lines(text: str) -> list[list[str]]:
    """Every command line of dtcpos in a recipe, as the words a shell makes of it."""
    found = []
    for call in CALLS:
        for rest in call.findall(text):
            if not rest.startswith("$program"):
                found.append(shlex.split(ENDS.split(rest)[0].replace('`"', '"').replace("\\", "/")))
    return found


def read(words: list[str]) -> str:
    """Have the real command tree read a command line without running it, and return the command; raises on a fault."""
    command: Any = get_command(app)
    name = ""
    while getattr(command, "commands", None):
        name, *words = words
        command = command.commands[name]
        assert not getattr(command, "commands", None) or words[:1] != [], "no recipe lists what a group of commands has"
    command.make_context(name, words)
    return name


def test_every_command_line_in_a_recipe_is_one() -> None:
    """No option is made up: the real command tree reads every one of them."""
    found = {name: [read(words) for words in command_lines(text_of(name))] for name in RECIPES}
    assert found == {
        "systemd": ["connect", "recipes"],
        "systemd-system": ["connect", "recipes", "positions"],
        "windows": ["recipes", "set", "connect", "export"],
        "windows-service": ["recipes", "positions", "connect"],
        "cron": ["export"] * 4 + ["connect", "status", "status", "verify"],
    }


def text_of(name: str) -> str:
    return resources.files("dtcpos.recipes").joinpath(f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [["connect", "--log", "x"], ["conect"], ["status", "--nagios", "5"]])
def test_what_is_made_up_would_be_found(words: list[str]) -> None:
    """The check above can fail."""
    with pytest.raises((typer.TyperException, KeyError)):
        read(words)


def unit_of(name: str) -> dict[str, dict[str, list[str]]]:
    """The settings of a unit by section; a setting may be given several times."""
    found: dict[str, dict[str, list[str]]] = {}
    section = ""
    for line in text_of(name).splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(section, {}).setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("name", ["systemd", "systemd-system"])
def test_a_unit_restarts_what_may_pass_and_nothing_else(name: str) -> None:
    """Not after a wrong option (2), nor where the server has said not to come back (3); 4 and 5 may pass."""
    service = unit_of(name)["Service"]
    assert service["Restart"] == ["on-failure"]
    assert service["RestartPreventExitStatus"] == [f"{UsageError.exit_code} {LinkError.exit_code}"]
    assert unit_of(name)["Unit"]["StartLimitIntervalSec"] == ["0"]
    assert service["Type"] == ["exec"]
    assert service["KillMode"] == ["mixed"]


def test_the_unit_of_the_machine_writes_only_where_it_may() -> None:
    """ProtectSystem leaves what is made for it: the ledger's folder and the log's."""
    service = unit_of("systemd-system")["Service"]
    assert service["ProtectSystem"] == ["strict"]
    assert (service["StateDirectory"], service["LogsDirectory"]) == (["dtcpos"], ["dtcpos"])
    assert "DTCPOS_DB=/var/lib/dtcpos/" in service["Environment"][0]
    assert "--log-file /var/log/dtcpos/" in service["ExecStart"][0]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
@pytest.mark.parametrize(("name", "manager"), [("systemd", "--user"), ("systemd-system", "--system")])
def test_systemd_finds_no_fault_with_a_unit(tmp_path: Path, name: str, manager: str) -> None:
    """Verified by systemd itself, with a program in the place of ours."""
    unit = tmp_path / "dtcpos.service"
    text = re.sub(r"ExecStart=\S+", f"ExecStart={shutil.which('true')}", text_of(name))
    unit.write_text(text.replace("Documentation=man:dtcpos-connect(1)\n", ""), encoding="utf-8")
    ran = subprocess.run(
        ["systemd-analyze", manager, "--man=no", "verify", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
    )
    faults = [line for line in ran.stderr.splitlines() if "dtcpos.service" in line]
    assert faults == [], ran.stderr


def test_recipes_are_listed_and_printed(shell: Shell) -> None:
    """Every recipe there is, and each says how to use it."""
    assert [line.split()[0] for line in shell("recipes").out.splitlines()] == list(RECIPES)
    for name in RECIPES:
        assert shell("recipes", name).out.startswith("# ")
    assert (
        "known are systemd, systemd-system, windows, windows-service, cron" in shell("recipes", "launchd", code=2).err
    )


def test_what_the_recipes_export_can_be_exported(shell: Shell, tmp_path: Path) -> None:
    """A recipe that is refused at five past five helps nobody."""
    folder = tmp_path / "exports"
    folder.mkdir()
    lines = [line for line in shell("recipes", "cron").out.splitlines() if "dtcpos export" in line]
    assert len(lines) == 4
    for line in lines:
        shell(*(word.replace("$HOME", str(tmp_path)) for word in shlex.split(line)[6:]))
    assert {path.name for path in folder.iterdir()} == {"tradenote-2026-11-20.csv"}
