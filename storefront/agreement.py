"""《用户协议》 in words: short, plain, and only what the shop does. Its version stands in ``orders/agreement.py``."""

from __future__ import annotations

from django.utils.translation import gettext as _

from orders.agreement import DATED, VERSION
from orders.placing import PAY_WITHIN
from storefront import policies
from storefront.terms import Section


def title() -> str:
    return _("用户协议")


def dated() -> str:
    """版本 1，2026-11-22 起适用."""
    return _("版本 %(version)d，%(at)s 起适用") % {"version": VERSION, "at": DATED.isoformat()}


def as_text() -> str:
    """What the page says, to keep (S4-17)."""
    return "\n".join([f"{title()} v{VERSION}", dated(), "", *policies.written(sections())])


def sections() -> list[Section]:
    return [
        Section(
            _("我们是谁"),
            [
                _("卡盟是交易平台：商品由各店铺定价、出售和交付，店铺名写在商品页上。"),
                _("平台代收货款、自动发卡、保存记录，并审核退款。"),
            ],
        ),
        Section(
            _("账号与访客"),
            [
                _("可以注册账号，也可以不注册直接购买。账号只供本人使用，密码请自己保管。"),
                _("访客凭订单号和查询密码找回订单、查看卡密、申请退款；知道这两样的人都能看到，请不要告诉别人。"),
            ],
        ),
        Section(
            _("下单与付款"),
            [
                _("下单后 %(minutes)d 分钟内付款有效，逾期自动取消。") % {"minutes": PAY_WITHIN.seconds // 60},
                _("订单保存下单时的价格、商品页、退款政策版本和本协议版本，之后的修改不影响它。"),
                _("充值号码、账号和区服由您填写并核对；填错且充值已提交的，无法追回。"),
            ],
        ),
        Section(
            _("卡密与查看"),
            [
                _("卡密加密保存，只在您的订单页、经您确认后显示；每次查看都记下时间、网络地址和设备。"),
                _("查看之前，我们能证明它没有用过；查看之后，退款要由人工核对。看过不等于用过。"),
            ],
        ),
        Section(
            _("退款"),
            [
                _("退款按订单所适用的退款政策版本办理，商品页、订单页都能打开和下载。"),
                _("只在本站的订单页、退款页申请；同一订单同时只有一张退款单。"),
            ],
        ),
        Section(
            _("不同意结果"),
            [
                _("先由平台审核，不通过的写明理由。您可以补充材料再申请，或指出审核看漏的地方。"),
                _("仍不同意：在微信、支付宝的账单里反馈，或拨打 12315。也可以与对方书面约定仲裁，或向法院起诉。"),
                _("订单凭证和订单记录可以下载，用来举证；记录带签名，任何人都能核对有没有改过。"),
            ],
        ),
        Section(
            _("我们保存什么"),
            [
                _("账号资料，订单、付款和退款记录（含渠道给的付款标识、到账账户），查看记录、留言、退款图片。"),
                _(
                    "实名认证只留结果、姓名首字和号码的加密摘要；付款账户和浏览器另留加密标记，防止有人反复套取自动退款。"
                ),
                _("图片只给这张退款单的双方和经手的人看，保存前去掉拍摄地点等附带信息。"),
                _("这些记录关系到钱和举证，长期保存，不自动删除。想知道我们存了您的什么，请联系客服。"),
            ],
        ),
        Section(
            _("不可以做的事"),
            [
                _("不得买卖违法的商品、来路不明的卡密，不得用本站洗钱或套现。"),
                _("不得虚构理由退款，也不得要求对方离开本站交易。"),
                _("违规的店铺会被停业或清退，没有交付的订单全额退给买家。"),
            ],
        ),
        Section(
            _("协议的修改"),
            [_("修改后换新的版本号和日期，在本页公布；已下的订单仍按下单时的版本。")],
        ),
        Section(_("防骗提醒"), policies.terms.anti_phishing()),
    ]
