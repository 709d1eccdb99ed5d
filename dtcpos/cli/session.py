"""What the commands that talk to a server share: options, a keeper made from them, signals, the printing of updates."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from attrs import frozen

from dtcpos.cli.options import ledger_path
from dtcpos.errors import UsageError
from dtcpos.settings import Settings

if TYPE_CHECKING:
    from dtcpos.client import Follower
    from dtcpos.dtc import Encoding
    from dtcpos.keeper import PositionKeeper
    from dtcpos.keeping.snapshots import Feed
    from dtcpos.updates import Update

EncodingWord = Literal["auto", "binary", "vls", "json", "compact"]
Server = Annotated[
    str | None,
    typer.Argument(metavar="[HOST[:PORT]]", help="The DTC server. Without it: the settings', else 127.0.0.1:11099."),
]
WantedEncoding = Annotated[
    EncodingWord | None,
    typer.Option("--encoding", help="Ask for this encoding; auto asks for binary and takes what is answered."),
]
Tls = Annotated[bool, typer.Option("--tls", help="Speak TLS and check the server's certificate.")]
TlsCa = Annotated[
    Path | None, typer.Option("--tls-ca", metavar="PATH", help="Trust this certificate (PEM); implies --tls.")
]
Username = Annotated[
    str | None,
    typer.Option("--username", metavar="NAME", help="Log on by name; the password is DTCPOS_PASSWORD or asked for."),
]
Accounts = Annotated[
    list[str] | None, typer.Option("--account", metavar="NAME", help="Only this account; may be given several times.")
]
Heartbeat = Annotated[
    int | None, typer.Option("--heartbeat", metavar="SECONDS", min=1, max=3600, help="Interval of heartbeats (10).")
]
HistoryDays = Annotated[
    int | None,
    typer.Option("--history-days", metavar="DAYS", min=1, help="History asked for at first contact (30)."),
]
RequestTimeout = Annotated[
    float,
    typer.Option("--request-timeout", metavar="SECONDS", min=0.1, help="Ask again after this, then give up."),
]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="With --once: how long to keep trying.")
]
Capture = Annotated[
    Path | None, typer.Option("--capture", metavar="FILE", help="Write every byte received, for `decode`.")
]
SnapshotCsv = Annotated[
    list[str] | None,
    typer.Option(
        "--snapshot-csv",
        metavar="[SYMBOL=]PATH",
        help="Take VWAP, delta and point of control at entry and exit from this file (last,high,low,vwap,poc,cum_delta)"
        " instead of the trades heard; with SYMBOL= for that symbol only.",
    ),
]
NoMarketData = Annotated[bool, typer.Option("--no-market-data", help="Do not subscribe to trade prices.")]


@frozen(kw_only=True)
class Wishes:
    """What the command line says about a session; None and empty leave it to the settings."""

    server: str | None = None
    encoding: EncodingWord | None = None
    tls: bool = False
    tls_ca: Path | None = None
    username: str | None = None
    accounts: tuple[str, ...] = ()
    heartbeat_s: int | None = None
    history_days: int | None = None
    request_timeout_s: float = 10.0
    timeout_s: float = 60.0
    capture: Path | None = None
    market_data: bool = True
    snapshot_csv: tuple[str, ...] = ()
    once: bool = False
    policy: str = "report"
    close_price: Decimal | None = None


@contextmanager
def session(
    wishes: Wishes, settings: Settings, db: Path | None, publish: Callable[[list[Update]], None]
) -> Iterator[tuple[Follower, PositionKeeper]]:
    """Open the ledger and make a follower of the server wished for; whatever happens, the ledger is given back."""
    from dtcpos.client import Address, Follower, address_of, following, tls_context
    from dtcpos.keeper import PositionKeeper
    from dtcpos.keeping.answers import Policy
    from dtcpos.store import PositionRepository

    wanted = settings.server
    ca_file = wishes.tls_ca or (Path(wanted.tls_ca) if wanted.tls_ca else None)
    has_tls = wishes.tls or ca_file is not None or wanted.tls
    try:
        tls = tls_context(ca_file) if has_tls else None
    except OSError as error:
        words = error.strerror or str(error)
        raise UsageError(f"certificate {ca_file} cannot be read: {words}; correct --tls-ca") from error
    address = address_of(wishes.server or "", default=Address(host=wanted.host, port=wanted.port, tls=tls))
    username = wanted.username if wishes.username is None else wishes.username
    path = ledger_path(db)
    with PositionRepository.open(path, create_folder=db is None) as repository:
        keeper = PositionKeeper(
            repository,
            mode_rules=dict(settings.accounts),
            instrument_rules=settings.instruments,
            username=username,
            password=_password(username),
            accounts=wishes.accounts,
            server=str(address),
            history_days=wishes.history_days or wanted.history_days,
            heartbeat_interval_s=wishes.heartbeat_s or wanted.heartbeat_s,
            request_timeout_s=wishes.request_timeout_s,
            market_data=wishes.market_data,
            symbols=wanted.symbols,
            trading_day=settings.trading_day,
            snapshot_feed=_feed(wishes.snapshot_csv),
            one_position_per_account=settings.guards.one_position_per_account,
            policy=Policy(wishes.policy),
            close_price=wishes.close_price,
        )
        follower = Follower(
            keeper=keeper,
            address=address,
            publish=publish,
            should_stop=stop_asked(),
            once=wishes.once,
            timeout_s=wishes.timeout_s,
            capture=wishes.capture,
            encodings=_manners(wishes.encoding or wanted.encoding),
        )
        with following(keeper), signals_restored():
            yield follower, keeper


def _feed(wishes: Sequence[str]) -> Feed | None:
    if not wishes:
        return None
    from dtcpos.importers.feed import feed_of

    paths: dict[str, Path] = {}
    for wish in wishes:
        symbol, _, path = wish.rpartition("=")
        # A folder may have an equals sign in its name, a symbol has no separator.
        symbol, path = ("", wish) if "/" in symbol or "\\" in symbol else (symbol, path)
        if not path or symbol in paths:
            remedy = "write --snapshot-csv PATH, or SYMBOL=PATH once a symbol"
            raise UsageError(f"--snapshot-csv {wish!r} names {'a second file' if path else 'no file'}; {remedy}")
        paths[symbol] = Path(path)
    return feed_of(paths, clock=time.time)


def _manners(word: str) -> list[tuple[Encoding, bool]]:
    from dtcpos.dtc import Encoding

    if word == "auto":
        # A server fixed to one encoding may not understand a request for another; each is tried in turn.
        fixed = (Encoding.JSON, Encoding.BINARY, Encoding.VLS, Encoding.JSON_COMPACT)
        return [(Encoding.BINARY, True), *((encoding, False) for encoding in fixed)]
    encoding = next(known for known in Encoding if known.word == word)
    return [(encoding, True), (encoding, False)]


def _password(username: str) -> str:
    password = os.environ.get("DTCPOS_PASSWORD", "")
    if username and not password:
        if not sys.stdin.isatty():
            raise UsageError(f"no password for {username!r}: set DTCPOS_PASSWORD, or run on a terminal to be asked")
        password = str(typer.prompt("Password", hide_input=True, err=True))
    return password


@contextmanager
def signals_restored() -> Iterator[None]:
    """Give Ctrl-C and a polite kill back their meaning after a session, so that a prompt can be left."""
    stops = (signal.SIGINT, signal.SIGTERM)
    try:
        yield
    finally:
        for stop in stops:
            signal.signal(stop, signal.default_int_handler if stop is signal.SIGINT else signal.SIG_DFL)


def stop_asked() -> Callable[[], bool]:
    """Return a question that becomes true once Ctrl-C or a polite kill has come."""
    asked: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, note)
    return lambda: bool(asked)


def printer(*, as_json: bool) -> Callable[[list[Update]], None]:
    """Return what prints updates: one line each, flushed, because whoever reads them must see them now."""
    from dtcpos.cli.jsonout import dumps
    from dtcpos.cli.updates import render_update, update_json

    def publish(updates: list[Update]) -> None:
        if updates:
            lines = (dumps(update_json(update)) if as_json else render_update(update) for update in updates)
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            sys.stdout.flush()

    return publish
