"""Shows how far a long walk is: a line that changes on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

_TERMINAL_SECONDS = 0.2
_LINE_SECONDS = 5.0


class Progress:
    """Counts what was walked of one thing after another. Speaks on `stream` alone, and rarely."""

    def __init__(self, stream: TextIO, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._monotonic = monotonic
        self._terminal = stream.isatty()
        self._pause = _TERMINAL_SECONDS if self._terminal else _LINE_SECONDS
        self._what = ""
        self._total: int | None = None
        self._done = 0
        self._began = self._spoke = monotonic()
        self._shown = 0

    def begin(self, what: str, total: int | None = None) -> None:
        """Begins with the next thing; `total` is an estimate."""
        self._what, self._total, self._done = what, total, 0
        self._began = self._spoke = self._monotonic()

    def advance(self, count: int) -> None:
        """Counts what was walked."""
        self._done += count
        if self._monotonic() - self._spoke >= self._pause:
            self._say()

    def say(self, text: str) -> None:
        """Says what is waited for."""
        self._write(text)

    def end(self) -> None:
        """Leaves a clean line behind."""
        if self._terminal and self._shown:
            self._stream.write("\r" + " " * self._shown + "\r")
            self._stream.flush()
        self._shown = 0

    def _say(self) -> None:
        self._spoke = now = self._monotonic()
        rate = self._done / max(now - self._began, 1e-3)
        parts = [f"{self._what}: {self._done:,}"]
        if self._total is not None and self._total >= self._done:
            parts[0] += f" of about {self._total:,} ({100 * self._done // max(self._total, 1)} %)"
        parts.append(f"{rate:,.0f}/s")
        if self._total is not None and rate and self._total >= self._done:
            parts.append(f"about {span((self._total - self._done) / rate)} left")
        self._write(", ".join(parts))

    def _write(self, text: str) -> None:
        if self._terminal:
            self._stream.write("\r" + text.ljust(self._shown))
            self._shown = max(self._shown, len(text))
        else:
            self._stream.write(text + "\n")
        self._stream.flush()


def span(seconds: float) -> str:
    """A length of time for people: `42 s`, `7 min`, `3 h 5 min`."""
    minutes = round(seconds / 60)
    if seconds < 100:  # noqa: PLR2004 - beyond that nobody counts seconds
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004 - an hour
