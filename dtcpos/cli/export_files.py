"""Where an export goes: standard output, a file, a file for each day, or a file of what is new."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from itertools import chain, groupby
from pathlib import Path
from typing import IO

from attrs import evolve

from dtcpos.cli.exports import Wanted, form_of
from dtcpos.cli.faults import say
from dtcpos.exporters.cursor import Cursor, passed_over
from dtcpos.exporters.placing import named, replacing, writing
from dtcpos.exporters.remarks import Remarks
from dtcpos.store.exporting import ExportReader


@contextmanager
def destination(output: Path | None) -> Iterator[IO[str]]:
    """Yield what is written to: a file that appears when it is complete, or standard output."""
    if output is not None:
        with replacing(output) as out:
            yield out
        return
    # CSV says where its lines end; a text stream of Windows would say it again.
    stream = TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
    try:
        yield stream
        stream.flush()
    finally:
        stream.detach()


def export_days(reader: ExportReader, wanted: Wanted, template: Path, remarks: Remarks) -> None:
    """Write a file for each trading day that something belongs to; a day that is begun is written whole."""
    trading_day, selection = wanted.settings.trading_day, wanted.selection
    if selection.since is not None:
        selection = evolve(selection, since=trading_day.starts_at(trading_day.day_of(selection.since)))
    form = form_of(evolve(wanted, selection=selection, by_time=True), reader, remarks)
    for day, records in groupby(form.records, key=lambda record: trading_day.day_of(form.time_of(record))):
        with replacing(named(template, day=day)) as out:
            form.write(records, out)


def export_once(
    cursor: Cursor, ledger: Path, wanted_of: Callable[[ExportReader], Wanted], template: Path | None, remarks: Remarks
) -> None:
    """Complete what an earlier run left, then write what is new to a file of its own, if there is anything."""
    with ExportReader.open(ledger) as reader:
        wanted = wanted_of(reader)
        now = wanted.now
        completed = cursor.resume(now)
        if completed is not None:
            say(f"{completed} was left by an earlier run and is in its place now")
        with reader.held_still():
            after, memory = cursor.last_id, cursor.memory
            last_id = max(
                after, reader.last_id("journal" if wanted.restated and wanted.what == "trades" else wanted.what)
            )
            skipped, void = frozenset[int](), memory.void
            if wanted.what == "fills" and not wanted.restated:
                skipped, void = passed_over(reader, after, memory.void)
            form = form_of(evolve(wanted, after_id=after, skipped=skipped), reader, remarks)
            first = next(form.records, None)
            if first is None:
                cursor.advance(last_id, void, now)
                return
            records = chain([first], form.records)
            if template is None:
                with destination(None) as out:
                    form.write(records, out)
                cursor.advance(last_id, void, now)
                return
            day = wanted.settings.trading_day.day_of(now)
            path = named(template, day=day, number=memory.files + 1)
            with writing(cursor.begin(path, now), path) as out:
                form.write(records, out)
            cursor.record(last_id, void, now)
            cursor.place()
            cursor.finish(now)
