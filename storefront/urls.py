"""Buyers' addresses."""

from __future__ import annotations

from datetime import date

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from storefront import (
    applying,
    balance,
    checkout,
    connecting,
    express,
    guests,
    notices,
    orders,
    packs,
    pages,
    paying,
    policy_diff,
    products,
    receipts,
    records,
    redirecting,
    refund_answers,
    refunds,
    revealing,
    reviewing,
    support,
)


class PublicNumber(StringConverter):
    """An order's or a refund's number: letters and digits, nothing that a database would stumble over."""

    regex = "[0-9A-Z]{8,20}"


class ReceiptCode(StringConverter):
    """7K2M-…: four groups of four."""

    regex = "[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}"


class PolicyCode(StringConverter):
    regex = "[a-z0-9_-]{1,40}"


class Day:
    """2026-11-21, and only days that there are."""

    regex = "[0-9]{4}-[0-9]{2}-[0-9]{2}"

    def to_python(self, value: str) -> date:
        return date.fromisoformat(value)

    def to_url(self, value: date) -> str:
        return value.isoformat()


register_converter(PublicNumber, "no")
register_converter(ReceiptCode, "receipt_code")
register_converter(PolicyCode, "policy")
register_converter(Day, "day")

app_name = "storefront"
urlpatterns = [
    path("", products.product_list, name="products"),
    path("p/<int:product_id>/", products.product_page, name="product"),
    path("p/<int:product_id>/buy/", checkout.buy, name="buy"),
    path("p/<int:product_id>/reviews/", products.product_reviews, name="product_reviews"),
    path("s/<int:shop_id>/", products.shop_page, name="shop"),
    path("s/<int:shop_id>/reviews/", products.shop_reviews, name="shop_reviews"),
    path("orders/", orders.order_list, name="orders"),
    path("orders/find/", guests.find, name="find"),
    path("orders/claim/", guests.claim, name="claim"),
    path("orders/<no:order_no>/", orders.order_page, name="order"),
    path("orders/<no:order_no>/pay/", paying.pay, name="pay"),
    path("orders/<no:order_no>/pay/back/", paying.back, name="pay_back"),
    path("orders/<no:order_no>/pay/wechat-login/", paying.wechat_login, name="wechat_login"),
    path("orders/<no:order_no>/pay/wechat/", paying.wechat_return, name="wechat_return"),
    path("orders/<no:order_no>/check/", paying.check, name="check"),
    path("orders/<no:order_no>/voucher/", orders.voucher, name="voucher"),
    path("orders/<no:order_no>/policy.txt", orders.policy_text, name="order_policy"),
    path("orders/<no:order_no>/cancel/", orders.cancel, name="cancel"),
    path("orders/<no:order_no>/confirm/", orders.confirm, name="confirm"),
    path("orders/<no:order_no>/late/", orders.take_back, name="take_back"),
    path("orders/<no:order_no>/talk/", orders.say, name="say"),
    path("orders/<no:order_no>/talk.txt", orders.talk_text, name="talk_text"),
    path("orders/<no:order_no>/lines/<int:position>/report/", orders.report, name="report"),
    path("orders/<no:order_no>/lines/<int:position>/reveal/", revealing.reveal, name="reveal"),
    path("orders/<no:order_no>/lines/<int:position>/prove/", revealing.prove, name="prove"),
    path("orders/<no:order_no>/review/", reviewing.write, name="review"),
    path("orders/<no:order_no>/record/", records.order, name="order_record"),
    path("orders/<no:order_no>/record/record.json", records.order_file, name="order_record_file"),
    path("orders/<no:order_no>/refund/", applying.choose_reason, name="apply"),
    path("orders/<no:order_no>/refund/material/", applying.show_material, name="apply_material"),
    path("orders/<no:order_no>/refund/money/", applying.choose_money, name="apply_money"),
    path("orders/<no:order_no>/refund/check/", applying.check_answers, name="apply_check"),
    path("orders/<no:order_no>/refund/one-tap/", applying.take_one_tap, name="apply_one_tap"),
    path("refunds/pictures/<uuid:image_id>/", applying.show_picture, name="apply_picture"),
    path("refunds/", refunds.refund_list, name="refunds"),
    path("refunds/<no:refund_no>/", refunds.refund_page, name="refund"),
    path("refunds/<no:refund_no>/track/", refunds.track, name="track"),
    path("refunds/<no:refund_no>/evidence/", refunds.provide_evidence, name="provide_evidence"),
    path("refunds/<no:refund_no>/withdraw/", refunds.withdraw, name="withdraw"),
    path("refunds/<no:refund_no>/confirm/", refunds.confirm_arrival, name="confirm_arrival"),
    path("refunds/<no:refund_no>/receipt/", receipts.show, name="receipt"),
    path("refunds/<no:refund_no>/pack/", packs.show, name="pack"),
    path("refunds/<no:refund_no>/pack.zip", packs.download, name="pack_file"),
    path("refunds/<no:refund_no>/next-steps/", packs.next_steps, name="next_steps"),
    path("receipts/", receipts.check, name="receipt_check"),
    path("receipts/<no:refund_no>/<receipt_code:code>/", receipts.checked, name="receipt_checked"),
    path("refunds/<no:refund_no>/redirect/", redirecting.sign, name="refund_redirect"),
    path("refunds/<no:refund_no>/answer/<slug:kind>/", refund_answers.answer, name="refund_answer"),
    path("services/<uuid:report_id>/", orders.report_image, name="report_image"),
    path("evidence/<uuid:evidence_id>/", refunds.evidence_image, name="evidence"),
    path("me/balance/", balance.show, name="balance"),
    path("me/balance/cash-out/", balance.cash_out, name="cash_out"),
    path("me/balance/payee/", balance.payee, name="payee"),
    path("me/express/", express.show, name="express"),
    path("me/real-name/", express.verify, name="real_name"),
    path("notices/", notices.notice_list, name="notices"),
    path("notices/read/", notices.read_all, name="read_all"),
    path("notices/<int:notice_id>/", notices.open_notice, name="notice"),
    path("notices/sent/", notices.sent, name="notices_sent"),
    path("notices/settings/", notices.choose, name="notice_settings"),
    path("notices/settings/phone/", notices.phone, name="notice_phone"),
    path("notices/settings/wechat/", connecting.begin, name="notice_wechat"),
    path("notices/settings/wechat/back/", connecting.back, name="notice_wechat_back"),
    path("notices/settings/wechat/forget/", connecting.forget, name="notice_wechat_forget"),
    path("policies/<policy:code>/<int:version>/", pages.policy_page, name="policy"),
    path("policies/<policy:code>/<int:version>.txt", pages.policy_text, name="policy_text"),
    path("policies/<policy:code>/<int:earlier>-<int:later>/", policy_diff.policy_diff, name="policy_diff"),
    path("policies/<policy:code>/<int:version>/examples/", pages.policy_examples, name="policy_examples"),
    path("agreement/", pages.agreement_page, name="agreement"),
    path("agreement.txt", pages.agreement_text, name="agreement_text"),
    path("records/", records.record_list, name="records"),
    path("records/<day:day>.json", records.daily_root, name="daily_root"),
    path("records/key.json", records.key, name="record_key"),
    path("records/check_record.py", records.checker, name="check_record"),
    path("records/check_pack.py", records.pack_checker, name="check_pack"),
    path("orders/<no:order_no>/complain/", support.complain, name="complain"),
    path("support/", support.center, name="support"),
    path("support/assistant/", support.ask_assistant, name="assistant"),
    path("support/tickets/", support.ticket_list, name="tickets"),
    path("support/tickets/new/", support.new_ticket, name="new_ticket"),
    path("support/tickets/<no:ticket_no>/", support.ticket_page, name="ticket"),
    path("support/tickets/<no:ticket_no>/say/", support.ticket_say, name="ticket_say"),
    path("support/complaints/", support.complaint_list, name="complaints"),
    path("support/complaints/<no:complaint_no>/", support.complaint_page, name="complaint"),
    path("support/pictures/<uuid:picture_id>/", support.picture, name="support_picture"),
    path("support/verify/", support.verify, name="verify"),
    path("help/", pages.help_page, name="help"),
    path("status/", pages.status_page, name="status"),
    path("language/", pages.choose_language, name="language"),
    path("robots.txt", pages.robots, name="robots"),
    path("favicon.ico", pages.favicon, name="favicon"),
]
