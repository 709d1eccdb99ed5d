"""Tell somebody outside what has happened, and never wait for it.

Updates are put into a bounded queue and taken out by a thread, which hands them on as JSON, an object a line, by
whatever way of delivery it was given: a `command` or a `webhook`.

Invariants:
1. `tell` never blocks, and never raises for what the delivery does.
2. No update is delivered twice by us unless an answer was lost; those that find the queue full are dropped and counted.
3. A failure is spoken of when it first happens, then once an hour at most; the last line has all of them counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from queue import Empty, Full, Queue
from threading import Event, Lock, Thread
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

_Item = TypeVar("_Item")

# Ten seconds of the fastest feed; about 10 MB of updates.
WAITING_MAX: Final = 10_000
_LAST_WORD_S: Final = 5.0
# What is interrupted ends at once, but for a name that is being looked up: nothing can end that.
_INTERRUPTED_S: Final = 2.0
_SPEAK_EVERY_S: Final = 3600.0


class Undelivered(Exception):
    """Some lines did not arrive; the text says why in a few words, the same words for the same kind of failure."""


class Delivery(Protocol):
    """A way to hand lines on. `name` is what people know it by, `at_once_max` how many lines it takes together."""

    name: str
    at_once_max: int

    def deliver(self, lines: Sequence[str]) -> None:
        """Hand the lines on, in the notifier's thread; raises Undelivered."""

    def interrupt(self) -> None:
        """End a delivery that is going on, and every later one, from another thread."""

    def close(self) -> None:
        """Give back what is held between deliveries, in the notifier's thread, after the last."""


class Tally(NamedTuple):
    """What has become of the updates so far; `failed` counts deliveries, the others updates."""

    delivered: int = 0
    failed: int = 0
    dropped: int = 0
    waiting: int = 0
    last_failure: str = ""


class Notifier(Generic[_Item]):
    """Gives what it is told to a delivery.

    `render` makes a line of an update, in the notifier's own thread. `say` is given a sentence about failures;
    `clock` is asked for seconds that never go back.
    """

    def __init__(
        self,
        delivery: Delivery,
        *,
        render: Callable[[_Item], str],
        say: Callable[[str], None],
        clock: Callable[[], float],
        waiting_max: int = WAITING_MAX,
    ) -> None:
        self._delivery, self._render = delivery, render
        self._complaints = Complaints(delivery.name, say, clock)
        self._waiting: Queue[_Item] = Queue(waiting_max)
        self._is_closing, self._is_over = Event(), Event()
        self._thread = Thread(target=self._run, name="dtcpos-notify", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """What people know the delivery by."""
        return self._delivery.name

    @property
    def tally(self) -> Tally:
        """What has become of the updates so far."""
        return self._complaints.tally._replace(waiting=self._waiting.qsize())

    def tell(self, updates: Iterable[_Item]) -> None:
        """Take updates for delivery; those for which there is no room are dropped and counted."""
        for update in updates:
            try:
                self._waiting.put_nowait(update)
            except Full:
                self._complaints.dropped()

    def close(self, patience_s: float = _LAST_WORD_S) -> None:
        """Let what is still waiting be delivered, but for no longer than this; then end it. Twice is once."""
        if self._is_closing.is_set():
            return
        self._is_closing.set()
        self._thread.join(patience_s)
        if self._thread.is_alive():
            self._is_over.set()
            self._delivery.interrupt()
            self._thread.join(_INTERRUPTED_S)
            self._complaints.dropped(self._left_over(), reason="there was no time left for")
        self._complaints.sum_up()

    def _run(self) -> None:
        try:
            while not self._is_over.is_set() and (batch := self._next_batch()):
                self._give(batch)
        finally:
            self._delivery.close()

    def _give(self, batch: list[_Item]) -> None:
        try:
            self._delivery.deliver([self._render(update) for update in batch])
        except Undelivered as failure:
            self._complaints.failed(str(failure))
        else:
            self._complaints.delivered(len(batch))

    def _next_batch(self) -> list[_Item]:
        """Return what is waiting, waiting for it; nothing when there is nothing more to come."""
        batch: list[_Item] = []
        while not batch:
            try:
                batch.append(self._waiting.get(timeout=0.1))
            except Empty:
                if self._is_closing.is_set():
                    return batch
        while len(batch) < self._delivery.at_once_max:
            try:
                batch.append(self._waiting.get_nowait())
            except Empty:
                break
        return batch

    def _left_over(self) -> int:
        count = 0
        while True:
            try:
                self._waiting.get_nowait()
            except Empty:
                return count
            count += 1


class Complaints:
    """Counts what went wrong and says so now and then, from whatever thread it happens in."""

    def __init__(self, name: str, say: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._name, self._say, self._clock = name, say, clock
        self._tally = Tally()
        self._reasons: Counter[str] = Counter()
        self._unspoken: Counter[str] = Counter()
        self._spoken_at: dict[str, float] = {}
        self._guard = Lock()

    @property
    def tally(self) -> Tally:
        """What was counted so far."""
        with self._guard:
            return self._tally

    def delivered(self, count: int) -> None:
        """Count updates that arrived."""
        with self._guard:
            self._tally = self._tally._replace(delivered=self._tally.delivered + count)

    def failed(self, reason: str) -> None:
        """Count a delivery that went wrong."""
        with self._guard:
            self._tally = self._tally._replace(failed=self._tally.failed + 1, last_failure=reason)
            self._reasons[reason] += 1
            if count := self._due(reason, 1):
                self._say(f"{self._name} failed {_times(count)} ({reason})")

    def dropped(self, count: int = 1, *, reason: str = "it is too slow for") -> None:
        """Count updates that are never delivered."""
        if not count:
            return
        with self._guard:
            self._tally = self._tally._replace(dropped=self._tally.dropped + count)
            if count := self._due(reason, count):
                self._say(f"{self._name} never gets {count} update{'' if count == 1 else 's'} {reason}")

    def sum_up(self) -> None:
        """Say how many of each there were, where anything went wrong."""
        with self._guard:
            tally = self._tally
            if not (tally.failed or tally.dropped):
                return
            parts = [f"{tally.delivered} delivered"]
            parts += [f"{count} failed ({reason})" for reason, count in self._reasons.most_common()]
            parts += [f"{tally.dropped} dropped"] if tally.dropped else []
            self._say(f"{self._name}: {', '.join(parts)}")

    def _due(self, kind: str, count: int) -> int:
        """Return how many of a kind are to be spoken of now; none where one was lately."""
        now = self._clock()
        self._unspoken[kind] += count
        if kind in self._spoken_at and now - self._spoken_at[kind] < _SPEAK_EVERY_S:
            return 0
        self._spoken_at[kind] = now
        return self._unspoken.pop(kind)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
