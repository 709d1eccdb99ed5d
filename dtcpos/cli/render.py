"""Tables and lines for people: aligned text everywhere, boxes and colour only on a terminal.

A table fits the width there is (80 columns where nobody says) by leaving out its optional columns, last ranks first;
mode and account are never among them. Rich is imported when a table is drawn on a terminal, and not before.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import IO

from attrs import evolve, frozen

from dtcpos.cli.jsonout import plain
from dtcpos.model import Break, PositionKey, Status

_GAP = "  "
# The product of a price and a quantity has more digits than the default context lets a number be rounded to.
WIDE = Context(prec=200, rounding=ROUND_HALF_EVEN)
_WIDTH_DEFAULT = 80
# Both letters and ground are named, because nobody knows whether a terminal is light or dark: yellow on white, or dark
# blue on black, would not be read.
STATUS_STYLES = {
    Status.BREAK: "white on red",
    Status.UNVERIFIED: "black on yellow",
    Status.STALE: "black on cyan",
    Status.VERIFIED: "black on green",
}
_STYLE_OF_WORD: dict[str, str] = {str(status): style for status, style in STATUS_STYLES.items()}


@frozen
class Column:
    """A column of a table; one with a `rank` may be left out, the highest first."""

    title: str
    is_number: bool = False
    rank: int = 0


@frozen(kw_only=True)
class Table:
    """Rows of text in groups that are set apart (one group per mode), each cell under its column."""

    columns: Sequence[Column]
    groups: Sequence[Sequence[Sequence[str]]]


def printable(text: str) -> str:
    """Return a text in which every character is shown: a server's words must not move the cursor or forge a line."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def print_table(table: Table, out: IO[str] | None = None) -> None:
    """Print a table as wide as there is room for."""
    out = out or sys.stdout
    table = evolve(table, groups=[[list(map(printable, row)) for row in group] for group in table.groups])
    if is_terminal(out):
        _draw(fitted(table, _room(), gap=3), out)
    else:
        out.write(as_text(fitted(table, _room(), gap=len(_GAP))))


def is_terminal(out: IO[str]) -> bool:
    """Whether colour and boxes may be used: a terminal that was not told otherwise by NO_COLOR or TERM."""
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def as_text(table: Table) -> str:
    """Write a table as aligned text, groups apart by an empty line."""
    widths = _widths(table)
    lines = [_line([column.title for column in table.columns], table.columns, widths)]
    for number, group in enumerate(table.groups):
        if number:
            lines.append("")
        lines.extend(_line(row, table.columns, widths) for row in group)
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if column.is_number else cell.ljust(width)
        for cell, column, width in zip(cells, columns, widths, strict=True)
    )
    return _GAP.join(padded).rstrip()


def _widths(table: Table) -> list[int]:
    rows = [row for group in table.groups for row in group]
    return [max([len(column.title), *(len(row[place]) for row in rows)]) for place, column in enumerate(table.columns)]


def fitted(table: Table, room: int, *, gap: int) -> Table:
    """Return the table without the optional columns there is no room for, `gap` being what parts two columns."""
    widths = _widths(table)
    kept = list(range(len(table.columns)))
    optional = sorted((place for place in kept if table.columns[place].rank), key=lambda p: -table.columns[p].rank)
    for place in optional:
        if sum(widths[p] for p in kept) + gap * (len(kept) - 1) <= room:
            break
        kept.remove(place)
    return Table(
        columns=[table.columns[place] for place in kept],
        groups=[[[row[place] for place in kept] for row in group] for group in table.groups],
    )


def _room() -> int:
    return shutil.get_terminal_size((_WIDTH_DEFAULT, 24)).columns


def _draw(table: Table, out: IO[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table as Drawing
    from rich.text import Text

    drawing = Drawing(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1))
    for column in table.columns:
        drawing.add_column(column.title, justify="right" if column.is_number else "left", overflow="fold")
    for group in table.groups:
        for row in group:
            drawing.add_row(*(Text(cell, style=_STYLE_OF_WORD.get(cell, "")) for cell in row))
        drawing.add_section()
    Console(file=out).print(drawing)


def number(value: Decimal | None) -> str:
    """Write a price or a quantity exactly, a dash where there is none."""
    return "-" if value is None else plain(value)


def money(value: Decimal | None, *, signed: bool = True) -> str:
    """Write an amount with two decimals, a dash where there is none."""
    if value is None:
        return "-"
    cents = value.quantize(Decimal("0.01"), context=WIDE)
    if not cents:
        return "0.00"
    return f"{cents:+,.2f}" if signed else f"{cents:,.2f}"


def profit(amount: Decimal | None, points: Decimal | None) -> str:
    """Write a profit in money, in points where the worth of a point is unknown, a dash where neither is known."""
    if amount is not None:
        return money(amount)
    if points is None:
        return "-"
    return f"{'+' if points > 0 else ''}{plain(points)} pts"


def moment(value: datetime | None) -> str:
    """Write a time as people read it, in UTC to the second."""
    return "-" if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def clock(value: datetime) -> str:
    """Write the time of day, in UTC to the second."""
    return value.astimezone(UTC).strftime("%H:%M:%SZ")


def age(since: datetime | None, now: datetime) -> str:
    """Write how long ago something was, in its two largest units."""
    if since is None:
        return "-"
    seconds = max(0, int((now - since).total_seconds()))
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m {seconds}s" if minutes else f"{seconds}s"


def place(key: PositionKey) -> str:
    """Write whose position it is: mode, account, symbol."""
    return " ".join(key)


def break_text(found: Break) -> str:
    """Write what differs, in one line."""
    ours = held_text(found.held_quantity, found.held_average)
    theirs = held_text(found.reported_quantity, found.reported_average)
    return f"{place(found.key)}: {found.kind.replace('_', ' ')}; the ledger holds {ours}, the server {theirs}"


def held_text(signed_quantity: Decimal | None, average: Decimal | None) -> str:
    """Write a holding as people say it: LONG 2 @ 5050.25, or nothing."""
    if not signed_quantity:
        return "nothing"
    side = "LONG" if signed_quantity > 0 else "SHORT"
    return f"{side} {plain(abs(signed_quantity))}" + ("" if average is None else f" @ {plain(average)}")
