"""`dtcpos verify`: prove the ledger against itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dtcpos.cli.jsonout import write_array
from dtcpos.cli.options import AsJson, Db, ledger_path
from dtcpos.cli.progress import telling
from dtcpos.cli.shape import examples, new_app
from dtcpos.errors import AttentionNeeded, LedgerCorrupt

if TYPE_CHECKING:
    from dtcpos.proving import Difference

app = new_app()


@app.command(epilog=examples("dtcpos verify", "dtcpos verify --json || mail -s 'the ledger needs you' me"))
def verify(as_json: AsJson = False, db: Db = None) -> None:
    """Replay the whole ledger and name everything that is not as it should be.

    The file's pages and indexes, the checksum of every row, every open position and trade against the replay of its
    fills, orders filled beyond their quantity, and executions missing between two whose positions the server stated.
    Exit code 6 where anything differs; `dtcpos rebuild` restores positions and trades. Reads only, also while `connect`
    runs.
    """
    mended: list[bool] = []

    def counted() -> Iterator[Difference]:
        for difference in differences(ledger_path(db)):
            mended.append(difference.may_be_mended)
            yield difference

    if as_json:
        write_array(map(difference_json, counted()), sys.stdout)
    else:
        for difference in counted():
            print(" ".join(difference.text.split()))
    if mended:
        remedy = "`dtcpos rebuild` restores projections" if any(mended) else "`dtcpos rebuild` mends none of it"
        raise AttentionNeeded(f"{len(mended)} difference{'' if len(mended) == 1 else 's'}; {remedy}")
    if not as_json:
        print("ok")


def differences(path: Path) -> Iterator[Difference]:
    """Yield what differs, telling how far the proof has come.

    A ledger too damaged to be opened differs; a file that is none is refused, as everywhere.
    """
    from dtcpos.proving import Difference, prove
    from dtcpos.store import AuditReader
    from dtcpos.store.connection import is_marked

    try:
        reader = AuditReader.open(path)
    except LedgerCorrupt as error:
        if not is_marked(path):
            raise
        yield Difference(kind="file", text=f"file: {error}")
        return
    with reader, telling() as progress:
        yield from prove(reader, progress)


def difference_json(difference: Difference) -> dict[str, Any]:
    """Return a difference under its keys; `text` is the line people read."""
    mode, account, symbol = difference.key or (None, None, None)
    return {
        "kind": difference.kind,
        "mode": mode or None,
        "account": account,
        "symbol": symbol,
        "id": difference.id,
        "field": difference.field,
        "stored": difference.stored,
        "replayed": difference.replayed,
        "text": difference.text,
    }
