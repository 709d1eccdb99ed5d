"""Nouns to rows and back, exactly.

Invariants:
1. `decimal_of(text_of(d)) == d` for every finite `d`, and equal numbers have equal text.
2. `moment_of(time_text(t)) == t` for every aware `t`; the text has one width, so its order is the order of time.
3. A row read back gives the noun that was written.

These functions run once per value of every fill, so each takes the shortest way for what a wire can carry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from zlib import crc32

from dtcpos.model import Direction, Fill, Position, PositionKey, Side, Sighting, Source, Trade
from dtcpos.store.columns import FILL, OPEN_POSITION, SIGHTING, TRADE

Row = tuple[Any, ...]

_SIDES: Final = {side.value: side for side in Side}
_SOURCES: Final = {source.value: source for source in Source}
_SOURCE_TEXTS: Final = {source: source.value for source in Source}
_DIRECTIONS: Final = {direction.value: direction for direction in Direction}

# Whose word counts first for the moment of an execution: 301 gives milliseconds as it happens, 304 whole seconds.
_TIME_RANK: Final = {Source.LIVE: 0, Source.BACKFILL: 1, Source.IMPORT: 2, Source.MANUAL: 3, Source.ADJUSTMENT: 4}
# Whose word counts first for the position after it: 304 states it, a log may, 301 does not.
_CHAIN_RANK: Final = {Source.BACKFILL: 0, Source.LIVE: 1, Source.IMPORT: 2, Source.MANUAL: 3, Source.ADJUSTMENT: 4}
_BY_A_PERSON: Final = frozenset({Source.MANUAL, Source.ADJUSTMENT})
# More than any second has; times a year of seconds it still fits a column.
_PLACES_IN_SECOND: Final = 1 << 32
_SECOND: Final = timedelta(seconds=1)

# Fixed width, so that a comparison of texts is a comparison of times.
_SECOND_WIDTH: Final = len("2026-11-22T14:30:01")


def text_of(value: Decimal) -> str:
    """Return the canonical text: no exponent, no trailing zeros, no negative zero.

    Infinities and NaN are a mistake of the caller and fail an assertion.
    """
    text = str(value)
    if text.isdecimal():
        return text
    if "E" in text or "N" in text or "I" in text:
        assert value.is_finite(), value
        text = format(value, "f")
    if text[-1] == "0" and "." in text:
        text = text.rstrip("0").removesuffix(".")
    return "0" if text == "-0" else text


def text_or_none(value: Decimal | None) -> str | None:
    """Return the canonical text, None for None."""
    return None if value is None else text_of(value)


def decimal_or_none(text: str | None) -> Decimal | None:
    """Return the number a column holds, None for NULL."""
    return None if text is None else Decimal(text)


# A fill's time is also its position's, its trade's and its journal entry's, and a batch is booked at one moment: a hit
# costs a tenth of formatting. Equal moments of two zones have the same text, so they may share one.
@lru_cache(maxsize=2048)
def time_text(moment: datetime) -> str:
    """Return the moment as UTC ISO-8601 with microseconds and `Z`; a naive one fails an assertion."""
    if moment.tzinfo is not UTC:
        assert moment.tzinfo is not None, moment
        moment = moment.astimezone(UTC)
    # Half the time of `isoformat`, which asks the zone for an offset that is known here.
    hour, minute, second = _TWO_DIGITS[moment.hour], _TWO_DIGITS[moment.minute], _TWO_DIGITS[moment.second]
    return f"{_day_text(moment.toordinal())}T{hour}:{minute}:{second}.{moment.microsecond:06d}Z"


_TWO_DIGITS: Final = tuple(f"{number:02d}" for number in range(60))


@lru_cache(maxsize=64)
def _day_text(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat()


def time_or_none(moment: datetime | None) -> str | None:
    """Return the moment's text, None for None."""
    return None if moment is None else time_text(moment)


def finite(text: str) -> Decimal:
    """Return the number a column holds; raise ValueError where it is none, such as `NaN`, which cannot be compared."""
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError(text)
    return number


def finite_or_none(text: str | None) -> Decimal | None:
    """Return the finite number a column holds, None for NULL; raise ValueError where it is none."""
    return None if text is None else finite(text)


def moment_of(text: str) -> datetime:
    """Return the moment a column holds, aware and in UTC."""
    return datetime.fromisoformat(text)


def moment_or_none(text: str | None) -> datetime | None:
    """Return the moment a column holds, None for NULL."""
    return None if text is None else datetime.fromisoformat(text)


def second_text(moment: datetime) -> str:
    """Return the text of the whole second the moment lies in."""
    return time_text(moment)[:_SECOND_WIDTH] + ".000000Z"


def next_second_text(moment: datetime) -> str:
    """Return the text of the first moment of the following second."""
    return second_text(moment.astimezone(UTC) + timedelta(seconds=1))


def second_of(moment: datetime) -> datetime:
    """Return the moment without its fraction of a second."""
    return moment.replace(microsecond=0)


