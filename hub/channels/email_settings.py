"""Settings of the e-mail channel: `HUB_CHANNELS__EMAIL__…`."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, FilePath, SecretStr, field_validator, model_validator

from hub.channels.mail import canonical_address, one_line
from hub.channels.settings import LOOPBACK, ChannelSettings
from hub.channels.standard_webhooks import key_of
from hub.settings.values import Seconds


class Security(StrEnum):
    """How the connection to the SMTP server is protected."""

    STARTTLS = "starttls"
    """Plain at first, then always TLS: a server that does not offer it is refused."""
    TLS = "tls"
    """TLS from the first byte."""
    NONE = "none"
    """Not at all; credentials then go to loopback only."""


DEFAULT_PORTS = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}


class EmailSettings(ChannelSettings):
    """An SMTP server that takes our mail, and who it comes from."""

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,253}$")]
    """Name or address of the SMTP server."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """By default 587 with `starttls`, 465 with `tls`, 25 with `none`."""
    security: Security = Security.STARTTLS
    """`starttls`, `tls` or `none`."""
    ca_file: FilePath | None = None
    """PEM file of the authorities that vouch for the server, in place of the system's."""
    username: Annotated[str, Field(min_length=1)] | None = None
    """Name to log in with; without one there is no log-in."""
    password: SecretStr | None = None
    """Password to log in with."""
    sender_address: str
    """Address the mail comes from, in the envelope and in `From`; its domain is also that of the Message-IDs."""
    sender_name: Annotated[str, Field(max_length=128)] = ""
    """Name shown beside it."""
    receipt_secret: SecretStr | None = None
    """Signs the receipts sent to this hub's `POST /receipts/email`: `whsec_` and the base64 of 24 to 64 random bytes.
    Without it none are taken."""
    hello_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:\[\]-]{1,253}$")] | None = None
    """Name given in EHLO; by default this machine's host name."""
    connect_timeout: Seconds = timedelta(seconds=10)
    """How long connecting may take, greeting included."""
    reply_timeout: Seconds = timedelta(seconds=20)
    """How long the server may take for each reply; the send timeout bounds them all together."""
    max_connections: Annotated[int, Field(ge=1, le=1000)] = 24
    """Connections one process has open at most; by default as many as its three priorities can use."""
    idle_timeout: Seconds = timedelta(seconds=30)
    """Unused connections are closed after this long."""
    mails_per_connection: Annotated[int, Field(ge=1)] = 100
    """A connection is closed after so many mails: servers have such limits too."""

    @field_validator("sender_address")
    @classmethod
    def _check_sender(cls, address: str) -> str:
        return canonical_address(address)

    @field_validator("receipt_secret")
    @classmethod
    def _check_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            key_of(secret)
        return secret

    @field_validator("sender_name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if one_line(name) != name.strip():
            raise ValueError("must not contain control characters")
        return name.strip()

    @model_validator(mode="after")
    def _check_credentials(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password must be set together")
        if self.username is not None and self.security is Security.NONE and self.host not in LOOPBACK:
            raise ValueError("with security none the password would travel in the clear; use starttls or tls")
        return self

    @property
    def actual_port(self) -> int:
        """The port to connect to."""
        return self.port or DEFAULT_PORTS[self.security]
