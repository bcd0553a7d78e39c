"""The desk asks the issuer: by reviewers alone, by POST alone, and what it signed stands on the review page."""

from __future__ import annotations

import pytest
from django.urls import reverse

from shops.models import CodeEvent, SupplierAnswer
from tests.desk.conftest import text

pytestmark = pytest.mark.django_db


@pytest.fixture
def case(reviewed, supplier):
    return reviewed(supplier=supplier)


def page(seat, case) -> str:
    return text(seat.get(reverse("admin:refunds_refund_change", args=[case.pk])))


def test_a_reviewer_asks_and_reads_the_answer(sits, reviewer, case):
    """S1-11."""
    seat = sits(reviewer)
    assert "向发卡方核验" in page(seat, case)
    answer = seat.does("check_codes", case)
    told = seat.reads(answer)
    assert "发卡方已答复 1 个卡密" in told
    assert "未兑换" in told
    assert SupplierAnswer.objects.count() == 1


def test_looking_at_the_dialog_asks_nobody(sits, reviewer, case):
    sits(reviewer).dialog("check_codes", case)
    assert not CodeEvent.objects.filter(kind="check").exists()


@pytest.mark.parametrize("who", ["finance", "operator"])
def test_others_are_not_offered_it_and_may_not(who, sits, request, case):
    seat = sits(request.getfixturevalue(who))
    assert "向发卡方核验" not in page(seat, case)
    assert seat.does("check_codes", case).status_code == 403
    assert not SupplierAnswer.objects.exists()


def test_without_an_answer_the_reviewer_is_told_and_nothing_is_kept(sits, reviewer, case, settings):
    keys = settings.SUPPLIERS["issuer"]
    settings.SUPPLIERS = {"issuer": keys | {"supplier_key": "wrong"}}
    seat = sits(reviewer)
    assert "没有核验成" in seat.reads(seat.does("check_codes", case))
    assert not SupplierAnswer.objects.exists()


def test_codes_without_an_issuer_are_not_opened(sits, reviewer, reviewed):
    seat = sits(reviewer)
    case = reviewed()
    assert "没有可核验的卡密" in text(seat.dialog("check_codes", case))
    seat.does("check_codes", case)
    assert not CodeEvent.objects.filter(kind="check").exists()
