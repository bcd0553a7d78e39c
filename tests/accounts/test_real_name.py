"""实名认证 (S0-19, P12): who passes, what is kept of it, and that one ID number opens three accounts and no fourth."""

from __future__ import annotations

import logging
import threading
from datetime import date, timedelta

import pytest
from django.db import DatabaseError, connection, transaction

import clock
from accounts import realname
from accounts.models import RealNameCheck, User
from accounts.realname import CannotVerify, Outcome, ProviderDown, id_number
from tests.accounts.id_numbers import id_number as made_up
from tests.cast import person

pytestmark = pytest.mark.django_db
NUMBER = made_up()


@pytest.mark.parametrize("number", ["11010519491231002X", NUMBER, made_up("20040229")])
def test_a_number_with_the_right_check_digit_is_one(number):
    """The first is the standard's own example."""
    assert id_number.is_valid(number)


@pytest.mark.parametrize(
    "number",
    ["", "1", "110105194912310021", "11010519491231002x", "１１010519491231002X", "010105194912310021", NUMBER + "1",
     NUMBER[:-1], made_up("20230229"), made_up("19901301"), made_up("00000101"), "中" * 18, NUMBER[:-1] + "\n"],
)  # fmt: skip
def test_anything_else_is_none(number):
    assert not id_number.is_valid(number)


def test_every_wrong_digit_is_noticed():
    for place in range(18):
        for digit in set("0123456789") - {NUMBER[place]}:
            assert not id_number.is_valid(NUMBER[:place] + digit + NUMBER[place + 1 :]), (place, digit)


def test_a_number_is_read_as_it_is_typed():
    assert id_number.normalized(" 11010519 4912310 02x\t") == "11010519491231002X"
    assert id_number.normalized("１１０１０５１９４９１２３１００２ｘ") == "11010519491231002X"


@pytest.mark.parametrize(
    ("born", "day", "years"),
    [((2000, 5, 1), (2018, 4, 30), 17), ((2000, 5, 1), (2018, 5, 1), 18), ((2000, 2, 29), (2018, 2, 28), 17),
     ((2000, 2, 29), (2018, 3, 1), 18)],
)  # fmt: skip
def test_age_is_counted_in_whole_years(born, day, years):
    assert id_number.age_on(date(*day), date(*born)) == years


def test_who_passes_is_verified_and_nothing_of_the_number_stays(buyer, caplog):
    caplog.set_level(logging.DEBUG)
    at = clock.now()
    check = realname.verify(buyer, "诸葛孔明", NUMBER, at=at)
    buyer.refresh_from_db()
    assert buyer.verified_at == at
    assert (check.outcome, check.provider, check.name_shown, check.at) == ("passed", "console", "诸＊＊", at)
    assert bytes(check.id_key) == realname.key_of(NUMBER)
    with connection.cursor() as cursor:
        cursor.execute("SELECT accounts_realnamecheck::text FROM accounts_realnamecheck")
        row = cursor.fetchone()[0]
    for secret in (NUMBER, NUMBER.encode().hex(), NUMBER[6:14], "孔明"):
        assert secret not in row
        assert secret not in caplog.text
    assert "nobody was asked" in caplog.text


def test_who_is_no_adult_is_refused_and_may_not_opt_in(buyer):
    with pytest.raises(CannotVerify, match="18"):
        realname.verify(buyer, "小明", made_up(f"{clock.now().year - 17}0101"), at=clock.now())
    buyer.refresh_from_db()
    assert buyer.verified_at is None
    assert RealNameCheck.objects.values_list("outcome", "reason").get() == ("refused", "under_age")


def test_a_number_that_is_none_is_not_even_asked_about(buyer):
    with pytest.raises(CannotVerify) as refusal:
        realname.verify(buyer, "小明", "110105194912310021", at=clock.now())
    assert refusal.value.code == "number"
    assert not RealNameCheck.objects.exists()


def test_a_fourth_account_of_one_number_is_refused(buyer):
    """P12."""
    at = clock.now()
    for number in range(3):
        realname.verify(person(f"p{number}", "buyer"), "王五", NUMBER, at=at)
    with pytest.raises(CannotVerify) as refusal:
        realname.verify(buyer, "王五", NUMBER, at=at)
    assert refusal.value.code == "too_many"
    buyer.refresh_from_db()
    assert buyer.verified_at is None
    realname.verify(buyer, "王五", made_up(order=2), at=at)


def test_once_verified_is_verified(buyer):
    realname.verify(buyer, "王五", NUMBER, at=clock.now())
    buyer.refresh_from_db()
    with pytest.raises(CannotVerify) as refusal:
        realname.verify(buyer, "赵六", made_up(order=2), at=clock.now())
    assert refusal.value.code == "already"


def test_guesses_are_few(buyer):
    at = clock.now()
    child = made_up(f"{at.year - 10}0101")
    for _ in range(5):
        with pytest.raises(CannotVerify):
            realname.verify(buyer, "小明", child, at=at)
    with pytest.raises(CannotVerify) as refusal:
        realname.verify(buyer, "王五", NUMBER, at=at)
    assert refusal.value.code == "too_often"
    assert realname.verify(buyer, "王五", NUMBER, at=at + timedelta(hours=25))


def test_a_guest_is_nobody(db):
    guest = User.objects.create(username="guest-1", is_guest=True)
    with pytest.raises(CannotVerify) as refusal:
        realname.verify(guest, "王五", NUMBER, at=clock.now())
    assert refusal.value.code == "guest"


class Silent:
    """A provider whose line is dead."""

    def verify(self, name: str, id_number: str) -> Outcome:
        raise ProviderDown


class Strict:
    def verify(self, name: str, id_number: str) -> Outcome:
        return Outcome(False, "mismatch")


@pytest.mark.parametrize(("provider", "code", "kept"), [("Silent", "down", 0), ("Strict", "refused", 1)])
def test_silence_is_no_refusal(buyer, settings, provider, code, kept):
    """Any class that keeps to the protocol will do, by its dotted path."""
    settings.REALNAME_PROVIDER = f"{__name__}.{provider}"
    with pytest.raises(CannotVerify) as refusal:
        realname.verify(buyer, "王五", NUMBER, at=clock.now())
    assert refusal.value.code == code
    assert RealNameCheck.objects.count() == kept


def test_without_a_provider_nobody_is_verified(buyer, settings):
    settings.REALNAME_PROVIDER = ""
    with pytest.raises(CannotVerify) as refusal:
        realname.verify(buyer, "王五", NUMBER, at=clock.now())
    assert refusal.value.code == "not_offered"


@pytest.mark.django_db(transaction=True)
def test_six_accounts_at_once_with_one_number_are_three(db):
    """P12: in as many transactions, and by the database's own rule where nobody counts."""
    people, ended = [person(f"p{number}", "buyer") for number in range(6)], []
    barrier = threading.Barrier(6)

    def run(user: User) -> None:
        barrier.wait()
        try:
            realname.verify(user, "王五", NUMBER, at=clock.now())
            ended.append("passed")
        except CannotVerify as refusal:
            ended.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(user,)) for user in people]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(ended) == ["passed"] * 3 + ["too_many"] * 3
    assert User.objects.filter(verified_at__isnull=False).count() == 3
    fourth = User.objects.filter(verified_at=None).first()
    words = {"provider": "console", "name_shown": "王＊＊", "at": clock.now(), "id_key": realname.key_of(NUMBER)}
    with pytest.raises(DatabaseError, match="one_number_verifies_three_accounts"), transaction.atomic():
        RealNameCheck.objects.create(user=fourth, outcome="passed", **words)
