"""申请退款, step by step (B5): reason, what happened, how much and where to, check the answers, sent.

Each step is a page of its own, answered by a redirect, so that the way back is safe. What has been answered is kept in
the order's draft (``refunds/drafts.py``); a step that has nothing to ask is left out. The pre-check's own answer stands
on every page before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import wraps
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

import clock
import private_pictures
from accounts.visitors import SignedIn
from form_fields import PictureField
from orders.models import Order
from refunds import applying, drafts, guides, policy
from refunds import reading as case
from refunds.applying import AlreadyActive, Application, Preview, Refundable
from refunds.evidence import MOST_IMAGES, TooManyImages
from refunds.lifecycle import StepRefused
from refunds.models import Destination, DraftImage, Refund, RefundDraft, Status
from refunds.reasons import REASONS, obstacle
from storefront import reading
from storefront.application_forms import MaterialForm, MoneyForm, ReasonForm
from storefront.device import key_of
from storefront.reading import RefundEntry, sums
from storefront.templatetags.words import deadline

PLACES = {
    "reason": "storefront:apply",
    "material": "storefront:apply_material",
    "money": "storefront:apply_money",
    "check": "storefront:apply_check",
}
#: By ``StepRefused.code`` of submitting: the step that can mend it.
MENDED_AT = {
    "unknown_reason": "reason", "reason_does_not_fit": "reason", "unknown_line": "reason",
    "description_missing": "material", "amount_out_of_range": "money", "unknown_destination": "money",
    "guest_has_no_balance": "money", "draft_has_changed": "check",
}  # fmt: skip


@dataclass
class Writing:
    """An order whose application is being written."""

    order: Order
    at: datetime
    entry: RefundEntry
    draft: RefundDraft | None
    device_key: bytes | None

    @property
    def answers(self) -> dict[str, Any]:
        return self.draft.answers if self.draft else {}

    @property
    def asked(self) -> Application:
        return drafts.application(self.draft, device_key=self.device_key) if self.draft else Application(reason="")

    def keep(self, answers: dict[str, Any]) -> None:
        self.draft = drafts.keep(self.order, answers, at=self.at)

    def preview(self, **otherwise: Any) -> Preview:
        """What the pre-check would say of what is asked so far, or of all that is left where the amount is wrong."""
        asked = replace(self.asked, **otherwise)
        left_fen = sum(item.amount_fen for item in _chosen(self))
        if asked.amount_fen is not None and not 0 < asked.amount_fen <= left_fen:
            asked = replace(asked, amount_fen=None)
        return applying.preview(self.order, asked, at=self.at)


Step = Callable[..., HttpResponseBase]


def _step(view: Step) -> Step:
    """What every step begins with: the order is the visitor's own, and there is something to ask for (S0-27)."""

    @login_required
    @never_cache
    @wraps(view)
    def opened(request: SignedIn, order_no: str, **named: Any) -> HttpResponseBase:
        order = reading.order_of(request.user, order_no)
        at = clock.now()
        entry = reading.refund_entry(order, at=at)
        if entry.running:
            messages.info(request, entry.reason)
            return redirect("storefront:refund", entry.running.refund_no)
        if entry.verdict is None:  # unpaid, or nothing left of it
            messages.info(request, entry.reason)
            return redirect("storefront:order", order_no)
        try:
            return view(request, Writing(order, at, entry, drafts.of(order), key_of(request)), **named)
        except StepRefused as refusal:  # the order changed between two looks at it
            messages.error(request, str(refusal))
            return redirect("storefront:order", order_no)

    return opened


# --- ① why, and what of it --------------------------------------------------------------------------------------------


@_step
def choose_reason(request: SignedIn, writing: Writing) -> HttpResponse:
    order, refundable = writing.order, applying.refundable_lines(writing.order)
    form = ReasonForm(
        request.POST if request.method == "POST" else None,
        policy=order.policy, refundable=refundable, initial=_said_before(writing),
    )  # fmt: skip
    if request.method == "POST" and "check" in request.POST:
        return render(request, "storefront/apply/_verdict.html", _look_ahead(writing, form) | {"is_news": True})
    if request.method == "POST" and form.is_valid():
        before = writing.answers.get("reason")
        writing.keep(form.answers())
        if before and before != form.cleaned_data["reason"]:
            messages.info(request, _("原因已改，已填的描述和图片都还在。"))
        return _go_on(request, writing, "reason")
    facts = {
        "form": form,
        "reasons": _reasons(order, refundable, form),
        "chosen": [(item, str(item.line.position) in _positions(form)) for item in refundable],
        "refused": _refused(order),
        "one_tap": reading.one_tap(order, writing.entry),
        "verdict": _verdict(seen.verdict) if (seen := writing.entry.seen) and not writing.entry.is_open else None,
    }
    return _page(request, writing, "reason", facts)


