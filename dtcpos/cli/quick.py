"""`positions --json` without Typer and without the nouns: scripts ask it often, and would wait for classes to be made.

Only the plain forms are read here, and only what goes well is said. Everything else (a word nobody knows, a ledger that
cannot be read, a position that is not verified where that was required) is left to the command tree before anything is
printed; the answer is the same either way. Medians on one machine: 55 ms for a minimal Typer program that reads the
same file, 46 ms for this, 145 ms through the tree.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

_TEXTS = {"--mode": "mode", "--account": "account", "--symbol": "symbol"}
_PATHS = {"--db": ("db", "DTCPOS_DB"), "--config": ("config", "DTCPOS_CONFIG")}


def run_quickly(words: Sequence[str]) -> bool:
    """Run a plain `positions --json` and return True, or return False where the command tree has to.

    Exits with the code of the fault where the output cannot be written.
    """
    wishes = read_plainly(words)
    if wishes is None:
        return False
    from dtcpos.cli.faults import printing, say
    from dtcpos.cli.places import utc_now
    from dtcpos.errors import OutputUnwritable

    text = array_of(now=utc_now(), **wishes)
    if text is None:
        return False
    try:
        with printing():
            sys.stdout.write(text)
    except OutputUnwritable as error:
        say(str(error))
        sys.exit(error.exit_code)
    return True


def array_of(
    *,
    now: datetime,
    mode: str | None = None,
    account: str | None = None,
    symbol: str | None = None,
    require: str | None = None,
    db: Path | None = None,
    config: Path | None = None,
) -> str | None:
    """Return the open positions as `positions --json` prints them, None where there is anything else to say."""
    from io import StringIO

    from dtcpos.cli.jsonout import write_array
    from dtcpos.cli.keys import position_json
    from dtcpos.cli.places import ledger_path, modes_and_account, settings_file
    from dtcpos.errors import UsageError
    from dtcpos.store.glance import FAULTS, Glance
    from dtcpos.trust import FRESH_FOR_S, standing
    from dtcpos.words import Status

    rows = []
    try:
        settings = settings_file(config)
        fresh_for_s = FRESH_FOR_S if settings is None else _fresh_for_s(settings)
        with Glance(ledger_path(db)) as glance:
            modes, account = modes_and_account(glance, mode, account)
            accounts = {each.account: each for each in glance.accounts()}
            links = glance.links()
            if require and glance.open_breaks():
                return None
            for held in glance.positions(modes, account, symbol):
                status, reason = standing(
                    held.position,
                    verification=held.verification,
                    account=accounts.get(held.key.account),
                    links=links,
                    breaks=held.breaks,
                    now=now,
                    fresh_for_s=fresh_for_s,
                )
                if require and status is not Status.VERIFIED:
                    return None
                rows.append(position_json(held, status, reason, now))
    except (UsageError, OSError, *FAULTS):
        return None
    text = StringIO()
    write_array(rows, text)
    return text.getvalue()


def _fresh_for_s(settings: Path) -> float:
    from dtcpos.settings import read_settings

    return read_settings(settings).server.fresh_for_s


def read_plainly(words: Sequence[str]) -> dict[str, Any] | None:
    """Return the options of a plain `positions --json`, None where the words are not one."""
    if (
        words[:1] != ["positions"]
        or words.count("--json") != 1
        or any(name.endswith("_COMPLETE") for name in os.environ)
    ):
        return None
    wishes: dict[str, Any] = {}
    rest = iter(word for word in words[1:] if word != "--json")
    for word in rest:
        name, _, value = word.partition("=")
        value = value if "=" in word else next(rest, "")
        if not value or value.startswith("-"):
            return None
        if name in _TEXTS:
            wishes[_TEXTS[name]] = value
        elif name in _PATHS:
            wishes[_PATHS[name][0]] = Path(value)
        elif name == "--require" and value == "verified":
            wishes["require"] = value
        else:
            return None
    for option, variable in _PATHS.values():
        if option not in wishes and os.environ.get(variable):
            wishes[option] = Path(os.environ[variable])
    return wishes
