"""客服中心: the assistant, tickets, complaints about shops, and "is this really you?" (B13).

S0-8: it is an entry to refunds too; S2-3, S3-19, S3-20: the ways to reach a person.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from allauth.core import ratelimit
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

import clock
import paging
import private_pictures
from accounts.models import User
from accounts.visitors import SignedIn
from orders import masking, talk
from orders.models import Order
from refunds.models import Refund
from storefront import terms
from storefront.support_forms import ComplaintForm, TicketForm, TicketMessageForm, VerifyForm
from support import assistant, complaints, hours, people, pictures, showing, tickets, verifying, words
from support import reading as record
from support.assistant import Answer, Intent
from support.models import ShopComplaint, Ticket, Topic

REFUSALS = (
    tickets.CannotDo, complaints.CannotComplain, words.CannotWrite, talk.CannotSpeak, pictures.TooManyPictures,
)  # fmt: skip


def center(request: HttpRequest) -> HttpResponse:
    """Where every way to support begins, for everybody."""
    at, open_hours = clock.now(), hours.current()
    mine = tickets.of(request.user).order_by("-opened_at")[:3] if isinstance(request.user, User) else []
    facts = {
        "anti_phishing": terms.anti_phishing(),
        "hours": open_hours,
        "is_open": hours.is_open(at, open_hours),
        "minutes": settings.SUPPORT_FIRST_ANSWER_MINUTES,
        "phone": settings.SUPPORT_PHONE,
        "tickets": mine,
    }
    return render(request, "storefront/support/center.html", facts)


# --- the assistant ----------------------------------------------------------------------------------------------------


@login_required
@never_cache
def ask_assistant(request: SignedIn) -> HttpResponse:
    """Choose a case, choose or type a question: the answer comes from the record. A POST hands it all to a person."""
    sent = request.POST if request.method == "POST" else request.GET
    refund = _case(request.user, sent.get("refund", ""))
    question = masking.tidy(sent.get("q", ""))[:200]
    intent = Intent(sent["ask"]) if sent.get("ask") in Intent.values else assistant.understand(question)
    asked = bool(sent.get("ask") or question)
    said = _answer(request.user, refund, intent) if asked else None
    if request.method == "POST":
        return _to_a_person(request, refund, intent, question, said)
    facts = {
        "cases": list(record.cases_of(request.user).prefetch_related("order__lines")[: record.MOST_CASES]),
        "chosen": refund,
        "intents": [row for row in Intent if row != Intent.HUMAN],
        "question": question,
        "intent": intent,
        "answer": said,
    }
    return render(request, "storefront/support/assistant.html", facts)


def _case(buyer: User, refund_no: str) -> Refund | None:
    """Somebody else's case is not there (X8)."""
    if not refund_no:
        return None
    refund = record.cases_of(buyer).filter(refund_no=refund_no[:20]).first() if "\0" not in refund_no else None
    if refund is None:
        raise Http404(refund_no)
    return refund


def _answer(reader: User, refund: Refund | None, intent: Intent | None) -> Answer:
    known = record.known_of(refund, reader, at=clock.now()) if refund else None
    return assistant.answer(intent, known)


def _to_a_person(
    request: SignedIn, refund: Refund | None, intent: Intent | None, question: str, said: Answer | None
) -> HttpResponse:
    """转人工: question, case and answer go along, so that nothing is asked twice."""
    asked = question or (str(intent.label) if intent else _("请人工客服帮助。"))
    try:
        ticket = tickets.open_ticket(
            topic=assistant.topic_of(intent), text=asked, by=request.user, at=clock.now(), refund=refund,
            assistant=said.text if said else "",
        )  # fmt: skip
    except REFUSALS as refusal:
        messages.error(request, str(refusal))
        return redirect("storefront:tickets")
    messages.success(request, _("已转人工，客服会看到您的问题和记录。"))
    return redirect("storefront:ticket", ticket.ticket_no)


# --- tickets ----------------------------------------------------------------------------------------------------------


@login_required
def ticket_list(request: SignedIn) -> HttpResponse:
    page = paging.newest_first(tickets.of(request.user), by="opened_at", after=request.GET.get("after", ""))
    return render(request, "storefront/support/tickets.html", {"page": page, "rows": page.rows})


@login_required
@never_cache
def new_ticket(request: SignedIn) -> HttpResponse:
    """提交工单. Whoever wants money back is led to the case, or to the application (S3-21)."""
    initial = {"order_no": request.GET.get("order", "")[:20].replace("\0", ""), "topic": request.GET.get("topic", "")}
    if request.method != "POST":
        return _ticket_form(request, TicketForm(initial=initial, buyer=request.user))
    form = TicketForm(request.POST, request.FILES, buyer=request.user)
    if form.is_valid():
        said = form.cleaned_data
        if said["topic"] == Topic.SHOP and form.order:
            form.add_error("topic", _("投诉商家有单独的通道：请点下方“投诉商家”，您写的话可以复制过去。"))
            return _ticket_form(request, form)
        try:
            ticket = tickets.open_ticket(
                topic=Topic(said["topic"]), text=said["text"], by=request.user, at=clock.now(), order=form.order,
                images=said["images"],
            )  # fmt: skip
        except REFUSALS as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("工单已提交。"))
            return redirect("storefront:ticket", ticket.ticket_no)
    return _ticket_form(request, form)


def _ticket_form(request: SignedIn, form: TicketForm) -> HttpResponse:
    number = str(form["order_no"].value() or "")
    order = form.orders.get(number)
    facts = {"form": form, "order": order, "case": tickets.pointer(order) if order else None}
    return render(request, "storefront/support/new_ticket.html", facts | {"pictures_lost": bool(request.FILES)})


