"""A real client and a real server with a bad line between them, at a clock that runs faster than the wall's.

Everything that would wait waits for clock seconds: a heartbeat of ten seconds passes in a tenth of one. A machine that
is too slow for that loses connections it need not have lost, and takes them up again: the ledger must be the same.
"""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from dtcpos.booking import standing
from dtcpos.client import Address, Follower, following, tls_context
from dtcpos.dtc import Encoding, State
from dtcpos.errors import DtcposError, ProtocolError
from dtcpos.keeper import PositionKeeper
from dtcpos.keeping.session import moment_of_clock
from dtcpos.model import Source, Status
from dtcpos.proving import prove
from dtcpos.sim import SimulatedServer, parse_dialogue
from dtcpos.store import AuditReader, PositionRepository
from dtcpos.updates import BreakUpdate, FillUpdate, SyncedUpdate, Update
from tests.network.proxy import Fault, Proxy
from tests.outcome import assert_true, keys_of

CERTIFICATE = Path(__file__).parents[2] / "fixtures" / "tls" / "localhost.pem"
HASTE = 100
HEARTBEAT_S = 10
# Of the wall's clock: whatever is not healed by then never will be.
PATIENCE_S = 60.0
# No answer is given up while a history has to be whole.
_FOREVER_S = 4_000.0

# Something of every symbol is known before the first session, so that nothing is ever taken over from a snapshot.
TERMS = """
account Sim1
account 120005
symbol MES tick 0.25 value 1.25
symbol MNQ tick 0.25 value 0.50
history Sim1 BUY 2 MES @ 5050.25 id H-1 order 1001 ago 2h
history 120005 SELL 1 MES @ 5051 id H-2 order 1002 ago 1h
history Sim1 BUY 1 MNQ @ 18000 id H-3 order 1003 ago 1h
history 120005 BUY 3 MNQ @ 18010.50 id H-4 order 1004 ago 30m
"""


class Clock:
    """Unix time that passes HASTE times as fast as the wall's from the moment it is made."""

    def __init__(self) -> None:
        self._unix, self._wall = time.time(), time.monotonic()
        self._sleep = time.sleep

    def time(self) -> float:
        return self._unix + (time.monotonic() - self._wall) * HASTE

    def sleep(self, seconds: float) -> None:
        self._sleep(seconds / HASTE)

    def rule(self, monkeypatch: pytest.MonkeyPatch) -> Clock:
        """Let the client and the simulated server live by this clock."""
        monkeypatch.setattr(
            "dtcpos.client.time", SimpleNamespace(time=self.time, monotonic=self.time, sleep=self.sleep)
        )
        monkeypatch.setattr("dtcpos.client._IDLE_WAIT_S", 0.01)
        monkeypatch.setattr("dtcpos.client._CONNECT_TIMEOUT_S", 0.5)
        monkeypatch.setattr("dtcpos.sim.server._IDLE_S", 0.01)
        return self


def tls_pair() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return contexts for the server and for the client that trust each other."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CERTIFICATE)
    return server, tls_context(CERTIFICATE)


def trading(chance: random.Random, count: int) -> list[str]:
    """Return so many executions, as lines of a script, that open, add, reduce, close and flip."""
    return [
        f"fill {chance.choice(('Sim1', '120005'))} {chance.choice(('BUY', 'SELL'))} {chance.randint(1, 3)} "
        f"{chance.choice(('MES', 'MNQ'))} @ {5000 + chance.randrange(400) * 0.25}"
        for _ in range(count)
    ]


class Heard(PositionKeeper):
    """A keeper that remembers when it last heard anything at all."""

    heard_at = 0.0

    def receive_data(self, data: bytes, *, now: float) -> list[Update]:
        if data:
            self.heard_at = now
        return super().receive_data(data, now=now)


