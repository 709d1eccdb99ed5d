"""How long a session waits, and what it says when it stops waiting."""

from __future__ import annotations

from typing import Final

from dtcpos.dtc.states import State

# The documentation says to wait about 20 s for the answer to the encoding request; the logon gets the same.
ANSWER_TIMEOUT_S: Final = 20.0

# The documentation calls a peer lost after twice the interval of silence.
SILENT_INTERVALS: Final = 2

_AWAITED = {
    State.IDLE: "the first message",
    State.NEGOTIATING: "the answer to the encoding request",
    State.LOGGING_ON: "the logon",
}

Due = tuple[float | None, str]
NEVER: Due = (None, "")


def unanswered_at(state: State, since: float) -> Due:
    """Return when a session that never got as far as logged on is given up, and the words for it."""
    if state not in _AWAITED:
        return NEVER
    return since + ANSWER_TIMEOUT_S, f"{_AWAITED[state]} did not come within {ANSWER_TIMEOUT_S:g} s"


def silent_at(interval_s: float, last_heard_at: float, incomplete_since: float | None) -> Due:
    """Return when a session is given up if nothing more arrives, and the words for it.

    `incomplete_since` is when the message that is arriving began: bytes that trickle in keep the line alive, but have
    to end a message some time. No interval, no limit.
    """
    if interval_s <= 0:
        return NEVER
    patience = SILENT_INTERVALS * interval_s
    quiet = last_heard_at + patience
    if incomplete_since is not None and (stuck := incomplete_since + max(patience, ANSWER_TIMEOUT_S)) < quiet:
        return stuck, "the peer did not complete a message in time"
    return quiet, f"the peer was silent for {patience:g} s"
