"""通知 leave the house (S2-23, S3-13): made with the notice, sent at least once, shown once, never silently lost."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import pytest
from django.core import mail
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from notices import preferences, sending, telling
from notices.channels import SendFailed
from notices.models import Channel, DeliveryStatus, Notice, NoticeDelivery, NoticeSettings
from tests.desk.conftest import text
from tests.notices.conftest import NOON, SHANGHAI

pytestmark = pytest.mark.django_db


def rows(channel: str = Channel.EMAIL) -> list[NoticeDelivery]:
    return list(NoticeDelivery.objects.filter(channel=channel).order_by("pk"))


def clock_at(hour: int, minute: int = 0, second: int = 0, day: int = 24) -> datetime:
    return datetime(2026, 11, day, hour, minute, second, tzinfo=SHANGHAI)


# --- made with the notice ---------------------------------------------------------------------------------------------


def test_a_notice_and_its_messages_are_one_transaction(tell):
    def tell_and_fail() -> None:
        with transaction.atomic():
            tell()
            assert NoticeDelivery.objects.count() == 2
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tell_and_fail()
    assert Notice.objects.count() == NoticeDelivery.objects.count() == 0


def test_told_twice_is_told_once(tell):
    tell(source="refund-event:7")
    tell(source="refund-event:7")
    assert Notice.objects.count() == 1
    assert sorted(NoticeDelivery.objects.values_list("channel", flat=True)) == ["email", "sms"]


def test_many_are_told_in_as_many_queries_as_one(reader, stranger, operator):
    def news(count: int, about: str) -> list[Notice]:
        people, known = [reader, stranger, operator], {"kind": "order_delivered", "path": "/orders/D1/"}
        numbered = [(people[n % 3], f"{about}:{n}") for n in range(count)]
        return [Notice(recipient=who, source=source, created_at=NOON, **known) for who, source in numbered]

    with CaptureQueriesContext(connection) as few:
        telling.tell(news(3, "few"))
    with CaptureQueriesContext(connection) as many:
        telling.tell(news(60, "many"))
    assert len(many) == len(few) <= 6
    assert NoticeDelivery.objects.count() == 1 + 20


def test_only_what_is_verified_is_used_and_guests_get_none(reader, stranger, tell):
    from allauth.account.models import EmailAddress

    EmailAddress.objects.create(user=stranger, email=stranger.email, verified=False, primary=True)
    tell(to=stranger)
    assert NoticeDelivery.objects.count() == 0
    reader.is_guest = True
    reader.save()
    tell()
    assert NoticeDelivery.objects.count() == 0
    assert Notice.objects.count() == 2


def test_what_goes_where_is_the_readers_choice(tell, chooses):
    tell("order_delivered")
    assert [row.channel for row in NoticeDelivery.objects.all()] == ["email"], "a long story does not fit a phone"
    chooses(chosen=["orders:sms"])
    tell("refund_reject")
    tell("order_overdue")
    tell("shop_order_overdue", path="/shop/orders/D1/")
    assert [row.notice.kind for row in rows(Channel.SMS)] == ["order_overdue"]
    assert len(rows(Channel.EMAIL)) == 1
    assert Notice.objects.count() == 4, "in the site everything stands"


def test_work_on_the_desk_stays_in_the_house(tell):
    tell("topups_wait", path="/admin/orders/topup/?queue=person")
    assert NoticeDelivery.objects.count() == 0


# --- sent -------------------------------------------------------------------------------------------------------------


def test_a_message_goes_out_once_and_says_so(tell, reader):
    tell()
    while sending.sweep(at=NOON):
        pass
    assert [letter.to for letter in mail.outbox] == [[reader.email]]
    (row,) = rows()
    assert (row.status, row.tries, row.sent_at, row.next_due_at) == ("sent", 1, NOON, None)
    assert row.sent_to == "b***@example.com"
    assert row.provider_number == mail.outbox[0].extra_headers["Message-ID"]
    (text,) = rows(Channel.SMS)
    assert text.sent_to == "+86138****1234"


@pytest.mark.django_db(transaction=True)
def test_no_call_is_made_with_a_transaction_open(tell):
    tell()
    _count, due = sending.claim(NOON)
    with pytest.raises(RuntimeError, match="PM3"), transaction.atomic():
        sending.call(due)
    assert mail.outbox == []


def test_who_dies_between_sending_and_writing_it_down_sends_again_and_it_is_shown_once(tell, chooses):
    chooses(chosen=["refunds:email"])
    tell()
    _count, due = sending.claim(NOON)
    sending.call(due)  # and the worker is killed
    assert sending.sweep(at=NOON + timedelta(seconds=119)) == 0, "the lease protects it"
    assert sending.sweep(at=NOON + sending.LEASE) == 1
    assert len(mail.outbox) == 2
    assert len({letter.extra_headers["Message-ID"] for letter in mail.outbox}) == 1
    (row,) = rows()
    assert (row.status, row.tries) == ("sent", 2)
    assert Notice.objects.count() == 1


def test_an_answer_that_comes_late_does_not_undo_what_was_written(tell, chooses):
    chooses(chosen=["refunds:email"])
    tell()
    _count, slow = sending.claim(NOON)
    later = NOON + sending.LEASE
    sending.sweep(at=later)
    sending.record([(letter, SendFailed("mail_down")) for letter in slow], at=later)
    (row,) = rows()
    assert (row.status, row.sent_at) == ("sent", later)


def test_a_provider_that_is_down_is_asked_with_pauses_and_ends_before_people(tell, chooses, settings, operator, sits):
    chooses(chosen=["refunds:email"], quiet_from=None, quiet_until=None)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1  # nobody is there
    tell()
    at = NOON
    for pause in sending.PAUSES:
        assert sending.sweep(at=at) == 1
        (row,) = rows()
        assert (row.status, row.last_error, row.next_due_at) == ("waiting", "mail_down", at + pause)
        assert sending.sweep(at=at + pause - timedelta(seconds=1)) == 0
        at += pause
    sending.sweep(at=at)
    (row,) = rows()
    assert (row.status, row.next_due_at, row.tries) == ("given_up", None, len(sending.PAUSES) + 1)
    seat = sits(operator)
    assert "未能送达" in text(seat.get("/admin/"))
    assert "连不上邮件服务器" in text(seat.get("/admin/notices/noticedelivery/?status__exact=given_up"))
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert "已排队，马上再发。" in seat.reads(seat.does("send_again", row))
    assert rows()[0].status == "waiting"


def test_a_person_sends_again_what_was_given_up(tell, chooses):
    chooses(chosen=["refunds:email"])
    tell()
    NoticeDelivery.objects.update(status="given_up", next_due_at=None, last_error="mail_down", tries=8)
    (row,) = rows()
    assert sending.send_again(row, at=NOON)
    assert not sending.send_again(row, at=NOON), "once"
    sending.sweep(at=NOON)
    assert len(mail.outbox) == 1
    assert rows()[0].status == DeliveryStatus.SENT


def test_what_is_not_wanted_any_more_is_dropped(tell, chooses, reader):
    tell()
    chooses(chosen=["refunds:sms"])
    NoticeSettings.objects.filter(user=reader).update(phone="", phone_verified_at=None)
    sending.sweep(at=NOON)
    assert [(row.status, row.last_error) for row in NoticeDelivery.objects.order_by("channel")] == [
        ("dropped", "turned_off"), ("dropped", "no_address"),
    ]  # fmt: skip
    assert mail.outbox == []


def test_one_that_cannot_be_written_does_not_hold_up_the_others(tell, chooses):
    chooses(chosen=["refunds:email"])
    broken = tell()
    Notice.objects.filter(pk=broken.pk).update(params={})
    tell()
    sending.sweep(at=NOON)
    assert [(row.status, row.last_error) for row in rows()] == [("waiting", "unexpected"), ("sent", "")]


# --- quiet hours ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "ends"),
    [
        (clock_at(21, 59, 59), None),
        (clock_at(22), clock_at(8, day=25)),
        (clock_at(23, 59, 59), clock_at(8, day=25)),
        (clock_at(0), clock_at(8)),
        (clock_at(7, 59, 59), clock_at(8)),
        (clock_at(8), None),
    ],
)
def test_quiet_hours_over_midnight_at_their_edges(at, ends):
    assert preferences.quiet_ends_at(NoticeSettings(), at=at) == ends


def test_quiet_hours_within_a_day_and_none():
    siesta = NoticeSettings(quiet_from=time(12), quiet_until=time(14))
    assert preferences.quiet_ends_at(siesta, at=clock_at(12)) == clock_at(14)
    assert preferences.quiet_ends_at(siesta, at=clock_at(11, 59, 59)) is None
    assert preferences.quiet_ends_at(siesta, at=clock_at(14)) is None
    assert preferences.quiet_ends_at(NoticeSettings(quiet_from=None, quiet_until=None), at=clock_at(3)) is None


def test_what_falls_into_the_quiet_hours_goes_out_when_they_end(tell):
    tell(at=clock_at(23))
    morning = clock_at(8, day=25)
    assert sending.sweep(at=morning - timedelta(seconds=1)) == 0
    assert sending.sweep(at=morning) == 2
    assert {row.sent_at for row in NoticeDelivery.objects.all()} == {morning}


def test_a_retry_that_falls_into_them_waits_too_and_is_no_try(tell, chooses):
    chooses(chosen=["refunds:email"])
    tell(at=clock_at(21, 59))
    assert sending.sweep(at=clock_at(22, 30)) == 1, "a worker that was late"
    (row,) = rows()
    assert (row.status, row.tries, row.next_due_at) == ("waiting", 0, clock_at(8, day=25))


def test_what_needs_an_answer_may_come_at_night(tell, chooses):
    night = clock_at(23)
    tell("refund_request_evidence", at=night)
    assert {row.next_due_at for row in NoticeDelivery.objects.all()} == {night}
    NoticeDelivery.objects.all().delete()
    chooses(urgent_anyway=False)
    tell("refund_request_evidence", at=night)
    assert {row.next_due_at for row in NoticeDelivery.objects.all()} == {clock_at(8, day=25)}
