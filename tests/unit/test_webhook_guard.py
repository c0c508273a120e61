"""Where a webhook may go by what its URL says, which addresses are inside, and the settings of the channel."""

import base64
from datetime import timedelta
from ipaddress import IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.channels.registry import build_channels, describe
from hub.channels.webhook_guard import GuardedNetwork, UnresolvedError, UnsafeAddressError, is_public, parse_url
from hub.dev.samples import SampleContactPoints
from hub.settings import Settings

HOUR = timedelta(hours=1)
SECRET = "whsec_" + base64.b64encode(b"sesame" * 5).decode()

INWARD = [
    # this machine, this network, nothing at all
    "0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "::", "::1",
    # private, shared (carrier-grade NAT), unique local, site-local
    "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255", "fc00::1", "fdff::1",
    "fec0::1",
    # link-local
    "169.254.0.1", "fe80::1", "febf::1", "fe80::1%eth0",
    # metadata and host agents: AWS, Google, Azure; AWS over IPv6; Alibaba; Azure; Oracle
    "169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd20:ce::254",
    # multicast, broadcast, reserved
    "224.0.0.1", "239.255.255.255", "255.255.255.255", "240.0.0.1", "ff02::1", "ff0e::1",
    # documentation, benchmarking, protocol assignments, the old relay of 6to4
    "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255", "192.0.0.8", "192.88.99.1",
    "2001:db8::1", "3fff::1", "2001:2::1", "2001:10::1", "5f00::1", "100::1",
    # IPv4 in disguise: mapped, compatible, translated, 6to4, Teredo, NAT64
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "::ffff:0:127.0.0.1",
    "2002:7f00:1::1", "2002:a00:1::1", "2002:808:808::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::8.8.8.8",
]  # fmt: skip
PUBLIC = [
    "8.8.8.8", "1.1.1.1", "93.184.216.34", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1",
    "192.0.1.1", "198.17.255.255", "198.20.0.1", "223.255.255.255", "126.255.255.255", "128.0.0.1", "168.63.129.17",
    "2606:4700:4700::1111", "2a00:1450:4001:82a::200e", "2001:4860:4860::8888", "2003::1", "64:ff9b::8.8.8.8",
]  # fmt: skip


@pytest.mark.parametrize("address", INWARD)
def test_addresses_inside(address):
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_outside(address):
    assert is_public(ip_address(address))


@given(st.ip_addresses(v=4))
def test_no_disguise_helps(address):
    number = int(address)
    for mapped in ("::ffff:0:0", "::", "2002::"):
        shift = 80 if mapped == "2002::" else 0
        assert not is_public(IPv6Address(int(IPv6Address(mapped)) | number << shift))
    assert is_public(IPv6Address(int(IPv6Address("64:ff9b::")) | number)) == is_public(address)
    # Whatever Python's own tables call special is so here (they lack some of what is).
    if address.is_private or address.is_multicast or address.is_reserved or address.is_link_local:
        assert not is_public(address)


