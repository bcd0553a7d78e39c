"""客服台 as a whole: its sidebar by task, its start page, and the wider content policy that Unfold needs.

Composes what the apps register in their own ``admin.py``; named by dotted path in ``settings.UNFOLD``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static
from django.urls import reverse

import clock
from accounts import rights
from accounts.desk import MOST_COUNTED, how_long, list_url
from accounts.models import User
from accounts.rights import Act
from accounts.roles import Role
from cardshop import finance_day
from money import yuan
from notices.models import DeliveryStatus, NoticeDelivery
from orders.models import TopUp
from payments import outgoing, waiting
from payments.models import AttemptStatus as A
from payments.models import ChannelAccount, RefundAttempt
from reconciliation.models import Discrepancy, DiscrepancyStatus
from refunds import audits, lanes, worklist
from refunds.admin import overview
from refunds.models import AuditSample, BatchStatus, Lane, LineStatus, PayoutBatch, Refund
from refunds.payouts import totals

PREFIX = "/admin/"
MOST_NAMED = 5


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

SIDEBAR: list[tuple[str, list[tuple[str, str, str, str]]]] = [
    # group: (title, icon, model, queue of the worklist)
    (
        "审核",
        [
            ("待审核", "rule", "refunds.refund", "review"),
            ("全部退款单", "receipt_long", "refunds.refund", "all"),
            ("商家异议", "balance", "refunds.refund", "objections"),
            ("退款记录", "history", "refunds.refundevent", ""),
            ("常用回复", "quickreply", "refunds.cannedreply", ""),
            ("自动退款抽查", "fact_check", "refunds.auditsample", ""),
            ("自动通道额度", "speed", "refunds.lanelimits", ""),
            ("工作日历", "calendar_month", "workcalendar.calendarplan", ""),
        ],
    ),
    (
        "客服",
        [
            ("工单", "support_agent", "support.ticket", ""),
            ("投诉商家", "report", "support.shopcomplaint", ""),
            ("沟通", "forum", "support.talk", ""),
        ],
    ),
    (
        "放款",
        [
            ("待放款", "payments", "refunds.refund", "release"),
            ("退款异常", "report", "refunds.refund", "returned"),
            ("分批发款", "playlist_add_check", "refunds.payoutbatch", ""),
            ("发款明细", "list_alt", "refunds.payoutline", ""),
            ("发款", "outbox", "refunds.disbursement", ""),
            ("到账校准", "event_available", "refunds.arrivalfigures", ""),
            ("转账", "send_money", "payments.transfer", ""),
            ("出款开关", "block", "payments.outgoingswitch", ""),
        ],
    ),
    (
        "渠道",
        [
            ("渠道退款", "sync_alt", "payments.refundattempt", ""),
            ("收款", "account_balance_wallet", "payments.payment", ""),
            ("渠道通知", "notifications", "payments.channelnotification", ""),
            ("拒收通知", "gpp_bad", "payments.refusednotification", ""),
            ("渠道账户", "store", "payments.channelaccount", ""),
        ],
    ),
    (
        "对账",
        [
            ("对账单", "rule_folder", "reconciliation.statement", ""),
            ("差错", "difference", "reconciliation.discrepancy", ""),
        ],
    ),
    (
        "订单",
        [
            ("订单", "shopping_bag", "orders.order", ""),
            ("直充单", "bolt", "orders.topup", ""),
            ("取消", "cancel", "orders.cancellation", ""),
            ("批量取消", "playlist_remove", "orders.bulkcancellation", ""),
            ("平台赔付", "volunteer_activism", "orders.compensation", ""),
            ("公告", "campaign", "orders.announcement", ""),
            ("评价", "reviews", "orders.review", ""),
            ("站内通知", "mail", "notices.notice", ""),
            ("通知发送", "forward_to_inbox", "notices.noticedelivery", ""),
        ],
    ),
    (
        "商品",
        [
            ("商品", "sell", "shops.product", ""),
            ("分类", "category", "shops.category", ""),
            ("优惠券", "local_offer", "shops.coupon", ""),
            ("退款政策", "policy", "shops.refundpolicy", ""),
            ("政策试算", "science", "refunds.policysimulation", ""),
            ("卡密", "key", "shops.cardcode", ""),
            ("卡密记录", "visibility", "shops.codeevent", ""),
            ("入库批次", "upload_file", "shops.stockimport", ""),
        ],
    ),
    (
        "店铺",
        [
            ("店铺", "storefront", "shops.shop", ""),
            ("入驻申请", "how_to_reg", "shops.shopapplication", ""),
            ("店铺记录", "history", "shops.shopevent", ""),
            ("保证金流水", "savings", "shops.depositentry", ""),
            ("退还保证金", "savings", "shops.depositreturn", ""),
            ("保障标识条件", "verified_user", "shops.guaranteeterms", ""),
            ("接口密钥", "vpn_key", "integrations.shopkey", ""),
            ("回调地址", "webhook", "integrations.webhookendpoint", ""),
            ("回调记录", "outgoing_mail", "integrations.webhookdelivery", ""),
            ("供应商", "local_shipping", "shops.supplier", ""),
            ("供应商答复", "fact_check", "shops.supplieranswer", ""),
        ],
    ),
    (
        "账本",
        [
            ("账户", "account_balance", "ledger.account", ""),
            ("记账", "menu_book", "ledger.posting", ""),
            ("分录", "list_alt", "ledger.entry", ""),
        ],
    ),
    (
        "账号",
        [
            ("账号", "group", "accounts.user", ""),
            ("操作日志", "manage_history", "admin.logentry", ""),
            ("证据包下载", "folder_zip", "records.packdownload", ""),
        ],
    ),
]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Groups by task; what somebody may not see is not there."""
    backlog = worklist.backlog_now(request)
    groups = [
        {
            "title": title,
            "items": [_item(request, *row, backlog) for row in rows if rights.may(request.user, Act.SEE, row[2])],
        }
        for title, rows in SIDEBAR
    ]
    start = {"title": "工作台", "icon": "space_dashboard", "link": PREFIX, "active": request.path == PREFIX}
    mine = _item(request, "我的待办", "inbox", "refunds.refund", "mine", backlog)
    return [{"title": None, "items": [start, mine]}, *(group for group in groups if group["items"])]


