"""店铺记录 on the desk: every change of a shop's life, of its people and of its badge, in words."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from accounts.desk import Desk, called, link, when
from shops.models import ShopEvent, ShopRole, ShopStatus

STEP_WORDS = {
    "open": "开店",
    "suspend": "暂停营业",
    "reinstate": "恢复营业",
    "leave": "申请退出",
    "dismiss": "清退",
    "close": "关店",
    "earn_badge": "获得保障标识",
    "lose_badge": "失去保障标识",
    "complaint_upheld": "投诉成立",
    "add_member": "添加店员",
    "set_role": "更改店员身份",
    "remove_member": "移除店员",
    "make_key": "新建接口密钥",
    "revoke_key": "吊销接口密钥",
    "add_webhook": "添加回调地址",
    "change_webhook": "更改回调地址",
    "webhook_secret": "更换回调密钥",
    "webhook_on": "启用回调地址",
    "webhook_off": "停用回调地址",
}


@admin.register(ShopEvent)
class ShopEventDesk(Desk):
    """店铺记录: every change of a shop's life, of its people and of its badge."""

    list_display = ("moment", "shop_link", "what", "to_status", "who", "why")
    list_display_links = ("moment",)
    exact_search = ("shop__name", "actor__username")
    search_help_text = "店铺名 / 账号"
    ordering = ("-pk",)
    list_select_related = ("shop", "actor")
    fields = ("shop_link", "what", "from_status", "to_status", "who", "why", "moment")
    readonly_fields = fields

    moment = when("at", "时间")

    @admin.display(description="店铺")
    def shop_link(self, event: ShopEvent) -> SafeString | str:
        return link(event.shop)

    @admin.display(description="事件")
    def what(self, event: ShopEvent) -> str:
        return STEP_WORDS.get(event.step, event.step)

    @admin.display(description="操作人")
    def who(self, event: ShopEvent) -> str:
        return called(event.actor)

    @admin.display(description="原因")
    def why(self, event: ShopEvent) -> str:
        """A role or a status that is kept by its key, in words; rows from before have the words."""
        if event.step in {"add_member", "set_role", "remove_member"}:
            name, _space, role = event.reason.rpartition(" ")
            return f"{name} {dict(ShopRole.choices).get(role, role)}"
        if event.step == "lose_badge":
            return str(dict(ShopStatus.choices).get(event.reason, event.reason))
        return event.reason
