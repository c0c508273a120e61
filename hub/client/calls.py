"""One call of the client: its deadline, its tries, its error."""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from typing import TypeVar

import grpc

from hub.client.errors import CORRELATION_ID, client_error
from hub.client.options import ClientOptions, Metadata

Request = TypeVar("Request")
Response = TypeVar("Response")


def new_key() -> str:
    """An idempotency key, or another id that nobody else makes."""
    return secrets.token_hex(16)


class Caller:
    """Makes calls as the options say."""

    def __init__(self, options: ClientOptions) -> None:
        self.options = options

    def identified(self) -> tuple[str, Metadata]:
        """A new correlation id, and the metadata of a call that carries it."""
        identifier = new_key()
        return identifier, (*self.options.metadata(), (CORRELATION_ID, identifier))

    async def call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        within: timedelta | None,
        *,
        repeatable: bool = True,
    ) -> Response:
        """The answer. What passes by itself is tried again while there is time; the last error is raised.

        What is not repeatable is tried again only where the hub has certainly not done it.
        """
        loop = asyncio.get_running_loop()
        ends = loop.time() + (self.options.timeout if within is None else within).total_seconds()
        # One id for all tries: they are one call.
        identifier, metadata = self.identified()
        failures, unknown = 0, False
        while True:
            left = min(self.options.try_timeout.total_seconds(), max(0.0, ends - loop.time()))
            try:
                return await method(request, timeout=left, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                failed = client_error(error, identifier)
            failed.after_unknown = unknown
            unknown = unknown or failed.unknown
            failures += 1
            wait = self.options.backoff.wait(failures, failed.retry_after)
            done_perhaps = failed.unknown and not repeatable
            if done_perhaps or not failed.passing or loop.time() + wait >= ends:
                raise failed
            await asyncio.sleep(wait)
