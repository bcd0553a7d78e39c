"""Refund policies at the desk: drafted and edited without a line of JSON, compared, tried out, published (S2-12)."""

from __future__ import annotations

import random

import pytest
from django.urls import reverse

import clock
from refunds import simulation
from refunds.admin.policies import PAGE
from refunds.admin.policy_form import TermsForm
from refunds.models import PolicySimulation
from shops import policies
from shops.models import Product, RefundPolicy
from shops.policy_terms import KINDS, USUAL
from tests.desk.conftest import text
from tests.refunds import past_cases

pytestmark = pytest.mark.django_db


def page_of(row):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def terms_of(row):
    return reverse("admin:shops_refundpolicy_terms", args=[row.pk])


def filled_in(draft, **changes):
    """The form as it opens, with these cells typed over; None: left empty or unticked."""
    form = TermsForm(draft)
    shown = {name: form[name].value() for name in form.fields}
    return {
        name: "on" if value is True else value
        for name, value in (shown | changes).items()
        if not (value is None or value is False or value == "")
    }


@pytest.fixture
def draft(make_product, operator):
    return policies.new_draft(make_product().policy.code, by=operator)


@pytest.fixture
def tried(buy, operator):
    """A draft that takes one-click refunds away from ¥20 on, and its run over 120 cases."""
    order = buy(price_fen=8800)
    chance = random.Random(5)
    past_cases.write(order, [past_cases.drawn(chance, order.policy) for _ in range(120)])
    made = policies.new_draft(order.policy.code, by=operator)
    made = policies.edit(made, {"one_click_below_fen": 2000, "max_rejections": 1}, by=operator)
    return made, simulation.start(made, wanted=1000, by=operator, at=clock.now())


def run_through(row):
    while simulation.run(at=clock.now()):
        pass
    row.refresh_from_db()


def test_a_draft_is_a_copy_and_there_is_one(sits, operator, make_product):
    policy, seat = make_product(window_days=9, kinds={"account": {"window_days": 0}}).policy, sits(operator)
    answer = seat.does("new_draft", policy)
    draft = policies.draft_of(policy.code)
    assert answer.headers["HX-Redirect"] == terms_of(draft)
    assert (draft.window_days, draft.kinds, draft.version) == (9, policy.kinds, policy.version + 1)
    assert "已有草稿" in text(seat.dialog("new_draft", policy))
    page = text(seat.get(page_of(draft)))
    assert "和 标准 v1 的条款完全一样" in page
    assert "草稿" in text(seat.get(reverse("admin:shops_refundpolicy_changelist")))


def test_saving_the_form_as_it_opens_changes_nothing(sits, operator, draft):
    before = policies.as_json(draft)
    answer = sits(operator).client.post(terms_of(draft), filled_in(draft))
    assert answer.url == page_of(draft)
    draft.refresh_from_db()
    assert policies.as_json(draft) == before


def test_every_cell_of_the_form_reaches_its_column(sits, operator, draft):
    cells = {
        "name": "宽松", "name_en": "Lenient", "one_click_below_fen": "20.5", "express_below_fen": "0",
        "window_days": "7", "fee_percent": "5", "express_needs_no_record": True, "late_refund_is_automatic": None,
        "account-window_days": "0", "account-slots": ["fault_screen", "unused"], "membership-slots": None,
        "card_code-cooling_off_hours": "48", "duplicate-taken": None, "late-at_fault": "platform",
        "late-kinds": ["top_up"], "late-only": "delivered", "late-slots": None, "late-skips_merchant": True,
    }  # fmt: skip
    answer = sits(operator).client.post(terms_of(draft), filled_in(draft, **cells))
    assert answer.status_code == 302
    draft.refresh_from_db()
    numbers = ("name", "name_en", "one_click_below_fen", "express_below_fen", "window_days", "fee_percent")
    assert [getattr(draft, name) for name in numbers] == ["宽松", "Lenient", 2050, 0, 7, 5]
    assert (draft.express_needs_no_record, draft.late_refund_is_automatic) == (True, False)
    assert draft.kinds == {
        "account": {"window_days": 0, "slots": ["unused", "fault_screen"]}, "card_code": {"cooling_off_hours": 48},
    } or draft.kinds == {
        "account": {"window_days": 0, "slots": ["fault_screen", "unused"]}, "card_code": {"cooling_off_hours": 48},
    }  # fmt: skip
    assert draft.reason("duplicate") is None
    late = {"reason": "late", "at_fault": "platform", "kinds": ["top_up"], "only": "delivered", "slots": [],
            "skips_merchant": True}  # fmt: skip
    assert late in draft.reasons
    assert len(draft.reasons) == len(USUAL) - 1
    page = text(sits(operator).get(page_of(draft)))
    for words in ("¥50.00", "¥20.50", "不开通", "账号类商品", "交付后不支持退款", "原因“重复下单”"):
        assert words in page


