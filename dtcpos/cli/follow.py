"""Wait for another process to write, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dtcpos.store import LedgerReader

_POLL_S = 0.2


def changes(reader: LedgerReader, *, at_least_every_s: float | None = None) -> Iterator[None]:
    """Yield at once, then each time the ledger changed, until the process is told to stop.

    SQLite has no notice between processes, so its data version is asked five times a second, which costs no read of
    the file's pages. Ctrl-C and SIGTERM end the iteration.
    """
    for stop in (signal.SIGINT, signal.SIGTERM):
        # Also where a shell started us in the background with SIGINT ignored.
        signal.signal(stop, signal.default_int_handler)
    try:
        while True:
            seen = reader.data_version()
            yield
            waited = 0.0
            while reader.data_version() == seen and (at_least_every_s is None or waited < at_least_every_s):
                time.sleep(_POLL_S)
                waited += _POLL_S
    except KeyboardInterrupt:
        return
