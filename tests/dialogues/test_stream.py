"""What servers of other ages, broken servers and noise do: what was valid stands, nothing else is booked."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtcpos.dtc import BuySell, Encoding, HistoricalOrderFillResponse, OrderUpdate, PositionUpdate, encode
from dtcpos.errors import RemoteProtocolError
from dtcpos.model import Side
from tests.dialogues.test_whole import clean, dialogue
from tests.outcome import outcome_of, prove
from tests.pair import NOON, Pair, changed

# Sizes of the headers of 2022, before fields were added at the end.
SIZES_2022 = {304: 384, 600: 368, 208: 296, 401: 48}
HEADER = struct.Struct("<HH")


def frames(octets: bytes) -> Iterator[tuple[int, bytes]]:
    begin = 0
    while begin < len(octets):
        size, type_ = HEADER.unpack_from(octets, begin)
        yield type_, octets[begin : begin + size]
        begin += size


def older(octets: bytes) -> Iterator[bytes]:
    """Cut what a server of 2022 does not know."""
    for type_, frame in frames(octets):
        size = min(SIZES_2022.get(type_, len(frame)), len(frame))
        yield HEADER.pack(size, type_) + frame[4:size]


def newer(octets: bytes) -> Iterator[bytes]:
    """Add what a server of tomorrow may know."""
    for type_, frame in frames(octets):
        tail = b"\xff\x7f\x00future" * 3
        yield HEADER.pack(len(frame) + len(tail), type_) + frame[4:] + tail


@pytest.mark.parametrize("age", [older, newer])
@pytest.mark.parametrize("name", ["demo", "away", "modes", "carried", "scaled", "observed"])
def test_older_and_newer_servers_give_the_same_ledger(name: str, age: Callable[[bytes], Iterator[bytes]]) -> None:
    """S2: messages are read by their declared size; a missing tail is unset, an unknown one ignored."""
    pair = Pair(dialogue(name), split=age, request_timeout_s=1.0).play()
    assert outcome_of(pair.repository).positions == outcome_of(clean(name).repository).positions
    assert outcome_of(pair.repository) == outcome_of(clean(name).repository)
    assert pair.keeper.skipped == clean(name).keeper.skipped


def test_a_string_that_fills_its_field_needs_no_terminator() -> None:
    """S2: an execution id of full length, without NUL, is read whole and is one identity live and again."""
    frame = encode(live(LastFillExecutionID="X" * 63), Encoding.BINARY)
    whole = frame.replace(b"X" * 63 + b"\0", b"X" * 64)
    assert whole != frame
    pair = Pair().connect().garbage(whole).garbage(whole)
    (fill,) = pair.repository.fills([1])
    assert fill.execution_id == "X" * 64
    assert pair.positions() == ["Sim1 +1 MES @ 5050"]


def test_unset_numbers_are_none() -> None:
    """S2: DBL_MAX in a price or a quantity says that there is none."""
    pair = Pair().connect().send(changed(live(), OrderQuantity=None, FilledQuantity=None, Price1=None))
    (fill,) = pair.repository.fills([1])
    assert fill.cumulative_quantity is None
    assert fill.flags == ()


def live(**values: object) -> OrderUpdate:
    """An execution as the server tells it, with faults."""
    plain = {
        "Symbol": "MES",
        "ServerOrderID": "77",
        "OrderStatus": 7,
        "OrderUpdateReason": 4,
        "BuySell": BuySell.BUY,
        "OrderQuantity": 1.0,
        "FilledQuantity": 1.0,
        "LastFillPrice": 5050.0,
        "LastFillQuantity": 1.0,
        "LastFillDateTime": int(NOON * 1000),
        "LastFillExecutionID": "J-1",
        "TradeAccount": "Sim1",
    }
    return OrderUpdate(**(plain | values))


BAD = {
    "price nan": {"LastFillPrice": math.nan},
    "price inf": {"LastFillPrice": math.inf},
    "price -inf": {"LastFillPrice": -math.inf},
    "price unset": {"LastFillPrice": None},
    "price huge": {"LastFillPrice": 1e300},
    "price denormal": {"LastFillPrice": 5e-324},
    "quantity nan": {"LastFillQuantity": math.nan},
    "quantity inf": {"LastFillQuantity": math.inf},
    "quantity zero": {"LastFillQuantity": 0.0},
    "quantity negative": {"LastFillQuantity": -1.0},
    "quantity unset": {"LastFillQuantity": None},
    "time far": {"LastFillDateTime": 9_000_000_000_000_000_000},
    "time negative": {"LastFillDateTime": -1},
    "time old": {"LastFillDateTime": 1},
    "no side": {"BuySell": 0},
    "strange side": {"BuySell": 9},
    "no symbol": {"Symbol": ""},
}


@pytest.mark.parametrize("fault", BAD, ids=str)
def test_an_execution_that_cannot_be_meant_is_skipped_and_counted(fault: str) -> None:
    """S5: not a number, nothing, out of this world: the valid ones around it are booked, it is not."""
    pair = Pair().connect().fill("+1 MES @ 5050", id="E-1")
    pair.send(live(**BAD[fault]))
    assert not pair.is_down
    pair.fill("+1 MES @ 5051", id="E-2").settle()
    assert pair.fills() == ["Sim1 +1 MES @ 5050 E-1", "Sim1 +1 MES @ 5051 E-2"]
    assert pair.positions() == ["Sim1 +2 MES @ 5050.5"]
    assert pair.keeper.skipped >= 1
    assert len(pair.alerts("unusable")) == 1


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e300])
@pytest.mark.parametrize("field", ["Quantity", "AveragePrice"])
def test_a_position_that_cannot_be_meant_changes_nothing(field: str, value: float) -> None:
    """S5: a snapshot of nonsense is no snapshot."""
    pair = Pair().connect().fill("+1 MES @ 5050", id="E-1").settle()
    stated = PositionUpdate(Symbol="MES", TradeAccount="Sim1", Quantity=1.0, AveragePrice=5050.0, Unsolicited=1)
    pair.send(changed(stated, **{field: value})).settle()
    assert pair.positions() == ["Sim1 +1 MES @ 5050"]
    assert pair.repository.open_breaks() == []


def test_one_bad_fill_of_a_history_does_not_spoil_the_others() -> None:
    """S5: the batch is whole, its valid executions are booked, the bad one is told."""
    pair = Pair().perform("no-answer history").connect()
    request_id = 2
    good = HistoricalOrderFillResponse(
        RequestID=request_id,
        TotalNumberMessages=3,
        MessageNumber=1,
        Symbol="MES",
        BuySell=BuySell.SELL,
        Price=5050.0,
        Quantity=1.0,
        DateTime=int(NOON) - 60,
        UniqueExecutionID="H-1",
        TradeAccount="Sim1",
    )
    bad = changed(good, MessageNumber=2, Price=math.nan, UniqueExecutionID="H-2")
    pair.send(good, bad, changed(good, MessageNumber=3, UniqueExecutionID="H-3"))
    assert pair.fills() == ["Sim1 -1 MES @ 5050 H-1", "Sim1 -1 MES @ 5050 H-3"]
    assert [fill.side for fill in pair.repository.fills([1, 2])] == [Side.SELL] * 2
    assert len(pair.alerts("unusable")) == 1


NOISE = {
    "size of nothing": (Encoding.BINARY, bytes(16)),
    "size 3": (Encoding.BINARY, b"\x03\x00\x2d\x01" + bytes(40)),
    "json without end": (Encoding.JSON, b'{"Type":301,"Symbol":"' + b"M" * (3 << 20)),
    "compact without end": (Encoding.JSON_COMPACT, b"[" * (3 << 20)),
    "client's message": (Encoding.BINARY, encode(OrderUpdate(), Encoding.BINARY).replace(b"\x2d\x01", b"\xd0\x00", 1)),
    "second logon": (Encoding.BINARY, b"\x10\x00\x01\x00" + bytes(12)),
    "broken json": (Encoding.JSON, b'{"Type":301,"Symbol":\0{"Type":\0\0[1,2\0nothing\0'),
    "bad utf-8": (Encoding.JSON, b'{"Type":700,"UserMessage":"\xff\xfe\xc3("}\0'),
    "nan in json": (Encoding.JSON, b'{"Type":306,"Symbol":"MES","TradeAccount":"Sim1","Quantity":NaN}\0'),
    "infinite in json": (Encoding.JSON, b'{"Type":306,"Symbol":"MES","TradeAccount":"Sim1","Quantity":1e999}\0'),
    "deep json": (Encoding.JSON, b'{"Type":301,"F":' + b"[" * 5000 + b"]" * 5000 + b"}\0"),
    "digits": (Encoding.JSON, b'{"Type":301,"LastFillQuantity":' + b"9" * 20000 + b"}\0"),
    "type of text": (Encoding.JSON, b'{"Type":"301"}\0{"Type":null}\0{"Type":-1}\0{"Type":1e9}\0'),
    "strings astray": (Encoding.VLS, b"\x18\x00\x91\x01\x10\x00\xff\xff\xff\xff\xff\xff" + bytes(12)),
    "frame never ended": (Encoding.BINARY, b"\xff\xff\x2d\x01" + bytes(2000)),
}


@pytest.mark.parametrize("kind", NOISE, ids=str)
def test_noise_leaves_what_was_booked_and_books_nothing(kind: str) -> None:
    """S5: a clear protocol error or a skipped message; what came before is booked, the next session is whole."""
    encoding, octets = NOISE[kind]
    pair = Pair(encoding=encoding).connect().fill("+1 MES @ 5050", id="E-1")
    before = outcome_of(pair.repository)
    pair.garbage(octets)
    assert outcome_of(pair.repository) == before
    if pair.is_down:
        assert isinstance(pair.keeper.failure, RemoteProtocolError)
        assert pair.keeper.failure.exit_code == 4
    else:
        # A frame that is never ended is given up like a silent line.
        pair.wait(60)
        assert pair.positions() == ["Sim1 +1 MES @ 5050"]
    pair.fill("+1 MES @ 5051", id="E-2", away=True).crash().settle()
    assert pair.positions() == ["Sim1 +2 MES @ 5050.5"]
    prove(pair.repository)


@given(st.integers(0, 10**6), st.sampled_from(["demo", "away", "modes"]), st.sampled_from(list(Encoding)))
def test_flipped_bytes_never_crash_and_never_break_the_books(seed: int, name: str, encoding: Encoding) -> None:
    """S5: whatever bits the line flips, the keeper goes on or ends the session, and the ledger proves itself."""
    chance = random.Random(seed)

    def flipped(octets: bytes) -> Iterator[bytes]:
        damaged = bytearray(octets)
        if chance.random() < 0.3:
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        yield bytes(damaged)

    pair = Pair(dialogue(name), encoding=encoding, split=flipped, request_timeout_s=1.0).play()
    prove(pair.repository)
    assert pair.keeper.failure is None or pair.keeper.failure.exit_code in (3, 4)
