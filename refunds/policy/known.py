"""What the rules look at: the policy's terms, and what our own records say, at one moment. Kept, and decided again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Terms:
    """What the policy version that the order was placed under says of these goods and this reason.

    Those with a default were not yet said in facts from before they were kept.
    """

    window_days: int
    cooling_off_hours: int
    one_click_below_fen: int
    one_click_daily_cap_fen: int
    max_rejections: int
    express_below_fen: int = 0  # 0: there is no express lane
    express_clean_days: int = 180
    express_needs_no_record: bool = False
    fee_percent: int = 0
    balance_fee_percent: int = 0
    evidence_after_hours: int = 24 * 365
    at_fault: str = "nobody"  # "shop", "platform", "buyer", "nobody"
    takes_reason: bool = True  # the reason is in the policy's list
    slots: tuple[str, ...] = ()  # what a complete application shows
    merchant_hours: int = 0  # 0: no shop is asked
    skips_merchant: bool = False  # this reason does not go by the shop


@dataclass(frozen=True)
class Cap:
    """额度: what one automatic lane has given one buyer, payer, device, address, shop or the whole platform in 24
    hours, and the most that it may."""

    lane: str
    of: str  # "buyer", "payer", "device", "address", "shop", "platform"
    given_fen: int
    most_fen: int


@dataclass(frozen=True)
class Facts:
    """Everything the rules look at, as our own records say it at ``at``."""

    at: datetime
    terms: Terms
    ordered_at: datetime
    paid: bool
    delivered_at: datetime | None  # of the codes asked about; empty if none was handed over
    delivered_count: int
    begun_count: int  # top-ups that left us and work that began: neither delivered nor stoppable
    revealed_count: int
    expired_count: int  # codes whose own date is past
    amount_fen: int
    left_fen: int  # of the lines asked about, before this refund
    refundable_fen: int  # of the whole payment
    rejections: int
    auto_refunded_today_fen: int  # by the one-click lane: what its own daily cap in the policy is about
    received_count: int = 0  # of those seen, what has no code; 0 also in facts from before it was counted
    used_count: int = 0  # proved used: redeemed after we had shown the code, topped up, or confirmed by the buyer
    cleared_count: int = 0  # of those seen, proved unused: the issuer says not redeemed, or redeemed before our reveal
    delivered_fens: tuple[int, ...] = ()  # what is asked of each line that was handed over: a fee is counted by code
    reason: str = ""
    kind: str = ""  # of the goods, as their page said when they were ordered
    is_cross_border: bool = False
    is_canceled: bool = False  # the machine asks, for what was canceled
    to_balance: bool = False  # the buyer wants it on the balance, not by the original route
    slots_given: tuple[str, ...] = ()  # which of ``terms.slots`` a picture was laid before us for
    has_opted_in: bool = False  # to the express lane
    is_verified: bool = False  # real name
    refused_lately: int = 0  # refused or abusive refunds within ``terms.express_clean_days``
    refunded_ever: int = 0
    caps: tuple[Cap, ...] = ()
    closed_lanes: tuple[str, ...] = ()  # switched off by the operator
    shop_answers: bool = True  # the shop is there, and has not kept silent too often of late

    def as_json(self) -> dict[str, Any]:
        """For the record: what was decided on once can be decided again, by the same rules or by other terms."""
        kept = vars(self) | {"terms": dict(vars(self.terms)), "caps": [dict(vars(cap)) for cap in self.caps]}
        return kept | {name: at.isoformat() for name, at in kept.items() if isinstance(at, datetime)}

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Facts:
        times = {
            name: datetime.fromisoformat(kept[name]) for name in ("at", "ordered_at", "delivered_at") if kept[name]
        }
        lists = {name: tuple(kept.get(name, ())) for name in ("delivered_fens", "slots_given", "closed_lanes")} | {
            "caps": tuple(Cap(**cap) for cap in kept.get("caps", ()))
        }
        terms = kept["terms"] | {"slots": tuple(kept["terms"].get("slots", ()))}
        return cls(**{**kept, **times, **lists, "terms": Terms(**terms)})

    @property
    def unproved_count(self) -> int:
        """Of those seen, what nobody has proved unused."""
        return max(0, self.revealed_count - self.cleared_count)

    @property
    def missing_slots(self) -> tuple[str, ...]:
        """举证: what a complete application would show, and this one does not."""
        return tuple(slot for slot in self.terms.slots if slot not in self.slots_given)

    @property
    def is_complete(self) -> bool:
        """材料齐全 (S0-17): something is to be shown, and all of it is."""
        return bool(self.terms.slots) and not self.missing_slots
