"""腾讯云短信: ``SendSms`` of API 2021-01-11, signed with TC3-HMAC-SHA256.

After the published documents: cloud.tencent.com/document/api/382/55981 (the call), 59177 (its errors), 52072 (the
signature). A message is a template that they approved, with values of at most 12 characters and without addresses.
Never run against the real service: we have no account there.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings

import wire
from notices.channels.base import Message, SendFailed

GATEWAY = "https://sms.tencentcloudapi.com"
ACTION, VERSION, ALGORITHM, SERVICE = "SendSms", "2021-01-11", "TC3-HMAC-SHA256", "sms"
CONTENT_TYPE = "application/json; charset=utf-8"
LONGEST_VALUE = 12
#: Asking again changes nothing: it is the number that is wrong, or its owner who wants none.
FINAL = {
    "FailedOperation.PhoneNumberInBlacklist",
    "InvalidParameterValue.IncorrectPhoneNumber",
    "UnsupportedOperation.UnsupportedRegion",
}


class TencentSms:
    def send(self, message: Message) -> str:
        keys = settings.SMS_TENCENT
        body = json.dumps(_request(message, keys)).encode()
        gateway = keys["gateway"] or GATEWAY
        headers = signed(body, keys, host=urlsplit(gateway).netloc, at=int(time.time()))
        try:
            answer = wire.session().post(f"{gateway}/", data=body, headers=headers)
        except requests.RequestException:
            raise SendFailed("no_answer") from None
        return _number(answer)


def signed(body: bytes, keys: dict[str, Any], *, host: str, at: int) -> dict[str, str]:
    """The headers that vouch for ``body``; ``at`` in Unix seconds, five minutes off at most."""
    scope = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}/{SERVICE}/tc3_request"
    named = "content-type;host"
    canonical = f"POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{host}\n\n{named}\n{hashlib.sha256(body).hexdigest()}"
    to_sign = f"{ALGORITHM}\n{at}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"TC3{keys['secret_key']}".encode()
    for word in scope.split("/"):
        key = hmac.digest(key, word.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    credential = f"{keys['secret_id']}/{scope}"
    return {
        "Authorization": f"{ALGORITHM} Credential={credential}, SignedHeaders={named}, Signature={signature}",
        "Content-Type": CONTENT_TYPE,
        "Host": host,
        "X-TC-Action": ACTION,
        "X-TC-Timestamp": str(at),
        "X-TC-Version": VERSION,
        "X-TC-Region": keys["region"],
    }


def _request(message: Message, keys: dict[str, Any]) -> dict[str, Any]:
    templates: dict[str, str] = keys["templates"]
    in_their_language = f"{message.template}_{message.language}"
    template = templates.get(in_their_language) or templates.get(message.template)
    if not template:
        raise SendFailed("no_template", message.template)
    return {
        "PhoneNumberSet": [message.to],
        "SmsSdkAppId": keys["app_id"],
        "SignName": keys["sign_name"],
        "TemplateId": template,
        "TemplateParamSet": [value[:LONGEST_VALUE] for value in message.values.values()],
        "SessionContext": message.number,
    }


def _number(answer: requests.Response) -> str:
    """Their number of the message. Raises SendFailed for whatever is not a plain yes."""
    try:
        said = answer.json()["Response"]
        if "Error" in said:
            code = str(said["Error"]["Code"])
        else:
            (status,) = said["SendStatusSet"]
            code = str(status["Code"])
            if answer.status_code == 200 and code == "Ok":
                return str(status.get("SerialNo", ""))
    except (ValueError, KeyError, TypeError):
        raise SendFailed(f"http_{answer.status_code}") from None
    raise SendFailed(code, is_final=code in FINAL)
