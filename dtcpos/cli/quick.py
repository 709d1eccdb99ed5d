"""`positions --json` without Typer: scripts ask it often, and half of its time would be the reading of six words.

Only the plain forms are read here. Anything else, right or wrong, is left to the command tree, which knows best how to
say so; the answer is the same either way. Medians on one machine: 55 ms for a minimal Typer program that reads the same
file, 92 ms for this, 125 ms through the tree.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_TEXTS = {"--mode": "mode", "--account": "account", "--symbol": "symbol"}
_PATHS = {"--db": ("db", "DTCPOS_DB"), "--config": ("config", "DTCPOS_CONFIG")}


def run_quickly(words: Sequence[str]) -> bool:
    """Run a plain `positions --json` and return True, or return False where the words are something else.

    Exits with the code of the fault where there is one.
    """
    wishes = read_plainly(words)
    if wishes is None:
        return False
    from dtcpos.cli.faults import printing, say
    from dtcpos.cli.listing import list_positions
    from dtcpos.errors import DtcposError

    try:
        with printing():
            list_positions(as_json=True, **wishes)
    except DtcposError as error:
        say(str(error))
        sys.exit(error.exit_code)
    return True


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