def _said_before(writing: Writing) -> dict[str, Any]:
    """The draft's answers; without one, what the refused application said: it is to be mended, not typed again."""
    said = {"reason": writing.answers.get("reason", ""), "lines": writing.answers.get("lines")}
    if not said["reason"] and (refused := _last_refused(writing.order)):
        said["reason"] = refused.reason
    return {name: value for name, value in said.items() if value}


def _positions(form: ReasonForm) -> set[str]:
    """As text: nobody's digits are made a number before they were checked."""
    chosen = form["lines"].value() if "lines" in form.fields else []
    return {str(position) for position in chosen or []}


def _reasons(order: Order, refundable: Sequence[Refundable], form: ReasonForm) -> list[tuple[str, str, str]]:
    """[(code, title, which pictures it needs)] of the reasons that the order's policy takes for any of these goods
    (S0-33, S3-6)."""
    sold, page = applying.sold(refundable), refundable[0].line.product_page if refundable else {}
    kind, is_abroad = page.get("kind", ""), bool(page.get("is_cross_border"))
    return [
        (
            reason.code,
            case.localized(reason.title, reason.title_en),
            guides.needed(order.policy.slots_for(reason.code, kind, is_cross_border=is_abroad)),
        )
        for reason in REASONS.values()
        if (terms := order.policy.reason(reason.code))
        and (not obstacle(terms, sold) or (form.is_bound and reason.code == form["reason"].value()))
    ]


def _look_ahead(writing: Writing, form: ReasonForm) -> dict[str, Any]:
    """The pre-check's answer to what is chosen so far, or why there is none. Nothing is kept."""
    form.is_valid()  # reads what can be read
    wrong = form.errors.get("lines") or (form.errors.get("reason") if form["reason"].value() else None)
    facts = {"order": writing.order, "form": form}
    if wrong:
        return facts | {"verdict": None, "sentence": str(wrong[0])}
    try:
        seen = applying.preview(writing.order, form.application(), at=writing.at)
    except StepRefused as refusal:
        return facts | {"verdict": None, "sentence": str(refusal)}
    return facts | {"verdict": _verdict(seen.verdict, seen), "needed": guides.needed(seen.facts.terms.slots)}


@dataclass(frozen=True)
class Refused:
    """The last application of this order that was refused, and what to change (S3-13)."""

    refund: Refund
    missing: list[str]  # titles of the pictures that it did not hold
    left: int  # how many more applications may be refused
    most: int


def _last_refused(order: Order) -> Refund | None:
    """None where a later one was withdrawn or granted in part: that is not what stands in the way."""
    latest = next(iter(order.refunds.all()), None)  # newest first
    return latest if latest and latest.status == Status.REJECTED else None


def _refused(order: Order) -> Refused | None:
    latest = _last_refused(order)
    if latest is None:
        return None
    count = sum(refund.status == Status.REJECTED for refund in order.refunds.all())
    pages = [line.product_page for line in order.lines.all()]
    kind = next((str(page["kind"]) for page in pages if page.get("kind")), "")
    is_abroad = any(page.get("is_cross_border") for page in pages)
    shown = set(latest.evidence.exclude(slot="").values_list("slot", flat=True))
    wanted = order.policy.slots_for(latest.reason, kind, is_cross_border=is_abroad)
    missing = [guide.title for guide in guides.slot_guides([slot for slot in wanted if slot not in shown])]
    most = order.policy.max_rejections
    return Refused(latest, missing, max(0, most - count), most)


# --- ② and ③ what the rules say, and what shows it --------------------------------------------------------------------


@_step
def show_material(request: SignedIn, writing: Writing) -> HttpResponse:
    """发生了什么. Every button of the page keeps what has been typed; the pictures go one by one."""
    if elsewhere := _led_back(request, writing, "material"):
        return elsewhere
    reason = writing.answers["reason"]
    form = MaterialForm(
        request.POST if request.method == "POST" else None,
        reason=reason, template=guides.template(reason), initial={"description": _described(writing)},
    )  # fmt: skip
    if request.method != "POST":
        return _material_page(request, writing, form, {})
    if form.is_valid():
        writing.keep(form.cleaned_data)
        if "check" in request.POST:
            return render(request, "storefront/apply/_hint.html", {"hint": _hint(writing)})
    wrong = _take_pictures(request, writing)
    if image_id := request.POST.get("remove"):
        drafts.remove_image(writing.order, _uuid(image_id), at=writing.at)
    stays = image_id or "upload" in request.POST
    if not stays and form.is_valid():
        form.demand_words()
    writing.draft = drafts.of(writing.order)
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "storefront/apply/_slots.html", _material(writing, form, wrong, writing.preview()))
    if wrong or not form.is_valid():
        return _material_page(request, writing, form, wrong)
    if stays:
        place = request.POST.get("upload", "")
        return redirect(_address(request, writing.order, "material") + (f"#slot-{place}" if place else "#pictures"))
    return _go_on(request, writing, "material")


