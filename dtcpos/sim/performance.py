"""One run of a dialogue: the venue, how it behaves, and the script, heard by every session that has joined.

Pure: `now` is an argument, `next_deadline` tells when `tick` has something to do. The venue outlives its sessions, so
a client that comes back finds in history what happened while it was away.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Protocol

from dtcpos.errors import UsageError
from dtcpos.model import Side
from dtcpos.sim import steps
from dtcpos.sim.conduct import Conduct
from dtcpos.sim.dialogue import parse_line
from dtcpos.sim.steps import Dialogue, Kind, LineStep, Start, Step
from dtcpos.sim.venue import News, Venue

_TRADING = (Kind.HISTORY, Kind.POSITIONS, Kind.ORDERS, Kind.BALANCES)


class Listener(Protocol):
    """A session as the performance sees it."""

    def hear(self, news: list[News], now: float) -> None:
        """Tell the client what happened at the venue."""

    def suffer(self, step: LineStep, now: float) -> None:
        """Do to this connection what a step says."""

    def ready_at(self, start: Start) -> float | None:
        """Return when the client counts as there, None while it does not."""


class Performance:
    """A dialogue being performed; `speed` divides every wait of the script."""

    def __init__(self, dialogue: Dialogue, *, now: float, speed: float = 1.0) -> None:
        self.dialogue = dialogue
        self.venue = Venue(dialogue, now=now)
        self.conduct = Conduct()
        self.is_finished = False
        self._speed = speed
        self._sessions: list[Listener] = []
        self._greeted: list[Listener] = []
        self._script = unroll(dialogue.script)
        self._next = next(self._script, None)
        # None: the script waits for a client that was not there the last time it waited.
        self._due: float | None = None
        if not dialogue.trading:
            self.conduct.change(steps.Reject(kinds=_TRADING, text="trading is not supported"))
        for step in _unroll_past(dialogue.before):
            if isinstance(step, steps.ConductStep):
                self.conduct.change(step)
            else:
                assert isinstance(step, steps.VenueStep)
                self.venue.apply(step, now, is_heard=False)

    @property
    def is_over(self) -> bool:
        """Whether the whole script has been performed."""
        return self._next is None

    def join(self, session: Listener) -> None:
        """Let a session hear everything from now on."""
        self._sessions.append(session)

    def leave(self, session: Listener) -> None:
        """Let a session hear no more; leaving twice is leaving once."""
        if session in self._sessions:
            self._sessions.remove(session)
        if session in self._greeted:
            self._greeted.remove(session)

    def next_deadline(self) -> float | None:
        """Return when the script goes on, None while that depends on clients, or when it is over."""
        if self._next is None:
            return None
        if self._due is not None:
            return self._due
        arrivals = [
            ready_at
            for session in self._sessions
            if session not in self._greeted and (ready_at := session.ready_at(self.dialogue.start)) is not None
        ]
        return min(arrivals, default=None)

    def tick(self, now: float, *, steps_max: int | None = None) -> None:
        """Perform every step that is due, at most `steps_max`."""
        performed = 0
        while (due := self.next_deadline()) is not None and due <= now:
            if performed == steps_max:
                return
            performed += 1
            if self._due is None:
                self._due = due
                self._greeted = list(self._sessions)
                continue
            step, self._next = self._next, next(self._script, None)
            assert step is not None
            self._perform(step, now)

    def perform(self, text: str, now: float) -> None:
        """Perform one line at once, whatever the script is waiting for; UsageError where it cannot be meant.

        `wait` and `await` belong to a script and are refused here.
        """
        step = parse_line(text, self.venue.vocabulary())
        if isinstance(step, steps.Wait | steps.Await):
            raise UsageError(f"{text!r} belongs to a script: write it below the line '--' of a dialogue")
        for single in unroll((step,)):
            self._perform(single, now)

    def _perform(self, step: Step, now: float) -> None:
        if isinstance(step, steps.Wait):
            self._due = (now if self._due is None else self._due) + step.seconds / self._speed
        elif isinstance(step, steps.Await):
            self._due = None
        elif isinstance(step, steps.Away):
            assert isinstance(step.step, steps.VenueStep)
            self.venue.apply(step.step, now, is_heard=False)
        elif isinstance(step, steps.ConductStep):
            self.conduct.change(step)
        elif isinstance(step, steps.LineStep):
            if isinstance(step, steps.Stop):
                self.is_finished = True
                self._next = None
                self.conduct.logon = steps.RefuseLogon(text=step.reason, forbids_reconnect=True)
            for session in tuple(self._sessions):
                session.suffer(step, now)
        else:
            assert isinstance(step, steps.VenueStep | steps.MarketStep)
            news = self.venue.apply(step, now)
            for session in tuple(self._sessions):
                session.hear(news, now)


def unroll(script: tuple[Step, ...]) -> Iterator[Step]:
    """Yield the steps of a script with every burst as its single fills and the waits between them."""
    for step in script:
        if isinstance(step, steps.Burst):
            for fill in _fills(step):
                yield fill
                if step.rate is not None:
                    yield steps.Wait(seconds=1 / step.rate)
        elif isinstance(step, steps.Away) and isinstance(step.step, steps.Burst):
            for fill in _fills(step.step):
                yield steps.Away(step=fill)
        else:
            yield step


def _unroll_past(before: tuple[Step, ...]) -> Iterator[Step]:
    for step in before:
        if isinstance(step, steps.Burst):
            for number, fill in enumerate(_fills(step)):
                yield _aged(fill, float(step.count - number))
        else:
            yield step


def _aged(fill: steps.Fill, ago_s: float) -> steps.Fill:
    # attrs.evolve is four times slower than this, and a burst of the past may hold a hundred thousand fills.
    return steps.Fill(
        account=fill.account,
        side=fill.side,
        quantity=fill.quantity,
        symbol=fill.symbol,
        price=fill.price,
        ago_s=ago_s,
    )


def _fills(burst: steps.Burst) -> Iterator[steps.Fill]:
    # Two in, two out, at prices a quarter apart: open positions, closed trades and both signs of profit.
    pattern = ((Side.BUY, 0), (Side.BUY, 1), (Side.SELL, 2), (Side.SELL, -1))
    for number in range(burst.count):
        side, quarters = pattern[number % len(pattern)]
        yield steps.Fill(
            account=burst.account,
            side=side,
            quantity=Decimal(1),
            symbol=burst.symbol,
            price=burst.price + quarters * Decimal("0.25"),
        )
