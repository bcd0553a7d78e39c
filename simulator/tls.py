"""HTTPS with a certificate authority of its own (本地证书): both are made on the spot and kept in DATA/tls.

A client trusts DATA/tls/ca.pem and nothing else changes. The keys never leave the folder.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from simulator.rsa_keys import write_private

HANDSHAKE_SECONDS = 10
CA_DAYS, SERVER_DAYS = 3650, 397  # what browsers accept at most
RENEWED_BEFORE_DAYS = 30
EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not listened on


class Certificates:
    """The authority and the server's certificate in one folder; `ca_file` is what a client has to trust."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.ca_file = folder / "ca.pem"
        self._ca_key_file = folder / "ca.key"
        self._server_file = folder / "server.pem"  # certificate and key
        ca, ca_key = self._authority()
        if not self._still_good(ca, names):
            self._issue(ca, ca_key, names)

    def context(self) -> ssl.SSLContext:
        """What the server speaks: TLS 1.2 and 1.3 with its own certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._server_file)
        return context

    def _authority(self) -> tuple[x509.Certificate, RSAPrivateKey]:
        if self.ca_file.exists() and self._ca_key_file.exists():
            known, key = x509.load_pem_x509_certificate(self.ca_file.read_bytes()), _load(self._ca_key_file)
            if _lasts(known):
                return known, key
        key = _new_key()
        name = _name("simulator local CA")
        ca = (
            _builder(name, name, key, CA_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(key, SHA256())
        )
        write_private(self._ca_key_file, _pem(key))
        write_private(self.ca_file, ca.public_bytes(Encoding.PEM).decode())
        self.ca_file.chmod(0o644)  # not a secret, and clients run as others
        return ca, key

    def _still_good(self, ca: x509.Certificate, names: list[str]) -> bool:
        if not self._server_file.exists():
            return False
        server = x509.load_pem_x509_certificate(self._server_file.read_bytes())
        known = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return (
            _lasts(server)
            and known == x509.SubjectAlternativeName([_general_name(name) for name in names])
            and server.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value == _authority_key(ca)
        )

    def _issue(self, ca: x509.Certificate, ca_key: RSAPrivateKey, names: list[str]) -> None:
        key = _new_key()
        server = (
            _builder(_name(names[0]), ca.subject, key, SERVER_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
            .add_extension(_authority_key(ca), critical=False)
            .sign(ca_key, SHA256())
        )
        write_private(self._server_file, server.public_bytes(Encoding.PEM).decode() + _pem(key))


def names_to_certify(host: str, address: str | None) -> list[str]:
    """Every name by which a client may call this server: loopback, --host and --address."""
    names = ["localhost", "127.0.0.1", "::1"]
    names.append(socket.gethostname() if host in EVERYWHERE else host)
    if address:
        names.append(urlsplit(address).hostname or "")
    return list(dict.fromkeys(name for name in names if name))


def shake_hands(context: ssl.SSLContext, connection: socket.socket) -> ssl.SSLSocket:
    """The server's half of the handshake; OSError (ssl.SSLError is one) when the client does not go along."""
    connection.settimeout(HANDSHAKE_SECONDS)
    secure = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
    try:
        secure.do_handshake()
    except OSError:
        secure.close()
        raise
    return secure


def _builder(subject: x509.Name, issuer: x509.Name, key: RSAPrivateKey, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not signs_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _lasts(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=RENEWED_BEFORE_DAYS)


def _authority_key(ca: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _new_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def _pem(key: RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _load(path: Path) -> RSAPrivateKey:
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError(f"{os.fspath(path)}: an RSA key is expected")
    return key
