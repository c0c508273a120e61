"""What the doctor found, kept small while it looks, and told to people or machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hub.admin.explanations import EXPLANATIONS
from hub.domain.findings import NOTES, Code, Found


@dataclass(slots=True)
class Report:
    """Findings added up by their code; of ids only a few examples are kept."""

    examples: int
    repair: bool
    complete: bool = False
    """Whether everything was looked at."""
    scanned: dict[str, int] = field(default_factory=dict)
    _found: dict[Code, Found] = field(default_factory=dict)

    def add(self, *found: Found) -> None:
        """Adds what was found of some kinds."""
        for each in found:
            if each.count:
                before = self._found.get(each.code, Found(each.code, 0, ()))
                self._found[each.code] = Found(
                    each.code,
                    before.count + each.count,
                    (*before.examples, *each.examples)[: self.examples],
                    before.repaired + each.repaired,
                    before.remaining + each.remaining,
                )

    def count(self, what: str, number: int) -> None:
        """Counts what was looked at."""
        self.scanned[what] = self.scanned.get(what, 0) + number

    @property
    def findings(self) -> list[Found]:
        """In the order of the codes: what matters most stands first."""
        return [self._found[code] for code in Code if code in self._found]

    @property
    def unsettled(self) -> list[Found]:
        """What is wrong and still is."""
        return [found for found in self.findings if found.remaining and found.code not in NOTES]

    def lines(self) -> Iterator[str]:
        """The report for people."""
        for found in self.findings:
            explanation = EXPLANATIONS[found.code]
            note = " (a note: nothing is wrong)" if found.code in NOTES else ""
            yield f"{found.code}: {found.count:,}{note}"
            yield f"    {', '.join(found.examples)}{', …' if found.count > len(found.examples) else ''}"
            yield f"    {explanation.meaning}"
            yield f"    {explanation.remedy}"
            if self.repair and found.repaired:
                yield f"    Repaired: {found.repaired:,}; left: {found.remaining:,}."
            yield ""
        looked_at = ", ".join(f"{what} {number:,}" for what, number in self.scanned.items())
        yield f"Looked at: {looked_at}. {self._verdict() if self.complete else 'Not to the end.'}"

    def _verdict(self) -> str:
        wrong = self.unsettled
        if not wrong:
            repaired = sum(found.repaired for found in self.findings)
            return f"All that was wrong is repaired: {repaired:,}." if repaired else "Nothing is wrong."
        kinds = "1 kind of finding" if len(wrong) == 1 else f"{len(wrong)} kinds of findings"
        if self.repair:
            return f"{kinds} {'is' if len(wrong) == 1 else 'are'} left."
        repairable = sum(EXPLANATIONS[found.code].repairable for found in wrong)
        return f"{kinds}; `--repair` repairs {repairable} of them." if repairable else f"{kinds}."

    def document(self) -> dict[str, Any]:
        """The report for machines."""
        return {
            "scanned": self.scanned,
            "findings": [_row(found) for found in self.findings],
            "repair": self.repair,
            "complete": self.complete,
            "healthy": self.complete and not self.unsettled,
        }

    def to_json(self) -> str:
        """The same as text."""
        return json.dumps(self.document(), ensure_ascii=False, indent=2)


def _row(found: Found) -> dict[str, Any]:
    explanation = EXPLANATIONS[found.code]
    return {
        "code": found.code.value,
        "level": "note" if found.code in NOTES else "finding",
        "count": found.count,
        "repaired": found.repaired,
        "left": found.remaining,
        "examples": list(found.examples),
        "meaning": explanation.meaning,
        "remedy": explanation.remedy,
    }


def first(ids: Iterable[object], number: int) -> tuple[str, ...]:
    """The first few ids as examples."""
    return tuple(str(each) for each, _ in zip(ids, range(number), strict=False))
