"""Channels are built from settings, and a wrong one is named by its variable, never by its value."""

from datetime import timedelta

import pytest

from hub.channels.registry import build_channels, describe
from hub.domain.channels import Channel, Message
from hub.domain.ids import new_id
from hub.domain.notifications import NewNotification, Outcome, OutcomeKind
from hub.domain.retry import OnAmbiguous, RetryPolicy

HOUR = timedelta(hours=1)
EMAIL = {"host": "mail.example.org", "sender_address": "hub@example.org"}
SMS = {"account_sid": "AC1", "auth_token": "sesame", "sender": "Hub"}


async def built(settings) -> dict[str, Channel]:
    channels = build_channels(settings, HOUR)
    for channel in channels.values():
        await channel.aclose()
    return channels


async def test_only_what_is_set_up_is_there():
    assert list(await built({})) == ["in_app"]
    assert list(await built({"email": {"host": "", "port": ""}, "sms": {}})) == ["in_app"]
    assert list(await built({"email": EMAIL, "sms": SMS})) == ["email", "sms", "in_app"]


async def test_defaults():
    channels = await built({"email": EMAIL, "sms": SMS})
    assert channels["email"].retry == RetryPolicy(timedelta(hours=24), HOUR, OnAmbiguous.RESEND)
    assert channels["sms"].retry == RetryPolicy(HOUR, HOUR, OnAmbiguous.RESEND)
    assert {name: channel.contact_point for name, channel in channels.items()} == {
        "email": "email",
        "sms": "phone",
        "in_app": None,
    }
    assert channels["in_app"].concurrency == 256
    assert all(name == channel.name for name, channel in channels.items())
    assert all(channel.send_timeout < timedelta(seconds=30) for channel in channels.values())


async def test_values_as_the_environment_gives_them():
    settings = {
        "email": {**EMAIL, "port": "2525", "give_up_after": "PT2H", "on_ambiguous": "hold", "send_timeout": "5"}
    }
    email = (await built(settings))["email"]
    assert email.retry == RetryPolicy(timedelta(hours=2), HOUR, OnAmbiguous.HOLD)
    assert email.send_timeout == timedelta(seconds=5)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"email": {"port": "25", "sender_address": "a@b.org"}}, "HUB_CHANNELS__EMAIL__HOST must be set."),
        ({"email": {**EMAIL, "hots": "x"}}, "HUB_CHANNELS__EMAIL__HOTS is not a setting of this channel."),
        (
            {"email": {**EMAIL, "port": "99999"}},
            "HUB_CHANNELS__EMAIL__PORT: Input should be less than or equal to 65535.",
        ),
        (
            {"email": {**EMAIL, "sender_address": "sesame"}},
            "HUB_CHANNELS__EMAIL__SENDER_ADDRESS: must be an e-mail address such as anna@example.org.",
        ),
        (
            {"email": {**EMAIL, "username": "hub"}},
            "HUB_CHANNELS__EMAIL: username and password must be set together.",
        ),
        (
            {"email": {**EMAIL, "username": "hub", "password": "sesame", "security": "none"}},
            "HUB_CHANNELS__EMAIL: with security none the password would travel in the clear; use starttls or tls.",
        ),
        ({"email": {**EMAIL, "ca_file": "/dev/null"}}, "HUB_CHANNELS__EMAIL__CA_FILE: Path does not point to a file."),
        (
            {"email": {**EMAIL, "ca_file": __file__}},
            "HUB_CHANNELS__EMAIL__CA_FILE: is no readable PEM file of certificates.",
        ),
        (
            {"sms": {**SMS, "base_url": "http://sms.example.org"}},
            "HUB_CHANNELS__SMS__BASE_URL: must be https: the token would travel in the clear.",
        ),
        (
            {"sms": {**SMS, "base_url": "https://u:sesame@sms.example.org"}},
            "HUB_CHANNELS__SMS__BASE_URL: must be a URL such as https://api.twilio.com.",
        ),
        ({"sms": {**SMS, "account_sid": "../x"}}, "HUB_CHANNELS__SMS__ACCOUNT_SID: String should match"),
        (
            {"sms": {"sender": "Hub"}},
            "HUB_CHANNELS__SMS__ACCOUNT_SID must be set. HUB_CHANNELS__SMS__AUTH_TOKEN must be set.",
        ),
        ({"fax": {"number": "1"}}, "HUB_CHANNELS__FAX__…: there is no such channel, only email, sms, webhook, in_app."),
    ],
)
def test_a_wrong_setting_is_named(settings, sentence):
    with pytest.raises(ValueError, match="HUB_CHANNELS__") as refusal:
        build_channels(settings, HOUR)
    assert str(refusal.value).startswith(sentence)
    assert "sesame" not in str(refusal.value)


def test_description_masks_secrets():
    described = describe({"email": {**EMAIL, "username": "hub", "password": "sesame"}, "sms": SMS})
    assert described["email"]["host"] == "mail.example.org"
    assert described["email"]["security"] == "starttls"
    assert described["email"]["password"] == "**********"
    assert described["email"]["give_up_after"] == "86400 s"
    assert described["email"]["port"] == ""
    assert described["sms"]["auth_token"] == "**********"
    assert described["in_app"]["concurrency"] == "256"
    assert "sesame" not in str(described)


async def test_in_app_is_delivered_at_once():
    channel = build_channels({}, HOUR)["in_app"]
    sent = Message(new_id(), "default", "anna", None, "T", "M", None, "c")
    assert await channel.send(sent) == Outcome(OutcomeKind.DELIVERED, "inbox")
    assert list(channel.check_content(NewNotification("anna", "T", "M", "in_app"))) == []
    with pytest.raises(ValueError, match="takes no address"):
        channel.check_address("anna@example.org")
