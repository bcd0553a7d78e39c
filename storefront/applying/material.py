"""② and ③ 发生了什么: what the rules say, in words and pictures what shows it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

import private_pictures
from accounts.visitors import SignedIn
from form_fields import PictureField
from refunds import applying, drafts, guides, policy
from refunds.applying import Preview
from refunds.evidence import MOST_IMAGES, TooManyImages
from refunds.lifecycle import StepRefused
from refunds.models import DraftImage
from storefront.application_forms import MaterialForm
from storefront.applying.again import refused_before
from storefront.applying.way import Writing, address, go_on, hint, led_back, page, step, weighed


@step
def show_material(request: SignedIn, writing: Writing) -> HttpResponse:
    """发生了什么. Every button of the page keeps what has been typed; the pictures go one by one."""
    if elsewhere := led_back(request, writing, "material"):
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
            return render(request, "storefront/apply/_hint.html", {"hint": hint(writing)})
    wrong = _take_pictures(request, writing)
    if "carry" in request.POST:
        wrong |= _carry_over(request, writing)
    if image_id := request.POST.get("remove"):
        drafts.remove_image(writing.order, _uuid(image_id), at=writing.at)
    stays = image_id or "upload" in request.POST or "carry" in request.POST
    if not stays and form.is_valid():
        form.demand_words()
    writing.draft = drafts.of(writing.order)
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "storefront/apply/_slots.html", _material(writing, form, wrong, writing.preview()))
    if wrong or not form.is_valid():
        return _material_page(request, writing, form, wrong)
    if stays:
        place = request.POST.get("upload", "")
        return redirect(address(request, writing.order, "material") + (f"#slot-{place}" if place else "#pictures"))
    return go_on(request, writing, "material")


def _described(writing: Writing) -> str:
    if "description" in writing.answers:
        return str(writing.answers["description"])
    refused = drafts.last_refused(writing.order)
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


def _carry_over(request: SignedIn, writing: Writing) -> dict[str, str]:
    """沿用上次的图片: those that are ticked, each in its slot."""
    chosen = request.POST.getlist("earlier")
    if not chosen:
        return {"earlier": _("请先勾选要沿用的图片。")}
    try:
        drafts.carry_over(writing.order, chosen, at=writing.at)
    except (TooManyImages, StepRefused) as refusal:
        return {"earlier": str(refusal)}
    return {}


def _material_page(request: SignedIn, writing: Writing, form: MaterialForm, wrong: dict[str, str]) -> HttpResponse:
    seen = writing.preview()
    facts = _material(writing, form, wrong, seen) | {
        "verdict": weighed(seen.verdict, seen),
        "filled_in": guides.filled_in(writing.order, applying.paid_payment(writing.order)),
        "hint": hint(writing),
        "refused": refused_before(writing.order),
        "earlier": drafts.earlier_pictures(writing.order),
        "earlier_error": wrong.get("earlier"),
        "pictures_lost": bool(request.FILES) and bool(wrong),
    }
    return page(request, writing, "material", facts)


def _material(writing: Writing, form: MaterialForm, wrong: dict[str, str], seen: Preview) -> dict[str, Any]:
    """The slots, what lies in each, and what is wrong with what was sent."""
    wanted, images = seen.facts.terms.slots, writing.asked.draft_images
    is_asked_for = seen.verdict.step in policy.TO_PEOPLE
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
    known = {*wanted, "other", "earlier"}
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


@login_required
def show_picture(request: SignedIn, image_id: UUID) -> HttpResponseBase:
    """A picture of a draft, for its buyer alone, at an address signed for them (X4, X7)."""
    row = DraftImage.objects.filter(pk=image_id, draft__order__buyer=request.user).first()
    if row is None:
        raise Http404(str(image_id))
    return private_pictures.shown_by_address(request, row)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404(text) from None
