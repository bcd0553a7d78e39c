"""Shops' addresses."""

from __future__ import annotations

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from portal import (
    applying,
    claim_answers,
    complaints,
    door,
    imports,
    integrations,
    money,
    orders,
    people,
    products,
    records,
    refunds,
    shop,
    stock,
    withdrawing,
)


class PublicNumber(StringConverter):
    """An order's or a refund's number, as in ``storefront/urls.py``."""

    regex = "[0-9A-Z]{8,20}"


register_converter(PublicNumber, "shop_no")

app_name = "portal"
urlpatterns = [
    path("shop/", orders.order_list, name="orders"),
    path("shop/orders/<shop_no:order_no>/", orders.order_page, name="order"),
    path("shop/orders/<shop_no:order_no>/talk/", orders.say, name="say"),
    path("shop/orders/<shop_no:order_no>/cancel/", orders.cancel, name="cancel"),
    path("shop/orders/<shop_no:order_no>/recipient/", orders.see_recipient, name="see_recipient"),
    path("shop/orders/<shop_no:order_no>/lines/<int:position>/start/", orders.start, name="start"),
    path("shop/orders/<shop_no:order_no>/lines/<int:position>/report/", orders.report, name="report"),
    path("shop/orders/<shop_no:order_no>/lines/<int:position>/hand-over/", orders.hand_over, name="hand_over"),
    path("shop/orders/<shop_no:order_no>/record/", records.order, name="order_record"),
    path("shop/orders/<shop_no:order_no>/record/record.json", records.order_file, name="order_record_file"),
    path("shop/refunds/", refunds.refund_list, name="refunds"),
    path("shop/refunds/<shop_no:refund_no>/", refunds.refund_page, name="refund"),
    path("shop/refunds/<shop_no:refund_no>/<slug:kind>/", claim_answers.answer, name="answer"),
    path("shop/complaints/", complaints.complaint_list, name="complaints"),
    path("shop/complaints/<shop_no:complaint_no>/", complaints.complaint_page, name="complaint"),
    path("shop/complaints/<shop_no:complaint_no>/answer/", complaints.answer, name="answer_complaint"),
    path("shop/products/", products.product_list, name="products"),
    path("shop/products/new/", products.new_product, name="new_product"),
    path("shop/products/<int:product_id>/", products.product_page, name="product"),
    path("shop/products/<int:product_id>/listed/", products.set_listed, name="set_listed"),
    path("shop/stock/", stock.stock_list, name="stock"),
    path("shop/products/<int:product_id>/stock/", stock.product_stock, name="product_stock"),
    path("shop/products/<int:product_id>/stock/take-out/", stock.take_out, name="take_out"),
    path("shop/products/<int:product_id>/imports/", imports.import_list, name="stock_imports"),
    path("shop/imports/<int:import_id>/", imports.import_page, name="stock_import"),
    path("shop/imports/<int:import_id>/progress/", imports.import_progress, name="import_progress"),
    path("shop/imports/<int:import_id>/confirm/", imports.confirm, name="confirm_import"),
    path("shop/imports/<int:import_id>/discard/", imports.discard, name="discard_import"),
    path("shop/imports/<int:import_id>/take-out/", imports.take_out_import, name="take_out_import"),
    path("shop/codes/<uuid:code_id>/", stock.code_page, name="stock_code"),
    path("shop/codes/<uuid:code_id>/release/", stock.release, name="release_code"),
    path("shop/coupons/", products.coupon_list, name="coupons"),
    path("shop/coupons/new/", products.new_coupon, name="new_coupon"),
    path("shop/coupons/<int:coupon_id>/", products.coupon_page, name="coupon"),
    path("shop/reviews/", shop.review_list, name="reviews"),
    path("shop/reviews/<int:review_id>/reply/", shop.reply, name="reply"),
    path("shop/figures/", shop.figures_page, name="figures"),
    path("shop/deposit/", shop.deposit_page, name="deposit"),
    path("shop/money/", money.money_page, name="money"),
    path("shop/money/<int:year>-<int:month>/", money.statement_page, name="statement"),
    path("shop/money/<int:year>-<int:month>/statement.csv", money.statement_file, name="statement_file"),
    path("shop/withdraw/", withdrawing.withdraw, name="withdraw"),
    path("shop/withdraw/payee/", withdrawing.payee, name="payee"),
    path("shop/people/", people.people_page, name="people"),
    path("shop/people/<int:member_id>/role/", people.set_role, name="set_role"),
    path("shop/people/<int:member_id>/remove/", people.remove, name="remove_member"),
    path("shop/leave/", people.leave, name="leave"),
    path("shop/keys/", integrations.key_list, name="shop_keys"),
    path("shop/keys/<int:shop_key_id>/revoke/", integrations.revoke_key, name="revoke_key"),
    path("shop/keys/shown-once/", integrations.shown_once, name="shown_once"),
    path("shop/webhooks/", integrations.webhook_list, name="webhooks"),
    path("shop/webhooks/<uuid:webhook_id>/", integrations.webhook_page, name="webhook"),
    path("shop/webhooks/<uuid:webhook_id>/switch/", integrations.switch_webhook, name="switch_webhook"),
    path("shop/webhooks/<uuid:webhook_id>/ping/", integrations.ping_webhook, name="ping_webhook"),
    path("shop/webhooks/<uuid:webhook_id>/secret/", integrations.new_webhook_secret, name="new_webhook_secret"),
    path("shop/webhooks/deliveries/<uuid:delivery_id>/again/", integrations.send_again, name="send_again"),
    path("shop/choose/", door.choose, name="choose"),
    path("shop/apply/", applying.apply, name="apply"),
    path("shop/documents/<uuid:document_id>/", applying.document, name="document"),
]