def checksum_of(row: Row) -> int:
    """Return the checksum a ledger's row carries: CRC-32 of its columns as stored, so that a flipped byte shows."""
    return crc32(("%s\x1f" * len(row) % row).encode("utf-8", "surrogatepass"))


def sealed(row: Row) -> Row:
    """Return the row with its checksum behind it."""
    return (*row, checksum_of(row))


def fill_row(fill: Fill) -> Row:
    """Return the row of a fill that has its id and its time of booking: the columns of `FILL` and their checksum."""
    # Taken apart at once: asking for each by its name takes twice as long.
    (
        account, symbol, side, quantity, price, time, is_exact, execution_id, order_id, parent_id, cumulative, after,
        place, source, commission, flags, reason, raw, supersedes, is_void, fill_id, booked_at,
    ) = fill  # fmt: skip
    assert fill_id is not None
    assert booked_at is not None
    row = (
        fill_id,
        account,
        symbol,
        "BUY" if side is Side.BUY else "SELL",
        text_of(quantity),
        None if price is None else text_of(price),
        time_text(time),
        1 if is_exact else 0,
        execution_id,
        order_id,
        parent_id,
        None if cumulative is None else text_of(cumulative),
        None if after is None else text_of(after),
        place,
        _SOURCE_TEXTS[source],
        None if commission is None else text_of(commission),
        " ".join(flags) if flags else "",
        reason,
        raw,
        supersedes,
        1 if is_void else 0,
        time_text(booked_at),
    )
    return (*row, checksum_of(row))


def fill_of(row: Sequence[Any]) -> Fill:
    """Return the fill of a row read in the order of `FILL`."""
    price, cumulative, after, commission, flags = row[5], row[11], row[12], row[15], row[16]
    return Fill(
        id=row[0],
        account=row[1],
        symbol=row[2],
        side=_SIDES[row[3]],
        quantity=Decimal(row[4]),
        price=None if price is None else Decimal(price),
        time=datetime.fromisoformat(row[6]),
        time_is_exact=row[7] == 1,
        execution_id=row[8],
        order_id=row[9],
        parent_order_id=row[10],
        cumulative_quantity=None if cumulative is None else Decimal(cumulative),
        position_after=None if after is None else Decimal(after),
        place=row[13],
        source=_SOURCES[row[14]],
        commission=None if commission is None else Decimal(commission),
        flags=tuple(flags.split()) if flags else (),
        reason=row[17],
        raw=row[18],
        supersedes=row[19],
        is_void=row[20] == 1,
        booked_at=datetime.fromisoformat(row[21]),
    )


def sighting_row(account: str, sighting: Sighting) -> Row:
    """Return the row of a further sighting of a fill of the account: the columns of `SIGHTING` and their checksum."""
    row = (
        sighting.fill_id,
        sighting.source.value,
        account,
        sighting.execution_id,
        sighting.order_id,
        time_or_none(sighting.time),
        int(sighting.time_is_exact),
        text_or_none(sighting.position_after),
        sighting.place,
        time_text(sighting.seen_at),
    )
    return (*row, checksum_of(row))


def sighting_of(row: Sequence[Any]) -> Sighting:
    """Return the sighting of a row read in the order of `SIGHTING`."""
    return Sighting(
        fill_id=row[0],
        source=_SOURCES[row[1]],
        execution_id=row[3],
        order_id=row[4],
        time=moment_or_none(row[5]),
        time_is_exact=row[6] == 1,
        position_after=decimal_or_none(row[7]),
        place=row[8],
        seen_at=datetime.fromisoformat(row[9]),
    )


def refined(fill: Fill, sightings: Iterable[Sighting]) -> Fill:
    """Return the fill with the time, position and place its sightings know better.

    An exact time beats a whole second, and among equals the source that is nearer to the execution; so the result
    is the same whichever sighting came first. A person's own entry stands as it was entered.
    """
    own = fill.source
    if own in _BY_A_PERSON:
        return fill
    chain = _CHAIN_RANK[own]
    timed = (not fill.time_is_exact, _TIME_RANK[own], fill.time)
    after = None if fill.position_after is None else (chain, fill.position_after)
    place: tuple[int, int, datetime | None] | None = None if fill.place is None else (chain, fill.place, fill.time)
    is_further = False
    for _, source, _, _, _, seen_time, is_exact, seen_after, seen_place in sightings:
        if source is own:
            continue
        is_further, chain = True, _CHAIN_RANK[source]
        if seen_time is not None and (told := (not is_exact, _TIME_RANK[source], seen_time)) < timed:
            timed = told
        if seen_after is not None and (after is None or (chain, seen_after) < after):
            after = chain, seen_after
        if seen_place is not None and (place is None or (chain, seen_place) < place[:2]):
            place = chain, seen_place, seen_time
    if not is_further:
        return fill
    inexact, _, time = timed
    # Put together of its parts: `_replace` takes three times as long, and most fills are seen live and in history.
    before, between, rest = fill[:5], fill[7:11], fill[13:]
    known = None if after is None else after[1], None if place is None else _place_at(time, *place[1:])
    again: Fill = tuple.__new__(Fill, (*before, time, not inexact, *between, *known, *rest))
    return again


