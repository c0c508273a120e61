"""The tests' own ground: a vhost and a database of this run on real servers."""

from __future__ import annotations

import aio_pika
from pymongo import AsyncMongoClient


async def test_the_broker_takes_a_quorum_queue(amqp_url: str) -> None:
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel(on_return_raises=True)
        queue = await channel.declare_queue("ground", durable=True, arguments={"x-queue-type": "quorum"})
        await channel.default_exchange.publish(aio_pika.Message(b"hello"), "ground")
        message = await queue.get(timeout=5)
        assert message is not None
        assert message.body == b"hello"
        await message.ack()


async def test_the_database_takes_a_majority_write(mongo_url: str, mongo_database: str) -> None:
    async with AsyncMongoClient[dict[str, object]](mongo_url, w="majority") as client:
        await client[mongo_database]["ground"].insert_one({"_id": 1})
        assert await client[mongo_database]["ground"].count_documents({}) == 1