def _described(writing: Writing) -> str:
    if "description" in writing.answers:
        return str(writing.answers["description"])
    refused = _last_refused(writing.order)
    return refused.description if refused else ""


def _take_pictures(request: SignedIn, writing: Writing) -> dict[str, str]:
    """Keep each picture that came, in its slot; {slot: what is wrong with it}. No more are looked at than may stay:
    each costs us a process (X2)."""
    wrong: dict[str, str] = {}
    sent = [(name, upload) for name in request.FILES for upload in request.FILES.getlist(name)]
    for name, upload in sent[:MOST_IMAGES]:
        slot = name.removeprefix("picture-") if name.startswith("picture-") else ""
        slot = "" if slot == "other" else slot
        try:
            drafts.add_image(writing.order, slot=slot, image=PictureField().clean(upload), at=writing.at)
        except forms.ValidationError as unusable:
            wrong[slot or "other"] = unusable.messages[0]
        except (TooManyImages, StepRefused) as refusal:
            wrong[slot or "other"] = str(refusal)
    if len(sent) > MOST_IMAGES:
        wrong["other"] = _("一张退款单最多 %(most)d 张图片。") % {"most": MOST_IMAGES}
    asked_for = request.POST.get("upload")
    if asked_for and not request.FILES:
        wrong[asked_for] = _("请先选择一张图片，再点上传。")
    return wrong


def _material_page(request: SignedIn, writing: Writing, form: MaterialForm, wrong: dict[str, str]) -> HttpResponse:
    seen = writing.preview()
    facts = _material(writing, form, wrong, seen) | {
        "verdict": _verdict(seen.verdict, seen),
        "filled_in": guides.filled_in(writing.order, applying.paid_payment(writing.order)),
        "hint": _hint(writing),
        "refused": _refused(writing.order),
        "pictures_lost": bool(request.FILES) and bool(wrong),
    }
    return _page(request, writing, "material", facts)


def _material(writing: Writing, form: MaterialForm, wrong: dict[str, str], seen: Preview) -> dict[str, Any]:
    """The slots, what lies in each, and what is wrong with what was sent."""
    wanted, images = seen.facts.terms.slots, writing.asked.draft_images
    is_asked_for = seen.verdict.step == "send_to_review"
    slots = [
        {
            "guide": guide,
            "images": [image for image in images if image.slot == guide.slot],
            "error": wrong.get(guide.slot),
            "is_awaited": is_asked_for and not any(image.slot == guide.slot for image in images),
        }
        for guide in guides.slot_guides(wanted)
    ]
    others = [image for image in images if image.slot not in wanted]
    known = {*wanted, "other"}
    return {
        "order": writing.order,
        "form": form,
        "slots": slots,
        "others": others,
        "others_error": wrong.get("other") or next((said for slot, said in wrong.items() if slot not in known), ""),
        "count": len(images),
        "most": MOST_IMAGES,
        "is_full": len(images) >= MOST_IMAGES,
        "is_asked_for": is_asked_for,
    }


def _hint(writing: Writing) -> str:
    """What the words do not say yet; nothing is said of words that nobody has begun."""
    description = str(writing.answers.get("description", ""))
    return guides.vagueness(description, writing.answers["reason"]) if description else ""


@login_required
def show_picture(request: SignedIn, image_id: UUID) -> HttpResponseBase:
    """A picture of a draft, for its buyer alone, at an address signed for them (X4, X7)."""
    row = DraftImage.objects.filter(pk=image_id, draft__order__buyer=request.user).first()
    if row is None:
        raise Http404(str(image_id))
    return private_pictures.shown_by_address(request, row)


# --- ④ how much, where to, and how to reach the buyer -----------------------------------------------------------------


