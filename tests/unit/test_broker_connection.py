"""What the driver raises when the broker goes away is one thing to the hub."""

from __future__ import annotations

import asyncio

import pytest
from aiormq.exceptions import AMQPConnectionError

from hub.broker.connection import BrokerAwayError, translated


@pytest.mark.parametrize(
    "raised",
    [
        AMQPConnectionError(),
        ConnectionResetError(),
        TimeoutError(),
        # aiormq's `get_frame`, when the other side has hung up before the first word: seen in a run of scripts/chaos.
        StopAsyncIteration(),
        # aiormq's `queue_bind`, when the connection ends under it: likewise.
        Exception(),
        # It leaks out of a connection that falls silent; nobody has cancelled this task.
        asyncio.CancelledError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_a_broken_connection_raises_the_broker_is_away(raised: BaseException) -> None:
    with pytest.raises(BrokerAwayError), translated():
        raise raised


async def test_a_defect_of_ours_is_none_of_the_brokers() -> None:
    with pytest.raises(KeyError), translated():
        raise KeyError
