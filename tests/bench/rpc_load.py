"""A load generator over gRPC, a process of its own: unary creates, or streams of them.

python -m tests.bench.rpc_load PLAN.json RESULT.json
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import uvloop
from google.protobuf.struct_pb2 import Struct

from hub.rpc.v1 import notifications_pb2 as pb
from hub.rpc.v1.notifications_pb2_grpc import NotificationServiceStub


@dataclass(frozen=True, slots=True)
class RpcPlan:
    """What is to be sent."""

    target: str
    key: str
    streaming: bool
    at_once: int
    """Callers of unary calls, or streams; each on one of four connections."""
    seconds: float


class RpcLoad:
    """All callers of a plan."""

    def __init__(self, plan: RpcPlan, stubs: list[NotificationServiceStub]) -> None:
        self._plan = plan
        self._stubs = stubs
        self._metadata = (("authorization", f"Bearer {plan.key}"),)
        self.accepted = 0
        self.refused = ""
        self._made = 0
        self.began = self._until = self.ended = 0.0

    async def run(self) -> None:
        """Until the time is up and all is answered."""
        self.began = time.time()
        self._until = self.began + self._plan.seconds
        one = self._stream if self._plan.streaming else self._calls
        async with asyncio.TaskGroup() as group:
            for number in range(self._plan.at_once):
                group.create_task(one(self._stubs[number % len(self._stubs)]))
        self.ended = time.time()

    async def _calls(self, stub: NotificationServiceStub) -> None:
        call: Any = stub.CreateNotification  # as below
        while time.time() < self._until:
            await call(self._request(), metadata=self._metadata, timeout=30)
            self.accepted += 1

    async def _stream(self, stub: NotificationServiceStub) -> None:
        # The generated types are those of the blocking client.
        call: Any = stub.CreateNotifications
        async for answer in call(self._requests(), metadata=self._metadata):
            if answer.HasField("error"):
                self.refused = self.refused or str(answer.error)[:500]
            else:
                self.accepted += 1

    async def _requests(self) -> AsyncIterator[pb.CreateNotificationsRequest]:
        while time.time() < self._until:
            yield pb.CreateNotificationsRequest(notification=self._request())

    def _request(self) -> pb.CreateNotificationRequest:
        self._made += 1
        metadata = Struct()
        metadata["at"] = int(time.time() * 1000)
        return pb.CreateNotificationRequest(
            user_id=f"user-{self._made % 500}",
            title="Your order is on its way",
            message="It left our house this morning and will be with you tomorrow.",
            type="in_app",
            metadata=metadata,
        )


async def offer(plan: RpcPlan) -> RpcLoad:
    """Runs a plan."""
    channels = [
        grpc.aio.insecure_channel(plan.target, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(4)
    ]
    load = RpcLoad(plan, [NotificationServiceStub(channel) for channel in channels])
    await load.run()
    for channel in channels:
        await channel.close()
    return load


def main() -> None:
    """The command line."""
    plan, result = sys.argv[1:]
    found = uvloop.run(offer(RpcPlan(**json.loads(Path(plan).read_text()))))
    names = ("accepted", "refused", "began", "ended")
    Path(result).write_text(json.dumps({name: getattr(found, name) for name in names}))


if __name__ == "__main__":
    main()
