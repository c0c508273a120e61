"""What runs say: a table fault by fault and a summary over seeds, as text for people and as Markdown."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.chaos.checker import Verdict, Violation
from tests.chaos.evidence import Evidence, Injection

COLUMNS = ("fault", "times", "accepted", "lost", "untrue", "doubled", "longest outage", "recovered in")


@dataclass(slots=True)
class Line:
    """What happened under one kind of fault, over any number of runs."""

    times: int = 0
    accepted: int = 0
    lost: int = 0
    untrue: int = 0
    doubled: int = 0
    outage: float = 0.0
    """Seconds, at most, without a create that was accepted."""
    recovery: float = 0.0
    """Seconds, at most, from the strike until something accepted after it had been delivered."""

    def cells(self, name: str) -> tuple[str, ...]:
        numbers = (self.times, self.accepted, self.lost, self.untrue, self.doubled)
        return (name, *(f"{number:,}" for number in numbers), f"{self.outage:.1f} s", f"{self.recovery:.1f} s")


@dataclass(slots=True)
class Table:
    """The lines of all kinds of faults, and those of the runs themselves."""

    lines: defaultdict[str, Line] = field(default_factory=lambda: defaultdict(Line))
    runs: list[tuple[Evidence, Verdict]] = field(default_factory=list)

    def add(self, evidence: Evidence, verdict: Verdict) -> None:
        """Takes a run in."""
        self.runs.append((evidence, verdict))
        accepted = sorted(at for wish in evidence.wishes for at, _ in wish.answers[:1])
        arrivals = delivered(evidence)
        for injection in evidence.injections:
            line = self.lines[injection.name]
            line.times += 1
            line.accepted += sum(injection.at <= at < injection.healed_at for at in accepted)
            line.outage = max(line.outage, _longest_gap(accepted, injection))
            line.recovery = max(line.recovery, _recovery(arrivals, injection))
        for kind, found in (
            ("lost", verdict.of_kind("lost")),
            ("untrue", verdict.of_kind("untrue")),
            ("doubled", verdict.doubled),
        ):
            for name, count in _blamed(evidence, found).items():
                setattr(self.lines[name], kind, getattr(self.lines[name], kind) + count)

    def text(self) -> str:
        """For a terminal."""
        rows = [COLUMNS, *(self.lines[name].cells(name) for name in sorted(self.lines))]
        widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
        return "\n".join(
            "  ".join(cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in enumerate(zip(row, widths, strict=True)))
            for row in rows
        )  # fmt: skip

    def markdown(self) -> str:
        """For docs/guarantees.md."""
        lines = [_row(COLUMNS), _row(["---", *["---:"] * (len(COLUMNS) - 1)])]
        lines += [_row(self.lines[name].cells(name)) for name in sorted(self.lines)]
        return "\n".join(lines)

    def summary(self) -> str:
        """One line for each seed, as Markdown."""
        titles = ("seed", "faults", "accepted", "delivered", "failed", "cancelled", "expired", "lost", "untrue", "unseen", "doubled", "forced", "events watched", "quiet after")  # fmt: skip
        lines = [_row(titles), _row(["---:"] * len(titles))]
        for evidence, verdict in self.runs:
            n = verdict.numbers
            quiet = "never" if evidence.quiet_at is None else f"{evidence.quiet_at - evidence.healed_at:.1f} s"
            counts = (
                n["faults"], n["accepted"], n["status sent"] + n["status delivered"], n["status failed"],
                n["status cancelled"], n["status expired"], n["lost"], n["untrue"], n["unseen"], n["doubled"],
                n["doubled by the provider"], n["events watched"],
            )  # fmt: skip
            lines.append(_row([str(evidence.seed), *(f"{count:,}" for count in counts), quiet]))
        return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def delivered(evidence: Evidence) -> list[tuple[float, float]]:
    """When each was accepted, and when it had been delivered."""
    arrived = {str(row["_id"]): row["delivered_at"] or row["sent_at"] for row in evidence.stored}
    firsts = [wish.answers[0] for wish in evidence.wishes if wish.answers]
    return [(at, moment.timestamp()) for at, one in firsts if (moment := arrived.get(one)) is not None]


def _longest_gap(accepted: Sequence[float], injection: Injection) -> float:
    """The longest time without an accepted create that overlaps the fault."""
    gaps = [
        after - before for before, after in pairwise(accepted) if after > injection.at and before < injection.healed_at
    ]
    return max(gaps, default=0.0)


def _recovery(arrivals: Sequence[tuple[float, float]], injection: Injection) -> float:
    later = [arrived for accepted, arrived in arrivals if accepted >= injection.at]
    return max(0.0, min(later, default=injection.at) - injection.at)


def _blamed(evidence: Evidence, found: Sequence[Violation]) -> Counter[str]:
    """Each violation under the fault that struck last before what it is about was over."""
    blamed: Counter[str] = Counter()
    for violation in found:
        before = [one for one in evidence.injections if one.at <= violation.at + 1]
        blamed[before[-1].name if before else "none"] += 1
    return blamed
