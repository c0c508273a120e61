"""A stream whose caller hangs up while answers are on their way: no defect of ours, and nothing is left under way."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import grpc.aio
import pytest

from hub.core.admission import Admission
from hub.domain.errors import internal
from hub.rpc.v1 import notifications_pb2 as pb
from hub.transports.grpc.errors import abort
from hub.transports.grpc.streams import Exchange, OpenStreams, told


class HungUp:
    """The server's side of a call whose caller is gone: what it sent is still there, what is written fails."""

    def __init__(self, requests: int) -> None:
        self._requests = deque([pb.CreateNotificationsRequest()] * requests)

    async def read(self) -> Any:
        return self._requests.popleft() if self._requests else grpc.aio.EOF

    async def write(self, _response: object) -> None:
        raise grpc.aio.InternalError('Failed "execute_batch"')

    async def abort(self, *_status: object) -> None:
        raise grpc.aio.InternalError('Failed "execute_batch"')


async def test_every_item_is_dealt_with_all_the_same() -> None:
    dealt_with: list[int] = []

    async def answer(index: int, _request: object) -> pb.CreateNotificationsResponse:
        dealt_with.append(index)
        return pb.CreateNotificationsResponse(index=index)

    context: Any = HungUp(600)
    await Exchange(context, answer, OpenStreams(), Admission(10)).run()
    assert sorted(dealt_with) == list(range(600))


async def test_a_watch_learns_that_nobody_listens() -> None:
    context: Any = HungUp(0)
    assert not await told(context, pb.WatchInboxResponse())


async def test_an_error_that_nobody_hears_any_more_is_a_cancelled_call() -> None:
    context: Any = HungUp(0)
    with pytest.raises(asyncio.CancelledError):
        await abort(context, internal(), "c-1")
