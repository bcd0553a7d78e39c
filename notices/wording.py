"""What notices say. A kind here is a key in ``Notice.kind``; parameters come from the row.

No notice ever carries a link to another site, nor asks for a password or a code (S4-20, P14).
A new kind that is a result or waits for somebody has its words in ``BRIEF`` as well.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

WORDING = {
    "order_delivered": _("订单 %(order_no)s 已交付，请到订单页查看。"),
    "order_canceled": _("订单 %(order_no)s 已取消（%(cause)s），款项将自动原路退回。"),
    "order_penalty": _("商家未能交付订单 %(order_no)s，违约金 %(amount)s 已存入您的余额。"),
    "order_compensation": _("平台因订单 %(order_no)s 赔付您 %(amount)s，已存入余额：%(note)s"),
    "order_overdue": _("订单 %(order_no)s 超过承诺时间仍未交付，可在订单页一键退款。"),
    "payee_laid_down": _(
        "已登记收款账户：%(account)s，尾号 %(last_four)s，%(hours)s 小时后可用。不是您本人操作的，请立即联系客服。"
    ),
    "transfer_requested": _(
        "已申请转账 %(transfer_no)s：%(amount)s，至%(account)s（尾号 %(last_four)s），%(hours)s 小时内审批。"
        "不是您本人操作的，请立即联系客服。"
    ),
    "transfer_paid": _(
        "转账 %(transfer_no)s（%(amount)s）已转出至%(account)s（尾号 %(last_four)s），通常当天到账，最迟 2 个工作日。"
    ),
    "transfer_refused": _("转账 %(transfer_no)s（%(amount)s）未通过，钱已退回原处：%(note)s"),
    "transfer_failed": _(
        "转账 %(transfer_no)s（%(amount)s）被银行退回，钱已回到原处：%(note)s 请核对收款账户后重新申请。"
    ),
    "topups_wait": _("有直充单超时没有结果，请到客服台“直充单 · 待人工核实”处理。"),
    "discrepancies_late": _("有对账差错超过处理期限，请到客服台“对账 · 差错”处理。"),
    "topup_opposed": _("直充单 %(topup_no)s 已停止或已人工认定，供应商后来的签名答复却相反，请立即核对。"),
    "service_report": _("订单 %(order_no)s 的服务有新的进度或凭证。"),
    "shop_order_penalty": _("订单 %(order_no)s 因店铺责任取消，违约金 %(amount)s 已从货款付给买家。"),
    "shop_order_overdue": _("订单 %(order_no)s 已超过承诺的交付时间，买家可一键退款；再拖延将按退款政策自动取消。"),
    "ticket_answered": _("工单 %(ticket_no)s 有客服答复。"),
    "ticket_closed": _("工单 %(ticket_no)s 已关闭，请看结语；7 天内可以重开一次。"),
    "ticket_asked": _("工单 %(ticket_no)s 有买家的新消息。"),
    "ticket_handed": _("工单 %(ticket_no)s 已转交给您。"),
    "ticket_late": _("工单 %(ticket_no)s 超过答复期限，请立即处理。"),
    "complaint_begun": _("投诉 %(complaint_no)s 已开始调查。"),
    "complaint_upheld": _("投诉 %(complaint_no)s 成立，结论请看投诉页。"),
    "complaint_dismissed": _("投诉 %(complaint_no)s 不成立，理由请看投诉页。"),
    "complaint_answered": _("投诉 %(complaint_no)s 有商家答复。"),
    "complaint_late": _("投诉 %(complaint_no)s 超过期限，请立即处理。"),
    "complaint_for_operators": _("投诉 %(complaint_no)s 成立：店铺“%(shop)s”。是否暂停营业由您决定。"),
    "shop_complaint_begun": _("店铺“%(shop)s”被投诉（%(complaint_no)s），平台已开始调查。您可以答复一次。"),
    "shop_complaint_upheld": _("针对店铺“%(shop)s”的投诉 %(complaint_no)s 成立，已记入店铺数据。"),
    "shop_complaint_dismissed": _("针对店铺“%(shop)s”的投诉 %(complaint_no)s 不成立。"),
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
    "owner_knew_keys": _(
        "%(name)s 已不再是店铺“%(shop)s”的店主，对方看过的 %(keys)s 个接口密钥和 %(secrets)s 个回调密钥仍然有效。"
        "请到“接口”页吊销或更换。"
    ),
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
    "refund_cannot_send": _("退款 %(refund_no)s 无法原路退回：%(note)s。请在退款单中选择退至余额或您本人的账户。"),
    "refund_mark_paid_out": _("退款 %(refund_no)s 渠道已退款 %(amount)s，请留意到账。"),
    "refund_confirm_arrival": _("退款 %(refund_no)s 已到账 %(amount)s。"),
    "refund_mark_returned": _(
        "退款 %(refund_no)s（%(amount)s）没能退到您的收款账户，款项不会丢失。请在退款单中选择退至余额或您本人的账户。"
    ),
    "refund_resume": _("退款 %(refund_no)s 已恢复处理。"),
    "refund_reissue": _("退款 %(refund_no)s 将重新原路退回。"),
    "refund_credit_balance": _("退款 %(refund_no)s 已退至余额 %(amount)s。"),
    "refund_auto_approve_to_balance": _("退款 %(refund_no)s 已自动通过，%(amount)s 即将退至余额。"),
    "refund_approve_canceled_to_balance": _("订单已取消，退款 %(refund_no)s 已自动通过，%(amount)s 即将退至余额。"),
    "refund_cannot_send_to_balance": _("退款 %(refund_no)s 无法退至余额：%(note)s。客服会联系您。"),
    "refund_reissue_to_balance": _("退款 %(refund_no)s 将重新放款，退至余额。"),
    "refund_ask_merchant": _("退款 %(refund_no)s 已转商家处理；商家逾期未答复，视为商家责任。"),
    "refund_agree": _("商家已同意退款 %(refund_no)s，等待财务放款 %(amount)s。"),
    "refund_agree_above_limit": _("商家已同意退款 %(refund_no)s；金额较大，由平台两位同事复核后放款。"),
    "refund_contest": _("商家对退款 %(refund_no)s 有异议，已转平台审核：%(note)s"),
    "refund_offer": _("商家对退款 %(refund_no)s 提出了方案，请答复：%(note)s"),
    "refund_make_offer": _("平台对退款 %(refund_no)s 提出了方案，请答复：%(note)s"),
    "refund_propose_offer": _("退款 %(refund_no)s 的方案正在复核。"),
    "refund_confirm_offer": _("平台对退款 %(refund_no)s 提出了方案，请打开查看并答复。"),
    "refund_accept_offer": _("您已接受退款 %(refund_no)s 的方案，退款金额 %(amount)s，等待财务放款。"),
    "refund_accept_replacement": _("退款 %(refund_no)s 已补发新卡密，请到订单页查看。"),
    "refund_decline_offer": _("您没有接受退款 %(refund_no)s 的方案，已转平台审核。"),
    "refund_lapse_offer": _("退款 %(refund_no)s 的方案逾期未答复，已转平台审核；不影响您的退款。"),
    "refund_claim": _("客服已接手退款 %(refund_no)s。"),
    "refund_hand_over": _("退款 %(refund_no)s 已转给另一位客服。"),
    "refund_request_more": _("退款 %(refund_no)s 需要您补充材料：%(note)s"),
    "refund_shop_was_asked": _("退款 %(refund_no)s 正在等商家补充材料，审核计时暂停。"),
    "refund_consult": _("退款 %(refund_no)s 正在向供应商或技术人员核实，需要的时间会长一些。"),
    "refund_record_answer": _("退款 %(refund_no)s 的核实已有结果，审核继续。"),
    "refund_uphold": _("退款 %(refund_no)s 初审通过，正在由另一位同事复核。"),
    "refund_approve_second": _("退款 %(refund_no)s 复核通过，等待财务放款 %(amount)s。"),
    "refund_reject_second": _("退款 %(refund_no)s 未通过：%(note)s"),
    "refund_send_back": _("退款 %(refund_no)s 正在进一步核对。"),
    "refund_appeal": _("退款 %(refund_no)s 的申诉已收到，由另一位高级审核员处理。"),
    "refund_grant_appeal": _("退款 %(refund_no)s 申诉成立，等待财务放款 %(amount)s。"),
    "refund_uphold_appeal": _("退款 %(refund_no)s 申诉成立，金额较大，正在复核。"),
    "refund_dismiss_appeal": _("退款 %(refund_no)s 申诉后维持原结论：%(note)s"),
    "refund_reopen": _("退款 %(refund_no)s 的结论有误，已重新复核。"),
    "refund_extend": _("平台正在调查店铺，退款 %(refund_no)s 的审核延长：%(note)s"),
    "refund_extend_until": _("平台正在调查店铺，退款 %(refund_no)s 的审核延长，最迟 %(by)s 给出结果：%(note)s"),
    "refund_urge": _("已收到您对退款 %(refund_no)s 的催办，已排到最前。"),
    "refund_close": _("退款 %(refund_no)s 已关闭：%(note)s"),
    "refund_report_missing": _("已收到：退款 %(refund_no)s 尚未到账。客服正在向渠道核实。"),
    "refund_explain_missing": _("退款 %(refund_no)s 未到账的答复：%(note)s"),
    "refund_reissue_above_limit": _("退款 %(refund_no)s 将重新原路退回，正在复核。"),
    "refund_sign_redirect": _(
        "您已签署退款 %(refund_no)s 的退款方式变更协议，等待平台确认。不是您本人操作的，请立即撤回并联系客服。"
    ),
    "refund_revoke_redirect": _("您已撤回退款 %(refund_no)s 的变更协议，可以重新选择退款去向。"),
    "refund_send_to_card": _("退款 %(refund_no)s（%(amount)s）正由支付渠道退至您签署的银行卡。"),
    "refund_request_transfer": _("退款 %(refund_no)s 已放款 %(amount)s，平台将转账至您签署的账户，最迟 2 天内转出。"),
    "refund_mark_transferred": _("退款 %(refund_no)s 已转账 %(amount)s 至您签署的账户，通常 2 个工作日内到账。"),
    "refund_lapse_redirect": _("退款 %(refund_no)s 的变更协议已失效，财务正在处理。"),
    "refund_confirm_redirect": _("退款 %(refund_no)s 的新去向已确认，等待放款 %(amount)s。"),
    "refund_remind_buyer": _("退款 %(refund_no)s 在等您答复，请在 %(by)s 前处理。"),
    "refund_remind_destination": _("退款 %(refund_no)s（%(amount)s）没能退到原账户，请打开退款页选择退款去向。"),
    "shop_refund_ask_merchant": _("新的退款申请 %(refund_no)s（%(amount)s），请按时答复；逾期视为商家责任。"),
    "shop_refund_remind": _("退款 %(refund_no)s 在等店铺答复，请在 %(by)s 前处理；逾期视为商家责任。"),
    "shop_refund_request_evidence": _("退款 %(refund_no)s 需要店铺补充材料：%(note)s"),
    "shop_refund_request_more": _("退款 %(refund_no)s 需要店铺补充材料：%(note)s"),
    "shop_refund_agree": _("退款 %(refund_no)s 店铺逾期未答复，已视为商家责任，退款 %(amount)s。"),
    "shop_refund_agree_above_limit": _("退款 %(refund_no)s 店铺逾期未答复，已视为商家责任，由平台复核。"),
    "shop_refund_contest": _("退款 %(refund_no)s 店铺逾期未答复；有使用记录，已转平台审核。"),
    "shop_refund_accept_offer": _("买家接受了退款 %(refund_no)s 的方案，退款 %(amount)s。"),
    "shop_refund_accept_replacement": _("买家接受了退款 %(refund_no)s 的补发，已从库存发出新卡密。"),
    "shop_refund_decline_offer": _("买家没有接受退款 %(refund_no)s 的方案，已转平台审核。"),
    "shop_refund_lapse_offer": _("买家没有答复退款 %(refund_no)s 的方案，已转平台审核。"),
    "shop_refund_approve": _("平台通过了退款 %(refund_no)s（%(amount)s）。有新凭证的，可提出一次异议。"),
    "shop_refund_approve_second": _("平台通过了退款 %(refund_no)s（%(amount)s）。有新凭证的，可提出一次异议。"),
    "shop_refund_reject": _("平台驳回了退款 %(refund_no)s。"),
    "shop_refund_reject_second": _("平台驳回了退款 %(refund_no)s。"),
    "shop_refund_appeal": _("买家对退款 %(refund_no)s 提出申诉，由平台高级审核员处理。"),
    "shop_refund_grant_appeal": _("退款 %(refund_no)s 申诉成立，退款 %(amount)s。有新凭证的，可提出一次异议。"),
    "shop_refund_dismiss_appeal": _("退款 %(refund_no)s 申诉后维持原结论，不退款。"),
    "shop_refund_reopen": _("平台重新复核退款 %(refund_no)s。"),
    "shop_refund_withdraw": _("买家撤销了退款 %(refund_no)s。"),
    "shop_refund_close": _("平台关闭了退款 %(refund_no)s，不退款。"),
    "shop_objection_upheld": _(
        "对退款 %(refund_no)s 的异议成立：%(note)s 这笔 %(amount)s 不由店铺承担，买家的退款不变。"
    ),
    "shop_objection_dismissed": _("对退款 %(refund_no)s 的异议不成立：%(note)s"),
    "shop_refund_remind_evidence": _("退款 %(refund_no)s 在等店铺补充材料，请在 %(by)s 前补充；到期按现有材料审核。"),
    "shop_refund_evidence_over": _("退款 %(refund_no)s 店铺补充材料的期限已过，将按现有材料审核。"),
    "desk_refund_remind": _("您认领的退款 %(refund_no)s 请在 %(by)s 前处理。"),
    "desk_refund_due": _("您认领的退款 %(refund_no)s 已过期限（%(by)s）。"),
    "desk_refund_last_day": _("退款 %(refund_no)s 已到最迟结论日（%(by)s），仍在等对方答复，请跟进。"),
    "desk_queue_remind": _("您队列里有退款单快到期，最早 %(by)s，请处理。"),
    "desk_queue_due": _("您队列里有退款单已过期限（%(by)s），请先处理。"),
    "desk_queue_went_up": _("有退款单超时升级到您这里，请处理。"),
    "refund_remind_buyer_many": _("有 %(count)s 张退款单在等您答复，最早的请在 %(by)s 前处理。"),
    "refund_remind_destination_many": _("有 %(count)s 张退款没能退到原账户，请打开退款页选择退款去向。"),
    "shop_refund_remind_many": _("有 %(count)s 张退款单在等店铺答复，最早的请在 %(by)s 前处理；逾期视为商家责任。"),
    "shop_refund_remind_evidence_many": _("有 %(count)s 张退款单在等店铺补充材料，最早的请在 %(by)s 前补充。"),
    "shop_refund_evidence_over_many": _("有 %(count)s 张退款单店铺补充材料的期限已过，将按现有材料审核。"),
    "desk_refund_remind_many": _("您认领的退款单有 %(count)s 张快到期，最早的请在 %(by)s 前处理。"),
    "desk_refund_due_many": _("您认领的退款单有 %(count)s 张已过期限，最早 %(by)s。"),
    "desk_refund_last_day_many": _("有 %(count)s 张退款单已到最迟结论日，仍在等对方答复，请跟进。"),
}

#: What also goes by SMS and WeChat, and what it says there: at most 12 characters, as providers' templates take. Only
#: of kinds that name a refund_no or an order_no: results, and what waits for its reader (S2-23, S3-13).
BRIEF = {
    "order_canceled": _("已取消，款项将退回"),
    "order_penalty": _("违约金已存入余额"),
    "order_compensation": _("平台赔付已存入余额"),
    "order_overdue": _("超时未交付，可退款"),
    "shop_order_penalty": _("违约金已付给买家"),
    "shop_order_overdue": _("已超时未交付"),
    "refund_auto_approve": _("已通过，原路退回中"),
    "refund_turn_down": _("未通过"),
    "refund_request_evidence": _("等您补充材料"),
    "refund_approve_canceled": _("已通过，原路退回中"),
    "refund_approve": _("审核通过"),
    "refund_reject": _("未通过"),
    "refund_cannot_send": _("无法原路退回"),
    "refund_mark_paid_out": _("渠道已退款"),
    "refund_mark_returned": _("被收款账户退回"),
    "refund_credit_balance": _("已退到余额"),
    "refund_auto_approve_to_balance": _("已通过，将退至余额"),
    "refund_approve_canceled_to_balance": _("已通过，将退至余额"),
    "refund_cannot_send_to_balance": _("无法退至余额"),
    "refund_agree": _("商家已同意"),
    "refund_agree_above_limit": _("商家已同意，待复核"),
    "refund_offer": _("有方案等您答复"),
    "refund_make_offer": _("有方案等您答复"),
    "refund_confirm_offer": _("有方案等您答复"),
    "refund_request_more": _("等您补充材料"),
    "refund_approve_second": _("审核通过"),
    "refund_reject_second": _("未通过"),
    "refund_grant_appeal": _("申诉已成立"),
    "refund_dismiss_appeal": _("申诉后维持原结论"),
    "refund_explain_missing": _("未到账有了答复"),
    "refund_remind_buyer": _("等您答复，快到期"),
    "refund_remind_destination": _("等您选择退款去向"),
    "shop_refund_ask_merchant": _("新申请，等店铺答复"),
    "shop_refund_remind": _("等店铺答复，快到期"),
    "shop_refund_remind_evidence": _("等店铺补充材料"),
    "shop_refund_request_evidence": _("等店铺补充材料"),
    "shop_refund_request_more": _("等店铺补充材料"),
}

#: Somebody must answer by a deadline: these may come in quiet hours, if their reader lets them.
URGENT = {
    "refund_request_evidence", "refund_request_more", "refund_offer", "refund_make_offer", "refund_confirm_offer",
    "refund_remind_buyer", "refund_remind_buyer_many", "shop_refund_ask_merchant", "shop_refund_remind",
    "shop_refund_remind_many", "shop_refund_remind_evidence", "shop_refund_remind_evidence_many",
    "shop_refund_request_evidence", "shop_refund_request_more", "shop_order_overdue",
}  # fmt: skip


OUR_WORDS = {"cause", "account"}  # parameters that we chose, not people: kept in Chinese, said in the reader's language


def text(kind: str, params: Mapping[str, object]) -> str:
    """The sentence in the reader's language; a kind that is gone still says something."""
    said = {name: gettext(str(value)) if value and name in OUR_WORDS else value for name, value in params.items()}
    return str(WORDING[kind] % said) if kind in WORDING else kind
