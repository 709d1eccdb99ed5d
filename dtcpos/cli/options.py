"""Options that several commands share; `places` says what they are turned into."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dtcpos.cli.places import (
    known_mode,
    ledger_path,
    load_settings,
    mode_word,
    parse_bound,
    select,
    settings_path,
    utc_now,
)

__all__ = [
    "AccountFilter",
    "AsJson",
    "Config",
    "Db",
    "ModeFilter",
    "Since",
    "SymbolFilter",
    "Until",
    "known_mode",
    "ledger_path",
    "load_settings",
    "mode_word",
    "parse_bound",
    "select",
    "settings_path",
    "utc_now",
]

Db = Annotated[
    Path | None,
    typer.Option(
        "--db", metavar="PATH", envvar="DTCPOS_DB", help="The ledger. Without it: the platform's user data folder."
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="PATH",
        envvar="DTCPOS_CONFIG",
        help="The settings file. Without it: the platform's config folder.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON: exact numbers, times in UTC.")]
ModeFilter = Annotated[
    str | None,
    typer.Option(
        "--mode", metavar="MODE", help="SIM, LIVE, another mode, or ALL. Without it: the view chosen with `switch`."
    ),
]
AccountFilter = Annotated[str | None, typer.Option("--account", metavar="NAME", help="Only this account.")]
SymbolFilter = Annotated[str | None, typer.Option("--symbol", metavar="SYMBOL", help="Only this symbol.")]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="WHEN", help="From a date, a time, 2h ago, today or yesterday."),
]
Until = Annotated[str | None, typer.Option("--until", metavar="WHEN", help="Before a time, or to the end of a day.")]
