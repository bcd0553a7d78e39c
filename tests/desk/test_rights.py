"""Who sees and may do what at the desk comes from one table in code, and from nothing else (X14, P7)."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.urls import reverse

from accounts.desk import page_url
from accounts.rights import TABLE
from accounts.roles import Role
from refunds.admin import DESK_STEPS
from refunds.lifecycle import SAME, STEPS
from refunds.models import Refund, Status
from tests.cases import SITUATIONS
from tests.desk.conftest import address

pytestmark = pytest.mark.django_db

MONEY = {"payments.payment", "payments.refundattempt", "ledger.account", "ledger.posting", "ledger.entry"}
UNTOUCHABLE = MONEY | {
    "refunds.refund",
    "refunds.refundevent",
    "refunds.disbursement",
    "orders.order",
    "shops.cardcode",
}


def desks():
    return [(model, desk) for model, desk in admin.site._registry.items()]


def test_every_table_of_the_desk_has_its_row_and_nothing_else_is_there():
    assert {model._meta.label_lower for model, _ in desks()} == set(TABLE)


def test_each_role_sees_the_lists_of_its_row(sits, staff):
    for role, person in staff.items():
        seat = sits(person)
        for model, desk in desks():
            path = reverse(f"admin:{desk.opts.app_label}_{desk.opts.model_name}_changelist")
            expected = 200 if role in TABLE[model._meta.label_lower].see else 403
            assert seat.get(path).status_code == expected, (role, path)


def test_money_is_seen_by_finance_and_operators_only():
    for label in MONEY:
        assert TABLE[label].see == {Role.FINANCE, Role.OPERATOR}


def test_nobody_adds_edits_or_deletes_what_is_decided_or_paid(sits, staff, approved):
    refund = approved()
    before = Refund.objects.values().get()
    for label in UNTOUCHABLE:
        assert not TABLE[label].add
        assert not TABLE[label].edit
    for person in staff.values():
        seat = sits(person)
        person.is_superuser = True
        person.save()
        for model, desk in desks():
            name = f"admin:{desk.opts.app_label}_{desk.opts.model_name}"
            row = model._default_manager.first()
            key = row.pk if row else 1
            assert seat.get(reverse(f"{name}_delete", args=[key])).status_code == 403
            assert seat.client.post(reverse(f"{name}_delete", args=[key]), {"post": "yes"}).status_code == 403
            if model._meta.label_lower in UNTOUCHABLE:
                assert seat.get(reverse(f"{name}_add")).status_code == 403
                assert seat.client.post(reverse(f"{name}_change", args=[key]), {"status": "arrived"}).status_code == 403
    assert Refund.objects.values().get(pk=refund.pk) == before


def test_operators_keep_products_and_everybody_else_looks(sits, staff, make_product):
    product = make_product(price_fen=3000)
    path = reverse("admin:shops_product_change", args=[product.pk])
    form = {
        "name": "新名字", "kind": "card_code", "face_value": "", "description": "", "not_refundable_note": "",
        "price_fen": "2800", "policy": product.policy_id, "delivery_promise_minutes": "5", "is_listed": "on",
        "shop": "999",
    }  # fmt: skip
    for role in ("reviewer", "senior", "finance"):
        assert sits(staff[role]).client.post(path, form).status_code == 403
    assert sits(staff["operator"]).client.post(path, form).status_code == 302
    shop = product.shop_id
    product.refresh_from_db()
    assert (product.name, product.price_fen, product.shop_id) == ("新名字", 2800, shop)


def test_an_operator_gives_others_a_role_but_nobody_an_own_one(sits, operator, stranger):
    seat = sits(operator)
    change = "admin:accounts_user_change"
    assert (
        seat.client.post(reverse(change, args=[operator.pk]), {"role": "finance", "is_active": "on"}).status_code == 403
    )
    answer = seat.client.post(
        reverse(change, args=[stranger.pk]), {"role": "finance", "is_active": "on", "is_superuser": "on"}
    )
    assert answer.status_code == 302
    operator.refresh_from_db()
    stranger.refresh_from_db()
    assert (operator.role, stranger.role, stranger.is_staff, stranger.is_superuser) == (
        "operator", "finance", True, False,
    )  # fmt: skip


def test_buyers_and_merchants_stay_outside_even_as_superusers(sits, buyer, merchant):
    for person in (buyer, merchant):
        person.is_superuser = True
        person.save()
        assert sits(person).get("/admin/").status_code == 302
        assert sits(person).get("/admin/login/").status_code == 403


def test_a_visitor_logs_in_at_the_shops_own_door_and_comes_back(client, sits, finance):
    door = client.get("/admin/refunds/refund/")
    assert door.headers["Location"] == "/admin/login/?next=/admin/refunds/refund/"
    assert (
        client.get(door.headers["Location"]).headers["Location"]
        == "/accounts/login/?next=%2Fadmin%2Frefunds%2Frefund%2F"
    )
    assert sits(finance).get(door.headers["Location"]).headers["Location"] == "/admin/refunds/refund/"
    assert sits(finance).get("/admin/login/?next=https://evil.example/").headers["Location"] == "/admin/"


# --- steps: role × step, through the desk -----------------------------------------------------------------------------


WORDS = {
    "note": "核对过了", "ground": "not_so", "kind": "part", "amount": "1.00", "whom": "supplier", "of": "buyer",
    "to": "",
}  # fmt: skip


# Where each step can be taken, by anybody of its roles: a situation of tests/cases.py.
READY = dict.fromkeys(DESK_STEPS, "first_review") | {
    "uphold": "first_review, above the limit",
    "propose_offer": "first_review, above the limit",
    "record_answer": "first_review, consulted",
    "confirm_offer": "second_review, of an offer",
    "grant_appeal": "appeal_review",
    "dismiss_appeal": "appeal_review",
    "uphold_appeal": "appeal_review, above the limit",
    "reopen": "rejected",
    "disburse": "approved",
    "halt": "approved",
    "credit_balance": "approved, to the balance",
    "explain_missing": "paid_out, missing",
    "reissue": "returned, closed",
    "reissue_above_limit": "returned, sent by the machine above the limit",
    "confirm_redirect": "redirect_signed",
    "send_to_card": "redirect_signed, for a card that the channel pays",
    "request_transfer": "approved, to an account",
}  # fmt: skip
READY |= dict.fromkeys(["approve_second", "reject_second", "send_back", "request_more"], "second_review")


@pytest.mark.parametrize("step", DESK_STEPS)
def test_a_step_is_taken_by_its_roles_and_refused_to_all_others(step, sits, staff, house):
    """Whoever may has the button, the dialog and the step; whoever may not has none of them (X14)."""
    refund = SITUATIONS[READY[step]](house)
    before = (refund.status, refund.events.count())
    for role, person in staff.items():
        person.is_superuser = True  # opens nothing
        person.save()
        if role not in STEPS[step].who:
            assert address(step, refund) not in text_of(sits(person).get(page_url(refund))), (role, step)
            assert sits(person).does(step, refund, **WORDS).status_code == 403, (role, step)
    refund.refresh_from_db()
    assert (refund.status, refund.events.count()) == before

    for role, person in staff.items():
        if role in STEPS[step].who:
            refund = refund if refund.events.count() == before[1] else SITUATIONS[READY[step]](house)
            seat = sits(person)
            assert address(step, refund) in text_of(seat.get(page_url(refund))), (role, step)
            dialog = text_of(seat.dialog(step, refund))
            assert 'type="submit"' in dialog, (role, step)
            read = dict(re.findall(r'name="(\w+_id)" value="(\d+)"', dialog))  # what the step is about
            assert "HX-Redirect" in seat.does(step, refund, **WORDS | read).headers, (role, step)
            refund.refresh_from_db()
            assert refund.status == (before[0] if STEPS[step].target == SAME else STEPS[step].target), (role, step)
            taken = refund.events.latest("sequence")
            assert (taken.step, taken.actor) == (step, person)


def test_who_bought_never_decides_whatever_their_job(sits, buy, reveal, apply, reviewer, finance, senior):
    own = apply(_seen(buy(price_fen=8800, by=reviewer), reveal))
    seat = sits(reviewer)
    assert "您自己的申请" in text_of(seat.dialog("approve", own))
    assert "您自己的申请" in seat.reads(seat.does("approve", own))
    page = seat.get(reverse("admin:refunds_refund_change", args=[own.pk])).content.decode()
    assert "须由其他同事处理" in page
    assert 'hx-get="' not in page
    own.refresh_from_db()
    assert own.status == Status.FIRST_REVIEW


def test_above_the_limit_two_people_decide(sits, reviewed, reviewer, senior):
    refund = reviewed(price_fen=66_600)
    first, second = sits(reviewer), sits(senior)
    assert "须由两位同事先后通过" in text_of(first.dialog("approve", refund))
    first.does("approve", refund)
    refund.refresh_from_db()
    assert refund.status == Status.FIRST_REVIEW
    first.does("uphold", refund)
    assert first.does("approve_second", refund).status_code == 403
    second.does("approve_second", refund)
    refund.refresh_from_db()
    assert refund.status == Status.APPROVED


def text_of(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def _seen(order, reveal):
    reveal(order)
    return order
