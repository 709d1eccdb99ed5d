"""Historical fills in runs: the same messages, and an image of them that does not depend on how they were told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtcpos.dtc import (
    NEED_DATA,
    Connection,
    Encoding,
    HistoricalOrderFillResponse,
    HistoryRun,
    Logoff,
    LogonRequest,
    LogonResponse,
    Role,
    decode,
    encode,
    image_of,
)
from dtcpos.dtc.framing import HEADER
from dtcpos.dtc.runs import run_at
from dtcpos.errors import RemoteProtocolError
from tests.telling import SIZE, answers, cuts, frame_of, in_runs, logged_on, past, pieces, words_of

# A size of less than a header, and the end of the session in order.
ENDS = (b"", HEADER.pack(3, 304), frame_of(Logoff(Reason="enough")), frame_of(past(9))[:-1])


def frames(*numbers: int, **words: object) -> bytes:
    return b"".join(frame_of(past(number, **words)) for number in numbers)


def received(client: Connection, octets: bytes) -> list[object]:
    client.receive_data(octets, 0)
    return list(client.events())


def heard(client: Connection, octets: list[bytes], *, one_by_one: bool) -> list[str]:
    """Everything there is to be seen of a connection after each read, runs told message by message."""
    seen: list[str] = []
    for now, piece in enumerate([*octets, b""]):
        events: list[object] = []
        client.receive_data(piece, now)
        try:
            if one_by_one:
                while (event := client.next_event()) is not NEED_DATA:
                    events.append(event)
            else:
                for event in client.events():
                    events.append(event)
        except RemoteProtocolError as error:
            events.append(str(error))
        seen += words_of(events)
        seen.append(
            f"{client.state} {client.skipped} {client.ticks_dropped} {client.next_deadline()} {client._lost_at()}"
        )
    return seen


@settings(max_examples=300)
@given(answers, cuts, st.sampled_from(ENDS), st.booleans(), st.booleans(), st.sampled_from([(), (304,), (301,)]))
def test_a_run_says_what_its_messages_say(
    told: list[bytes], cut_at: list[int], end: bytes, watches: bool, one_by_one: bool, ignored: tuple[int, ...]
) -> None:
    """F6, S2, S5: the same messages, faults, counts and deadlines in the same reads, whatever is between the frames."""
    octets = pieces(b"".join(told) + end, cut_at)
    seen = []
    for history_in_runs in (False, True):
        client = logged_on(history_in_runs=history_in_runs, ignored=ignored)
        if watches:
            client.watch_none()
        seen.append(heard(client, octets, one_by_one=one_by_one))
    assert seen[0] == seen[1]


def test_what_follows_each_other_is_one_event() -> None:
    """F6: as many as the read brought whole; the rest waits for the next."""
    octets = frames(1, 2, 3, 4)
    client = logged_on(history_in_runs=True)
    first, second = received(client, octets[:-1]), received(client, octets[-1:])
    runs = [run for run in first + second if isinstance(run, HistoryRun)]
    assert [(run.number, len(run)) for run in runs] == [(1, 3), (4, 1)]
    assert len(first + second) == len(runs)


@pytest.mark.parametrize(
    "next_",
    [
        frames(2, RequestID=2),
        frames(2, TotalNumberMessages=7),
        frames(3),
        frames(1),
        frame_of(past(2), size=SIZE + 8),
        frames(2, NoOrderFills=1),
        frame_of(past(2), size=SIZE - 1),
    ],
)
def test_what_does_not_follow_is_not_of_the_run(next_: bytes) -> None:
    """F6: another request, total, number or size ends it, and so does one that says there are none."""
    run, end = run_at(frames(1) + next_, 0) or (None, 0)
    assert run is not None
    assert (len(run), end) == (1, SIZE)


@pytest.mark.parametrize(
    "frame", [frames(1)[:-1], frame_of(past(1), size=260), frames(1, NoOrderFills=1), frame_of(Logoff())]
)
def test_where_no_run_can_begin_there_is_none(frame: bytes) -> None:
    """S2, S5: incomplete, too short to say whether it is a fill, none, or of another type."""
    assert run_at(frame, 0) is None


def test_the_longer_frames_of_a_newer_server_are_kept_as_far_as_they_are_known() -> None:
    """S2, S5: an unknown tail takes no memory, and the digest does not know of it."""
    octets = b"".join(frame_of(past(number), size=60_000) for number in (1, 2))
    run, end = run_at(octets, 0) or (None, 0)
    assert run is not None
    assert (len(run), end, len(run.image())) == (2, 120_000, 2 * SIZE)
    assert words_of([run]) == words_of(in_runs([past(1), past(2)]))
    assert run.image() == in_runs([past(1), past(2)])[0].image()


def test_the_shorter_frames_of_an_older_server_say_what_they_leave_out() -> None:
    """S2: what did not come has the default and is absent, as in a message by itself; the digest is of what came."""
    told = [past(number, PositionQuantity=3.0, SenderSubID="desk") for number in (1, 2)]
    runs = [run for size in (0, 384, 376) for run in in_runs(told, size=size)]
    assert [[message.PositionQuantity for message in run.messages()] for run in runs] == [[3, 3], [3, 3], [None, None]]
    assert [[len(message.absent) for message in run.messages()] for run in runs] == [[0, 0], [3, 3], [4, 4]]
    assert len({bytes(run.image()) for run in runs}) == 3
    blank = [past(1), past(2)]
    assert in_runs(blank, size=376)[0].image() == in_runs(blank)[0].image()


@pytest.mark.parametrize("encoding", [Encoding.VLS, Encoding.JSON, Encoding.JSON_COMPACT])
def test_other_encodings_have_no_runs(encoding: Encoding) -> None:
    """S1: there every message is an event."""
    client = logged_on(history_in_runs=True, encoding=encoding)
    events = received(client, b"".join(encode(past(number), encoding) for number in (1, 2)))
    assert [type(event) for event in events] == [HistoricalOrderFillResponse] * 2


def test_before_the_logon_history_is_out_of_turn() -> None:
    """S5: a run does not pass by the table of the session."""
    client = Connection(Role.CLIENT, negotiate=False, logon=LogonRequest(), history_in_runs=True)
    client.start(0)
    client.receive_data(frames(1, 2), 0)
    with pytest.raises(RemoteProtocolError, match="out of turn"):
        list(client.events())


def test_a_client_has_no_history_to_tell() -> None:
    """S5: what comes from the wrong side is passed over and counted."""
    venue = Connection(Role.VENUE, negotiate=False, history_in_runs=True)
    venue.start(0)
    received(venue, frame_of(LogonRequest()))
    venue.send(LogonResponse())
    received(venue, frames(1, 2))
    assert venue.skipped == {304: 2}


fills = st.lists(
    st.fixed_dictionaries(
        {
            "ServerOrderID": st.just("7"),
            "Symbol": st.sampled_from(["MES", "S" * 64, "\xfc"]),
            "Price": st.sampled_from([5000.25, 0.0, -0.0, float("nan"), float("inf")]),
            "DateTime": st.sampled_from([0, 1_795_867_200, -(2**63)]),
            "UniqueExecutionID": st.sampled_from(["", "a", "b" * 64]),
        }
    ),
    min_size=1,
    max_size=6,
)


@given(fills, cuts, st.sampled_from([0, SIZE + 8, SIZE - 8, 384, 300]))
def test_the_image_does_not_depend_on_how_it_was_told(
    told: list[dict[str, object]], cut_at: list[int], size: int
) -> None:
    """F6: in one run, in several, message by message, under another number, total and request: the same bytes."""
    (whole,) = in_runs([past(number, **words) for number, words in enumerate(told, 1)], size=size)
    alone = list(whole.messages())
    renumbered = [past(n, **words, RequestID=9, TotalNumberMessages=7) for n, words in enumerate(told, 5)]
    (again,) = in_runs(renumbered, size=size)
    assert len(whole) == len(again) == len(told)
    parts: list[HistoryRun] = []
    rest: HistoryRun | None = whole
    for cut in cut_at:
        if rest is not None:
            part, rest = rest.split(cut % len(rest) + 1)
            parts.append(part)
    parts += [] if rest is None else [rest]
    assert [time for part in parts for time in part.times()] == [message.DateTime for message in alone]
    assert [part.number for part in parts] == [next(part.messages()).MessageNumber for part in parts]
    assert b"".join(part.image() for part in parts) == whole.image() == again.image()
    assert b"".join(map(image_of, alone)) == whole.image()


def test_padding_is_no_content() -> None:
    """F6: a server that leaves rubbish between its fields repeats itself all the same."""
    clean = frame_of(past(1))
    used = {
        at for field in HistoricalOrderFillResponse.fields for at in range(field.at or 0, (field.at or 0) + field.width)
    }
    strewn = bytes(byte if at in used or at < 4 else 0xA5 for at, byte in enumerate(clean))
    assert strewn != clean
    found = run_at(strewn, 0)
    assert found is not None
    assert found[0].image() == in_runs([past(1)])[0].image() == image_of(past_in(strewn, Encoding.BINARY))


def past_in(frame: bytes, encoding: Encoding) -> HistoricalOrderFillResponse:
    message = decode(frame, encoding)
    assert isinstance(message, HistoricalOrderFillResponse)
    return message


CONTENT = HistoricalOrderFillResponse.fields[HistoricalOrderFillResponse.field_by_name["Symbol"].index :]


@pytest.mark.parametrize("name", [field.name for field in CONTENT if field.name != "NoOrderFills"])
def test_every_field_is_in_the_image(name: str) -> None:
    """N8: what is told otherwise is another hour, in whatever encoding."""
    value: object = "other" if HistoricalOrderFillResponse.field_by_name[name].is_text else 3
    for encoding in Encoding:
        told = [encode(message, encoding) for message in (past(1), past(1, **{name: value}))]
        assert len({image_of(past_in(frame, encoding)) for frame in told}) == 2
    assert in_runs([past(1)])[0].image() != in_runs([past(1, **{name: value})])[0].image()


def test_texts_longer_than_a_struct_holds_are_told_apart() -> None:
    """N8: with variable-length strings an id may be longer, and what differs only there is another."""
    ids = ("x" * 64 + "1", "x" * 64 + "2", "x" * 64, "x" * 63)
    told = [encode(past(1, UniqueExecutionID=each), Encoding.VLS) for each in ids]
    assert len({image_of(past_in(frame, Encoding.VLS)) for frame in told}) == len(ids)


def test_a_run_is_not_tied_to_the_buffer_it_was_read_from() -> None:
    """S5: the next read may drop and move what was there; the run stays as it was told."""
    client = logged_on(history_in_runs=True)
    (run,) = received(client, frames(1, 2))
    before = words_of([run])
    received(client, frames(*range(100, 900)))
    assert words_of([run]) == before
