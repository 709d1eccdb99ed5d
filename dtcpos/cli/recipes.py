"""`dtcpos recipes`: ready-made files for running unattended."""

from __future__ import annotations

import sys
from importlib import resources
from typing import Annotated

import typer

from dtcpos.cli.shape import examples, new_app
from dtcpos.errors import UsageError

app = new_app()

RECIPES = {
    "systemd": "connect as a service of your own user on Linux",
    "windows": "connect and a nightly export by the Task Scheduler",
    "cron": "exports, checks and backups for crontab",
}


@app.command(epilog=examples("dtcpos recipes", "dtcpos recipes systemd > ~/.config/systemd/user/dtcpos.service"))
def recipes(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Which one: systemd, windows or cron.")] = None,
) -> None:
    """Print a ready-made file for running unattended, or the list of them.

    Each says in its first lines what to do with it.
    """
    if name is None:
        for known, meaning in RECIPES.items():
            print(f"{known:<9} {meaning}")
        return
    if name not in RECIPES:
        raise UsageError(f"there is no recipe {name!r}; known are {', '.join(RECIPES)}")
    sys.stdout.write(resources.files("dtcpos.recipes").joinpath(f"{name}.txt").read_text(encoding="utf-8"))