@_step
def choose_money(request: SignedIn, writing: Writing) -> HttpResponse:
    if elsewhere := _led_back(request, writing, "money"):
        return elsewhere
    order = writing.order
    chosen = _chosen(writing)
    payment = applying.paid_payment(order)
    left_fen = sum(item.amount_fen for item in chosen)
    most_fen = min(left_fen, payment.refundable_fen) if payment else left_fen
    has_balance = not order.buyer.is_guest
    form = MoneyForm(
        request.POST if request.method == "POST" else None,
        most_fen=most_fen, has_balance=has_balance, initial=_money_before(writing, most_fen),
    )  # fmt: skip
    is_peek = "check" in request.POST
    if request.method == "POST" and form.is_valid() and not is_peek:
        writing.keep(form.answers())
        return _go_on(request, writing, "money")
    seen = writing.preview(**_typed(form))
    facts = {
        "form": form,
        "ways": _ways(seen) if has_balance else [],
        "payment": payment,
        "sums": sums(seen, chosen),
        "verdict": _verdict(seen.verdict, seen),
        "is_wrong": form.is_bound and bool(form.errors.get("amount")),
        "order": order,
    }
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "storefront/apply/_sums.html", facts)
    return _page(request, writing, "money", facts)


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
        (str(way), policy.amounts(replace(seen.facts, to_balance=way == Destination.BALANCE))) for way in Destination
    ]


def _chosen(writing: Writing) -> list[Refundable]:
    positions = writing.answers.get("lines")
    refundable = applying.refundable_lines(writing.order)
    return [item for item in refundable if positions is None or item.line.position in positions]


# --- ⑤ check, and send ------------------------------------------------------------------------------------------------


@_step
def check_answers(request: SignedIn, writing: Writing) -> HttpResponse:
    if elsewhere := _led_back(request, writing, "check"):
        return elsewhere
    if request.method == "POST":
        return _send(request, writing)
    asked = writing.asked
    seen, chosen = writing.preview(), _chosen(writing)
    facts = {
        "asked": asked,
        "reason": case.reason_title(asked.reason),
        "to_balance": asked.destination == Destination.BALANCE,
        "chosen": chosen,
        "sums": sums(seen, chosen),
        "payment": applying.paid_payment(writing.order),
        "verdict": _verdict(seen.verdict, seen),
        "hint": _hint(writing),
        "missing": guides.slot_guides(seen.facts.missing_slots) if seen.verdict.step == "send_to_review" else [],
        "decided_by": writing.at + timedelta(hours=applying.review_hours(writing.order.policy, seen.facts)),
        "review_hours": applying.review_hours(writing.order.policy, seen.facts),
        "seen": writing.draft.updated_at.isoformat() if writing.draft else "",
    }
    return _page(request, writing, "check", facts)


def _send(request: SignedIn, writing: Writing) -> HttpResponse:
    order = writing.order
    try:
        seen_at = datetime.fromisoformat(request.POST.get("seen", ""))
    except ValueError:
        return redirect(PLACES["check"], order.order_no)
    try:
        refund = drafts.submit(order, by=request.user, at=writing.at, seen=seen_at, device_key=key_of(request))
    except AlreadyActive as active:
        messages.info(request, str(active))
        return redirect("storefront:refund", active.refund_no)
    except (StepRefused, TooManyImages) as refusal:
        messages.error(request, str(refusal))
        step = MENDED_AT.get(getattr(refusal, "code", ""), "material" if isinstance(refusal, TooManyImages) else "")
        return redirect(PLACES.get(step, "storefront:order"), order.order_no)
    return _sent(request, refund)


@_step
def take_one_tap(request: SignedIn, writing: Writing) -> HttpResponse:
    """一键退款: what our own records prove needs no form. GET says what it means, POST does it (S3-25, S3-27)."""
    order = writing.order
    offer = reading.one_tap(order, writing.entry)
    if offer is None:
        messages.info(request, _("这张订单现在不能一键退款，请按步骤申请。"))
        return redirect(PLACES["reason"], order.order_no)
    is_sent = request.method == "POST"
    if is_sent and request.POST.get("amount") != str(offer.seen.amounts.refund_fen):
        messages.warning(request, _("可退金额有变化，请再核对一遍，然后确认。"))
    elif is_sent:
        wish = Application(reason=offer.reason, device_key=key_of(request))
        try:
            return _sent(request, applying.submit(order, wish, by=request.user, at=writing.at))
        except AlreadyActive as active:
            messages.info(request, str(active))
            return redirect("storefront:refund", active.refund_no)
        except StepRefused as refusal:
            messages.error(request, str(refusal))
            return redirect(PLACES["reason"], order.order_no)
    facts = {
        "order": order,
        "reason": case.reason_title(offer.reason),
        "sums": sums(offer.seen, applying.refundable_lines(order)),
        "verdict": _verdict(offer.seen.verdict, offer.seen),
        "payment": applying.paid_payment(order),
        "amount": offer.seen.amounts.refund_fen,
    }
    return render(request, "storefront/apply/one_tap.html", facts)


