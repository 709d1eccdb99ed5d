"""Captures without the names in them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtcpos.anonymising import Pseudonyms, Sort, Tally, anonymised, is_kept, learned, octets_of
from dtcpos.booking.order import natural
from dtcpos.client import Address, Follower, following
from dtcpos.dtc import (
    Encoding,
    EncodingResponse,
    Frame,
    LogonResponse,
    Message,
    OrderUpdate,
    PositionUpdate,
    UserMessage,
    decode_stream,
    encode,
    fields_of,
    read_frames,
)
from dtcpos.dtc.fields import Text
from dtcpos.dtc.framing import BrokenFraming
from dtcpos.dtc.messages import MESSAGE_TYPES
from dtcpos.keeper import PositionKeeper
from dtcpos.model import Mode
from dtcpos.sim import SimulatedServer, parse_dialogue
from dtcpos.store import PositionRepository
from dtcpos.translate import mode_of
from tests.outcome import Outcome, outcome_of

ENCODINGS = pytest.mark.parametrize("encoding", list(Encoding), ids=lambda encoding: encoding.word)
# What an output says of itself, whatever was in the input.
VOCABULARY = " ".join(
    [
        *Sort,
        "SIM-ACCOUNT DEMO PAPER Type null true false",
        *(field.name for kind in MESSAGE_TYPES.values() for field in kind.fields),
    ]
)


def frames_of(octets: bytes, encoding: Encoding) -> list[Frame]:
    return list(read_frames([octets], encoding))


def shared(octets: bytes, encoding: Encoding) -> tuple[bytes, Pseudonyms, Tally]:
    names, tally = learned(frames_of(octets, encoding)), Tally()
    pairs = anonymised(frames_of(octets, encoding), names, tally)
    return b"".join(octets_of(frame, message) for frame, message in pairs), names, tally


def told(octets: bytes, encoding: Encoding) -> list[Message]:
    return [frame.message for frame in frames_of(octets, encoding) if frame.message is not None]


def written(messages: Iterable[Message], encoding: Encoding) -> bytes:
    return b"".join(encode(message, encoding) for message in messages)


@ENCODINGS
def test_the_same_value_is_the_same_pseudonym_everywhere(encoding: Encoding) -> None:
    """In every field, message and encoding, and inside other texts."""
    update = OrderUpdate(
        TradeAccount="ACME-7001",
        Username="trader",
        ServerOrderID="OR777-T",
        ParentServerOrderID="OR777",
        OCOLinkedOrderServerOrderID="OR777-S",
        LastFillExecutionID="EX900",
        InfoText="ACME-7001 filled OR777 for trader, see joe@example.com at 10.0.0.7:11099",
        Symbol="MESZ26-CME",
        Price1=5050.25,
    )
    messages = [UserMessage(UserMessage="hello trader"), update, PositionUpdate(TradeAccount="ACME-7001")]
    octets, _, tally = shared(written(messages, encoding), encoding)
    hello, order, position = told(octets, encoding)
    assert isinstance(hello, UserMessage)
    assert isinstance(order, OrderUpdate)
    assert isinstance(position, PositionUpdate)
    assert order.TradeAccount == position.TradeAccount == "ACCOUNT-1"
    assert order.Username == "USER-1"
    assert hello.UserMessage == "TEXT-2 USER-1"
    assert order.InfoText == "TEXT-1 ACCOUNT-1 USER-1 MAIL-1 HOST-1 ORDER-1"
    ids = (order.ParentServerOrderID, order.OCOLinkedOrderServerOrderID, order.ServerOrderID)
    assert ids == ("ORDER-1", "ORDER-2/ORDER-1", "ORDER-3/ORDER-1")
    assert order.LastFillExecutionID == "EXECUTION-1"
    assert (order.Symbol, order.Price1) == ("MESZ26-CME", 5050.25)
    assert (tally.messages, tally.blanked, tally.dropped) == (3, {}, 0)


def test_modes_stay() -> None:
    """M2: an account that is SIM by its name is SIM by its pseudonym, whatever the names are."""
    accounts = ["Sim1", "120005", "paper-7", "DEMO", "SIM", "sIm-ACCOUNT-3", "PAPER", "eval"]
    octets = written([PositionUpdate(TradeAccount=account) for account in accounts], Encoding.BINARY)
    _, names, _ = shared(octets, Encoding.BINARY)
    for account in accounts:
        assert mode_of(names.of(account), {})[0] == mode_of(account, {})[0]
    assert len({names.of(account) for account in accounts}) == len(accounts)
    assert mode_of(names.of("Sim1"), {})[0] == Mode.SIM


@pytest.mark.parametrize(
    "texts",
    [
        ["ORD", "ORDER-1", "ORDER-2", "R-3"],
        ["E-1", "T-1", "N-1", "#12", "#1"],
        [*"ACCOUNT USER TEXT ORDER EXECUTION SERVER CLIENT HOST".split(), "ACCOUNT-1", "SIM-ACCOUNT-1"],
    ],
)
def test_pseudonyms_never_contain_an_original(texts: list[str]) -> None:
    """Also where somebody is called as our pseudonyms are, and two texts never become one."""
    messages = [
        OrderUpdate(TradeAccount=text, ServerOrderID=text, LastFillExecutionID=text + "x", InfoText=text)
        for text in texts
    ]
    _, names, _ = shared(written(messages, Encoding.BINARY), Encoding.BINARY)
    originals = [*texts, *(text + "x" for text in texts)]
    given_names = [names.of(text) for text in originals]
    assert len(set(given_names)) == len(originals)
    assert not [name for name in given_names for text in originals if len(text) > 2 and text in name]


def test_ids_keep_their_order() -> None:
    """N10: where nothing else tells two executions apart, their ids do; a replay has to book in the same order."""
    ids = [f"EX-{number}" for number in (9, 10, 2, 100, 11, 1)]
    octets = written([OrderUpdate(LastFillExecutionID=text) for text in ids], Encoding.VLS)
    _, names, _ = shared(octets, Encoding.VLS)
    by_original = sorted(ids, key=natural)
    assert sorted(ids, key=lambda text: natural(names.of(text))) == by_original


def test_what_cannot_be_read_does_not_go_out() -> None:
    """Unknown types are blanked, malformed messages left out, holes and tails of structs not copied; all counted."""
    secret = b"hunter2hunter2"
    unknown = (4 + len(secret)).to_bytes(2, "little") + (60000).to_bytes(2, "little") + secret
    update = encode(OrderUpdate(TradeAccount="ACME-7001"), Encoding.BINARY)
    longer = (len(update) + 20).to_bytes(2, "little") + update[2:] + secret.ljust(20, b"x")
    behind = bytearray(update)
    behind[424:440] = b"\0" + secret + b"\0"
    octets, _, tally = shared(unknown + longer + bytes(behind), Encoding.BINARY)
    assert secret not in octets
    assert len(octets) == len(unknown) + 2 * len(update)
    assert tally.blanked == {60000: 1}
    assert [each.name for each in decode_stream([octets], Encoding.BINARY)] == [None, "ORDER_UPDATE", "ORDER_UPDATE"]

    private = b'{"Type":60000,"Whose":"hunter2hunter2"}\0'
    broken = b'{"Type":301,"Symbol":{"hunter2hunter2":1}}\0{hunter2hunter2}\0'
    more = b'{"Type":301,"TradeAccount":"ACME-7001","NotAField":"hunter2hunter2"}\0'
    octets, _, tally = shared(private + broken + more, Encoding.JSON)
    assert secret not in octets
    assert (tally.blanked, tally.dropped) == ({60000: 1}, 2)
    assert [each.type for each in decode_stream([octets], Encoding.JSON)] == [60000, 301]


@pytest.mark.parametrize("encoding", [Encoding.BINARY, Encoding.VLS])
def test_messages_of_older_servers_stay_as_short_as_they_are(encoding: Encoding) -> None:
    """S2: what was not sent stays unsent, and every text finds its place."""
    full = encode(LogonResponse(ResultText="welcome trader", ServerName="there", TradingIsSupported=1), encoding)
    if encoding is Encoding.BINARY:
        cut = (242).to_bytes(2, "little") + full[2:242]
    else:
        # As a sender whose struct ends before SymbolExchangeDelimiter writes it: 12 bytes less, strings moved up.
        short = bytearray(full[:40] + full[52:])
        short[:2], short[4:6] = len(short).to_bytes(2, "little"), (40).to_bytes(2, "little")
        for place in (16, 28):
            short[place : place + 2] = (int.from_bytes(short[place : place + 2], "little") - 12).to_bytes(2, "little")
        cut = bytes(short)
    (before,) = told(cut, encoding)
    assert "MarketDataSupported" in before.absent
    octets, _, _ = shared(cut, encoding)
    (after,) = told(octets, encoding)
    assert isinstance(after, LogonResponse)
    assert after.absent == before.absent
    assert (after.ResultText, after.ServerName, after.TradingIsSupported) == ("TEXT-1", "SERVER-1", 1)


def test_texts_kept_have_no_names_in_them() -> None:
    """A symbol is everybody's, unless somebody's account stands in it."""
    messages = [OrderUpdate(Symbol="[ACME-7001]MESZ26", TradeAccount="ACME-7001", Exchange="joe@example.com")]
    octets, _, _ = shared(written(messages, Encoding.JSON), Encoding.JSON)
    (order,) = told(octets, Encoding.JSON)
    assert isinstance(order, OrderUpdate)
    assert order.Symbol == "[ACCOUNT-1]MESZ26"
    assert order.Exchange == "MAIL-1"


_SECRETS = st.text("abkqXYZ059-_.é ", min_size=3, max_size=14).filter(
    lambda text: text == text.strip() and sum(map(str.isalpha, text)) > 1 and text not in VOCABULARY
)
# The two that switch the encoding have no text of anybody's.
_TEXT_FIELDS = {
    kind: texts
    for number, kind in MESSAGE_TYPES.items()
    if number not in (6, 7)
    and (texts := [each for each in kind.fields if isinstance(each, Text) and not is_kept(kind(), each.name)])
}


@st.composite
def sessions(draw: st.DrawFn) -> tuple[list[Message], set[str]]:
    """Messages of any type, every text of which that is not kept is one or two secrets."""
    secrets = draw(st.lists(_SECRETS, min_size=1, max_size=6, unique=True))
    messages: list[Message] = []
    for kind in draw(st.lists(st.sampled_from(list(_TEXT_FIELDS)), min_size=1, max_size=5)):
        values: dict[str, Any] = {}
        for each in _TEXT_FIELDS[kind]:
            values[each.name] = " ".join(draw(st.lists(st.sampled_from(secrets), max_size=2)))[: each.length]
        messages.append(kind(**values))
    texts = {text for message in messages for text in fields_of(message).values() if isinstance(text, str)}
    parts = {secret for secret in secrets if any(secret in text for text in texts)}
    return messages, parts | {text for text in texts if len(text) > 2 and text not in VOCABULARY}


def assert_nothing_survives(encoding: Encoding, session: tuple[list[Message], set[str]]) -> None:
    messages, secrets = session
    octets, names, _ = shared(written(messages, encoding), encoding)
    pairs = anonymised(frames_of(written(messages, encoding), encoding), names, Tally())
    lines = json.dumps([fields_of(message) for _, message in pairs if message is not None], ensure_ascii=False)
    for secret in secrets:
        for spelled in {secret.encode(), secret.encode("latin-1"), json.dumps(secret)[1:-1].encode()}:
            assert spelled not in octets
        assert secret not in lines
    assert [type(message) for message in told(octets, encoding)] == [type(message) for message in messages]


@ENCODINGS
@given(session=sessions())
@settings(max_examples=60, deadline=None)
def test_no_secret_survives(encoding: Encoding, session: tuple[list[Message], set[str]]) -> None:
    """No original of three characters or more is anywhere in what goes out, bytes or lines, whatever its message."""
    assert_nothing_survives(encoding, session)


@pytest.mark.long
@pytest.mark.timeout(3600)
@ENCODINGS
@given(session=sessions())
@settings(max_examples=5_000, deadline=None)
def test_no_secret_survives_at_length(encoding: Encoding, session: tuple[list[Message], set[str]]) -> None:
    """The same, five thousand sessions in each encoding."""
    assert_nothing_survives(encoding, session)


@ENCODINGS
@given(session=sessions(), spoiled=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6))
@settings(max_examples=60, deadline=None)
def test_damaged_captures_do_no_harm(
    encoding: Encoding, session: tuple[list[Message], set[str]], spoiled: list[tuple[int, int]]
) -> None:
    """S5: whatever the bytes, what comes out can be read, or the framing is broken and it is said where."""
    octets = bytearray(written(session[0], encoding))
    for place, octet in spoiled:
        octets[place % len(octets)] = octet
    try:
        safe, _, _ = shared(bytes(octets), encoding)
    except BrokenFraming:
        return
    for each in decode_stream([safe], encoding):
        assert each.size


def test_names_that_do_not_fit_are_cut() -> None:
    """A field of the fixed struct has its size, and a pseudonym may be longer than what it stands for."""
    messages = [OrderUpdate(Exchange="abc abc abc abc", TradeAccount="abc")]
    safe, _, _ = shared(written(messages, Encoding.BINARY), Encoding.BINARY)
    (order,) = told(safe, Encoding.BINARY)
    assert isinstance(order, OrderUpdate)
    assert order.Exchange == "ACCOUNT-1 ACCOUN"


def test_numbers_longer_than_a_computer_counts() -> None:
    """JSON may say anything at all."""
    octets = written([OrderUpdate(ServerOrderID="9" * 5000), OrderUpdate(ServerOrderID="9" * 5001)], Encoding.JSON)
    safe, _, _ = shared(octets, Encoding.JSON)
    assert b"999" not in safe


SCRIPT = """
server "Joe's DTC Server"
account ACME-7001
account Sim1
symbol MESZ26-CME tick 0.25 value 1.25
symbol MNQZ26-CME tick 0.25 value 0.50
history ACME-7001 BUY 2 MESZ26-CME @ 6850.25 id EX9 order OR777 ago 1h
history ACME-7001 SELL 1 MESZ26-CME @ 6851.25 id EX10 order OR778 ago 1h
start logon
--
say Good morning Joe, ACME-7001 is ready
order Sim1 OR900 BUY 2 MNQZ26-CME market
fill Sim1 BUY 1 MNQZ26-CME @ 25000.25 id EX11 order OR900
fill Sim1 BUY 1 MNQZ26-CME @ 25001.25 id EX12 order OR900
order Sim1 OR900-T SELL 2 MNQZ26-CME limit 25010 parent OR900
order Sim1 OR900-S SELL 2 MNQZ26-CME stop 24990 parent OR900 oco OR900-T
fill Sim1 SELL 2 MNQZ26-CME @ 25010 id EX13 order OR900-T
fill ACME-7001 SELL 1 MESZ26-CME @ 6852 id EX14
fill ACME-7001 SELL 3 MESZ26-CME @ 6852.25 id EX15
tick MESZ26-CME 6853
wait 0.1
stop see you, Joe
"""
SECRET = re.compile(rb"ACME|Joe|OR7|OR9|EX\d")


def captured(folder: Path, encoding: Encoding) -> bytes:
    capture = folder / "session.bin"
    with (
        SimulatedServer(parse_dialogue(SCRIPT, name="test")) as server,
        PositionRepository.open(folder / "captured.db") as repository,
    ):
        keeper = PositionKeeper(repository, server=server.address)
        with following(keeper), pytest.raises(Exception, match="see you, Joe"):
            Follower(
                keeper=keeper,
                address=Address(port=server.port),
                publish=lambda _: None,
                capture=capture,
                encodings=[(encoding, True)],
            ).run()
    return capture.read_bytes()


def replayed(octets: bytes, path: Path) -> Outcome:
    clock = itertools.count(1_795_867_200)
    with PositionRepository.open(path) as repository:
        keeper = PositionKeeper(repository)
        keeper.start(now=next(clock))
        for place in range(0, len(octets), 1000):
            keeper.receive_data(octets[place : place + 1000], now=next(clock))
        keeper.stop(now=next(clock))
        return outcome_of(repository)


def renamed(outcome: Outcome, names: Pseudonyms) -> Outcome:
    def of(value: Any) -> Any:
        if isinstance(value, str):
            try:
                return names.of(value)
            except KeyError:
                return value
        return value

    def thing(noun: Any) -> Any:
        key = noun.key
        return noun._replace(key=key._replace(account=names.of(key.account)))

    return Outcome(
        fills={tuple(map(of, fill)): count for fill, count in outcome.fills.items()},
        positions={key._replace(account=names.of(key.account)): thing(each) for key, each in outcome.positions.items()},
        trades=tuple(map(thing, outcome.trades)),
    )


@ENCODINGS
def test_an_anonymised_capture_can_be_replayed(tmp_path: Path, encoding: Encoding) -> None:
    """N10: the same positions and trades, up to the names, and none of the names."""
    octets = captured(tmp_path, encoding)
    assert SECRET.search(octets)
    safe, names, tally = shared(octets, Encoding.BINARY)
    assert not SECRET.search(safe)
    assert not tally.dropped
    kinds = [each.name for each in decode_stream([octets], Encoding.BINARY)]
    assert [each.name for each in decode_stream([safe], Encoding.BINARY)] == kinds
    first, second = replayed(octets, tmp_path / "a.db"), replayed(safe, tmp_path / "b.db")
    assert first.positions
    assert first.trades
    assert sorted(renamed(first, names).trades, key=repr) == sorted(second.trades, key=repr)
    assert renamed(first, names).positions == second.positions
    assert renamed(first, names).fills == second.fills


def test_an_encoding_response_is_followed() -> None:
    """S1: as on the wire, from the next byte on."""
    octets = encode(EncodingResponse(Encoding=2), Encoding.BINARY) + encode(
        UserMessage(UserMessage="me"), Encoding.JSON
    )
    safe, _, _ = shared(octets, Encoding.BINARY)
    assert [each.name for each in decode_stream([safe], Encoding.BINARY)] == ["ENCODING_RESPONSE", "USER_MESSAGE"]
    assert safe.endswith(b'"IsPopupMessage":1}\0')
