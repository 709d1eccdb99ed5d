"""What an answer about history says that earlier answers did not.

A history is asked for again at every logon and mostly repeats itself. Each hour of it has a digest of what the server
said; an hour that says what it said when it was booked whole has nothing new, and reading and looking up its
executions one by one would take ten times as long as receiving them.

Invariants:
1. An hour is passed over only if all of it was booked before, without anything left to tell about it.
2. The hour before one that is read is read too, so that a gap between the two shows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from attrs import frozen

from dtcpos.dtc import HistoricalOrderFillResponse, content_digest, raw_column, raw_reader
from dtcpos.model import Fill
from dtcpos.translate import Unusable, historical_fill_of

_HOUR_S = 3600
# The symbol as it was received: the same one is the same text, and it need not be read for that.
_second_of = raw_reader(HistoricalOrderFillResponse, "Symbol", "DateTime")


@frozen(kw_only=True)
class News:
    """The executions of an answer that may be new, oldest first, what of it cannot be meant, and its digests.

    `digests` are by hour (since 1970), of the hours that were read; `oldest` is the first hour of the whole answer.
    """

    fills: tuple[Fill, ...] = ()
    unusable: tuple[str, ...] = ()
    digests: Mapping[int, bytes] = {}
    oldest: int = 0


def news_of(
    messages: Sequence[HistoricalOrderFillResponse], *, account: str, known: Mapping[int, bytes] | None = None
) -> News:
    """Return what a whole answer about an account says, without the hours whose digest is among those `known`."""
    hours: dict[int, list[HistoricalOrderFillResponse]] = defaultdict(list)
    times = raw_column(messages, "DateTime")
    current: list[HistoricalOrderFillResponse] = []
    last = None
    for time, message in zip(times, messages, strict=True):
        hour = time // _HOUR_S
        if hour != last:
            current, last = hours[hour], hour
        current.append(message)
    ordered = sorted(hours)
    digests = {hour: content_digest(hours[hour], first="Symbol") for hour in ordered}
    read = {hour for hour in ordered if known is None or known.get(hour) != digests[hour]}
    read |= {before for before, after in pairwise(ordered) if after in read}
    if not read:
        return News()
    told = [message for message in messages if message.DateTime // _HOUR_S in read]
    fills, unusable = _translated(told, account)
    if _is_newest_first(times):
        fills = _turned(fills)
    return News(
        fills=tuple(fills),
        unusable=tuple(unusable),
        digests={hour: digests[hour] for hour in sorted(read)},
        oldest=ordered[0],
    )


def whole_hour(moment: datetime) -> datetime:
    """Return the beginning of the hour a moment lies in, so that what is asked for is made of whole hours."""
    return moment.replace(minute=0, second=0, microsecond=0)


def _translated(messages: Iterable[HistoricalOrderFillResponse], account: str) -> tuple[list[Fill], list[str]]:
    fills: list[Fill] = []
    unusable: list[str] = []
    places: Counter[tuple[object, int]] = Counter()
    for message in messages:
        second = _second_of(message)
        fill = historical_fill_of(message, account=account, place=places[second])
        places[second] += 1
        if isinstance(fill, Unusable):
            unusable.append(fill.reason)
        else:
            fills.append(fill)
    return fills, unusable


def _is_newest_first(times: Sequence[int]) -> bool:
    return len(times) > 1 and times[0] > times[-1] and all(left >= right for left, right in pairwise(times))


def _turned(fills: Iterable[Fill]) -> list[Fill]:
    """Turn a batch round that was told newest first, so that the places within a second follow the order of time."""
    places: Counter[tuple[str, datetime]] = Counter()
    turned = []
    for fill in reversed(list(fills)):
        second = (fill.symbol, fill.time)
        turned.append(fill._replace(place=places[second]))
        places[second] += 1
    return turned
