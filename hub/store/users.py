"""User records: where a person can be reached."""

from __future__ import annotations

from hub.domain.notifications import User
from hub.store.client import Rows, translated
from hub.store.documents import UserDocument


class UserStore:
    """Reads user records."""

    def __init__(self) -> None:
        self._rows: Rows = UserDocument.get_pymongo_collection()

    async def get(self, tenant: str, user_id: str) -> User | None:
        """The record, or None: a user need not have one."""
        with translated():
            row = await self._rows.find_one({"_id": f"{tenant}/{user_id}"})
        if row is None:
            return None
        return User(
            tenant=row["tenant"],
            user_id=row["user_id"],
            contact_points=row["contact_points"],
            locale=row["locale"],
            timezone=row["timezone"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )
