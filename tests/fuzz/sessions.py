"""Doors for bytes: captures, a server's bytes into a keeper with a ledger, a client's bytes into the simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

from dtcpos.cli.jsonout import dumps
from dtcpos.cli.updates import render_update, update_json
from dtcpos.dtc import Encoding, Message, State, decode_stream
from dtcpos.errors import RemoteProtocolError
from dtcpos.keeper import PositionKeeper
from dtcpos.sim import VenueSession
from dtcpos.store import PositionRepository
from dtcpos.updates import FillUpdate, Update
from tests.dtc.golden import JSON_VECTORS, STREAMS, VECTORS
from tests.fuzz.engine import NUMBERS, Target
from tests.fuzz.units import assert_sound, binary_frames, json_words, ledger, text_frames
from tests.pair import NOON, TERMS, Pair, frame_ends
from tests.sim.client import Room, sync_requests

HISTORY = """
history Sim1 BUY 2 MES @ 5050.25 id H-1 order 1001 ago 2h
history Sim1 SELL 1 MES @ 5051 id H-2 order 1002 ago 1h
history 120005 BUY 3 MNQ @ 18000.50 id H-3 order 1003 ago 1h
"""
SCRIPT = """
fill Sim1 SELL 1 MES @ 5052.25 id L-1 order 2001 of 2
order 120005 3001 SELL 3 MNQ stop 17990
tick MES 5049.25
fill 120005 SELL 5 MNQ @ 18010 id L-2 order 2002
correct 120005 L-2 @ 18011
restate
"""


def wire_target(encoding: Encoding) -> Target:
    def run(octets: bytes) -> None:
        for decoded in decode_stream([octets], encoding):
            dumps(decoded.fields)

    if encoding.is_text:
        key = "json_compact" if encoding is Encoding.JSON_COMPACT else "json"
        seeds = [row.get(key, row["json"]).encode("latin-1") + b"\0" for row in JSON_VECTORS]
    else:
        seeds = [bytes.fromhex(vector["hex"]) for vector in VECTORS if vector["encoding"] == encoding.word]
    seeds += [b"".join(map(bytes.fromhex, row["chunks_hex"])) for row in STREAMS if "chunks_hex" in row]
    return Target(
        name=f"decode-{encoding.word}",
        run=run,
        seeds=seeds,
        units=text_frames if encoding.is_text else binary_frames,
        words=json_words() if encoding.is_text else NUMBERS,
    )


def recorded(encoding: Encoding) -> bytes:
    """Return what a server says in a session with two accounts, history, live fills, ticks and a correction."""
    pair = Pair(SCRIPT, terms=TERMS + HISTORY, encoding=encoding).play()
    assert len(pair.heard) == 1
    return bytes(pair.heard[0])


def write_all(updates: Iterable[Update]) -> None:
    """Write updates as `connect` does, for people and for scripts."""
    for update in updates:
        render_update(update)
        dumps(update_json(update))


def session_target(encoding: Encoding) -> Target:
    whole = recorded(encoding)
    ends = frame_ends(whole, encoding)
    # Up to here all is as it was recorded; what comes then is the input.
    # One frame at a time: an answer that comes before its question is not taken for one.
    until = next(end for end in ends if b"L-1" in whole[:end])
    known = [whole[start:end] for start, end in pairwise([0, *ends]) if end <= until]

    def run(octets: bytes) -> None:
        prefix = bool(octets) and octets[0] % 2 == 0
        piece = (1 << 20, 700, 61)[octets[0] % 3] if octets else 1
        with ledger() as repository:
            keeper = PositionKeeper(repository, encoding=encoding, server="fuzz")
            now, told = NOON, keeper.start(now=NOON)
            before: set[int] = set()
            junk = octets[1:]
            for part in (*(known if prefix else ()), *(junk[at : at + piece] for at in range(0, len(junk), piece))):
                now += 0.05
                told += keeper.receive_data(part, now=now)
                keeper.data_to_send()
                told += keeper.tick(now=now)
                if prefix and part is known[-1]:
                    assert keeper.failure is None
                    before = booked(repository)
                    assert len(before) == 4
            for _ in range(4):
                told += keeper.tick(now=(now := now + 11))
            told += keeper.receive_data(b"", now=now)
            assert keeper.state in (State.CLOSED, State.FAILED)
            assert keeper.state is State.CLOSED or isinstance(keeper.failure, RemoteProtocolError)
            after = booked(repository)
            # S5: what was valid before the fault is booked, and what was announced is there.
            assert before <= after
            assert {update.fill.id for update in told if isinstance(update, FillUpdate)} <= after
            assert dict(keeper.positions) == repository.positions()
            assert_sound(repository)
            write_all(told)
            assert len(octets) > 4_000 or stored(repository) < 600

    rest = whole[until:]
    vectors = wire_target(encoding).seeds[:120:10]
    tail = [whole[ends[0] : end] for end in ends[4::25]]
    return Target(
        name=f"session-{encoding.word}",
        run=run,
        seeds=[
            b"\1" + whole,
            b"\0" + rest,
            b"\2" + rest,
            *(b"\0" + vector for vector in vectors),
            *(b"\4" + t for t in tail),
        ],
        units=lambda octets: [octets[:1], *_wire_units(encoding)(octets[1:])],
        words=json_words() if encoding.is_text else (*NUMBERS, b"MES\0", b"Sim1\0", b"120005\0", b"L-1\0", b"H-1\0"),
    )


def _wire_units(encoding: Encoding) -> Callable[[bytes], list[bytes]]:
    return text_frames if encoding.is_text else binary_frames


def booked(repository: PositionRepository) -> set[int]:
    """The ids of every row of the ledger, superseded ones too."""
    return {row[0] for row in repository.database.conn.execute("SELECT id FROM fill")}


def stored(repository: PositionRepository) -> int:
    """How many pages the ledger has."""
    pages: int = repository.database.conn.execute("PRAGMA page_count").fetchone()[0]
    return pages


# Bytes of a client


def venue_target() -> Target:
    def run(octets: bytes) -> None:
        room = Room("fill Sim1 BUY 1 MES @ 5000", terms=TERMS + HISTORY)
        encoding = Encoding((0, 1, 2, 3)[octets[0] % 4] if octets else 0)
        session = VenueSession(room.performance, fixed_encoding=encoding if octets and octets[0] & 16 else None)
        session.start(NOON)
        for at in range(1, len(octets), 900):
            session.receive_data(octets[at : at + 900], NOON)
            session.data_to_send()
            session.tick(NOON + at / 900)
        session.receive_data(b"", NOON + 60)
        assert session.closed

    seeds = []
    for encoding in Encoding:
        client = Room("", terms=TERMS).connect(encoding)
        sent = bytearray(sent_by(encoding))
        seeds.append(bytes((encoding,)) + bytes(sent))
        assert client.is_logged_on
    return Target(name="venue", run=run, seeds=seeds, units=binary_frames, words=(*NUMBERS, *json_words()[-12:]))


def sent_by(encoding: Encoding) -> bytes:
    from dtcpos.dtc import EncodingRequest, LogonRequest, MarketDataRequest, SecurityDefinitionForSymbolRequest, encode

    messages: list[Message] = [
        LogonRequest(HeartbeatIntervalInSeconds=10, ClientName="fuzz"),
        *sync_requests("Sim1"),
        SecurityDefinitionForSymbolRequest(RequestID=7, Symbol="MES"),
        MarketDataRequest(RequestAction=1, SymbolID=1, Symbol="MES"),
    ]
    return encode(EncodingRequest(Encoding=encoding), Encoding.BINARY) + b"".join(
        encode(message, encoding) for message in messages
    )
