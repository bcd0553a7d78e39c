"""权限表: which role sees what on the staff desk, and what it may change there. The only place that says so (X14).

Who may take which step of a refund stands in ``refunds/lifecycle/``: the desk asks there. Group rows, permission rows
and ``is_superuser`` are never looked at, and nothing is ever deleted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from accounts.models import User
from accounts.roles import Role

REVIEWER, SENIOR, FINANCE, OPERATOR = Role.REVIEWER, Role.SENIOR, Role.FINANCE, Role.OPERATOR
EVERYBODY = frozenset({REVIEWER, SENIOR, FINANCE, OPERATOR})
SUPPORT = frozenset({REVIEWER, SENIOR, OPERATOR})
MONEY = frozenset({FINANCE, OPERATOR})
NOBODY: frozenset[Role] = frozenset()


@dataclass(frozen=True)
class Rights:
    """One row: who sees the list and the page, who may add, who may edit, and who may do each named act."""

    see: frozenset[Role]
    add: frozenset[Role] = NOBODY
    edit: frozenset[Role] = NOBODY
    acts: dict[str, frozenset[Role]] = field(default_factory=dict)


ONLY_FINANCE, ONLY_OPERATOR = frozenset({FINANCE}), frozenset({OPERATOR})

TABLE: dict[str, Rights] = {
    # 审核
    "refunds.refund": Rights(
        see=EVERYBODY, acts={"check_codes": frozenset({REVIEWER, SENIOR}), "judge_objection": frozenset({SENIOR})}
    ),
    "refunds.cannedreply": Rights(
        see=SUPPORT, add=ONLY_OPERATOR, acts=dict.fromkeys(["rewrite", "retire"], ONLY_OPERATOR)
    ),
    "refunds.refundevent": Rights(see=EVERYBODY),
    "refunds.auditsample": Rights(see=EVERYBODY, acts={"judge": frozenset({REVIEWER, SENIOR})}),
    "refunds.lanelimits": Rights(see=EVERYBODY, acts=dict.fromkeys(["pause", "resume", "set_limits"], ONLY_OPERATOR)),
    "workcalendar.calendarplan": Rights(
        see=EVERYBODY, acts=dict.fromkeys(["enter_year", "correct_day"], ONLY_OPERATOR)
    ),
    # 放款
    "refunds.disbursement": Rights(see=MONEY),
    "refunds.arrivalfigures": Rights(see=MONEY),
    "refunds.payoutbatch": Rights(
        see=MONEY,
        add=ONLY_FINANCE,
        acts={"stop": MONEY} | dict.fromkeys(["propose", "approve", "go_on", "retry_failed", "call_off"], ONLY_FINANCE),
    ),
    "refunds.payoutline": Rights(see=MONEY),
    # 渠道
    "payments.refundattempt": Rights(
        see=MONEY, acts=dict.fromkeys(["ask_again", "close_refused", "send_back", "give_back"], ONLY_FINANCE)
    ),
    "payments.payment": Rights(see=MONEY),
    "payments.channelnotification": Rights(see=MONEY),
    "payments.refusednotification": Rights(see=MONEY),
    "payments.channelaccount": Rights(
        see=MONEY,
        acts={"topped_up": ONLY_FINANCE}
        | dict.fromkeys(["stop_collecting", "start_collecting", "set_limits"], ONLY_OPERATOR)
        | dict.fromkeys(["stop_outgoing", "resume_outgoing"], MONEY),
    ),
    "payments.transfer": Rights(
        see=MONEY,
        acts=dict.fromkeys(["approve", "refuse", "confirm_unpaid", "mark_paid", "mark_failed", "payee"], ONLY_FINANCE),
    ),
    "payments.outgoingswitch": Rights(
        see=EVERYBODY, acts=dict.fromkeys(["stop", "resume"], frozenset({SENIOR, FINANCE, OPERATOR}))
    ),
    # 对账
    "reconciliation.statement": Rights(see=MONEY, acts={"reconcile_day": ONLY_FINANCE}),
    "reconciliation.discrepancy": Rights(
        see=MONEY,
        acts=dict.fromkeys(
            ["ask_again", "download_again", "adopt", "propose_bearer", "confirm_bearer", "explain", "hand_over"],
            ONLY_FINANCE,
        ),
    ),
    # 订单
    "orders.order": Rights(
        see=EVERYBODY,
        acts={"cancel": ONLY_OPERATOR, "speak": SUPPORT, "compensate": frozenset({SENIOR, FINANCE})},
    ),
    "orders.compensation": Rights(
        see=EVERYBODY, acts=dict.fromkeys(["make", "confirm", "refuse"], frozenset({SENIOR, FINANCE}))
    ),
    "orders.cancellation": Rights(see=EVERYBODY),
    "orders.bulkcancellation": Rights(
        see=SUPPORT | MONEY, add=ONLY_OPERATOR, acts=dict.fromkeys(["start", "abandon"], ONLY_OPERATOR)
    ),
    "orders.topup": Rights(
        see=EVERYBODY, acts=dict.fromkeys(["ask_now", "decide_arrived", "decide_failed"], ONLY_OPERATOR)
    ),
    "orders.announcement": Rights(see=SUPPORT, add=ONLY_OPERATOR, edit=ONLY_OPERATOR),
    "orders.review": Rights(see=SUPPORT, acts=dict.fromkeys(["hide", "show"], SUPPORT)),
    "notices.notice": Rights(see=SUPPORT),
    "notices.noticedelivery": Rights(see=SUPPORT, acts={"send_again": SUPPORT}),
    # 商品
    "shops.shop": Rights(
        see=EVERYBODY,
        edit=ONLY_OPERATOR,
        acts=dict.fromkeys(["suspend", "reinstate", "dismiss"], ONLY_OPERATOR)
        | dict.fromkeys(["record_deposit", "ask_deposit_back"], ONLY_FINANCE),
    ),
    "shops.shopapplication": Rights(see=ONLY_OPERATOR, acts=dict.fromkeys(["approve", "reject"], ONLY_OPERATOR)),
    "shops.shopevent": Rights(see=EVERYBODY),
    "shops.depositentry": Rights(see=MONEY),
    "shops.depositreturn": Rights(see=MONEY, acts=dict.fromkeys(["pay_back", "drop"], ONLY_FINANCE)),
    "shops.guaranteeterms": Rights(see=EVERYBODY, add=ONLY_OPERATOR),
    "shops.category": Rights(see=EVERYBODY, add=ONLY_OPERATOR, edit=ONLY_OPERATOR),
    "shops.coupon": Rights(see=EVERYBODY),
    "shops.supplier": Rights(see=EVERYBODY, add=ONLY_OPERATOR, edit=ONLY_OPERATOR),
    "shops.supplieranswer": Rights(see=EVERYBODY),  # finance: of top-ups, as the desk shows them
    "shops.product": Rights(see=EVERYBODY, add=ONLY_OPERATOR, edit=ONLY_OPERATOR),
    "shops.refundpolicy": Rights(
        see=EVERYBODY,
        acts=dict.fromkeys(["new_draft", "edit_terms", "simulate", "publish", "discard"], ONLY_OPERATOR),
    ),
    "refunds.policysimulation": Rights(see=EVERYBODY, acts={"stop": ONLY_OPERATOR}),
    "shops.cardcode": Rights(see=SUPPORT),
    "shops.codeevent": Rights(see=SUPPORT),
    "shops.stockimport": Rights(see=SUPPORT),
    # 客服
    "support.ticket": Rights(
        see=SUPPORT, acts=dict.fromkeys(["claim", "answer", "hand_over", "close_with_words"], SUPPORT)
    ),
    "support.shopcomplaint": Rights(
        see=SUPPORT,
        acts=dict.fromkeys(["investigate", "uphold", "dismiss", "extend_review"], frozenset({SENIOR, OPERATOR})),
    ),
    "support.talk": Rights(see=EVERYBODY),  # who speaks there: "speak" of orders.order
    # 商家接口
    "integrations.shopkey": Rights(see=ONLY_OPERATOR),
    "integrations.webhookendpoint": Rights(see=ONLY_OPERATOR),
    "integrations.webhookdelivery": Rights(see=ONLY_OPERATOR),
    # 账本
    "ledger.account": Rights(see=MONEY),
    "ledger.posting": Rights(see=MONEY),
    "ledger.entry": Rights(see=MONEY),
    # 账号
    "accounts.user": Rights(see=ONLY_OPERATOR, edit=ONLY_OPERATOR),
    "admin.logentry": Rights(see=ONLY_OPERATOR),
    "records.packdownload": Rights(see=ONLY_OPERATOR),
}


def is_staff(user: object) -> bool:
    """May enter the desk at all: by role, with the account in use."""
    return isinstance(user, User) and user.is_active and user.is_staff and user.role in Role.staff()


def may(user: object, act: str, model: str) -> bool:
    """May this person ``see``, ``add``, ``edit`` or do the named act on ``model`` ("app.model")?"""
    rights = TABLE.get(model)
    if rights is None or not isinstance(user, User) or not is_staff(user):
        return False
    granted = rights.acts.get(act, NOBODY) if act not in {"see", "add", "edit"} else getattr(rights, act)
    return user.role in granted
