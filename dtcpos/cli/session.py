"""What the commands that talk to a server share: a keeper made from their options, and the printing of updates."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from attrs import frozen

from dtcpos.cli.health import NOTIFIERS
from dtcpos.cli.options import ledger_path, utc_now
from dtcpos.cli.server_options import EncodingWord
from dtcpos.cli.stopping import stopping
from dtcpos.cli.writing import opened
from dtcpos.errors import CannotConnect, LedgerError, SettingsError, UsageError
from dtcpos.settings import Settings

if TYPE_CHECKING:
    from dtcpos.cli.notices import Announcer
    from dtcpos.client import Address, Follower
    from dtcpos.dtc import Encoding
    from dtcpos.keeper import PositionKeeper
    from dtcpos.keeping.snapshots import Feed
    from dtcpos.store import PositionRepository
    from dtcpos.updates import Update

_KEEP_TALLIES_S = 5.0


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
    wishes: Wishes,
    settings: Settings,
    db: Path | None,
    publish: Callable[[list[Update]], None],
    announcer: Announcer | None = None,
) -> Iterator[tuple[Follower, PositionKeeper]]:
    """Open the ledger and make a follower of the server wished for; whatever happens, the ledger is given back.

    An announcer is told every update after it was published. When the link is closed it has a few seconds for what it
    has not delivered yet; how it fared is kept in the ledger, for `status`.
    """
    from dtcpos.client import Follower, following
    from dtcpos.keeper import PositionKeeper
    from dtcpos.keeping.answers import Policy

    wanted = settings.server
    address = wished_address(wishes, settings)
    username = wished_username(wishes, settings)
    # Before signals are only noted: a prompt must be left by Ctrl-C.
    password = password_for(username)
    path = ledger_path(db)
    with stopping() as asked, opened(path, create=True, create_folder=db is None) as repository:
        keeper = PositionKeeper(
            repository,
            mode_rules=dict(settings.accounts),
            instrument_rules=settings.instruments,
            username=username,
            password=password,
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
        if wishes.capture is not None:
            from dtcpos.exporters.placing import refuse_ledger

            refuse_ledger(wishes.capture)
        follower = Follower(
            keeper=keeper,
            address=address,
            publish=publish if announcer is None else _counting(publish, announcer, repository),
            should_stop=lambda: bool(asked()),
            once=wishes.once,
            timeout_s=wishes.timeout_s,
            capture=wishes.capture,
            secret=password,
            encodings=manners(wishes.encoding or wanted.encoding),
        )
        if announcer is not None:
            announcer.hide(password)
        try:
            with following(keeper):
                yield follower, keeper
        finally:
            if announcer is not None:
                announcer.settle(asked())
                # A ledger that has failed has been spoken of, and is no reason to hide why.
                with suppress(LedgerError):
                    _keep_tallies(repository, announcer)


def _counting(
    publish: Callable[[list[Update]], None], announcer: Announcer, repository: PositionRepository
) -> Callable[[list[Update]], None]:
    """Return what publishes and, now and then, keeps how those fare who are told."""
    kept: dict[str, dict[str, Any]] = {}
    due_at = time.monotonic()

    def publish_and_keep(updates: list[Update]) -> None:
        nonlocal kept, due_at
        publish(updates)
        if time.monotonic() >= due_at and (tallies := announcer.tallies()) != kept:
            kept, due_at = tallies, time.monotonic() + _KEEP_TALLIES_S
            _keep_tallies(repository, announcer)

    return publish_and_keep


def _keep_tallies(repository: PositionRepository, announcer: Announcer) -> None:
    tallies = announcer.tallies()
    if not tallies and not repository.preference(NOTIFIERS):
        return
    with repository.transaction():
        repository.set_preference(NOTIFIERS, json.dumps({"at": utc_now().isoformat(), "notifiers": tallies}))


def wished_address(wishes: Wishes, settings: Settings) -> Address:
    """Return where to connect: the command line's word, else the settings', with TLS if either says so."""
    from dtcpos.client import Address, address_of, tls_context

    wanted = settings.server
    ca_file = wishes.tls_ca or (Path(wanted.tls_ca) if wanted.tls_ca else None)
    has_tls = wishes.tls or ca_file is not None or wanted.tls
    try:
        tls = tls_context(ca_file) if has_tls else None
    except OSError as error:
        told = f"certificate {ca_file} cannot be read: {error.strerror or error}"
        if wishes.tls_ca is None:
            raise SettingsError(f"{told}; correct `tls_ca`") from error
        raise UsageError(f"{told}; correct --tls-ca") from error
    try:
        return address_of(wishes.server or "", default=Address(host=wanted.host, port=wanted.port, tls=tls))
    except CannotConnect as error:
        # From a server it would be the connection that fails; here somebody has mistyped.
        raise UsageError(str(error)) from error


def wished_username(wishes: Wishes, settings: Settings) -> str:
    """Return the name to log on with, empty for none."""
    return settings.server.username if wishes.username is None else wishes.username


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


def manners(word: str) -> list[tuple[Encoding, bool]]:
    """Return the encodings to try in turn for a word of --encoding, each with whether to ask for it."""
    from dtcpos.dtc import Encoding

    if word == "auto":
        # A server fixed to one encoding may not understand a request for another; each is tried in turn.
        fixed = (Encoding.JSON, Encoding.BINARY, Encoding.VLS, Encoding.JSON_COMPACT)
        return [(Encoding.BINARY, True), *((encoding, False) for encoding in fixed)]
    encoding = Encoding.of_word(word)
    return [(encoding, True), (encoding, False)]


def password_for(username: str) -> str:
    """Return the password from DTCPOS_PASSWORD, else from a prompt; UsageError where there is nobody to ask."""
    password = os.environ.get("DTCPOS_PASSWORD", "")
    if username and not password:
        if not sys.stdin.isatty():
            raise UsageError(f"no password for {username!r}: set DTCPOS_PASSWORD, or run on a terminal to be asked")
        password = str(typer.prompt("Password", hide_input=True, err=True))
    return password


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
