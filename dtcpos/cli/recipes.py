"""`dtcpos recipes`: ready-made files for running unattended."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from dtcpos.cli.shape import examples, new_app
from dtcpos.errors import UsageError

app = new_app()

RECIPES = {
    "systemd": "connect as a service of your own user on Linux",
    "systemd-system": "connect as a service of the machine on Linux, walled in",
    "windows": "connect and a nightly export by the Task Scheduler",
    "windows-service": "connect as a service of Windows, by NSSM",
    "cron": "exports, checks and backups for crontab",
}


@app.command(
    epilog=examples(
        "dtcpos recipes", "dtcpos recipes systemd > ~/.config/systemd/user/dtcpos.service", "dtcpos recipes cron"
    )
)
def recipes(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Which one; without, the list.")] = None,
) -> None:
    """Print a ready-made file for running unattended, or the list of them.

    Each says in its first lines what to do with it. The lines for cron name the folder this command is in.
    """
    if name is None:
        for known, meaning in RECIPES.items():
            print(f"{known:<16} {meaning}")
        return
    if name not in RECIPES:
        raise UsageError(f"there is no recipe {name!r}; known are {', '.join(RECIPES)}")
    text = resources.files("dtcpos.recipes").joinpath(f"{name}.txt").read_text(encoding="utf-8")
    sys.stdout.write(text.replace("{path}", _search_path()))


def _search_path() -> str:
    """Return where cron finds this very command, and those every line may use."""
    found = shutil.which("dtcpos")
    own = str(Path(found).absolute().parent) if found is not None else sysconfig.get_path("scripts")
    return os.pathsep.join(dict.fromkeys([own, "/usr/local/bin", "/usr/bin", "/bin"]))
