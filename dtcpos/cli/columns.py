"""Which columns a file has, in which order and under which names: `symbol,Profit=net_pnl`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any

from attrs import frozen

from dtcpos.errors import UsageError

Row = Mapping[str, Any]


@frozen
class Columns:
    """The columns of a file: the keys they are read from, and the names they are given."""

    keys: tuple[str, ...]
    names: tuple[str, ...]
    known: tuple[str, ...]

    @property
    def is_plain(self) -> bool:
        """Whether they are all there are, under their own names."""
        return self.keys == self.names == self.known

    def of_rows(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield rows with these columns."""
        if self.is_plain:
            return iter(rows)
        pairs = list(zip(self.names, self.keys, strict=True))
        return ({name: row[key] for name, key in pairs} for row in rows)

    def of_cells(self, cells: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
        """Yield cells in the order of all there are as cells of these columns."""
        if self.keys == self.known:
            return iter(cells)
        places = [self.known.index(key) for key in self.keys]
        if len(places) == 1:
            return ((row[places[0]],) for row in cells)
        return map(itemgetter(*places), cells)


def columns_of(text: str | None, known: tuple[str, ...], what: str) -> Columns:
    """Read `key` or `name=key`, commas between; without a text every column. Raises `UsageError`."""
    if text is None:
        return Columns(known, known, known)
    names, keys = [], []
    for part in text.split(","):
        if part.strip():
            name, _, key = part.rpartition("=")
            keys.append(key.strip())
            names.append(name.strip() or key.strip())
    unknown = [key for key in keys if key not in known]
    if unknown or not keys:
        raise UsageError(f"{what} have no column {', '.join(unknown) or repr(text)}; known are {', '.join(known)}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"two columns would be named {', '.join(twice)}; name one of them otherwise: name=key")
    return Columns(tuple(keys), tuple(names), known)
