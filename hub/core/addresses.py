"""Where a notification goes: the override, the user's contact point, or a made-up one under capture."""

from __future__ import annotations

from collections.abc import Mapping

from hub.core.ports import ContactPoints
from hub.domain.channels import Channel
from hub.domain.errors import Reason, invalid_field
from hub.domain.notifications import NewNotification
from hub.store.users import UserStore


class Addresses:
    """Checked at create, resolved anew at each attempt."""

    def __init__(self, users: UserStore, channels: Mapping[str, Channel], samples: ContactPoints | None) -> None:
        self._users = users
        self._channels = channels
        self._samples = samples

    async def check(self, tenant: str, command: NewNotification) -> None:
        """Raises NO_CONTACT_POINT or INVALID_VALUE if the notification could not be addressed now."""
        channel = self._channels[command.type]
        if command.to is not None:
            if channel.contact_point is None:
                raise invalid_field("to", f"is not for notifications of type {command.type}")
            try:
                channel.check_address(command.to)
            except ValueError as error:
                raise invalid_field("to", str(error)) from None
        elif channel.contact_point is not None and await self.resolve(tenant, command.user_id, channel, None) is None:
            raise invalid_field(
                "user_id", f"has no contact point {channel.contact_point}; give `to`", Reason.NO_CONTACT_POINT
            )

    async def resolve(self, tenant: str, user_id: str, channel: Channel, override: str | None) -> str | None:
        """The checked address for one attempt, or None where there is none (any more)."""
        if channel.contact_point is None:
            return None
        address = override
        if address is None and self._samples is not None:
            # Under capture a user without a record still gets something to look at.
            address = self._samples.sample(channel.contact_point, user_id)
        record = None if override is not None else await self._users.get(tenant, user_id)
        if record is not None:
            address = record.contact_points.get(channel.contact_point, address)
        if address is None:
            return None
        try:
            return channel.check_address(address)
        except ValueError:
            return None
