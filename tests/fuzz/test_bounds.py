"""Much of everything: what a server sends costs in proportion to its bytes, in work, in memory and in the file.

Work is counted in lines of dtcpos that run, not in seconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import pytest

from dtcpos.dtc import Encoding
from dtcpos.updates import AlertUpdate, FillUpdate, SyncedUpdate
from tests.fuzz.engine import Tracer
from tests.fuzz.units import assert_sound
from tests.pair import Pair

FILL = {"Type": 301, "OrderUpdateReason": 4, "OrderStatus": 7, "BuySell": 1, "LastFillPrice": 5000}
FILL |= {"LastFillQuantity": 1, "Symbol": "MES", "TradeAccount": "Sim1"}
# Twice as much may cost twice as much, and a little: sorting, and tables that grow.
SLACK = 2.6


def frame(**fields: object) -> bytes:
    return json.dumps(fields).encode() + b"\0"


def fill(number: int, **fields: object) -> bytes:
    return frame(**FILL | {"LastFillExecutionID": f"x-{number}", "ServerOrderID": str(number)} | fields)


def quiet(**options: object) -> Pair:
    """A session in JSON that has nothing more to say."""
    return Pair("", encoding=Encoding.JSON, **options).connect().settle()  # type: ignore[arg-type]


FLOODS: dict[str, Callable[[int], list[bytes]]] = {
    "tiny frames of unknown types": lambda count: [b'{"Type":%d}\0' % (9_000 + n % 999) for n in range(4 * count)],
    "frames that are no JSON": lambda count: [b"{\0"] * (4 * count),
    "executions in new symbols": lambda count: [fill(n, Symbol=f"S{n}") for n in range(count)],
    "executions in new accounts": lambda count: [fill(n, TradeAccount=f"A{n}") for n in range(count)],
    "executions of one order": lambda count: [fill(n, ServerOrderID="7") for n in range(count)],
    "executions without ids": lambda count: [
        fill(n, LastFillExecutionID="", ServerOrderID=str(n // 8), FilledQuantity=n % 8 + 1) for n in range(count)
    ],
    "the same execution": lambda count: [fill(1)] * count,
    "positions in new symbols": lambda count: [
        frame(Type=306, Symbol=f"S{n}", TradeAccount="Sim1", Quantity=1, AveragePrice=5, Unsolicited=1)
        for n in range(count)
    ],
    "working orders": lambda count: [
        frame(Type=301, OrderUpdateReason=2, OrderStatus=4, Symbol="MES", TradeAccount="Sim1", ServerOrderID=f"O{n}")
        for n in range(count)
    ],
    "definitions of unknown symbols": lambda count: [
        frame(Type=507, RequestID=110000000, Symbol=f"S{n}", MinPriceIncrement=0.25, CurrencyValuePerIncrement=1)
        for n in range(count)
    ],
}


ONE_BY_ONE = (
    "tiny frames of unknown types",
    "executions in new symbols",
    "the same execution",
    "positions in new symbols",
)


@pytest.mark.parametrize(
    ("kind", "is_whole"), [*((kind, True) for kind in FLOODS), *((kind, False) for kind in ONE_BY_ONE)]
)
def test_twice_the_messages_are_twice_the_work(kind: str, is_whole: bool) -> None:
    """S5: no flood of a server is more than proportional in cost, in one read or in one each."""
    lines = []
    for count in (40, 80, 160):
        pair, messages = quiet(), FLOODS[kind](count if is_whole else count // 2)
        tracer = Tracer(lines_max=100_000_000)
        tracer.run(lambda: feed(pair, [b"".join(messages)] if is_whole else messages))  # noqa: B023 - it runs at once
        lines.append(tracer.lines)
    assert lines[2] - lines[1] <= SLACK * (lines[1] - lines[0]), lines


def feed(pair: Pair, reads: Iterable[bytes]) -> None:
    for octets in reads:
        pair.feed(octets)


def test_a_batch_that_says_it_is_endless_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """S5, N11: a total of 2^31 takes no memory by itself, and what it is made of is kept up to a bound only."""
    monkeypatch.setattr("dtcpos.keeping.sync._MESSAGES_MAX", 50)
    pair = Pair("", terms="account Sim1\nno-answer history", encoding=Encoding.JSON).connect()
    sync = pair.keeper._session._sync
    for _ in range(2):
        request = sync._current
        assert request is not None
        for number in range(1, 80):
            told = {"Symbol": "MES", "BuySell": 1, "Price": 5, "Quantity": 1, "DateTime": 1_795_860_000}
            total = {"TotalNumberMessages": 2**31 - 1, "MessageNumber": number, "RequestID": request.request_id}
            pair.feed(frame(Type=304, TradeAccount="Sim1", UniqueExecutionID=f"h-{number}", **told, **total))
        assert len(request.contents) <= 50
        pair.wait(0.1)
    pair.wait(60)
    (synced,) = pair.told_of(SyncedUpdate)
    assert synced.unfinished
    assert not pair.told_of(FillUpdate)
    assert pair.positions() == []


@pytest.mark.parametrize("field", ["Symbol", "TradeAccount", "LastFillExecutionID", "ServerOrderID"])
def test_a_name_of_a_megabyte_is_skipped_and_not_stored(field: str) -> None:
    """S5: JSON sets no limit to a text; names have one, so the file does not grow with nonsense."""
    pair = quiet()
    pages = pair.repository.database.conn.execute("PRAGMA page_count").fetchone()
    for number in range(6):
        pair.feed(fill(number, **{field: "x" * 300_000}))
        pair.feed(frame(Type=306, TradeAccount="Sim1", Symbol="y" * 300_000, Quantity=1, AveragePrice=5, Unsolicited=1))
        pair.feed(frame(Type=301, OrderUpdateReason=2, OrderStatus=4, Symbol="MES", ServerOrderID="z" * 300_000))
        pair.feed(frame(Type=507, Symbol="w" * 300_000, MinPriceIncrement=0.25, CurrencyValuePerIncrement=1))
    pair.feed(fill(99))
    assert [update.fill.execution_id for update in pair.told_of(FillUpdate)] == ["x-99"]
    assert pair.repository.database.conn.execute("PRAGMA page_count").fetchone()[0] < pages[0] + 30
    assert all(len(update.text) < 400 for update in pair.told_of(AlertUpdate))
    assert_sound(pair.repository)


def test_a_list_of_accounts_with_names_of_a_megabyte() -> None:
    """S5: nobody is asked about an account whose name is no name."""
    pair = Pair("", terms="account Sim1\nno-answer accounts", encoding=Encoding.JSON).connect()
    for number, name in enumerate(("Sim1", "x" * 300_000), 1):
        pair.feed(frame(Type=401, TotalNumberMessages=2, MessageNumber=number, TradeAccount=name, RequestID=1))
    pair.settle()
    assert [account.account for account in pair.repository.accounts()] == ["Sim1"]


def test_an_alert_about_many_symbols_names_a_few() -> None:
    """M3, S5: the guard speaks of thousands of symbols in one short line."""
    pair = quiet()
    pair.feed(b"".join(fill(number, Symbol=f"S{number:03}") for number in range(200)))
    alerts = pair.alerts("one_position_per_account")
    assert len(alerts) == 199
    assert max(map(len, alerts)) < 120
    assert alerts[-1].endswith("S199 beside S000, S001, S002, S003, S004 and 194 more")


@pytest.mark.parametrize("encoding", [Encoding.VLS, Encoding.BINARY])
def test_strings_that_overlap_and_point_backwards_are_read_or_empty(encoding: Encoding) -> None:
    """S5: in VLS every string may point to all of a frame of 64 KiB; none of it is stored."""
    pair = Pair("", encoding=encoding).connect().settle()
    size, base = 0xFFFF, 264
    head = size.to_bytes(2, "little") + (301).to_bytes(2, "little") + base.to_bytes(2, "little")
    everything = (1).to_bytes(2, "little") + (0xFFF0).to_bytes(2, "little")
    for shift in range(4):
        body = (b"\1" * shift + everything * (base // 4))[: base - 6]
        pair.feed(head + body + b"x" * (size - base))
    pair.feed((4).to_bytes(2, "little") + b"\xff\xff")
    assert pair.keeper.failure is None
    assert pair.fills() == []
    assert_sound(pair.repository)
