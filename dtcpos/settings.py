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

        local = moment.astimezone(ZoneInfo(self.timezone))
        if self.start > NOON:
            return local.date() + timedelta(days=1) if local.time() >= self.start else local.date()
        return local.date() if local.time() >= self.start else local.date() - timedelta(days=1)


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
    """What to run when something happens; the updates are given to it as JSON lines on standard input.

    `events` chooses among `EVENTS`, `mode` among the modes; empty is all of them. `bell` rings the terminal.
    """

    on_event: str = ""
    events: tuple[str, ...] = ()
    mode: str = ""
    bell: bool = False


class Settings(NamedTuple):
    """Everything a settings file can say. `accounts` keeps the order of the file: the first pattern that fits wins."""

    accounts: tuple[tuple[str, str], ...] = ()
    instruments: Mapping[str, Terms] = MappingProxyType({})
    trading_day: TradingDay = TradingDay()
    guards: Guards = Guards()
    server: ServerSettings = ServerSettings()
    notify: Notify = Notify()


def read_settings(path: Path) -> Settings:
    """Read a settings file.

    Raises `SettingsError` for a file that cannot be read, is not TOML, or says something unknown.
    """
    import tomllib

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"settings {path} cannot be read: {error}; correct the file or use another --config"
        ) from error
    try:
        tables = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"settings {path} are not valid TOML: {error}") from error
    return settings_of(tables, place=str(path))


def settings_of(tables: Mapping[str, Any], place: str) -> Settings:
    """Make settings from parsed TOML; `place` names their source in refusals. Raises `SettingsError`."""
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


def _values(table: Mapping[str, Any], readers: Mapping[str, _Reader], place: str) -> dict[str, Any]:
    _refuse_unknown(table, readers, f"{place}.")
    return {key: readers[key](value, f"{place}.{key}") for key, value in table.items()}


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
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite():
        raise SettingsError(f"{place} = {value!r} must be a number")
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
        return value if isinstance(value, time) else time.fromisoformat(_text(value, place))
    except ValueError as error:
        raise SettingsError(f"{place} = {value!r} must be a time of day such as 17:00") from error


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
    return _mode(value, place) if value else ""


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
    "notify": (Notify, {"on_event": _text, "events": _events, "mode": _mode_or_all, "bell": _switch}),
}
