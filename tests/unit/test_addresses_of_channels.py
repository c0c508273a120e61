"""Address rules: what is accepted, in which canonical form, and the sentence otherwise."""

from datetime import timedelta

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.channels.mail import canonical_address
from hub.channels.sms import SmsChannel
from hub.channels.sms_settings import SmsSettings
from hub.dev.samples import _AREAS, SampleContactPoints


@pytest.fixture
async def sms():
    settings = SmsSettings.model_validate({"account_sid": "AC1", "auth_token": "x", "sender": "Hub"})
    channel = SmsChannel(settings, timedelta(hours=1))
    yield channel
    await channel.aclose()


@pytest.mark.parametrize(
    ("given_address", "canonical"),
    [
        ("anna@example.org", "anna@example.org"),
        ("Anna.B+tag@EXAMPLE.Org", "Anna.B+tag@example.org"),
        ("o'neil{x}|=?^_`~/#$%&*!@a-b.example", "o'neil{x}|=?^_`~/#$%&*!@a-b.example"),
        ("anna@bücher.example", "anna@xn--bcher-kva.example"),
        ("anna@straße.de", "anna@xn--strae-oqa.de"),
        ("anna@例え.jp", "anna@xn--r8jz45g.jp"),
        ("anna@xn--bcher-kva.example", "anna@xn--bcher-kva.example"),
        ("a@" + "b" * 63 + ".org", "a@" + "b" * 63 + ".org"),
    ],
)
def test_mail_addresses(given_address, canonical):
    assert canonical_address(given_address) == canonical
    assert canonical_address(canonical) == canonical


@pytest.mark.parametrize(
    "address",
    [
        "",
        "@",
        "anna",
        "anna@",
        "@example.org",
        "Anna <anna@example.org>",
        "<anna@example.org>",
        "anna@example.org (work)",
        "anna(work)@example.org",
        "anna@example.org\r\nBcc: eve@example.org",
        "anna@example.org\n",
        "anna\n@example.org",
        "anna@example.org\r\nRCPT TO:<eve@example.org>",
        "anna@example.org>",
        "anna@example.org\0",
        " anna@example.org",
        "anna@example.org ",
        "anna@exam ple.org",
        "anna@example..org",
        "anna@.example.org",
        "anna@example.org.",
        "anna@localhost",
        "anna@127.0.0.1",
        "anna@[127.0.0.1]",
        '"anna b"@example.org',
        "anna..b@example.org",
        ".anna@example.org",
        "anna.@example.org",
        "ännä@example.org",
        "anna@eve@example.org",
        "anna@example.org,eve@example.org",
        "anna@-example.org",
        "anna@ex_ample.org",
        "anna@" + "b" * 64 + ".org",
        "a" * 65 + "@example.org",
        "a@" + ".".join(["b" * 60] * 5),
        "anna@\u2028example.org",
        "anna@exa\u200bmple\u200e.org\u0000",
    ],
)
def test_no_mail_addresses(address):
    with pytest.raises(ValueError, match=r"^must ") as refusal:
        canonical_address(address)
    assert "eve" not in str(refusal.value)


@given(st.text())
def test_whatever_passes_is_harmless(text):
    for candidate in (text, f"{text}@example.org", f"anna@{text}.org"):
        try:
            address = canonical_address(candidate)
        except ValueError:
            continue
        assert address.isascii()
        assert address.isprintable()
        assert not set(address) & set(' <>()[]\\,;:"')
        assert address.count("@") == 1


@pytest.mark.parametrize(
    ("given_number", "canonical"),
    [
        ("+12025550123", "+12025550123"),
        ("+1 (202) 555-0123", "+12025550123"),
        ("+49 30 901820", "+4930901820"),
        ("+44 20 7946 0958", "+442079460958"),
    ],
)
async def test_numbers(sms, given_number, canonical):
    assert sms.check_address(given_number) == canonical
    assert sms.check_address(canonical) == canonical


@pytest.mark.parametrize(
    "number",
    [
        "",
        "2025550123",
        "0012025550123",
        "+",
        "+1",
        "+1202555012",
        "+120255501234",
        "+1-800-FLOWERS",
        "+1 202 555 0123 ext. 5",
        "+1 202 555 0123;ext=5",
        "tel:+12025550123",
        "+12025550123\r\n",
        "+١٢٠٢٥٥٥٠١٢٣",
        "\uff0b12025550123",
        "+999123456789",
        "+" + "1" * 50,
    ],
)
async def test_no_numbers(sms, number):
    with pytest.raises(ValueError, match=r"^must be a "):
        sms.check_address(number)


USER_IDS = st.from_regex(r"[A-Za-z0-9._:@+=~|-]{1,128}", fullmatch=True).filter(lambda text: text not in {".", ".."})


@given(USER_IDS, USER_IDS)
def test_samples_are_addresses_of_their_own(one, other):
    samples = SampleContactPoints()
    first, second = (samples.sample("email", user_id) for user_id in (one, other))
    assert first == samples.sample("email", one)
    assert first is not None
    assert canonical_address(first) == first
    assert (first == second) == (one == other)


@given(USER_IDS)
def test_sample_numbers_are_valid_and_fictional(user_id):
    number = SampleContactPoints().sample("phone", user_id)
    assert number is not None
    assert phonenumbers.is_valid_number(phonenumbers.parse(number, None))
    assert number[5:10] == "55501"


def test_every_area_code_is_valid():
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(f"+1{area}5550100", None)) for area in _AREAS)


def test_samples():
    samples = SampleContactPoints()
    assert samples.sample("email", "user123") == "user123@example.test"
    assert samples.sample("email", "anna@example.org") == "anna=40example.org@example.test"
    assert samples.sample("email", "..a.") == "=2E=2Ea=2E@example.test"
    assert samples.sample("webhook", "user123") == "https://hooks.example.test/user123"
    assert samples.sample("webhook", "a|b@c") == "https://hooks.example.test/a%7Cb@c"
    assert samples.sample("fax", "user123") is None
