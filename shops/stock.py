"""库存: the only code that moves a card code, and the only place where one is opened.

    in_stock ⇄ reserved → delivered → revealed → void ⇄ revealed
        ↓                     ⇅ frozen → quarantined → (released by its shop: in_stock again, as a new row)
    quarantined

``MOVES`` is the whole table. Every move, and every opening, is an event of the code's chain, written in the same
transaction; the constraints in ``models/code.py`` refuse everything else that would hurt (I9).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from identifiers import uuid7
from records import chain
from shops import vault
from shops.models import CardCode, CodeEvent, Product, StagedCode, StockImport
from shops.models import CodeEventKind as K
from shops.models import CodeState as S

#: What a move is called, from which states it starts, and where it ends.
MOVES: dict[K, tuple[frozenset[S], S]] = {
    K.RESERVE: (frozenset({S.IN_STOCK}), S.RESERVED),
    K.UNRESERVE: (frozenset({S.RESERVED}), S.IN_STOCK),
    K.DELIVER: (frozenset({S.RESERVED}), S.DELIVERED),
    K.REVEAL: (frozenset({S.DELIVERED}), S.REVEALED),
    K.FREEZE: (frozenset({S.DELIVERED}), S.FROZEN),
    K.UNFREEZE: (frozenset({S.FROZEN, S.QUARANTINED}), S.DELIVERED),
    K.QUARANTINE: (frozenset({S.FROZEN, S.IN_STOCK}), S.QUARANTINED),
    K.VOID: (frozenset({S.REVEALED}), S.VOID),
    K.REVIVE: (frozenset({S.VOID}), S.REVEALED),
}
#: Events that open or adopt a code and leave it where it is.
STAYS = frozenset({K.STOCK, K.ADOPT, K.RESTOCK, K.RELEASE, K.LOOK, K.CHECK})


class CodeIsFrozen(Exception):
    """The code cannot be revealed: a refund is asked for, or it was refunded."""


class SoldOut(Exception):
    """Fewer codes are for sale than were asked for. Nothing was reserved."""


class CannotMove(Exception):
    """A move that the table does not list: somebody was faster."""


class CannotRestock(Exception):
    """Seen, not in quarantine, or restocked before."""


@dataclass(frozen=True)
class Viewer:
    """Who is looking, from where: what the record of a reveal keeps."""

    user: User
    ip: str | None
    device: str


# --- stock ------------------------------------------------------------------------------------------------------------


def add(product: Product, texts: Iterable[str], *, at: datetime, by: User | None = None) -> list[CardCode]:
    """入库. Seals each text to its own row; a code already known anywhere is refused (IntegrityError, P13)."""
    rows = []
    for text in texts:
        row = CardCode(id=uuid7(), product=product, created_at=at)
        seal(row, text)
        rows.append(row)
    CardCode.objects.bulk_create(rows, batch_size=1000)
    _record(rows, K.STOCK, at=at, by=by)
    return rows


def take_in(
    stock_import: StockImport, *, by: User, at: datetime, told: Callable[[int], None] = lambda done: None
) -> None:
    """入库 of the good lines of an import. Their sealed texts move over as they are, none is opened (P13).

    In one transaction of the caller's, a thousand rows at a time; ``told`` hears how many are done. Raises
    IntegrityError if one of them is known by now.
    """
    done, last = 0, 0
    good = StagedCode.objects.filter(stock_import=stock_import, problem="")
    while batch := list(
        good.filter(line_number__gt=last).order_by("line_number").values_list("id", "line_number")[:1000]
    ):
        ids = [code_id for code_id, _ in batch]
        with connection.cursor() as cursor:
            cursor.execute(TAKE_IN, [stock_import.product_id, at, ids])
        events = [CodeEvent(code_id=pk, kind=K.STOCK, to_state=S.IN_STOCK, actor=by, at=at) for pk in ids]
        chain.link(events, after={})  # new codes have no events yet
        CodeEvent.objects.bulk_create(events)
        done, last = done + len(batch), batch[-1][1]
        told(done)


TAKE_IN = """
    INSERT INTO shops_cardcode
        (id, product_id, sealed, key_id, fingerprint, state, valid_until, stock_import_id, created_at)
    SELECT id, %s, sealed, key_id, fingerprint, 'in_stock', valid_until, stock_import_id, %s
    FROM shops_stagedcode WHERE id = ANY (%s::uuid[]) ORDER BY line_number
