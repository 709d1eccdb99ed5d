"""What `close`, `fix` and `undo` share: the transaction, the dry run, and what is shown before and after."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dtcpos.booking import average_price
from dtcpos.cli.jsonout import dumps, plain
from dtcpos.cli.keys import moved_position_json, trade_json
from dtcpos.cli.places import ledger_path, parse_bound, utc_now
from dtcpos.cli.render import held_text, place, profit
from dtcpos.cli.writing import opened
from dtcpos.errors import UsageError
from dtcpos.exact import is_plain
from dtcpos.model import Instrument
from dtcpos.settings import TradingDay
from dtcpos.store import ClosedTrade

if TYPE_CHECKING:
    from dtcpos.keeping.corrections import Correction, Corrections

Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it goes into the journal.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]


class _DryRunDone(Exception):
    pass


def correct(
    db: Path | None, reason: str, work: Callable[[Corrections], Correction], *, dry_run: bool, as_json: bool
) -> None:
    """Make one entry in a transaction of its own and show it; a dry run is rolled back."""
    from dtcpos.keeping.corrections import Corrections

    if not reason.strip():
        raise UsageError("--reason is empty; say why, whoever reads the journal will want to know")
    path = ledger_path(db)
    done: Correction | None = None
    with opened(path) as repository:
        try:
            with repository.transaction():
                done = work(Corrections(repository, now=utc_now()))
                if dry_run:
                    raise _DryRunDone
        except _DryRunDone:
            pass
        instrument = None if done is None else repository.instrument(done.key.symbol)
    assert done is not None
    if as_json:
        print(dumps(_as_json(done, instrument, dry_run=dry_run)))
    else:
        _show(done, instrument, dry_run=dry_run)


def positive(text: str, what: str) -> Decimal:
    """Return a quantity. Raises UsageError."""
    number = decimal(text, what)
    if number <= 0:
        raise UsageError(f"{what} {text!r} must be greater than zero; the side says which way")
    return number


def decimal(text: str, what: str) -> Decimal:
    """Return an exact number. Raises UsageError."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not is_plain(number):
        raise UsageError(f"{what} {text!r} is no number; write it with a dot, such as 5050.25")
    return number


def when(text: str | None) -> datetime:
    """Return the time meant, now without one. Raises UsageError."""
    now = utc_now()
    moment = parse_bound(text, start=True, now=now, trading_day=TradingDay())
    return now if moment is None else moment


def _as_json(done: Correction, instrument: Instrument | None, *, dry_run: bool) -> dict[str, Any]:
    def held(position: Any) -> dict[str, Any] | None:
        return None if position.is_flat else moved_position_json(position, instrument)

    return {
        "entry": None if dry_run else done.entry_id,
        "fill": None if dry_run else done.fill_id,
        "dry_run": dry_run,
        "before": held(done.before),
        "after": held(done.after),
        "trades": [trade_json(ClosedTrade(trade=trade, instrument=instrument)) for trade in done.trades],
    }


def _show(done: Correction, instrument: Instrument | None, *, dry_run: bool) -> None:
    print(place(done.key))
    for title, position in (("before", done.before), ("after", done.after)):
        held = held_text(position.signed_quantity, average_price(position))
        keys = None if position.is_flat else moved_position_json(position, instrument)
        earned = "" if keys is None else f", realized {profit(keys['realized_pnl'], keys['realized_points'])}"
        print(f"  {title:<7} {held}{earned}")
    for trade in done.trades:
        keys = trade_json(ClosedTrade(trade=trade, instrument=instrument))
        result = profit(keys["net_pnl"], keys["realized_points"])
        print(f"  trade   {keys['side']} {plain(keys['total_quantity'])}: {result}")
    if done.fill_id is None:
        print("nothing changed: this entry is in the ledger already")
    elif dry_run:
        print("dry run: nothing was changed")
    else:
        remedy = "" if done.is_undo else f"; `dtcpos undo {done.entry_id}` takes it back"
        print(f"entry {done.entry_id} in the journal, fill {done.fill_id}{remedy}")
