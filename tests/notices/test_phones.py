"""手机号 of a reader: typed in, and believed once the code that went there comes back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from notices import phones, preferences
from notices.channels import Message, SendFailed
from notices.models import PhoneCode
from notices.phones import CannotVerify
from tests.notices.conftest import NOON

pytestmark = pytest.mark.django_db

HEARD: list[Message] = []


class Listening:
    def send(self, message: Message) -> str:
        HEARD.append(message)
        return ""


class Down:
    def send(self, message: Message) -> str:
        raise SendFailed("no_answer")


@pytest.fixture(autouse=True)
def provider(settings):
    HEARD.clear()
    settings.SMS_PROVIDER = f"{__name__}.Listening"


def test_the_code_that_comes_back_makes_it_the_readers(buyer):
    assert phones.send_code(buyer, "138 0000 1234", at=NOON) == "+8613800001234"
    (message,) = HEARD
    assert (message.to, message.template) == ("+8613800001234", "code")
    assert len(message.text) <= 70
    assert phones.verify(buyer, message.values["code"], at=NOON) == "+8613800001234"
    known = preferences.of(buyer)
    assert (known.phone, known.phone_verified_at) == ("+8613800001234", NOON)
    with pytest.raises(CannotVerify, match="失效"):
        phones.verify(buyer, message.values["code"], at=NOON)


def test_five_wrong_ones_and_it_is_no_longer_good(buyer):
    phones.send_code(buyer, "13800001234", at=NOON)
    good = HEARD[0].values["code"]
    wrong = f"{(int(good) + 1) % 10**6:06}"
    for _ in range(phones.MOST_TRIES):
        with pytest.raises(CannotVerify, match="不对"):
            phones.verify(buyer, wrong, at=NOON)
    with pytest.raises(CannotVerify, match="失效"):
        phones.verify(buyer, good, at=NOON)
    assert preferences.of(buyer).phone == ""


def test_it_is_good_for_ten_minutes_and_for_nobody_else(buyer, stranger):
    phones.send_code(buyer, "13800001234", at=NOON)
    good = HEARD[0].values["code"]
    with pytest.raises(CannotVerify, match="失效"):
        phones.verify(stranger, good, at=NOON)
    with pytest.raises(CannotVerify, match="失效"):
        phones.verify(buyer, good, at=NOON + phones.GOOD_FOR)
    phones.verify(buyer, good, at=NOON + phones.GOOD_FOR - timedelta(seconds=1))


def test_codes_are_no_nuisance(buyer, stranger):
    phones.send_code(buyer, "13800001234", at=NOON)
    with pytest.raises(CannotVerify, match="刚刚发过"):
        phones.send_code(buyer, "13800001234", at=NOON + timedelta(seconds=59))
    for minute in range(1, phones.MOST_A_DAY):
        phones.send_code(buyer, "13800001234", at=NOON + timedelta(minutes=minute))
    for who in (buyer, stranger):  # nor to the same number from another account
        with pytest.raises(CannotVerify, match="太多"):
            phones.send_code(who, "13800001234", at=NOON + timedelta(minutes=30))
    assert len(HEARD) == phones.MOST_A_DAY


def test_the_code_itself_is_kept_nowhere(buyer):
    phones.send_code(buyer, "13800001234", at=NOON)
    row = PhoneCode.objects.get()
    assert HEARD[0].values["code"].encode() not in bytes(row.digest)
    assert len(bytes(row.digest)) == 32


def test_a_provider_that_is_down_is_said_and_counted(buyer, settings):
    settings.SMS_PROVIDER = f"{__name__}.Down"
    with pytest.raises(CannotVerify, match="没有发出去"):
        phones.send_code(buyer, "13800001234", at=NOON)
    assert PhoneCode.objects.count() == 1


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("13800001234", "+8613800001234"),
        ("+86 138-0000-1234", "+8613800001234"),
        ("0086 13800001234", "+8613800001234"),
        ("+852 5123 4567", "+85251234567"),
        ("12345678901", ""),
        ("+8612345", ""),
        ("13800001234\nBcc", ""),
        ("", ""),
    ],
)
def test_how_numbers_are_read(typed, number):
    assert phones.normalized(typed) == number
