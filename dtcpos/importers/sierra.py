"""Sierra Chart's Trade Activity Log, line by line: tab separated, columns found by their names.

A file of `File >> Export` is in UTC, one of `File >> Save Log As` in the zone Sierra Chart shows. There are 28 or 29
columns, in any order; of the rows only `Fills` are executions. `Quantity` is the row's own, `FilledQuantity` the
order's so far. A `FillExecutionServiceID` may be empty; no commission is stated anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

from dtcpos.exact import EXACT
from dtcpos.importers.report import ImportRefused, shown
from dtcpos.importers.scaling import Scales
from dtcpos.keeping.imported import Logged
from dtcpos.keeping.lookup import raw_of
from dtcpos.model import Fill, Side, Source

REQUIRED = ("ActivityType", "DateTime", "Symbol", "Quantity", "BuySell", "FillPrice", "TradeAccount")
# A row has some 30 cells; whatever has no end within this is no log.
LINE_LENGTH_MAX = 1 << 16
_ORDER_IDS = ("ServiceOrderID", "InternalOrderID", "ExchangeOrderID")
_READ = (
    *REQUIRED,
    *_ORDER_IDS,
    "FilledQuantity",
    "ParentInternalOrderID",
    "PositionQuantity",
    "FillExecutionServiceID",
    "HighDuringPosition",
    "LowDuringPosition",
)
_SIDES = {"buy": Side.BUY, "sell": Side.SELL}
# What the door of the wire admits as well: exact sums have to stay exact.
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{0,15})?")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[ T]+(\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?")
_YEARS = range(2000, 2100)
_TEXT_LENGTH_MAX = 256
_EXPORT = "in Sierra Chart: Trade >> Trade Activity Log, File >> Export"

Progress = Callable[[int, int], None]


class LogFile:
    """A log being read: `rows` and `fills` count as it goes, `unclear_times` those a zone has twice or never."""

    def __init__(self, path: Path, *, zone: tzinfo = UTC, scales: Scales | None = None) -> None:
        self.path = path
        self.rows = self.fills = self.unclear_times = 0
        self._zone = zone
        self._scales = scales or Scales()
        self._places: Mapping[str, int] = {}
        self._width = 0
        self._line = 0

    def read(self, source: BinaryIO, progress: Progress | None = None) -> Iterator[Logged]:
        """Yield the executions of the log in the order of its lines; `progress` is told how many bytes are done.

        Raises ImportRefused, with the line, for whatever cannot be meant.
        """
        done = 0
        for raw in self._lines(source):
            done += len(raw)
            if progress is not None and self._line % 4096 == 0:
                progress(done, 0)
            if not self._places:
                self._take_header(raw)
                continue
            if not raw.strip():
                continue
            self.rows += 1
            cells = raw.rstrip(b"\r\n").split(b"\t")
            if not raw.endswith(b"\n"):
                self._refuse_cut(cells)
            if self._cell_is_fills(cells):
                self.fills += 1
                yield self._logged(_decoded(raw).rstrip("\r\n").split("\t"))
        if not self._places:
            raise ImportRefused(f"{self.path} is empty; export the log again: {_EXPORT}")

    def _lines(self, source: BinaryIO) -> Iterator[bytes]:
        while raw := source.readline(LINE_LENGTH_MAX + 1):
            self._line += 1
            if len(raw) > LINE_LENGTH_MAX:
                raise self._refused(f"the line is longer than {LINE_LENGTH_MAX} bytes", "this is no Trade Activity Log")
            yield raw

    def _take_header(self, raw: bytes) -> None:
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in raw:
            raise self._refused("the file is not plain text", f"export it again: {_EXPORT}")
        names = [_plain_name(name) for name in _decoded(raw.removeprefix(b"\xef\xbb\xbf")).split("\t")]
        places = {name: place for place, name in reversed(list(enumerate(names))) if name}
        missing = [name for name in REQUIRED if _plain_name(name) not in places]
        if not missing:
            self._places = {name: places[_plain_name(name)] for name in _READ if _plain_name(name) in places}
            self._width = len(names)
            return
        if "entrydatetime" in places:
            raise self._refused("this is the list of trades", f"executions are needed; export the log {_EXPORT}")
        raise self._refused(
            f"the header lacks {', '.join(missing)}", f"a tab separated Trade Activity Log has them; {_EXPORT}"
        )

    def _cell_is_fills(self, cells: Sequence[bytes]) -> bool:
        place = self._places["ActivityType"]
        return place < len(cells) and cells[place].strip().lower() == b"fills"

    def _refuse_cut(self, cells: Sequence[bytes]) -> None:
        # Of a file that was cut the last line may name another account, another id, another price, and look whole.
        if len(cells) < self._width or self._width - 1 in self._places.values():
            raise self._refused("the line does not end: the file was cut", f"export it again: {_EXPORT}")

    def _logged(self, cells: list[str]) -> Logged:
        if any(map(str.strip, cells[self._width :])):
            raise self._refused(
                f"{len(cells)} cells under {self._width} headings", "a tab inside a cell moves the columns; remove it"
            )
        account, symbol = self._word(cells, "TradeAccount"), self._word(cells, "Symbol")
        side = _SIDES.get(self._cell(cells, "BuySell").lower())
        if side is None:
            raise self._bad(cells, "BuySell", "Buy or Sell is needed")
        quantity = self._number(cells, "Quantity")
        if quantity is None or quantity <= 0:
            raise self._bad(cells, "Quantity", "a number greater than zero is needed")
        factor = self._scales.factor(symbol)
        price = self._number(cells, "FillPrice", factor)
        if price is None:
            raise self._bad(cells, "FillPrice", "a number such as 5050.25 is needed")
        time, is_exact = self._moment(cells)
        order_ids = tuple(self._order_id(cells, name) for name in _ORDER_IDS)
        fill = Fill(
            account=account,
            symbol=symbol,
            side=side,
            quantity=quantity,
            price=price,
            time=time,
            time_is_exact=is_exact,
            execution_id=self._cell(cells, "FillExecutionServiceID"),
            order_id=next((name for name in order_ids if name), ""),
            parent_order_id=self._order_id(cells, "ParentInternalOrderID"),
            cumulative_quantity=self._number(cells, "FilledQuantity"),
            position_after=self._number(cells, "PositionQuantity"),
            source=Source.IMPORT,
            raw=raw_of(order_ids),
        )
        low = self._number(cells, "LowDuringPosition", factor)
        high = self._number(cells, "HighDuringPosition", factor)
        return Logged(self._line, fill, order_ids, low, high)

    def _cell(self, cells: Sequence[str], name: str) -> str:
        place = self._places.get(name, len(cells))
        text = cells[place].strip() if place < len(cells) else ""
        if len(text) > _TEXT_LENGTH_MAX or not text.isprintable():
            raise self._refused(f"{name} {shown(text)} is no text", "correct the line, or export the log again")
        return text

    def _word(self, cells: Sequence[str], name: str) -> str:
        text = self._cell(cells, name)
        if not text:
            raise self._refused(f"{name} is empty", "an execution cannot be placed without it; correct the line")
        return text

    def _order_id(self, cells: Sequence[str], name: str) -> str:
        text = self._cell(cells, name)
        return "" if text == "0" else text

    def _number(self, cells: Sequence[str], name: str, factor: Decimal | None = None) -> Decimal | None:
        text = self._cell(cells, name)
        if not text:
            return None
        if not _NUMBER.fullmatch(text):
            raise self._bad(cells, name, "a plain number with a dot is needed")
        number = Decimal(text)
        return number if factor is None or factor == 1 else EXACT.multiply(number, factor)

    def _moment(self, cells: Sequence[str]) -> tuple[datetime, bool]:
        found = _MOMENT.fullmatch(self._cell(cells, "DateTime"))
        remedy = "a time such as 2026-11-20  14:30:00.250000 is needed"
        if found is None:
            raise self._bad(cells, "DateTime", remedy)
        day, clock, fraction = found.groups()
        microseconds = (fraction or "").ljust(6, "0")
        try:
            local = datetime.fromisoformat(f"{day}T{clock}.{microseconds}")
        except ValueError as error:
            raise self._bad(cells, "DateTime", remedy) from error
        if local.year not in _YEARS:
            raise self._bad(cells, "DateTime", remedy)
        moment = local.replace(tzinfo=self._zone)
        if moment.utcoffset() != moment.replace(fold=1).utcoffset():
            self.unclear_times += 1
        return moment.astimezone(UTC), local.microsecond != 0

    def _bad(self, cells: Sequence[str], name: str, remedy: str) -> ImportRefused:
        text = self._cell(cells, name)
        return self._refused(f"{name} is empty" if not text else f"{name} {shown(text)} cannot be meant", remedy)

    def _refused(self, fault: str, remedy: str) -> ImportRefused:
        return ImportRefused(f"{self.path}, line {self._line}: {fault}; {remedy}; nothing was imported")


def _plain_name(name: str) -> str:
    return "".join(name.split()).lower()


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")
