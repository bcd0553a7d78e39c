"""买家评价 on the desk: what was said, what the shop answered; hidden and shown again with a reason."""

from __future__ import annotations

from functools import cached_property

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

import clock
from accounts.desk import ActsDesk, DialogForm, badge, called, key, link, log, me, note_field, page_url, staff_act, when
from orders import reviews
from orders.models import Review


class HideForm(DialogForm):
    reason = note_field(
        required=True,
        label="隐藏的原因",
        help_text="记入评价，不超过 200 字。只隐藏泄露隐私、辱骂、广告或与商品无关的；差评本身不是理由。",
    )

    @cached_property
    def refusal(self) -> str:
        review = Review.objects.filter(pk=key(self.object_id)).first()
        if review is None:
            return "没有这条评价。"
        return "这条评价已经隐藏。" if review.is_hidden else ""


class ShowForm(DialogForm):
    @cached_property
    def refusal(self) -> str:
        review = Review.objects.filter(pk=key(self.object_id)).first()
        if review is None:
            return "没有这条评价。"
        return "" if review.is_hidden else "这条评价正在显示。"


@admin.register(Review)
class ReviewDesk(ActsDesk):
    list_display = ("at_time", "stars_shown", "text", "product_link", "shop_link", "about_refund", "state")
    list_display_links = ("at_time",)
    list_filter = ("is_hidden", "about_refund", "stars")
    exact_search = ("order__order_no", "author__username", "shop__name")
    search_help_text = "订单号 / 买家账号 / 店铺名"
    ordering = ("-pk",)
    list_select_related = ("product", "shop", "author", "order", "hidden_by")
    fieldsets = (
        (None, {"fields": (("stars_shown", "state"), ("product_link", "shop_link"), ("order_link", "who"), "text")}),
        ("商家回复", {"fields": ("reply", "replied_at")}),
        ("管理", {"fields": ("about_refund", "hidden_reason", ("moderator", "hidden"))}),
    )
    readonly_fields = ("stars_shown", "state", "product_link", "shop_link", "order_link", "who", "moderator", "hidden")
    actions_detail = ("hide", "show")

    at_time = when("at", "时间")
    hidden = when("hidden_at", "隐藏时间")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Review]:
        return super().get_queryset(request).select_related("product", "shop", "author", "order", "hidden_by")

    def acts_of(self, row: Review) -> list[str]:
        return ["show"] if row.is_hidden else ["hide"]

    @admin.display(description="评分")
    def stars_shown(self, row: Review) -> str:
        return f"{'★' * row.stars}{'☆' * (5 - row.stars)}"

    @admin.display(description="状态")
    def state(self, row: Review) -> SafeString:
        return badge("已隐藏", "attention") if row.is_hidden else badge("显示中", "good")

    @admin.display(description="商品")
    def product_link(self, row: Review) -> SafeString | str:
        return link(row.product)

    @admin.display(description="店铺")
    def shop_link(self, row: Review) -> SafeString | str:
        return link(row.shop)

    @admin.display(description="订单")
    def order_link(self, row: Review) -> SafeString | str:
        return link(row.order)

    @admin.display(description="买家")
    def who(self, row: Review) -> str:
        return called(row.author)

    @admin.display(description="隐藏人")
    def moderator(self, row: Review) -> str:
        return called(row.hidden_by) if row.hidden_by else "–"

    @staff_act(
        HideForm, title="隐藏", submit="隐藏这条评价", icon="visibility_off", danger=True,
        refused_by=(reviews.CannotReview,),
    )  # fmt: skip
    def hide(self, request: HttpRequest, form: HideForm, object_id: str) -> str:
        review = Review.objects.get(pk=key(object_id))
        reviews.hide(review, by=me(request), at=clock.now(), reason=form.cleaned_data["reason"])
        return self._done(request, review, "已隐藏，买家和访客都看不到了。", "隐藏评价：" + form.cleaned_data["reason"])

    @staff_act(
        ShowForm, title="恢复显示", submit="恢复显示", icon="visibility", refused_by=(reviews.CannotReview,)
    )  # fmt: skip
    def show(self, request: HttpRequest, form: ShowForm, object_id: str) -> str:
        review = Review.objects.get(pk=key(object_id))
        reviews.show(review, by=me(request))
        return self._done(request, review, "已恢复显示。", "恢复显示评价")

    def _done(self, request: HttpRequest, review: Review, told: str, words: str) -> str:
        log(request, [review], words)
        messages.success(request, told)
        return page_url(review)
