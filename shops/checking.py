"""核验: what the issuer says became of a code, kept as evidence for or against "used" (docs/rules.md, 已使用的认定).

The code is opened for the machine alone, its event written first; the issuer is asked with no transaction open, and
what it signed is kept word for word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import User
from shops import stock
from shops.models import CardCode, Supplier, SupplierAnswer
from shops.suppliers import registry
from shops.suppliers.asking import ask_all
from shops.suppliers.base import Answer, NeverSent, SupplierError


@dataclass(frozen=True)
class _Question:
    code_id: UUID
    supplier: Supplier
    text: str

    def __repr__(self) -> str:  # the text shows nowhere (I15)
        return f"_Question({self.code_id})"


def look_up(code_id: UUID, *, by: User | None, at: datetime) -> SupplierAnswer:
    """核验 one code. Raises SupplierError: nobody to ask, or no answer that can be believed."""
    (answer,) = look_up_each([code_id], by=by, at=at).values()
    if isinstance(answer, SupplierError):
        raise answer
    return answer


def look_up_each(
    code_ids: Sequence[UUID], *, by: User | None, at: datetime
) -> dict[UUID, SupplierAnswer | SupplierError]:
    """核验 of several codes at once; each has its answer, or why there is none."""
    codes = {code.pk: code for code in _with_supplier(code_ids)}
    found: dict[UUID, SupplierAnswer | SupplierError] = {
        pk: NeverSent("nobody_to_ask", "该商品没有可核验的发卡方") for pk in code_ids if not _can_ask(codes.get(pk))
    }
    with transaction.atomic():
        questions = [
            _Question(pk, codes[pk].product.supplier, stock.open_to_check(pk, at=at, by=by))  # type: ignore[arg-type]
            for pk in sorted(set(code_ids) - set(found))
        ]
    answers = ask_all(questions, lambda asked: registry.of(asked.supplier).look_up(asked.text))
    for asked, answer in answers:
        found[asked.code_id] = (
            registry.keep(asked.supplier, answer, about=about(asked.code_id), at=at)
            if isinstance(answer, Answer)
            else answer
        )
    return found


def can_look_up(code_ids: Iterable[UUID]) -> bool:
    """Whether any of these codes has an issuer that can be asked."""
    return any(_can_ask(code) for code in _with_supplier(code_ids))


def latest(code_ids: Iterable[UUID]) -> dict[UUID, SupplierAnswer]:
    """The last thing that the issuer said about each of these codes."""
    names = {about(pk): pk for pk in code_ids}
    rows = SupplierAnswer.objects.filter(about__in=names).order_by("about", "-id").distinct("about")
    return {names[row.about]: row for row in rows}


def about(code_id: UUID) -> str:
    return f"code:{code_id}"


def _with_supplier(code_ids: Iterable[UUID]) -> Iterable[CardCode]:
    return CardCode.objects.filter(pk__in=list(code_ids)).select_related("product__supplier").defer("sealed")


def _can_ask(code: CardCode | None) -> bool:
    return code is not None and code.product.supplier is not None and registry.is_set(code.product.supplier)
