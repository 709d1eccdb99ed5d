"""Where the ledger and the settings are, what time it is, and what the shared filters select.

Apart from `options`, because nothing here needs Typer, and `positions --json` starts without it.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dtcpos.errors import SettingsError, UsageError
from dtcpos.model import Mode
from dtcpos.settings import Settings, TradingDay, read_settings

if TYPE_CHECKING:
    from dtcpos.store import LedgerReader, Selection


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


def load_settings(config: Path | None) -> Settings:
    """Read the settings; a file that was named must exist, the platform's own need not."""
    path = settings_path(config)
    if config is None and not path.exists():
        return Settings()
    if str(path) in ("", ".", os.devnull):
        return Settings()
    if not path.exists():
        raise SettingsError(f"settings {path} do not exist; correct --config or DTCPOS_CONFIG")
    return read_settings(path)


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

    modes: tuple[str, ...] | None = None
    if mode is None and follow_view:
        mode = reader.preference("view") or None
        if mode is not None and account is None:
            account = reader.preference("view_account") or None
    if mode is not None and mode.strip().upper() != "ALL":
        modes = (known_mode(reader, mode),)
    return Selection(
        modes=modes,
        account=account,
        symbol=symbol,
        since=parse_bound(since, start=True, now=now, trading_day=trading_day),
        until=parse_bound(until, start=False, now=now, trading_day=trading_day),
    )


def known_mode(reader: LedgerReader, text: str) -> str:
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
