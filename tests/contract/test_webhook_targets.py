"""Webhooks that would be turned inward: refused from outside, however the address is spelled, in all three protocols."""

from __future__ import annotations

import pytest

from tests.contract.comparing import refused
from tests.contract.conftest import Drivers
from tests.contract.test_notifications import welcome
from tests.hub_process import RunningHub

INSIDE = "must not lead to a private, local or reserved address"
NO_HOST = "must have a full domain name such as example.org, or an IP address in its usual form"
NO_HTTPS = "must be an https URL such as https://example.org/hooks"
NO_USER = "must have no user name or password: requests are signed instead"

TARGETS = [
    ("https://127.0.0.1/", INSIDE),
    ("https://127.255.255.254:8443/", INSIDE),
    ("https://0.0.0.0/", INSIDE),
    ("https://10.0.0.1/", INSIDE),
    ("https://172.16.0.1/", INSIDE),
    ("https://192.168.1.1/", INSIDE),
    ("https://100.64.0.1/", INSIDE),
    ("https://169.254.169.254/latest/meta-data/", INSIDE),
    ("https://168.63.129.16/", INSIDE),
    ("https://224.0.0.1/", INSIDE),
    ("https://[::1]/", INSIDE),
    ("https://[::]/", INSIDE),
    ("https://[::ffff:127.0.0.1]/", INSIDE),
    ("https://[::ffff:7f00:1]/", INSIDE),
    ("https://[::ffff:a9fe:a9fe]/", INSIDE),
    ("https://[64:ff9b::127.0.0.1]/", INSIDE),
    ("https://[2002:7f00:1::]/", INSIDE),
    ("https://[fd00:ec2::254]/", INSIDE),
    ("https://[fe80::1]/", INSIDE),
    ("https://\uff11\uff12\uff17.0.0.1/", INSIDE),
    ("https://localhost/", INSIDE),
    ("https://hub.localhost/", INSIDE),
    ("https://metadata.google.internal/", INSIDE),
    ("https://2130706433/", NO_HOST),
    ("https://0x7f000001/", NO_HOST),
    ("https://0x7f.1/", NO_HOST),
    ("https://017700000001/", NO_HOST),
    ("https://0177.0.0.1/", NO_HOST),
    ("https://127.1/", NO_HOST),
    ("https://[fe80::1%25eth0]/", NO_HOST),
    ("https://intranet/", NO_HOST),
    ("http://example.org/", NO_HTTPS),
    ("gopher://127.0.0.1:27017/_", NO_HTTPS),
    ("file:///etc/passwd", NO_HTTPS),
    ("https://example.org@127.0.0.1/", NO_USER),
    ("https://127.0.0.1#@example.org/", "must have no fragment: nothing after a # would be sent"),
    ("https://example.org\\@127.0.0.1/", "must hold no spaces, line ends, control characters or backslashes"),
    ("https://example.org/\r\nHost: 127.0.0.1", "must be one line"),
]


@pytest.mark.parametrize(("url", "sentence"), TARGETS, ids=[url[:40] for url, _ in TARGETS])
async def test_neither_a_notification_nor_a_contact_point_leads_inside(
    url: str, sentence: str, drivers: Drivers, hub: RunningHub, user: str
) -> None:
    command = {**welcome(user), "type": "webhook", "to": url}
    record = {"contact_points": {"webhook": url}}
    for driver in drivers.all():
        for ask, field in (
            (driver.create(command), "to"),
            (driver.update_user(user, record), "contact_points.webhook"),
        ):
            found = await refused(ask)
            assert (found.code, found.reason) == ("INVALID_ARGUMENT", "INVALID_VALUE")
            assert (found.fields, found.sentences) == ((field,), (sentence,))
    assert (await drivers.rest.list_of_user(user))["items"] == []
    assert not [sent for sent in await hub.outbox() if sent["channel"] == "webhook" and user in str(sent)]
