"""`dtcpos rebuild`: make positions and trades again from the ledger."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dtcpos.cli.jsonout import write_array
from dtcpos.cli.options import AsJson, Db, ledger_path, utc_now
from dtcpos.cli.progress import telling
from dtcpos.cli.shape import examples, new_app
from dtcpos.cli.verify import difference_json
from dtcpos.errors import AttentionNeeded
from dtcpos.store import PositionRepository, WriterLock

app = new_app()


@app.command(epilog=examples("dtcpos rebuild", "dtcpos rebuild --dry-run"))
def rebuild(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    as_json: AsJson = False,
    db: Db = None,
) -> None:
    """Make every open position and trade what the fills of the ledger say, in one transaction.

    What is right is not touched, brackets and verification stay with their position, and the journal says what
    changed. Damaged orders, last prices and links are removed: the server tells them again. Stop `connect` first. Exit
    code 6 where fills, accounts or instruments themselves are damaged: they are left alone, and only a backup has the
    truth.
    """
    from dtcpos.rebuilding import rebuild as make_again

    path, now = ledger_path(db), utc_now()
    lock = WriterLock(path)
    lock.acquire(now.timestamp())
    with lock, PositionRepository.open(path, create=False) as repository, telling() as progress:
        done = make_again(repository, now=now, dry_run=dry_run, progress=progress)
    if as_json:
        write_array(map(difference_json, (*done.mended, *done.left)), sys.stdout)
    else:
        for difference in (*done.mended, *done.left):
            print(" ".join(difference.text.split()))
        if not done.mended:
            print("nothing to rebuild: positions and trades are what the ledger gives")
        elif dry_run:
            print("nothing was changed")
    if done.left:
        raise AttentionNeeded(f"{len(done.left)} left alone because their fills are damaged; restore a backup")