"""


def seal(row: CardCode, text: str) -> None:
    """密封 a text for this row alone; ``row`` has its key and its product."""
    seal_for(row, text, shop_id=row.product.shop_id)


def seal_for(row: CardCode | StagedCode, text: str, *, shop_id: int) -> None:
    """As ``seal``, for the row that bears this key now or will bear it once it is in stock."""
    keyring = vault.keyring(settings.CARD_KEYS_FILE)
    sealed = keyring.seal(text, bound_to=binding(row.pk, shop_id))
    row.sealed, row.key_id = sealed.ciphertext, sealed.key_id
    row.fingerprint = keyring.fingerprint(text)


def binding(code_id: UUID, shop_id: int) -> str:
    """What a code's ciphertext is bound to, so that it cannot be moved to another row or shop."""
    return f"shops_cardcode|sealed|{code_id}|{shop_id}"


def counts(product_ids: Iterable[int], states: Iterable[str], *, up_to: int = 1000) -> dict[tuple[int, str], int]:
    """How many codes of each product are in each state, counted up to a limit. One query, along an index."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [up_to, list(product_ids), list(states)])
        return {(product_id, state): count for product_id, state, count in cursor.fetchall()}


COUNT = """
    SELECT product, state, (SELECT count(*) FROM (
        SELECT 1 FROM shops_cardcode AS code WHERE code.product_id = product AND code.state = wanted.state LIMIT %s
    ) AS few)
    FROM unnest(%s::bigint[]) AS product CROSS JOIN unnest(%s::text[]) AS wanted (state)
