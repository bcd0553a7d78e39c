"""SQL against every rule about notices and their deliveries: the database itself refuses, whoever asks."""

from __future__ import annotations

import pytest

from notices import sending
from notices.models import NoticeDelivery
from tests import attacks
from tests.attacks import another
from tests.notices.conftest import NOON

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(tell, reader):
    """A notice that went out by e-mail and SMS, and one that waits."""
    sent = tell()
    sending.sweep(at=NOON)
    waits = tell()
    return {
        "reader": reader.pk,
        "notice": sent.pk,
        "sent": NoticeDelivery.objects.get(notice=sent, channel="email").pk,
        "waits": NoticeDelivery.objects.get(notice=waits, channel="email").pk,
    }


ROW = "UPDATE notices_noticedelivery SET"
CHOICE = "UPDATE notices_noticesettings SET"
ATTACKS = {
    "told twice": (another("notices.Notice"), "one_notice_per_source_and_reader"),
    "a notice that leads elsewhere": (
        "UPDATE notices_notice SET path = 'https://evil.example/' WHERE id = {notice}",
        "notice_stays_on_our_site",
    ),
    "sent twice on one channel": (another("notices.NoticeDelivery"), "one_delivery_per_notice_and_channel"),
    "a channel that there is not": (
        another("notices.NoticeDelivery", channel="'pigeon'"),
        "notice_channel_is_listed",
    ),
    "a status that there is not": (
        f"{ROW} status = 'lost', next_due_at = NULL WHERE id = {{waits}}",
        "notice_delivery_status_is_listed",
    ),
    "waiting for nothing": (f"{ROW} next_due_at = NULL WHERE id = {{waits}}", "waiting_notice_is_due"),
    "sent, and sent again": (f"{ROW} next_due_at = now() WHERE id = {{sent}}", "waiting_notice_is_due"),
    "sent at no time": (
        f"{ROW} status = 'sent', next_due_at = NULL, sent_to = 'b***' WHERE id = {{waits}}",
        "sent_notice_says_when_and_where",
    ),
    "lost without a word": (
        f"{ROW} status = 'given_up', next_due_at = NULL WHERE id = {{waits}}",
        "unsent_notice_says_why",
    ),
    "sent, and not sent": (
        f"{ROW} status = 'waiting', next_due_at = now(), sent_at = NULL, sent_to = '' WHERE id = {{sent}}",
        "Cannot update of",
    ),
    "sent to somebody else": (f"{ROW} sent_to = 'x***' WHERE id = {{sent}}", "Cannot update of"),
    "of another notice": (f"{ROW} channel = 'wechat' WHERE id = {{sent}}", "Cannot update of"),
    "chose what there is not": (
        f"{CHOICE} chosen = ARRAY['refunds:pigeon'] WHERE user_id = {{reader}}",
        "notice_choices_are_listed",
    ),
    "quiet without an end": (
        f"{CHOICE} quiet_until = NULL WHERE user_id = {{reader}}",
        "quiet_hours_have_two_ends",
    ),
    "quiet for no time": (
        f"{CHOICE} quiet_until = quiet_from WHERE user_id = {{reader}}",
        "quiet_hours_have_two_ends",
    ),
    "a phone that nobody checked": (
        f"{CHOICE} phone_verified_at = NULL WHERE user_id = {{reader}}",
        "notice_phone_was_verified",
    ),
    "a phone that is none": (f"{CHOICE} phone = '110' WHERE user_id = {{reader}}", "notice_phone_was_verified"),
    "a language that there is not": (
        f"{CHOICE} language = 'xx' WHERE user_id = {{reader}}",
        "notice_language_is_listed",
    ),
}


def test_the_database_refuses(books):
    attacks.check(ATTACKS, books)


def test_every_rule_is_attacked():
    attacks.check_all_are_tried(ATTACKS, "notices")
