"""What has to be mended in the driver: on Python 3.11 a cancelled wait can leave its locks held for ever."""

from __future__ import annotations

import asyncio
import sys
from typing import Protocol

from pymongo.asynchronous import pool, topology


class _Condition(Protocol):
    async def wait(self) -> bool: ...


async def wait_on(condition: _Condition, timeout: float | None) -> bool:  # noqa: ASYNC109 - the driver's own signature
    """`pymongo.lock._async_cond_wait` as it works from Python 3.12 on: in the task that holds the condition's lock.

    Before that `asyncio.wait_for` waits in a task of its own. If the caller is cancelled while that one takes the lock
    again, the caller lets go of a lock that it does not have, and the other one keeps it: from then on nobody finds a
    server, and every command of the process times out. Seen when a freeze of the primary met the deadlines of requests.
    """
    try:
        async with asyncio.timeout(timeout):
            return await condition.wait()
    except TimeoutError:
        return False


def mend() -> None:
    """Puts that in the driver's place, where it is needed; repeating it is harmless."""
    if sys.version_info < (3, 12):
        topology._async_cond_wait = wait_on  # type: ignore[attr-defined]  # noqa: SLF001 - imported there by name
        pool._async_cond_wait = wait_on  # type: ignore[attr-defined]  # noqa: SLF001 - likewise
