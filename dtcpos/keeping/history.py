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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from hashlib import blake2b
from itertools import chain, groupby, pairwise
from typing import Any

from attrs import frozen

from dtcpos.dtc import HistoricalOrderFillResponse, HistoryPart, HistoryRun, image_of, raw_reader
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


def news_of(parts: Sequence[HistoryPart], *, account: str, known: Mapping[int, bytes] | None = None) -> News:
    """Return what a whole answer about an account says, without the hours whose digest is among those `known`."""
    told = [(hour, part) for each in parts for hour, part in _by_hour(each)]
    digests = _digests(told)
    ordered = sorted(digests)
    read = {hour for hour in ordered if known is None or known.get(hour) != digests[hour]}
    read |= {before for before, after in pairwise(ordered) if after in read}
    if not read:
        return News()
    fills, unusable = _translated((part for hour, part in told if hour in read), account)
    if _is_newest_first(parts):
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


def _by_hour(part: HistoryPart) -> Iterator[tuple[int, HistoryPart]]:
    """Take a part of an answer apart by the hours of its executions, in the order they were told in."""
    if not isinstance(part, HistoryRun):
        yield part.DateTime // _HOUR_S, part
        return
    times = part.times()
    if min(times) // _HOUR_S == max(times) // _HOUR_S:
        # What a busy hour mostly comes in: looking at each message would take as long as all the rest but the digest.
        yield times[0] // _HOUR_S, part
        return
    rest: HistoryRun | None = part
    for hour, same in groupby(time // _HOUR_S for time in times):
        assert rest is not None
        first, rest = rest.split(len(list(same)))
        yield hour, first


def _digests(told: Iterable[tuple[int, HistoryPart]]) -> dict[int, bytes]:
    """Return 16 bytes for each hour that tell what was said of it, whatever the parts it was told in."""
    digests: dict[int, Any] = defaultdict(partial(blake2b, digest_size=16))
    for hour, part in told:
        digests[hour].update(part.image() if isinstance(part, HistoryRun) else image_of(part))
    return {hour: digest.digest() for hour, digest in digests.items()}


def _messages(part: HistoryPart) -> Iterable[HistoricalOrderFillResponse]:
    return part.messages() if isinstance(part, HistoryRun) else (part,)


def _translated(parts: Iterable[HistoryPart], account: str) -> tuple[list[Fill], list[str]]:
    fills: list[Fill] = []
    unusable: list[str] = []
    places: Counter[tuple[object, int]] = Counter()
    for message in chain.from_iterable(map(_messages, parts)):
        second = _second_of(message)
        fill = historical_fill_of(message, account=account, place=places[second])
        places[second] += 1
        if isinstance(fill, Unusable):
            unusable.append(fill.reason)
        else:
            fills.append(fill)
    return fills, unusable


def _is_newest_first(parts: Sequence[HistoryPart]) -> bool:
    times = [time for part in parts for time in (part.times() if isinstance(part, HistoryRun) else (part.DateTime,))]
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
