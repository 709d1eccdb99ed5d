"""What is fuzzed: every door through which text or bytes of somebody else's making come in."""

from __future__ import annotations

from dtcpos.dtc import Encoding
from tests.fuzz.engine import Target
from tests.fuzz.sessions import session_target, venue_target, wire_target
from tests.fuzz.texts import dialogue_target, import_targets, settings_target, values_target


def targets() -> dict[str, Target]:
    """Return every target by its name."""
    made = [
        *(wire_target(encoding) for encoding in Encoding),
        *(session_target(encoding) for encoding in Encoding),
        venue_target(),
        *import_targets(),
        settings_target(),
        dialogue_target(),
        values_target(),
    ]
    return {target.name: target for target in made}
