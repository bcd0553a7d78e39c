"""演示商品: two shops, every kind of goods, their codes, coupons, deposits; what a badge demands, an announcement."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from accounts.models import User
from orders.models import Announcement
from shops import deposits, stock
from shops.models import (
    Category,
    Coupon,
    CouponKind,
    Fulfilment,
    GuaranteeTerms,
    Product,
    RecipientKind,
    RefundPolicy,
    Shop,
    ShopMember,
    ShopRole,
    Supplier,
)
from shops.models import ProductKind as K

POLICIES: list[dict[str, Any]] = [
    {"code": "standard", "name": "标准退款政策", "name_en": "Standard refund policy", "window_days": 15},
    {"code": "final_sale", "name": "特价不退政策", "name_en": "Final sale policy", "window_days": 0},
    {
        "code": "with_fee", "name": "部分商家政策（收手续费）", "name_en": "Some shops' policy, with a fee",
        "window_days": 7, "fee_percent": 10, "evidence_after_hours": 12, "review_hours": 36,
        "kinds": {"membership": {"window_days": 3, "slots": ["unused"]}, "service": {"window_days": 0}},
    },
]  # fmt: skip
CATEGORIES = [
    ("games", "游戏点卡", "Game cards"),
    ("phone", "话费充值", "Phone credit"),
    ("video", "影音会员", "Memberships"),
    ("software", "软件激活", "Software keys"),
    ("accounts", "游戏账号", "Game accounts"),
    ("services", "代练定制", "Boosting"),
]
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
USED = "卡密已兑换使用；超过售后期。"


@dataclass(frozen=True)
class Goods:
    """One product. ``codes``: how many are in stock; ``sku``: the supplier's, for what it carries out or can check."""

    name: str
    kind: K
    category: str
    face_value: str
    price_fen: int
    shop: int
    minutes: int = 5
    policy: str = "standard"
    codes: int = 60
    fulfilment: Fulfilment = Fulfilment.CODES
    recipient: RecipientKind = RecipientKind.NONE
    sku: str = ""
    about: str = ""
    refused: str = USED
    is_cross_border: bool = False


GOODS = [
    Goods("星海点卡 10 元", K.CARD_CODE, "games", "10 元", 990, 0),
    Goods("星海点卡 30 元", K.CARD_CODE, "games", "30 元", 2980, 0),
    Goods("星海点卡 50 元", K.CARD_CODE, "games", "50 元", 4990, 0),
    Goods("星海点卡 100 元", K.CARD_CODE, "games", "100 元", 9880, 0),
    Goods("星海点卡 648 元", K.CARD_CODE, "games", "648 元", 63800, 0, minutes=10, codes=20),
    Goods("云影视频会员月卡", K.MEMBERSHIP, "video", "1 个月", 2500, 1),
    Goods("云影视频会员年卡", K.MEMBERSHIP, "video", "12 个月", 19800, 1, codes=40),
    Goods("墨痕写作软件激活码", K.ACTIVATION_CODE, "software", "终身版", 12900, 1, codes=40),
    Goods("话费充值卡 50 元", K.CARD_CODE, "phone", "50 元", 4950, 1, minutes=30),
    Goods(
        "限时特价礼包码",
        K.CARD_CODE,
        "games",
        "礼包",
        1900,
        1,
        policy="final_sale",
        refused="特价商品，交付后不退不换。",
    ),  # fmt: skip
    Goods(
        "星海段位代练（黄金到铂金）",
        K.SERVICE,
        "services",
        "一个大段位",
        8800,
        0,
        minutes=48 * 60,
        fulfilment=Fulfilment.SERVICE,
        recipient=RecipientKind.GAME,
        refused="已完成的段位不退；未完成的部分按进度协商。",
        about="由本店打手完成，订单页可看进度与截图。",
    ),  # fmt: skip
    Goods(
        "话费直充 50 元",
        K.TOP_UP,
        "phone",
        "50 元",
        4985,
        1,
        minutes=30,
        fulfilment=Fulfilment.TOP_UP,
        recipient=RecipientKind.PHONE,
        sku="phone-50",
        refused="充值到账后不退；号码填错的风险由买家承担。",
        about="付款后由运营商直接充值到您填写的号码。",
    ),  # fmt: skip
    Goods(
        "星海 60 钻直充",
        K.TOP_UP,
        "games",
        "60 钻",
        600,
        0,
        minutes=10,
        fulfilment=Fulfilment.TOP_UP,
        recipient=RecipientKind.GAME,
        sku="game-60",
        refused="充值到账后不退；账号与区服填错的风险由买家承担。",
        about="付款后直接充入您填写的游戏账号。",
    ),  # fmt: skip
    Goods(
        "星海 60 级成品号",
        K.ACCOUNT,
        "accounts",
        "60 级",
        26800,
        0,
        codes=6,
        refused="登录过的账号不退。",
        about="付款后在订单页查看账号与密码，请立即改密。",
    ),  # fmt: skip
    Goods("Nova Store 礼品卡 20 美元", K.CARD_CODE, "games", "20 USD", 15200, 1, codes=20, is_cross_border=True),
    Goods("幻域点券 100 元", K.CARD_CODE, "games", "100 元", 9700, 0, policy="with_fee", codes=30),
]


