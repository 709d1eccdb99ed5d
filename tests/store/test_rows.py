from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtcpos.model import Side, Sighting, Source
from dtcpos.store.rows import (
    checksum_of,
    fill_of,
    fill_row,
    moment_of,
    next_second_text,
    position_of,
    position_row,
    refined,
    second_of,
    second_text,
    text_of,
    time_text,
    trade_of,
    trade_row,
)
from tests.store.ledgers import at, fill, position, trade

decimals = st.decimals(allow_nan=False, allow_infinity=False)
doubles = st.floats(allow_nan=False, allow_infinity=False).map(lambda number: Decimal(repr(number)))
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(
    min_value=datetime(1, 1, 3),  # noqa: DTZ001 - the strategy adds the zone
    max_value=datetime(9999, 12, 29),  # noqa: DTZ001 - the strategy adds the zone
    timezones=st.one_of(st.just(UTC), offsets),
)


@given(value=st.one_of(decimals, doubles))
def test_a_number_survives_and_has_one_text(value: Decimal) -> None:
    """P3: every finite number comes back equal, without exponent, and equal numbers have equal text."""
    text = text_of(value)
    assert Decimal(text) == value
    assert "E" not in text
    assert text == text_of(Decimal(text))
    assert text == text_of(value.copy_negate().copy_negate())
    if "." in text:
        assert text[-1] != "0"


@pytest.mark.parametrize(
    ("given_", "stored"),
    [
        ("110.515625", "110.515625"),
        ("1.08455", "1.08455"),
        ("-37.63", "-37.63"),
        ("1E-8", "0.00000001"),
        ("0.001", "0.001"),
        ("5050.2500", "5050.25"),
        ("5050.0", "5050"),
        ("100", "100"),
        ("1E+3", "1000"),
        ("-0", "0"),
        ("-0.00", "0"),
        ("0E-12", "0"),
    ],
)
def test_known_prices_have_their_canonical_text(given_: str, stored: str) -> None:
    """P3: what traders write is what is stored."""
    assert text_of(Decimal(given_)) == stored


@pytest.mark.parametrize("value", ["NaN", "sNaN12", "Infinity", "-Infinity"])
def test_what_is_no_number_is_our_mistake(value: str) -> None:
    """S5: nothing that is not finite may come as far as the ledger."""
    with pytest.raises(AssertionError):
        text_of(Decimal(value))


@given(moment=moments)
def test_a_moment_survives_in_any_zone(moment: datetime) -> None:
    """P10: a moment comes back as the same moment in UTC, to the microsecond."""
    text = time_text(moment)
    assert moment_of(text) == moment
    assert moment_of(text).tzinfo is UTC
    assert len(text) == 27


@given(one=moments, other=moments)
def test_the_order_of_texts_is_the_order_of_time(one: datetime, other: datetime) -> None:
    """P10: the database compares texts where it means times."""
    assert (time_text(one) < time_text(other)) == (one < other)


@given(moment=moments)
def test_a_second_is_found_whole(moment: datetime) -> None:
    """N10: the second of a moment begins at or before it, and the next one after it."""
    assert second_text(moment) <= time_text(moment) < next_second_text(moment)


def test_a_naive_time_is_our_mistake() -> None:
    """P10: a time without a zone means nothing in a ledger."""
    with pytest.raises(AssertionError):
        time_text(datetime(2026, 11, 20))  # noqa: DTZ001 - that is the point


@given(
    quantity=decimals.filter(bool).map(abs),
    price=st.none() | decimals,
    moment=moments,
    text=st.text(st.characters(codec="utf-8")),
    source=st.sampled_from(Source),
    side=st.sampled_from(Side),
    place=st.none() | st.integers(0, 10_000),
)
def test_a_fill_comes_back_as_it_went(  # type: ignore[no-untyped-def]
    quantity: Decimal, price: Decimal | None, moment: datetime, text: str, source: Source, side: Side, place
) -> None:
    """P3, N1: nothing of a fill is lost or rounded on its way through a row."""
    booked = fill(
        7, quantity=quantity, price=price, time=moment, execution_id=text, reason=text, raw=text, source=source,
        side=side, place=place, flags=("carried", "overfill"), commission=price, position_after=price,
        cumulative_quantity=quantity, supersedes=3, is_void=True, time_is_exact=False, parent_order_id="p",
    )  # fmt: skip
    row = fill_row(booked)
    assert fill_of(row) == booked
    assert checksum_of(row[:-1]) == row[-1]


