"""④ 退多少、退到哪里, and how to reach the buyer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render

from accounts.visitors import SignedIn
from orders.models import Order
from refunds import applying, askable, policy
from refunds.applying import Preview
from refunds.models import Destination, Refund
from storefront.application_forms import MoneyForm
from storefront.applying.way import Writing, go_on, led_back, page, step, weighed
from storefront.reading import sums


@step
def choose_money(request: SignedIn, writing: Writing) -> HttpResponse:
    if elsewhere := led_back(request, writing, "money"):
        return elsewhere
    order = writing.order
    chosen = writing.chosen()
    payment = applying.paid_payment(order)
    left_fen = sum(item.amount_fen for item in chosen)
    most_fen = min(left_fen, payment.refundable_fen) if payment else left_fen
    has_balance = askable.why_not_to_balance(order, payment) is None
    form = MoneyForm(
        request.POST if request.method == "POST" else None,
        most_fen=most_fen, has_balance=has_balance, initial=_money_before(writing, most_fen),
    )  # fmt: skip
    is_peek = "check" in request.POST
    if request.method == "POST" and form.is_valid() and not is_peek:
        writing.keep(form.answers())
        return go_on(request, writing, "money")
    seen = writing.preview(**_typed(form))
    facts = {
        "form": form,
        "ways": _ways(seen) if has_balance else [],
        "payment": payment,
        "sums": sums(seen, chosen),
        "verdict": weighed(seen.verdict, seen),
        "is_wrong": form.is_bound and bool(form.errors.get("amount")),
        "order": order,
    }
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "storefront/apply/_sums.html", facts)
    return page(request, writing, "money", facts)


def _money_before(writing: Writing, most_fen: int) -> dict[str, Any]:
    said = writing.answers
    amount_fen = said.get("amount_fen")
    return {
        "amount": f"{(most_fen if amount_fen is None else amount_fen) / 100:.2f}",
        "destination": said.get("destination", Destination.ORIGINAL),
        "contact": said.get("contact") if "contact" in said else _last_contact(writing.order),
    }


def _typed(form: MoneyForm) -> dict[str, Any]:
    """Not kept yet: what is typed is what is shown."""
    if not form.is_bound or not form.is_valid():
        return {}
    return {name: value for name, value in form.answers().items() if name in {"amount_fen", "destination"}}


def _last_contact(order: Order) -> str:
    """What is known is not asked for again: the contact of the buyer's latest application."""
    rows = Refund.objects.filter(buyer=order.buyer_id).exclude(contact="").order_by("-submitted_at")
    return rows.values_list("contact", flat=True).first() or ""


def _ways(seen: Preview) -> list[tuple[str, policy.Amounts]]:
    """[(destination, what would come of it)]: the fee of each is said before one is chosen (S1-15)."""
    return [
        (way, policy.amounts(replace(seen.facts, to_balance=way == Destination.BALANCE)))
        for way, _title in Destination.to_ask_for()
    ]
