"""The session as one table: who says what, in which state, and what comes of it.

Client and venue walk the same table, because it is keyed by the speaker: what one sends the other receives. A missing
entry is a protocol error: the peer's if it spoke, ours if we wanted to.
"""

from __future__ import annotations

from enum import Enum

from dtcpos.dtc.enums import LogonStatus
from dtcpos.dtc.message import Message
from dtcpos.dtc.messages import MESSAGE_TYPES, LogonResponse, MarketDataSnapshot


class Role(Enum):
    """Which end of the connection."""

    CLIENT = "client"
    VENUE = "venue"

    @property
    def peer(self) -> Role:
        """The other end."""
        return Role.VENUE if self is Role.CLIENT else Role.CLIENT


class State(Enum):
    """How far the session has come; CLOSED is an end in order or a lost line, FAILED a broken protocol."""

    IDLE = "IDLE"
    NEGOTIATING = "NEGOTIATING"
    LOGGING_ON = "LOGGING_ON"
    SYNCING = "SYNCING"
    READY = "READY"
    CLOSED = "CLOSED"
    FAILED = "FAILED"


class Kind(Enum):
    """Classes of messages that the table tells apart."""

    ENCODING_REQUEST = "encoding request"
    ENCODING_RESPONSE = "encoding response"
    LOGON_REQUEST = "logon request"
    LOGON_ACCEPTED = "logon response"
    LOGON_REFUSED = "refused logon"
    HEARTBEAT = "heartbeat"
    LOGOFF = "logoff"
    NOTICE = "notice"
    REQUEST = "request"
    SERVED = "answer"
    SYNCED = "end of synchronisation"


# The only types a client of ours can send. No order entry, cancel, flatten, correcting fill or balance adjustment.
CLIENT_MAY_SEND = frozenset({1, 3, 5, 6, 101, 300, 303, 305, 400, 500, 506, 601})

# Known types that travel from client to server; everything else known comes from the server.
_CLIENT_TYPES = CLIENT_MAY_SEND | {
    *(102, 150, 201, 203, 204, 208, 209, 309, 502, 503, 504, 508, 603, 607, 703, 704, 800, 900)
}

_KINDS: dict[int, Kind] = {
    1: Kind.LOGON_REQUEST,
    3: Kind.HEARTBEAT,
    5: Kind.LOGOFF,
    6: Kind.ENCODING_REQUEST,
    7: Kind.ENCODING_RESPONSE,
    700: Kind.NOTICE,
    701: Kind.NOTICE,
    702: Kind.NOTICE,
}


def kind_of(message: Message, speaker: Role) -> Kind | None:
    """Return the class of a message, None for a type this speaker has no business to send."""
    type_ = message.type
    if isinstance(message, LogonResponse):
        return Kind.LOGON_ACCEPTED if message.Result == LogonStatus.SUCCESS else Kind.LOGON_REFUSED
    kind = _KINDS.get(type_)
    if kind is not None:
        return kind
    if type_ in CLIENT_MAY_SEND:
        return Kind.REQUEST if speaker is Role.CLIENT else None
    return Kind.SERVED if speaker is Role.VENUE and type_ not in _CLIENT_TYPES else None


def plain_types(speaker: Role, state: State) -> frozenset[int]:
    """Return the types of which the speaker may send any number in this state and nothing comes of it."""
    return frozenset(
        type_
        for type_, message in MESSAGE_TYPES.items()
        if message not in _WITH_CONSEQUENCES
        and (kind := kind_of(message(), speaker)) in (Kind.SERVED, Kind.REQUEST)
        and TRANSITIONS.get((speaker, state, kind)) is state
    )


# A snapshot teaches the ids that settle the order of fields in compact JSON.
_WITH_CONSEQUENCES = (MarketDataSnapshot,)

_BEFORE_LOGON = (State.NEGOTIATING, State.LOGGING_ON)
_LOGGED_ON = (State.SYNCING, State.READY)

TRANSITIONS: dict[tuple[Role, State, Kind], State] = {
    (Role.CLIENT, State.IDLE, Kind.ENCODING_REQUEST): State.NEGOTIATING,
    (Role.VENUE, State.NEGOTIATING, Kind.ENCODING_RESPONSE): State.LOGGING_ON,
    # The negotiation is left out where the server is fixed to an encoding the client knows.
    (Role.CLIENT, State.IDLE, Kind.LOGON_REQUEST): State.LOGGING_ON,
    (Role.CLIENT, State.LOGGING_ON, Kind.LOGON_REQUEST): State.LOGGING_ON,
    (Role.VENUE, State.LOGGING_ON, Kind.LOGON_ACCEPTED): State.SYNCING,
    (Role.VENUE, State.LOGGING_ON, Kind.LOGON_REFUSED): State.CLOSED,
    (Role.CLIENT, State.SYNCING, Kind.SYNCED): State.READY,
    **{(Role.CLIENT, state, Kind.REQUEST): state for state in _LOGGED_ON},
    **{(Role.VENUE, state, Kind.SERVED): state for state in _LOGGED_ON},
    # What a server says in words may come before its answer to the logon.
    **{(Role.VENUE, state, Kind.NOTICE): state for state in (*_BEFORE_LOGON, *_LOGGED_ON)},
    **{(role, state, Kind.HEARTBEAT): state for role in Role for state in (*_BEFORE_LOGON, *_LOGGED_ON)},
    **{(role, state, Kind.LOGOFF): State.CLOSED for role in Role for state in (*_BEFORE_LOGON, *_LOGGED_ON)},
    # The encoding may be asked for again at any time, and an answer may come late.
    **{(Role.CLIENT, state, Kind.ENCODING_REQUEST): state for state in (*_BEFORE_LOGON, *_LOGGED_ON)},
    **{(Role.VENUE, state, Kind.ENCODING_RESPONSE): state for state in (State.LOGGING_ON, *_LOGGED_ON)},
}

# The same, turned around for the reader of binary frames, who would otherwise look up the table for every fill.
PLAIN_TYPES: dict[tuple[Role, State], frozenset[int]] = {
    (speaker, state): plain_types(speaker, state) for speaker in Role for state in _LOGGED_ON
}
