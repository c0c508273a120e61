"""At which moments the load generator has things due."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from statistics import fmean, pstdev

import pytest

from tests.bench.load import Load, Plan
from tests.waiting import until


class Taker(asyncio.Protocol):
    """Answers every request with 201 and keeps its body, which is the moment at which it was due."""

    def __init__(self, moments: list[int], takers: list[Taker]) -> None:
        self._moments = moments
        self.gone = False
        takers.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._moments.append(int(data.partition(b"\r\n\r\n")[2]))
        self._transport.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    def close(self) -> None:
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True


async def offered(*, scattered: bool) -> list[int]:
    """The moments, in ms since 1970, in order."""
    moments: list[int] = []
    takers: list[Taker] = []
    server = await asyncio.get_running_loop().create_server(lambda: Taker(moments, takers), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        load = Load(Plan([port], "/", "%t", {}, 8, seconds=1.0, rate=200, scattered=scattered))
        await load.run()
        for taker in takers:
            taker.close()
        await until(lambda: all(taker.gone for taker in takers))
        await until(lambda: all(one._transport is not None and one._transport.is_closing() for one in load.free))
    return sorted(moments)


async def test_an_even_load_is_due_every_so_many_milliseconds() -> None:
    gaps = [later - earlier for earlier, later in pairwise(await offered(scattered=False))]
    assert set(gaps) <= {4, 5, 6}
    assert 100 < len(gaps) <= 205


async def test_a_scattered_load_is_due_at_random_moments_of_the_same_rate() -> None:
    gaps = [later - earlier for earlier, later in pairwise(await offered(scattered=True))]
    # Of a Poisson process the gaps vary as much as they are long on average.
    assert pstdev(gaps) / fmean(gaps) == pytest.approx(1, abs=0.4)
    assert 100 < len(gaps) < 270
