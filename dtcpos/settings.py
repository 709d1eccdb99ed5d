"""The settings file: TOML in, one frozen value out, nothing unknown let through.

An absent or empty file is valid and means the defaults below. A key nobody knows is refused with the nearest known
name, because a misspelt guard that silently does nothing is worse than no guard. Numbers keep the digits that were
written: they are read as `Decimal`, never as doubles.

`tomllib` and `zoneinfo` are imported where they are used, and the nouns are named tuples, which take a fifth of the
time of other classes to make: every listing reads settings before it can start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from dtcpos.errors import SettingsError
from dtcpos.exact import is_plain
from dtcpos.model import Terms

NOON = time(12)


class TradingDay(NamedTuple):
    """When a day of trading begins; the futures day by default.

    `start` is local time in `timezone`. A day that starts after noon is named for the date it ends on, as futures
    exchanges do: 17:00 on Sunday opens Monday. A day that starts at or before noon is named for the date it starts on.
    """

    timezone: str = "America/Chicago"
    start: time = time(17)

    def starts_at(self, day: date) -> datetime:
        """Return the first moment of a trading day, in UTC."""
        from zoneinfo import ZoneInfo

        opening = day - timedelta(days=1) if self.start > NOON else day
        return datetime.combine(opening, self.start, ZoneInfo(self.timezone)).astimezone(UTC)

    def day_of(self, moment: datetime) -> date:
        """Return the trading day an aware moment belongs to."""
        from zoneinfo import ZoneInfo

        # By the moments days begin at and not by the clock on the wall, which shows some times twice and some never.
        day = moment.astimezone(ZoneInfo(self.timezone)).date() + timedelta(days=1)
        while self.starts_at(day) > moment:
            day -= timedelta(days=1)
        return day


class Guards(NamedTuple):
    """Alerts a person wants; a guard never drops or changes a fact."""

    one_position_per_account: bool = True


class ServerSettings(NamedTuple):
    """Where to connect and how, unless the command line says otherwise.

    `fresh_for_s` is how long an agreement stays good after the link was closed cleanly. `symbols` are followed even
    while they are not held.
    """

    host: str = "127.0.0.1"
    port: int = 11099
    encoding: str = "auto"
    tls: bool = False
    tls_ca: str = ""
    username: str = ""
    heartbeat_s: int = 10
    history_days: int = 30
    fresh_for_s: int = 60
    symbols: tuple[str, ...] = ()


# What `connect` tells, by the word its JSON lines begin with.
EVENTS = ("session", "fill", "trade", "break", "verified", "alert", "synced")


class Notify(NamedTuple):
    """Whom to tell when something happens: a command gets the updates on standard input, a URL gets them by POST.

    `events` chooses among `EVENTS`, `modes` and `mode` together among the modes; empty is all of them. `bell` rings the
    terminal.
    """

    on_event: str = ""
    webhook: str = ""
    events: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    mode: str = ""
    bell: bool = False


class LogSettings(NamedTuple):
    """Where `connect` writes what it says, the size in bytes at which a new file is begun, how many old ones stay."""

    file: str = ""
    size_max: int = 10_000_000
    keep: int = 5


class Settings(NamedTuple):
    """Everything a settings file can say. `accounts` keeps the order of the file: the first pattern that fits wins."""

    accounts: tuple[tuple[str, str], ...] = ()
    instruments: Mapping[str, Terms] = MappingProxyType({})
    trading_day: TradingDay = TradingDay()
    guards: Guards = Guards()
    server: ServerSettings = ServerSettings()
    notify: Notify = Notify()
    log: LogSettings = LogSettings()


def read_settings(path: Path) -> Settings:
    """Read a settings file.

    Raises `SettingsError` for a file that cannot be read, is not TOML, or says something unknown.
    """
    text, _ = settings_text(path)
    return settings_of(parsed(text, place=f"settings {path}"), place=str(path))


def settings_text(path: Path) -> tuple[str, str]:
    """Return a file's text as it stands, and the encoding it is in.

    UTF-8, but editors and shells on Windows begin it with a mark, or write UTF-16 with one: those are read as well.
    Raises `SettingsError` for a file that cannot be read.
    """
    try:
        content = path.read_bytes()
        encoding = "utf-8"
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            encoding = "utf-16"
        elif content.startswith(b"\xef\xbb\xbf"):
            encoding = "utf-8-sig"
        return content.decode(encoding), encoding
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"settings {path} cannot be read: {error}; correct the file or use another --config"
        ) from error


def parsed(text: str, place: str) -> dict[str, Any]:
    """Read TOML, numbers as written; `place` names it in the refusal, which has the line. Raises `SettingsError`."""
    import tomllib

    try:
        return tomllib.loads(text, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        # Beside bad TOML: numbers of thousands of digits, exponents beyond reason, brackets nested without end.
        raise SettingsError(f"{place} are not valid TOML: {error}; correct the file") from error


def settings_of(tables: Mapping[str, Any], place: str) -> Settings:
    """Make settings from parsed TOML; `place` names their source in refusals. Raises `SettingsError`."""
    _refuse_passwords(tables, f"{place}: ")
    _refuse_unknown(tables, ("accounts", "instruments", *_TABLES), f"{place}: ")
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise SettingsError(f"{place}: {name} = {table!r} must be a table, written [{name}]")
    accounts = tuple(
        (name, _mode(mode, f"{place}: accounts.{name}")) for name, mode in tables.get("accounts", {}).items()
    )
    instruments = {}
    for symbol, table in tables.get("instruments", {}).items():
        if not isinstance(table, dict):
            raise SettingsError(f"{place}: instruments.{symbol} must be a table, written [instruments.{symbol}]")
        instruments[symbol] = Terms(**_values(table, _INSTRUMENT, f"{place}: instruments.{symbol}"))
    parts = {
        name: noun(**_values(tables.get(name, {}), readers, f"{place}: {name}"))
        for name, (noun, readers) in _TABLES.items()
    }
    return Settings(accounts=accounts, instruments=instruments, **parts)


_Reader = Callable[[Any, str], Any]
_PASSWORDS = frozenset({"password", "passwd", "passphrase", "pwd", "dtcpos_password"})


def _values(table: Mapping[str, Any], readers: Mapping[str, _Reader], place: str) -> dict[str, Any]:
    _refuse_unknown(table, readers, f"{place}.")
    return {key: readers[key](value, f"{place}.{key}") for key, value in table.items()}


def _refuse_passwords(table: Mapping[str, Any], place: str) -> None:
    """Refuse a password by its key alone, before any other refusal could print its value."""
    for key, value in table.items():
        if key.casefold() in _PASSWORDS:
            remedy = "take it out of the file, and set DTCPOS_PASSWORD or answer the prompt"
            raise SettingsError(f"{place}{key} is not a setting, a password does not belong into a file; {remedy}")
        if isinstance(value, dict):
            _refuse_passwords(value, f"{place}{key}.")


def _refuse_unknown(found: Iterable[str], known: Iterable[str], place: str) -> None:
    import difflib

    known = list(known)
    for key in found:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            remedy = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(known)}"
            raise SettingsError(f"{place}{key} is not a setting; {remedy}")


def _mode(value: Any, place: str) -> str:
    word = _text(value, place).strip().upper()
    if not word or word == "ALL" or not word.replace("_", "").isalnum():
        raise SettingsError(f"{place} = {value!r} is not a mode; write SIM, LIVE or a word of your own other than ALL")
    return word


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise SettingsError(f"{place} = {value!r} must be text in quotes")
    return value


def _texts(value: Any, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise SettingsError(f'{place} = {value!r} must be a list of texts, such as ["MESZ26-CME"]')
    return tuple(dict.fromkeys(value))


def _switch(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise SettingsError(f"{place} = {value!r} must be true or false")
    return value


def _number(value: Any, place: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not is_plain(Decimal(value)):
        raise SettingsError(f"{place} = {value!r} must be a number of at most 15 digits on either side of the dot")
    return Decimal(value)


def _positive(value: Any, place: str) -> Decimal:
    number = _number(value, place)
    if number <= 0:
        raise SettingsError(f"{place} = {value} must be greater than zero")
    return number


def _count(smallest: int, largest: int) -> _Reader:
    def read(value: Any, place: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not smallest <= value <= largest:
            raise SettingsError(f"{place} = {value!r} must be a whole number from {smallest} to {largest}")
        return value

    return read


def _one_of(*words: str) -> _Reader:
    def read(value: Any, place: str) -> str:
        if value not in words:
            raise SettingsError(f"{place} = {value!r} must be one of {', '.join(words)}")
        return str(value)

    return read


def _clock(value: Any, place: str) -> time:
    try:
        start = value if isinstance(value, time) else time.fromisoformat(_text(value, place))
        if start.tzinfo is not None:
            raise ValueError("a zone")
    except ValueError as error:
        raise SettingsError(f"{place} = {value!r} must be a time of day such as 17:00, without a zone") from error
    return start


def _zone(value: Any, place: str) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    name = _text(value, place)
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(
            f"{place} = {value!r} is not a known time zone; write one such as America/Chicago"
        ) from error
    return name


def _events(value: Any, place: str) -> tuple[str, ...]:
    return tuple(_one_of(*EVENTS)(word, place) for word in _texts(value, place))


def _mode_or_all(value: Any, place: str) -> str:
    return _mode(value, place) if value != "" else ""


def _modes(value: Any, place: str) -> tuple[str, ...]:
    return tuple(_mode(word, place) for word in _texts(value, place))


def _url(value: Any, place: str) -> str:
    from dtcpos.notifying.urls import web_address

    url = _text(value, place)
    try:
        if url:
            web_address(url)
    except ValueError as error:
        # Without the value: it may hold a secret.
        raise SettingsError(f"{place} {error}") from None
    return url


_INSTRUMENT: dict[str, _Reader] = {
    "point_value": _positive,
    "tick": _positive,
    "multiplier": _positive,
    "commission": _number,
    "currency": _text,
}

_TABLES: dict[str, tuple[Callable[..., Any], dict[str, _Reader]]] = {
    "trading_day": (TradingDay, {"timezone": _zone, "start": _clock}),
    "guards": (Guards, {"one_position_per_account": _switch}),
    "server": (
        ServerSettings,
        {
            "host": _text,
            "port": _count(1, 65535),
            "encoding": _one_of("auto", "binary", "vls", "json", "compact"),
            "tls": _switch,
            "tls_ca": _text,
            "username": _text,
            "heartbeat_s": _count(1, 3600),
            "history_days": _count(1, 36500),
            "fresh_for_s": _count(0, 31536000),
            "symbols": _texts,
        },
    ),
    "notify": (
        Notify,
        {
            "on_event": _text,
            "webhook": _url,
            "events": _events,
            "modes": _modes,
            "mode": _mode_or_all,
            "bell": _switch,
        },
    ),
    "log": (LogSettings, {"file": _text, "size_max": _count(1_000, 1 << 40), "keep": _count(1, 1_000)}),
}


def known_keys() -> dict[str, tuple[str, ...]]:
    """Return the names of the keys of each table; those of `instruments` are one instrument's."""
    return {name: tuple(readers) for name, (_, readers) in _TABLES.items()} | {"instruments": tuple(_INSTRUMENT)}
