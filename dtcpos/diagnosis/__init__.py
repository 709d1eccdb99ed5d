"""What is wrong with a set-up: look at a server as a client sees it, and say in words what to change.

`probing` talks to the server, `interview` asks it what `connect` would ask, `sight` holds what was seen, and `findings`
turns that into words, pure. Nothing here writes, and nothing is sent that `connect` would not send.
"""

from __future__ import annotations

from dtcpos.diagnosis.findings import findings_of
from dtcpos.diagnosis.probing import Plan, examine
from dtcpos.diagnosis.sight import Finding, Result, Sight

__all__ = ["Finding", "Plan", "Result", "Sight", "examine", "findings_of"]
