"""I15: what opens something stands nowhere in clear: not in a dump, not in a log, not in the session."""

from __future__ import annotations

import base64
import logging
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

import clock
from integrations import endpoints, feed, keys, letters, sending
from integrations.models import WebhookEndpoint
from shops import vault


def everything() -> str:
    """Every column of every table, as text; bytes in hex, as in a dump."""
    said = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_stat_user_tables ORDER BY relname")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT t::text FROM "{table}" AS t')
            said += [row for (row,) in cursor.fetchall()]
    return "\n".join(said)


def forms_of(secret: str) -> list[str]:
    """In clear, in hex, in base64."""
    raw = secret.encode()
    bare = secret.removeprefix("whsec_").removeprefix("csk_")
    forms = [secret, bare, raw.hex(), base64.b64encode(raw).decode()[:-4]]
    if secret.startswith("whsec_"):
        forms.append(base64.b64decode(bare).hex())
    return forms


@pytest.mark.django_db
def test_no_secret_stands_in_the_database_or_a_log(make_key, listen, receiver, buy, apply, merchant, caplog):
    caplog.set_level(logging.DEBUG)
    _row, key = make_key()
    endpoint, secret = listen()
    Client().get("/api/shop/orders/", headers={"Authorization": f"Bearer {key}"})
    new = endpoints.new_secret(endpoint, by=merchant, at=clock.now())
    apply(buy())
    receiver.status = 500
    feed.read(at=clock.now())
    sending.sweep(at=clock.now())
    browser = Client()
    browser.force_login(merchant, backend="django.contrib.auth.backends.ModelBackend")
    answer = browser.post("/shop/keys/", {"name": "ERP 2", "scopes": ["orders:read"]})
    assert answer.status_code == 302
    dump, log = everything() + repr(dict(browser.session)), caplog.text
    assert endpoint.url in dump  # it does see what is there
    shown = browser.get(answer["Location"]).content.decode()
    made = shown.split('id="secret">')[1].split("<")[0]
    assert keys.known(made)
    for text in (key, secret, new, made):
        for form in forms_of(text):
            assert form not in dump
            assert form not in log


@pytest.mark.django_db
def test_a_secret_opens_in_its_own_row_alone(listen, shop, merchant, receiver, settings):
    endpoint, secret = listen()
    other, _ = endpoints.add(shop, "https://example.com/", ["refund.approved"], by=merchant, at=clock.now())
    assert letters.secret_of(endpoint) == secret
    WebhookEndpoint.objects.filter(pk=other.pk).update(
        secret=bytes(endpoint.secret), secret_key_id=endpoint.secret_key_id
    )
    other.refresh_from_db()
    with pytest.raises(vault.VaultError):
        letters.secret_of(other)


@pytest.mark.django_db
def test_a_change_of_keys_takes_webhooks_along(listen, tmp_path, settings):
    endpoint, secret = listen()
    copy = tmp_path / "card_keys"
    copy.write_bytes(Path(settings.CARD_KEYS_FILE).read_bytes())
    copy.chmod(0o600)
    settings.CARD_KEYS_FILE = str(copy)
    call_command("rotate_keys", "--new-key", stdout=StringIO())
    before = endpoint.secret_key_id
    endpoint.refresh_from_db()
    assert endpoint.secret_key_id != before
    assert letters.secret_of(endpoint) == secret
