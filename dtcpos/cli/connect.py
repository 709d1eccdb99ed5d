"""`dtcpos connect`: the main job."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dtcpos.cli.corrections import decimal
from dtcpos.cli.faults import say
from dtcpos.cli.notices import Bell, LogFileOption, Notices, OnEvent, OnEvents, OnMode, Webhook, announcing
from dtcpos.cli.options import AsJson, Config, Db, ledger_path, load_settings
from dtcpos.cli.server_options import (
    Accounts,
    Capture,
    ClosePrice,
    Heartbeat,
    HistoryDays,
    NoMarketData,
    PolicyWord,
    RequestTimeout,
    Server,
    SnapshotCsv,
    Timeout,
    Tls,
    TlsCa,
    Username,
    WantedEncoding,
)
from dtcpos.cli.session import Wishes, printer, session
from dtcpos.cli.shape import examples, new_app
from dtcpos.errors import AttentionNeeded, CannotConnect, UsageError
from dtcpos.model import Break

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
        PolicyWord,
        typer.Option("--policy", help="About breaks: only report them, or adopt, close, keep; ask with --once."),
    ] = "report",
    close_price: ClosePrice = None,
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
    on_event: OnEvent = None,
    webhook: Webhook = None,
    on_events: OnEvents = None,
    on_mode: OnMode = None,
    bell: Bell = False,
    log_file: LogFileOption = None,
    db: Db = None,
    config: Config = None,
) -> None:
    """Log on, bring the ledger up to date, compare it with the server, then follow.

    Every execution is booked once and is on the disk before its line is printed. Lost connections are taken up again
    for ever. Missed fills are always booked from history; differences that remain are breaks. Policies: report and
    backfill change nothing more; adopt books an adjustment to what the server states; close closes what the server no
    longer has; keep settles a break as it is. No order is ever sent.

    --on-event runs a command with what has happened since it was last run, after the disk has it, one run at a time,
    each stopped after 30 seconds. --webhook posts each update to a URL; what may pass is tried four times. Neither ever
    delays the booking: up to 10,000 updates wait, then the newest are dropped and counted. At the end they have five
    seconds for what is left.

    Ctrl-C, SIGTERM or the closing of the terminal end it in order, with 0 (3 where --once had not been answered yet);
    a second one ends it at once.
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
    if policy == "ask" and not once:
        raise UsageError("--policy ask needs --once, because nobody is asked in the middle of a feed; or run `recover`")
    if demo:
        # Not --webhook, which the environment may name for every `connect`: the demo tells nobody.
        told = {"--on-event": on_event, "--on": on_events, "--on-mode": on_mode, "--bell": bell}
        given = {"HOST": server, "--once": once, "--log-file": log_file, **told}
        if unfit := [name for name, value in given.items() if value]:
            raise UsageError(f"--demo brings its own server and ends by itself; leave out {', '.join(unfit)}")
        from dtcpos.cli.demo import play

        play(wishes, db, as_json=as_json)
        return
    _offer_older_files(db)
    notices = Notices(on_event=on_event, webhook=webhook, events=on_events, modes=on_mode, bell=bell, log_file=log_file)
    with announcing(printer(as_json=as_json), settings, notices) as announcer:
        with session(wishes, settings, db, announcer.publish, announcer) as (follower, keeper):
            follower.run()
            if once and not keeper.is_synced:
                raise CannotConnect("stopped before the server had answered; run it again")
            breaks, unfinished = list(keeper.open_breaks), keeper.unfinished
        if policy == "ask" and breaks:
            breaks = _answered(ledger_path(db), breaks)
        if once and (breaks or unfinished):
            words = [f"{len(breaks)} unanswered break{'' if len(breaks) == 1 else 's'}"] if breaks else []
            words += [f"not compared: {reason}" for reason in unfinished]
            raise AttentionNeeded(f"{'; '.join(words)}; `dtcpos positions` shows what is known")


def _answered(path: Path, breaks: list[Break]) -> list[Break]:
    """Ask about breaks and return those that are still open."""
    from dtcpos.cli.asking import ask_about_breaks
    from dtcpos.store import LedgerReader

    with LedgerReader.open(path) as reader:
        held = [holding.position for holding in reader.positions()]
    ask_about_breaks(path, breaks, held)
    with LedgerReader.open(path) as reader:
        return reader.breaks()


def _offer_older_files(db: Path | None) -> None:
    """Name the files of an earlier program that lie here, the first time a person starts a ledger."""
    if not sys.stderr.isatty() or ledger_path(db).exists():
        return
    from dtcpos.importers import import_offer

    offer = import_offer(Path.cwd())
    if offer is not None:
        say(offer)
