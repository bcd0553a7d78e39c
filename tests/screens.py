"""What `make screenshots` takes pictures of: every page of a case, by the role of whoever looks (docs/screens.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page

Act = Callable[[Page], None]


@dataclass(frozen=True)
class Shot:
    """One picture. ``of`` names a case, from which ``path`` is filled in; ``who`` looks, else the case's own buyer."""

    name: str
    path: str
    zh: str
    en: str
    of: str = ""
    who: str = ""
    dark: bool = False
    act: Act | None = None


@dataclass(frozen=True)
class Chapter:
    """Pictures of one role on one size of screen."""

    title: str
    zh: str
    en: str
    shots: tuple[Shot, ...]
    size: str = "phone"


def _press(name: str) -> Act:
    """Open a dialog of the desk."""

    def act(page: Page) -> None:
        page.get_by_role("button", name=name, exact=True).first.click()
        page.get_by_role("dialog").first.wait_for()
        page.wait_for_load_state("networkidle")

    return act


def _choose(name: str) -> Act:
    """Choose a reason, and hear what the rules say of it."""

    def act(page: Page) -> None:
        with page.expect_response("**/refund/"):
            page.locator(f"input[name=reason][value={name}]").check()
        page.locator("#verdict .note").wait_for()

    return act


CASE, SHOP_CASE, DESK = "/refunds/{no}/", "/shop/refunds/{no}/", "/admin/refunds/refund/"
BUYERS = (
    Shot("apply", "/orders/{order}/refund/", of="fresh", act=_choose("invalid_code"),
         zh="申请：选原因，马上知道规则怎么判", en="Applying: choose a reason, and hear at once what the rules say"),
    Shot("refunds", "/refunds/", who="buyer",
         zh="我的退款", en="My refunds"),
    Shot("shop-asked", CASE, of="shop_asked",
         zh="等商家处理：倒计时，不答复会怎样", en="With the shop: its time, and what its silence means"),
    Shot("offered", CASE, of="offered",
         zh="商家提出方案，等您答复", en="The shop offers something: the buyer answers"),
    Shot("accept", f"{CASE}answer/accept/", of="offered",
         zh="接受方案之前", en="Before an offer is accepted"),
    Shot("evidence", CASE, of="evidence",
         zh="等您补充材料：要什么、到什么时候、计时暂停", en="Asked for evidence: what, by when; the clock stands"),
    Shot("review", CASE, of="review",
         zh="人工审核：谁在处理、排第几", en="In review: who acts, how many are ahead"),
    Shot("late", CASE, of="late",
         zh="等了 48 小时可以催办", en="After 48 hours it can be urged"),
    Shot("urge", f"{CASE}answer/urge/", of="late",
         zh="催办", en="Urging"),
    Shot("withdraw", f"{CASE}withdraw/", of="review",
         zh="撤销之前，先看后果", en="Before an application is withdrawn"),
    Shot("second-review", CASE, of="second_review",
         zh="大额：另一位同事复核", en="A large sum: a second person looks"),
    Shot("rejected", CASE, of="rejected",
         zh="未通过：原因、规则、申诉期限", en="Rejected: why, by which rule, until when to appeal"),
    Shot("appeal", f"{CASE}answer/appeal/", of="rejected",
         zh="申诉一次，换人审核", en="One appeal, another person"),
    Shot("appealed", CASE, of="appealed",
         zh="申诉审核中", en="The appeal is reviewed"),
    Shot("approved", CASE, of="approved",
         zh="审核通过，等待放款", en="Approved: the money is about to leave"),
    Shot("processing", CASE, of="processing",
         zh="退款处理中：钱在渠道", en="On its way: the money is with the channel"),
    Shot("paid-out", CASE, of="paid_out",
         zh="渠道退款成功，等银行入账", en="Sent by the channel: the bank is next"),
    Shot("returned", CASE, of="returned",
         zh="退款异常：钱没进账户；超时会道歉并逐级上报",
         en="Not taken by the account; late, it goes up, and we say so"),
    Shot("destination", f"{CASE}redirect/", of="returned",
         zh="先问买家：退至余额，或本人的账户", en="The buyer is asked first: the balance, or an account of one's own"),
    Shot("redirect", CASE, of="redirected",
         zh="改退至余额：等另一位同事确认", en="To the balance instead: a colleague confirms"),
    Shot("arrived", CASE, of="arrived",
         zh="已到账", en="Arrived"),
    Shot("receipt", f"{CASE}receipt/", of="arrived",
         zh="退款回执：可打印，任何人可核验", en="The receipt: printed, checked by anybody"),
    Shot("next-steps", f"{CASE}next-steps/", of="rejected",
         zh="不服结论：接下来去哪里", en="Where to turn after a refusal"),
    Shot("replaced", CASE, of="replaced",
         zh="已补发", en="Replaced"),
    Shot("withdrawn", CASE, of="withdrawn",
         zh="已撤销，可以重新申请", en="Withdrawn; one may apply again"),
    Shot("balance", "/me/balance/", who="buyer2",
         zh="我的余额：逐笔明细", en="The balance, line by line"),
    Shot("cash-out", "/me/balance/cash-out/", who="buyer2",
         zh="余额提现：先验证本人，三个人办理", en="Cashing it out: proof of who asks, and three people"),
    Shot("notices", "/notices/", who="buyer",
         zh="站内通知", en="Messages"),
    Shot("notice-settings", "/notices/settings/", who="buyer",
         zh="通知偏好与免打扰", en="What is sent where, and when not"),
    Shot("support", "/support/", who="buyer",
         zh="客服中心", en="The support center"),
    Shot("assistant", "/support/assistant/?refund={no}&ask=progress", of="processing",
         zh="助手只按记录回答，随时转人工", en="The assistant answers from the record; a person is one tap away"),
    Shot("new-ticket", "/support/tickets/new/", who="buyer",
         zh="提交工单", en="A new ticket"),
    Shot("ticket", "/support/tickets/{no}/", of="ticket_answered",
         zh="工单：客服已答复", en="A ticket that was answered"),
    Shot("ticket-waiting", "/support/tickets/{no}/", of="ticket_waiting",
         zh="工单：等客服，写明最迟何时", en="A ticket that waits, and until when"),
    Shot("complain", "/orders/{order}/complain/", of="arrived",
         zh="投诉商家，与退款分开", en="A complaint about a shop, apart from the refund"),
    Shot("complaint", "/support/complaints/{no}/", of="complaint_upheld",
         zh="投诉成立", en="A complaint that was upheld"),
    Shot("verify", "/support/verify/", who="buyer",
         zh="核实客服：消息是不是我们发的", en="Is this really us?"),
    Shot("status", "/status/", who="stranger",
         zh="退款要多久：公开的数字", en="How long refunds take: public figures"),
    Shot("help", "/help/", who="stranger",
         zh="帮助与防骗", en="Help, and how not to be cheated"),
)  # fmt: skip
BUYERS_DARK = (
    Shot("dark-shop-asked", CASE, of="shop_asked", dark=True,
         zh="等商家处理", en="With the shop"),
    Shot("dark-rejected", CASE, of="rejected", dark=True,
         zh="未通过", en="Rejected"),
    Shot("dark-support", "/support/", who="buyer", dark=True,
         zh="客服中心", en="The support center"),
)  # fmt: skip
BUYERS_WIDE = (
    Shot("wide-review", CASE, of="review",
         zh="人工审核", en="In review"),
    Shot("wide-paid-out", CASE, of="paid_out",
         zh="渠道退款成功", en="Sent by the channel"),
)  # fmt: skip
SHOPS = (
    Shot("shop-refunds", "/shop/refunds/", who="merchant",
         zh="待答复与倒计时", en="What waits for an answer, with its time"),
    Shot("shop-claimed", SHOP_CASE, of="shop_asked", who="merchant",
         zh="买家怎么说、交付记录、还剩多久", en="What the buyer says, what was delivered, how long is left"),
    Shot("shop-agree", f"{SHOP_CASE}agree/", of="shop_asked", who="merchant",
         zh="同意退款", en="Agreeing"),
    Shot("shop-contest", f"{SHOP_CASE}contest/", of="shop_asked", who="merchant",
         zh="不同意：提交平台", en="Disagreeing: the platform decides"),
    Shot("shop-offer", f"{SHOP_CASE}offer/", of="shop_asked", who="merchant",
         zh="提出方案", en="An offer"),
    Shot("shop-offered", SHOP_CASE, of="offered", who="merchant",
         zh="方案已发出，等买家", en="The offer is with the buyer"),
    Shot("shop-evidence", f"{SHOP_CASE}evidence/", of="shop_evidence", who="merchant",
         zh="平台请店铺补充材料", en="The platform asks the shop for records"),
    Shot("shop-objected", SHOP_CASE, of="objected", who="merchant",
         zh="判定之后的新证据", en="New evidence after a verdict"),
    Shot("shop-complaints", "/shop/complaints/", who="merchant",
         zh="对店铺的投诉", en="Complaints about the shop"),
    Shot("shop-complaint", "/shop/complaints/{no}/", of="complaint_investigating", who="merchant",
         zh="调查中，可以答复一次", en="Investigated: the shop answers once"),
    Shot("shop-money", "/shop/money/", who="merchant2",
         zh="货款：待结算、冻结、可提现，下一笔何时结算", en="A shop's money: waiting, held, its own"),
    Shot("shop-withdraw", "/shop/withdraw/", who="merchant2",
         zh="提现：到哪一步、最迟何时", en="Withdrawals: how far each is, and by when"),
)  # fmt: skip
SHOPS_WIDE = (
    Shot("shop-wide-refunds", "/shop/refunds/", who="merchant",
         zh="店铺退款", en="The shop's refunds"),
    Shot("shop-wide-claimed", SHOP_CASE, of="shop_asked", who="merchant",
         zh="答复之前看得到的一切", en="All that is known before the answer"),
)  # fmt: skip
STAFF = (
    Shot("desk-queue", DESK, who="support",
         zh="待办：按期限排序、可认领", en="The queue: by deadline, to be claimed"),
    Shot("desk-review", f"{DESK}{{pk}}/change/", of="review", who="support",
         zh="审核页：左边是双方的话和凭证，右边是事实", en="The review page: words and evidence left, facts right"),
    Shot("desk-reject", f"{DESK}{{pk}}/change/", of="review", who="support", act=_press("驳回"),
         zh="驳回：依据、常用回复、买家将看到的原文",
         en="Rejecting: the ground, and the very words the buyer will read"),
    Shot("desk-appeal", f"{DESK}{{pk}}/change/", of="appealed", who="senior2",
         zh="申诉：换人，先看结论和新的理由", en="An appeal: another person, the verdict, the new grounds"),
    Shot("desk-buyer", f"{DESK}buyer/{{buyer_pk}}/", of="review", who="support",
         zh="买家档案", en="A buyer's record"),
    Shot("desk-shop", f"{DESK}shop/{{shop_pk}}/", of="review", who="support",
         zh="店铺档案", en="A shop's record"),
    Shot("desk-canned", "/admin/refunds/cannedreply/", who="admin",
         zh="常用回复", en="Canned replies"),
    Shot("desk-tickets", "/admin/support/ticket/", who="support",
         zh="工单", en="Tickets"),
    Shot("desk-ticket", "/admin/support/ticket/{pk}/change/", of="ticket_waiting", who="support2",
         zh="一张工单", en="A ticket"),
    Shot("desk-complaints", "/admin/support/shopcomplaint/", who="senior",
         zh="投诉商家", en="Complaints about shops"),
    Shot("desk-complaint", "/admin/support/shopcomplaint/{pk}/change/", of="complaint_investigating", who="senior2",
         zh="一件投诉", en="A complaint"),
    Shot("desk-overview", "/admin/", who="admin",
         zh="运营首页：积压、超时、明天会晚的", en="The operators' overview: backlog, what is late, what will be"),
    Shot("desk-chain", "/admin/refunds/refundevent/chain/?q={no}&check=1", of="arrived", who="admin",
         zh="流转记录与哈希链校验", en="Every step, and the check of its chain"),
    Shot("desk-dark-review", f"{DESK}{{pk}}/change/", of="review", who="support", dark=True,
         zh="审核页，深色", en="The review page in the dark"),
)  # fmt: skip
FINANCE = (
    Shot("finance-day", "/admin/", who="finance",
         zh="财务的一天：从开关到差错，一张清单", en="Finance's day in one list, from the switch to the differences"),
    Shot("finance-switch", "/admin/payments/outgoingswitch/", who="finance",
         zh="出款开关：谁停的、为什么、谁恢复", en="The switch: who stopped it and why, who let it go again"),
    Shot("finance-batch", "/admin/refunds/payoutbatch/{pk}/change/", of="batch", who="finance2",
         zh="复核一批：总额、资金、每家店铺多少", en="Checking a batch: its sum, its funds, each shop's share"),
    Shot("finance-stuck", "/admin/refunds/payoutbatch/stuck/", who="finance",
         zh="没有动的款项：为什么、下一步", en="What does not move: why, and the next step"),
    Shot("finance-short", "/admin/payments/channelaccount/{pk}/change/", of="short", who="finance",
         zh="余额不足的账户：充值后继续发送", en="An account short of money: topped up, it goes on"),
    Shot("finance-redirect", f"{DESK}{{pk}}/change/", of="redirected", who="finance",
         zh="买家签了新去向，等财务确认", en="Signed by its buyer, to be confirmed"),
    Shot("finance-transfer", "/admin/payments/transfer/{pk}/change/", of="transfer", who="finance",
         zh="店铺提现：申请、审批、付款是三个人", en="A withdrawal: asked for, approved and paid by three people"),
    Shot("finance-differences", "/admin/reconciliation/discrepancy/?status__exact=open", who="finance",
         zh="差错：双方各怎么说、期限", en="The differences: what each side says, and by when"),
    Shot("finance-difference", "/admin/reconciliation/discrepancy/{pk}/change/", of="difference", who="finance",
         zh="渠道后台退的款：已补记，两人确认由谁承担", en="Refunded outside us: two people say whose loss it is"),
    Shot("finance-books", "/admin/ledger/account/books/", who="finance",
         zh="账簿：科目余额与分录", en="The books: what each class holds"),
)  # fmt: skip
CHAPTERS = (
    Chapter("买家 · The buyer", "手机，宽 375 像素。", "A phone, 375 pixels wide.", BUYERS),
    Chapter("买家，深色 · The buyer in the dark", "跟随手机的设置。", "As the phone is set.", BUYERS_DARK),
    Chapter("买家，电脑 · The buyer at a desk", "宽 1280 像素。", "1280 pixels wide.", BUYERS_WIDE, "desktop"),
    Chapter("商家 · The shop", "手机也能答复。", "A phone is enough to answer.", SHOPS),
    Chapter("商家，电脑 · The shop at a desk", "宽 1280 像素。", "1280 pixels wide.", SHOPS_WIDE, "desktop"),
    Chapter("平台 · The platform", "客服、高级审核员与运营的工作台。",
            "The desk of support, seniors and operators.", STAFF, "desktop"),
    Chapter("财务 · Finance", "财务的一天，从上到下。", "Finance's day, from top to bottom.", FINANCE, "desktop"),
)  # fmt: skip
