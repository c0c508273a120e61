"""What is sent reads back as what was asked for, and nothing in it can break out of its place."""

import email
import email.policy
from email.header import decode_header, make_header
from email.utils import parseaddr
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.channels.mail import compose, one_line
from hub.channels.smtp import dot_stuffed
from hub.domain.channels import Message

ID = UUID("0197a000-0000-7000-8000-000000000001")
CLEAN = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
TITLES = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1, max_size=255)


def message(title="Hello", text="Text", html=None, correlation_id="c1"):
    return Message(ID, "default", "anna", "anna@example.org", title, text, html, correlation_id)


def composed(wanted, sender="hub@example.org", sender_name="The hub"):
    raw = compose(wanted, "anna@example.org", sender, sender_name)
    assert raw.isascii()
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert raw.replace(b"\r\n", b"").count(b"\n") == 0
    assert raw.replace(b"\r\n", b"").count(b"\r") == 0
    return email.message_from_bytes(raw, policy=email.policy.default)


def test_headers():
    mail = composed(message(correlation_id="abc-1"))
    assert mail["From"] == "The hub <hub@example.org>"
    assert mail["To"] == "anna@example.org"
    assert mail["Subject"] == "Hello"
    assert mail["Message-ID"] == f"<{ID}@example.org>"
    assert mail["X-Correlation-Id"] == "abc-1"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime.tzinfo is not None


def test_a_resend_carries_the_same_message_id():
    assert composed(message())["Message-ID"] == composed(message())["Message-ID"]


@pytest.mark.parametrize(
    "name", ["Hub", 'The "big" \\ hub', "Hub, Inc. <x@y.z>", "Grüße", "ü" * 128, "=?utf-8?q?a=0D=0Ab?=", ""]
)
def test_sender_names_read_back(name):
    raw = compose(message(), "anna@example.org", "hub@example.org", name)
    # Not EmailMessage's parser: in 3.11 it puts spaces between the encoded words of a name.
    shown, address = parseaddr(str(email.message_from_bytes(raw)["From"]))
    assert str(make_header(decode_header(shown))) == name
    assert address == "hub@example.org"


def test_long_domains_leave_the_message_id_whole():
    domain = ".".join(["b" * 60] * 3)
    raw = compose(message(), "anna@example.org", f"hub@{domain}", "")
    assert f"Message-ID: <{ID}@{domain}>\r\n".encode() in raw


def test_text_and_html_are_alternatives():
    mail = composed(message(text="Grüße\n.\n..x", html="<p>Grüße</p>"))
    assert mail.get_content_type() == "multipart/alternative"
    plain, html = mail.iter_parts()
    assert plain.get_content_type() == "text/plain"
    assert plain.get_content() == "Grüße\r\n.\r\n..x\r\n"
    assert html.get_content() == "<p>Grüße</p>\r\n"


@given(TITLES)
@example("Ünïcödé " * 30)
@example("x" * 255)
@example("=?utf-8?q?a=0D=0ABcc:_eve@example.org?=")
@example("a\x0bBcc: eve@example.org")
@example("a\x85Bcc: eve@example.org\u2028Bcc: eve@example.org")
@example("😀" * 255)
@example("a " * 127)
def test_no_title_adds_headers(title):
    mail = composed(message(title=title))
    assert len(mail.keys()) == 10
    assert not mail.defects
    assert set(mail.keys()) == {
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "X-Correlation-Id",
        "Content-Type",
        "Content-Transfer-Encoding",
        "MIME-Version",
    }
    assert "Bcc" not in mail


@pytest.mark.parametrize(
    "title",
    [
        "Hello",
        "Grüße aus Köln",
        "x" * 255,
        "Ünïcödé " * 30,
        "😀" * 100,
        "a  b",
        "=?utf-8?b?aGk=?=",
        "=?",
        'He said "hi", <b>',
        "a\tb",
    ],
)
def test_titles_read_back(title):
    assert composed(message(title=title))["Subject"] == one_line(title)


@given(CLEAN)
@example("." * 10)
@example("\r\n.\r\nMAIL FROM:<eve@example.org>\r\n")
@example("a" * 20_000)
@example("\x85 \u2028 \x0c \x1c")
@example("From me\n>From you")
def test_texts_read_back(text):
    content = composed(message(text=text)).get_content().replace("\r\n", "\n")
    assert content.removesuffix("\n") == text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")


@given(st.text(), st.text(max_size=200))
@example("a\r\nBcc: eve@example.org", "Hub\r\nBcc: eve@example.org")
def test_no_correlation_id_and_no_sender_name_adds_headers(correlation_id, sender_name):
    names = "".join(character for character in sender_name if not "\ud800" <= character <= "\udfff")
    identifier = "".join(character for character in correlation_id if not "\ud800" <= character <= "\udfff")
    mail = composed(message(correlation_id=identifier), sender_name=names)
    assert len(mail.keys()) == 10


@given(st.binary())
def test_no_content_ends_the_data_early(content):
    stuffed = dot_stuffed(content)
    assert stuffed.endswith(b"\r\n")
    assert b"\r\n.\r\n" not in b"\r\n" + stuffed
    assert not any(line.startswith(b".") and not line.startswith(b"..") for line in stuffed.split(b"\r\n"))
    assert b"\n" not in stuffed.replace(b"\r\n", b"")
    assert b"\r" not in stuffed.replace(b"\r\n", b"")
