"""`dtcpos import`: executions and positions from files."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dtcpos.cli.jsonout import dumps
from dtcpos.cli.options import AsJson, Config, Db, ledger_path, load_settings, utc_now
from dtcpos.cli.render import is_terminal
from dtcpos.cli.shape import examples, new_app
from dtcpos.cli.writing import opened
from dtcpos.errors import AttentionNeeded, UsageError

if TYPE_CHECKING:
    from dtcpos.importers import Difference, Report
    from dtcpos.store import PositionRepository

app = new_app()

# Whoever waits to write looks every 100 ms whether it can: so everybody gets a turn between two transactions.
_PAUSE_S = 0.12


@app.command(
    epilog=examples(
        "dtcpos import TradeActivityLog.txt --dry-run         what would change",
        "dtcpos import SavedLog.txt --timezone America/Chicago",
        "dtcpos import log.txt --scale ESZ26=0.01             prices written times 100",
        "dtcpos import fills.csv                              what `dtcpos export fills` wrote",
        "dtcpos import runtime_state_panel2_SIM_Sim1.json state_SIM_Sim1.json",
    )
)
def import_files(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Activity logs, exported fills, older state files.")
    ],
    timezone: Annotated[
        str | None,
        typer.Option("--timezone", metavar="ZONE", help="The zone of a log's times; UTC, but local for Save Log As."),
    ] = None,
    scale: Annotated[
        list[str] | None,
        typer.Option("--scale", metavar="[SYMBOL=]FACTOR", help="Multiply a log's prices by this; repeatable."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    as_json: AsJson = False,
    db: Db = None,
    config: Config = None,
) -> None:
    """Import Sierra Chart's Trade Activity Log, exported fills, or the state files of an older program.

    A log's executions are booked once: those the ledger has from the server are recognised, and the same file again
    changes nothing. The position quantities it states are compared with the ledger's. A state file's position is taken
    over where the ledger has none, to be verified with the broker; its timers only set an entry time and the heat.
    Fills that `dtcpos export fills` wrote, as CSV, JSON or JSON lines, come back under their own ids, with flags and
    reasons.
    Each file is found good before anything of it is booked, and one that was broken off is completed by importing it
    again. `connect` may run meanwhile: a long file is booked in short transactions. Exit code 6 where a file and the
    ledger differ.
    """
    from dtcpos.importers import Import
    from dtcpos.importers import import_files as imported
    from dtcpos.importers.scaling import parse_scales

    settings = load_settings(config)
    wanted = Import(
        paths=files,
        zone=_zone(timezone or "UTC"),
        scales=parse_scales(scale or []),
        is_dry_run=dry_run,
        mode_rules=dict(settings.accounts),
        instrument_rules=settings.instruments,
        pause=lambda: time.sleep(_PAUSE_S),
    )
    reports: list[Report] = []
    try:
        with _progress() as progress:
            for report in imported(wanted, _opener(db, dry_run=dry_run), now=utc_now(), progress=progress):
                reports.append(report)
    finally:
        # What was imported before a refusal must be told.
        if reports:
            read_as = _read_as(timezone, scale or [])
            _tell(reports, as_json=as_json, dry_run=dry_run, read_as=read_as)
    count = sum(len(report.differences) for report in reports)
    if count:
        raise AttentionNeeded(f"{count} difference{'' if count == 1 else 's'} between file and ledger to look at")


def _read_as(timezone: str | None, scales: list[str]) -> str:
    """Say how a log was read: nothing in it tells its zone or what its prices are multiplied by."""
    zone = timezone or "UTC, as File >> Export writes them; --timezone ZONE for those of File >> Save Log As"
    return f"times were read as {zone}" + (f"; prices were multiplied: {', '.join(scales)}" if scales else "")


def _zone(name: str) -> tzinfo:
    if name.upper() in ("UTC", "Z"):
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"--timezone {name!r} is not a known time zone; write one such as America/Chicago") from error


def _opener(db: Path | None, *, dry_run: bool) -> Callable[[], PositionRepository]:
    def open_ledger() -> PositionRepository:
        from dtcpos.store import PositionRepository

        path = ledger_path(db)
        if dry_run and not path.exists():
            return PositionRepository.in_memory()
        return opened(path, create=True, create_folder=db is None)

    return open_ledger


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None] | None]:
    """Give what draws the progress on standard error, None where that is no terminal."""
    if not is_terminal(sys.stderr):
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    # Redirected, what is printed would end up beside the bar instead of in the file or pipe it is meant for.
    with Progress(console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=of)
            bar.update(tasks[what], completed=done)

        yield show


def _tell(reports: list[Report], *, as_json: bool, dry_run: bool, read_as: str) -> None:
    if as_json:
        print(dumps(_as_json(reports, dry_run=dry_run)))
        return
    for report in reports:
        _show(report, read_as)
    if dry_run:
        print("dry run: nothing was changed")


def _show(report: Report, read_as: str) -> None:
    from dtcpos.importers.logs import KIND

    print(f"{report.path}: {_counts(report)}")
    if report.kind == KIND:
        print(f"  {read_as}")
    for text in (*(each.text for each in (*report.differences, *report.ranges)), *report.notes):
        print(f"  {' '.join(text.split())}")


def _counts(report: Report) -> str:
    done = f"{report.new} new, {report.seen_before} seen before, {report.superseded} superseded"
    differences = f"{len(report.differences)} difference{'' if len(report.differences) == 1 else 's'}"
    if report.kind == "state file":
        return f"{report.kind}, {differences}"
    return f"{report.rows} rows, {report.fills} fills: {done}; {differences}"


def _as_json(reports: list[Report], *, dry_run: bool) -> dict[str, Any]:
    totals = {
        name: sum(getattr(report, name) for report in reports)
        for name in ("rows", "fills", "new", "seen_before", "superseded")
    }
    return {
        **totals,
        "differences": [_difference_json(each) for report in reports for each in report.differences],
        "files": [
            {
                "file": str(report.path),
                "kind": report.kind,
                "rows": report.rows,
                "fills": report.fills,
                "new": report.new,
                "seen_before": report.seen_before,
                "superseded": report.superseded,
                "differences": [_difference_json(each) for each in report.differences],
                "ranges": [_difference_json(each) for each in report.ranges],
                "notes": list(report.notes),
            }
            for report in reports
        ],
        "dry_run": dry_run,
    }


def _difference_json(difference: Difference) -> dict[str, Any]:
    return {
        "kind": difference.kind,
        "account": difference.account or None,
        "symbol": difference.symbol or None,
        "time": difference.time,
        "stated": difference.stated,
        "held": difference.held,
        "text": difference.text,
    }
