"""How a venue behaves towards requests and logons: what it refuses, what it leaves unanswered, what it cuts short."""

from __future__ import annotations

from attrs import define, field

from dtcpos.sim import steps
from dtcpos.sim.steps import ConductStep, CutBatch, Kind

LogonConduct = steps.RefuseLogon | steps.ReconnectTo


@define
class Conduct:
    """The conduct of this moment; `cuts` hold for the next answer of their kind only, the rest until lifted."""

    rejected: dict[Kind, str] = field(factory=dict)
    unanswered: set[Kind] = field(factory=set)
    cuts: dict[Kind, CutBatch] = field(factory=dict)
    logon: LogonConduct | None = None

    def change(self, step: ConductStep) -> None:
        """Behave as a step says from now on."""
        match step:
            case steps.Reject():
                self.rejected |= dict.fromkeys(step.kinds, step.text)
            case steps.NoAnswer():
                self.unanswered |= set(step.kinds)
            case steps.Answer():
                self.unanswered -= set(step.kinds)
                for kind in step.kinds:
                    self.rejected.pop(kind, None)
            case steps.CutBatch():
                self.cuts[step.kind] = step
            case steps.RefuseLogon() | steps.ReconnectTo():
                self.logon = step
            case steps.Admit():
                self.logon = None