def test_positions_and_trades_come_back_as_they_went() -> None:
    """P3: unknown amounts stay unknown and are not zero."""
    held = position(cost=None, realized=None, commission=None, price_min=None, flags=("carried",))
    assert position_of(position_row(held)) == held
    closed = trade(1, 0, 5, realized=None, closed_notional=None, mae=None)._replace(opened_by=None)
    assert trade_of(trade_row(closed, 9)).id == 9
    assert trade_row(trade_of(trade_row(closed, 9)), 9) == trade_row(closed, 9)


def seen(source: Source, seconds: float | None, *, exact: bool = False, **other: object) -> Sighting:
    time = None if seconds is None else at(seconds)
    return Sighting(fill_id=1, source=source, seen_at=at(99), time=time, time_is_exact=exact, **other)  # type: ignore[arg-type]


def test_history_first_and_live_later_is_live_first_and_history_later() -> None:
    """N10: what a fill is refined to does not depend on which source came first."""
    live = fill(1, 1.25)
    past = fill(1, 1, time_is_exact=False, source=Source.BACKFILL, position_after=Decimal(1), place=0)
    one = refined(live, [seen(Source.BACKFILL, 1, position_after=Decimal(1), place=0)])
    other = refined(past, [seen(Source.LIVE, 1.25, exact=True)])
    for told in (one, other):
        assert (told.time, told.time_is_exact, told.position_after, told.place) == (at(1.25), True, Decimal(1), 0)


def test_a_fill_seen_once_is_left_alone() -> None:
    """N10: without a further sighting there is nothing to refine."""
    booked = fill(1, 1.25)
    assert refined(booked, []) is booked
    assert refined(booked, [seen(Source.LIVE, 1.25, exact=True)]) is booked


def test_an_imported_exact_time_beats_a_whole_second() -> None:
    """N4, N10: an exact time is worth more than a nearer source."""
    past = fill(1, 1, time_is_exact=False, source=Source.BACKFILL)
    assert refined(past, [seen(Source.IMPORT, 1.5, exact=True)]).time == at(1.5)


def test_the_word_of_a_person_stands() -> None:
    """N8: a fill a person entered keeps the time they gave it."""
    corrected = fill(1, 40, source=Source.MANUAL)
    assert refined(corrected, [seen(Source.LIVE, 1.25, exact=True)]) is corrected


sighted = st.fixed_dictionaries(
    {
        "source": st.sampled_from(Source),
        "time": st.none() | st.integers(0, 2).map(at),
        "time_is_exact": st.booleans(),
        "position_after": st.none() | st.integers(1, 2).map(Decimal),
        "place": st.none() | st.integers(0, 1),
    }
)


@given(
    own=sighted.filter(lambda values: values["time"] is not None),
    told=st.lists(sighted, max_size=4, unique_by=lambda values: values["source"]),
    chance=st.randoms(use_true_random=False),
)
def test_each_thing_is_taken_from_whoever_knows_it_best(
    own: dict[str, Any], told: list[dict[str, Any]], chance: Random
) -> None:
    """N10: time, position and place each come from the first in rank that knows them, whoever told first."""
    booked = fill(1, **own)
    sightings = [Sighting(fill_id=1, seen_at=at(0), **values) for values in told]
    known = refined(booked, sightings)
    chance.shuffle(sightings)
    assert refined(booked, sightings) == known
    further = [values for values in told if values["source"] is not own["source"]]
    if own["source"] in (Source.MANUAL, Source.ADJUSTMENT) or not further:
        assert known is booked
        return
    ranked = sorted([own, *further], key=lambda values: list(Source).index(values["source"]))
    timed = [values for values in ranked if values["time"] is not None]
    best = next((values for values in timed if values["time_is_exact"]), timed[0])
    assert (known.time, known.time_is_exact) == (best["time"], best["time_is_exact"])
    stating = sorted(ranked, key=lambda values: values["source"] is not Source.BACKFILL)
    after = next((values["position_after"] for values in stating if values["position_after"] is not None), None)
    assert known.position_after == after
    placed = next((values for values in stating if values["place"] is not None), None)
    if placed is None:
        assert known.place is None
    else:
        # Among those of the second it was told in, which go before or after all of another second.
        apart = 0 if placed["time"] is None else (second_of(placed["time"]) - second_of(known.time)).total_seconds()
        assert known.place == placed["place"] + int(apart) * 2**32
    assert known._replace(**{name: own[name] for name in own}) == booked
