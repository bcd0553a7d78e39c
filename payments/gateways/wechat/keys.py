"""Whose signatures we believe: 微信支付公钥, 平台证书, or both while a merchant migrates (G18).

Certificates come from ``cert_dir``, or are downloaded: when there is none, when an answer or a notification named an
unknown serial, and twice a day; by our own next call, at most once a minute, and without forgetting what we have. The
SDK would download for every stranger's serial, and clear its list first.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from cryptography.x509 import Certificate
from wechatpayv3.utils import aes_decrypt, load_certificate, load_public_key

from payments.gateways.base import GatewayError, OutcomeUnknown
from payments.gateways.wechat.answers import Call, ask
from payments.gateways.wechat.fields import Body

BETWEEN_DOWNLOADS_SECONDS = 60
STALE_SECONDS = 12 * 3600

log = logging.getLogger(__name__)


class PlatformKeys:
    """The keys of one merchant's WeChat Pay, shared by its threads. ``core`` is the SDK's, which verifies answers."""

    def __init__(self, core: Any, *, public_key: str, public_key_id: str, cert_dir: str, apiv3_key: str) -> None:
        self._core, self._apiv3_key = core, apiv3_key
        self._public_key_id, self._public_key = public_key_id, load_public_key(public_key)
        self._uses_certificates = bool(cert_dir)
        self._lock = threading.Lock()
        self._tried_at = float("-inf")
        self._keep(certificates_in(Path(cert_dir)) if cert_dir else [])
        self._fresh_at = time.monotonic() if self._certificates else float("-inf")
        self._wanted = False
        core._update_certificates = self._unknown_serial
        core._last_certificate = self._newest
        if self._uses_certificates and not self._certificates:
            self._download_at_start()

    def key_of(self, serial: str, at: datetime) -> Any | None:
        """The public key behind ``serial``. An unknown one makes a refresh wanted, and us call nobody."""
        if serial and serial == self._public_key_id:
            return self._public_key
        certificate = self._certificates.get(int(serial, 16)) if re.fullmatch(r"[0-9A-Fa-f]{8,64}", serial) else None
        if certificate is None:
            self._wanted = True
            return None
        valid = certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc
        return certificate.public_key() if valid else None

    def freshen(self) -> None:
        """Before a call of ours: download certificates if that is due.

        Raises OutcomeUnknown or GatewayMisconfigured when nothing could verify the answer.
        """
        if not self._uses_certificates or not self._due():
            return
        helpless = not self._certificates and not self._public_key
        if not self._lock.acquire(blocking=helpless):
            return  # another thread is at it, and what we have will do
        try:
            if time.monotonic() - self._tried_at >= BETWEEN_DOWNLOADS_SECONDS:
                self._tried_at = time.monotonic()
                self._download()
        except GatewayError as error:
            log.warning("platform certificates could not be downloaded: %s", error)
            if not self._certificates and not self._public_key:
                raise
        finally:
            self._lock.release()
        if not self._certificates and not self._public_key:
            raise OutcomeUnknown("no_certificate", retry_after_seconds=BETWEEN_DOWNLOADS_SECONDS)

    def _due(self) -> bool:
        return self._wanted or not self._certificates or time.monotonic() - self._fresh_at > STALE_SECONDS

    def _download_at_start(self) -> None:
        try:
            self.freshen()
        except GatewayError:
            self._wanted = True  # the first call of ours tries again, and tells its caller

    def _download(self) -> None:
        answer = ask(Call.CERTIFICATES, lambda: self._core.request("/v3/certificates", skip_verify=True))
        opened = [certificate for entry in _entries(answer.body) if (certificate := self._open(entry))]
        if not opened:
            raise OutcomeUnknown("no_certificate", "the channel gave none that our APIv3 key opens")
        self._keep(opened)
        self._fresh_at, self._wanted = time.monotonic(), False

    def _open(self, entry: Body) -> Certificate | None:
        """Our APIv3 key opens it, so it is WeChat Pay's."""
        sealed = entry.get("encrypt_certificate")
        if not isinstance(sealed, dict) or sealed.get("algorithm") != "AEAD_AES_256_GCM":
            return None
        try:
            pem = aes_decrypt(
                nonce=sealed["nonce"],
                ciphertext=sealed["ciphertext"],
                associated_data=sealed.get("associated_data") or "",
                apiv3_key=self._apiv3_key,
            )
        except Exception:  # whatever stands in the answer
            return None
        return _valid(pem) if pem else None

    def _keep(self, certificates: Iterable[Certificate]) -> None:
        """Replace what we know at one stroke: another thread is verifying meanwhile."""
        self._certificates = {certificate.serial_number: certificate for certificate in certificates}
        self._core._certificates = list(self._certificates.values())

    def _unknown_serial(self) -> NoReturn:
        """In place of the SDK's download: an unknown serial is a reason to disbelieve."""
        self._wanted = True
        raise RuntimeError("the answer is signed with an unknown serial")

    def _newest(self) -> Certificate:
        """In place of the SDK's, which compares times without a zone."""
        return max(self._certificates.values(), key=lambda certificate: certificate.not_valid_after_utc)


def certificates_in(folder: Path) -> list[Certificate]:
    """The certificates in ``folder`` that are valid today; anything else there is passed over."""
    found = []
    for path in sorted(folder.glob("*.pem")) if folder.is_dir() else []:
        try:
            certificate = _valid(path.read_text())
        except (OSError, UnicodeDecodeError):
            certificate = None
        if certificate is None:
            log.warning("no valid platform certificate: %s", path.name)
        else:
            found.append(certificate)
    return found


def _valid(pem: str) -> Certificate | None:
    certificate: Certificate | None = load_certificate(pem)
    now = datetime.now(UTC)
    if certificate is None or not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        return None
    return certificate


def _entries(body: Body) -> list[Body]:
    data = body.get("data")
    return [entry for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []
