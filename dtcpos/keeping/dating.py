"""When an entry happened that nobody has dated: an answer to a break, or a close without a time.

Executions carry the server's time and an entry would carry ours. By a clock that runs ahead of the server's it would
come after executions that follow it, by one that runs behind before those it answers; the quantity would be right and
the profit not. So an entry is dated by the server's clock, as far as executions heard live have shown it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from dtcpos.booking import whole_second
from dtcpos.store import PositionRepository

# What was told later than this was late, whatever the clocks say.
_BEHIND_MAX = timedelta(minutes=10)
_FILLS_LOOKED_AT = 200
_NONE = timedelta(0)


def dated(repository: PositionRepository, account: str, symbol: str, now: datetime) -> datetime:
    """Return the time of an entry made `now`: after every execution known of the key, before those still to come."""
    lags = repository.live_lags(of_last=_FILLS_LOOKED_AT)
    moment = now - min((lag for lag in lags if _NONE <= lag <= _BEHIND_MAX), default=_NONE)
    latest = repository.latest_second_of_key(account, symbol)
    if not latest:
        return moment
    last = max(fill.time for fill in latest)
    if all(fill.time_is_exact and fill.position_after is None for fill in latest):
        return max(moment, last + timedelta(microseconds=1))
    # Within a second that is ordered by anything but the clock, an entry could not be sure of its place.
    return max(moment, whole_second(last) + timedelta(seconds=1))