def _item(
    request: HttpRequest, title: str, icon: str, label: str, queue: str, backlog: worklist.Backlog
) -> dict[str, Any]:
    model = apps.get_model(label)
    address = list_url(model, queue=queue) if queue not in {"", "mine"} else list_url(model)
    item: dict[str, Any] = {"title": title, "icon": icon, "link": address, "active": _is_here(request, address, queue)}
    waiting = backlog.of(queue) if queue in worklist.COUNTED else worklist.Waiting()
    if waiting.count:
        item |= {"badge": waiting.said, "badge_variant": "danger" if waiting.late else "info"}
    return item


def _is_here(request: HttpRequest, address: str, queue: str) -> bool:
    path = address.split("?")[0]
    if not queue:
        return request.path.startswith(path)
    return request.path == path and worklist.queue_of(request.GET, request.user) == queue


# --- start page -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tile:
    """One number on the start page: how much waits, how much of it is late, and where it waits."""

    title: str
    count: int
    late: int
    url: str
    hint: str
    share: int  # of the longest tile of its row, in percent

    @property
    def said(self) -> str:
        return worklist.said(self.count)

    @property
    def late_said(self) -> str:
        return worklist.said(self.late)

    @property
    def late_share(self) -> int:
        return round(self.late * self.share / self.count) if self.count else 0


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The start page: what waits for whom, each a link; then what will be late, and how long it takes."""
    at, user = clock.now(), request.user
    rows: list[tuple[str, str, list[Tile]]] = []
    if has_its_day := isinstance(user, User) and user.role == Role.FINANCE:
        day = finance_day.parts(user, worklist.backlog_now(request), at=at)
        context |= {"day": day, "moved": finance_day.chart(at=at)}
    else:
        rows += _of_cases_and_money(request, at)
    if rights.may(user, Act.SEE, "payments.refundattempt"):
        rows.append(("渠道账户", "需要充值或修复的商户号", _accounts()))
    if rights.may(user, Act.SEE, "reconciliation.discrepancy") and not has_its_day:
        rows.append(("对账", "渠道账单与我方账目", _discrepancies(at)))
    if rights.may(user, Act.SEE, "orders.topup"):
        rows.append(("直充单", "供应商迟迟没有结果的", _topups(at)))
    if rights.may(user, Act.JUDGE, "refunds.auditsample") or rights.may(user, Act.PAUSE, "refunds.lanelimits"):
        rows.append(("自动退款", "系统自动通过的，抽出一部分给人看", _audits(at)))
    if rights.may(user, Act.SEE, "notices.noticedelivery"):
        rows.append(("通知", "发到站外的邮件、短信与微信消息", _messages()))
    return context | {
        "tile_rows": rows,
        "looked_at": at,
        "my_role": user.get_role_display() if isinstance(user, User) else "",
        "my_queue": list_url(Refund),
        **overview.of(user, at=at),
    }


def _of_cases_and_money(request: HttpRequest, at: datetime) -> list[tuple[str, str, list[Tile]]]:
    """What finance reads in the order of its day."""
    rows = [("退款单", "等谁处理", _cases(worklist.backlog_now(request)))]
    if rights.may(request.user, Act.SEE, "refunds.payoutbatch"):
        rows.append(("分批发款", "等人复核、继续或重试的批次", _payouts()))
    if rights.may(request.user, Act.SEE, "payments.refundattempt"):
        rows.append(("渠道退款", "已放款，渠道侧的情况", _attempts(at)))
    return rows


def _cases(backlog: worklist.Backlog) -> list[Tile]:
    found = [(name, backlog.of(name)) for name in worklist.COUNTED]
    longest = max((waiting.count for _, waiting in found), default=0) or 1
    return [
        Tile(
            worklist.QUEUES[name].title,
            waiting.count,
            waiting.late,
            list_url(Refund, queue=name),
            worklist.QUEUES[name].hint,
            round(100 * waiting.count / longest),
        )
        for name, waiting in found
    ]


ATTEMPT_HINTS: dict[A, str] = {
    A.HELD: "需要财务核对后决定",
    A.WAITING_FUNDS: "没有退款在等余额",
    A.RETURNED: "收款账户没有收下，钱还在渠道",
    A.UNKNOWN: "正在用同一单号询问，不会重复退款",
    A.ACCEPTED: "渠道处理中",
}
PAYOUT_HINTS: dict[BatchStatus, str] = {
    BatchStatus.PROPOSED: "由制单人以外的财务复核",
    BatchStatus.STOPPED: "继续，或撤下未发的",
}
QUEUE_OF = {A.HELD: "held", A.WAITING_FUNDS: "funds", A.RETURNED: "returned"}


def _attempts(at: datetime) -> list[Tile]:
    """By status, and the sum that each account must be topped up by; then the surplus that no case tells of."""
    counts = worklist.attempts_by_status(list(ATTEMPT_HINTS))
    hints = ATTEMPT_HINTS | ({A.WAITING_FUNDS: f"{sums}，请充值"} if (sums := _sums_that_wait()) else {})
    rows = [(str(status.label), counts.get(status, 0), _attempts_url(status), hint) for status, hint in hints.items()]
    surplus, oldest_at = waiting.surplus(most=MOST_COUNTED)
    said = f"最早一笔已收 {how_long(at - oldest_at)}，请再次退回" if oldest_at else "多收的款项都已退回"
    rows.append((waiting.QUEUES["surplus"].title, surplus, list_url(RefundAttempt, queue="surplus"), said))
    longest = max(found for _, found, _, _ in rows) or 1
    return [Tile(title, found, 0, url, hint, round(100 * found / longest)) for title, found, url, hint in rows]


def _payouts() -> list[Tile]:
    """Batches that wait for somebody; then the page of everything that does not move."""
    counts = totals.waiting_for_people(most=MOST_COUNTED)
    rows = [
        (str(status.label), counts[status], list_url(PayoutBatch, status__exact=status.value), hint)
        for status, hint in PAYOUT_HINTS.items()
    ]
    failed = counts[LineStatus.FAILED]
    rows.append(("没有动的款项", failed, reverse("admin:refunds_payoutbatch_stuck"), "批次里未放款的，和停在别处的"))
    longest = max(found for _, found, _, _ in rows) or 1
    return [Tile(title, found, 0, url, hint, round(100 * found / longest)) for title, found, url, hint in rows]


def _topups(at: datetime) -> list[Tile]:
    """Those that lie with the operators, and how many of them are past their time."""
    waits = TopUp.objects.filter(person_due_at__isnull=False)
    found = waits.aggregate(count=Count("pk"), late=Count("pk", filter=Q(person_due_at__lt=at)))
    hint = "凭直充单号向供应商核实，再作认定" if found["count"] else "没有超时的直充"
    url = list_url(TopUp, queue="person")
    return [Tile("待人工核实", found["count"], found["late"], url, hint, 100 if found["count"] else 0)]


def _discrepancies(at: datetime) -> list[Tile]:
    """Differences that nobody has explained yet, and how many of them are past their time."""
    waits = Discrepancy.objects.filter(status=DiscrepancyStatus.OPEN).order_by()
    count = waits[:MOST_COUNTED].count()
    late = waits.filter(due_at__lt=at)[:MOST_COUNTED].count()
    url = list_url(Discrepancy, status__exact=DiscrepancyStatus.OPEN.value)
    hint = "逐条核实后说明原因" if count else "都已对平或说明了原因"
    return [Tile("待处理差错", count, late, url, hint, 100 if count else 0)]


def _audits(at: datetime) -> list[Tile]:
    """Samples that wait to be looked at, how often they were wrong, and which lanes are paused."""
    found = audits.figures(at=at).values()
    waiting, checked, wrong = (sum(getattr(row, name) for row in found) for name in ("waiting", "checked", "wrong"))
    paused = "、".join(str(Lane(lane).label) for lane in lanes.closed(lanes.limits()))
    said = f"近 30 天抽查 {checked} 件，有误 {wrong} 件" if checked else "近 30 天没有抽查结论"
    hint = f"{said}；暂停中：{paused}" if paused else said
    return [Tile("待抽查", waiting, 0, list_url(AuditSample, state="waiting"), hint, 100 if waiting else 0)]


def _messages() -> list[Tile]:
    """Those that did not get through, counted so far as a person may work them off."""
    given_up = NoticeDelivery.objects.filter(status=DeliveryStatus.GIVEN_UP)
    count = given_up.order_by()[:MOST_COUNTED].count()
    hint = "系统已停止重试；站内通知仍在，急的请另外联系" if count else "没有送不到的消息"
    url = list_url(NoticeDelivery, status__exact=DeliveryStatus.GIVEN_UP.value)
    return [Tile("未能送达", count, 0, url, hint, 100 if count else 0)]


def _attempts_url(status: A) -> str:
    queue = QUEUE_OF.get(status)
    return list_url(RefundAttempt, queue=queue) if queue else list_url(RefundAttempt, status__exact=status.value)


def _sums_that_wait() -> str:
    waits = waiting.for_funds()
    names = ChannelAccount.objects.filter(pk__in=list(waits)).order_by("pk").values_list("pk", "name")
    return "、".join(f"{name} {yuan(waits[pk].total_fen)}" for pk, name in names)


def _accounts() -> list[Tile]:
    """Accounts that are short of money, in trouble or closed, by name."""
    accounts = waiting.accounts_to_see_to()
    rows = [
        ("余额不足", "short", [row.name for row in accounts if row.short_since], "余额都够"),
        ("渠道故障", "trouble", [row.name for row in accounts if row.trouble], "密钥与权限都正常"),
        ("暂停收款", "closed", [row.name for row in accounts if not row.is_open], "都在收款"),
    ]
    longest = max(len(names) for _, _, names, _ in rows) or 1
    return [
        Tile(
            title,
            len(names),
            0,
            list_url(ChannelAccount, state=state),
            "、".join(names[:MOST_NAMED]) + ("等" if len(names) > MOST_NAMED else "") or fine,
            round(100 * len(names) / longest),
        )
        for title, state, names, fine in rows
    ]


def environment(request: HttpRequest) -> list[str] | None:
    """A mark at the head of every page: outgoing money is stopped, or no real money moves."""
    if rights.is_staff(request.user) and outgoing.stopped():
        return ["全部出款已停止", "danger"]
    return None if settings.CHANNELS == "live" else ["模拟渠道", "warning"]


def stylesheet(request: HttpRequest) -> str:
    return static("desk/desk.css")
