"""本人账户: an account that a refund or a balance may go to, laid down by its buyer, who proved that he holds it (I13).

We keep no real name, so the ID number is asked for once more (``accounts.realname.is_holder``) and kept nowhere. That
it was so is a proof that its buyer's page carries to the signature; it serves for this account, for an hour.
"""

from __future__ import annotations

from datetime import datetime

from django.core import signing
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from accounts import realname
from accounts.models import User
from payments import payees
from payments.models import Payee

SALT, LASTS_SECONDS = "own-account", 3600


class NotTheHolder(Exception):
    """The message is for who typed it in."""


@sensitive_variables("account", "id_number")
def lay_down(account: payees.Account, *, id_number: str, by: User, at: datetime) -> Payee:
    """登记本人账户. Raises NotTheHolder, realname.CannotVerify, payees.CannotSet. Call it outside a transaction."""
    if not realname.is_holder(by, account.name, id_number):
        raise NotTheHolder(_("户名与身份证号须与您的实名认证一致；款项只能到您本人的账户。"))
    return payees.lay_down(account, by=by, user=by, at=at, real_name=realname.passed(by))


def proof_of(payee: Payee) -> str:
    """That this account was just laid down so."""
    return signing.dumps([str(payee.pk), payee.user_id], salt=SALT)


def named_by(proof: str, *, by: User) -> Payee | None:
    """The account that this proof is about; None: there is none of this person's, or it is too old."""
    try:
        key, user = signing.loads(proof, salt=SALT, max_age=LASTS_SECONDS)
    except signing.BadSignature:
        return None
    return Payee.objects.filter(pk=key, user=by).first() if user == by.pk else None
