"""The replies that come with the house. 〔…〕 is for the reviewer to fill in: a dialog takes none that still has one."""

from django.db import migrations
from django.utils import timezone

REPLIES = [
    # step, ground, title, text, English text
    ("approve", "", "核对属实", "经核对订单与使用记录，情况属实，退款通过。",
     "We have checked the order and its records. What you describe is right, and the refund is approved."),
    ("approve", "", "发卡方确认无效", "发卡方确认该卡密无法兑换，退款通过。",
     "The issuer confirms that the code cannot be redeemed. The refund is approved."),
    ("uphold", "", "核对属实，请复核", "经核对订单与使用记录，情况属实，由另一位同事复核。",
     "We have checked the order and its records. A colleague takes the second look."),
    ("request_evidence", "", "补报错截图", "请上传兑换页面的报错截图，需能看清提示文字、时间和卡号后四位。",
     "Please upload a screenshot of the error: its text, its time and the last four digits of the code must be legible."),
    ("request_evidence", "", "补充值账号与时间", "请写明充值的账号（可遮住中间几位）、操作时间和页面提示。",
     "Please tell us the account that was topped up (you may hide the middle), when, and what the page said."),
    ("request_evidence", "", "请商家提供使用记录", "请提供该商品的兑换、充值或消费记录，注明来源与时间。",
     "Please provide the record of redemption, top-up or use, with its source and time."),
    ("reject", "used", "已使用", "发卡方记录显示该卡密已于〔时间〕兑换，晚于您首次查看的时间，因此不能退款。",
     "The issuer's record shows that the code was redeemed at 〔time〕, after you first viewed it, so we cannot refund it."),
    ("reject", "out_of_time", "超过售后期", "订单已于〔日期〕交付，超过所用政策的售后期〔天数〕天，因此不能退款。",
     "The order was delivered on 〔date〕, longer ago than the 〔days〕 days of its policy, so we cannot refund it."),
    ("reject", "not_shown", "凭证不足", "现有材料不能确认问题，还缺〔缺少的材料〕。补齐后可在申诉期内申诉，由另一位同事处理。",
     "What we have does not show the problem: 〔what〕 is missing. With it you may appeal, and a colleague will decide."),
    ("reject", "not_so", "与记录不符", "订单记录显示〔事实与时间〕，与申请描述的情况不一致，因此不能退款。",
     "The order's record shows 〔fact and time〕, which does not match the application, so we cannot refund it."),
    ("reject", "not_refundable", "购买前已注明不可退", "下单前商品页与订单所用的政策已注明〔条款〕，因此不能退款。",
     "The product page and the order's policy said 〔clause〕 before you bought, so we cannot refund it."),
    ("make_offer", "", "部分使用，退未用部分", "商品已使用一部分，按未使用的部分退款。接受后按此金额退回；不接受，则继续审核。",
     "Part of it was used: we offer to refund the rest. If you decline, the review goes on."),
    ("explain_missing", "", "渠道已退款成功", "渠道已于〔时间〕退款成功，流水号〔号码〕。请凭流水号向收款银行查询；仍未入账请再告诉我们。",
     "The channel refunded it at 〔time〕 under number 〔number〕. Please ask your bank with that number, and tell us if it is still missing."),
    ("dismiss_appeal", "", "维持原结论", "我们重新核对了全部材料，结论不变：〔理由〕。您仍可通过微信支付投诉、12315 等途径主张权益。",
     "We have looked at everything again and the decision stands: 〔reason〕. You may still turn to WeChat Pay, 12315 or a court."),
    ("close", "", "双方已另行解决", "双方已另行解决，按您的意愿关闭，不退款。",
     "You settled it with the shop, and as you asked it is closed without a refund."),
]  # fmt: skip


def add(apps, editor):
    CannedReply = apps.get_model("refunds", "CannedReply")
    now = timezone.now()
    CannedReply.objects.bulk_create(
        CannedReply(step=step, ground=ground, title=title, text=text, text_en=english, written_at=now)
        for step, ground, title, text, english in REPLIES
    )


class Migration(migrations.Migration):
    dependencies = [("refunds", "0014_desk")]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
