"""The channels there are, one line each, and how they are built from settings."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

from pydantic import SecretStr, ValidationError

from hub.channels.email import EmailChannel
from hub.channels.email_settings import EmailSettings
from hub.channels.in_app import InAppChannel, InAppSettings
from hub.channels.settings import ChannelSettings
from hub.channels.sms import SmsChannel
from hub.channels.sms_settings import SmsSettings
from hub.channels.webhook import WebhookChannel
from hub.channels.webhook_settings import WebhookSettings
from hub.domain.channels import Channel

S = TypeVar("S", bound=ChannelSettings)


@dataclass(frozen=True, slots=True)
class Registration(Generic[S]):
    """How a channel comes to be: its settings, its maker, and whether it is there without being set up."""

    settings: type[S]
    build: Callable[[S, timedelta], Channel]
    always: bool = False


CHANNELS: Mapping[str, Registration[Any]] = types.MappingProxyType(
    {
        "email": Registration(EmailSettings, EmailChannel),
        "sms": Registration(SmsSettings, SmsChannel),
        "webhook": Registration(WebhookSettings, WebhookChannel),
        "in_app": Registration(InAppSettings, InAppChannel, always=True),
    }
)


def build_channels(settings: Mapping[str, Mapping[str, object]], longest_retry_delay: timedelta) -> dict[str, Channel]:
    """The channels that are set up, by their name; whoever builds them closes each with `aclose()`.

    Raises ValueError with a sentence that names the environment variable at fault, and never its value.
    """
    checked = _checked(settings)
    return {name: CHANNELS[name].build(model, longest_retry_delay) for name, model in checked.items()}


def describe(settings: Mapping[str, Mapping[str, object]]) -> dict[str, dict[str, str]]:
    """Every setting in force, by channel and field, with secrets masked; raises as `build_channels` does."""
    return {name: {field: _shown(value) for field, value in model} for name, model in _checked(settings).items()}


def _checked(settings: Mapping[str, Mapping[str, object]]) -> dict[str, ChannelSettings]:
    unknown = sorted(set(settings) - set(CHANNELS))
    if unknown:
        raise ValueError(f"{_variable(unknown[0])}__…: there is no such channel, only {', '.join(CHANNELS)}.")
    checked: dict[str, ChannelSettings] = {}
    for name, registration in CHANNELS.items():
        # An empty variable is one that is not set: that is how compose files spell it.
        given = {field: value for field, value in settings.get(name, {}).items() if value is not None and value != ""}
        if given or registration.always:
            checked[name] = _validated(name, registration.settings, given)
    return checked


def _validated(name: str, model: type[ChannelSettings], given: Mapping[str, object]) -> ChannelSettings:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise ValueError(" ".join(_sentence(name, problem) for problem in error.errors())) from None


def _sentence(name: str, problem: Mapping[str, Any]) -> str:
    variable = _variable(name, *(str(part) for part in problem["loc"][:1]))
    match problem["type"]:
        case "missing":
            return f"{variable} must be set."
        case "extra_forbidden":
            return f"{variable} is not a setting of this channel."
        case _:
            text = str(problem["msg"]).removeprefix("Value error, ")
            return f"{variable}: {text}."


def _variable(*parts: str) -> str:
    return "__".join(["HUB_CHANNELS", *(part.upper() for part in parts)])


def _shown(value: object) -> str:
    match value:
        case None:
            return ""
        case SecretStr():
            return "**********"
        case timedelta():
            return f"{value.total_seconds():g} s"
        case _:
            return str(value)
