"""客服台 as a whole: its sidebar by task, and the wider content policy that Unfold needs (start page: beside it).

Composes what the apps register in their own ``admin.py``; named by dotted path in ``settings.UNFOLD``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static

from accounts import rights
from accounts.desk import list_url
from accounts.rights import Act
from payments import outgoing
from refunds import worklist

PREFIX = "/admin/"


class DeskContentPolicy:
    """Unfold's Alpine evaluates expressions: the desk gets its own policy, everything else keeps the strict one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path_info.startswith(PREFIX):
            response._csp_config = settings.ADMIN_CONTENT_SECURITY_POLICY  # type: ignore[attr-defined]
        return response


# --- sidebar --------------------------------------------------------------------------------------------------------


class Entry(NamedTuple):
    """One line of the menu."""

    title: str
    icon: str
    model: str  # who may see it sees the line
    queue: str = ""  # of the worklist


#: {group: its lines}.
SIDEBAR: dict[str, list[Entry]] = {
    "审核": [
        Entry("待审核", "rule", "refunds.refund", "review"),
        Entry("全部退款单", "receipt_long", "refunds.refund", "all"),
        Entry("商家异议", "balance", "refunds.refund", "objections"),
        Entry("退款记录", "history", "refunds.refundevent"),
        Entry("常用回复", "quickreply", "refunds.cannedreply"),
        Entry("自动退款抽查", "fact_check", "refunds.auditsample"),
        Entry("自动通道额度", "speed", "refunds.lanelimits"),
        Entry("工作日历", "calendar_month", "workcalendar.calendarplan"),
    ],
    "客服": [
        Entry("工单", "support_agent", "support.ticket"),
        Entry("投诉商家", "report", "support.shopcomplaint"),
        Entry("沟通", "forum", "support.talk"),
    ],
    "放款": [
        Entry("待放款", "payments", "refunds.refund", "release"),
        Entry("退款异常", "report", "refunds.refund", "returned"),
        Entry("分批发款", "playlist_add_check", "refunds.payoutbatch"),
        Entry("发款明细", "list_alt", "refunds.payoutline"),
        Entry("发款", "outbox", "refunds.disbursement"),
        Entry("到账校准", "event_available", "refunds.arrivalfigures"),
        Entry("转账", "send_money", "payments.transfer"),
        Entry("出款开关", "block", "payments.outgoingswitch"),
    ],
    "渠道": [
        Entry("渠道退款", "sync_alt", "payments.refundattempt"),
        Entry("收款", "account_balance_wallet", "payments.payment"),
        Entry("渠道通知", "notifications", "payments.channelnotification"),
        Entry("拒收通知", "gpp_bad", "payments.refusednotification"),
        Entry("渠道账户", "store", "payments.channelaccount"),
    ],
    "对账": [
        Entry("对账单", "rule_folder", "reconciliation.statement"),
        Entry("差错", "difference", "reconciliation.discrepancy"),
    ],
    "订单": [
        Entry("订单", "shopping_bag", "orders.order"),
        Entry("直充单", "bolt", "orders.topup"),
        Entry("取消", "cancel", "orders.cancellation"),
        Entry("批量取消", "playlist_remove", "orders.bulkcancellation"),
        Entry("平台赔付", "volunteer_activism", "orders.compensation"),
        Entry("公告", "campaign", "orders.announcement"),
        Entry("评价", "reviews", "orders.review"),
        Entry("站内通知", "mail", "notices.notice"),
        Entry("通知发送", "forward_to_inbox", "notices.noticedelivery"),
    ],
    "商品": [
        Entry("商品", "sell", "shops.product"),
        Entry("分类", "category", "shops.category"),
        Entry("优惠券", "local_offer", "shops.coupon"),
        Entry("退款政策", "policy", "shops.refundpolicy"),
        Entry("政策试算", "science", "refunds.policysimulation"),
        Entry("卡密", "key", "shops.cardcode"),
        Entry("卡密记录", "visibility", "shops.codeevent"),
        Entry("入库批次", "upload_file", "shops.stockimport"),
    ],
    "店铺": [
        Entry("店铺", "storefront", "shops.shop"),
        Entry("入驻申请", "how_to_reg", "shops.shopapplication"),
        Entry("店铺记录", "history", "shops.shopevent"),
        Entry("保证金流水", "savings", "shops.depositentry"),
        Entry("退还保证金", "savings", "shops.depositreturn"),
        Entry("保障标识条件", "verified_user", "shops.guaranteeterms"),
        Entry("接口密钥", "vpn_key", "integrations.shopkey"),
        Entry("回调地址", "webhook", "integrations.webhookendpoint"),
        Entry("回调记录", "outgoing_mail", "integrations.webhookdelivery"),
        Entry("供应商", "local_shipping", "shops.supplier"),
        Entry("供应商答复", "fact_check", "shops.supplieranswer"),
    ],
    "账本": [
        Entry("账户", "account_balance", "ledger.account"),
        Entry("记账", "menu_book", "ledger.posting"),
        Entry("分录", "list_alt", "ledger.entry"),
    ],
    "账号": [
        Entry("账号", "group", "accounts.user"),
        Entry("操作日志", "manage_history", "admin.logentry"),
        Entry("证据包下载", "folder_zip", "records.packdownload"),
    ],
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Groups by task; what somebody may not see is not there."""
    backlog = worklist.backlog_now(request)
    groups = [
        {
            "title": title,
            "items": [_item(request, each, backlog) for each in lines if rights.may(request.user, Act.SEE, each.model)],
        }
        for title, lines in SIDEBAR.items()
    ]
    start = {"title": "工作台", "icon": "space_dashboard", "link": PREFIX, "active": request.path == PREFIX}
    mine = _item(request, Entry("我的待办", "inbox", "refunds.refund", "mine"), backlog)
    return [{"title": None, "items": [start, mine]}, *(group for group in groups if group["items"])]


def _item(request: HttpRequest, entry: Entry, backlog: worklist.Backlog) -> dict[str, Any]:
    model, queue = apps.get_model(entry.model), entry.queue
    address = list_url(model, queue=queue) if queue not in {"", "mine"} else list_url(model)
    is_here = _is_here(request, address, queue)
    item: dict[str, Any] = {"title": entry.title, "icon": entry.icon, "link": address, "active": is_here}
    waiting = backlog.of(queue) if queue in worklist.COUNTED else worklist.Waiting()
    if waiting.count:
        item |= {"badge": waiting.said, "badge_variant": "danger" if waiting.late else "info"}
    return item


def _is_here(request: HttpRequest, address: str, queue: str) -> bool:
    path = address.split("?")[0]
    if not queue:
        return request.path.startswith(path)
    return request.path == path and worklist.queue_of(request.GET, request.user) == queue


def environment(request: HttpRequest) -> list[str] | None:
    """A mark at the head of every page: outgoing money is stopped, or no real money moves."""
    if rights.is_staff(request.user) and switches_now(request).everything:
        return ["全部出款已停止", "danger"]
    return None if settings.CHANNELS == "live" else ["模拟渠道", "warning"]


def switches_now(request: HttpRequest) -> outgoing.Stopped:
    """How the switches of outgoing money stand: asked once for a page."""
    if not hasattr(request, "_switches"):
        request._switches = outgoing.now()  # type: ignore[attr-defined]
    return request._switches  # type: ignore[attr-defined]


def stylesheet(request: HttpRequest) -> str:
    return static("desk/desk.css")
