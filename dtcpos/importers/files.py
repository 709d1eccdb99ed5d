"""Import files one after the other: what kind each is, in what order things are done, and what a dry run leaves.

Every file is read whole and found good before anything of it is written. An import that is broken off leaves a whole
ledger with a part of the file in it; imported again the file is completed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from attrs import field, frozen

from dtcpos.importers.fills import is_fills_header
from dtcpos.importers.logs import ReadLog, book_log, examine, read_log
from dtcpos.importers.older import OlderState, is_state_name, read_state
from dtcpos.importers.placing import Placing, place
from dtcpos.importers.rebooking import Into, ReadFills, RebookedLog, book_fills, examine_fills, prepare, read_fills
from dtcpos.importers.report import ImportRefused, Report
from dtcpos.importers.scaling import Scales
from dtcpos.importers.spool import Spool
from dtcpos.importers.steps import Steps
from dtcpos.keeping.imported import ImportedLog
from dtcpos.keeping.posting import Posting
from dtcpos.model import Mark, PositionKey, Terms
from dtcpos.store import LedgerReader, PositionRepository

Progress = Callable[[str, int, int], None]
_Read = ReadLog | ReadFills | OlderState

# An object of an export is well below it.
_BEGINNING = 4096
_LOG_NAME = "TradeActivityLog*.txt"


@frozen(kw_only=True)
class Import:
    """What a person wants imported: the files, the zone of the logs' times, the factors for their prices.

    A long log is booked in several transactions; `pause` is called between them, for other writers to get their turn.
    """

    paths: Sequence[Path]
    zone: tzinfo = UTC
    scales: Scales = field(factory=Scales)
    is_dry_run: bool = False
    mode_rules: Mapping[str, str] = field(factory=dict)
    instrument_rules: Mapping[str, Terms] = field(factory=dict)
    pause: Callable[[], None] = lambda: None


class _Undone(Exception):
    """Ends the transaction of a dry run without leaving anything of it."""


def import_files(
    wanted: Import,
    open_ledger: Callable[[], PositionRepository],
    *,
    now: datetime,
    progress: Progress | None = None,
) -> Iterator[Report]:
    """Import files one after the other and yield what came of each.

    The ledger is opened once all files have been read, so that a file that is none does not even make one. Raises
    ImportRefused, a UsageError, for a file of which nothing can be imported; files before it stay imported.
    """
    with ExitStack() as stack:
        read = [_read(path, wanted, stack, progress) for path in wanted.paths]
        repository = stack.enter_context(open_ledger())
        if not wanted.is_dry_run:
            for each in read:
                yield _import(each, wanted, repository, now, progress, transact=True)
            return
        reports = []
        try:
            with repository.transaction():
                reports = [_import(each, wanted, repository, now, progress, transact=False) for each in read]
                raise _Undone
        except _Undone:
            yield from reports


def _read(path: Path, wanted: Import, stack: ExitStack, progress: Progress | None) -> _Read:
    kind = kind_of(path)
    if kind is OlderState:
        return read_state(path)
    spool = stack.enter_context(Spool())
    if kind is ReadFills:
        return read_fills(path, spool, progress=progress)
    return read_log(path, spool, zone=wanted.zone, scales=wanted.scales, progress=progress)


def kind_of(path: Path) -> type[ReadLog | ReadFills | OlderState]:
    """Return what a file is by its beginning: a state file, fills of our own, else a log. Raises ImportRefused."""
    if path.is_dir():
        raise ImportRefused(f"{path} is a folder; name the files in it")
    if path.exists() and not path.is_file():
        # A pipe can be read once, and what is no file is read twice: nobody would ever write the second time.
        raise ImportRefused(f"{path} is no file; save what it gives to a file, and name that")
    try:
        with path.open("rb") as source:
            beginning = source.read(_BEGINNING)
    except OSError as error:
        raise ImportRefused(f"{path} cannot be read: {error.strerror or error}; correct its name or rights") from error
    if beginning.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ImportRefused(
            f"{path} is UTF-16; save it as UTF-8 with an editor, or write it again with --output instead of `>`; "
            "nothing was imported"
        )
    if is_fills_header(beginning):
        return ReadFills
    is_json = beginning.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"["))
    return OlderState if is_json or is_state_name(path.name) else ReadLog


def _import(
    read: _Read,
    wanted: Import,
    repository: PositionRepository,
    now: datetime,
    progress: Progress | None,
    *,
    transact: bool,
) -> Report:
    marks, heat = _beside(repository)
    log = RebookedLog(repository) if isinstance(read, ReadFills) else ImportedLog(repository)
    if isinstance(read, ReadFills):
        examine_fills(read, repository, log)
    elif isinstance(read, ReadLog):
        # Before the transaction: it only reads, and a long log would keep other writers waiting for it.
        examine(read, repository, marks, scales=wanted.scales, into=log)
    # A log tells of years; that two symbols were held at once then is no news.
    posting = Posting(
        repository,
        mode_rules=wanted.mode_rules,
        instrument_rules=wanted.instrument_rules,
        one_position_per_account=False,
    )
    steps = Steps(repository, posting, read.path.name, transact=transact, pause=wanted.pause)
    if isinstance(read, ReadLog):
        return book_log(read, repository, posting, log, steps=steps, now=now, progress=progress)
    if isinstance(read, ReadFills):
        into = Into(
            repository=repository,
            posting=posting,
            now=now,
            mode_rules=wanted.mode_rules,
            instrument_rules=wanted.instrument_rules,
        )
        with repository.transaction() if transact else nullcontext():
            posting.reload()
            prepared = prepare(read, into)
        return book_fills(read, prepared, log, into, steps=steps, progress=progress)
    with repository.transaction() if transact else nullcontext():
        posting.reload()
        placing = Placing(repository=repository, posting=posting, now=now, heat=heat, mode_rules=wanted.mode_rules)
        return place(read, placing)


def _beside(repository: PositionRepository) -> tuple[dict[str, Mark], dict[PositionKey, datetime]]:
    """Return the last prices and the heat of what is held; a ledger in memory is new and has neither."""
    path = Path(repository.path)
    if not path.exists():
        return {}, {}
    with LedgerReader.open(path) as reader:
        held = reader.positions()
        return reader.marks(), {each.key: each.heat_since for each in held if each.heat_since is not None}


def found_older_files(folder: Path) -> list[Path]:
    """Return the files of a folder that look as if they could be imported: state files and activity logs, by name."""
    try:
        names = sorted(entry for entry in folder.iterdir() if entry.is_file())
    except OSError:
        return []
    return [path for path in names if is_state_name(path.name) or path.match(_LOG_NAME)]


def import_offer(folder: Path) -> str | None:
    """Return one line that names what is there to import and the command that does it, None where there is nothing."""
    found = found_older_files(folder)
    if not found:
        return None
    names = " ".join(_quoted(path.name) for path in found[:5])
    more = f" (and {len(found) - 5} more)" if len(found) > 5 else ""
    files = f"{len(found)} file{'' if len(found) == 1 else 's'} of an earlier set-up"
    return f"this ledger is new, and here {'is' if len(found) == 1 else 'are'} {files}: `dtcpos import {names}`{more}"


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name
