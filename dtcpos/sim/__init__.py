"""A DTC server for loopback: a pure venue, scripted dialogues, faults, and sockets around them.

Shipped because users need it too: `dtcpos connect --demo` and `dtcpos simulate` speak through it.
"""

from __future__ import annotations

from dtcpos.sim.dialogue import GRAMMAR, demo_dialogue, parse_dialogue, parse_line, read_dialogue
from dtcpos.sim.performance import Performance
from dtcpos.sim.server import SimulatedServer
from dtcpos.sim.session import VenueSession
from dtcpos.sim.steps import Dialogue
from dtcpos.sim.venue import Venue

__all__ = [
    "GRAMMAR",
    "Dialogue",
    "Performance",
    "SimulatedServer",
    "Venue",
    "VenueSession",
    "demo_dialogue",
    "parse_dialogue",
    "parse_line",
    "read_dialogue",
]