def make(people: dict[str, User], at: datetime) -> list[Product]:
    opened = at - timedelta(days=90)
    shops = _shops(people, opened)
    policies = {row["code"]: RefundPolicy.objects.create(version=1, published_at=opened, **row) for row in POLICIES}
    categories = {
        slug: Category.objects.create(slug=slug, name=name, name_en=name_en, position=position)
        for position, (slug, name, name_en) in enumerate(CATEGORIES)
    }
    GuaranteeTerms.objects.create(version=1, published_at=opened)
    supplier = Supplier.objects.create(code="issuer", name="星海发行与话费直充平台", created_at=opened)
    Coupon.objects.create(
        shop=shops[0], code="STAR5", kind=CouponKind.FIXED, off_fen=500, minimum_fen=5000, starts_at=opened,
        ends_at=at + timedelta(days=60), most_uses=1000,
    )  # fmt: skip
    Coupon.objects.create(
        shop=shops[1], code="YUN10", kind=CouponKind.PERCENT, off_percent=10, minimum_fen=10_000, starts_at=opened,
        ends_at=at + timedelta(days=30), most_uses=200,
    )  # fmt: skip
    return [
        _product(goods, shops[goods.shop], policies[goods.policy], categories[goods.category], supplier, when)
        for goods, when in zip(GOODS, (opened + timedelta(minutes=n) for n in range(len(GOODS))), strict=True)
    ]


def announce(by: User, at: datetime) -> None:
    """公告 that every page shows: with its date, until it is over, and without a link, as there is no more to tell."""
    night = _next_sunday(at)
    Announcement.objects.create(
        text=f"{night.month}月{night.day}日（周日）02:00–04:00（北京时间）银行系统维护，"
        "这段时间的退款会晚一些到账，申请不受影响。",
        text_en=f"Banks are under maintenance on Sunday, {night.day} {MONTHS[night.month - 1]}, 02:00–04:00 "
        "(Beijing time). Refunds arrive a little later; apply as usual.",
        starts_at=at - timedelta(days=1),
        ends_at=night + timedelta(hours=4),
        created_by=by,
    )


def _next_sunday(at: datetime) -> datetime:
    """Its first moment in Shanghai; on a Sunday, that of the next one."""
    today = timezone.localtime(at).replace(hour=0, minute=0, second=0, microsecond=0)
    return today + timedelta(days=6 - today.weekday() or 7)


def _shops(people: dict[str, User], opened: datetime) -> list[Shop]:
    shops = [
        Shop.objects.create(name="星海点卡专营店", about="游戏点卡，自动发卡", created_at=opened),
        Shop.objects.create(name="云影数字商品店", about="会员、软件、话费", created_at=opened),
    ]
    for shop, owner in zip(shops, ("merchant", "merchant2"), strict=True):
        ShopMember.objects.create(shop=shop, user=people[owner], role=ShopRole.OWNER)
        voucher = f"BZJ-{shop.pk:04}"
        deposits.record(shop, amount_fen=200_000, voucher=voucher, note="", by=people["finance"], at=opened)
    ShopMember.objects.create(shop=shops[0], user=people["clerk"], role=ShopRole.CLERK)
    return shops


def _product(
    goods: Goods, shop: Shop, policy: RefundPolicy, category: Category, supplier: Supplier, at: datetime
) -> Product:
    product = Product.objects.create(
        shop=shop,
        policy=policy,
        category=category,
        kind=goods.kind,
        fulfilment=goods.fulfilment,
        recipient_kind=goods.recipient,
        supplier=supplier if goods.fulfilment == Fulfilment.TOP_UP or goods.kind == K.CARD_CODE else None,
        supplier_sku=goods.sku,
        name=goods.name,
        face_value=goods.face_value,
        is_cross_border=goods.is_cross_border,
        description=goods.about or f"付款后 {goods.minutes} 分钟内自动发卡，在订单页查看。",
        not_refundable_note=goods.refused,
        price_fen=goods.price_fen,
        delivery_promise_minutes=goods.minutes,
        created_at=at,
    )
    if goods.fulfilment == Fulfilment.CODES:
        stock.add(product, [_text(goods.kind) for _ in range(goods.codes)], at=at)
    return product


def _text(kind: K) -> str:
    text = secrets.token_hex(8).upper()
    if kind == K.ACCOUNT:
        return f"账号：star{text[:8].lower()} 密码：{secrets.token_urlsafe(9)}"
    return "-".join(text[i : i + 4] for i in range(0, 16, 4))
