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
from dtcpos.exact import EXACT
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
    key = TIMES.get(wanted.what, "")
    write = partial(_write_rows, wanted.form, wanted.columns)
    return Form(_ROWS[wanted.what](wanted, reader), lambda row: row[key], write)


def keys_of(what: str, *, book: Method | None = None, restated: bool = False) -> tuple[str, ...]:
    """Return every column there is."""
    if book is not None:
        return LOT_KEYS
    return (*KEYS[what], "supersedes") if restated and what == "fills" else KEYS[what]


def _trade_rows(wanted: Wanted, reader: ExportReader) -> Iterator[Any]:
    if wanted.restated:
        return reader.restated_trades(wanted.selection, after_id=wanted.after_id or 0)
    return reader.trade_rows(wanted.selection, after_id=wanted.after_id)


def _trades(wanted: Wanted, reader: ExportReader) -> Iterator[Row]:
    if wanted.book is not None:
        instruments = reader.instruments()
        found = lots(reader, wanted.selection, wanted.book)
        return (_lot_json(key, pair, instruments.get(key.symbol)) for key, pair in found)
    return map(trade_json, reader.closed_trades(_trade_rows(wanted, reader)))


def _lot_json(key: PositionKey, pair: Pair, instrument: Instrument | None) -> Row:
    gross = money_of(pair.points, instrument)
    net = gross if gross is None or pair.commission is None else EXACT.subtract(gross, pair.commission)
    return {
        "mode": key.mode,
        "account": key.account,
        "symbol": key.symbol,
        "side": str(pair.direction),
        "quantity": pair.quantity,
        "entry_time": pair.entry_time,
        "entry_price": _mean(pair.entry_notional, pair.quantity),
        "exit_time": pair.exit_time,
        "exit_price": _mean(pair.exit_notional, pair.quantity),
        "realized_points": pair.points,
        "realized_pnl": gross,
        "commission": pair.commission,
        "net_pnl": net,
        "currency": currency_of(instrument),
        "opened_by": pair.opened_by,
        "closed_by": pair.closed_by,
        "flags": [COMMISSION_UNKNOWN] if pair.commission is None else [],
    }


def _mean(notional: Decimal | None, quantity: Decimal) -> Decimal | None:
    return None if notional is None else rounded_quotient(notional, quantity)


def _fills(wanted: Wanted, reader: ExportReader) -> Iterator[Row]:
    instruments = reader.instruments()
    if wanted.by_time:
        found = reader.fills_by_time(wanted.selection)
    else:
        found = reader.fills(wanted.selection, after_id=wanted.after_id)
    # By day they stay as they were booked: a better time may lie beyond the end of the day they were read in.
    for fill, mode in found if wanted.by_time else reader.as_seen(found):
        assert fill.id is not None
        if fill.id in wanted.skipped or (wanted.restated and fill.supersedes is None):
            continue
        row = fill_json(fill, mode, instruments.get(fill.symbol))
        yield row | {"supersedes": reader.older_of(fill.id)} if wanted.restated else row


def _positions(wanted: Wanted, reader: ExportReader) -> Iterator[Row]:
    for item in standings(reader, wanted.selection, wanted.settings, wanted.now):
        yield item.as_json()


def _journal(wanted: Wanted, reader: ExportReader) -> Iterator[Row]:
    if wanted.by_time:
        return map(journal_json, reader.journal_by_time(wanted.selection))
    return map(journal_json, reader.journal(wanted.selection, after_id=wanted.after_id))


_ROWS: dict[str, Callable[[Wanted, ExportReader], Iterator[Row]]] = {
    "trades": _trades,
    "fills": _fills,
    "positions": _positions,
    "journal": _journal,
}


def _write_rows(form: str, columns: Columns, rows: Iterable[Row], out: IO[str]) -> None:
    WRITERS[form](columns.of_rows(rows), columns.names, out)


def _write_csv(rows: Iterable[Row], names: Sequence[str], out: IO[str]) -> None:
    writer = csv.writer(out)
    writer.writerow(names)
    # A table of types instead of a ladder of tests: a million rows have tens of millions of cells.
    writer.writerows([_CELLS[type(value)](value) for value in row.values()] for row in rows)


def _as_it_is(value: object) -> object:
    return value


def _words(values: list[object]) -> str:
    return " ".join(map(str, values))


_CELLS: dict[type, Callable[[Any], object]] = {
    Decimal: plain,
    datetime: iso,
    list: _words,
    str: _as_it_is,
    int: _as_it_is,
    bool: int,
    # The writer leaves the cell empty.
    type(None): _as_it_is,
}


WRITERS: dict[str, Callable[[Iterable[Row], Sequence[str], IO[str]], None]] = {
    "csv": _write_csv,
    "json": lambda rows, _names, out: write_array(rows, out),
    "jsonl": lambda rows, _names, out: write_lines(rows, out),
}


def _cell_time(cells: tuple[str, ...]) -> datetime:
    return datetime.fromisoformat(cells[_EXIT_TIME])


_EXIT_TIME = TRADE_CELLS.index("exit_time")


def _write_cells(columns: Columns, cells: Iterable[tuple[str, ...]], out: IO[str]) -> None:
    out.write(",".join(map(cell, columns.names)) + "\r\n")
    lines = map(",".join, columns.of_cells(cells))
    # Joined in large pieces: a call to write for every line would be a tenth of the whole.
    while lines_now := list(islice(lines, 512)):
        out.write("\r\n".join([*lines_now, ""]))


def _executed_at(execution: Execution) -> datetime:
    return execution.fill.time


def _write_executions(journal: Any, zone: tzinfo, remarks: Remarks, found: Iterable[Execution], out: IO[str]) -> None:
    writer = csv.writer(out)
    writer.writerow(journal.COLUMNS)
    for execution in found:
        writer.writerows(journal.rows(execution, zone, remarks))
