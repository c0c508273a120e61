"""A TCP proxy in a process of its own, whose routes can be made to misbehave while traffic flows.

    python -m tests.chaos.proxy NAME:LISTEN:TARGET …

Commands come as lines on standard input, `MODE NAME`, and are answered with a line: `pass`, `reset` (every connection,
once, then as before), `refuse` (no new ones, and those there are reset), `swallow` (nothing passes), `delay`,
`upstream` and `downstream` (only the client's words pass, only the server's do).
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import uvloop

HOST = "127.0.0.1"
MODES = ("pass", "reset", "refuse", "swallow", "delay", "upstream", "downstream")
DELAY_SECONDS = 0.15
_CHUNK = 64 * 1024


@dataclass(eq=False)
class _Route:
    name: str
    listen: int
    target: int
    mode: str = "pass"
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def turn(self, mode: str) -> None:
        """From now on."""
        if mode in {"reset", "refuse"}:
            for writer in self.writers:
                writer.transport.abort()
        self.mode = "pass" if mode == "reset" else mode
        self.changed.set()
        self.changed = asyncio.Event()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "refuse":
            writer.transport.abort()
            return
        try:
            other_reader, other_writer = await asyncio.open_connection(HOST, self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, other_writer}
        self.writers |= pair
        try:
            await asyncio.gather(
                self._pass_on(reader, other_writer, "downstream"), self._pass_on(other_reader, writer, "upstream")
            )
        except (OSError, RuntimeError):
            # RuntimeError: uvloop's word for writing to what was just reset.
            pass
        finally:
            self.writers -= pair
            for one in pair:
                one.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, blocked_by: str) -> None:
        while data := await reader.read(_CHUNK):
            # What a network swallows comes later, when it is whole again, as TCP sends it once more.
            while self.mode in {"swallow", blocked_by}:
                await self.changed.wait()
            if self.mode == "delay":
                await asyncio.sleep(DELAY_SECONDS)
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


async def _serve(routes: Sequence[_Route]) -> None:
    by_name = {route.name: route for route in routes}
    for route in routes:
        await asyncio.start_server(route.accept, HOST, route.listen, backlog=512)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while line := (await commands.readline()).decode().split():
        mode, name = line
        by_name[name].turn(mode)
        sys.stdout.write("done\n")
        sys.stdout.flush()


class Proxy:
    """The process, seen from the one that commands it; it ends with its standard input."""

    def __init__(self, routes: Sequence[tuple[str, int, int]]) -> None:
        self._arguments = [f"{name}:{listen}:{target}" for name, listen, target in routes]
        self._process: asyncio.subprocess.Process | None = None
        self._speaking = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.chaos.proxy", *self._arguments,
            cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        await self._hear("ready")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def turn(self, mode: str, *names: str) -> None:
        """Sets the mode of routes; in force when this returns."""
        assert mode in MODES
        assert self._process is not None
        assert self._process.stdin is not None
        async with self._speaking:
            for name in names:
                self._process.stdin.write(f"{mode} {name}\n".encode())
                await self._hear("done")

    async def _hear(self, word: str) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(20):
            heard = (await self._process.stdout.readline()).decode().strip()
        if heard != word:
            raise RuntimeError(f"the proxy said {heard!r} instead of {word!r}")


def main() -> None:
    split = [argument.split(":") for argument in sys.argv[1:]]
    uvloop.run(_serve([_Route(name, int(listen), int(target)) for name, listen, target in split]))


if __name__ == "__main__":
    main()
