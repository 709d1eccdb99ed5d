"""What can be exported: how the records of each kind are read, timed and written."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import IO, Any

from attrs import frozen

from dtcpos.booking import rounded_quotient
from dtcpos.booking.book import EXACT
from dtcpos.booking.pairing import Method, Pair
from dtcpos.cli.columns import Columns, Row
from dtcpos.cli.held import standings
from dtcpos.cli.jsonout import iso, plain, write_array, write_lines
from dtcpos.cli.keys import (
    COMMISSION_UNKNOWN,
    FILL_KEYS,
    JOURNAL_KEYS,
    POSITION_KEYS,
    TRADE_KEYS,
    currency_of,
    fill_json,
    journal_json,
    money_of,
    trade_json,
)
from dtcpos.exporters import tradenote, tradervue
from dtcpos.exporters.remarks import Remarks
from dtcpos.exporters.trade_text import TRADE_CELLS, cell, trade_cells
from dtcpos.exporters.walk import Execution, NewFills, executions, lots
from dtcpos.model import Instrument, PositionKey
from dtcpos.settings import Settings
from dtcpos.store import Selection
from dtcpos.store.exporting import ExportReader

LOT_KEYS = tuple(
    """
    mode account symbol side quantity entry_time entry_price exit_time exit_price realized_points realized_pnl
    commission net_pnl currency opened_by closed_by flags
    """.split()
)
KEYS = {"trades": TRADE_KEYS, "fills": FILL_KEYS, "positions": POSITION_KEYS, "journal": JOURNAL_KEYS}
# What a record of each kind belongs to a day by.
TIMES = {"trades": "exit_time", "fills": "time", "journal": "at"}
JOURNALS = {"tradervue": tradervue, "tradenote": tradenote}

assert TRADE_CELLS == TRADE_KEYS, "a trade has the same cells whichever way it is written"

Write = Callable[[Iterable[Any], IO[str]], None]


@frozen(kw_only=True)
class Wanted:
    """What is to be exported. `after_id` and `skipped` leave out what was exported before."""

    what: str
    form: str
    columns: Columns
    selection: Selection
    settings: Settings
    now: datetime
    zone: tzinfo | None = None
    book: Method | None = None
    restated: bool = False
    by_time: bool = False
    after_id: int | None = None
    skipped: frozenset[int] = frozenset()


@frozen
class Form:
    """Records as they come, the time of one, and what writes some of them as a file."""

    records: Iterator[Any]
    time_of: Callable[[Any], datetime]
    write: Write


def form_of(wanted: Wanted, reader: ExportReader, remarks: Remarks) -> Form:
    """Return the records wanted of a ledger, and the way to write them."""
    if wanted.form in JOURNALS:
        assert wanted.zone is not None
        new = None if wanted.after_id is None else NewFills(wanted.after_id, wanted.skipped)
        write = partial(_write_executions, JOURNALS[wanted.form], wanted.zone, remarks)
        return Form(executions(reader, wanted.selection, new), _executed_at, write)
    if wanted.form == "csv" and wanted.what == "trades" and wanted.book is None:
        stored = _trade_rows(wanted, reader)
        cells = trade_cells(stored, reader.instruments(), str(reader.path))
        return Form(cells, _cell_time, partial(_write_cells, wanted.columns))
    time = itemgetter_or_none(TIMES.get(wanted.what))
    return Form(_ROWS[wanted.what](wanted, reader), time, partial(_write_rows, wanted.form, wanted.columns))