@login_required
@never_cache
def ticket_page(request: SignedIn, ticket_no: str) -> HttpResponse:
    return _ticket(request, _own_ticket(request, ticket_no))


@login_required
@require_POST
@never_cache
def ticket_say(request: SignedIn, ticket_no: str) -> HttpResponse:
    """补充说明, or what it is reopened with."""
    ticket = _own_ticket(request, ticket_no)
    form = TicketMessageForm(request.POST, request.FILES)
    if not form.is_valid():
        return _ticket(request, ticket, form)
    said = form.cleaned_data
    try:
        if ticket.closed_at:
            tickets.reopen(ticket, said["text"], by=request.user, at=clock.now())
        else:
            tickets.ask(ticket, said["text"], by=request.user, at=clock.now(), images=said["images"])
    except REFUSALS as refusal:
        form.add_error(None, str(refusal))
        return _ticket(request, _own_ticket(request, ticket_no), form)
    messages.success(request, _("已发送，客服会在期限内答复。"))
    return redirect("storefront:ticket", ticket_no)


def _own_ticket(request: SignedIn, ticket_no: str) -> Ticket:
    """Somebody else's ticket is not there (X8)."""
    ticket = tickets.of(request.user).filter(ticket_no=ticket_no).first()
    if ticket is None:
        raise Http404(ticket_no)
    return ticket


def _ticket(request: SignedIn, ticket: Ticket, form: TicketMessageForm | None = None) -> HttpResponse:
    at = clock.now()
    facts = {
        "ticket": ticket,
        "thread": showing.thread(ticket, before=request.GET.get("before", "")),
        "pictures": showing.pictures_of(ticket, request.user),
        "form": form or TicketMessageForm(),
        "is_late": tickets.is_late(ticket, at),
        "why_not_reopen": tickets.why_not_reopen(ticket, at) if ticket.closed_at else "",
        "closing_words": _(ticket.closing_words) if ticket.closing_words == tickets.LAPSED else ticket.closing_words,
        "case": ticket.refund or (tickets.pointer(ticket.order) if ticket.order else None),
        "pictures_lost": bool(request.FILES),
    }
    return render(request, "storefront/support/ticket.html", facts)


@login_required
def picture(request: SignedIn, picture_id: UUID) -> HttpResponseBase:
    """For those of the ticket or the complaint, at an address signed for them; for others it is not there (X4, X7)."""
    row = pictures.for_reader(picture_id, request.user)
    if row is None:
        raise Http404(picture_id)
    return private_pictures.shown_by_address(request, row)


# --- complaints -------------------------------------------------------------------------------------------------------


@login_required
@never_cache
def complain(request: SignedIn, order_no: str) -> HttpResponse:
    """投诉商家, apart from any appeal (S0-34)."""
    mine = Order.objects.filter(buyer__in=people.accounts_of(request.user)).select_related("shop", "buyer")
    order = mine.filter(order_no=order_no).first()
    if order is None:
        raise Http404(order_no)
    if running := complaints.running(order):
        messages.info(request, _("这张订单已有一件投诉在处理。"))
        return redirect("storefront:complaint", running.complaint_no)
    form = ComplaintForm(request.POST, request.FILES) if request.method == "POST" else ComplaintForm()
    if form.is_bound and form.is_valid():
        try:
            complaint = complaints.complain(order, by=request.user, at=clock.now(), **form.cleaned_data)
        except REFUSALS as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("投诉已受理。"))
            return redirect("storefront:complaint", complaint.complaint_no)
    facts = {"order": order, "form": form, "pictures_lost": bool(request.FILES)}
    return render(request, "storefront/support/complain.html", facts)


@login_required
def complaint_list(request: SignedIn) -> HttpResponse:
    page = paging.newest_first(complaints.of(request.user), by="opened_at", after=request.GET.get("after", ""))
    return render(request, "storefront/support/complaints.html", {"page": page, "rows": page.rows})


@login_required
@never_cache
def complaint_page(request: SignedIn, complaint_no: str) -> HttpResponse:
    complaint: ShopComplaint | None = complaints.of(request.user).filter(complaint_no=complaint_no).first()
    if complaint is None:
        raise Http404(complaint_no)
    facts: dict[str, Any] = {
        "complaint": complaint,
        "told": showing.complaint(complaint),
        "pictures": showing.pictures_of(complaint, request.user),
        "is_late": complaint.promised_by is not None and complaint.promised_by < clock.now(),
    }
    return render(request, "storefront/support/complaint.html", facts)


# --- is this really you? ----------------------------------------------------------------------------------------------


@never_cache
def verify(request: HttpRequest) -> HttpResponse:
    """核实客服 (B13): whoever asks learns whether a number is at work here, and what we sent to themselves."""
    form = VerifyForm(request.POST if request.method == "POST" else None)
    facts: dict[str, Any] = {"form": form, "anti_phishing": terms.anti_phishing(), "phone": settings.SUPPORT_PHONE}
    if form.is_bound and form.is_valid():
        if not ratelimit.consume(request, action="verify_support"):
            return ratelimit.respond_429(request)
        agent, said = form.cleaned_data["agent"].strip(), form.cleaned_data["said"].strip()
        reader = request.user if isinstance(request.user, User) else None
        facts |= {
            "agent": agent,
            "is_agent": verifying.is_agent(agent) if agent else None,
            "said": said,
            "sent": verifying.find(said, reader) if said and reader else [],
            "warnings": [str(talk.WARNINGS[key]) for key in words.warnings_in(said)],
            "must_sign_in": bool(said) and reader is None,
            "nothing": not agent and not said,
        }
    return render(request, "storefront/support/verify.html", facts)
