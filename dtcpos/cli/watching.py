"""`positions --watch`: what is held, drawn again whenever another process writes and at least once a second.

A picture is made of plain lines that fit the window; a terminal gets the same lines with the status words on a ground
of their own. So no meaning is in a colour alone, and text and table cannot differ.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from dtcpos.cli.follow import changes
from dtcpos.cli.held import Standing, standings, unheld_breaks
from dtcpos.cli.places import utc_now
from dtcpos.cli.prices import price_text
from dtcpos.cli.render import STATUS_STYLES, Table, age, as_text, fitted, is_terminal, moment, number
from dtcpos.cli.standings import notes_of, table_of
from dtcpos.exact import EXACT
from dtcpos.model import Break, Instrument, Link, Status
from dtcpos.settings import Settings
from dtcpos.store import LedgerReader, Selection

if TYPE_CHECKING:
    from rich.text import Text

# A little less than the second promised: drawing takes time too.
_REDRAW_S = 0.8
_GAP = "   "
# Said under the position where there is room for it: the distances, and how old everything is.
_BENEATH = frozenset({"STOP", "TARGET", "HELD FOR"})


class Line(NamedTuple):
    """One line, and which part of it is a status."""

    text: str
    status: Status | None = None
    start: int = 0


class Picture(NamedTuple):
    """Everything one drawing shows, of one moment."""

    found: Sequence[Standing]
    unheld: Sequence[Break]
    links: Sequence[Link]
    selection: Selection
    hidden: int
    now: datetime


def watch_positions(
    reader: LedgerReader, selection: Selection, settings: Settings, *, clock: Callable[[], datetime] = utc_now
) -> None:
    """Draw what is held until Ctrl-C or SIGTERM; on a terminal in place, elsewhere as text when something changed."""
    draw = _on_terminal if is_terminal(sys.stdout) else _as_text
    # Wherever it strikes, also in the middle of a drawing, Ctrl-C is how this ends and no fault.
    with suppress(KeyboardInterrupt):
        draw(lambda: look(reader, selection, settings, clock()), reader)


def look(reader: LedgerReader, selection: Selection, settings: Settings, now: datetime) -> Picture:
    """Read what there is to draw, all of it of one moment of the ledger."""
    with reader.held_still():
        found = standings(reader, selection, settings, now)
        return Picture(
            found=found,
            unheld=unheld_breaks(reader, selection, found),
            links=reader.links(),
            selection=selection,
            hidden=len(reader.positions()) - len(found),
            now=now,
        )


def _on_terminal(look_again: Callable[[], Picture], reader: LedgerReader) -> None:
    from rich.console import Console
    from rich.live import Live

    console, picture = Console(), look_again()
    try:
        # The other screen, because a window that is made narrower folds what is there, and nothing could be drawn over.
        with Live(console=console, screen=True, auto_refresh=False) as live:
            for _ in changes(reader, at_least_every_s=_REDRAW_S):
                picture = look_again()
                live.update(drawing(lines_of(picture, console.width, console.height)), refresh=True)
    finally:
        # What was seen last stays on the screen one comes back to.
        console.print(drawing(lines_of(picture, console.width)))


def _as_text(look_again: Callable[[], Picture], reader: LedgerReader) -> None:
    """Print a picture each time anything but an age is different."""
    last: list[Line] = []
    for _ in changes(reader, at_least_every_s=_REDRAW_S):
        picture = look_again()
        width = shutil.get_terminal_size((80, 24)).columns
        lines = lines_of(picture, width, ages=False)
        if lines != last:
            last = lines
            print("\n".join(line.text for line in lines_of(picture, width)), end="\n\n", flush=True)


def drawing(lines: Sequence[Line]) -> Text:
    """Return the lines as a terminal shows them."""
    from rich.text import Text

    drawn = Text(no_wrap=True, overflow="crop", end="\n")
    for number_, line in enumerate(lines):
        text = Text(line.text)
        if line.status is not None:
            text.stylize(STATUS_STYLES[line.status], line.start, line.start + len(line.status))
        drawn.append("\n" if number_ else "").append_text(text)
    return drawn


def lines_of(picture: Picture, width: int, height: int | None = None, *, ages: bool = True) -> list[Line]:
    """Return the picture in lines of at most `width` characters and, if it must be, at most `height` of them.

    Where there are too many, what stands beneath the positions goes first, and what then remains is counted aloud.
    """
    lines = _all_lines(picture, width, ages=ages, beneath=True)
    if height is not None and len(lines) > height:
        lines = _all_lines(picture, width, ages=ages, beneath=False)
        if len(lines) > height:
            left = len(lines) - height + 1
            text = f"{left} more lines do not fit; make the window higher, or choose with --mode or --account"
            lines = [*lines[: height - 1], Line(text[:width])]
    return lines


def _all_lines(picture: Picture, width: int, *, ages: bool, beneath: bool) -> list[Line]:
    lines = [*_head(picture, width, ages=ages), Line("")]
    if picture.found:
        lines += _rows(picture, width, ages=ages, beneath=beneath)
    else:
        lines.append(Line("no open positions"))
    notes = [Line(text, Status(text.split()[0])) for text in notes_of(picture.found, picture.unheld)]
    if picture.hidden:
        notes.append(Line(f"not shown: {picture.hidden} open in other modes or accounts; --mode ALL lists them"))
    if notes:
        lines += [Line(""), *notes]
    return [folded for line in lines for folded in _folded(line, width)]


def _head(picture: Picture, width: int, *, ages: bool) -> list[Line]:
    modes, account, symbol = picture.selection.modes, picture.selection.account, picture.selection.symbol
    view = [f"MODE {', '.join(modes) if modes else 'ALL'}", f"ACCOUNT {account or 'ALL'}"]
    if symbol:
        view.append(f"SYMBOL {symbol}")
    parts = [*view, *([moment(picture.now)] if ages else []), "Ctrl-C ends"]
    links = [_link_words(link, picture.now, ages=ages) for link in picture.links] or ["no link to a server yet"]
    return [Line(text) for text in (*_joined(parts, width), *links)]


def _link_words(link: Link, now: datetime, *, ages: bool) -> str:
    heard = f", heard {age(link.last_heard_at, now)} ago" if ages and link.last_heard_at is not None else ""
    return f"link {link.server} {link.state}{heard}"


def _rows(picture: Picture, width: int, *, ages: bool, beneath: bool) -> list[Line]:
    """Return the table: a line or more for each position, an empty one between modes."""
    table = fitted(_without(table_of(picture.found), _BENEATH), width, gap=2)
    header, *rows = as_text(table).splitlines()
    start, items = header.index("STATUS"), iter(picture.found)
    lines = [Line(header)]
    for row in rows:
        if not row:
            lines.append(Line(""))
            continue
        item = next(items)
        lines.append(Line(row, item.status, start))
        if beneath:
            lines += [Line(f"  {text}") for text in _joined(_beneath(item, ages=ages), width - 2)]
    return lines


def _without(table: Table, titles: frozenset[str]) -> Table:
    kept = [place for place, column in enumerate(table.columns) if column.title not in titles]
    return Table(
        columns=[table.columns[place] for place in kept],
        groups=[[[row[place] for place in kept] for row in group] for group in table.groups],
    )


def _beneath(item: Standing, *, ages: bool) -> list[str]:
    held, now = item.holding, item.now
    is_long = held.position.signed_quantity > 0
    price = held.mark.price if held.mark is not None else None
    parts = [_distance("stop", held.stop_price, price, held.instrument, is_above=not is_long)]
    parts.append(_distance("target", held.target_price, price, held.instrument, is_above=is_long))
    if not ages:
        return parts
    agreed_at = held.verification.agreed_at
    return [
        f"mark {price_text(price, held.instrument)}, {age(held.mark.time, now)} ago"
        if held.mark is not None
        else "no mark yet",
        *parts,
        f"agreed {age(agreed_at, now)} ago" if agreed_at is not None else "never agreed",
        f"held {age(held.position.entry_time, now)}",
    ]


def _distance(
    name: str, level: Decimal | None, price: Decimal | None, instrument: Instrument | None, *, is_above: bool
) -> str:
    """Say how many points the mark has to go to a working order, which `is_above` it until it is reached."""
    if level is None:
        return f"no {name}"
    if price is None:
        return f"{name} {price_text(level, instrument)}"
    points = EXACT.subtract(level, price) if is_above else EXACT.subtract(price, level)
    words = f"{number(points)} pts away" if points >= 0 else f"passed by {number(-points)} pts"
    return f"{name} {price_text(level, instrument)}, {words}"


def _joined(parts: Sequence[str], width: int) -> list[str]:
    """Put the parts on as few lines as they fit on, none of them torn apart."""
    lines = [parts[0]]
    for part in parts[1:]:
        longer = f"{lines[-1]}{_GAP}{part}"
        if len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


def _folded(line: Line, width: int) -> list[Line]:
    """Go on in the next line where one is too long: what a person must see is never cut off."""
    if len(line.text) <= width:
        return [line]
    pieces = textwrap.wrap(line.text, width, subsequent_indent="  ", replace_whitespace=False)
    if line.status is None:
        return [Line(piece) for piece in pieces]
    if line.start + len(line.status) <= len(pieces[0]):
        return [Line(pieces[0], line.status, line.start), *map(Line, pieces[1:])]
    starts = [piece.find(line.status) for piece in pieces[1:]]
    return [
        Line(pieces[0]),
        *(
            Line(piece) if start < 0 else Line(piece, line.status, start)
            for piece, start in zip(pieces[1:], starts, strict=True)
        ),
    ]