@pytest.mark.parametrize(
    ("cell", "typed", "said"),
    [
        ("one_click_below_fen", "12.345", "最多两位小数"), ("one_click_below_fen", None, "请填写"),
        ("one_click_below_fen", "-1", "最多两位小数"), ("window_days", "366", "不能大于 365"),
        ("window_days", "-1", "不能小于 0"), ("window_days", "soon", "请填写整数"),
        ("fee_percent", "51", "不能大于 50"), ("merchant_hours", "37", "这里最长 36 小时"),
        ("name", None, "请填写"), ("account-window_days", "366", "不能大于 365"), ("review_hours", "99999", "不能大于"),
        ("account-slots", ["a photo"], "请从列表中选择"), ("late-at_fault", "moon", "请从列表中选择"),
        ("late-kinds", ["car"], "请从列表中选择"), ("late-only", "never", "请从列表中选择"),
        ("other-taken", None, "不能少"), ("undelivered-taken", None, "不能少"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told_beside_its_cell(cell, typed, said, sits, operator, draft):
    before = RefundPolicy.objects.values().get(pk=draft.pk)
    answer = sits(operator).client.post(terms_of(draft), filled_in(draft, **{cell: typed}))
    page = text(answer)
    assert [field.name for field in answer.context["form"].wrong()] == [cell]
    beside = page.split(f'id="id_{cell}_error"')[1][:80]
    assert said in beside
    assert RefundPolicy.objects.values().get(pk=draft.pk) == before


@pytest.mark.parametrize("role", ["reviewer", "senior", "finance"])
def test_others_read_and_change_nothing(role, sits, staff, tried):
    draft, run = tried
    seat = sits(staff[role])
    page = text(seat.get(page_of(draft)))
    assert "编辑条款" not in page
    assert "发布这个版本" not in page
    assert text(seat.get(page_of(run)))
    assert seat.get(terms_of(draft)).status_code == 403
    assert seat.client.post(terms_of(draft), {}).status_code == 403
    for act in ("new_draft", "simulate", "publish", "discard"):
        assert seat.does(act, draft, wanted="1000", reason="x").status_code == 403
    assert seat.does("stop", run).status_code == 403


def test_a_published_version_has_no_form(sits, operator, make_product):
    policy, seat = make_product().policy, sits(operator)
    assert seat.get(terms_of(policy)).url == page_of(policy)
    assert seat.client.post(terms_of(policy), {"window_days": "1"}).url == page_of(policy)
    assert "编辑条款" not in text(seat.get(page_of(policy)))
    for act in ("simulate", "publish", "discard"):
        assert "已发布的版本不能修改" in text(seat.dialog(act, policy))


def test_a_trial_shows_its_progress_and_every_case(sits, operator, tried):
    draft, run = tried
    seat = sits(operator)
    simulation.run(at=clock.now(), limit=30)
    page = text(seat.get(page_of(run)))
    assert 'hx-trigger="every 2s"' in page
    assert "已试算 30 / 1000 件" in page
    progress = reverse("admin:refunds_policysimulation_progress", args=[run.pk])
    assert "HX-Refresh" not in seat.get(progress).headers
    run_through(run)
    assert seat.get(progress).headers["HX-Refresh"] == "true"
    assert run.changed > 0
    page = text(seat.get(page_of(run)))
    assert f"会改变 120 件中的 {run.changed} 件，自动退款 −¥" in page
    assert "历史退款不足 1000 件" in page
    for change in run.changes.select_related("refund")[:PAGE]:
        assert change.refund.refund_no in page
        assert page_of(change.refund) in page
        assert change.sentence in page
    assert page_of(run) in text(seat.get(page_of(draft)))


def test_its_cases_are_leafed_through_by_key(sits, operator, tried, monkeypatch):
    _draft, run = tried
    run_through(run)
    monkeypatch.setattr("refunds.admin.policies.PAGE", 3)
    seat, found, after = sits(operator), [], 0
    while True:
        answer = seat.get(page_of(run) + (f"?after={after}" if after else ""))
        found += [case["refund"].pk for case in answer.context["changes"]]
        after = answer.context["next_after"]
        if not after:
            break
        assert f'href="?after={after}"' in text(answer)
    assert found == list(run.changes.order_by("pk").values_list("refund", flat=True))
    assert len(found) > 3


def test_it_is_published_once_tried_and_the_dialog_says_what_moves(sits, operator, tried, make_product):
    draft, run = tried
    make_product()
    seat = sits(operator)
    assert "还没有试算过" in text(seat.dialog("publish", draft))
    assert "还没有试算过" in seat.reads(seat.does("publish", draft, reason="x", seen="y"))
    run_through(run)
    asked = text(seat.dialog("publish", draft))
    assert "2 件商品" in asked
    assert "会改变 120 件中的" in asked
    assert "请填写" in text(seat.does("publish", draft, reason=" ", seen=policies.digest(draft)))
    policies.edit(draft, {"name": "改名"}, by=operator)
    assert "刚刚被修改过" in seat.reads(seat.does("publish", draft, reason="收紧", seen=policies.digest(draft)))
    draft.refresh_from_db()
    page = seat.reads(seat.does("publish", draft, reason="收紧", seen=policies.digest(draft)))
    assert "已发布。2 件商品" in page
    draft.refresh_from_db()
    assert (draft.published_by, draft.publish_reason) == (operator, "收紧")
    assert set(Product.objects.values_list("policy", flat=True)) == {draft.pk}
    assert "收紧" in text(seat.get(page_of(draft)))
    assert "已发布的版本不能修改" in seat.reads(seat.does("publish", draft, reason="x", seen="y"))


def test_without_past_cases_it_is_said_so_explicitly(sits, operator, draft):
    seat = sits(operator)
    assert "没有历史退款可供试算" in text(seat.dialog("publish", draft))
    digest = policies.digest(draft)
    assert "请确认这一点" in text(seat.does("publish", draft, reason="开业前", seen=digest))
    assert "已发布" in seat.reads(seat.does("publish", draft, reason="开业前", seen=digest, no_cases="on"))


def test_a_draft_is_deleted_with_its_trials(sits, operator, tried):
    draft, _run = tried
    seat = sits(operator)
    assert "已删除" in seat.reads(seat.does("discard", draft))
    assert not PolicySimulation.objects.exists()
    assert not RefundPolicy.objects.filter(pk=draft.pk).exists()


def test_any_two_versions_are_compared(sits, operator, make_product):
    first, second = make_product(window_days=15).policy, make_product(window_days=7, fee_percent=3).policy
    third = make_product(window_days=30).policy
    seat = sits(operator)
    address = reverse("admin:shops_refundpolicy_diff", args=[third.pk])
    assert [one.key for one in seat.get(address).context["differences"]] == ["window_days", "fee_percent"]
    with_first = seat.get(f"{address}?with={first.pk}")
    assert [(one.before, one.after) for one in with_first.context["differences"]] == [("15 天", "30 天")]
    assert second.pk in [other.pk for other in with_first.context["others"]]
    assert seat.get(f"{address}?with=x").status_code == 200


def test_no_product_is_put_under_a_draft(sits, operator, make_product, draft):
    product = make_product()
    page = text(sits(operator).get(page_of(product)))
    assert f'<option value="{product.policy_id}"' in page
    assert f'<option value="{draft.pk}"' not in page
    assert len(KINDS) == 6
