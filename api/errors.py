"""What the API answers when it cannot do what was asked: a code for programs, a sentence that says what to do.

Shaped after RFC 9457 (``application/problem+json``): ``type``, ``code``, ``title``, ``status``, ``detail`` (Chinese),
``detail_en``, ``fields`` ({name: [what is wrong]}), and what else helps, e.g. ``refund_no`` and ``url``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from rest_framework import exceptions as drf
from rest_framework.response import Response
from rest_framework.views import set_rollback

from images import UnusableImage
from refunds.evidence import TooManyImages
from refunds.lifecycle import StepRefused

MEDIA_TYPE = "application/problem+json"
MOST_FIELDS = 20


@dataclass(frozen=True)
class Kind:
    """One row of the table: how a code is answered. ``field`` is the one to blame.

    ``detail`` is for what this app refuses by itself; the house says its own refusals better.
    """

    status: int
    title: str
    detail_en: str
    detail: str = ""
    field: str = ""


KINDS: dict[str, Kind] = {
    # the request itself
    "invalid": Kind(
        400,
        "内容有误",
        "Some fields are wrong: correct those in `fields` and send again.",
        detail="有字段填写有误，请按 fields 的提示修改后重发。",
    ),
    "malformed": Kind(
        400,
        "格式有误",
        "The body cannot be read: check its JSON or form format.",
        detail="无法读取请求内容，请检查 JSON 或表单格式。",
    ),
    "login_required": Kind(
        401,
        "需要登录",
        "Log in first, then send the session cookie along.",
        detail="请先登录，再带着会话 Cookie 重发。",
    ),
    "key_required": Kind(
        401,
        "需要接口密钥",
        "Send the header `Authorization: Bearer csk_…` with a key of the shop.",
        detail="请带上请求头 Authorization: Bearer csk_…，密钥由店主在“商家后台 · 接口”新建。",
    ),
    "key_unknown": Kind(
        401,
        "密钥无效",
        "No such key: check that it was copied whole, or make a new one.",
        detail="没有这个密钥，请核对是否复制完整，或新建一个。",
    ),
    "key_revoked": Kind(
        401,
        "密钥已吊销",
        "This key was revoked: make a new one.",
        detail="这个密钥已被店主吊销，请改用新的密钥。",
    ),
    "key_lacks_scope": Kind(
        403,
        "密钥没有这项权限",
        "The key was not given this scope (see `scope`): make one that has it.",
        detail="这个密钥没有 scope 所写的权限，请新建一个勾选了它的密钥。",
    ),
    "shop_not_served": Kind(
        403,
        "店铺停用",
        "The shop is suspended or closed (see `reason`), and so is its API: ask the platform.",
        detail="店铺已暂停营业或已退出（见 reason），接口一并停用，请联系平台。",
    ),
    "csrf_failed": Kind(
        403,
        "CSRF 校验未通过",
        "Send the header X-CSRFToken with the value of the csrftoken cookie; over https also a Referer.",
        detail="请带上 X-CSRFToken 请求头（值为 csrftoken Cookie），https 下还要带 Referer。",
    ),
    "forbidden": Kind(403, "无权操作", "Your account may not do this.", detail="您的账号无权做这一步。"),
    "not_found": Kind(
        404,
        "找不到",
        "No such number among the records that are yours to see: check it.",
        detail="找不到这个编号，请核对后重试；只能查看与自己有关的记录。",
    ),
    "no_such_step": Kind(
        404,
        "没有这一步",
        "There is no such step: see `allowed_steps` of the refund.",
        detail="没有这一步，请看退款单的 allowed_steps。",
    ),
    "method_not_allowed": Kind(
        405,
        "方法不支持",
        "This address does not take that method: see the Allow header.",
        detail="这个地址不支持该请求方法，请看 Allow 响应头。",
    ),
    "not_acceptable": Kind(
        406,
        "格式不支持",
        "Only application/json can be returned: change the Accept header.",
        detail="只能返回 application/json，请修改 Accept 请求头。",
    ),
    "too_large": Kind(
        413,
        "内容过大",
        "Too large: at most 1 MB of JSON, 12 MB for a form with an image.",
        detail="请求过大：JSON 不超过 1 MB，带图片的表单不超过 12 MB。",
    ),
    "unsupported_media_type": Kind(
        415,
        "内容类型不支持",
        "Send application/json; upload images as multipart/form-data.",
        detail="请用 application/json 发送；上传图片请用 multipart/form-data。",
    ),
    "throttled": Kind(
        429,
        "请求太频繁",
        "Too many requests: wait for the seconds in Retry-After.",
        detail="请求太频繁，请按 Retry-After 的秒数稍后再试。",
    ),
    # asking for a refund
    "already_active": Kind(409, "已有进行中的退款", "This order has an active refund already: go on there, see `url`."),
    "unknown_reason": Kind(400, "退款原因有误", "Choose a reason from the list.", field="reason"),
    "reason_does_not_fit": Kind(
        400,
        "退款原因不适用",
        "This reason does not fit these goods, or what became of them: choose another.",
        field="reason",
    ),
    "description_missing": Kind(
        400,
        "缺少情况说明",
        "This reason needs a description: when, what happened, with what result.",
        field="description",
    ),
    "unknown_line": Kind(
        400, "商品有误", "A line is not of this order, or has been refunded: read the order again.", field="line_ids"
    ),
    "amount_out_of_range": Kind(
        400, "金额有误", "The amount must be between 1 fen and what is refundable.", field="amount_fen"
    ),
    "unknown_destination": Kind(400, "退款方式有误", "Choose original or balance.", field="destination"),
    "paid_from_balance": Kind(
        409, "原路就是余额", "The order was paid from the balance: choose the original route, which leads there."
    ),
    "paid_to_the_shop": Kind(
        409, "店铺自己收的款", "The shop's own merchant account took the money: only there can it be given back."
    ),
    "guest_has_no_balance": Kind(
        409, "访客没有余额", "Guests have no balance: choose the original route, or claim the order first."
    ),
    "draft_has_changed": Kind(409, "草稿已改", "The draft was changed elsewhere: read it over, then send it."),
    "no_draft": Kind(409, "没有草稿", "The draft was sent already, or has expired: write it again."),
    "unknown_slot": Kind(400, "没有这一项凭证", "There is no such kind of evidence.", field="image"),
    "not_paid": Kind(409, "订单未付款", "The order has no successful payment, so there is nothing to give back."),
    "nothing_left": Kind(409, "没有可退金额", "All of this order's money has gone back, or is on its way."),
    # taking a step
    "not_yours": Kind(403, "无权操作", "You may not take this step on this refund: see `allowed_steps`."),
    "same_person": Kind(403, "须由另一人操作", "Who approved a refund may not release it: ask a colleague."),
    "needs_second_person": Kind(
        403, "须由两人通过", "Above the approval limit: two people must be for it, see `allowed_steps`."
    ),
    "above_limit": Kind(403, "超过审批线", "Above the approval limit: two people of the platform must be for it."),
    "claimed": Kind(409, "已由同事认领", "A colleague has claimed this refund: take another, or ask for it."),
    "not_theirs": Kind(409, "对方不能审核", "That colleague may not decide this refund: choose another."),
    "decided_before": Kind(403, "须由另一人处理", "You have decided this refund before: another senior handles it."),
    "too_late": Kind(409, "时限已过", "The time for this answer is over: the case goes on by the rules."),
    "too_early": Kind(409, "时间未到", "It is too early for this step: see the message for when."),
    "reported": Kind(409, "已在核实", "Support is asking the channel about it already: wait for its answer."),
    "not_in_charge": Kind(403, "须由店主或店长答复", "An owner or a manager of the shop answers for its refunds."),
    "asked_again": Kind(409, "已另行申请", "The order was asked about again since: go on there."),
    "appealed": Kind(409, "已申诉过", "A refund can be appealed once; that decision was final."),
    "appeal_is_over": Kind(409, "申诉期已过", "The time for an appeal is over."),
    "seen_since": Kind(409, "驳回后已查看卡密", "The code was viewed after the refusal: no appeal about it."),
    "unknown_ground": Kind(400, "依据有误", "Choose a ground from the list.", field="ground"),
    "no_proof_of_use": Kind(
        409, "没有使用记录", "Nothing proves that it was used: it cannot be refused for that reason.", field="ground"
    ),
    "consulted": Kind(409, "已在核实", "A third party is being asked already: record its answer first."),
    "not_consulted": Kind(409, "没有待记录的核实", "No question is open: there is no answer to record."),
    "no_offer": Kind(409, "没有待答复的方案", "There is no offer to answer."),
    "offer_changed": Kind(409, "方案已变", "There is another offer by now: read it, then answer it."),
    "agreement_changed": Kind(409, "协议已变", "The buyer has signed anew since: read it, then confirm it."),
    "other_offer": Kind(409, "方案不同", "The open offer is of the other kind: see `allowed_steps`."),
    "cannot_replace": Kind(409, "不能补发", "No code is left to replace it with, or the goods are no codes."),
    "money_waits": Kind(409, "款项在途", "Its money was sent once and is still the buyer's: it cannot be closed."),
    "no_balance": Kind(
        409, "不能退至余额", "This refund cannot go to a balance: an account of the buyer's own can be signed for."
    ),
    "cannot_object": Kind(409, "不能提出异议", "The shop cannot object to this refund (any more)."),
    "unknown_verdict": Kind(400, "结论有误", "Choose upheld or dismissed."),
    "judged": Kind(409, "已有结论", "This objection has been judged."),
    "no_such_user": Kind(403, "账号已停用", "The account has been disabled."),
    "not_automatic": Kind(403, "须由人放款", "Only refunds of an automatic lane are released by the system."),
    "wrong_status": Kind(409, "状态已变", "The refund has moved on: read it again and see `allowed_steps`."),
    "asked_twice": Kind(409, "已要求补充两次", "Evidence was requested twice already: decide on what is there."),
    "attempt_not_closed": Kind(
        409, "上一笔尚未关闭", "The channel has not closed the last attempt: a new one could pay twice. Wait."
    ),
    "transfer_open": Kind(409, "转账未结束", "A transfer to the buyer's account has not ended: wait for it."),
    "not_at_channel": Kind(
        409,
        "渠道不能退至该账户",
        "The channel cannot pay that account: have it sent back to the merchant, then confirm.",
    ),
    "attempt_moved": Kind(409, "渠道退款有新结果", "There is news of the channel refund: read it again."),
    "bank_not_listed": Kind(409, "银行不支持", "The channel does not pay this bank: use a transfer instead."),
    "cooling": Kind(409, "账户登记未满 24 小时", "The account was entered less than 24 hours ago: confirm it later."),
    "claim_first": Kind(409, "请先认领订单", "Guests claim the order first, then choose where the money goes."),
    "step_up": Kind(403, "须再次验证身份", "Sign for an account on the website, after proving who you are again."),
    "real_name": Kind(409, "须先实名认证", "Verify your real name first: the account must be your own."),
    "not_holder": Kind(409, "账户须为本人", "The account's holder must be your verified real name."),
    "other_destination": Kind(409, "退款去向不同", "The refund goes elsewhere: this step is not how it is paid."),
    "outgoing_stopped": Kind(
        409, "出款已暂停", "All outgoing money is stopped for now: nothing was posted. Try again once it goes on."
    ),
    "in_batch": Kind(409, "在发款批次里", "It waits in a payout batch, which pays it: call that batch off first."),
    "needs_batch": Kind(
        409, "须分批复核", "Too much for one person in one go: make a batch, and let a colleague check it."
    ),
    "payout_limits": Kind(400, "批次大小有误", "A batch has 1 to 2,000 lines and a sum above 0."),
    "nothing_waits": Kind(
        409, "没有可放的", "No refund waits that fits into this batch: all are in others, or larger."
    ),
    "not_the_maker": Kind(403, "不是制单人", "Only whoever made the batch proposes it."),
    "checker_left": Kind(409, "复核人已离岗", "Whoever checked it may not pay any more: call it off, make another."),
    "nothing_to_retry": Kind(409, "没有可重试的", "No failed line's refund still waits to be paid outside a batch."),
    "reason_missing": Kind(400, "缺少原因", "Write why: colleagues read it.", field="reason"),
    "exceeds_payment": Kind(409, "超过可退金额", "More than what is left of the payment: nothing was posted."),
    "hint_is_no_ground": Kind(
        400, "缺少依据", "A risk signal alone is no ground for a refusal: write the facts and the rule.", field="note"
    ),
    "canceled": Kind(409, "订单已取消", "The order is canceled: the money has to go back, and nobody can stop that."),
    "not_canceled": Kind(409, "有商品未取消", "Something of it was delivered or begun: a person decides."),
    "halted": Kind(409, "已被拦截", "Somebody halted this refund: a person decides."),
    "code_is_resold": Kind(
        409, "卡密已重新出售", "The code is in stock again and cannot be given back: the refund has to be paid."
    ),
    "code_is_taken": Kind(
        409, "卡密已收回", "Another refund of the order took the code back: this one has to be paid as well."
    ),
    "note_missing": Kind(400, "缺少说明", "Write a note: the buyer reads it.", field="note"),
    # evidence
    "evidence_is_empty": Kind(400, "没有内容", "Write a sentence or upload an image.", field="note"),
    "evidence_not_asked": Kind(
        409,
        "现在不需要补充材料",
        "Evidence is taken when support asks for it. To correct the application now, withdraw and apply again.",
        detail="客服要求补充材料时会通知您，那时再提交；想现在更正申请，可先撤销再重新申请。",
    ),
    "too_many_images": Kind(409, "图片已满", "The refund holds as many images as it may.", field="image"),
    "unusable_image": Kind(
        400,
        "图片无法使用",
        "The image cannot be used: send a JPEG, PNG or WebP of at most 8 MB and 40 megapixels.",
        field="image",
    ),
}


class Problem(drf.APIException):
    """A refusal under one of the codes of ``KINDS``; ``more`` stands beside the usual members."""

    def __init__(self, code: str, detail: str = "", fields: Mapping[str, Any] | None = None, **more: Any) -> None:
        super().__init__(detail or KINDS[code].detail)
        self.kind_code, self.fields, self.more = code, fields or {}, more
        self.status_code = KINDS[code].status


def problem(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """EXCEPTION_HANDLER: every refusal becomes one body; None (a 500) for what is our own mistake."""
    found = _as_problem(error)
    if found is None:
        return None
    set_rollback()
    kind = KINDS[found.kind_code]
    detail = str(found.detail)
    fields = dict(found.fields) or ({kind.field: [detail]} if kind.field else {})
    body = {
        "type": f"urn:cardshop:problem:{found.kind_code}",
        "code": found.kind_code,
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "detail_en": kind.detail_en,
        "fields": fields,
        **found.more,
    }
    return Response(_printable(body), kind.status, headers=_headers(error), content_type=MEDIA_TYPE)


def _as_problem(error: Exception) -> Problem | None:
    if isinstance(error, Problem):
        return error
    if isinstance(error, StepRefused):
        code = error.code if error.code in KINDS else "wrong_status"
        return Problem(code, str(error))
    if isinstance(error, drf.ValidationError):
        return Problem("invalid", fields=dict(list(_flat(error.detail))[:MOST_FIELDS]))
    if isinstance(error, TooManyImages):
        return Problem("too_many_images", str(error))
    if isinstance(error, UnusableImage):
        return Problem("unusable_image", error.message)
    for kind, code in _CODE_OF.items():
        if isinstance(error, kind):
            return Problem(code)
    return None


# The first that fits: CSRF is the only PermissionDenied that our views do not raise themselves.
_CODE_OF: dict[type[Exception], str] = {
    drf.ParseError: "malformed",
    drf.NotAuthenticated: "login_required",
    drf.AuthenticationFailed: "login_required",
    drf.PermissionDenied: "csrf_failed",
    PermissionDenied: "forbidden",
    drf.NotFound: "not_found",
    Http404: "not_found",
    drf.MethodNotAllowed: "method_not_allowed",
    drf.NotAcceptable: "not_acceptable",
    drf.UnsupportedMediaType: "unsupported_media_type",
    drf.Throttled: "throttled",
    RequestDataTooBig: "too_large",
    SuspiciousOperation: "malformed",
}


def _headers(error: Exception) -> dict[str, str]:
    headers = {}
    if seconds := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(seconds) + 1)
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    return headers


def _flat(detail: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """{"line_ids": {0: [...]}} → ("line_ids.0", [...])."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _flat(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(detail, Sequence) and not isinstance(detail, str):
        yield path or "non_field_errors", [str(message) for message in detail]
    else:
        yield path or "non_field_errors", [str(detail)]


def _printable(value: Any) -> Any:
    """Names and values that came from outside may hold lone surrogates, which no answer can be encoded with."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()[:2000]
    if isinstance(value, Mapping):
        return {_printable(name): _printable(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_printable(inner) for inner in value]
    return value
