"""Where the ledger and the settings are, what time it is, and what the shared filters select.

Apart from `options`, because nothing here needs Typer, and `positions --json` starts without it.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dtcpos.errors import SettingsError, UsageError
from dtcpos.words import Mode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dtcpos.model import Account
    from dtcpos.settings import Settings, TradingDay
    from dtcpos.store import LedgerReader, Selection


class KnowsAccounts(Protocol):
    """What the mode and account meant are found with: a reader of any kind."""

    def preference(self, key: str) -> str | None:
        """Return what was stored under the key."""

    def accounts(self) -> Iterable[Account]:
        """Return every account."""


def utc_now() -> datetime:
    """Return the time; the one clock the command line reads."""
    return datetime.now(UTC)


def ledger_path(db: Path | None) -> Path:
    """Return the ledger's place: the option or DTCPOS_DB, else the platform's user data folder."""
    if db is not None:
        return db
    # Imported where it is used: a script that names its ledger does not wait for it.
    from platformdirs import user_data_path

    return user_data_path("dtcpos", appauthor=False) / "ledger.db"


def settings_path(config: Path | None) -> Path:
    """Return the settings' place: the option or DTCPOS_CONFIG, else the platform's config folder."""
    if config is not None:
        return config
    from platformdirs import user_config_path

    return user_config_path("dtcpos", appauthor=False) / "settings.toml"


def settings_file(config: Path | None) -> Path | None:
    """Return the settings file to read, None where there is none; one that was named must exist."""
    path = settings_path(config)
    if config is None and not path.exists():
        return None
    if str(path) in ("", ".", os.devnull):
        return None
    if not path.exists():
        raise SettingsError(f"settings {path} do not exist; correct --config or DTCPOS_CONFIG")
    return path


def load_settings(config: Path | None) -> Settings:
    """Read the settings; a file that was named must exist, the platform's own need not."""
    from dtcpos.settings import Settings, read_settings

    path = settings_file(config)
    return Settings() if path is None else read_settings(path)


def mode_word(text: str) -> str:
    """Return a mode as it is stored: upper case, never ALL. Raises `UsageError`."""
    word = text.strip().upper()
    if not word or word == "ALL" or not word.replace("_", "").isalnum():
        raise UsageError(f"{text!r} is not a mode; write SIM, LIVE or a word of your own other than ALL")
    return word


def select(
    reader: LedgerReader,
    *,
    mode: str | None,
    account: str | None,
    symbol: str | None,
    since: str | None = None,
    until: str | None = None,
    trading_day: TradingDay,
    now: datetime,
    follow_view: bool = True,
) -> Selection:
    """Turn the shared filters into a selection.

    Without a mode the view chosen with `switch` applies where `follow_view` says so, else every mode is selected.
    Raises `UsageError` for a mode no account has: an empty answer to a misspelt question looks like "flat".
    """
    from dtcpos.store import Selection

    modes, account = modes_and_account(reader, mode, account, follow_view=follow_view)
    return Selection(
        modes=modes,
        account=account,
        symbol=symbol,
        since=parse_bound(since, start=True, now=now, trading_day=trading_day),
        until=parse_bound(until, start=False, now=now, trading_day=trading_day),
    )


def modes_and_account(
    reader: KnowsAccounts, mode: str | None, account: str | None, *, follow_view: bool = True
) -> tuple[tuple[str, ...] | None, str | None]:
    """Return the modes and the account that are selected, None for all of them. Raises `UsageError`."""
    if mode is None and follow_view:
        mode = reader.preference("view") or None
        if mode is not None and account is None:
            account = reader.preference("view_account") or None
    if mode is None or mode.strip().upper() == "ALL":
        return None, account
    return (known_mode(reader, mode),), account


def known_mode(reader: KnowsAccounts, text: str) -> str:
    """Return the mode meant by `text`. Raises `UsageError` where it is none of the ledger's."""
    word = mode_word(text)
    if word not in Mode.__members__:
        known = sorted({*Mode, *(account.mode for account in reader.accounts())})
        if word not in known:
            raise UsageError(f"no account is in mode {text!r}; known are {', '.join(known)} and ALL")
    return word


def parse_bound(text: str | None, *, start: bool, now: datetime, trading_day: TradingDay) -> datetime | None:
    """Return the moment of a --since (`start`) or an --until, None where the option was not given."""
    if text is None:
        return None
    from dtcpos.cli.times import parse_since, parse_until

    parse = parse_since if start else parse_until
    return parse(text, now=now, trading_day=trading_day)
