"""The state files of an older program: what they say, and nothing of what they leave open.

`state_{mode}_{account}.json` holds timers: since when the position is held and since when it is under water.
`runtime_state_panel2_{MODE}_{ACCOUNT}.json` (schema 2.0) holds a whole position; without one, the same timers. A price
of 0.0 means unset. The account in a file's name has `_` for whatever is no letter or digit, and may be missing there,
so the name inside the file comes first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from attrs import frozen

from dtcpos.exact import is_plain
from dtcpos.importers.report import ImportRefused, shown
from dtcpos.translate import moment_of

KIND = "state file"
SCHEMA = "2.0"
# Such a file has some twenty lines.
SIZE_MAX = 1 << 20
_FILE_NAME = re.compile(r"(?:runtime_state_panel2|state)_([a-z]+)_(.*)\.json", re.IGNORECASE)
_PANEL = re.compile(r"runtime_state_panel2(?:_.*)?\.json", re.IGNORECASE)
_TEXT_LENGTH_MAX = 256


@frozen(kw_only=True)
class OlderState:
    """What one file says; None and empty where it says nothing.

    `mode` and `account` are those inside the file, `file_mode` and `file_account` those of its name. `signed_quantity`
    is None in a file that holds timers only.
    """

    path: Path
    mode: str = ""
    account: str = ""
    file_mode: str = ""
    file_account: str = ""
    symbol: str = ""
    signed_quantity: Decimal | None = None
    entry_price: Decimal | None = None
    entry_time: datetime | None = None
    heat_since: datetime | None = None
    saved_at: datetime | None = None
    target_price: Decimal | None = None
    stop_price: Decimal | None = None
    entry_vwap: Decimal | None = None
    entry_cum_delta: Decimal | None = None
    entry_poc: Decimal | None = None
    price_min: Decimal | None = None
    price_max: Decimal | None = None


def is_state_name(name: str) -> bool:
    """Whether a file's name is that of a state file."""
    return bool(_FILE_NAME.fullmatch(name) or _PANEL.fullmatch(name))


def file_account_of(account: str) -> str:
    """Return an account as it is written in the name of a state file."""
    return "".join(letter if letter.isalnum() else "_" for letter in account)


def read_state(path: Path) -> OlderState:
    """Read a state file. Raises ImportRefused for one that cannot be read or is none."""
    try:
        with path.open("rb") as source:
            octets = source.read(SIZE_MAX + 1)
    except OSError as error:
        raise ImportRefused(f"{path} cannot be read: {error.strerror or error}; correct its name or rights") from error
    if len(octets) > SIZE_MAX:
        raise ImportRefused(f"{path} is too large for a state file; nothing was imported")
    return parse_state(octets, path)


def parse_state(octets: bytes, path: Path) -> OlderState:
    """Read what a state file says; `path` gives its name. Raises ImportRefused."""
    said = _Said(_object(octets, path), path)
    named = _FILE_NAME.fullmatch(path.name)
    timers: dict[str, Any] = {
        "path": path,
        "mode": (said.text("current_mode") or said.text("mode")).upper(),
        "account": said.text("current_account") or said.text("account"),
        "file_mode": named[1].upper() if named else "",
        "file_account": named[2] if named else "",
        "symbol": said.text("symbol"),
        "entry_time": said.moment("entry_time_epoch"),
        "heat_since": said.moment("heat_start_epoch"),
        "saved_at": said.saved_at(),
    }
    quantity = said.number("entry_qty")
    if not quantity:
        return OlderState(**timers)
    schema = said.text("_schema_version")
    if schema != SCHEMA:
        said.refuse("_schema_version", f"a position is read from schema {SCHEMA} only")
    if quantity < 0:
        said.refuse("entry_qty", "it is unsigned; is_long says which way")
    return OlderState(
        **timers,
        signed_quantity=quantity if said.switch("is_long") else -quantity,
        entry_price=said.price("entry_price"),
        target_price=said.price("target_price"),
        stop_price=said.price("stop_price"),
        entry_vwap=said.price("entry_vwap"),
        entry_cum_delta=said.number("entry_cum_delta"),
        entry_poc=said.price("entry_poc"),
        price_min=said.price("trade_min_price"),
        price_max=said.price("trade_max_price"),
    )


def _object(octets: bytes, path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(
            octets.decode("utf-8-sig"), parse_float=Decimal, parse_int=Decimal, parse_constant=_no_number
        )
    except json.JSONDecodeError as error:
        raise ImportRefused(
            f"{path}, line {error.lineno}: not JSON ({error.msg}); take an undamaged copy; nothing was imported"
        ) from error
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise ImportRefused(f"{path} is no state file; take an undamaged copy; nothing was imported") from error
    if not isinstance(found, dict) or not found.keys() & {"entry_qty", "entry_time_epoch", "heat_start_epoch"}:
        raise ImportRefused(
            f"{path} is JSON, but no state file: it has no entry_qty, entry_time_epoch or heat_start_epoch; "
            "nothing was imported"
        )
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


class _Said:
    """The values of a file, each of the kind it has to be."""

    def __init__(self, values: Mapping[str, Any], path: Path) -> None:
        self._values = values
        self._path = path

    def text(self, key: str) -> str:
        value = self._values.get(key)
        if value is None:
            return ""
        if isinstance(value, Decimal) and key == "_schema_version":
            return str(value)
        if not isinstance(value, str) or len(value) > _TEXT_LENGTH_MAX or not value.isprintable():
            self.refuse(key, "text is needed")
        return value.strip()

    def number(self, key: str) -> Decimal | None:
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, Decimal) or not is_plain(value):
            self.refuse(key, "a number is needed")
        number: Decimal = value
        return number

    def price(self, key: str) -> Decimal | None:
        return self.number(key) or None

    def switch(self, key: str) -> bool:
        value = self._values.get(key)
        if not isinstance(value, bool):
            self.refuse(key, "true or false is needed")
        return bool(value)

    def moment(self, key: str) -> datetime | None:
        epoch = self.number(key)
        if not epoch:
            return None
        moment = moment_of(float(epoch))
        if moment is None:
            self.refuse(key, "seconds since 1970 are needed")
        return moment[0]

    def saved_at(self) -> datetime | None:
        text = self.text("_saved_at_utc")
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.refuse("_saved_at_utc", "a time such as 2025-11-16T03:17:29+00:00 is needed")
        if moment.tzinfo is None:
            self.refuse("_saved_at_utc", "a time with its zone is needed")
        return moment

    def refuse(self, key: str, remedy: str) -> NoReturn:
        value = self._values.get(key)
        words = "is missing" if value is None else f"{shown(str(value))} cannot be meant"
        raise ImportRefused(f"{self._path}: {key} {words}; {remedy}; nothing was imported")
