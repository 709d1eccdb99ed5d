"""Everything that can go wrong, each with the exit code a shell sees.

The world's faults are exceptions of this tree: one line, what was wrong, the value, the remedy. Bad *content* of a
message is returned as a value and counted, and our own mistakes are assertions.
"""

from __future__ import annotations

from typing import ClassVar


class DtcposError(Exception):
    """Base of every fault dtcpos reports by name."""

    exit_code: ClassVar[int] = 1


class UsageError(DtcposError):
    """The caller asked for something that cannot be meant: a bad option, date, setting or script."""

    exit_code: ClassVar[int] = 2


class SettingsError(UsageError):
    """The settings file holds an unknown key or a value of the wrong kind."""


class LinkError(DtcposError):
    """No session with the server: not reachable, refused, or lost for good."""

    exit_code: ClassVar[int] = 3


class CannotConnect(LinkError):
    """Nothing answers at the address."""


class LogonRefused(LinkError):
    """The server answered the logon with an error, or told us to stay away."""


class ConnectionLost(LinkError):
    """The session ended and may not, or could not, be taken up again in the time allowed."""


class ProtocolError(DtcposError):
    """A rule of the protocol was broken."""

    exit_code: ClassVar[int] = 4


class LocalProtocolError(ProtocolError):
    """We were asked to do something the protocol forbids in this state; nothing was sent."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol; the session cannot go on."""


class LedgerError(DtcposError):
    """The ledger file cannot be used as it is."""

    exit_code: ClassVar[int] = 5


class LedgerMissing(LedgerError):
    """There is no ledger at the path, and this command does not make one."""


class LedgerLocked(LedgerError):
    """Another process is the writer of this ledger."""


class LedgerCorrupt(LedgerError):
    """The file is not a sound SQLite database."""


class LedgerForeign(LedgerError):
    """The file is a database, but not one of ours."""


class LedgerTooNew(LedgerError):
    """The file was written by a newer dtcpos."""


class LedgerUnwritable(LedgerError):
    """The file or its folder cannot be written, or the disk is full."""


class OutputUnwritable(DtcposError):
    """The file asked for cannot be written, or its disk is full."""

    exit_code: ClassVar[int] = 5


class AttentionNeeded(DtcposError):
    """The run went well and found something a person must look at."""

    exit_code: ClassVar[int] = 6
