"""Settings of the webhook channel: `HUB_CHANNELS__WEBHOOK__…`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated

from pydantic import Field, FilePath, SecretStr, field_validator

from hub.channels.settings import ChannelSettings
from hub.channels.standard_webhooks import key_of
from hub.channels.webhook_guard import parse_url
from hub.settings.values import Seconds

ANY_TENANT = "*"
_EXAMPLE = '{"default": ["whsec_…"]}'


class WebhookSettings(ChannelSettings):
    """How webhooks are signed, and where they may go."""

    concurrency: Annotated[int, Field(ge=1, le=1000)] = 32
    """Sends one worker process has under way at most, for each priority; receivers are many, and some are slow."""
    secrets: Annotated[dict[str, tuple[SecretStr, ...]], Field(min_length=1)]
    """The signing secrets of each tenant as JSON: `{"default": ["whsec_…"]}`, two at once while they are rotated.

    A secret is `whsec_` and the base64 of 24 to 64 random bytes. The tenant `*` stands for all that are not named; who
    knows a shared secret can forge what others get, so it is for hubs with one tenant.
    """
    ca_file: FilePath | None = None
    """PEM file of authorities that vouch for receivers, beside the system's."""
    connect_timeout: Seconds = timedelta(seconds=10)
    """How long looking up the name and connecting may take; the send timeout bounds the whole attempt."""
    idle_timeout: Seconds = timedelta(seconds=4)
    """Unused connections are closed after this long; shortly, as a request over one just closed is ambiguous."""
    allow_private: bool = False
    """For development: plain http, loopback and private addresses too. Whoever sets a contact point can then make the
    hub knock at doors inside."""
    deliver_to: str | None = None
    """For development: everything goes to this URL on loopback, with the real one in `Webhook-Original-Url`."""

    @field_validator("secrets", mode="before")
    @classmethod
    def _parse_secrets(cls, value: object) -> object:
        """The environment has only text."""
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                value = None
        if not isinstance(value, Mapping) or not all(isinstance(given, (list, tuple)) for given in value.values()):
            raise ValueError(f"must be a JSON object of tenants and their lists of secrets, such as {_EXAMPLE}")
        return value

    @field_validator("secrets")
    @classmethod
    def _check_secrets(cls, secrets: dict[str, tuple[SecretStr, ...]]) -> dict[str, tuple[SecretStr, ...]]:
        for given in secrets.values():
            if len(given) not in {1, 2}:
                raise ValueError("must have one secret for each tenant, or two while they are rotated")
            for secret in given:
                key_of(secret)
        return secrets

    @field_validator("deliver_to")
    @classmethod
    def _check_deliver_to(cls, text: str | None) -> str | None:
        if text is None:
            return None
        target = parse_url(text, allow_private=True)
        try:
            loopback = ip_address(target.host).is_loopback
        except ValueError:
            loopback = False
        if not loopback:
            raise ValueError("must be a URL on loopback, such as http://127.0.0.1:8080/")
        return target.url

    @property
    def keys(self) -> dict[str, tuple[bytes, ...]]:
        """The keys to sign with, by tenant."""
        return {tenant: tuple(key_of(secret) for secret in given) for tenant, given in self.secrets.items()}
