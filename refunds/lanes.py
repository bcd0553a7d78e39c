"""自动通道: what each may give in a day, what it has given, and whose purse that was (conflict 6, P12).

A cap never refuses anybody: beyond it a person decides.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

import reason_given
from accounts.models import User
from orders.models import Order
from payments.models import Payment
from refunds.models import Lane, LaneLimits, Status
from refunds.policy import Cap

DAY = timedelta(hours=24)
LOCK = 4901  # names this lock among the database's advisory ones
CAPPED = ("buyer", "payer", "device", "shop", "platform")
KEPT = ("is_on", *(f"{of}_fen" for of in CAPPED), "audit_percent")
#: Before an operator has set any: yuan × 100. Where nothing was delivered little can be lost, so only one buyer's
#: day is capped.
DEFAULTS: dict[Lane, dict[str, Any]] = {
    Lane.UNDELIVERED: {"buyer_fen": 2_000_000, "audit_percent": 1},
    Lane.ONE_CLICK: {
        "payer_fen": 30_000, "device_fen": 30_000, "shop_fen": 200_000, "platform_fen": 5_000_000, "audit_percent": 2,
    },
    Lane.EXPRESS: {
        "buyer_fen": 100_000, "payer_fen": 100_000, "device_fen": 100_000, "shop_fen": 500_000,
        "platform_fen": 10_000_000, "audit_percent": 5,
    },
}  # fmt: skip

Key = int | bytes | None


@dataclass(frozen=True)
class Purses:
    """Whose automatic refunds count together with this case's: what is empty is not known."""

    buyer: int
    payer: bytes | None
    device: bytes | None
    address: bytes | None  # of guests: where they came from
    shop: int

    def key(self, of: str) -> Key:
        return 0 if of == "platform" else getattr(self, of)


@dataclass
class Given:
    """What each lane has given each purse in the last 24 hours, in fen: {(lane, of, key): fen}."""

    fen: dict[tuple[str, str, Key], int] = field(default_factory=lambda: defaultdict(int))

    def to(self, lane: str, of: str, purses: Purses) -> int:
        key = purses.key(of)
        return 0 if key is None else self.fen[lane, of, key]

    def add(self, lane: str, purses: Purses, amount_fen: int) -> None:
        """One case more: those decided after it in the same run see it."""
        for of in (*CAPPED, "address"):
            self.fen[lane, of, purses.key(of)] += amount_fen


def purses_of(order: Order, payment: Payment | None, device_key: bytes | None) -> Purses:
    return Purses(
        buyer=order.buyer_id,
        payer=_bytes(payment.payer_key if payment else None),
        device=_bytes(device_key),
        address=_bytes(order.guest_origin),
        shop=order.shop_id,
    )


def limits() -> dict[Lane, LaneLimits]:
    """The limits in force: the newest row of each lane, else what the house begins with, not saved."""
    rows = LaneLimits.objects.order_by("lane", "-pk").distinct("lane")
    return {lane: LaneLimits(lane=lane, **words) for lane, words in DEFAULTS.items()} | {
        Lane(row.lane): row for row in rows
    }


def caps(limits: Mapping[Lane, LaneLimits], given: Given, purses: Purses) -> tuple[Cap, ...]:
    """Every cap that is set, with what has gone against it."""
    return tuple(
        Cap(lane.value, of, given.to(lane, of, purses), most_fen)
        for lane, row in limits.items()
        for of in CAPPED
        if (most_fen := getattr(row, f"{of}_fen")) is not None and purses.key(of) is not None
    )


def closed(limits: Mapping[Lane, LaneLimits]) -> tuple[str, ...]:
    return tuple(lane.value for lane, row in limits.items() if not row.is_on)


# --- set by operators -------------------------------------------------------------------------------------------------


class CannotSet(Exception):
    """The message says why nothing was set."""


def set_limits(
    lane: Lane, *, by: User, at: datetime, reason: str, audit_percent: int, **caps_fen: int | None
) -> LaneLimits:
    """New caps (``buyer_fen`` … ``platform_fen``; None: none) beside the switch as it stands. Raises CannotSet."""
    if caps_fen.keys() != {f"{of}_fen" for of in CAPPED}:
        raise TypeError(f"set_limits takes every cap, and was given {sorted(caps_fen)}")
    return _add(lane, by, at, reason, {**caps_fen, "audit_percent": audit_percent})


