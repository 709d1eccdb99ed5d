"""The clock is set, forward and back, while connected and between runs; the machine sleeps."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from dtcpos.booking import standing
from dtcpos.client import Address, Follower, following
from dtcpos.keeper import PositionKeeper
from dtcpos.keeping.session import moment_of_clock
from dtcpos.model import Link, Mark, Position, PositionKey, Status, Verification
from dtcpos.sim import SimulatedServer, parse_dialogue
from dtcpos.store import PositionRepository
from dtcpos.updates import FillUpdate, SessionUpdate, SyncedUpdate, Update
from tests.clocks.skew import SkewedPair
from tests.notation import KEY, at
from tests.outcome import prove
from tests.pair import NOON

HOUR, DAY, YEAR = 3600.0, 86_400.0, 365 * 86_400.0
SESSION = """
account Sim1
symbol MES tick 0.25 value 1.25
history Sim1 BUY 1 MES @ 5050.25 id E-1 order 1001 ago 1h
start connect
--
wait 0.2
fill Sim1 BUY 1 MES @ 5051 id E-2 order 1002
"""
PATIENCE_S = 60


@pytest.mark.parametrize("step_s", [-HOUR, -YEAR, 8 * HOUR, YEAR], ids=["an hour back", "a year back", "asleep", "on"])
def test_setting_the_clock_while_connected_costs_one_session(tmp_path: Path, step_s: float) -> None:
    """S3: nothing waits for a time that is an hour or a year away: the line is taken up again and nothing is missed."""
    offset, heard, is_over = [0.0], list[Update](), threading.Event()

    def publish(updates: list[Update]) -> None:
        heard.extend(updates)
        synced = sum(isinstance(update, SyncedUpdate) for update in heard)
        fills = sum(isinstance(update, FillUpdate) for update in heard)
        if (synced, fills) >= (1, 2):
            offset[0] = step_s
        if synced >= 2:
            is_over.set()

    give_up_at = time.monotonic() + PATIENCE_S
    with (
        SimulatedServer(parse_dialogue(SESSION, name="set")) as server,
        PositionRepository.open(tmp_path / "l.db") as repository,
    ):
        keeper = PositionKeeper(repository, server=server.address)
        with following(keeper):
            Follower(
                keeper=keeper,
                address=Address(port=server.port),
                publish=publish,
                should_stop=lambda: is_over.is_set() or time.monotonic() > give_up_at,
                clock=lambda: time.time() + offset[0],
            ).run()
        assert is_over.is_set(), "the session before the clock was set was never given up"
        (link,) = repository.links()
        assert link.last_heard_at is not None
        assert abs(link.last_heard_at - moment_of_clock(time.time() + step_s)) < timedelta(seconds=PATIENCE_S)
        prove(repository)
    lost = [each.reason for each in heard if isinstance(each, SessionUpdate) and each.state == "waiting"]
    assert len(lost) == 1
    assert (f"set back by {-step_s:.0f} s" in lost[0]) == (step_s < 0)
    assert sum(isinstance(update, FillUpdate) for update in heard) == 2


def test_being_busy_is_not_the_peers_silence(tmp_path: Path) -> None:
    """S3: after booking for longer than two heartbeats what has come meanwhile is heard first: the line is kept."""
    text = SESSION + "wait 0.1\nfill Sim1 BUY 1 MES @ 5052 id E-3 order 1003\n"
    give_up_at, busy_s, heard = time.monotonic() + PATIENCE_S, [0.0], list[Update]()

    def told() -> list[FillUpdate]:
        return [update for update in heard if isinstance(update, FillUpdate)]

    with (
        SimulatedServer(parse_dialogue(text, name="busy")) as server,
        PositionRepository.open(tmp_path / "l.db") as repository,
    ):

        def publish(updates: list[Update]) -> None:
            heard.extend(updates)
            if any(isinstance(update, FillUpdate) and update.fill.execution_id == "E-2" for update in updates):
                while not server.performance.is_over and time.monotonic() < give_up_at:
                    time.sleep(0.01)
                busy_s[0] = 65.0

        keeper = PositionKeeper(repository, server=server.address)
        with following(keeper):
            Follower(
                keeper=keeper,
                address=Address(port=server.port),
                publish=publish,
                should_stop=lambda: len(told()) == 3 or time.monotonic() > give_up_at,
                clock=lambda: time.time() + busy_s[0],
            ).run()
        prove(repository)
    assert [update.fill.execution_id for update in told()] == ["E-1", "E-2", "E-3"]
    assert not [each.reason for each in heard if isinstance(each, SessionUpdate) and each.state == "waiting"]


def runs() -> Iterator[tuple[str, float, float]]:
    """Yield what our clock said in a first run and in a second three days later, against the truth."""
    yield "an hour back", HOUR, 0.0
    yield "a year back", YEAR, 0.0
    yield "a year on", -YEAR, 0.0
    yield "always most of a day ahead", 0.9 * DAY, 0.9 * DAY
    yield "always a year behind", -YEAR, -YEAR


@pytest.mark.parametrize(("first", "second"), [pytest.param(*ahead, id=name) for name, *ahead in runs()])
def test_what_was_missed_is_asked_for_whatever_the_clock_said_last_time(first: float, second: float) -> None:
    """N3: a last comparison that lies ahead of the clock is no reason to ask for less than the first time."""
    pair = SkewedPair(ahead=first).connect()
    pair.fill("+1 MES @ 5000", id="E-1", order="1").settle()
    pair.keeper.stop(now=pair.now)
    pair.lose()
    pair.fill("+2 MES @ 5010", id="E-2", order="2", away=True)
    again = SkewedPair(ahead=second, performance=pair.performance, repository=pair.repository)
    again.now = pair.now + 3 * DAY
    again.connect().settle()
    assert again.told_fills() == ["Sim1 +2 MES @ 5010 E-2"]
    assert not again.repository.open_breaks()
    prove(again.repository)


def position() -> Position:
    return Position(key=KEY, signed_quantity=Decimal(1), cost=Decimal(5000), fills=1, entry_time=at(0))


def status(*, heard_s: float, agreed_s: float, state: str = "ready", since_s: float = -60) -> tuple[Status, str]:
    """Return how true a position is at second 0, with a link and an agreement of so many seconds later."""
    link = Link(
        server="s", state=state, last_heard_at=at(heard_s), heartbeat_interval_s=10, holder_pid=1, since=at(since_s)
    )
    verification = Verification(key=KEY, agreed_quantity=Decimal(1), agreed_at=at(agreed_s), outcome="agreed")
    return standing(position(), verification=verification, account=None, links=[link], breaks=[], now=at(0))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"heard_s": -1, "agreed_s": -30}, Status.VERIFIED),
        ({"heard_s": 3, "agreed_s": 2}, Status.VERIFIED),
        ({"heard_s": HOUR, "agreed_s": -30}, Status.STALE),
        ({"heard_s": -1, "agreed_s": YEAR}, Status.STALE),
        ({"heard_s": YEAR, "agreed_s": YEAR, "since_s": YEAR}, Status.STALE),
        ({"heard_s": HOUR, "agreed_s": HOUR, "state": "closed"}, Status.STALE),
        ({"heard_s": -30, "agreed_s": -30, "state": "closed"}, Status.VERIFIED),
    ],
)
def test_what_lies_ahead_of_the_clock_proves_nothing(facts: dict[str, float], expected: Status) -> None:
    """S3: a link heard tomorrow may be dead today; a few seconds between two clocks are no matter."""
    found, reason = status(**facts)  # type: ignore[arg-type]
    assert found is expected
    assert "-" not in reason


def test_prices_go_on_when_the_clock_was_set_back() -> None:
    """P10: a mark dated ahead of the clock gives way to the next; of marks that are past the later one stands."""
    repository = PositionRepository.in_memory()
    repository.put_marks([Mark(symbol="MES", price=Decimal(5000), time=at(YEAR))], now=at(YEAR))
    repository.put_marks([Mark(symbol="MES", price=Decimal(5001), time=at(5))], now=at(5))
    repository.put_marks([Mark(symbol="MES", price=Decimal(5002), time=at(4))], now=at(6))
    assert repository.database.conn.execute("SELECT price FROM mark").fetchone() == ("5001",)


@pytest.mark.parametrize("ahead", [0.0, 180.0, -180.0, YEAR, -YEAR])
def test_excursions_and_heat_follow_the_servers_clock(ahead: float) -> None:
    """P7, P12: a trade price counts if the server says it is not older than the entry, whatever our clock says."""
    pair = SkewedPair(ahead=ahead).connect().settle()
    pair.fill("+1 MES @ 5000", id="E-1", order="1").wait(1)
    pair.perform("tick MES 4990").wait(1)
    held = pair.repository.positions()[PositionKey("SIM", "Sim1", "MES")]
    assert (held.mae, held.price_min) == (-10, 4990)
    (since,) = [each for each in pair.repository.heats().values() if each is not None]
    assert abs((since - moment_of_clock(pair.now)).total_seconds()) < HOUR
    pair.fill("-1 MES @ 5005", id="E-2", order="2")
    assert pair.trades("Sim1") == ["Sim1 LONG 1 MES 5000 to 5005 = 5"]
    (trade,) = pair.repository.trades_of_key("Sim1", "MES")
    assert trade.entry_time < trade.exit_time
    assert (trade.mae, trade.mfe) == (-10, 5)
    assert pair.now > NOON
