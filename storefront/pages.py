"""Policy, help, language: the pages around the shop."""

from __future__ import annotations

from email.utils import parseaddr
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.templatetags.static import static
from django.views.decorators.http import require_POST

import clock
from accounts.way_back import is_here, way_back
from shops import policies as versions
from shops.models import RefundPolicy
from storefront import agreement, pace, policies, standards, terms

ROBOTS = """User-agent: *
Disallow: /accounts/
Disallow: /admin/
Disallow: /api/
Disallow: /evidence/
Disallow: /notices/
Disallow: /orders/
Disallow: /receipts/
Disallow: /refunds/
Disallow: /shop/
Disallow: /support/
"""


def policy_page(request: HttpRequest, code: str, version: int) -> HttpResponse:
    policy = _published(code, version)
    facts = {"policy": policy, "sections": terms.sections(policy), "back": _came_from(request)}
    return render(request, "storefront/policy.html", facts | {"before": versions.before(policy)})


def policy_text(request: HttpRequest, code: str, version: int) -> HttpResponse:
    policy = _published(code, version)
    return _download(policies.as_text(policy), f"refund-policy-{policy.code}-v{policy.version}.txt")


def policy_examples(request: HttpRequest, code: str, version: int) -> HttpResponse:
    """核验标准示例 under this version (S3-24)."""
    policy = _published(code, version)
    facts = {"policy": policy, "examples": standards.examples(policy), "back": _came_from(request)}
    return render(request, "storefront/policy_examples.html", facts)


def agreement_page(request: HttpRequest) -> HttpResponse:
    facts = {"title": agreement.title(), "dated": agreement.dated(), "sections": agreement.sections()}
    return render(request, "storefront/agreement.html", facts | {"back": _came_from(request)})


def agreement_text(request: HttpRequest) -> HttpResponse:
    return _download(agreement.as_text(), f"user-agreement-v{agreement.VERSION}.txt")


def help_page(request: HttpRequest) -> HttpResponse:
    facts = {
        "anti_phishing": terms.anti_phishing(),
        "policy": policies.usual(),
        "support_email": _support_email(),
        "holiday": pace.holiday_notice(at=clock.now()),
    }
    return render(request, "storefront/help.html", facts)


def status_page(request: HttpRequest) -> HttpResponse:
    """退款时效: what each stage took over 30 days, whose time it was, and the days on which nobody works (S2-30)."""
    at = clock.now()
    facts = pace.tables() | {"holiday": pace.holiday_notice(at=at)}
    facts["is_stale"] = pace.is_stale(facts["computed_at"], at=at)
    return render(request, "storefront/status.html", facts)


def _published(code: str, version: int) -> RefundPolicy:
    """A draft is nobody's terms yet: it is not there."""
    return get_object_or_404(RefundPolicy, code=code, version=version, published_at__isnull=False)


def _download(text: str, name: str) -> HttpResponse:
    answer = HttpResponse(text, content_type="text/plain; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _support_email() -> str:
    """The shop's own address, if somebody reads what is sent there."""
    address = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    name, _, host = address.partition("@")
    nobody = not host or "." not in host or name.lower().replace("-", "") in {"noreply", "donotreply"}
    return "" if nobody else address


def _came_from(request: HttpRequest) -> str:
    """The page of ours that led here, for the way back; the shop's front where there was none."""
    before = request.headers.get("Referer", "")
    path = urlsplit(before).path if is_here(request, before) else ""
    return path if path.startswith("/") and not path.startswith(("//", request.path)) else "/"


@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Chinese or English, kept in a cookie; back to where the reader was, if that is here."""
    answer = HttpResponseRedirect(way_back(request, request.POST.get("next", "/"), otherwise="/"))
    chosen = request.POST.get("language", "")
    if chosen in dict(settings.LANGUAGES):
        answer.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            chosen,
            max_age=365 * 24 * 3600,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    return answer


def robots(request: HttpRequest) -> HttpResponse:
    return HttpResponse(ROBOTS, content_type="text/plain")


def favicon(request: HttpRequest) -> HttpResponse:
    """For those who ask at the old place."""
    return HttpResponsePermanentRedirect(static("favicon.svg"))