@given(st.ip_addresses(v=6))
def test_special_addresses_are_inside(address):
    if address.is_private or address.is_multicast or address.is_link_local or address.is_unspecified:
        assert not is_public(address)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("https://example.org", "https://example.org/"),
        ("HTTPS://Example.ORG:443/Hooks?a=1&b=%2F", "https://example.org/Hooks?a=1&b=%2F"),
        ("https://example.org:8443/x", "https://example.org:8443/x"),
        ("https://example.org:00443", "https://example.org/"),
        ("https://example.org:", "https://example.org/"),
        ("https://example.org?q", "https://example.org/?q"),
        ("https://example.org/a/../b;c=1,@:[]!$&'()*+~", "https://example.org/a/../b;c=1,@:[]!$&'()*+~"),
        ("https://example.org/grüße?ä", "https://example.org/gr%C3%BC%C3%9Fe?%C3%A4"),
        ('https://example.org/"<>^`{|}', "https://example.org/%22%3C%3E%5E%60%7B%7C%7D"),
        ("https://example.org/\u202egpj", "https://example.org/%E2%80%AEgpj"),
        ("https://example.org/?@elsewhere.example", "https://example.org/?@elsewhere.example"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://例え.jp/", "https://xn--r8jz45g.jp/"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        ("https://EXAMPLE。org/", None),
        ("https://8.8.8.8/x", "https://8.8.8.8/x"),
        ("https://[2606:4700:4700:0:0:0:0:1111]:8443/", "https://[2606:4700:4700::1111]:8443/"),
        ("https://hooks.example.test/anna", "https://hooks.example.test/anna"),
        ("https://" + "a" * 63 + ".org/", "https://" + "a" * 63 + ".org/"),
        ("https://example.org/" + "a" * 492, "https://example.org/" + "a" * 492),
    ],
)
def test_urls(text, canonical):
    canonical = canonical or "https://example.org/"
    assert parse_url(text, allow_private=False).url == canonical
    assert parse_url(canonical, allow_private=False).url == canonical


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "must be an https URL"),
        ("example.org", "must be an https URL"),
        ("//example.org/", "must be an https URL"),
        ("https:/example.org", "must be an https URL"),
        ("http://example.org/", "must be an https URL"),
        ("ftp://example.org/", "must be an https URL"),
        ("file:///etc/passwd", "must be an https URL"),
        ("javascript:alert(1)//https://example.org", "must be an https URL"),
        (" https://example.org/", "must be an https URL"),
        ("https://example.org/ ", "must hold no spaces"),
        ("https://example.org/\r\nX-Evil: 1", "must hold no spaces"),
        ("https://example.org/\0", "must hold no spaces"),
        ("https://exa\tmple.org/", "must hold no spaces"),
        ("https://example.org\\@10.0.0.1/", "must hold no spaces"),
        ("https://example.org/\u2028", "must hold no spaces"),
        ("https://example.org/\ud800", "must hold no spaces"),
        ("https://example.org/#part", "must have no fragment"),
        ("https://example.org#@10.0.0.1/", "must have no fragment"),
        ("https://anna:sesame@example.org/", "must have no user name"),
        ("https://@example.org/", "must have no user name"),
        ("https://10.0.0.1@example.org/", "must have no user name"),
        ("https:///x", "must have a full domain name"),
        ("https://./", "must have a full domain name"),
        ("https://example.org./", "must have a full domain name"),
        ("https://exa..mple.org/", "must have a full domain name"),
        ("https://-example.org/", "must have a full domain name"),
        ("https://ex_ample.org/", "must have a full domain name"),
        ("https://example%2eorg/", "must have a full domain name"),
        ("https://example/", "must have a full domain name"),
        ("https://" + "a" * 64 + ".org/", "must have a full domain name"),
        ("https://" + ".".join(["a" * 60] * 5) + "/", "must have a full domain name"),
        ("https://bü\u00adcher_.example/", "must have a full domain name"),
        ("https://127.1/", "must have a full domain name"),
        ("https://2130706433/", "must have a full domain name"),
        ("https://0x7f000001/", "must have a full domain name"),
        ("https://0x7f.0.0.1/", "must have a full domain name"),
        ("https://0177.0.0.1/", "must have a full domain name"),
        ("https://127.0.0.01/", "must have a full domain name"),
        ("https://1.2.3.4.5/", "must have a full domain name"),
        ("https://[fe80::1%25eth0]/", "must have a full domain name"),
        ("https://[fe80::1%eth0]/", "must have a full domain name"),
        ("https://[::1/", "must have a full domain name"),
        ("https://[]/", "must have a full domain name"),
        ("https://[8.8.8.8]/", "must have a full domain name"),
        ("https://[2606:4700:4700::1111]x/", "must have a full domain name"),
        ("https://2606:4700:4700::1111/", "must have a full domain name"),
        ("https://example.org:0/", "must have a port"),
        ("https://example.org:65536/", "must have a port"),
        ("https://example.org:https/", "must have a port"),
        ("https://example.org:+443/", "must have a port"),
        ("https://example.org:٤٤٣/", "must have a port"),
        ("https://localhost/", "must not lead"),
        ("https://LOCALHOST:8000/", "must not lead"),
        ("https://a.localhost/", "must not lead"),
        ("https://metadata.google.internal/", "must not lead"),
        ("https://printer.local/", "must not lead"),
        ("https://127.0.0.1/", "must not lead"),
        ("https://\uff11\uff12\uff17.0.0.1/", "must not lead"),
        ("https://127。0。0。1/", "must not lead"),
        ("https://169.254.169.254/latest/meta-data/", "must not lead"),
        ("https://[::1]/", "must not lead"),
        ("https://[::ffff:10.0.0.1]/", "must not lead"),
        ("https://[fd00:ec2::254]/", "must not lead"),
        ("https://example.org/" + "a" * 493, "must be at most 512"),
        ("https://example.org/" + "ä" * 100, "must be at most 512"),
    ],
)
def test_no_urls(text, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}") as refusal:
        parse_url(text, allow_private=False)
    assert "sesame" not in str(refusal.value)


@given(st.text())
def test_whatever_passes_is_harmless(text):
    for candidate in (text, f"https://{text}", f"https://{text}.org/", f"https://example.org/{text}"):
        try:
            target = parse_url(candidate, allow_private=False)
        except ValueError:
            continue
        assert target.url.isascii()
        assert target.url.isprintable()
        assert not set(target.url) & set(' "<>\\^`{|}#')
        assert "@" not in target.authority
        assert parse_url(target.url, allow_private=False) == target


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("http://localhost:8080/x", "http://localhost:8080/x"),
        ("http://127.0.0.1:80", "http://127.0.0.1/"),
        ("https://[::1]/", "https://[::1]/"),
        ("http://receiver/", "http://receiver/"),
        ("https://a.internal/", "https://a.internal/"),
    ],
)
def test_development_may_go_inside(text, canonical):
    assert parse_url(text, allow_private=True).url == canonical
    for worse in ("ftp://localhost/", "http://u:p@localhost/", "http://127.1/", "http://localhost/#x"):
        with pytest.raises(ValueError, match=r"^must "):
            parse_url(worse, allow_private=True)


