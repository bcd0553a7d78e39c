"""权限表: which role sees what on the staff desk, and what it may change there. The only place that says so (X14).

Who may take which step of a refund stands in ``refunds/lifecycle/``: the desk asks there. Group rows, permission rows
and ``is_superuser`` are never looked at, and nothing is ever deleted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from accounts.models import User
from accounts.roles import Role

REVIEWER, SENIOR, FINANCE, OPERATOR = Role.REVIEWER, Role.SENIOR, Role.FINANCE, Role.OPERATOR
EVERYBODY = frozenset({REVIEWER, SENIOR, FINANCE, OPERATOR})
SUPPORT = frozenset({REVIEWER, SENIOR, OPERATOR})
MONEY = frozenset({FINANCE, OPERATOR})
NOBODY: frozenset[Role] = frozenset()


class Act(StrEnum):
    """What may be done with a row of the desk's tables. On the desk an act has its method's name."""

    SEE = "see"
    ADD = "add"
    EDIT = "edit"

    ABANDON = "abandon"
    ADOPT = "adopt"
    ANSWER = "answer"
    APPROVE = "approve"
    ASK_AGAIN = "ask_again"
    ASK_DEPOSIT_BACK = "ask_deposit_back"
    ASK_NOW = "ask_now"
    CALL_OFF = "call_off"
    CANCEL = "cancel"
    CHECK_CODES = "check_codes"
    CLAIM = "claim"
    CLOSE_REFUSED = "close_refused"
    CLOSE_WITH_WORDS = "close_with_words"
    COMPENSATE = "compensate"
    CONFIRM = "confirm"
    CONFIRM_BEARER = "confirm_bearer"
    CONFIRM_UNPAID = "confirm_unpaid"
    CORRECT_DAY = "correct_day"
    DECIDE_ARRIVED = "decide_arrived"
    DECIDE_FAILED = "decide_failed"
    DISCARD = "discard"
    DISMISS = "dismiss"
    DOWNLOAD_AGAIN = "download_again"
    DROP = "drop"
    EDIT_TERMS = "edit_terms"
    ENTER_YEAR = "enter_year"
    EXPLAIN = "explain"
    EXTEND_REVIEW = "extend_review"
    GIVE_BACK = "give_back"
    GO_ON = "go_on"
    HAND_OVER = "hand_over"
    HIDE = "hide"
    INVESTIGATE = "investigate"
    JUDGE = "judge"
    JUDGE_OBJECTION = "judge_objection"
    MAKE = "make"
    MARK_FAILED = "mark_failed"
    MARK_PAID = "mark_paid"
    NEW_DRAFT = "new_draft"
    PAUSE = "pause"
    PAY_BACK = "pay_back"
    PAYEE = "payee"
    PROPOSE = "propose"
    PROPOSE_BEARER = "propose_bearer"
    PUBLISH = "publish"
    RECONCILE_DAY = "reconcile_day"
    RECORD_DEPOSIT = "record_deposit"
    REFUSE = "refuse"
    REINSTATE = "reinstate"
    REJECT = "reject"
    RESUME = "resume"
    RESUME_OUTGOING = "resume_outgoing"
    RETIRE = "retire"
    RETRY_FAILED = "retry_failed"
    REWRITE = "rewrite"
    SEND_AGAIN = "send_again"
    SEND_BACK = "send_back"
    SET_LIMITS = "set_limits"
    SHOW = "show"
    SIMULATE = "simulate"
    SPEAK = "speak"
    START = "start"
    START_COLLECTING = "start_collecting"
    STOP = "stop"
    STOP_COLLECTING = "stop_collecting"
    STOP_OUTGOING = "stop_outgoing"
    SUSPEND = "suspend"
    TOPPED_UP = "topped_up"
    UPHOLD = "uphold"


@dataclass(frozen=True)
class Rights:
    """One row: who sees the list and the page, who may add, who may edit, and who may do each named act."""

    see: frozenset[Role]
    add: frozenset[Role] = NOBODY
    edit: frozenset[Role] = NOBODY
    acts: dict[Act, frozenset[Role]] = field(default_factory=dict)


ONLY_FINANCE, ONLY_OPERATOR = frozenset({FINANCE}), frozenset({OPERATOR})

TABLE: dict[str, Rights] = {
    # 审核
    "refunds.refund": Rights(
        see=EVERYBODY, acts={Act.CHECK_CODES: frozenset({REVIEWER, SENIOR}), Act.JUDGE_OBJECTION: frozenset({SENIOR})}
    ),
    "refunds.cannedreply": Rights(
        see=SUPPORT, add=ONLY_OPERATOR, acts=dict.fromkeys([Act.REWRITE, Act.RETIRE], ONLY_OPERATOR)
    ),
    "refunds.refundevent": Rights(see=EVERYBODY),
    "refunds.auditsample": Rights(see=EVERYBODY, acts={Act.JUDGE: frozenset({REVIEWER, SENIOR})}),
    "refunds.lanelimits": Rights(
        see=EVERYBODY, acts=dict.fromkeys([Act.PAUSE, Act.RESUME, Act.SET_LIMITS], ONLY_OPERATOR)
    ),
    "workcalendar.calendarplan": Rights(
        see=EVERYBODY, acts=dict.fromkeys([Act.ENTER_YEAR, Act.CORRECT_DAY], ONLY_OPERATOR)
    ),
    # 放款
    "refunds.disbursement": Rights(see=MONEY),
    "refunds.arrivalfigures": Rights(see=MONEY),
    "refunds.payoutbatch": Rights(
        see=MONEY,
        add=ONLY_FINANCE,
        acts={Act.STOP: MONEY}
        | dict.fromkeys([Act.PROPOSE, Act.APPROVE, Act.GO_ON, Act.RETRY_FAILED, Act.CALL_OFF], ONLY_FINANCE),
    ),
    "refunds.payoutline": Rights(see=MONEY),
    # 渠道
    "payments.refundattempt": Rights(
        see=MONEY, acts=dict.fromkeys([Act.ASK_AGAIN, Act.CLOSE_REFUSED, Act.SEND_BACK, Act.GIVE_BACK], ONLY_FINANCE)
    ),
    "payments.payment": Rights(see=MONEY),
    "payments.channelnotification": Rights(see=MONEY),
    "payments.refusednotification": Rights(see=MONEY),
    "payments.channelaccount": Rights(
        see=MONEY,
        acts={Act.TOPPED_UP: ONLY_FINANCE}
        | dict.fromkeys([Act.STOP_COLLECTING, Act.START_COLLECTING, Act.SET_LIMITS], ONLY_OPERATOR)
        | dict.fromkeys([Act.STOP_OUTGOING, Act.RESUME_OUTGOING], MONEY),
    ),
    "payments.transfer": Rights(
        see=MONEY,
        acts=dict.fromkeys(
            [Act.APPROVE, Act.REFUSE, Act.CONFIRM_UNPAID, Act.MARK_PAID, Act.MARK_FAILED, Act.PAYEE], ONLY_FINANCE
        ),
    ),
    "payments.outgoingswitch": Rights(
        see=EVERYBODY, acts=dict.fromkeys([Act.STOP, Act.RESUME], frozenset({SENIOR, FINANCE, OPERATOR}))
    ),
    # 对账
    "reconciliation.statement": Rights(see=MONEY, acts={Act.RECONCILE_DAY: ONLY_FINANCE}),
    "reconciliation.discrepancy": Rights(
        see=MONEY,
        acts=dict.fromkeys(
            [Act.ASK_AGAIN, Act.DOWNLOAD_AGAIN, Act.ADOPT, Act.PROPOSE_BEARER, Act.CONFIRM_BEARER, Act.EXPLAIN]
            + [Act.HAND_OVER],
            ONLY_FINANCE,
        ),
    ),
    # 订单
    "orders.order": Rights(
        see=EVERYBODY,
        acts={Act.CANCEL: ONLY_OPERATOR, Act.SPEAK: SUPPORT, Act.COMPENSATE: frozenset({SENIOR, FINANCE})},
    ),
    "orders.compensation": Rights(
        see=EVERYBODY, acts=dict.fromkeys([Act.MAKE, Act.CONFIRM, Act.REFUSE], frozenset({SENIOR, FINANCE}))
    ),
    "orders.cancellation": Rights(see=EVERYBODY),
    "orders.bulkcancellation": Rights(
        see=SUPPORT | MONEY, add=ONLY_OPERATOR, acts=dict.fromkeys([Act.START, Act.ABANDON], ONLY_OPERATOR)
    ),
    "orders.topup": Rights(
        see=EVERYBODY, acts=dict.fromkeys([Act.ASK_NOW, Act.DECIDE_ARRIVED, Act.DECIDE_FAILED], ONLY_OPERATOR)
    ),
    "orders.announcement": Rights(see=SUPPORT, add=ONLY_OPERATOR, edit=ONLY_OPERATOR),
    "orders.review": Rights(see=SUPPORT, acts=dict.fromkeys([Act.HIDE, Act.SHOW], SUPPORT)),
    "notices.notice": Rights(see=SUPPORT),
    "notices.noticedelivery": Rights(see=SUPPORT, acts={Act.SEND_AGAIN: SUPPORT}),
    # 商品
    "shops.shop": Rights(
        see=EVERYBODY,
        edit=ONLY_OPERATOR,
        acts=dict.fromkeys([Act.SUSPEND, Act.REINSTATE, Act.DISMISS], ONLY_OPERATOR)
        | dict.fromkeys([Act.RECORD_DEPOSIT, Act.ASK_DEPOSIT_BACK], ONLY_FINANCE),
    ),
    "shops.shopapplication": Rights(see=ONLY_OPERATOR, acts=dict.fromkeys([Act.APPROVE, Act.REJECT], ONLY_OPERATOR)),
    "shops.shopevent": Rights(see=EVERYBODY),
    "shops.depositentry": Rights(see=MONEY),
    "shops.depositreturn": Rights(see=MONEY, acts=dict.fromkeys([Act.PAY_BACK, Act.DROP], ONLY_FINANCE)),
    "shops.guaranteeterms": Rights(see=EVERYBODY, add=ONLY_OPERATOR),
    "shops.category": Rights(see=EVERYBODY, add=ONLY_OPERATOR, edit=ONLY_OPERATOR),
    "shops.coupon": Rights(see=EVERYBODY),
    "shops.supplier": Rights(see=EVERYBODY, add=ONLY_OPERATOR, edit=ONLY_OPERATOR),
    "shops.supplieranswer": Rights(see=EVERYBODY),  # finance: of top-ups, as the desk shows them
    "shops.product": Rights(see=EVERYBODY, add=ONLY_OPERATOR, edit=ONLY_OPERATOR),
    "shops.refundpolicy": Rights(
        see=EVERYBODY,
        acts=dict.fromkeys([Act.NEW_DRAFT, Act.EDIT_TERMS, Act.SIMULATE, Act.PUBLISH, Act.DISCARD], ONLY_OPERATOR),
    ),
    "refunds.policysimulation": Rights(see=EVERYBODY, acts={Act.STOP: ONLY_OPERATOR}),
    "shops.cardcode": Rights(see=SUPPORT),
    "shops.codeevent": Rights(see=SUPPORT),
    "shops.stockimport": Rights(see=SUPPORT),
    # 客服
    "support.ticket": Rights(
        see=SUPPORT, acts=dict.fromkeys([Act.CLAIM, Act.ANSWER, Act.HAND_OVER, Act.CLOSE_WITH_WORDS], SUPPORT)
    ),
    "support.shopcomplaint": Rights(
        see=SUPPORT,
        acts=dict.fromkeys(
            [Act.INVESTIGATE, Act.UPHOLD, Act.DISMISS, Act.EXTEND_REVIEW], frozenset({SENIOR, OPERATOR})
        ),
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


def may(user: object, act: Act, model: str) -> bool:
    """May this person do this on ``model`` ("app.model")?"""
    rights = TABLE.get(model)
    if rights is None or not isinstance(user, User) or not is_staff(user):
        return False
    on_every_table = {Act.SEE: rights.see, Act.ADD: rights.add, Act.EDIT: rights.edit}
    return user.role in (on_every_table | rights.acts).get(act, NOBODY)
