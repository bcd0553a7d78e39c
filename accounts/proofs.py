"""再次验证: how somebody who is signed in has just proved, once more, who they are; and where they do.

allauth's decorator ``reauthentication_required`` would not do where money or dear codes go: it takes a password where a
second factor is on, and waves through whoever has no password at all, which is every guest. So its pages and its public
records of what was proved when are used, and a guest's proof is kept beside them.
"""

from __future__ import annotations

import time

from allauth.account import app_settings
from allauth.account.authentication import get_authentication_records
from allauth.mfa.utils import is_mfa_enabled
from django.urls import reverse
from django.utils.http import urlencode

from accounts.visitors import SignedIn

BY_QUERY_PASSWORD = "query_password"  # noqa: S105  the name of a way, not a secret
PROOF_OF_GUEST = "proof_of_guest"  # in the session: which guest gave the query password, and when


def proved_by(request: SignedIn) -> str:
    """How this person has proved, in the last five minutes, who they are; empty if they have not.

    Where a second factor is on, a password alone proves nothing.
    """
    wanted = _way_of(request)
    proofs = _guests_proofs(request) if wanted == BY_QUERY_PASSWORD else _proofs(request, wanted)
    least_at = time.time() - app_settings.REAUTHENTICATION_TIMEOUT  # real time, as allauth stamps its records
    return wanted if any(at > least_at for at in proofs) else ""


def proof_page(request: SignedIn, back_to: str) -> str:
    """Where an account proves it, and returns from to ``back_to``. A guest's page is the order's own."""
    page = "mfa_reauthenticate" if is_mfa_enabled(request.user) else "account_reauthenticate"
    return f"{reverse(page)}?{urlencode({'next': back_to})}"


def _proofs(request: SignedIn, way: str) -> list[float]:
    """When this person proved it at allauth's pages; to have logged in is no proof."""
    records = get_authentication_records(request, request.user)
    return [record["at"] for record in records if record["method"] == way and record.get("reauthenticated")]


def _guests_proofs(request: SignedIn) -> list[float]:
    proof = request.session.get(PROOF_OF_GUEST, {})
    return [proof["at"]] if proof.get("guest") == request.user.pk else []


def _way_of(request: SignedIn) -> str:
    if request.user.is_guest:
        return BY_QUERY_PASSWORD
    return "mfa" if is_mfa_enabled(request.user) else "password"
