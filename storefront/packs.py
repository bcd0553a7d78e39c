"""证据包 at the door: what it is, taking it home, and where else a buyer may turn to with it (S1-18, S1-19)."""

from __future__ import annotations

from typing import Any

from allauth.core import ratelimit
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

import clock
from accounts.visitors import SignedIn
from orders import transcript
from refunds import evidence_pack, receipt
from refunds.evidence_pack import Pack, Side
from refunds.models import Refund
from storefront import policies, receipts

ENDED_AGAINST_THE_BUYER = {"rejected", "closed"}
COURT_FROM_FEN = 50_000  # S1-19: below, a claim costs more than it brings


@login_required
@never_cache
def show(request: SignedIn, refund_no: str) -> HttpResponse:
    """What the pack holds, for whom, and how anybody checks it."""
    refund, side = _case(request, refund_no)
    facts = {"refund": refund, "in_wechat": receipts.is_in_wechat(request), "is_buyer": side is Side.BUYER}
    return render(request, "storefront/pack.html", facts)


@require_GET
@login_required
@never_cache
def download(request: SignedIn, refund_no: str) -> HttpResponseBase:
    """The ZIP, made now, and who took it is kept. By GET: a phone's download manager knows nothing else."""
    refund, side = _case(request, refund_no)
    at = clock.now()
    if evidence_pack.has_taken_many(request.user, at=at):
        return ratelimit.respond_429(request)
    with translation.override("zh-hans"):
        pack = evidence_pack.gather(refund, side=side, reader=request.user, at=at)
        written = evidence_pack.write(pack, _documents(pack))
    evidence_pack.record_download(pack, written)
    answer = FileResponse(written.file, as_attachment=True, filename=f"pack-{refund_no}.zip")
    answer.headers["Content-Type"] = "application/zip"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


@login_required
@never_cache
def next_steps(request: SignedIn, refund_no: str) -> HttpResponse:
    """还有哪些途径: once a case has ended against its buyer. No links: whoever calls, calls the names."""
    refund, side = _case(request, refund_no)
    if side is not Side.BUYER:
        raise Http404(refund_no)
    if refund.status not in ENDED_AGAINST_THE_BUYER:
        messages.info(request, _("这张退款单还没有结束，先在这里等结果。"))
        return redirect("storefront:refund", refund_no)
    facts = {
        "refund": refund,
        "payment": refund.payment,
        "receipt": receipt.of(refund),
        "is_large": refund.amount_fen + refund.fee_fen > COURT_FROM_FEN,
        "court_from_fen": COURT_FROM_FEN,
    }
    return render(request, "storefront/pack_next_steps.html", facts)


def _case(request: SignedIn, refund_no: str) -> tuple[Refund, Side]:
    """Somebody else's case is not there (X7, X8)."""
    cases = Refund.objects.select_related("order__shop", "order__policy", "payment__account", "buyer")
    refund = cases.filter(refund_no=refund_no).first()
    side = evidence_pack.side_of(refund, request.user) if refund else None
    if refund is None or side is None:
        raise Http404(refund_no)
    return refund, side


def _documents(pack: Pack) -> dict[str, str]:
    """The pages and texts of a pack, by their names in it."""
    facts: dict[str, Any] = receipts.about(pack.receipt) | {"pack": pack, "at": pack.at, "site": settings.SITE_URL}
    documents = {
        "index.html": render_to_string("storefront/pack_page.html", facts),
        "policy.txt": policies.of_order(pack.refund.order),
        "talk.txt": transcript.of(pack.refund.order, at=pack.at),
    }
    with translation.override("en"):
        documents["policy.en.txt"] = policies.of_order(pack.refund.order)
    if pack.side.sees_buyers_own:
        documents["receipt.html"] = render_to_string("storefront/pack_receipt.html", facts)
    return documents