def _place_at(time: datetime, place: int, told_in: datetime | None) -> int:
    """Return a place for a fill of this time; it was one among those of the second it was told in.

    The fills told in another second go before or after all that are told in this one.
    """
    if told_in is None or told_in.replace(microsecond=time.microsecond) == time:
        return place
    # All times are in UTC; one that a flipped byte left without a zone must not stop whoever names that.
    seconds = (second_of(told_in).replace(tzinfo=None) - second_of(time).replace(tzinfo=None)) // _SECOND
    return place + seconds * _PLACES_IN_SECOND


def position_row(position: Position) -> Row:
    """Return the booking columns of an open position, in the order of `OPEN_POSITION`."""
    (
        key, signed, cost, realized, opened, opened_notional, closed_notional, peak, commission, fills, opened_by,
        entry_time, updated_at, low, high, mae, mfe, flags,
    ) = position  # fmt: skip
    return (
        *key,
        text_of(signed),
        None if cost is None else text_of(cost),
        None if realized is None else text_of(realized),
        text_of(opened),
        None if opened_notional is None else text_of(opened_notional),
        None if closed_notional is None else text_of(closed_notional),
        text_of(peak),
        None if commission is None else text_of(commission),
        fills,
        opened_by,
        None if entry_time is None else time_text(entry_time),
        None if updated_at is None else time_text(updated_at),
        None if low is None else text_of(low),
        None if high is None else text_of(high),
        text_of(mae),
        text_of(mfe),
        " ".join(flags) if flags else "",
    )


def position_of(row: Sequence[Any]) -> Position:
    """Return the position of a row that begins in the order of `OPEN_POSITION`."""
    return Position(
        key=PositionKey(row[0], row[1], row[2]),
        signed_quantity=Decimal(row[3]),
        cost=decimal_or_none(row[4]),
        realized=decimal_or_none(row[5]),
        opened_quantity=Decimal(row[6]),
        opened_notional=decimal_or_none(row[7]),
        closed_notional=decimal_or_none(row[8]),
        peak_quantity=Decimal(row[9]),
        commission=decimal_or_none(row[10]),
        fills=row[11],
        opened_by=row[12],
        entry_time=moment_or_none(row[13]),
        updated_at=moment_or_none(row[14]),
        price_min=decimal_or_none(row[15]),
        price_max=decimal_or_none(row[16]),
        mae=Decimal(row[17]),
        mfe=Decimal(row[18]),
        flags=tuple(row[19].split()),
    )


def trade_row(trade: Trade, trade_id: int) -> Row:
    """Return the booking columns of a trade, in the order of `TRADE`."""
    (
        key, direction, quantity, total, entry_time, exit_time, opened, closed, realized, commission, low, high, mae,
        mfe, fills, opened_by, closed_by, flags, _,
    ) = trade  # fmt: skip
    return (
        trade_id,
        *key,
        "LONG" if direction is Direction.LONG else "SHORT",
        text_of(quantity),
        text_of(total),
        time_text(entry_time),
        time_text(exit_time),
        None if opened is None else text_of(opened),
        None if closed is None else text_of(closed),
        None if realized is None else text_of(realized),
        None if commission is None else text_of(commission),
        None if low is None else text_of(low),
        None if high is None else text_of(high),
        None if mae is None else text_of(mae),
        None if mfe is None else text_of(mfe),
        fills,
        opened_by,
        closed_by,
        " ".join(flags) if flags else "",
    )


def trade_of(row: Sequence[Any]) -> Trade:
    """Return the trade of a row that begins in the order of `TRADE`."""
    return Trade(
        id=row[0],
        key=PositionKey(row[1], row[2], row[3]),
        direction=_DIRECTIONS[row[4]],
        quantity=Decimal(row[5]),
        total_quantity=Decimal(row[6]),
        entry_time=datetime.fromisoformat(row[7]),
        exit_time=datetime.fromisoformat(row[8]),
        opened_notional=decimal_or_none(row[9]),
        closed_notional=decimal_or_none(row[10]),
        realized=decimal_or_none(row[11]),
        commission=decimal_or_none(row[12]),
        price_min=decimal_or_none(row[13]),
        price_max=decimal_or_none(row[14]),
        mae=decimal_or_none(row[15]),
        mfe=decimal_or_none(row[16]),
        fills=row[17],
        opened_by=row[18],
        closed_by=row[19],
        flags=tuple(row[20].split()),
    )


# A column added to a table and not to its noun would shift every later one.
assert len(FILL) == 22
assert (Fill._fields[5:7], Fill._fields[11:13]) == (("time", "time_is_exact"), ("position_after", "place"))
assert len(SIGHTING) == 10
assert len(OPEN_POSITION) == 20
assert len(TRADE) == 21
