"""举证指南: which picture shows what, what a description says, and what nobody has to type because we know it.

Texts come in the reader's language. The n-th of a guide's ``shows`` is marked n in its drawing, ``static/guides/``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from money import yuan
from orders.models import Order
from payments.models import BALANCE, Channel, Payment

BLANK = "____"


@dataclass(frozen=True)
class SlotGuide:
    """One picture that is asked for. ``sample``: the static path of a drawing, a good picture beside a bad one."""

    slot: str
    title: str
    shows: tuple[str, ...]
    good: str
    bad: str
    sample: str

    @property
    def alt(self) -> str:
        """What the drawing says, for those who do not see it."""
        return gettext("示例图。好的：%(good)s 不好的：%(bad)s") % {"good": self.good, "bad": self.bad}


@dataclass(frozen=True)
class _Words:
    title: Promise
    shows: tuple[Promise, ...]
    good: Promise
    bad: Promise


_CUT = _("只截一小块，看不到是哪个页面、什么时间。")
_BLURRED = _("对着屏幕拍糊了，字认不出来。")
_GUIDES: dict[str, _Words] = {
    "not_arrived": _Words(
        _("未到账的记录"),
        (_("充值的号码或账号"), _("查询的时间"), _("余额或到账记录，里面没有这一笔")),
        _("运营商或游戏的充值记录整页，号码、时间和最近几笔都在。"),
        _CUT,
    ),
    "wrong_goods": _Words(
        _("面值或类型不符的页面"),
        (_("兑换页面的名称"), _("实际的面值或类型"), _("截图的时间")),
        _("兑换页面整屏，实际的面值或类型看得清。"),
        _CUT,
    ),
    "redeem_error": _Words(
        _("兑换报错的截图"),
        (_("兑换页面的名称"), _("完整的报错文字"), _("报错的时间")),
        _("整屏截图，顶部的时间和报错的每个字都看得清。"),
        _("只截到报错的半句，没有时间。"),
    ),
    "login_error": _Words(
        _("登录失败的提示"),
        (_("登录的平台和账号"), _("完整的提示文字"), _("登录的时间")),
        _("登录页整屏，账号和失败提示都在；密码请遮住。"),
        _BLURRED,
    ),
    "fault_screen": _Words(
        _("异常画面"),
        (_("出问题的页面"), _("异常或报错的内容"), _("发生的时间")),
        _("出问题时的整屏画面，报错看得清。"),
        _BLURRED,
    ),
    "wrong_number": _Words(
        _("正确的号码或区服"),
        (_("正确的号码、账号或区服"), _("页面的名称"), _("填错后的提示（如果有）")),
        _("个人资料或套餐页面整屏，号码或区服看得清。"),
        _CUT,
    ),
    "not_active": _Words(
        _("未开通的页面"),
        (_("登录的账号"), _("“未开通”或有效期"), _("查看的时间")),
        _("会员或授权页面整屏，账号和状态都在。"),
        _CUT,
    ),
    "channel_bill": _Words(
        _("付款账单"),
        (_("商户单号"), _("交易时间"), _("金额")),
        _("微信或支付宝的账单详情整页，商户单号、时间、金额都在。"),
        _("只有支付成功的一角，没有商户单号。"),
    ),
    "error_page": _Words(
        _("出错的页面"),
        (_("出错的页面和地址"), _("错误提示或编号"), _("发生的时间")),
        _("出错时的整屏画面，提示或编号看得清。"),
        _BLURRED,
    ),
    "situation": _Words(
        _("能说明情况的画面"),
        (_("与这件事有关的页面"), _("您看到的结果"), _("发生的时间")),
        _("与描述一致的整屏画面，结果和时间都在。"),
        _CUT,
    ),
    "unused": _Words(
        _("未使用的证明"),
        (_("这个账号"), _("登录记录或使用记录"), _("最近一次使用的时间，或“暂无记录”")),
        _("登录记录或使用记录整页，看得出交付以后没有用过。"),
        _CUT,
    ),
    "identity": _Words(
        _("身份证明（跨境商品）"),
        (_("姓名"), _("证件号码的后四位"), _("遮住照片和其余号码")),
        _("证件平放，姓名和后四位看得清，其余遮住。"),
        _("拍糊了，或把整张证件都露了出来。"),
    ),
}


def slot_guides(slots: Sequence[str]) -> list[SlotGuide]:
    """A guide for each of ``shops.policy_terms.SLOTS`` asked for, in that order. A slot of no guide is left out."""
    return [_guide(slot, _GUIDES[slot]) for slot in slots if slot in _GUIDES]


def needed(slots: Sequence[str]) -> str:
    """In one sentence, which pictures a complete application holds."""
    titles = [guide.title for guide in slot_guides(slots)]
    if not titles:
        return gettext("无需图片，系统会自动核对。")
    return gettext("需要：%(titles)s。") % {"titles": gettext("、").join(titles)}


def _guide(slot: str, words: _Words) -> SlotGuide:
    shows = tuple(str(item) for item in words.shows)
    return SlotGuide(slot, str(words.title), shows, str(words.good), str(words.bad), f"guides/{slot}.svg")


# --- 时间 + 经过 + 结果 (S1-8, S3-18) -------------------------------------------------------------------------------

#: What the description begins with; a reason that our own records prove has none.
_TEMPLATES: dict[str, Promise] = {
    "late": _("____月____日____时付款，到____月____日____时仍未到账。我查询了____，显示：____。"),
    "not_as_described": _("____月____日____时兑换。页面上写的是____，实际得到的是____。"),
    "invalid_code": _("____月____日____时，我在____兑换这张卡密，页面提示：____。"),
    "cannot_log_in": _("____月____日____时，我在____登录这个账号，页面提示：____。"),
    "malfunction": _("____月____日____时，我在____使用时出现异常：____。之后试过____，结果是____。"),
    "wrong_top_up": _("____月____日____时下单，填成了____，正确的是____。现在的结果是____。"),
    "not_activated": _("____月____日____时，我在____开通或激活，页面仍显示：____。"),
    "duplicate": _("____月____日____时又下了一单，与订单____重复，结果付了两次，只需要其中一单。"),
    "payment_trouble": _("____月____日____时付款，账单显示扣款____元，而订单显示____。"),
    "platform_fault": _("____月____日____时，我在____页面操作时出错，提示：____。"),
    "other": _("____月____日____时，我做了____，看到的结果是____。我希望____。"),
}
_TIME = re.compile(
    r"\d{1,2}\s*[月号日点时]|\d{1,2}\s*[:：/\-.]\s*\d{1,2}|[今昨前当]天|[今昨]晚|刚才|刚刚|[早晚]上|[上下中]午|凌晨"
    r"|周[一二三四五六日天末]|星期[一二三四五六日天]|[\d一二两三四五六七八九十半几]+\s*个?(?:小时|分钟|天|周|月)[之以]?[前后]"
    r"|\b(?:today|yesterday|tonight|this (?:morning|afternoon|evening)|last (?:night|week)|noon|midnight)\b"
    r"|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|\b(?:minutes?|hours?|days?|weeks?) (?:ago|later)\b"
    r"|\b\d{1,2}\s*(?:am|pm|o'clock)\b"
    r"|\b(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*\.? \d{1,2}\b"
    r"|\b\d{1,2}(?:st|nd|rd|th)?(?: of)? (?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)",
    re.IGNORECASE,
)
_EVENT = re.compile(
    r"兑换|充值|充了|登录|登陆|登入|激活|开通|打开|启动|使用|输入|填成|填错|填写|付款|支付|付了|下单|下了|购买|买了|点击|提交"
    r"|联系|收到|安装|绑定|查询|查看|刷新|操作|扫码|转账|改密|换绑|做了|重试|试过|试了"
    r"|\b(?:redeem|top(?:ped)?[ -]up|log(?:ged|ging)? ?(?:in|on)|sign(?:ed|ing)? ?in|activat|open|start|us(?:ed|ing)\b"
    r"|enter|typed?|paid|pay(?:ing)?\b|order|bought|buy|click|tap|submit|contact|receiv|install|tried|try|scann|check)",
    re.IGNORECASE,
)
_RESULT = re.compile(
    r"提示|显示|报错|出错|错误|失败|无效|无法|不能|不了|不上|不进|不开|不符|不对|不一样|不成功|没反应|没到|没有到|没收到|没有收到"
    r"|没开通|没激活|没成功|未到|未收到|未开通|未激活|未成功|已被|已使用|用过|过期|失效|闪退|黑屏|卡住|掉线|封号|冻结|重复|两次|扣了"
    r"|扣款|至今|仍|实际|结果|变成|只有"
    r"|\b(?:error|fail|invalid|expired|cannot|can't|could ?n[o']t|unable|did ?n[o']t|does ?n[o']t|is ?n[o']t"
    r"|was ?n[o']t|never|nothing|says?\b|said|shows?\b|showed|still|crash|already|twice|instead|refused|denied"
    r"|locked|banned|wrong)",
    re.IGNORECASE,
)


def template(reason: str) -> str:
    """What a description with this reason may begin with, blanks to fill in; empty where none is needed."""
    return str(_TEMPLATES.get(reason, ""))


def vagueness(description: str, reason: str) -> str:
    """What the description does not say yet, as a hint. Empty: it says enough. It never keeps anybody from sending."""
    if reason not in _TEMPLATES:
        return ""
    if BLANK in description:
        return gettext("还有空没有填，填上后审核更快。")
    parts = [
        (_TIME, gettext("时间（几月几日几点）")),
        (_EVENT, gettext("经过（您做了什么）")),
        (_RESULT, gettext("结果（看到什么提示）")),
    ]
    missing = [name for says, name in parts if not says.search(description)]
    if not missing:
        return ""
    return gettext("还看不出%(missing)s，写上后审核更快。") % {"missing": gettext("、").join(missing)}


# --- 系统代填 (S0-13, S1-7, S3-16) ----------------------------------------------------------------------------------


def filled_in(order: Order, payment: Payment | None) -> list[tuple[str, str]]:
    """[(name, value)] of what our own records say of this purchase, so that the buyer does not have to."""
    rows = [
        (gettext("订单号"), order.order_no),
        (gettext("商品"), _goods(order)),
        (gettext("下单时间"), _moment(order.placed_at)),
    ]
    if payment is None:
        return [*rows, (gettext("金额"), yuan(order.total_fen))]
    at_alipay = payment.account.channel == Channel.ALIPAY
    rows += [
        (gettext("付款时间"), _moment(payment.paid_at)),
        (gettext("金额"), yuan(payment.amount_fen)),
        (gettext("商户单号"), payment.payment_no),
    ]
    if payment.account.channel != BALANCE:
        name = gettext("支付宝交易号") if at_alipay else gettext("微信支付单号")
        rows.append((name, payment.channel_transaction_id))
    return [(name, value) for name, value in rows if value]


def _goods(order: Order) -> str:
    names = [line.product_name for line in order.lines.all()]
    return f"{names[0]} × {len(names)}" if len(names) > 1 else "".join(names)


def _moment(at: datetime | None) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}" if at else ""
