"""`dtcpos connect`: the main job."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from dtcpos.cli.corrections import decimal
from dtcpos.cli.options import AsJson, Config, Db, ledger_path, load_settings
from dtcpos.cli.session import (
    Accounts,
    Capture,
    Heartbeat,
    HistoryDays,
    NoMarketData,
    RequestTimeout,
    Server,
    SnapshotCsv,
    Timeout,
    Tls,
    TlsCa,
    Username,
    WantedEncoding,
    Wishes,
    printer,
    session,
)
from dtcpos.cli.shape import examples, new_app
from dtcpos.errors import AttentionNeeded, UsageError

app = new_app()


@app.command(
    epilog=examples(
        "dtcpos connect --demo           a sample session, nothing to set up",
        "dtcpos connect                  follow Sierra Chart here until Ctrl-C",
        "dtcpos connect --once --json    for cron: sync, compare, exit 0, 3 or 6",
    )
)
def connect(
    server: Server = None,
    once: Annotated[bool, typer.Option("--once", help="Sync, compare, and exit: for cron.")] = False,
    demo: Annotated[
        bool, typer.Option("--demo", help="Play a sample session on a server of our own; nothing else is needed.")
    ] = False,
    as_json: AsJson = False,
    policy: Annotated[
        Literal["report", "backfill", "adopt", "close", "keep"],
        typer.Option("--policy", help="What to do about breaks: only report them, or adopt, close or keep."),
    ] = "report",
    close_price: Annotated[
        str | None, typer.Option("--price", metavar="P", help="With --policy close: at this price; without, unknown.")
    ] = None,
    encoding: WantedEncoding = None,
    tls: Tls = False,
    tls_ca: TlsCa = None,
    username: Username = None,
    account: Accounts = None,
    heartbeat: Heartbeat = None,
    history_days: HistoryDays = None,
    request_timeout: RequestTimeout = 10.0,
    timeout: Timeout = 60.0,
    capture: Capture = None,
    no_market_data: NoMarketData = False,
    snapshot_csv: SnapshotCsv = None,
    db: Db = None,
    config: Config = None,
) -> None:
    """Log on, bring the ledger up to date, compare it with the server, then follow.

    Every execution is booked once and is on the disk before its line is printed. Lost connections are taken up again
    for ever. Missed fills are always booked from history; differences that remain are breaks. Policies: report and
    backfill change nothing more; adopt books an adjustment to what the server states; close closes what the server no
    longer has; keep settles a break as it is. No order is ever sent.
    """
    settings = load_settings(config)
    wishes = Wishes(
        server=server,
        encoding=encoding,
        tls=tls,
        tls_ca=tls_ca,
        username=username,
        accounts=tuple(account or ()),
        heartbeat_s=heartbeat,
        history_days=history_days,
        request_timeout_s=request_timeout,
        timeout_s=timeout,
        capture=capture,
        market_data=not no_market_data,
        snapshot_csv=tuple(snapshot_csv or ()),
        once=once,
        policy=policy,
        close_price=None if close_price is None else decimal(close_price, "--price"),
    )
    if demo:
        if server is not None or once:
            raise UsageError("--demo brings its own server and ends by itself; leave out HOST and --once")
        from dtcpos.cli.demo import play

        play(wishes, db, as_json=as_json)
        return
    _offer_older_files(db)
    with session(wishes, settings, db, printer(as_json=as_json)) as (follower, keeper):
        follower.run()
        breaks, unfinished = list(keeper.open_breaks), keeper.unfinished
    if once and (breaks or unfinished):
        words = [f"{len(breaks)} unanswered break{'' if len(breaks) == 1 else 's'}"] if breaks else []
        words += [f"not compared: {reason}" for reason in unfinished]
        raise AttentionNeeded(f"{'; '.join(words)}; `dtcpos positions` shows what is known")


def _offer_older_files(db: Path | None) -> None:
    """Name the files of an earlier program that lie here, the first time a person starts a ledger."""
    if not sys.stderr.isatty() or ledger_path(db).exists():
        return
    from dtcpos.importers import import_offer

    offer = import_offer(Path.cwd())
    if offer is not None:
        print(f"dtcpos: {offer}", file=sys.stderr)
