"""What people write for a moment: a date, a time, `2h`, `today`, `yesterday`.

A date is a trading day (17:00 in Chicago to 17:00 by default), a time without a zone is UTC, as is everything
dtcpos prints.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from dtcpos.errors import UsageError
from dtcpos.settings import TradingDay

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO = re.compile(r"(\d{1,6})\s*([smhdw])")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
# The calendar's first and last year have days whose beginning or end lies outside of it.
_YEARS = range(2, 9999)
_TIME = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d{1,6})?)?Z?")


def parse_since(text: str, *, now: datetime, trading_day: TradingDay) -> datetime:
    """Return the first moment meant by `text`, in UTC; a day means its start. Raises `UsageError`."""
    return _bound(text, now, trading_day, days=0)


def parse_until(text: str, *, now: datetime, trading_day: TradingDay) -> datetime:
    """Return the moment that ends what `text` means, in UTC; a day means all of it. Raises `UsageError`."""
    return _bound(text, now, trading_day, days=1)


def _bound(text: str, now: datetime, trading_day: TradingDay, *, days: int) -> datetime:
    try:
        found = _parse(text, now, trading_day)
        moment = found if isinstance(found, datetime) else trading_day.starts_at(found + timedelta(days=days))
        if moment.year not in _YEARS:
            raise ValueError(moment)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{text!r} is not a time; write 2026-11-22, 2026-11-22T14:30:00Z, 14:30, 2h, today or yesterday"
        ) from error
    return moment


def _parse(text: str, now: datetime, trading_day: TradingDay) -> date | datetime:
    word = text.strip().lower()
    if word == "now":
        return now
    if word in ("today", "yesterday"):
        return trading_day.day_of(now) - timedelta(days=word == "yesterday")
    ago = _AGO.fullmatch(word)
    if ago:
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    if _DATE.fullmatch(word):
        return date.fromisoformat(word)
    if _TIME.fullmatch(word.upper()):
        clock = word.upper().rstrip("Z")
        clock = clock if clock[2] == ":" else f"0{clock}"
        moment = datetime.combine(now.astimezone(UTC).date(), time.fromisoformat(clock), UTC)
        return moment if moment <= now else moment - timedelta(days=1)
    moment = datetime.fromisoformat(text.strip())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
