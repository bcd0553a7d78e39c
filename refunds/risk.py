"""风险提示: what a reviewer may want to look at more closely, and why (S0-31). Decides nothing, sorts nothing out.

A hint is never a ground of refusal: each says beside its reason what else it may mean, the buyer is told none of them,
and a refusal that only repeats hints is not taken (``quotes_only_hints``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Count, Q

from orders.models import Order
from refunds.models import Lane, Refund
from refunds.policy import Cap, Facts

if TYPE_CHECKING:
    from refunds.casefile import CaseFile

SHARED_WITHIN = timedelta(days=7)
COUNTED_WITHIN = timedelta(days=30)
NEW_ACCOUNT = timedelta(days=7)
MUCH_FEN = 20_000  # for a new account
SOON = timedelta(minutes=10)
MANY_REFUNDS = 3
NEARLY_PERCENT = 80  # of a cap

TITLES = {
    "device": "同一设备有多名买家",
    "payer": "同一付款账户有多名买家",
    "address": "同一网络有多名访客",
    "refunds": "近期退款较多",
    "account": "新账号申请较大金额",
    "soon": "查看后很快申请",
    "picture": "图片在其他退款单出现过",
    "caps": "自动退款额度将用完",
}
#: What our records say, after the time that it is about; ``_HINT`` knows these sentences again.
BECAUSE = {
    "device": "{} 名买家从这台设备申请退款",
    "payer": "{} 名买家用这个付款账户付款并申请退款",
    "address": "{} 名访客从这个网络申请退款",
    "refunds": "{} 张付款订单申请了 {} 次退款",
    "account": "注册 {} 天内申请 {} 元",
    "soon": "查看卡密后 {} 分钟内申请",
    "picture": "{} 张图在其他订单里有同样或相似的",
    "caps": "小时内已自动退",
}
PURSES = {"buyer": "买家", "payer": "付款账户", "device": "设备", "shop": "店铺", "platform": "全平台"}


@dataclass(frozen=True)
class Hint:
    """``because``: what our records say. ``otherwise``: what it may mean of an honest buyer."""

    code: str
    because: str
    otherwise: str

    @property
    def title(self) -> str:
        return TITLES[self.code]


@dataclass(frozen=True)
class Seen:
    """What the hints look at. Counts of people are without this buyer, of refunds with this one."""

    amount_fen: int = 0
    device_buyers: int = 0
    payer_buyers: int = 0
    address_guests: int = 0
    refunds: int = 0  # asked for by the buyer in the 30 days before, and paid orders in the same
    orders: int = 0
    account_age: timedelta | None = None  # empty: a guest
    since_reveal: timedelta | None = None  # from the last first look at a code to the application
    pictures_elsewhere: int = 0
    caps: Sequence[Cap] = ()  # as the pre-check saw them


def hints(file: CaseFile) -> list[Hint]:
    """Of a case on file; three queries beside what the file has read already."""
    return weigh(_seen(file))


def weigh(seen: Seen) -> list[Hint]:
    """Pure."""
    found = [_shared(seen), _many(seen), _new(seen), _soon(seen), _pictures(seen), _caps(seen)]
    return [hint for hints in found for hint in hints]


def quotes_only_hints(note: str) -> bool:
    """Whether a refusal gives no other ground than hints do: each of its clauses is one of theirs, or says nothing."""
    clauses = [clause.strip() for clause in re.split(r"[，。；、：！？,;:!?（）()“”\"\n]+", note) if clause.strip()]
    hints = [clause for clause in clauses if _HINT.search(clause)]
    return bool(hints) and all(clause in hints or clause in _EMPTY or clause.isdigit() for clause in clauses)


# --- each hint --------------------------------------------------------------------------------------------------------


def _shared(seen: Seen) -> list[Hint]:
    rows = [
        ("device", seen.device_buyers, "家人、同事共用手机，或网吧、门店的电脑"),
        ("payer", seen.payer_buyers, "一人代家人付款，或有几个账号"),
        ("address", seen.address_guests, "校园、公司的许多人共用一个地址"),
    ]
    return [
        Hint(code, "7 天内另有 " + BECAUSE[code].format(count), otherwise) for code, count, otherwise in rows if count
    ]


def _many(seen: Seen) -> list[Hint]:
    if seen.refunds < MANY_REFUNDS or 2 * seen.refunds < seen.orders:
        return []
    because = "30 天内 " + BECAUSE["refunds"].format(seen.orders, seen.refunds)
    return [Hint("refunds", because, "买到同一批有问题的卡密")]


def _new(seen: Seen) -> list[Hint]:
    if seen.account_age is None or seen.account_age >= NEW_ACCOUNT or seen.amount_fen < MUCH_FEN:
        return []
    because = BECAUSE["account"].format(seen.account_age.days, f"{seen.amount_fen / 100:.2f}")
    return [Hint("account", because, "为这次购买注册")]


def _soon(seen: Seen) -> list[Hint]:
    if seen.since_reveal is None or not timedelta() <= seen.since_reveal < SOON:
        return []
    because = BECAUSE["soon"].format(int(seen.since_reveal.total_seconds() // 60) + 1)
    return [Hint("soon", because, "卡密无效的，通常马上就会发现")]


def _pictures(seen: Seen) -> list[Hint]:
    if not seen.pictures_elsewhere:
        return []
    return [Hint("picture", BECAUSE["picture"].format(seen.pictures_elsewhere), "同一页面的截图本来就会相似")]


def _caps(seen: Seen) -> list[Hint]:
    near = [
        f"{Lane(cap.lane).label}·{PURSES[cap.of]} {cap.given_fen / 100:.2f} / {cap.most_fen / 100:.2f} 元"
        for cap in seen.caps
        if cap.of in PURSES and 100 * cap.given_fen >= NEARLY_PERCENT * cap.most_fen
    ]
    if not near:
        return []
    because = f"申请时 24 {BECAUSE['caps']}：" + "，".join(near)
    return [Hint("caps", because, "店铺或平台的额度与这名买家无关")]


# --- looking them up ------------------------------------------------------------------------------------------------


def _seen(file: CaseFile) -> Seen:
    refund = file.refund
    refunds, orders = _counts(refund)
    device, payer = _sharers(refund)
    looks = [row.code.revealed_at for row in file.lines if row.code and row.code.revealed_at]
    looked_at = max((at for at in looks if at <= refund.submitted_at), default=None)
    return Seen(
        amount_fen=refund.amount_fen,
        device_buyers=device,
        payer_buyers=payer,
        address_guests=_neighbors(refund),
        refunds=refunds,
        orders=orders,
        account_age=None if refund.buyer.is_guest else refund.submitted_at - refund.buyer.date_joined,
        since_reveal=refund.submitted_at - looked_at if looked_at else None,
        pictures_elsewhere=sum(bool(picture.seen_before) for picture in file.images),
        caps=Facts.of_json(file.checks.facts).caps if file.checks and file.checks.facts else (),
    )


def _counts(refund: Refund) -> tuple[int, int]:
    since, until = refund.submitted_at - COUNTED_WITHIN, refund.submitted_at
    refunds = Refund.objects.filter(buyer=refund.buyer_id, cancellation=None, submitted_at__range=(since, until))
    orders = Order.objects.filter(buyer=refund.buyer_id, paid_at__range=(since, until))
    return refunds.count(), orders.count()


def _sharers(refund: Refund) -> tuple[int, int]:
    """How many other buyers asked from the same device, and with the same payer."""
    keys = {"device_key": refund.device_key, "payer_key": refund.payer_key}
    known = {name: bytes(key) for name, key in keys.items() if key}
    if not known:
        return 0, 0
    same = Q(*known.items(), _connector=Q.OR)
    rows = Refund.objects.filter(same, submitted_at__gt=refund.submitted_at - SHARED_WITHIN)
    counts = {name: Count("buyer", filter=Q((name, key)), distinct=True) for name, key in known.items()}
    found = rows.exclude(buyer=refund.buyer_id).aggregate(**{f"by_{name}": count for name, count in counts.items()})
    return found.get("by_device_key", 0), found.get("by_payer_key", 0)


def _neighbors(refund: Refund) -> int:
    """How many other guests asked from the same network."""
    origin = refund.order.guest_origin
    if not origin:
        return 0
    rows = Refund.objects.filter(order__guest_origin=origin, submitted_at__gt=refund.submitted_at - SHARED_WITHIN)
    return rows.exclude(buyer=refund.buyer_id).values("buyer").distinct().count()


# --- what a hint alone sounds like ------------------------------------------------------------------------------------


def _pattern(sentence: str) -> str:
    """A sentence of ours as people copy it: with its numbers, or without the first of them."""
    pieces = [re.escape(piece).replace(r"\ ", " ?") for piece in sentence.strip("{} ").split("{}")]
    return r"[\d.]+".join(pieces)


_HINT = re.compile(
    "|".join(
        [*TITLES.values(), "风险提示", "存在风险", "高风险", "风险较高", *map(_pattern, BECAUSE.values())]
        + [f"·(?:{'|'.join(PURSES.values())}) "]
    )
)
_EMPTY = {"驳回", "拒绝", "不予退款", "不通过", "系统提示", "系统", "异常", "可疑", "疑似欺诈", "欺诈"}
