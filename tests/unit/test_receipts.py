"""What a receipt means, and the signatures it is believed for."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook

from hub.channels.email_receipts import EmailReceipts
from hub.channels.registry import build_channels
from hub.channels.sms_receipts import SmsReceipts, signature
from hub.channels.standard_webhooks import is_signed, key_of
from hub.channels.standard_webhooks import signature as signed_webhook
from hub.domain.errors import HubError, Reason
from hub.domain.ids import new_id
from hub.domain.notifications import Attempt, Notification, OutcomeKind, Priority
from hub.domain.receipts import Callback, Receipt, Verdict, judge
from hub.domain.status import STORED, Status

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ID = UUID("0198d0c2-7c1e-7b3a-9f0e-3a5b6c7d8e9f")
URL = "https://hub.example.org/receipts/sms"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = key_of(SecretStr(SECRET))

# The example of Twilio's documentation.
EXAMPLE_URL = "https://mycompany.com/myapp.php"
DOCUMENTED = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675309",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
}
SMS = {"account_sid": "AC1", "auth_token": "token", "sender": "+12025550100"}
EMAIL = {"host": "localhost", "security": "none", "sender_address": "hub@example.org"}


class TestTwilio:
    def test_the_documented_example(self) -> None:
        found = signature(b"12345", f"{EXAMPLE_URL}?foo=1&bar=2", DOCUMENTED.items())
        assert found == "RSOYDt4T1cUTdK1PDd93/VVr8B8="

    # The example of Twilio's libraries' own tests.
    def test_repeated_fields_count_once_and_are_sorted(self) -> None:
        fields = [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")]
        assert signature(b"12345", f"{EXAMPLE_URL}?foo=1&bar=2", fields) == "IK+Dwps556ElfBT0I3Rgjkr1wJU="

    def test_the_documented_request_is_let_in(self) -> None:
        callback = Callback(
            "foo=1&bar=2",
            {"x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
            urlencode(DOCUMENTED).encode(),
        )
        assert SmsReceipts(EXAMPLE_URL, "12345").read(callback) is None

    @pytest.mark.parametrize(
        ("change", "value"),
        [
            ("query", "foo=1&bar=3"),
            ("query", ""),
            ("headers", {}),
            ("headers", {"x-twilio-signature": ""}),
            ("headers", {"x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8"}),
            ("headers", {"x-twilio-signature": "\u00fc"}),
            ("body", b""),
            ("body", b"\xff\xfe"),
            ("body", b"&".join([b"a=1"] * 200)),
            ("body", urlencode(DOCUMENTED | {"Digits": "12345"}).encode()),
            ("body", urlencode(DOCUMENTED | {"More": ""}).encode()),
        ],
    )
    def test_whatever_was_changed_on_the_way_is_refused(self, change: str, value: Any) -> None:
        genuine = Callback(
            "foo=1&bar=2",
            {"x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
            urlencode(DOCUMENTED).encode(),
        )
        refused(SmsReceipts(EXAMPLE_URL, "12345"), replace(genuine, **{change: value}), Reason.PERMISSION_DENIED)

    def test_another_accounts_token_or_url_is_refused(self) -> None:
        callback = sms_callback("delivered")
        for url, token in ((URL, "another"), (URL + "2", "token"), ("https://other.example.org/receipts/sms", "token")):
            refused(SmsReceipts(url, token), callback, Reason.PERMISSION_DENIED)

    @pytest.mark.parametrize(
        ("configured", "signed"),
        [
            (URL, URL),
            (URL, URL.replace(".org", ".org:443")),
            (URL.replace(".org", ".org:443"), URL),
            (URL.replace(".org", ".org:8443"), URL.replace(".org", ".org:8443")),
            ("http://[::1]:8000/receipts/sms", "http://[::1]:8000/receipts/sms"),
        ],
    )
    def test_the_ports_that_go_without_saying_may_be_said(self, configured: str, signed: str) -> None:
        assert SmsReceipts(configured, "token").read(sms_callback("delivered", url=signed)) is not None

    def test_the_url_of_a_message_may_be_signed_with_or_without_its_fragment(self) -> None:
        receipts = SmsReceipts(URL, "token")
        given, _, fragment = receipts.callback_url(ID, 3).partition("#")
        assert given == f"{URL}?notification_id={ID}&attempt=3"
        query = given.partition("?")[2]
        for signed in (given, f"{given}#{fragment}"):
            fields = {"MessageStatus": "delivered"}
            headers = {"x-twilio-signature": signature(b"token", signed, fields.items())}
            found = receipts.read(Callback(query, headers, urlencode(fields).encode()))
            assert found == Receipt(ID, Status.DELIVERED, attempt=3)

    @pytest.mark.parametrize(
        ("word", "more", "status", "code"),
        [
            ("delivered", {}, Status.DELIVERED, None),
            ("DELIVERED", {"ErrorCode": "0"}, Status.DELIVERED, None),
            ("read", {}, Status.DELIVERED, None),
            ("undelivered", {"ErrorCode": "30005"}, Status.FAILED, "30005"),
            ("failed", {"ErrorCode": "+12025550123 is wrong"}, Status.FAILED, None),
            ("canceled", {}, Status.FAILED, None),
        ],
    )
    def test_words_with_a_meaning(self, word: str, more: dict[str, str], status: Status, code: str | None) -> None:
        found = SmsReceipts(URL, "token").read(sms_callback(word, **more))
        assert found == Receipt(ID, status, attempt=1, code=code)

    @pytest.mark.parametrize("word", ["queued", "sending", "sent", "accepted", "", "gibberish"])
    def test_words_without_one(self, word: str) -> None:
        assert SmsReceipts(URL, "token").read(sms_callback(word)) is None

    @pytest.mark.parametrize("query", ["", "notification_id=nonsense&attempt=1", f"attempt=1&notification={ID}"])
    def test_a_url_that_is_of_no_message(self, query: str) -> None:
        assert SmsReceipts(URL, "token").read(sms_callback("delivered", query=query)) is None

    @pytest.mark.parametrize("attempt", ["0", "-1", "x", "", "9" * 30, "\u0661"])
    def test_an_attempt_that_is_no_number_is_none(self, attempt: str) -> None:
        query = urlencode({"notification_id": ID, "attempt": attempt})
        found = SmsReceipts(URL, "token").read(sms_callback("delivered", query=query))
        assert found == Receipt(ID, Status.DELIVERED, attempt=None)


class TestStandardWebhooks:
    # The example of the specification's own libraries.
    IDENTIFIER, MOMENT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

    def check(self, *, seconds: float = 0, body: bytes = BODY, **changes: str) -> bool:
        headers = {
            "webhook-id": self.IDENTIFIER,
            "webhook-timestamp": str(self.MOMENT),
            "webhook-signature": self.SIGNATURE,
        } | {name.replace("_", "-"): value for name, value in changes.items()}
        return is_signed(KEY, headers, body, datetime.fromtimestamp(self.MOMENT + seconds, UTC))

    def test_the_published_example(self) -> None:
        assert self.check()

    @pytest.mark.parametrize("seconds", [-300, 300])
    def test_within_five_minutes(self, seconds: float) -> None:
        assert self.check(seconds=seconds)

    @pytest.mark.parametrize("seconds", [-301, 301, 86400])
    def test_what_was_recorded_and_sent_again_later_is_refused(self, seconds: float) -> None:
        assert not self.check(seconds=seconds)

    def test_one_good_signature_among_those_of_other_keys_is_enough(self) -> None:
        other = f"v1,{base64.b64encode(b'x' * 32).decode()}"
        assert self.check(webhook_signature=f"{other} v1a,{other[3:]} {self.SIGNATURE}")
        assert not self.check(webhook_signature=" ".join([other] * 16 + [self.SIGNATURE]))

    @pytest.mark.parametrize(
        "changes",
        [
            {"body": b'{"test": 2432232315}'},
            {"body": b""},
            {"webhook_id": "msg_other"},
            {"webhook_id": ""},
            {"webhook_timestamp": "1614265331"},
            {"webhook_timestamp": ""},
            {"webhook_timestamp": "-1"},
            {"webhook_timestamp": "1614265330.0"},
            {"webhook_timestamp": "\u0661\u0662"},
            {"webhook_timestamp": "9" * 400},
            {"webhook_signature": ""},
            {"webhook_signature": "v1,"},
            {"webhook_signature": SIGNATURE[3:]},
            {"webhook_signature": SIGNATURE.replace("v1,", "v2,")},
            {"webhook_signature": "\u00fc"},
        ],
    )
    def test_whatever_was_changed_is_refused(self, changes: dict[str, Any]) -> None:
        assert not self.check(**changes)

    def test_what_the_library_signs_is_let_in(self) -> None:
        body = json.dumps({"type": "delivered", "notification_id": str(ID), "at": "2026-03-01T11:59:00Z"})
        signed = Webhook(SECRET).sign("msg_1", NOW, body)
        headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(NOW.timestamp())), "webhook-signature": signed}
        found = EmailReceipts(KEY, lambda: NOW).read(Callback("", headers, body.encode()))
        assert found == Receipt(ID, Status.DELIVERED, at=NOW - timedelta(minutes=1))


class TestReportsOnMail:
    @pytest.mark.parametrize(
        ("word", "status", "code"),
        [
            ("delivered", Status.DELIVERED, None),
            ("complained", Status.DELIVERED, None),
            ("Bounced", Status.FAILED, "bounced"),
            ("failed", Status.FAILED, "failed"),
            ("rejected", Status.FAILED, "rejected"),
        ],
    )
    def test_words_with_a_meaning(self, word: str, status: Status, code: str | None) -> None:
        found = read_mail(
            {"type": word, "message_id": f"<{ID}@example.org>", "at": "2026-03-01T12:00:00+00:00", "x": 1}
        )
        assert found == Receipt(ID, status, at=NOW, code=code)

    @pytest.mark.parametrize("word", ["deferred", "opened", "gibberish"])
    def test_words_without_one(self, word: str) -> None:
        assert read_mail({"type": word, "notification_id": str(ID), "at": "2026-03-01T12:00:00Z"}) is None

    @pytest.mark.parametrize("message_id", ["<1234@example.org>", "", "<>", f"{ID}x@example.org"])
    def test_a_mail_that_is_none_of_ours(self, message_id: str) -> None:
        assert read_mail({"type": "bounced", "message_id": message_id, "at": "2026-03-01T12:00:00Z"}) is None

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'"x"'])
    def test_signed_but_no_json_object(self, body: bytes) -> None:
        refused(EmailReceipts(KEY, lambda: NOW), mail_callback(body), Reason.MALFORMED)

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"type": 1}, "type"),
            ({"type": ""}, "type"),
            ({"at": None}, "at"),
            ({"at": "2026-03-01T12:00:00"}, "at"),
            ({"at": "0001-01-01T00:00:00+23:00"}, "at"),
            ({"at": "yesterday"}, "at"),
            ({"notification_id": 7}, "message_id"),
        ],
    )
    def test_signed_but_no_report(self, change: dict[str, Any], field: str) -> None:
        report = {"type": "bounced", "notification_id": str(ID), "at": "2026-03-01T12:00:00Z"} | change
        error = refused(
            EmailReceipts(KEY, lambda: NOW), mail_callback(json.dumps(report).encode()), Reason.INVALID_VALUE
        )
        assert [violation.field for violation in error.violations] == [field]


DELIVERED, FAILED = Status.DELIVERED, Status.FAILED


class TestVerdict:
    @pytest.mark.parametrize("status", sorted(STORED))
    @pytest.mark.parametrize("reported", [DELIVERED, FAILED])
    def test_of_the_only_attempt(self, reported: Status, status: Status) -> None:
        number = 2 if status is Status.SENDING else 1
        verdict = judge(Receipt(ID, reported, attempt=number), notification(status, 1))
        applied = {DELIVERED: {Status.SENDING, Status.SENT}, FAILED: {Status.SENDING, Status.SENT, Status.DELIVERED}}
        waits = {DELIVERED: {Status.SCHEDULED, Status.PENDING, Status.RETRYING}, FAILED: set[Status]()}
        if status in applied[reported]:
            assert verdict is Verdict.APPLY
        elif status in waits[reported]:
            assert verdict is Verdict.COME_AGAIN
        else:
            assert verdict is Verdict.IGNORE

    @pytest.mark.parametrize(
        ("status", "recorded", "attempt", "verdict"),
        [
            (Status.SENT, 2, 1, Verdict.IGNORE),
            (Status.SENT, 2, 2, Verdict.APPLY),
            # Its worker was overtaken by the receipt of delivery, and has yet to put the attempt on record.
            (Status.DELIVERED, 0, 1, Verdict.APPLY),
            (Status.SENDING, 0, 1, Verdict.APPLY),
            (Status.SENDING, 1, 1, Verdict.IGNORE),
            (Status.SENDING, 1, 2, Verdict.APPLY),
            (Status.SENDING, 0, None, Verdict.APPLY),
            (Status.SENDING, 1, None, Verdict.COME_AGAIN),
        ],
    )
    def test_a_failure_of_an_earlier_attempt_is_of_the_past(
        self, status: Status, recorded: int, attempt: int | None, verdict: Verdict
    ) -> None:
        assert judge(Receipt(ID, FAILED, attempt=attempt), notification(status, recorded)) is verdict

    @pytest.mark.parametrize(
        ("minutes", "verdict"),
        [(-60, Verdict.IGNORE), (1, Verdict.IGNORE), (9, Verdict.IGNORE), (10, Verdict.APPLY), (30, Verdict.APPLY)],
    )
    def test_without_a_number_the_time_tells_the_attempt(self, minutes: int, verdict: Verdict) -> None:
        # The second attempt begins ten minutes after the first: it may be a replay.
        receipt = Receipt(ID, FAILED, at=NOW + timedelta(minutes=minutes))
        assert judge(receipt, notification(Status.SENT, 2)) is verdict

    def test_of_a_single_attempt_no_clock_has_a_say(self) -> None:
        receipt = Receipt(ID, FAILED, at=NOW - timedelta(hours=1))
        assert judge(receipt, notification(Status.SENT, 1)) is Verdict.APPLY

    def test_that_any_attempt_arrived_is_enough(self) -> None:
        for status in (Status.SENDING, Status.SENT):
            assert judge(Receipt(ID, DELIVERED, attempt=1), notification(status, 2)) is Verdict.APPLY


class TestSettings:
    async def test_receipts_are_taken_where_they_are_set_up(self) -> None:
        given = {
            "sms": SMS | {"receipt_url": URL},
            "email": EMAIL | {"receipt_secret": SECRET},
        }
        for settings, there in ((given, True), ({"sms": SMS, "email": EMAIL}, False)):
            channels: dict[str, Any] = dict(build_channels(settings, timedelta(hours=1)))
            assert [channels[name].receipts is not None for name in given] == [there, there]
            for channel in channels.values():
                await channel.aclose()

    @pytest.mark.parametrize(
        "url", ["http://hub.example.org/receipts/sms", f"{URL}?a=1", f"{URL}#x", "https://u:p@hub.example.org/", "hub"]
    )
    def test_a_url_that_no_provider_could_use(self, url: str) -> None:
        with pytest.raises(ValueError, match="HUB_CHANNELS__SMS__RECEIPT_URL: must be"):
            build_channels({"sms": SMS | {"receipt_url": url}}, timedelta(hours=1))

    @pytest.mark.parametrize("secret", ["sesame", "whsec_c2VzYW1l"])
    def test_a_secret_that_is_none(self, secret: str) -> None:
        with pytest.raises(ValueError, match="HUB_CHANNELS__EMAIL__RECEIPT_SECRET: must be made of") as refusal:
            build_channels({"email": EMAIL | {"receipt_secret": secret}}, timedelta(hours=1))
        assert secret not in str(refusal.value)


def refused(receipts: SmsReceipts | EmailReceipts, callback: Callback, reason: Reason) -> HubError:
    with pytest.raises(HubError) as refusal:
        receipts.read(callback)
    assert refusal.value.reason is reason
    return refusal.value


def sms_callback(word: str, *, url: str = URL, query: str | None = None, **more: str) -> Callback:
    query = urlencode({"notification_id": ID, "attempt": 1}) if query is None else query
    fields = {"MessageSid": "SM1", "MessageStatus": word, "To": "+12025550123", **more}
    signed = signature(b"token", f"{url}?{query}" if query else url, fields.items())
    return Callback(query, {"x-twilio-signature": signed}, urlencode(fields).encode())


def mail_callback(body: bytes) -> Callback:
    moment = str(int(NOW.timestamp()))
    signed = signed_webhook(KEY, "m", moment, body)
    return Callback("", {"webhook-id": "m", "webhook-timestamp": moment, "webhook-signature": signed}, body)


def read_mail(report: dict[str, Any]) -> Receipt | None:
    return EmailReceipts(KEY, lambda: NOW).read(mail_callback(json.dumps(report).encode()))


def notification(status: Status, attempts: int) -> Notification:
    """One with so many attempts on record, begun ten minutes apart."""
    begun = [NOW + timedelta(minutes=10 * number) for number in range(attempts)]
    return Notification(
        id=new_id(), tenant="default", user_id="anna", title="T", message="M", type="sms", html=None, to=None,
        metadata={}, priority=Priority.NORMAL, category=None, status=status, status_reason=None,
        attempts=tuple(
            Attempt(number, "p", None, moment, moment, OutcomeKind.ACCEPTED, None)
            for number, moment in enumerate(begun, 1)
        ),
        scheduled_at=None, expires_at=None, next_attempt_at=None, created_at=NOW, updated_at=NOW, sent_at=None,
        delivered_at=None, read_at=None, version=1, correlation_id="c",
    )  # fmt: skip
