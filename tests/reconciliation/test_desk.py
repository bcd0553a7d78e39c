"""N3: finance reads what a day came to, and leads each difference to its end; each act is a dialog and a POST."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

import clock
from payments.gateways.base import BillIsGarbled, OutcomeUnknown
from reconciliation import resolving, wording
from reconciliation.models import Bearer, Discrepancy, Statement
from tests.reconciliation.days import Day

pytestmark = pytest.mark.django_db


def act(client, name, row=None, **said):
    address = reverse(f"admin:reconciliation_{name}", args=[row.pk] if row else [])
    return client.post(address, {"_form_submitted": "True", **said}, headers={"HX-Request": "true"})


def proposal(client, row):
    """What stands, hidden, in the dialog of who confirms it."""
    address = reverse("admin:reconciliation_discrepancy_confirm_bearer", args=[row.pk])
    dialog = client.get(address, headers={"HX-Request": "true"}).content.decode()
    return re.search(r'name="proposal" value="(\d+)"', dialog).group(1)


def page(client, row):
    return client.get(reverse(f"admin:reconciliation_{row._meta.model_name}_change", args=[row.pk])).content.decode()


def listed(client, model):
    return client.get(reverse(f"admin:reconciliation_{model}_changelist")).content.decode()


def test_finance_leads_a_refund_in_the_console_to_its_end(day: Day, client, finance, cashier):
    """N3, G21: the day by hand, the bill, the difference, two people, and the list is empty."""
    payment = day.buy("wechat")
    day.simulator.post("console_refund", out_trade_no=payment.payment_no, amount_fen=500)
    day.over()
    client.force_login(finance)
    assert "对账这一天" in listed(client, "statement")
    assert "HX-Redirect" in act(client, "statement_reconcile_day", day=str(day.day)).headers
    day.reconcile()
    assert "1 条差异" in listed(client, "statement")
    trades = Statement.objects.get(account__code="wechat", kind="trades", day=day.day)
    assert "渠道侧退款" in page(client, trades)
    progress = client.get(reverse("admin:reconciliation_statement_progress", args=[trades.pk]))
    assert (progress.status_code, progress.headers["HX-Refresh"]) == (200, "true")
    row = Discrepancy.objects.get()
    shown = page(client, row)
    assert payment.payment_no in shown
    assert "提出由谁承担" in shown
    assert "说明原因并了结" not in shown
    assert "成功（SUCCESS）" in shown  # as the bill has it, too
    assert "SUCCESS" not in listed(client, "discrepancy")
    assert "系统已补记并从可退金额中扣除。请提出由谁承担" in shown
    act(client, "discrepancy_hand_over", row, to=str(cashier.pk), note="请核实")
    act(client, "discrepancy_propose_bearer", row, bearer="platform", note="同事在后台手工退款")
    assert "由谁承担由您提出，须由另一位财务确认" in page(client, row)
    assert "已提出由平台承担。另一位财务确认后记账" in page(client, row)
    assert "confirm_bearer" not in page(client, row)
    act(client, "discrepancy_confirm_bearer", row, proposal=proposal(client, row))  # by the same person: refused
    row.refresh_from_db()
    assert (row.status, row.owner, row.borne_by) == ("open", cashier, "platform")
    client.force_login(cashier)
    read = proposal(client, row)
    resolving.propose_bearer(row, bearer=Bearer.SHOP, by=finance, at=clock.now(), reason="改由店铺承担")
    act(client, "discrepancy_confirm_bearer", row, proposal=read)  # another one than was read
    row.refresh_from_db()
    assert (row.status, row.resolved_by) == ("open", None)
    resolving.propose_bearer(row, bearer=Bearer.PLATFORM, by=finance, at=clock.now(), reason="同事在后台手工退款")
    act(client, "discrepancy_confirm_bearer", row, proposal=proposal(client, row))
    row.refresh_from_db()
    assert (row.status, row.resolved_by) == ("explained", cashier)
    assert "同事在后台手工退款" in page(client, row)
    assert "已说明 1 条，其余相符" in page(client, trades)
    statements = listed(client, "statement")
    assert "已说明 1 条，其余相符" in statements
    assert "✓ 已对平" in statements  # of the bill of movements, where nothing differed


def test_a_get_does_nothing_and_a_reason_is_demanded(day: Day, client, finance):
    day.buy("wechat")
    day.plant("wechat", "trade", "drop_line")
    day.over()
    day.reconcile()
    row = Discrepancy.objects.get(kind="only_ours")
    client.force_login(finance)
    for name in ("ask_again", "download_again", "explain"):
        client.get(reverse(f"admin:reconciliation_discrepancy_{name}", args=[row.pk]), headers={"HX-Request": "true"})
    assert [event.what for event in row.events.all()] == ["found"]
    act(client, "discrepancy_explain", row, note="")
    row.refresh_from_db()
    assert row.status == "open"
    act(client, "discrepancy_download_again", row)
    day.reconcile()
    assert "结果（仍不一致：我方“已支付”）" in page(client, row)
    day.reconcile(again=True)
    act(client, "discrepancy_ask_again", row)
    assert [event.what for event in row.events.order_by("pk")] == ["found", "downloaded", "answered", "asked"]
    act(client, "discrepancy_explain", row, note="渠道确认账单漏行，资金无误")
    row.refresh_from_db()
    assert (row.status, row.resolved_by) == ("explained", finance)
    act(client, "discrepancy_explain", row, note="再说一次")
    row.refresh_from_db()
    assert row.reason == "渠道确认账单漏行，资金无误"
    assert clock.now() > row.found_at


def test_a_difference_says_what_it_is_about(day: Day, client, finance):
    """A line that names a payment of ours is not "no such record"; a line and a whole bill have names."""
    day.buy("wechat")
    payment = day.buy("wechat")
    day.plant("wechat", "trade", "duplicate_line", number=payment.payment_no)
    day.plant("alipay", "account", "missing")
    day.over(15)
    day.reconcile()
    client.force_login(finance)
    twice, late = Discrepancy.objects.get(kind="duplicate"), Discrepancy.objects.get(kind="late")
    assert "它提到的是下面这一笔" in page(client, twice)
    assert "没有这笔记录" not in page(client, twice)
    assert "整张账单" in listed(client, "discrepancy")
    act(client, "discrepancy_download_again", late)
    day.reconcile()
    assert "结果（渠道还没有出账" in page(client, late)
    line = Discrepancy(kind="totals", key="line:40", detail="第 40 行：totals: 资金流水总笔数 40, rows 39")
    assert (str(line), wording.detail(line)) == (
        "汇总与明细不符 第 40 行", "第 40 行：汇总写“资金流水总笔数 40”，明细合计 39",
    )  # fmt: skip
    for flaw, words in {
        BillIsGarbled("row", "not UTF-8"): "不是可读的文字",
        BillIsGarbled("收支金额(元)", "1,0"): "“收支金额(元)”写着“1,0”，读不懂",
    }.items():
        assert wording.detail(Discrepancy(kind="garbled", detail=f"第 3 行：{flaw}")) == f"第 3 行：{words}"
    for why, words in {
        BillIsGarbled(
            "garbled_bill", "line 5: columns are missing: 完成时间、商户订单号"
        ): "账单第 5 行缺少栏目：完成时间、商户订单号",
        BillIsGarbled("cut_bill", "line 9: the bill breaks off"): "账单在第 9 行中断，没有结尾：下载不完整",
        OutcomeUnknown("bill_zip", "BadZipFile: File is not a zip file"): "下载的压缩包损坏，或里面没有这张账单",
        OutcomeUnknown("bill_http_503"): "下载账单时渠道答复 HTTP 503",
        BillIsGarbled("totals", "the bill ends before its totals"): "账单没有汇总就中断了：下载不完整",
    }.items():
        assert wording.detail(Discrepancy(kind="late", detail=str(why))) == words
