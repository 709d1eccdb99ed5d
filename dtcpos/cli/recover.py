"""`dtcpos recover`: after a crash or a gap, what is really open."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dtcpos.booking import KEPT, average_price
from dtcpos.cli.corrections import decimal
from dtcpos.cli.jsonout import dumps
from dtcpos.cli.keys import break_json
from dtcpos.cli.options import AsJson, Config, Db, ledger_path, load_settings, utc_now
from dtcpos.cli.render import age, break_text, held_text
from dtcpos.cli.server_options import (
    Accounts,
    ClosePrice,
    PolicyWord,
    RequestTimeout,
    Server,
    Timeout,
    Tls,
    TlsCa,
    Username,
    WantedEncoding,
)
from dtcpos.cli.session import Wishes, session
from dtcpos.cli.shape import examples, new_app
from dtcpos.cli.standings import Standing, standings
from dtcpos.errors import AttentionNeeded, CannotConnect, LedgerLocked
from dtcpos.model import Break, Status
from dtcpos.settings import Settings
from dtcpos.store import LedgerReader, Selection

app = new_app()


@app.command(
    epilog=examples(
        "dtcpos recover              what is open, proved against Sierra Chart",
        "dtcpos recover --offline    what the ledger holds, without a server",
        "dtcpos recover --json || mail -s 'look at your positions' me",
    )
)
def recover(
    server: Server = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no server; list what the ledger holds.")] = False,
    as_json: AsJson = False,
    policy: Annotated[
        PolicyWord | None,
        typer.Option("--policy", help="About breaks: ask (on a terminal), or do this; elsewhere report."),
    ] = None,
    close_price: ClosePrice = None,
    encoding: WantedEncoding = None,
    tls: Tls = False,
    tls_ca: TlsCa = None,
    username: Username = None,
    account: Accounts = None,
    request_timeout: RequestTimeout = 10.0,
    timeout: Timeout = 15.0,
    db: Db = None,
    config: Config = None,
) -> None:
    """Check the ledger's file, bring it up to date with the server, and list what is open.

    Missed fills are booked from history. On a terminal you are then asked about every break: the difference is shown,
    with what each answer would do. Elsewhere nothing is asked and nothing more is changed unless a --policy says so.
    Where no server can be reached, what is open is listed as the ledger has it, to be verified with the broker. Exit
    code 6 while something needs attention.
    """
    is_asking = policy == "ask" or (policy is None and sys.stdin.isatty() and sys.stdout.isatty() and not as_json)
    settings = load_settings(config)
    path = ledger_path(db)
    soundness = _checked(path)
    backfilled, is_proved = 0, False
    unfinished: tuple[str, ...] = ()
    if not offline:
        wishes = Wishes(
            server=server,
            encoding=encoding,
            tls=tls,
            tls_ca=tls_ca,
            username=username,
            accounts=tuple(account or ()),
            request_timeout_s=request_timeout,
            timeout_s=timeout,
            market_data=False,
            once=True,
            policy=policy if policy not in (None, "ask") else "report",
            close_price=None if close_price is None else decimal(close_price, "--price"),
        )
        try:
            backfilled, unfinished = _synced(wishes, settings, db)
            is_proved = True
        except (CannotConnect, LedgerLocked) as error:
            print(f"dtcpos: {error}; listing what the ledger holds", file=sys.stderr)
    found, breaks = _listed(path, settings)
    if is_asking:
        _show(found, breaks, backfilled, soundness, is_proved=is_proved)
        _ask(path, found, breaks, is_proved=is_proved)
        found, breaks = _listed(path, settings)
    elif as_json:
        report = {
            "positions": [item.as_json() for item in found],
            "breaks": [break_json(each) for each in breaks],
            "backfilled": backfilled,
            "ledger": soundness,
        }
        print(dumps(report))
    else:
        _show(found, breaks, backfilled, soundness, is_proved=is_proved)
    doubtful = [item for item in found if _is_doubtful(item, is_proved=is_proved)]
    if soundness != "ok" or doubtful or breaks or unfinished:
        raise AttentionNeeded(_attention(soundness, doubtful, breaks, unfinished))


def _is_doubtful(item: Standing, *, is_proved: bool) -> bool:
    if item.reason.startswith(KEPT):
        return False
    return not is_proved or item.status is not Status.VERIFIED


def _listed(path: Path, settings: Settings) -> tuple[list[Standing], list[Break]]:
    with LedgerReader.open(path) as reader:
        return standings(reader, Selection(), settings, utc_now()), reader.breaks()


def _ask(path: Path, found: list[Standing], breaks: list[Break], *, is_proved: bool) -> None:
    from dtcpos.cli.asking import ask_about_breaks, ask_about_positions

    ask_about_breaks(path, breaks, [item.holding.position for item in found])
    if not is_proved:
        broken = {each.key for each in breaks}
        ask_about_positions(path, [item.holding.position for item in found if item.holding.position.key not in broken])


def _checked(path: Path) -> str:
    with LedgerReader.open(path) as reader:
        return reader.integrity()


def _synced(wishes: Wishes, settings: Settings, db: Path | None) -> tuple[int, tuple[str, ...]]:
    from dtcpos.updates import AlertUpdate, SyncedUpdate, Update

    synced: list[SyncedUpdate] = []

    def publish(updates: list[Update]) -> None:
        for update in updates:
            if isinstance(update, SyncedUpdate):
                synced.append(update)
            elif isinstance(update, AlertUpdate):
                print(f"dtcpos: {update.text}", file=sys.stderr)

    with session(wishes, settings, db, publish) as (follower, _):
        follower.run()
    if not synced:
        raise CannotConnect("stopped before the server had answered")
    return synced[-1].backfilled, synced[-1].unfinished


def _show(found: list[Standing], breaks: list[Break], backfilled: int, soundness: str, *, is_proved: bool) -> None:
    print(f"ledger: {soundness}")
    if is_proved:
        print(f"server: answered; {backfilled} missed fill{'' if backfilled == 1 else 's'} booked")
    if not found:
        print("no open positions")
    for item in found:
        position = item.holding.position
        mode, account, symbol = position.key
        words = held_text(position.signed_quantity, average_price(position)).replace(" @ ", f" {symbol} @ ", 1)
        if " @ " not in words:
            words = f"{words} {symbol}"
        if is_proved and item.status is Status.VERIFIED:
            print(f"Open position: {words}. The server agrees.")
        else:
            print(f"Open position detected: {words}. Verify with broker.")
        opened = age(position.entry_time, item.now)
        print(f"  {mode} {account}, open for {opened}; {item.status}: {item.reason}")
    for each in breaks:
        print(f"{Status.BREAK}  {break_text(each)}")


def _attention(soundness: str, doubtful: list[Standing], breaks: list[Break], unfinished: tuple[str, ...]) -> str:
    words = []
    if soundness != "ok":
        words.append(f"the ledger's file is damaged: {soundness}; restore a backup")
    if doubtful:
        words.append(f"{len(doubtful)} open position{'' if len(doubtful) == 1 else 's'} to verify with the broker")
    if breaks:
        words.append(f"{len(breaks)} unanswered break{'' if len(breaks) == 1 else 's'}")
    words += [f"not compared: {reason}" for reason in unfinished]
    return "; ".join(words)
