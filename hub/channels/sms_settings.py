"""Settings of the SMS channel: `HUB_CHANNELS__SMS__…`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from hub.channels.settings import LOOPBACK, ChannelSettings
from hub.settings.values import Seconds


class SmsSettings(ChannelSettings):
    """A provider that speaks Twilio's Messages API, and who the messages come from."""

    base_url: str = "https://api.twilio.com"
    """Where the API is; `/2010-04-01/Accounts/…` is added. Plain http goes to loopback only."""
    account_sid: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    """The account, also the user name of the log-in."""
    auth_token: SecretStr
    """The password of the log-in."""
    sender: Annotated[str, Field(pattern=r"^(\+[0-9]{2,15}|[0-9]{3,8}|[A-Za-z0-9 ]{1,11})$")]
    """A number in E.164, a short code, or a name of at most 11 letters and digits."""
    receipt_url: str | None = None
    """Where the provider reaches this hub's `POST /receipts/sms`, such as `https://hub.example.org/receipts/sms`: the URL
    as it is from outside, which its signatures cover. With it each message asks for delivery receipts."""
    connect_timeout: Seconds = timedelta(seconds=10)
    """How long connecting may take; the send timeout bounds the whole attempt."""
    idle_timeout: Seconds = timedelta(seconds=5)
    """Unused connections are closed after this long; shortly, as a request over one just closed is ambiguous."""
    give_up_after: Seconds = timedelta(hours=1)
    """How long after its first attempt a notification is given up."""

    @field_validator("base_url")
    @classmethod
    def _check_url(cls, text: str) -> str:
        return _checked_url(text, "https://api.twilio.com", "the token would travel in the clear").rstrip("/")

    @field_validator("receipt_url")
    @classmethod
    def _check_receipt_url(cls, text: str | None) -> str | None:
        if text is None:
            return None
        return _checked_url(text, "https://hub.example.org/receipts/sms", "receipts would travel in the clear")

    @property
    def messages_url(self) -> str:
        """Where messages are created."""
        return f"{self.base_url}/2010-04-01/Accounts/{self.account_sid}/Messages.json"

    @property
    def local(self) -> bool:
        """Whether the provider runs on this machine; then no proxy has a say."""
        return urlsplit(self.base_url).hostname in LOOPBACK


def _checked_url(text: str, example: str, in_the_clear: str) -> str:
    """A URL without anything behind its path; ValueError with a sentence."""
    try:
        url = urlsplit(text)
        good = bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        raise ValueError(f"must be a URL such as {example}") from None
    if not good or url.scheme not in {"http", "https"} or url.query or url.fragment or url.username:
        raise ValueError(f"must be a URL such as {example}")
    if url.scheme == "http" and url.hostname not in LOOPBACK:
        raise ValueError(f"must be https: {in_the_clear}")
    return text
