"""邮件, by whatever ``EMAIL_URL`` names: SMTP where people are to get it."""

from __future__ import annotations

import smtplib
from email.utils import parseaddr

from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from notices.channels.base import Message, SendFailed


class Mail:
    def send(self, message: Message) -> str:
        """One connection for each: a server that hangs holds up this message alone, for ``EMAIL_TIMEOUT`` seconds."""
        number = f"<{message.number}@{_domain()}>"
        headers = {"Message-ID": number, "Auto-Submitted": "auto-generated", "Content-Language": message.language}
        letter = EmailMultiAlternatives(message.subject, message.text, to=[message.to], headers=headers)
        letter.attach_alternative(message.html, "text/html")
        try:
            letter.send()
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise SendFailed("mail_refused", is_final=min(codes, default=0) >= 500) from None
        except smtplib.SMTPResponseException as error:
            raise SendFailed(f"smtp_{error.smtp_code}") from None
        except (OSError, smtplib.SMTPException):
            raise SendFailed("mail_down") from None
        return number


def _domain() -> str:
    """Ours, as the address that mail comes from names it."""
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].partition("@")[2] or "localhost"