class Scene:
    """One seeded session after the other on one ledger, until every fault has been suffered and everything has healed.

    `script` are lines performed at the venue between the client's reads. With `patience_s` a request counts as
    unanswered after so many seconds of the clock, but in the first session, whose history must be whole.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        seed: int,
        faults: Iterable[Fault] = (),
        script: Sequence[str] = (),
        encoding: Encoding = Encoding.BINARY,
        terms: str = TERMS,
        tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
        patience_s: float | None = None,
    ) -> None:
        self.path, self.clock, self.encoding = path, clock, encoding
        self.patience_s = patience_s
        self.chance = random.Random(seed)
        self.told: list[Update] = []
        self.sessions = 0
        faults = list(faults)
        self._script = list(reversed(script))
        self._steps, self._rounds = len(script), max(1, len(faults))
        self._struck_at = 0.0
        self._tls = tls
        self.server = SimulatedServer(
            parse_dialogue(terms, name="scene"), clock=clock.time, tls=None if tls is None else tls[0]
        )
        self.proxy = Proxy(self.server.port, faults, seed=seed)
        self._is_last = self._has_synced = False
        self._silent_at = self._checked_at = 0.0

    def play(self) -> Scene:
        """Follow until everything has happened, all is healed and verified; then prove the ledger."""
        self._give_up_at = time.monotonic() + PATIENCE_S
        with self.server, self.proxy:
            if self.patience_s is not None:
                self._follow(lambda _: self._has_synced)
            while not self._is_last or not self._is_healed:
                self._follow(self._moves_on, request_timeout_s=self.patience_s or _FOREVER_S)
            self.assert_true()
        return self

    def _follow(self, is_done: Callable[[Heard], bool], *, request_timeout_s: float = _FOREVER_S) -> None:
        with PositionRepository.open(self.path) as repository:
            keeper = Heard(
                repository, server="scene", heartbeat_interval_s=HEARTBEAT_S, request_timeout_s=request_timeout_s
            )
            tls = None if self._tls is None else self._tls[1]
            follower = Follower(
                keeper=keeper,
                address=Address(port=self.proxy.port, tls=tls, host="localhost" if tls else "127.0.0.1"),
                publish=self._hear,
                should_stop=lambda: is_done(keeper),
                encodings=[(self.encoding, True)],
                clock=self.clock.time,
                random=random.Random(self.chance.random()),
            )
            try:
                with following(keeper):
                    follower.run()
            except ProtocolError as error:
                self._faulted(error)

    def _faulted(self, error: DtcposError) -> None:
        raise AssertionError(f"an honest server's bytes were taken for broken: {error}") from error

    def _hear(self, updates: list[Update]) -> None:
        self.told += updates
        if any(isinstance(update, SyncedUpdate) and not update.unfinished for update in updates):
            self._has_synced = True

    def _moves_on(self, keeper: Heard) -> bool:
        """Let things happen between two reads; true once there is nothing left to wait for."""
        now = self.clock.time()
        assert time.monotonic() < self._give_up_at, self._words(keeper)
        self._check_silence(keeper, now)
        # Every connection has its share of what happens, before it suffers its fault, meanwhile or after.
        left_for_later = self._steps - self._steps * self.proxy.connections // self._rounds
        if len(self._script) > max(0, left_for_later):
            if self.chance.random() < 0.2:
                self.server.perform(self._script.pop())
        elif not self.proxy.is_exhausted:
            if keeper.state is State.READY and now - self._struck_at > 0.1 * HASTE:
                self._struck_at = now
                self.proxy.strike_all()
        elif not self._is_last and self._has_synced:
            # A last connection in order proves that everything before it has been made up for.
            self._is_last = True
            self.proxy.cut_all()
            self._has_synced = False
        if now - self._checked_at < 0.5 or not (self._is_last and self._has_synced):
            return False
        self._checked_at = now
        return keeper.state is State.READY and self._is_healed

    @property
    def _is_healed(self) -> bool:
        if not self._has_synced:
            return False
        held = {key[1:]: quantity for key, quantity in self._held().items()}
        truth = {key: holding.signed_quantity for key, holding in self.server.venue.holdings.items()}
        is_true = held == {key: quantity for key, quantity in truth.items() if quantity}
        return is_true and set(self.statuses(self.clock.time())) <= {Status.VERIFIED}

    def _held(self) -> dict[tuple[str, str, str], object]:
        with PositionRepository.open(self.path) as repository:
            return {tuple(key): position.signed_quantity for key, position in repository.positions().items()}  # type: ignore[misc]

    def statuses(self, now: float) -> list[Status]:
        """How true every open position is said to be, as any process would read it from the file."""
        with PositionRepository.open(self.path) as repository:
            breaks, links, known = repository.open_breaks(), repository.links(), repository.verifications()
            return [
                standing(
                    position,
                    verification=known.get(key),
                    account=repository.account(key.account),
                    links=links,
                    breaks=[found for found in breaks if found.key == key],
                    now=moment_of_clock(now),
                )[0]
                for key, position in repository.positions().items()
            ]

    def _check_silence(self, keeper: Heard, now: float) -> None:
        # S3: whatever the line does, nothing is called verified that has been silent for two intervals.
        if keeper.heard_at and now - keeper.heard_at > 2 * HEARTBEAT_S and now - self._silent_at > 5:
            self._silent_at = now
            assert Status.VERIFIED not in self.statuses(now), f"verified after {now - keeper.heard_at:.0f} s of silence"

    def _words(self, keeper: Heard) -> str:
        states = [str(update) for update in self.told[-12:]]
        return (
            f"not healed in {PATIENCE_S} s: {keeper.state}, {len(self._script)} steps left, exhausted "
            f"{self.proxy.is_exhausted}, synced {self._has_synced}, last {self._is_last}, "
            f"{self.statuses(self.clock.time())}, held {self._held()}, told {states}"
        )

    def assert_true(self) -> None:
        """Every execution of the venue once, positions equal a replay, nothing invented, nothing announced twice."""
        with AuditReader.open(self.path) as reader:
            assert not [difference.text for difference in prove(reader)]
            assert_true(reader, self.server.venue)
            fills = [fill for key in keys_of(reader) for fill in reader.fills_of_key(*key)]
        assert Source.ADJUSTMENT not in {fill.source for fill in fills}
        announced = [update.fill.id for update in self.told if isinstance(update, FillUpdate)]
        assert len(announced) == len(set(announced))
        if self.patience_s is None:
            assert not [update for update in self.told if isinstance(update, BreakUpdate) and not update.is_resolved]