async def test_one_address_inside_condemns_the_name():
    answers: list[list[str]] = [["93.184.216.34", "127.0.0.1"], ["::1"], ["fe80::1%eth0"], []]

    async def resolve(_host: str, _port: int) -> list[str]:
        return answers.pop(0)

    guard = GuardedNetwork(resolve, allow_private=False)
    for _ in range(3):
        with pytest.raises(UnsafeAddressError):
            await guard.connect_tcp("example.org", 443)
    with pytest.raises(UnresolvedError):
        await guard.connect_tcp("example.org", 443)
    with pytest.raises(UnsafeAddressError):
        await guard.connect_tcp("10.0.0.1", 443)


async def test_settings_from_the_environment(monkeypatch):
    monkeypatch.setenv(
        "HUB_CHANNELS__WEBHOOK__SECRETS", f'{{"default": ["{SECRET}", "{SECRET}"], "other": ["{SECRET}"]}}'
    )
    monkeypatch.setenv("HUB_CHANNELS__WEBHOOK__ALLOW_PRIVATE", "true")
    settings = Settings().channels
    channel = build_channels(settings, HOUR)["webhook"]
    assert channel.check_address("http://localhost/") == "http://localhost/"
    assert channel.retry.give_up_after == timedelta(hours=24)
    assert channel.contact_point == "webhook"
    await channel.aclose()
    described = describe(settings)["webhook"]
    assert "whsec" not in str(described)
    assert "default" in described["secrets"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"allow_private": "true"}, "HUB_CHANNELS__WEBHOOK__SECRETS must be set."),
        ({"secrets": "{}"}, "HUB_CHANNELS__WEBHOOK__SECRETS: Dictionary should have at least 1 item"),
        ({"secrets": SECRET}, "HUB_CHANNELS__WEBHOOK__SECRETS: must be a JSON object of tenants"),
        ({"secrets": f'["{SECRET}"]'}, "HUB_CHANNELS__WEBHOOK__SECRETS: must be a JSON object of tenants"),
        ({"secrets": "[" * 100_000}, "HUB_CHANNELS__WEBHOOK__SECRETS: must be a JSON object of tenants"),
        ({"secrets": f'{{"default": "{SECRET}"}}'}, "HUB_CHANNELS__WEBHOOK__SECRETS: must be a JSON object of tenants"),
        ({"secrets": {"default": []}}, "HUB_CHANNELS__WEBHOOK__SECRETS: must have one secret for each tenant"),
        (
            {"secrets": {"default": [SECRET] * 3}},
            "HUB_CHANNELS__WEBHOOK__SECRETS: must have one secret for each tenant",
        ),
        ({"secrets": {"default": [1]}}, "HUB_CHANNELS__WEBHOOK__SECRETS: Input should be a valid string"),
        ({"secrets": {"default": ["sesame"]}}, "HUB_CHANNELS__WEBHOOK__SECRETS: must be made of whsec_"),
        ({"secrets": {"default": ["whsec_c2VzYW1l"]}}, "HUB_CHANNELS__WEBHOOK__SECRETS: must be made of"),
        ({"secrets": {"default": ["whsec_sesame!"]}}, "HUB_CHANNELS__WEBHOOK__SECRETS: must be made of"),
        ({"secrets": {"default": ["whsec_\u00e9"]}}, "HUB_CHANNELS__WEBHOOK__SECRETS: must be made of"),
        ({"secrets": {"a": [SECRET]}, "deliver_to": "x"}, "HUB_CHANNELS__WEBHOOK__DELIVER_TO: must be an https URL"),
        (
            {"secrets": {"a": [SECRET]}, "deliver_to": "http://example.org/"},
            "HUB_CHANNELS__WEBHOOK__DELIVER_TO: must be a URL on loopback",
        ),
        (
            {"secrets": {"a": [SECRET]}, "ca_file": __file__},
            "HUB_CHANNELS__WEBHOOK__CA_FILE: is no readable PEM file of certificates.",
        ),
    ],
)
def test_a_wrong_setting_is_named(settings, sentence):
    with pytest.raises(ValueError, match="HUB_CHANNELS__") as refusal:
        build_channels({"webhook": settings}, HOUR)
    assert str(refusal.value).startswith(sentence)
    assert "sesame" not in str(refusal.value)
    assert SECRET not in str(refusal.value)


@given(st.from_regex(r"[A-Za-z0-9._:@+=~|-]{1,128}", fullmatch=True).filter(lambda text: text not in {".", ".."}))
def test_samples_keep_the_rule(user_id):
    sample = SampleContactPoints().sample("webhook", user_id)
    assert sample is not None
    assert parse_url(sample, allow_private=False).url == sample
