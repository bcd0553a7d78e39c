"""What a later version of a policy says otherwise, for everybody: published versions only, in both languages."""

from __future__ import annotations

import pytest
from django.urls import reverse

from shops import policies
from shops.models import RefundPolicy
from tests.desk.conftest import text

pytestmark = pytest.mark.django_db


def diff(earlier, later, code="standard"):
    return reverse("storefront:policy_diff", args=[code, earlier, later])


def test_it_shows_what_changed_and_nothing_else(client, make_product):
    reasons = [row for row in RefundPolicy().reasons if row["reason"] != "duplicate"]
    make_product(one_click_below_fen=5000)
    make_product(one_click_below_fen=2050, kinds={"account": {"window_days": 0}}, reasons=reasons)
    answer = client.get(diff(1, 2))
    assert [(one.key, one.before, one.after) for one in answer.context["differences"]] == [
        ("one_click_below_fen", "¥50.00", "¥20.50"),
        ("account.window", "未规定", "交付后不支持退款"),
        ("duplicate.taken", "是", "否"),
        ("membership.slots", "未使用的证明", "未规定"),
        ("account.slots", "未使用的证明", "未规定"),
    ]
    page = text(answer)
    assert "售后期（自交付起）" not in page
    client.post(reverse("storefront:language"), {"language": "en", "next": "/"})
    english = text(client.get(diff(1, 2)))
    assert "Not refundable once delivered" in english
    assert not [sign for sign in english.split("<main")[1].split("</main")[0] if "\u4e00" <= sign <= "\u9fff"]


def test_the_policy_page_leads_there(client, make_product):
    make_product()
    make_product(window_days=7)
    assert diff(1, 2) in text(client.get(reverse("storefront:policy", args=["standard", 2])))
    assert "/1-" not in text(client.get(reverse("storefront:policy", args=["standard", 1])))


def test_a_draft_is_nobodys_business(client, make_product, operator):
    policy = make_product().policy
    policies.new_draft(policy.code, by=operator)
    for address in (diff(1, 2), diff(2, 1), diff(1, 1), diff(1, 9), diff(1, 2, "nothing")):
        assert client.get(address).status_code == 404
    for name in ("policy", "policy_text"):
        assert client.get(reverse(f"storefront:{name}", args=["standard", 2])).status_code == 404
