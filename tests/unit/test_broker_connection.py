"""What the driver raises when the broker goes away is one thing to the hub."""

from __future__ import annotations

import asyncio

import pytest
from aiormq.exceptions import AMQPConnectionError

from hub.broker.connection import BrokerAwayError, check_url, translated


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


@pytest.mark.parametrize(
    "url",
    [
        "amqp://127.0.0.1",
        "amqp://guest:guest@localhost:5672/",
        "amqps://a%40b:p%2Fw@broker.example:5671/a%2Fb?heartbeat=10",
        "amqp://u:p@[::1]:5672/%2F",
    ],
)
def test_a_url_of_a_broker(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "s3cret",
        "http://u:s3cret@127.0.0.1",
        "amqp://",
        "amqp:///s3cret",
        "amqp://u:s3cret@127.0.0.1:s3cret/",
        "amqp://u:s3cret@127.0.0.1:0",
        "amqp://u:12/s3cret@127.0.0.1/",
        "amqp://u:12#s3cret@127.0.0.1/",
        "amqp://u:s3cret@[127.0.0.1/",
    ],
)
def test_what_is_none_is_refused_without_being_told(url: str) -> None:
    with pytest.raises(ValueError, match=r"^is not a URL such as amqp://") as refusal:
        check_url(url)
    assert "s3cret" not in str(refusal.value)
