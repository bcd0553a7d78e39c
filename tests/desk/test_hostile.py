"""A list's address, typed by hand, finds out no more than the filters beside the list, and breaks nothing."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.urls import reverse

from tests.desk.conftest import text

pytestmark = pytest.mark.django_db

USERS = "/admin/accounts/user/"
REFUNDS = "/admin/refunds/refund/"
NO_SUCH_FILTER = "请打开列表，用旁边的筛选"


@pytest.mark.parametrize(
    "query",
    [
        "password__startswith=argon2", "password__startswith=nothing", "password=x", "email__contains=a", "phone=1",
        "role__in=buyer", "role__startswith=b", "last_login__year=2026", "shops__name=x",
    ],
)  # fmt: skip
def test_an_operator_cannot_probe_a_column_letter_by_letter(sits, operator, query, caplog):
    answer = sits(operator).get(f"{USERS}?{query}")
    assert (answer.status_code, NO_SUCH_FILTER in answer.content.decode()) == (400, True)
    assert [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"] == []


@pytest.mark.parametrize(
    "address",
    [
        f"{REFUNDS}?status__exact=%00", f"{REFUNDS}?lane__exact=%00", f"{USERS}?role__exact=%00",
        f"{REFUNDS}?pk__regex=(", f"{REFUNDS}?refund_no__regex=(", f"{REFUNDS}?submitted_at__year=0",
        f"{REFUNDS}?%00=1", f"{REFUNDS}?queue=%00", "/admin/notices/notice/?params__x=%00",
        "/admin/shops/cardcode/?fingerprint=%00", "/admin/payments/payment/?account__id__exact=%00",
    ],
)  # fmt: skip
def test_a_filter_that_makes_no_sense_is_refused(sits, operator, address):
    answer = sits(operator).get(address)
    assert answer.status_code == 400
    assert "请求无法识别" in answer.content.decode()


@pytest.mark.parametrize("query", ["x=1", "x__y=1&status__exact=approved"])
def test_a_name_that_is_nothing_here_is_a_slip_and_no_error_in_the_log(sits, operator, caplog, query):
    seat = sits(operator)
    answer = seat.get(f"{REFUNDS}?{query}")
    assert (answer.status_code, answer.url) == (302, f"{REFUNDS}?e=1")
    assert "无法识别，未按它筛选" in text(seat.get(answer.url))
    again = seat.get(f"{answer.url}&{query}")
    assert (again.status_code, NO_SUCH_FILTER in again.content.decode()) == (400, True)  # the database is well
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_search_for_what_no_text_can_hold_finds_nothing(sits, operator, make_product):
    make_product()
    seat = sits(operator)
    found = "/admin/autocomplete/?app_label=shops&model_name=product&field_name=shop&term="
    assert len(seat.get(f"{found}测试").json()["results"]) == 1
    assert seat.get(f"{found}%00").json()["results"] == []
    assert seat.get(f"{REFUNDS}?q=%00").status_code == 200


def test_every_filter_beside_a_list_still_works(sits, operator, released):
    """Every link that the filters of every list offer, as they are drawn."""
    refund = released()
    seat = sits(operator)
    followed = 0
    for model in admin.site._registry:
        path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        listing = seat.get(path).context["cl"]
        for spec in listing.filter_specs:
            for choice in spec.choices(listing):
                address = path + choice["query_string"]
                assert seat.get(address).status_code == 200, address
                followed += 1
    assert followed > 30
    assert refund.refund_no in text(seat.get(f"{REFUNDS}?queue=all&status__exact={refund.status}"))
    assert refund.refund_no not in text(seat.get(f"{REFUNDS}?queue=all&status__exact=rejected"))
