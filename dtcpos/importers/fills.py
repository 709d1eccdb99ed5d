"""What `dtcpos export fills` wrote, read back: CSV, a JSON array or a JSON object a line.

The columns are the fill's keys, in any order; a row is booked under its own ids, so a file that is imported twice, or
into the ledger it came from, changes nothing. A person's entries and adjustments stay what they are, with flags and
reason; executions are of source IMPORT from then on, because this ledger was never told them by a server.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO, Any

from dtcpos.exact import EXACT
from dtcpos.importers.report import ImportRefused, shown
from dtcpos.keeping.imported import Logged
from dtcpos.keeping.lookup import raw_of
from dtcpos.model import Fill, Side, Source

REQUIRED = tuple(
    """
    id mode account symbol side quantity price time execution_id order_id source position_after booked_at reason
    wire_price commission flags
    """.split()
)
# Later versions write more of what decides the order within a second; --restated adds what a row stands for.
OPTIONAL = ("cumulative_quantity", "place", "time_is_exact", "parent_order_id", "supersedes")
BY_PERSON = frozenset({Source.MANUAL, Source.ADJUSTMENT})
_KNOWN = frozenset((*REQUIRED, *OPTIONAL))
_WRITE_AGAIN = "write it again with `dtcpos export fills`"
_NUMBER = re.compile(r"-?\d{1,25}(?:\.\d{0,25})?")
_WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")
_YEARS = range(1970, 2200)
_TEXT_LENGTH_MAX = 4096
_ROW_LENGTH_MAX = 1 << 16
_CHUNK = 1 << 18
# Between objects only the signs of an array and blanks may stand.
_BETWEEN = re.compile(r"[\s,\[\]]*")
_LINES = dict.fromkeys(map(ord, "\r\n\t"))
_ONLY_BRACKETS = dict.fromkeys(map(ord, " \t\r\n,"))

Progress = Callable[[int, int], None]


def is_fills_header(beginning: bytes) -> bool:
    """Whether a file that begins so is an export of fills: its first line names the columns, or is such an object."""
    text = beginning.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").lstrip()
    if text.startswith(("{", "[")):
        found = set(re.findall(r'"(\w+)"\s*:', text))
        return {"execution_id", "wire_price"} <= found
    # A spreadsheet may have put its own sign between the columns; whoever reads them says what is wrong.
    names = {name.strip().strip('"') for name in re.split("[,;\t]", text.partition("\n")[0])}
    return len(names & _KNOWN) >= len(REQUIRED) // 2


class FillsFile:
    """An export being read: `rows` counts as it goes; what the rows say of accounts and symbols is kept beside them.

    `modes` holds the mode of each account, `multipliers` the factor from the wire's price to the display price of each
    symbol, with the line that told it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self.modes: dict[str, str] = {}
        self.multipliers: dict[str, Decimal] = {}
        self._place = ""

    def read(self, source: IO[str], progress: Progress | None = None) -> Iterator[Logged]:
        """Yield the fills in the order of the file. Raises ImportRefused, with the place, for what cannot be meant."""
        beginning = source.read(1)
        source.seek(0)
        rows = _objects(source, self._refused) if beginning in "{[" else self._lines(source)
        for number, row in rows:
            self._place = f"line {number}" if beginning not in "{[" else f"fill {number}"
            self.rows += 1
            if progress is not None and self.rows % 4096 == 0:
                # The text layer looks ahead; what lies below it knows how far the file was read.
                progress(source.buffer.tell() if hasattr(source, "buffer") else 0, 0)
            if beginning in "{[":
                self._check_names(row)
            yield self._logged(number, row)

    def _lines(self, source: IO[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
        reader = csv.reader(self._whole(source), strict=True)
        try:
            header = next(reader, [])
            self._place = "line 1"
            names = [name.strip() for name in header]
            self._check_names(names)
            for cells in reader:
                if not cells:
                    continue
                self._place = f"line {reader.line_num}"
                if len(cells) != len(names):
                    raise self._refused(f"{len(cells)} cells under {len(names)} headings", _WRITE_AGAIN)
                yield reader.line_num, {name: cell or None for name, cell in zip(names, cells, strict=True)}
        except csv.Error as error:
            raise self._refused(f"{error}", _WRITE_AGAIN) from error

    def _whole(self, source: IO[str]) -> Iterator[str]:
        line = "\n"
        for line in source:
            yield line
        # The last cell of a file that was cut may look whole.
        if not line.endswith(("\n", "\r")):
            raise self._refused("the last line does not end: the file was cut", _WRITE_AGAIN)

    def _check_names(self, names: Iterable[str]) -> None:
        found = list(names)
        missing = [name for name in REQUIRED if name not in found]
        if missing:
            raise self._refused(f"{', '.join(missing)} missing", f"{_WRITE_AGAIN} and without --columns")
        unknown = [name for name in found if name not in _KNOWN]
        if unknown or len(set(found)) != len(found):
            what = f"{', '.join(map(shown, unknown))} unknown" if unknown else "a column is there twice"
            raise self._refused(what, f"{_WRITE_AGAIN} and without names of your own in --columns")

    def _logged(self, number: int, row: Mapping[str, Any]) -> Logged:
        account, symbol = self._text(row, "account"), self._text(row, "symbol")
        for name, value in (("account", account), ("symbol", symbol)):
            if not value:
                raise self._refused(f"{name} is empty", "a fill cannot be placed without it; correct the row")
        self._note_mode(account, self._text(row, "mode"))
        price, wire_price = self._number(row, "price"), self._number(row, "wire_price")
        self._note_multiplier(symbol, price, wire_price)
        quantity = self._number(row, "quantity")
        if quantity is None or quantity <= 0:
            raise self._bad(row, "quantity", "a number greater than zero is needed")
        told = self._one_of(row, "source", Source)
        source = told if told in BY_PERSON else Source.IMPORT
        time, order_id = self._moment(row), self._text(row, "order_id")
        fill = Fill(
            account=account,
            symbol=symbol,
            side=self._one_of(row, "side", Side),
            quantity=quantity,
            price=wire_price,
            time=time,
            time_is_exact=self._is_exact(row, time),
            execution_id=self._text(row, "execution_id"),
            order_id=order_id,
            parent_order_id=self._text(row, "parent_order_id"),
            cumulative_quantity=self._number(row, "cumulative_quantity"),
            position_after=self._number(row, "position_after"),
            place=self._count(row, "place"),
            source=source,
            commission=self._number(row, "commission"),
            flags=self._flags(row),
            reason=self._text(row, "reason"),
            raw="" if source in BY_PERSON else raw_of([order_id]),
        )
        return Logged(number, fill, (order_id,))

    def _note_mode(self, account: str, mode: str) -> None:
        if not _WORD.fullmatch(mode) or mode == "ALL":
            raise self._refused(f"mode {shown(mode)} is none", "SIM, LIVE or another single word is needed")
        known = self.modes.setdefault(account, mode)
        if known != mode:
            raise self._refused(f"account {shown(account)} is {known} above and {mode} here", "one of them is needed")

    def _note_multiplier(self, symbol: str, price: Decimal | None, wire_price: Decimal | None) -> None:
        if price is None and wire_price is None:
            return
        if price is None or wire_price is None or bool(price) != bool(wire_price):
            raise self._refused("price and wire_price do not belong together", "both or none are needed")
        if not wire_price:
            return
        known = self.multipliers.get(symbol)
        if known is not None and EXACT.multiply(wire_price, known) == price:
            return
        found = (price / wire_price).normalize()
        if known is not None or found <= 0 or EXACT.multiply(wire_price, found) != price:
            words = f"price {price:f} is not wire_price {wire_price:f} times one factor for all of {shown(symbol)}"
            raise self._refused(words, "correct the row")
        self.multipliers[symbol] = found

    def _text(self, row: Mapping[str, Any], name: str) -> str:
        value = row.get(name)
        text = "" if value is None else value
        # A person's reason may have lines; nothing else that a terminal or a file would not take.
        if not isinstance(text, str) or len(text) > _TEXT_LENGTH_MAX or not text.translate(_LINES).isprintable():
            raise self._refused(f"{name} {shown(str(value))} is no text", "correct the row")
        return text

    def _number(self, row: Mapping[str, Any], name: str) -> Decimal | None:
        value = row.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not _NUMBER.fullmatch(str(value)):
            raise self._bad(row, name, "a plain number with a dot is needed")
        return Decimal(str(value))

    def _count(self, row: Mapping[str, Any], name: str) -> int | None:
        number = self._number(row, name)
        if number is None:
            return None
        # Below zero where history told it in an earlier second than it was executed in.
        if number != number.to_integral_value() or abs(number) >= 1 << 62:
            raise self._bad(row, name, "a whole number is needed")
        return int(number)

    def _one_of(self, row: Mapping[str, Any], name: str, kind: Any) -> Any:
        word = self._text(row, name)
        if word not in [each.value for each in kind]:
            raise self._bad(row, name, f"{', '.join(kind)} is needed")
        return kind(word)

    def _moment(self, row: Mapping[str, Any]) -> datetime:
        remedy = "a time such as 2026-11-20T14:30:00.250000Z is needed"
        try:
            moment = datetime.fromisoformat(self._text(row, "time"))
        except ValueError as error:
            raise self._bad(row, "time", remedy) from error
        if moment.tzinfo is None or moment.year not in _YEARS:
            raise self._bad(row, "time", remedy)
        return moment.astimezone(UTC)

    def _is_exact(self, row: Mapping[str, Any], time: datetime) -> bool:
        value = row.get("time_is_exact")
        words = {"1": True, "0": False, "true": True, "false": False, "": time.microsecond != 0}
        text = "" if value is None else str(value).lower()
        if text not in words:
            raise self._bad(row, "time_is_exact", "1 or 0 is needed")
        return words[text]

    def _flags(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        value = row.get("flags")
        words = value if isinstance(value, list) else self._text(row, "flags").split()
        for word in words:
            if not isinstance(word, str) or not _WORD.fullmatch(word):
                raise self._bad(row, "flags", "words of letters and underscores are needed")
        return tuple(words)

    def _bad(self, row: Mapping[str, Any], name: str, remedy: str) -> ImportRefused:
        value = row.get(name)
        empty = value is None or value == ""
        return self._refused(f"{name} is empty" if empty else f"{name} {shown(str(value))} cannot be meant", remedy)

    def _refused(self, fault: str, remedy: str) -> ImportRefused:
        place = f", {self._place}" if self._place else ""
        return ImportRefused(f"{self.path}{place}: {fault}; {remedy}; nothing was imported")


def _objects(source: IO[str], refused: Callable[[str, str], ImportRefused]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the objects of an array, or of a text that has them one after another, reading no more than it must."""
    decoder = json.JSONDecoder(parse_float=Decimal, parse_int=Decimal)
    text, start, number, at_end, signs = "", 0, 0, False, ""
    while not at_end or start < len(text):
        between = _BETWEEN.match(text, start)
        assert between is not None
        # Of a long file only that there was an opening and whether there was an end is worth keeping.
        signs = (signs + between.group()).translate(_ONLY_BRACKETS)[-2:]
        start = between.end()
        try:
            row, end = decoder.raw_decode(text, start) if start < len(text) else (None, start)
        except (json.JSONDecodeError, InvalidOperation, RecursionError) as error:
            if at_end or len(text) - start > _ROW_LENGTH_MAX + _CHUNK:
                raise refused(f"what follows fill {number} is no JSON: {shown(text[start:])}", _WRITE_AGAIN) from error
            row, end = None, start
        if end > start:
            number += 1
            if not isinstance(row, dict):
                raise refused(f"fill {number} is no object: {shown(text[start:end])}", _WRITE_AGAIN)
            yield number, row
            start = end
        elif not at_end:
            more = source.read(_CHUNK)
            text, start, at_end = text[start:] + more, 0, not more
    if signs not in ("", "[]"):
        raise refused("the array does not end: the file was cut", _WRITE_AGAIN)
