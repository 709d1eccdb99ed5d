"""What `connect` does beside printing an update: a command and a webhook are told, it is logged, the terminal rings."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from attrs import frozen

from dtcpos._version import __version__
from dtcpos.cli.faults import overheard, say
from dtcpos.cli.jsonout import dumps
from dtcpos.cli.options import mode_word, utc_now
from dtcpos.cli.updates import render_update, update_json
from dtcpos.errors import DtcposError, UsageError
from dtcpos.notifying.command import OnEvent as OnEventCommand
from dtcpos.notifying.notifier import Delivery, Notifier
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

if TYPE_CHECKING:
    from dtcpos.cli.log_file import LogFile

OnEvent = Annotated[
    str | None,
    typer.Option(
        "--on-event",
        metavar="COMMAND",
        help="A shell command that is given the updates as JSON lines on its standard input, as they happen.",
    ),
]
Webhook = Annotated[
    str | None,
    typer.Option(
        "--webhook",
        metavar="URL",
        envvar="DTCPOS_WEBHOOK",
        help="POST each update to this URL as JSON. In the environment or the settings nobody else can read it.",
    ),
]
OnEvents = Annotated[
    str | None,
    typer.Option(
        "--on",
        "--on-event-filter",
        metavar="EVENTS",
        help=f"Tell command, webhook and bell only these, commas between: {', '.join(EVENTS)}.",
    ),
]
OnMode = Annotated[
    str | None,
    typer.Option(
        "--on-mode",
        "--on-event-mode",
        metavar="MODES",
        help="Tell them only updates of these modes, commas between, and those that are of none (session).",
    ),
]
LogFileOption = Annotated[
    Path | None,
    typer.Option(
        "--log-file",
        metavar="PATH",
        help="Write everything printed and said to this file too, with the time; it is rotated as [log] says.",
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

_SECRET = frozenset({"DTCPOS_PASSWORD", "DTCPOS_WEBHOOK"})

Publish = Callable[[list[Update]], None]


@frozen(kw_only=True)
class Choice:
    """Which updates are chosen: all where nothing is named."""

    events: frozenset[str] = frozenset()
    modes: frozenset[str] = frozenset()

    def __contains__(self, update: object) -> bool:
        return (not self.events or _WORDS[type(update)] in self.events) and (
            not self.modes or _mode_of(update) in ("", *self.modes)
        )


def choice_of(events: str | None, modes: str | None, settings: Settings) -> Choice:
    """Read what the command line chooses, the settings where it says nothing. Raises `UsageError`."""
    notify = settings.notify
    words = notify.events if events is None else _listed(events.lower())
    unknown = [word for word in words if word not in EVENTS]
    if unknown:
        raise UsageError(f"--on {', '.join(unknown)}: no such event; known are {', '.join(EVENTS)}")
    wanted = (*notify.modes, notify.mode) if modes is None else _listed(modes)
    return Choice(events=frozenset(words), modes=frozenset(mode_word(word) for word in wanted if word))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


class Announcer:
    """Publishes updates and then tells everybody else: the log, a command, a webhook, the bell."""

    def __init__(
        self,
        publish: Publish,
        *,
        choice: Choice,
        notifiers: Mapping[str, Notifier[Update]],
        log: LogFile | None = None,
        rings: bool = False,
    ) -> None:
        self._publish, self._choice, self._log, self._rings = publish, choice, log, rings
        self._notifiers = dict(notifiers)

    def publish(self, updates: list[Update]) -> None:
        """Publish updates, then announce those that are chosen."""
        self._publish(updates)
        if not updates:
            return
        if self._log is not None:
            for update in updates:
                self._log.write(render_update(update))
        chosen = [update for update in updates if update in self._choice]
        for notifier in self._notifiers.values():
            notifier.tell(chosen)
        if self._rings and any(_WORDS[type(update)] in _RINGING for update in chosen):
            sys.stderr.write("\a")
            sys.stderr.flush()

    def hide(self, secret: str) -> None:
        """Keep a secret out of the log."""
        if self._log is not None:
            self._log.hide(secret)

    def settle(self, stopped_by: str = "") -> None:
        """Let everybody have what is still waiting, for a bounded time; twice is once."""
        if stopped_by and self._log is not None:
            self._log.write(f"stopped by {stopped_by}")
        for notifier in self._notifiers.values():
            notifier.close()

    def tallies(self) -> dict[str, dict[str, Any]]:
        """Return how each of them fares."""
        return {name: notifier.tally._asdict() | {"name": notifier.name} for name, notifier in self._notifiers.items()}


@frozen(kw_only=True)
class Notices:
    """What the command line says about telling; None leaves it to the settings."""

    on_event: str | None = None
    webhook: str | None = None
    events: str | None = None
    modes: str | None = None
    bell: bool = False
    log_file: Path | None = None


@contextmanager
def announcing(publish: Publish, settings: Settings, notices: Notices) -> Iterator[Announcer]:
    """Yield what publishes updates and announces them; at the end everybody gets what they have not yet.

    With a log, what is said meanwhile is in it, and how all of it ended.
    """
    choice = choice_of(notices.events, notices.modes, settings)
    deliveries = _deliveries(settings, notices)
    with _logging(settings, notices.log_file) as log:
        notifiers = {
            name: Notifier[Update](
                delivery, render=lambda update: dumps(update_json(update)), say=say, clock=time.monotonic
            )
            for name, delivery in deliveries.items()
        }
        rings = (notices.bell or settings.notify.bell) and sys.stderr.isatty()
        announcer = Announcer(publish, choice=choice, notifiers=notifiers, log=log, rings=rings)
        try:
            yield announcer
        finally:
            announcer.settle()


def _deliveries(settings: Settings, notices: Notices) -> dict[str, Delivery]:
    found: dict[str, Delivery] = {}
    command = settings.notify.on_event if notices.on_event is None else notices.on_event
    if command:
        # The server's password, and the webhook's, are nobody else's.
        environment = {name: value for name, value in os.environ.items() if name not in _SECRET}
        found["on_event"] = OnEventCommand(command, environment=environment)
    url = settings.notify.webhook if notices.webhook is None else notices.webhook
    if url:
        from dtcpos.notifying.webhook import Webhook as WebhookDelivery

        try:
            found["webhook"] = WebhookDelivery(url)
        except ValueError as error:
            raise UsageError(f"--webhook {error}") from None
    return found


@contextmanager
def _logging(settings: Settings, path: Path | None) -> Iterator[LogFile | None]:
    wanted = settings.log
    path = path or (Path(wanted.file).expanduser() if wanted.file else None)
    if path is None:
        yield None
        return
    from dtcpos.cli.log_file import LogFile
    from dtcpos.exporters.placing import refuse_ledger

    refuse_ledger(path)
    log = LogFile(path, size_max=wanted.size_max, keep=wanted.keep, say=say, clock=utc_now)
    log.hide(os.environ.get("DTCPOS_PASSWORD", ""))
    with closing(log), overheard(log.write):
        log.write(f"dtcpos {__version__} connect, process {os.getpid()}")
        try:
            yield log
        except DtcposError as error:
            log.write(f"ended with exit code {error.exit_code}: {error}")
            raise
        except BaseException as fault:
            log.write(f"ended by {type(fault).__name__}: {fault}")
            raise
        else:
            log.write("ended with exit code 0")


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
