"""How a ledger and its lines are, in the forms monitors read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from attrs import frozen

from dtcpos.cli.held import standings
from dtcpos.model import Account, Link, Status
from dtcpos.settings import Settings
from dtcpos.store import LedgerReader, Selection

# Words of a link that carries what happens.
_UP = ("syncing", "ready")
_COMPLETE = ("", "complete")
# Under this key the ledger remembers how those fared who were told what happened.
NOTIFIERS = "notifiers"
_COUNTS = ("delivered", "failed", "dropped")


@frozen(kw_only=True)
class Line:
    """The line to one server: `silent_s` is the age of the last byte, None where there was none.

    `is_fresh` says that it was closed in order, and not longer ago than an agreement stays good.
    """

    link: Link
    is_up: bool
    is_fresh: bool
    silent_s: float | None


@frozen(kw_only=True)
class Health:
    """What a monitor wants to know, at one moment."""

    now: datetime
    lines: tuple[Line, ...]
    accounts: tuple[Account, ...]
    breaks: int
    positions: dict[tuple[str, Status], int]
    last_fill_at: datetime | None
    notifiers: dict[str, dict[str, Any]]

    @property
    def unfinished(self) -> list[Account]:
        """The accounts whose last comparison should have ended and did not."""
        return [account for account in self.accounts if account.sync_outcome not in _COMPLETE]

    @property
    def is_up(self) -> bool:
        """Whether any line is up, or was when it was closed a moment ago."""
        return any(line.is_up or line.is_fresh for line in self.lines)

    @property
    def exit_code(self) -> int:
        """0 fine, 3 no line is up, 6 attention needed."""
        if not self.is_up:
            return 3
        return 6 if self.breaks or self.unfinished else 0

    @property
    def silent_s(self) -> float | None:
        """The age of the last byte on any line."""
        return min((line.silent_s for line in self.lines if line.silent_s is not None), default=None)

    @property
    def last_sync_at(self) -> datetime | None:
        """When the last comparison of any account ended whole."""
        return max((account.last_sync_at for account in self.accounts if account.last_sync_at), default=None)

    @property
    def synced(self) -> int:
        """How many accounts were compared whole the last time."""
        return sum(account.sync_outcome == "complete" for account in self.accounts)

    @property
    def undelivered(self) -> int:
        """How many deliveries of the last `connect` failed, and updates it dropped."""
        return sum(int(tally["failed"]) + int(tally["dropped"]) for tally in self.notifiers.values())

    @property
    def held(self) -> int:
        """How many positions are open."""
        return sum(self.positions.values())


def health_of(reader: LedgerReader, settings: Settings, now: datetime) -> Health:
    """Return how the ledger is at a moment."""
    newest = list(reader.fills(last=1))
    found = standings(reader, Selection(), settings, now)
    return Health(
        now=now,
        lines=tuple(_line(link, now, settings.server.fresh_for_s) for link in reader.links()),
        accounts=tuple(reader.accounts()),
        breaks=len(reader.open_breaks()),
        positions=dict(Counter((item.holding.key.mode, item.status) for item in found)),
        last_fill_at=newest[-1][0].time if newest else None,
        notifiers=_notifiers(reader.preference(NOTIFIERS)),
    )


def _notifiers(kept: str | None) -> dict[str, dict[str, Any]]:
    """Read what the last `connect` kept about those it told; what another version kept may be another thing."""
    try:
        found = json.loads(kept or "{}").get("notifiers", {})
        return {
            str(name): {
                "name": str(tally["name"]),
                **{count: int(tally[count]) for count in _COUNTS},
                "last_failure": str(tally["last_failure"]),
            }
            for name, tally in found.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def _line(link: Link, now: datetime, fresh_for_s: float) -> Line:
    if link.last_heard_at is None:
        return Line(link=link, is_up=False, is_fresh=False, silent_s=None)
    silent_s = (now - link.last_heard_at).total_seconds()
    # Far ahead of this clock is as good as never: it was dated before the clock was set back.
    is_up = link.state in _UP and abs(silent_s) <= 2 * link.heartbeat_interval_s
    is_fresh = link.state == "closed" and abs(silent_s) <= fresh_for_s
    return Line(link=link, is_up=is_up, is_fresh=is_fresh, silent_s=max(silent_s, 0.0))


def status_json(health: Health) -> dict[str, Any]:
    """Return the figures as one object."""
    return {
        "status": {0: "ok", 3: "link_down", 6: "attention"}[health.exit_code],
        "exit_code": health.exit_code,
        "links": [
            {
                "server": line.link.server,
                "state": line.link.state,
                "up": line.is_up,
                "last_heard_at": line.link.last_heard_at,
                "silent_s": line.silent_s,
                "since": line.link.since,
                "holder_pid": line.link.holder_pid,
                "encoding": line.link.encoding,
            }
            for line in health.lines
        ],
        "silent_s": health.silent_s,
        "accounts": len(health.accounts),
        "synced": health.synced,
        "unfinished": {account.account: account.sync_outcome for account in health.unfinished},
        "last_sync_at": health.last_sync_at,
        "breaks": health.breaks,
        "positions": health.held,
        "by_status": {str(status): _of_status(health, status) for status in Status},
        "last_fill_at": health.last_fill_at,
        "notifiers": health.notifiers,
    }


def status_lines(health: Health) -> Iterator[str]:
    """Yield the figures for people."""
    for line in health.lines:
        heard = "nothing heard yet" if line.silent_s is None else f"last byte {line.silent_s:.0f} s ago"
        word = "up" if line.is_up else "just now" if line.is_fresh else "DOWN"
        yield f"link       {line.link.server}  {line.link.state}  {word}, {heard}"
    if not health.lines:
        yield "link       DOWN, never connected"
    synced = health.last_sync_at
    ago = "never" if synced is None else f"{max((health.now - synced).total_seconds(), 0):.0f} s ago"
    yield f"synced     {ago}, {len(health.accounts)} accounts"
    for account in health.unfinished:
        yield f"attention  {account.mode} {account.account}: {account.sync_outcome}"
    counts = ", ".join(f"{_of_status(health, status)} {status}" for status in Status if _of_status(health, status))
    yield f"positions  {health.held}{f' ({counts})' if counts else ''}"
    yield f"breaks     {health.breaks}"
    for tally in health.notifiers.values():
        counts = ", ".join(f"{tally[count]} {count}" for count in _COUNTS)
        why = f" ({tally['last_failure']})" if tally["last_failure"] else ""
        yield f"notified   {tally['name']}: {counts}{why}"


def nagios_line(health: Health, word: str) -> str:
    """Return one line for Nagios and its kin, with performance data."""
    parts = [] if health.is_up else ["no line to a server is up"]
    parts += [f"{health.breaks} unanswered breaks"] if health.breaks else []
    parts += [f"{account.account} not compared: {account.sync_outcome}" for account in health.unfinished]
    parts = parts or [f"{health.held} positions, every account compared"]
    silent = "U" if health.silent_s is None else f"{health.silent_s:.3f}s"
    figures = (
        f"silent={silent} breaks={health.breaks} unfinished={len(health.unfinished)} positions={health.held} "
        f"unverified={health.held - _of_status(health, Status.VERIFIED)}"
    )
    figures += f" undelivered={health.undelivered}" if health.notifiers else ""
    text = "; ".join(parts).replace("|", "/")
    return f"DTCPOS {word} - {' '.join(text.split())} | {figures}"


def prometheus_text(health: Health) -> str:
    """Return the figures in Prometheus's text format (version 0.0.4)."""
    lines: list[str] = []

    def add(name: str, meaning: str, samples: list[tuple[str, float]], kind: str = "gauge") -> None:
        lines.extend((f"# HELP dtcpos_{name} {meaning}", f"# TYPE dtcpos_{name} {kind}"))
        lines.extend(f"dtcpos_{name}{labels} {value:.17g}" for labels, value in samples)

    servers = [(_labels(server=line.link.server), line) for line in health.lines]
    add("status", "Exit code of dtcpos status: 0 fine, 3 link down, 6 attention.", [("", health.exit_code)])
    add("link_up", "Whether bytes come from the server.", [(labels, line.is_up) for labels, line in servers])
    add(
        "link_last_heard_timestamp_seconds",
        "When the last byte came.",
        [(labels, _seconds(line.link.last_heard_at)) for labels, line in servers if line.link.last_heard_at],
    )
    add(
        "link_silent_seconds",
        "Age of the last byte when this was written.",
        [(labels, line.silent_s) for labels, line in servers if line.silent_s is not None],
    )
    add("accounts", "Accounts known.", [("", len(health.accounts))])
    add("accounts_synced", "Accounts compared whole the last time.", [("", health.synced)])
    for count in _COUNTS if health.notifiers else ():
        told = [(_labels(to=to), float(tally[count])) for to, tally in sorted(health.notifiers.items())]
        add(f"notify_{count}_total", f"What the last connect has {count}, by whom it told.", told, "counter")
    add("breaks", "Unanswered differences between ledger and server.", [("", health.breaks)])
    add("accounts_unfinished", "Accounts whose last comparison did not end.", [("", len(health.unfinished))])
    counts = [(_labels(mode=mode, status=str(of)), count) for (mode, of), count in sorted(health.positions.items())]
    add("positions", "Open positions by mode and status.", [*counts])
    for name, meaning, moment in (
        ("last_sync_timestamp_seconds", "When an account was last compared whole.", health.last_sync_at),
        ("last_fill_timestamp_seconds", "When the last fill booked was executed.", health.last_fill_at),
        ("written_timestamp_seconds", "When this was written.", health.now),
    ):
        add(name, meaning, [("", _seconds(moment))] if moment is not None else [])
    return "\n".join(lines) + "\n"


def _of_status(health: Health, status: Status) -> int:
    return sum(count for (_, of), count in health.positions.items() if of is status)


def _seconds(moment: datetime | None) -> float:
    assert moment is not None
    return moment.timestamp()


def _labels(**values: str) -> str:
    pairs = (f'{name}="{_escaped(value)}"' for name, value in values.items())
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
