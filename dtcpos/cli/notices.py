"""What `connect` does beside printing an update: a command is given it, the terminal rings."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from attrs import frozen

from dtcpos.cli.faults import say
from dtcpos.errors import UsageError
from dtcpos.settings import EVENTS, Settings
from dtcpos.updates import (
    AlertUpdate,
    BreakUpdate,
    FillUpdate,
    SessionUpdate,
    SyncedUpdate,
    TradeUpdate,
    Update,
    VerifiedUpdate,
)

OnEvent = Annotated[
    str | None,
    typer.Option(
        "--on-event",
        metavar="COMMAND",
        help="A shell command that is given the updates as JSON lines on its standard input, as they happen.",
    ),
]
OnEventFilter = Annotated[
    str | None,
    typer.Option("--on-event-filter", metavar="EVENTS", help=f"Only these, commas between: {', '.join(EVENTS)}."),
]
OnEventMode = Annotated[
    str | None,
    typer.Option(
        "--on-event-mode", metavar="MODE", help="Only updates of this mode, and those that are of none (session)."
    ),
]
Bell = Annotated[bool, typer.Option("--bell", help="Ring the terminal for fills, trades, breaks and alerts.")]

_WORDS: dict[type, str] = {
    SessionUpdate: "session",
    FillUpdate: "fill",
    TradeUpdate: "trade",
    BreakUpdate: "break",
    VerifiedUpdate: "verified",
    AlertUpdate: "alert",
    SyncedUpdate: "synced",
}
_RINGING = frozenset({"fill", "trade", "break", "alert"})

Publish = Callable[[list[Update]], None]


@frozen(kw_only=True)
class Choice:
    """Which updates are chosen: all where nothing is named."""

    events: frozenset[str] = frozenset()
    mode: str = ""

    def __contains__(self, update: object) -> bool:
        return (not self.events or _WORDS[type(update)] in self.events) and (
            not self.mode or _mode_of(update) in ("", self.mode)
        )


def choice_of(events: str | None, mode: str | None, settings: Settings) -> Choice:
    """Read what the command line chooses, the settings where it says nothing. Raises `UsageError`."""
    if events is None:
        words = settings.notify.events
    else:
        words = tuple(word.strip().lower() for word in events.split(",") if word.strip())
    unknown = [word for word in words if word not in EVENTS]
    if unknown:
        raise UsageError(f"--on-event-filter {', '.join(unknown)}: no such event; known are {', '.join(EVENTS)}")
    return Choice(events=frozenset(words), mode=(settings.notify.mode if mode is None else mode).strip().upper())


@contextmanager
def announcing(
    publish: Publish, settings: Settings, *, on_event: str | None, choice: Choice, bell: bool
) -> Iterator[Publish]:
    """Yield what publishes updates and announces them afterwards; at the end the command gets what it has not yet."""
    command = settings.notify.on_event if on_event is None else on_event
    rings = (bell or settings.notify.bell) and sys.stderr.isatty()
    if not command and not rings:
        yield publish
        return
    from dtcpos.cli.jsonout import dumps
    from dtcpos.cli.updates import update_json
    from dtcpos.notify import Notifier

    notifier: Notifier[Update] | None = None
    if command:
        notifier = Notifier(
            command,
            render=lambda update: dumps(update_json(update)),
            say=say,
            clock=time.monotonic,
            # The server's password is nobody else's.
            environment={name: value for name, value in os.environ.items() if name != "DTCPOS_PASSWORD"},
        )

    def announce(updates: list[Update]) -> None:
        publish(updates)
        chosen = [update for update in updates if update in choice]
        if notifier is not None:
            notifier.tell(chosen)
        if rings and any(_WORDS[type(update)] in _RINGING for update in chosen):
            sys.stderr.write("\a")
            sys.stderr.flush()

    try:
        yield announce
    finally:
        if notifier is not None:
            notifier.close()


def _mode_of(update: object) -> str:
    match update:
        case FillUpdate():
            return update.mode
        case TradeUpdate():
            return update.trade.key.mode
        case BreakUpdate():
            return update.break_.key.mode
        case VerifiedUpdate():
            return update.key.mode
        case AlertUpdate() if update.key is not None:
            return update.key.mode
        case _:
            return ""
