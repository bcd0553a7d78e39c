"""The API's addresses. Numbers that cannot be one of ours are no address at all."""

from __future__ import annotations

from django.urls import path, re_path, register_converter

from api import docs, orders, payouts, products, refunds, shop
from api.door import NoSuchAddress


class OrderNo:
    regex = "D[0-9A-Z]{14}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class RefundNo(OrderNo):
    regex = "R[0-9A-Z]{14}"


class BatchNo(OrderNo):
    regex = "F[0-9A-Z]{14}"


class StepName(OrderNo):
    regex = "[a-z_]{1,40}"


register_converter(OrderNo, "order_no")
register_converter(RefundNo, "refund_no")
register_converter(BatchNo, "batch_no")
register_converter(StepName, "step")

app_name = "api"
urlpatterns = [
    path("products/", products.Products.as_view(), name="products"),
    path("orders/", orders.Orders.as_view(), name="orders"),
    path("orders/<order_no:order_no>/", orders.OneOrder.as_view(), name="order"),
    path("orders/<order_no:order_no>/eligibility/", orders.OrderEligibility.as_view(), name="eligibility"),
    path("refunds/", refunds.Refunds.as_view(), name="refunds"),
    path("refunds/batch/", refunds.BatchOfRefunds.as_view(), name="refund_batch"),
    path("refunds/release/", refunds.ReleaseRefunds.as_view(), name="release"),
    path("refunds/<refund_no:refund_no>/", refunds.OneRefund.as_view(), name="refund"),
    path("refunds/<refund_no:refund_no>/steps/<step:step>/", refunds.StepOfRefund.as_view(), name="step"),
    path("refunds/<refund_no:refund_no>/evidence/", refunds.EvidenceOfCase.as_view(), name="evidence"),
    path("payouts/", payouts.Payouts.as_view(), name="payouts"),
    path("payouts/<batch_no:batch_no>/", payouts.OnePayout.as_view(), name="payout"),
    path("payouts/<batch_no:batch_no>/steps/<step:step>/", payouts.StepOfPayout.as_view(), name="payout_step"),
    path("shop/orders/", shop.ShopOrders.as_view(), name="shop_orders"),
    path("shop/orders/<order_no:order_no>/", shop.OneShopOrder.as_view(), name="shop_order"),
    path("shop/refunds/", shop.ShopRefunds.as_view(), name="shop_refunds"),
    path("shop/refunds/<refund_no:refund_no>/", shop.OneShopRefund.as_view(), name="shop_refund"),
    path("schema/", docs.Schema.as_view(), name="schema"),
    path("docs/", docs.Docs.as_view(), name="docs"),
    re_path(r"^(?:.*/)?$", NoSuchAddress.as_view(), name="none"),
]
