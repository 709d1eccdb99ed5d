"""Every setting with its default and meaning: `config --explain`, `config set` and the man page are made of it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

from dtcpos.errors import SettingsError, UsageError
from dtcpos.settings import EVENTS, known_keys
from dtcpos.toml_text import string_text


class Key(NamedTuple):
    """A setting: `kind` is what its value is, `default` and `sample` are TOML; one of the two is shown."""

    table: str
    name: str
    kind: str
    default: str
    meaning: str
    sample: str = ""


# What stands above a table in the explanation.
TABLES: Final = {
    "accounts": (
        "A name, or a pattern with * and ?, and the mode of the accounts it fits. The first line that fits wins. "
        "Without one, names that contain sim, demo or paper are SIM and the rest are LIVE."
    ),
    "instruments": (
        "A symbol, or a root such as MES for all its months. What is stated here wins over what the server defines."
    ),
    "trading_day": "When a day of trading begins.",
    "guards": "Alerts; a guard never drops or changes a fact.",
    "server": "Where to connect and how, unless the command line says otherwise.",
    "notify": "Whom `connect` tells what has happened, after the disk has it; nobody is ever waited for.",
    "log": "A file for what `connect` prints and says, a line each, with its time in UTC.",
}

KEYS: Final = (
    Key("accounts", "NAME", "mode", "", "SIM, LIVE or a word of your own", '"EVAL-*" = "SIM"'),
    Key("instruments.SYMBOL", "point_value", "number", "", "money for one point and one contract", "5"),
    Key("instruments.SYMBOL", "tick", "number", "", "the smallest price step", "0.25"),
    Key("instruments.SYMBOL", "multiplier", "number", "", "from the server's price to the price people write", "1"),
    Key("instruments.SYMBOL", "commission", "number", "", "money for one contract and one side", "0.62"),
    Key("instruments.SYMBOL", "currency", "text", "", "what money is in", '"USD"'),
    Key("trading_day", "timezone", "text", '"America/Chicago"', "the zone its clock is in"),
    Key("trading_day", "start", "text", '"17:00"', "a day that starts after noon is named for the date it ends on"),
    Key(
        "guards",
        "one_position_per_account",
        "switch",
        "true",
        "an alert when a second symbol opens in an account; nothing is dropped",
    ),
    Key("server", "host", "text", '"127.0.0.1"', "the server's name or address"),
    Key("server", "port", "count", "11099", "the port of its DTC server"),
    Key("server", "encoding", "text", '"auto"', "auto, binary, vls, json or compact"),
    Key("server", "tls", "switch", "false", "speak TLS and check the server's certificate"),
    Key("server", "tls_ca", "text", '""', "a file of certificates to trust instead of the system's"),
    Key(
        "server",
        "username",
        "text",
        '""',
        "the password comes from DTCPOS_PASSWORD or a prompt, never from a file",
    ),
    Key("server", "heartbeat_s", "count", "10", "seconds between heartbeats"),
    Key("server", "history_days", "count", "30", "how far back fills are asked for the first time"),
    Key("server", "fresh_for_s", "count", "60", "how long an agreement stays good after the link was closed cleanly"),
    Key(
        "server",
        "symbols",
        "texts",
        "[]",
        "followed even while not held, so that VWAP, delta and point of control are known at entry",
    ),
    Key(
        "notify",
        "on_event",
        "text",
        '""',
        "a command that is given the updates as JSON lines on its standard input",
    ),
    Key(
        "notify",
        "webhook",
        "url",
        '""',
        "a URL that is given each update as JSON by POST; what it hides is never shown",
    ),
    Key("notify", "events", "texts", "[]", f"only these: {', '.join(EVENTS)}; empty is all"),
    Key("notify", "modes", "texts", "[]", "only updates of these modes, and those that are of none; empty is all"),
    Key("notify", "mode", "text", '""', "one more of them, as text"),
    Key("notify", "bell", "switch", "false", "ring the terminal for fills, trades, breaks and alerts"),
    Key("log", "file", "text", '""', "where to write; empty is nowhere"),
    Key("log", "size_max", "count", "10000000", "bytes; a new file is begun before it grows beyond"),
    Key("log", "keep", "count", "5", "how many old files stay, as FILE.1 (the newest) and so on"),
)

_WIDTH: Final = 118
_COLUMN: Final = 27


def explanation() -> str:
    """Return a settings file that says every setting and changes nothing."""
    lines = ["# Settings of dtcpos. Every key may be left out; what is shown is what holds then."]
    for table, meaning in TABLES.items():
        keys = [key for key in KEYS if key.table.partition(".")[0] == table]
        lines.append("")
        if table == "instruments":
            lines += [*_wrapped(meaning, "# "), "# [instruments.MES]"]
        else:
            lines += [f"[{table}]", *_wrapped(meaning, "# ")]
        lines += [line for key in keys for line in _explained(key)]
    return "\n".join(lines) + "\n"


def _explained(key: Key) -> Iterator[str]:
    if key.table == "accounts":
        yield f"# {key.sample}"
        return
    statement = f"{key.name} = {key.default}" if key.default else f"# {key.name} = {key.sample}"
    first, *others = _wrapped(key.meaning, "# ", width=_WIDTH - _COLUMN)
    yield f"{statement:<{_COLUMN - 1}} {first}"
    yield from (f"{'':<{_COLUMN}}{line}" for line in others)


def _wrapped(text: str, prefix: str, width: int = _WIDTH) -> list[str]:
    import textwrap

    return [prefix + line for line in textwrap.wrap(text, width - len(prefix))]


def key_path(text: str) -> tuple[Key, tuple[str, ...]]:
    """Return the setting a person means by `server.port`, `accounts.NAME` or `instruments.SYMBOL.tick`.

    A name or a symbol may have dots in it. Raises UsageError with the nearest known key.
    """
    table, _, rest = text.strip().partition(".")
    if table == "accounts" and rest.strip():
        return KEYS[0], (table, _bare(rest))
    if table == "instruments":
        symbol, _, name = rest.rpartition(".")
        found = _known("instruments.SYMBOL", name)
        if symbol and found is not None:
            return found, (table, _bare(symbol), name)
        if symbol:
            raise UsageError(_unknown(text, [f"{table}.{symbol}.{name}" for name in known_keys()[table]]))
    else:
        found = _known(table, rest)
        if found is not None:
            return found, (table, rest)
    raise UsageError(_unknown(text, [f"{key.table}.{key.name}" for key in KEYS]))


def _bare(word: str) -> str:
    word = word.strip()
    return word[1:-1] if len(word) > 2 and word[0] == word[-1] and word[0] in "\"'" else word


def _known(table: str, name: str) -> Key | None:
    return next((key for key in KEYS if (key.table, key.name) == (table, name)), None)


def _unknown(text: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(text, known, n=1, cutoff=0.5)
    if not nearest:
        # `port` alone is a good guess at server.port.
        nearest = [name for name in known if name.rpartition(".")[2] == text.rpartition(".")[2]][:1]
    remedy = f"did you mean {nearest[0]}?" if nearest else "`dtcpos config --explain` lists them"
    return f"{text!r} is not a setting; {remedy}"


def toml_of(key: Key, text: str) -> str:
    """Return what a person typed as the value of a setting, in TOML; what it means is not judged.

    Raises UsageError, or SettingsError for bytes that are no text.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise SettingsError(f"{key.table}.{key.name}: {text!r} is no text; write it in UTF-8") from error
    try:
        return _WRITERS[key.kind](text)
    except ValueError as error:
        raise UsageError(f"{key.table}.{key.name} = {text!r} {error}") from None


def _switch(text: str) -> str:
    words = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}
    if text.strip().lower() not in words:
        raise ValueError("must be true or false")
    return words[text.strip().lower()]


def _count(text: str) -> str:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text.strip()):
        raise ValueError("must be a whole number")
    return str(int(text))


def _number(text: str) -> str:
    try:
        number = Decimal(text.strip()) if text.isascii() and "_" not in text else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ValueError("must be a number")
    return str(number)


def _texts(text: str) -> str:
    words = [word.strip() for word in text.strip().removeprefix("[").removesuffix("]").split(",")]
    return f"[{', '.join(string_text(_bare(word)) for word in words if word)}]"


_WRITERS: Final[dict[str, Callable[[str], str]]] = {
    "text": string_text,
    "url": string_text,
    "mode": string_text,
    "switch": _switch,
    "count": _count,
    "number": _number,
    "texts": _texts,
}