def _sent(request: SignedIn, refund: Refund) -> HttpResponse:
    """The number, what happens next and by when, at the top of the page that from now on says everything (S1-24)."""
    decided_by = refund.submitted_at + timedelta(hours=refund.review_hours or refund.order.policy.review_hours)
    words = _(
        "已提交。单号 %(no)s。系统正在核对：符合规则的几分钟内自动退款，需要人工审核的最迟 %(at)s 前给结果。"
        "进展会通知您，也可随时在本页查看。"
    )
    messages.success(request, words % {"no": refund.refund_no, "at": deadline(decided_by)})
    return redirect("storefront:refund", refund.refund_no)


# --- the way through --------------------------------------------------------------------------------------------------


def _go_on(request: SignedIn, writing: Writing, here: str) -> HttpResponse:
    """To the next step that has something to ask; from a change, back to the answers."""
    gap = drafts.gap(writing.order, writing.draft)
    if gap and gap.step == "reason":
        return redirect(PLACES["reason"], writing.order.order_no)
    way = _way(writing)
    if here != "reason" and request.GET.get("change"):
        return redirect(PLACES["check"], writing.order.order_no)
    later = list(PLACES)[list(PLACES).index(here) + 1 :]
    return redirect(PLACES[next(step for step in way if step in later)], writing.order.order_no)


def _way(writing: Writing) -> list[str]:
    """The steps of this application. What the machine approves needs neither pictures nor questions (S3-25)."""
    asked, seen = writing.asked, writing.preview(amount_fen=None)
    needs_words = REASONS[asked.reason].needs_description
    if seen.verdict.step == "auto_approve":
        return ["reason", *(["material"] if needs_words else []), "check"]
    if seen.verdict.step == "turn_down":
        return ["reason", "material", "check"]
    terms = writing.order.policy.reason(asked.reason)
    is_proved_by_us = terms is not None and not terms.slots and terms.only in {"undelivered", "unseen"}
    return ["reason", *([] if is_proved_by_us and not needs_words else ["material"]), "money", "check"]


def _led_back(request: SignedIn, writing: Writing, here: str) -> HttpResponse | None:
    """Where something before this step is missing, or is no longer true of the order: there, with a clear word."""
    gap = drafts.gap(writing.order, writing.draft)
    if gap is None:
        return None
    if not gap.step:
        messages.info(request, gap.sentence)
        return redirect("storefront:order", writing.order.order_no)
    steps = list(PLACES)
    if steps.index(gap.step) >= steps.index(here):
        return None
    if gap.is_news or gap.step != "reason":
        messages.warning(request, gap.sentence)
    return redirect(PLACES[gap.step], writing.order.order_no)


def _address(request: SignedIn, order: Order, step: str) -> str:
    change = "?change=1" if request.GET.get("change") else ""
    return reverse(PLACES[step], args=[order.order_no]) + change


def _page(request: SignedIn, writing: Writing, step: str, facts: dict[str, Any]) -> HttpResponse:
    way = _way(writing) if step != "reason" else list(PLACES)
    is_change = bool(request.GET.get("change"))
    before = way[max(0, way.index(step) - 1)] if step in way else "check"
    back = "check" if is_change and step != "check" else before
    facts |= {
        "order": writing.order,
        "step": step,
        "number": way.index(step) + 1 if step in way else 0,
        "of": len(way),
        "back": reverse(PLACES[back] if step != "reason" else "storefront:order", args=[writing.order.order_no]),
        "is_change": is_change,
    }
    return render(request, f"storefront/apply/{step}.html", facts)


def _verdict(verdict: policy.Verdict, seen: Preview | None = None) -> dict[str, Any]:
    """预审 as the page shows it: [(weight, sentence, rule id)] of every rule that means something to the buyer."""
    weights = policy.weights({rule.rule: rule.passed for rule in verdict.results})
    rules = [
        (weights[rule.rule], case.localized(rule.sentence, rule.sentence_en), rule.rule)
        for rule in verdict.results
        if rule.rule in weights
    ]
    unmet = {rule.rule for rule in verdict.results if weights.get(rule.rule) == "unmet"}
    return {
        "step": verdict.step,
        "sentence": case.in_language(verdict),
        "rules": rules,
        "is_about_reason": bool(unmet & {"reason", "not_used"}),
        "is_incomplete": bool(seen and seen.verdict.step == "send_to_review" and seen.facts.missing_slots),
    }


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404(text) from None
