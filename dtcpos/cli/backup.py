"""`dtcpos backup`: a whole copy of the ledger, also while `connect` writes it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from dtcpos.cli.options import Db, ledger_path
from dtcpos.cli.shape import examples, new_app
from dtcpos.errors import UsageError

app = new_app()

# What SQLite and the writer's lock keep beside a ledger, under its name.
_BESIDE = ("-wal", "-shm", "-journal", ".lock")


@app.command(epilog=examples("dtcpos backup ledger-2026-11-20.db", "dtcpos backup /mnt/safe/ledger.db --force"))
def backup(
    target: Annotated[
        Path, typer.Argument(metavar="PATH", help="The copy; restore it with --db PATH or by moving it.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace the file if there is one.")] = False,
    db: Db = None,
) -> None:
    """Copy the ledger safely, whatever writes to it meanwhile.

    The copy is checked before it takes its place, at once and whole. Copying the file with other tools may miss what
    is still in its log.
    """
    from dtcpos.store.backup import back_up

    ledger = ledger_path(db)
    _refuse(ledger, target, force=force)
    size = back_up(ledger, target)
    print(f"{target}: {size:,} bytes, checked; `dtcpos verify --db {target}` proves it")


def _refuse(ledger: Path, target: Path, *, force: bool) -> None:
    own = [ledger, *(ledger.with_name(ledger.name + ending) for ending in _BESIDE)]
    # Not Path.resolve, which fails where links go round in a circle.
    if os.path.realpath(target) in map(os.path.realpath, own):
        raise UsageError(f"{target} belongs to the ledger itself; name another file")
    if target.is_dir():
        raise UsageError(f"{target} is a folder; name a file in it")
    log = target.with_name(target.name + "-wal")
    if log.exists():
        raise UsageError(f"{log} belongs to a ledger in use at {target}; name another file")
    if target.exists() and not force:
        raise UsageError(f"{target} exists; --force replaces it, or name another file")
