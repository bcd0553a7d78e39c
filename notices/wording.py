"""What notices say. A kind here is a key in ``Notice.kind``; parameters come from the row.

No notice ever carries a link to another site, nor asks for a password or a code (S4-20, P14).
"""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

WORDING = {
    "order_delivered": _("订单 %(order_no)s 已交付，请到订单页查看。"),
    "order_canceled": _("订单 %(order_no)s 已取消（%(cause)s），款项将自动原路退回。"),
    "order_overdue": _("订单 %(order_no)s 超过承诺时间仍未交付，可在订单页一键退款。"),
    "topups_wait": _("有直充单超时没有结果，请到客服台“直充单 · 待人工核实”处理。"),
    "topup_opposed": _("直充单 %(topup_no)s 已停止或已人工认定，供应商后来的签名答复却相反，请立即核对。"),
    "service_report": _("订单 %(order_no)s 的服务有新的进度或凭证。"),
    "shop_order_overdue": _("订单 %(order_no)s 已超过承诺的交付时间，买家可一键退款；再拖延将按退款政策自动取消。"),
    "order_message": _("订单 %(order_no)s 有新留言。"),
    "shop_approved": _("开店申请已通过，“%(shop)s”已开张。请先上架商品、导入库存。"),
    "shop_rejected": _("“%(shop)s”的开店申请未通过：%(note)s"),
    "shop_suspended": _("店铺“%(shop)s”已被暂停营业：%(note)s。未完成的订单请继续处理，或等待平台取消。"),
    "shop_reinstated": _("店铺“%(shop)s”已恢复营业。"),
    "shop_leaving": _("店铺“%(shop)s”已申请退出。未完成的订单和退款了结后关店。"),
    "shop_dismissed": _("店铺“%(shop)s”已被清退：%(note)s。未完成的订单和退款了结后关店。"),
    "shop_closed": _("店铺“%(shop)s”已关店。"),
    "shop_joined": _("您已成为店铺“%(shop)s”的店员。"),
    "shop_removed": _("您已不再是店铺“%(shop)s”的店员。"),
    "webhook_off": _("店铺“%(shop)s”的回调地址 %(host)s 连续失败，已自动停用。请修好后到“接口”页重新启用。"),
    "import_checked": _(
        "“%(product)s”的批量入库已检查完：可入库 %(good)s 张，有问题 %(bad)s 行。请在 %(days)s 天内确认或放弃。"
    ),
    "import_refused": _("“%(product)s”的批量入库用不了这个文件，没有入库。请打开看原因，改正后重新上传。"),
    "import_imported": _("“%(product)s”的批量入库已完成，入库 %(count)s 张。"),
    "import_turned_back": _("“%(product)s”的批量入库没有完成，一张也没有入库。请核对后重新确认。"),
    "refund_submit": _("退款申请 %(refund_no)s 已提交，系统正在初审。"),
    "refund_auto_approve": _("退款 %(refund_no)s 已自动通过，正在原路退回 %(amount)s。"),
    "refund_send_to_review": _("退款 %(refund_no)s 已转人工审核。"),
    "refund_turn_down": _("退款 %(refund_no)s 未通过：%(note)s。"),
    "refund_request_evidence": _("退款 %(refund_no)s 需要您补充材料：%(note)s"),
    "refund_provide_evidence": _("退款 %(refund_no)s 已收到补充材料，审核继续。"),
    "refund_lapse_evidence": _("退款 %(refund_no)s 补充期限已过，将按现有材料继续审核。"),
    "refund_approve_canceled": _("订单已取消，退款 %(refund_no)s 已自动通过，正在原路退回 %(amount)s。"),
    "refund_approve": _("退款 %(refund_no)s 审核通过，等待财务放款 %(amount)s。"),
    "refund_reject": _("退款 %(refund_no)s 未通过：%(note)s"),
    "refund_escalate": _("退款 %(refund_no)s 审核超时，已升级给高级审核员。"),
    "refund_withdraw": _("退款 %(refund_no)s 已撤销。"),
    "refund_halt": _("退款 %(refund_no)s 正在复核，暂缓放款。"),
    "refund_disburse": _("退款 %(refund_no)s 已放款 %(amount)s，等待支付渠道处理。"),
    "refund_cannot_send": _("退款 %(refund_no)s 无法原路退回：%(note)s。客服会联系您。"),
    "refund_mark_paid_out": _("退款 %(refund_no)s 渠道已退款 %(amount)s，请留意到账。"),
    "refund_confirm_arrival": _("退款 %(refund_no)s 已到账 %(amount)s。"),
    "refund_mark_returned": _("退款 %(refund_no)s 被收款账户退回，财务正在处理。"),
    "refund_resume": _("退款 %(refund_no)s 已恢复处理。"),
    "refund_reissue": _("退款 %(refund_no)s 将重新原路退回。"),
    "refund_credit_balance": _("退款 %(refund_no)s 已退至余额 %(amount)s。"),
    "refund_auto_approve_to_balance": _("退款 %(refund_no)s 已自动通过，%(amount)s 即将退至余额。"),
    "refund_approve_canceled_to_balance": _("订单已取消，退款 %(refund_no)s 已自动通过，%(amount)s 即将退至余额。"),
    "refund_cannot_send_to_balance": _("退款 %(refund_no)s 无法退至余额：%(note)s。客服会联系您。"),
    "refund_reissue_to_balance": _("退款 %(refund_no)s 将重新放款，退至余额。"),
}


OUR_WORDS = {"cause"}  # parameters that we chose, not people: kept in Chinese, said in the reader's language


def text(kind: str, params: Mapping[str, object]) -> str:
    """The sentence in the reader's language; a kind that is gone still says something."""
    said = {name: gettext(str(value)) if value and name in OUR_WORDS else value for name, value in params.items()}
    return str(WORDING[kind] % said) if kind in WORDING else kind
