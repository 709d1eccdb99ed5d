"""Answers about history as a server writes them: frames of any size, in any order, with anything between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from hypothesis import strategies as st

from dtcpos.dtc import (
    BuySell,
    Encoding,
    Heartbeat,
    HistoricalOrderFillResponse,
    HistoryPart,
    HistoryRun,
    LogonRequest,
    LogonResponse,
    MarketDataUpdateTrade,
    Message,
    OrderUpdate,
    encode,
)
from dtcpos.dtc.connection import Connection
from dtcpos.dtc.framing import HEADER
from dtcpos.dtc.runs import run_at
from dtcpos.dtc.states import Role

NOON = 1_795_867_200
SIZE = HistoricalOrderFillResponse.size


def past(number: int, **words: object) -> HistoricalOrderFillResponse:
    """Return a historical fill; three numbers that follow each other are of one second."""
    facts = {
        "RequestID": 1,
        "MessageNumber": number,
        "Symbol": "MES",
        "BuySell": BuySell.BUY if number % 2 else BuySell.SELL,
        "Price": 5000.25 + number,
        "DateTime": NOON + number // 3,
        "Quantity": 1.0,
        "UniqueExecutionID": f"H-{number}",
        "ServerOrderID": f"{number}",
    }
    return HistoricalOrderFillResponse(**(facts | words))


def frame_of(message: Message, *, size: int = 0) -> bytes:
    """Return a message in binary, cut or filled up with what we do not know."""
    frame = encode(message, Encoding.BINARY)
    if not size:
        return frame
    filled = (frame + b"\xa5" * size)[:size]
    return HEADER.pack(size, message.type) + filled[HEADER.size :]


def in_runs(messages: Iterable[HistoricalOrderFillResponse], *, size: int = 0) -> list[HistoryRun]:
    """Return messages as the runs they come in when they are read at once."""
    octets = b"".join(frame_of(message, size=size) for message in messages)
    runs, position = [], 0
    while position < len(octets):
        found = run_at(octets, position)
        assert found is not None
        run, position = found
        runs.append(run)
    return runs


def told_alone(parts: Iterable[object]) -> Iterator[object]:
    """Yield the messages of the runs among some events, and the others as they are."""
    for part in parts:
        if isinstance(part, HistoryRun):
            yield from part.messages()
        else:
            yield part


def words_of(parts: Iterable[HistoryPart | object]) -> list[str]:
    """Return everything that some events say, to compare it: also what is not a number."""
    return [
        f"{each.name} {each._raw} {sorted(each.absent)}" if isinstance(each, Message) else repr(each)
        for each in told_alone(parts)
    ]


def logged_on(
    *, history_in_runs: bool, encoding: Encoding = Encoding.BINARY, ignored: Iterable[int] = ()
) -> Connection:
    """Return a client that has been let in."""
    client = Connection(
        Role.CLIENT,
        encoding=encoding,
        negotiate=False,
        logon=LogonRequest(HeartbeatIntervalInSeconds=10, Password="MES"),
        ignored=frozenset(ignored),
        history_in_runs=history_in_runs,
    )
    client.start(0)
    client.receive_data(encode(LogonResponse(), encoding), 0)
    assert len(list(client.events())) == 1
    return client


def pieces(octets: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Return what is sent in the reads that these cuts make of it."""
    edges = sorted({0, len(octets), *(cut % (len(octets) + 1) for cut in cuts)})
    return [octets[start:end] for start, end in pairwise(edges)]


# A live fill, a trade at a price, a sign of life, what nobody knows, and what is not even a whole message.
_OTHERS = (
    frame_of(OrderUpdate(Symbol="MES", ServerOrderID="77", OrderStatus=4, TradeAccount="Sim1")),
    frame_of(MarketDataUpdateTrade(SymbolID=1, Price=5000.0, Volume=1.0)),
    frame_of(Heartbeat()),
    HEADER.pack(9, 9_999) + b"?????",
    HEADER.pack(4, 304),
)
_sizes = st.sampled_from([0, 0, 0, 0, SIZE + 16, SIZE + 1, SIZE - 32, SIZE - 40, 384, 261, 260, 12])
_stretches = st.builds(
    lambda first, count, total, request_id, size, is_empty: [
        frame_of(
            past(number, RequestID=request_id, TotalNumberMessages=total, NoOrderFills=is_empty),
            size=size,
        )
        for number in range(first, first + count)
    ],
    st.integers(-1, 8),
    st.integers(1, 6),
    st.sampled_from([8, 8, 8, 8, 9, 3, 0]),
    st.sampled_from([1, 1, 1, 1, 2, 0, -1]),
    _sizes,
    st.sampled_from([0, 0, 0, 0, 0, 1]),
)
_other_stretches = st.lists(st.sampled_from(_OTHERS), min_size=1, max_size=2)
# The server changes its mind about how many there are.
_renumbered = st.builds(
    lambda turn, before, after: [
        frame_of(past(number, TotalNumberMessages=before if number <= turn else after))
        for number in range(1, after + 1)
    ],
    st.integers(1, 8),
    st.integers(6, 9),
    st.integers(6, 9),
)
_whole = st.just([frame_of(past(number, TotalNumberMessages=8)) for number in range(1, 9)])

# Frames of answers that are whole, broken off, told twice, out of order, of another request, and what comes between.
answers = st.lists(st.one_of(_stretches, _stretches, _renumbered, _whole, _other_stretches), max_size=7).map(
    lambda stretches: [frame for stretch in stretches for frame in stretch]
)
cuts = st.lists(st.integers(0, 1 << 16), max_size=8)