"""


def available(product_id: int, *, up_to: int = 1000) -> int:
    """How many are for sale, counted up to a limit: beyond it nobody needs to know."""
    return CardCode.objects.filter(product_id=product_id, state=S.IN_STOCK)[:up_to].count()


def take_out(codes: QuerySet[CardCode], *, by: User, at: datetime) -> int:
    """下架卡密: what its shop no longer wants to sell goes to quarantine. Returns how many. In a transaction."""
    locked = lock(codes.filter(state=S.IN_STOCK))
    _move(locked, K.QUARANTINE, at=at, by=by)
    return len(locked)


def restock(code_id: UUID, *, by: User, at: datetime) -> CardCode:
    """解除隔离: never seen, and checked by its shop, it is for sale again under a new row. In a transaction.

    Raises CannotRestock. The old row keeps its delivery and its record; whoever it was refunded for has no claim on
    the new one.
    """
    old = CardCode.objects.select_for_update(no_key=True, of=("self",)).select_related("product").get(pk=code_id)
    if old.state != S.QUARANTINED or old.revealed_at is not None or old.restocked_as_id is not None:
        raise CannotRestock(f"restock: the code is {old.state}")
    text = _open(old, K.RELEASE, at=at, by=by)
    new = CardCode(id=uuid7(), product=old.product, created_at=at, valid_until=old.valid_until)
    seal(new, text)
    CardCode.objects.filter(pk=old.pk).update(restocked_as=new.pk)  # one living row per text: the old steps back first
    new.save(force_insert=True)
    _record([new], K.RESTOCK, at=at, by=by)
    return new


# --- sale -------------------------------------------------------------------------------------------------------------


def reserve(product_id: int, count: int, *, at: datetime, by: User | None = None) -> list[CardCode]:
    """预留 ``count`` codes of a product, oldest first, past those that others hold (P16). In a transaction.

    Raises SoldOut, with nothing reserved.
    """
    free = CardCode.objects.filter(product_id=product_id, state=S.IN_STOCK).defer("sealed")
    waiting = free.exclude(valid_until__lt=timezone.localdate(at)).select_for_update(no_key=True, skip_locked=True)
    codes = list(waiting.order_by("id")[:count])
    if len(codes) < count:
        raise SoldOut(f"reserve: {len(codes)} of {count} left")
    _move(codes, K.RESERVE, at=at, by=by)
    return codes


def unreserve(codes: Sequence[CardCode], *, at: datetime) -> None:
    """取消预留: the order ended unpaid, or was canceled."""
    _move(codes, K.UNRESERVE, at=at)


def deliver(codes: Sequence[CardCode], *, at: datetime) -> None:
    """交付 what was reserved."""
    _move(codes, K.DELIVER, at=at, delivered_at=at)


def reveal(code_id: UUID, *, viewer: Viewer, at: datetime) -> str:
    """查看卡密. The record of the look is written before the code is opened. In a transaction.

    Raises CodeIsFrozen. Only ``orders.delivery.reveal``, which knows whose code it is, calls this.
    """
    code = CardCode.objects.select_for_update(no_key=True, of=("self",)).select_related("product").get(pk=code_id)
    if code.state == S.DELIVERED:
        _set([code], S.REVEALED, revealed_at=at)
        return _open(code, K.REVEAL, at=at, viewer=viewer)
    if code.state == S.REVEALED:
        return _open(code, K.LOOK, at=at, viewer=viewer)
    raise CodeIsFrozen(f"reveal: the code is {code.state}")


def open_to_check(code_id: UUID, *, at: datetime, by: User | None = None) -> str:
    """The text of a code, for the machine that asks its issuer what became of it. In a transaction."""
    code = CardCode.objects.select_for_update(no_key=True, of=("self",)).select_related("product").get(pk=code_id)
    return _open(code, K.CHECK, at=at, by=by)


# --- refunds ----------------------------------------------------------------------------------------------------------


def lock(codes: QuerySet[CardCode]) -> list[CardCode]:
    """Hold these codes still until the transaction ends, in the order in which everybody locks."""
    return list(codes.select_for_update(no_key=True, of=("self",)).defer("sealed").order_by("pk"))


def freeze(codes: Sequence[CardCode], *, at: datetime, by: User | None = None) -> None:
    """冻结: a refund is asked for, so what is unseen stays unseen."""
    _move([code for code in codes if code.state == S.DELIVERED], K.FREEZE, at=at, by=by)


def give_back(codes: Sequence[CardCode], *, at: datetime, by: User | None = None) -> None:
    """解冻: the refund came to nothing, so the buyer has the code again, unseen or seen as it was."""
    hidden = [code for code in codes if code.state in {S.FROZEN, S.QUARANTINED} and code.restocked_as_id is None]
    _move(hidden, K.UNFREEZE, at=at, by=by)
    _move([code for code in codes if code.state == S.VOID], K.REVIVE, at=at, by=by)


def retire(codes: Sequence[CardCode], *, at: datetime, by: User | None = None) -> None:
    """Refunded: unseen codes go to quarantine, never straight back to sale; seen ones are void."""
    _move([code for code in codes if code.state == S.FROZEN], K.QUARANTINE, at=at, by=by)
    _move([code for code in codes if code.state == S.REVEALED], K.VOID, at=at, by=by)


# --- how a code moves, and how it is opened ---------------------------------------------------------------------------


def _move(codes: Sequence[CardCode], kind: K, *, at: datetime, by: User | None = None, **times: datetime) -> None:
    """The locked codes take this move together, with an event each, or none does."""
    if not codes:
        return
    sources, target = MOVES[kind]
    if any(code.state not in sources for code in codes):
        raise CannotMove(f"{kind}: {sorted({code.state for code in codes} - sources)}")
    _set(codes, target, **times)
    _record(codes, kind, at=at, by=by)


def _set(codes: Sequence[CardCode], state: S, **times: datetime) -> None:
    CardCode.objects.filter(pk__in=[code.pk for code in codes]).update(state=state, **times)
    for code in codes:
        code.state = state
        for name, value in times.items():
            setattr(code, name, value)


def _record(
    codes: Sequence[CardCode], kind: K, *, at: datetime, by: User | None = None, viewer: Viewer | None = None
) -> None:
    actor = viewer.user if viewer else by
    chain.append(
        [
            CodeEvent(
                code=code,
                kind=kind,
                to_state=code.state,
                actor=actor,
                at=at,
                ip=viewer.ip if viewer else None,
                device=viewer.device[:200] if viewer else "",
            )
            for code in codes
        ]
    )


def _open(code: CardCode, kind: K, *, at: datetime, by: User | None = None, viewer: Viewer | None = None) -> str:
    """The one place that decrypts a code. The event of the opening is written first; ``code`` is locked."""
    _record([code], kind, at=at, by=by, viewer=viewer)
    keyring = vault.keyring(settings.CARD_KEYS_FILE)
    sealed = vault.Sealed(ciphertext=bytes(code.sealed), key_id=code.key_id)
    return keyring.open(sealed, bound_to=binding(code.pk, code.product.shop_id))
