"""What `doctor` looks at on this computer: settings, time zones, the ledger, its holder, its disk.

Nothing is written and no lock is taken: whether the ledger can be written is asked of the operating system.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from attrs import frozen

from dtcpos.cli.health import Health, health_of
from dtcpos.cli.places import load_settings, settings_path
from dtcpos.diagnosis.sight import Finding
from dtcpos.diagnosis.words import fault, ok, skipped, warning
from dtcpos.errors import LedgerError, LedgerMissing, SettingsError
from dtcpos.settings import Settings, TradingDay
from dtcpos.store import LedgerReader, WriterLock, is_running

# A day of ticks and fills takes some megabytes; SQLite's log may grow to as much as the file before it is folded in.
ROOM_MIN = 64 * 1024 * 1024
# Beyond this the pages of the file are not all read: that is `verify`'s to do.
_CHECKED_MAX = 256 * 1024 * 1024
_PRICES_MAX = 50

FreeRoom = Callable[[Path], int]


@frozen(kw_only=True)
class Premises:
    """The findings of this computer; the settings that hold; the last wire price of symbols the ledger knows."""

    findings: tuple[Finding, ...]
    settings: Settings
    prices: tuple[tuple[str, Decimal], ...] = ()


def look_around(ledger: Path, config: Path | None, *, makes_folder: bool, now: datetime) -> Premises:
    """Look at everything on this computer that can keep `connect` from working.

    `makes_folder` says that `connect` would make the ledger's folder. Where the settings cannot be read, those of an
    empty file hold.
    """
    settings, about_settings = _settings(config)
    findings = [about_settings, zone_finding(settings.trading_day)]
    about_ledger, about_holder, prices = _ledger(ledger, settings, makes_folder=makes_folder, now=now)
    findings += [about_ledger, about_holder, room_finding(ledger, _free_room)]
    return Premises(findings=tuple(findings), settings=settings, prices=prices)


def _settings(config: Path | None) -> tuple[Settings, Finding]:
    path = settings_path(config)
    try:
        settings = load_settings(config)
    except SettingsError as error:
        return Settings(), fault("settings", str(error), "correct the file; `dtcpos config --explain` lists every key")
    return settings, ok("settings", str(path) if path.exists() else f"none, the defaults hold ({path})")


def zone_finding(day: TradingDay) -> Finding:
    """Return whether the trading day's time zone is known to this computer."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        # A zone that was read before is not looked up again, unless asked so.
        ZoneInfo.no_cache(day.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return fault(
            "time_zone",
            f"this computer does not know the time zone {day.timezone!r}",
            "install the time zones (pip install tzdata), or correct `timezone` in the settings",
        )
    return ok("time_zone", day.timezone)


def room_finding(ledger: Path, free_room: FreeRoom) -> Finding:
    """Return whether the ledger's disk has room for some days."""
    folder = next((parent for parent in ledger.absolute().parents if parent.is_dir()), None)
    if folder is None:
        return skipped("disk", "the ledger has no folder yet")
    try:
        free = free_room(folder)
    except OSError as error:
        return warning("disk", f"the room left cannot be told ({error.strerror or error})", "look at the disk")
    words = f"{free / 1024**2:,.0f} MB free"
    if free < ROOM_MIN:
        return fault("disk", f"{words} where the ledger is, {folder}", "free some room, or use another --db")
    return ok("disk", words)


def _free_room(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _ledger(
    path: Path, settings: Settings, *, makes_folder: bool, now: datetime
) -> tuple[Finding, Finding, tuple[tuple[str, Decimal], ...]]:
    nobody = ok("lock", "nobody holds the ledger")
    try:
        with LedgerReader.open(path) as reader:
            obstacle = _obstacle(path)
            soundness = reader.integrity() if _is_small(path) else "ok"
            if soundness != "ok":
                found = fault("ledger", f"{path} is damaged: {soundness}", "run `dtcpos verify`, then restore a backup")
                return found, _holder(path, None), ()
            about = obstacle or ok("ledger", f"{path}, {'sound' if _is_small(path) else 'opens'}")
            return about, _holder(path, health_of(reader, settings, now)), _prices(reader)
    except LedgerMissing:
        obstacle = _obstacle_to_make(path, makes_folder=makes_folder)
        return obstacle or ok("ledger", f"none yet at {path}; `dtcpos connect` makes it"), nobody, ()
    except LedgerError as error:
        if type(error) is LedgerError:
            # A ledger of an earlier release, which the next `connect` brings up to date.
            return warning("ledger", str(error), "run `dtcpos connect` once"), _holder(path, None), ()
        words, _, remedy = str(error).partition("; ")
        return fault("ledger", words, remedy or "see `dtcpos verify`"), _holder(path, None), ()


def may_write(path: Path) -> bool:
    """Return whether the operating system would let us write there; a file system that is read-only counts."""
    return os.access(path, os.W_OK)


def _is_small(path: Path) -> bool:
    return path.stat().st_size <= _CHECKED_MAX


def _obstacle(path: Path) -> Finding | None:
    """Return why the ledger cannot be written, None if it can."""
    for each in (path, path.parent):
        if not may_write(each):
            return fault(
                "ledger", f"{each} may not be written", "allow writing to the file and its folder, or use --db"
            )
    return None


def _obstacle_to_make(path: Path, *, makes_folder: bool) -> Finding | None:
    folder = path.absolute().parent
    if path.is_dir() or (path.exists() and not may_write(path)):
        return fault("ledger", f"{path} cannot be written", "name a file with --db")
    if not folder.is_dir() and not makes_folder:
        return fault("ledger", f"there is no folder {folder}", "make it, or name another file with --db")
    existing = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    if not existing.is_dir() or not may_write(existing):
        return fault("ledger", f"{existing} may not be written", "allow it, or name another file with --db")
    return None


def _holder(path: Path, health: Health | None) -> Finding:
    holder = WriterLock(path).holder()
    if holder is None or not is_running(holder.pid):
        return ok("lock", "nobody holds the ledger")
    held = f"process {holder.pid} holds the ledger since {holder.since}"
    lines = health.lines if health is not None else ()
    servers = ", ".join(line.link.server for line in lines if line.is_up and line.link.holder_pid == holder.pid)
    if servers:
        return ok("lock", f"{held} and follows {servers}; a second `connect` is refused")
    return warning("lock", f"{held}, and hears nothing", f"look at process {holder.pid}, stop it, or use another --db")


def _prices(reader: LedgerReader) -> tuple[tuple[str, Decimal], ...]:
    """Return the wire prices of the newest fills, the newest last."""
    fills = reader.fills(last=_PRICES_MAX)
    return tuple({fill.symbol: fill.price for fill, _ in fills if fill.price is not None}.items())
