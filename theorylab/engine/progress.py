"""What a user sees while something runs: a line that is rewritten on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Protocol, TextIO


class Progress(Protocol):
    """Receives how far a job has come."""

    def start(self, job: str, total: int, reused: int) -> None: ...
    def step(self, done: int) -> None: ...
    def note(self, text: str) -> None: ...
    def end(self) -> None: ...


class Silent:
    """Says nothing."""

    def start(self, job: str, total: int, reused: int) -> None: ...
    def step(self, done: int) -> None: ...
    def note(self, text: str) -> None: ...
    def end(self) -> None: ...


class Lines:
    """Progress on a text stream, with the time left; at most one line in `interval` seconds off a terminal."""

    def __init__(self, stream: TextIO | None = None, interval: float = 10.0) -> None:
        self._stream = stream or sys.stderr
        self._interval = interval
        self._live = self._stream.isatty()
        self._job, self._total, self._begun, self._last = "", 0, 0.0, 0.0
        self._open = False

    def start(self, job: str, total: int, reused: int) -> None:
        self._job, self._total = job, total
        self._begun = self._last = time.perf_counter()
        if reused:
            self.note(f"{job}: {reused} of {total + reused} tiles were stored, {total} to compute")

    def step(self, done: int) -> None:
        now = time.perf_counter()
        if not self._live and (now - self._last < self._interval or done == self._total):
            return
        self._last = now
        left = (now - self._begun) / max(done, 1) * (self._total - done)
        text = f"{self._job}: {done}/{self._total} tiles, {_duration(left)} left"
        if self._live:
            self._stream.write("\r\x1b[2K" + text)
            self._open = True
        else:
            self._stream.write(text + "\n")
        self._stream.flush()

    def note(self, text: str) -> None:
        self.end()
        self._stream.write(text + "\n")
        self._stream.flush()

    def end(self) -> None:
        if self._open:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()
            self._open = False


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
