"""The words findings are made of: the checks in their order, the menus, and short ways to make a finding."""

from __future__ import annotations

from typing import Final

from dtcpos.diagnosis.sight import Finding, Result

# Of one server, in the order of a session.
CHECKS: Final = (
    *("address", "tls", "protocol", "encoding", "logon", "trading"),
    *("accounts", "history", "positions", "orders", "market_data", "prices", "clock"),
)
SERVER_SETTINGS: Final = "Global Settings >> Sierra Chart Server Settings >> DTC Protocol Server"
CONNECT_FEED: Final = "File >> Connect to Data Feed"
SERVICE_SETTINGS: Final = "Global Settings >> Data/Trade Service Settings"
SIMULATED_ACCOUNTS: Final = "Global Settings >> General Trade Settings >> Number of Simulation Accounts"
SYMBOL_SETTINGS: Final = "Global Settings >> Symbol Settings >> Real-Time Price Multiplier"
NTP_SETTINGS: Final = "Global Settings >> NTP Settings"
_PRINTED_MAX: Final = 100


def setting(name: str) -> str:
    """Return the menu path of a setting of the DTC server."""
    return f"{SERVER_SETTINGS} >> {name}"


def ok(check: str, found: str) -> Finding:
    """Nothing to mend."""
    return Finding(check=check, result=Result.OK, found=found)


def warning(check: str, found: str, remedy: str = "", menu: str = "") -> Finding:
    """Something a person should know of, and dtcpos can live with."""
    return Finding(check=check, result=Result.WARNING, found=found, remedy=remedy, menu=menu)


def fault(check: str, found: str, remedy: str, menu: str = "") -> Finding:
    """Something that has to be mended."""
    return Finding(check=check, result=Result.FAULT, found=found, remedy=remedy, menu=menu)


def skipped(check: str, why: str) -> Finding:
    """Not looked at."""
    return Finding(check=check, result=Result.SKIPPED, found=why)


def printable(text: str | bytes) -> str:
    """Return what somebody else said, on one line, without control characters, and no longer than a person reads."""
    words = text.decode("latin-1") if isinstance(text, bytes) else text
    clean = " ".join("".join(letter if letter.isprintable() else " " for letter in words).split())
    return clean if len(clean) <= _PRINTED_MAX else f"{clean[: _PRINTED_MAX - 1]}…"


def plural(count: int, noun: str) -> str:
    """Return `1 account`, `2 accounts`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
