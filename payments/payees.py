"""收款账户: where a shop's or a buyer's money is transferred to. Sealed to its row; each look is recorded (I15)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import RealNameCheck, User
from identifiers import uuid7
from payments import telling
from payments.transfer_models import Payee, PayeeKind, PayeeLook
from shops import vault
from shops.models import Shop
from shops.rotation import SealedColumn

COOLING_HOURS = 24  # no money goes to an account that was laid down just now: time to notice that somebody else did
LONGEST = 60


class CannotSet(Exception):
    """``field`` is the one to blame. The message is for whoever typed it in."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Account:
    """In clear: only while it is sealed, and for the person who transfers."""

    kind: PayeeKind
    name: str
    number: str
    bank: str = ""


def lay_down(
    account: Account,
    *,
    by: User,
    at: datetime,
    shop: Shop | None = None,
    user: User | None = None,
    real_name: RealNameCheck | None = None,
) -> Payee:
    """登记收款账户 of a shop or a buyer. The same one again changes nothing. ``real_name``: the buyer has just
    proved that he holds it in this name. Raises CannotSet."""
    account = _checked(account)
    keyring = vault.keyring(settings.CARD_KEYS_FILE)
    digest = keyring.fingerprint(_text(account))
    known = newest(shop=shop, user=user)
    if known and bytes(known.digest) == digest and (known.real_name_id or real_name is None):
        return known
    key = uuid7()
    sealed = keyring.seal(_text(account), bound_to=_place(key))
    payee = Payee(
        id=key,
        shop=shop,
        user=user,
        kind=account.kind,
        last_four=account.number[-4:],
        sealed=sealed.ciphertext,
        key_id=sealed.key_id,
        digest=digest,
        real_name=real_name,
        set_by=by,
        set_at=at,
    )
    with transaction.atomic():
        payee.save(force_insert=True)
        telling.of_payee(payee, hours=COOLING_HOURS)
    return payee


def newest(*, shop: Shop | None = None, user: User | None = None) -> Payee | None:
    """Where money of this shop or buyer goes to now."""
    rows = Payee.objects.filter(shop=shop) if shop else Payee.objects.filter(user=user)
    return rows.order_by("-set_at", "-pk").first()


def usable_from(payee: Payee) -> datetime:
    return payee.set_at + timedelta(hours=COOLING_HOURS)


def look(payee: Payee, *, by: User, at: datetime) -> Account:
    """查看收款账户 in clear; recorded first. Whoever may, the caller has asked."""
    PayeeLook.objects.create(payee=payee, by=by, at=at)
    return opened(payee)


def opened(payee: Payee) -> Account:
    """In clear, for a channel that is told where to pay: no person reads it."""
    sealed = vault.Sealed(bytes(payee.sealed), payee.key_id)
    kind, name, number, bank = json.loads(
        vault.keyring(settings.CARD_KEYS_FILE).open(sealed, bound_to=_place(payee.pk))
    )
    return Account(PayeeKind(kind), name, number, bank)


def _checked(account: Account) -> Account:
    name, bank = " ".join(account.name.split()), " ".join(account.bank.split())
    number = re.sub(r"[\s-]", "", account.number)
    if not 2 <= len(name) <= LONGEST:
        raise CannotSet("name", _("请填写收款人姓名或公司名称。"))
    if account.kind == PayeeKind.BANK:
        if not re.fullmatch(r"[0-9]{8,30}", number):
            raise CannotSet("number", _("请填写银行账号，8 到 30 位数字。"))
        if not 2 <= len(bank) <= LONGEST:
            raise CannotSet("bank", _("请填写开户行。"))
    elif not re.fullmatch(r"[\w.@+]{4,60}", number):
        raise CannotSet("number", _("请填写账号，至少 4 位。"))
    return Account(account.kind, name, number, bank if account.kind == PayeeKind.BANK else "")


def _text(account: Account) -> str:
    return json.dumps([account.kind.value, account.name, account.number, account.bank], ensure_ascii=False)


def _place(key: UUID) -> str:
    return f"payments_payee|sealed|{key}"


SEALED = SealedColumn("收款账户", Payee, "sealed", "key_id", ("pk",), _place)