def switch(lane: Lane, *, is_on: bool, by: User, at: datetime, reason: str) -> LaneLimits:
    """暂停、恢复 a lane, its caps as they stand. What was decided before stays decided. Raises CannotSet."""
    return _add(lane, by, at, reason, {"is_on": is_on})


def _add(lane: Lane, by: User, at: datetime, reason: str, changes: dict[str, Any]) -> LaneLimits:
    """A row copied from the one in force, with the changes. No pre-check decides meanwhile, and no colleague sets."""
    if missing := reason_given.why_not(reason):
        raise CannotSet(missing)
    with transaction.atomic():
        hold()
        known = limits()[lane]
        if all(getattr(known, name) == value for name, value in changes.items()):
            raise CannotSet("与现行设置相同，没有改动。")
        kept = {name: getattr(known, name) for name in KEPT}
        return LaneLimits.objects.create(lane=lane, set_by=by, at=at, reason=reason.strip(), **(kept | changes))


def used_today(*, at: datetime) -> dict[Lane, int]:
    """{lane: what it has given everybody in the last 24 hours}: what its platform cap is about."""
    today = given((), at=at)
    return {lane: today.fen[lane.value, "platform", 0] for lane in DEFAULTS}


# --- what was given today ---------------------------------------------------------------------------------------------


def hold() -> None:
    """One sweeper at a time decides by what was given today: two could each stay below a cap (P12). Until the
    transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [LOCK])


def given(purses: Collection[Purses], *, at: datetime) -> Given:
    """One query, however many purses: the automatic refunds of a day are few beside all refunds."""
    found = Given()
    asked = {of: sorted({p.key(of) for p in purses if p.key(of) is not None}) for of in SUMS}  # type: ignore[type-var]
    with connection.cursor() as cursor:
        cursor.execute(
            GIVEN, {"since": at - DAY, "holding": [str(status) for status in Status.holding_money()], **asked}
        )
        for lane, of, number, key, fen in cursor.fetchall():
            found.fen[lane, of, number if key is None else bytes(key)] += fen
    return found


def is_drawn(refund_no: str, percent: int) -> bool:
    """Whether a person looks at this decision afterwards: by its number, which nobody can choose."""
    return int.from_bytes(hashlib.sha256(refund_no.encode()).digest()[:4]) % 100 < percent


def _bytes(key: Any) -> bytes | None:
    return bytes(key) if key is not None else None


SUMS: Sequence[str] = ("buyer", "payer", "device", "address", "shop")
GIVEN = """
WITH today AS (
    SELECT r.lane, r.buyer_id, r.payer_key, r.device_key, o.guest_origin, r.shop_id, r.amount_fen
    FROM refunds_refund r JOIN orders_order o ON o.id = r.order_id
    WHERE r.decided_at > %(since)s AND r.lane IN ('undelivered', 'one_click', 'express')
      AND r.status = ANY(%(holding)s) AND r.cancellation_id IS NULL
)
SELECT lane, 'buyer', buyer_id, NULL::bytea, sum(amount_fen) FROM today
    WHERE buyer_id = ANY(%(buyer)s::bigint[]) GROUP BY lane, buyer_id
UNION ALL SELECT lane, 'payer', NULL, payer_key, sum(amount_fen) FROM today
    WHERE payer_key = ANY(%(payer)s::bytea[]) GROUP BY lane, payer_key
UNION ALL SELECT lane, 'device', NULL, device_key, sum(amount_fen) FROM today
    WHERE device_key = ANY(%(device)s::bytea[]) GROUP BY lane, device_key
UNION ALL SELECT lane, 'address', NULL, guest_origin, sum(amount_fen) FROM today
    WHERE guest_origin = ANY(%(address)s::bytea[]) GROUP BY lane, guest_origin
UNION ALL SELECT lane, 'shop', shop_id, NULL, sum(amount_fen) FROM today
    WHERE shop_id = ANY(%(shop)s::bigint[]) GROUP BY lane, shop_id
UNION ALL SELECT lane, 'platform', 0, NULL, sum(amount_fen) FROM today GROUP BY lane
"""
