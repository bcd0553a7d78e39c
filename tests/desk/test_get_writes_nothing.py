"""No GET of the desk changes a row, and none shows a code: every address of it is walked, by every role."""

from __future__ import annotations

import io
import uuid

import pytest
from django.contrib import admin
from django.db import connection
from django.urls import NoReverseMatch, reverse
from PIL import Image

import images
from accounts.roles import Role
from refunds.admin import DESK_STEPS
from refunds.lifecycle import STEPS
from refunds.models import Evidence
from shops.models import CardCode
from tests.desk.conftest import HTMX

pytestmark = pytest.mark.django_db


@pytest.fixture
def lived_in(reviewed, approved, released, ends_as, buy, reveal, apply, operator, stranger, client):
    """Something in every table that a story can fill; returns the code texts that buyers saw."""
    order = buy(price_fen=8800)
    texts = reveal(order)
    picture = io.BytesIO()
    Image.linear_gradient("L").resize((300, 200)).save(picture, "PNG")
    apply(order, images=[images.repaint(picture.getvalue())])
    reviewed()
    approved()
    ends_as(released(), "CLOSED")
    ends_as(released(), "SUCCESS")
    client.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")
    client.post(reverse("admin:accounts_user_change", args=[stranger.pk]), {"role": "buyer", "is_active": "on"})
    return texts


def rows_of_everything() -> dict[str, str]:
    """A digest of each table of the database."""
    with connection.cursor() as cursor:
        digests = {}
        for table in sorted(connection.introspection.table_names(cursor)):
            cursor.execute(f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM \"{table}\" t")
            digests[table] = cursor.fetchone()[0]
        return digests


def addresses(*, existing: bool) -> list[str]:
    """Every address of the desk: with rows that exist, or with keys that do not and queries that make no sense."""
    found = []
    for model, desk in admin.site._registry.items():
        row = model._default_manager.order_by("pk").first()
        keys = [row.pk if row else 1] if existing else [999_999, "abc", uuid.UUID(int=7)]
        for pattern in desk.get_urls():
            found += [path for key in keys if pattern.name for path in _paths(f"admin:{pattern.name}", key)]
        listed = reverse(f"admin:{desk.opts.app_label}_{desk.opts.model_name}_changelist")
        if not existing:
            found += [f"{listed}?{query}" for query in ("q=abc", "p=zzz", "o=9", "q=%00", "nothing=1", "queue=x")]
    if existing:
        found += [
            path for url in admin.site.get_urls() if getattr(url, "name", "") for path in _paths(f"admin:{url.name}", 1)
        ]
        found += [reverse("storefront:evidence", args=[Evidence.objects.get().pk]), "/admin/refunds/"]
        found += [
            f"{path}?_selected_action=1&_selected_action=x" for path in found if path.endswith(("chosen/", "again/"))
        ]
    else:
        found += ["/admin/nothing/here/", "/admin/search/?s=x"]
    return sorted(set(found))


def _paths(name: str, key: object) -> list[str]:
    for arguments in ([], [key], [1, key]):
        try:
            return [reverse(name, args=arguments)]
        except NoReverseMatch:
            continue
    return []


def is_act(path: str) -> bool:
    name = path.split("?")[0].rstrip("/").rsplit("/", 1)[-1]
    return name in {act.path for desk in admin.site._registry.values()
                    for act in [*desk._get_base_actions_list(), *desk._get_base_actions_detail()]}  # fmt: skip


def test_no_get_writes_and_no_page_shows_a_code(lived_in, sits, staff, buyer):
    secrets = [*lived_in, *(bytes(code.sealed).hex() for code in CardCode.objects.all())]
    walks = [(sits(person), addresses(existing=True)) for person in [*staff.values(), buyer]]
    walks.append((walks[-2][0], addresses(existing=False)))
    assert all(len(paths) > 80 for _, paths in walks)
    before = rows_of_everything()
    answered = set()
    for seat, paths in walks:
        for path in paths:
            for headers in [{}, HTMX] if is_act(path) else [{}]:
                answer = seat.client.get(path, headers=headers)
                assert answer.status_code in {200, 301, 302, 400, 403, 404, 405}, (path, answer.status_code)
                answered.add(answer.status_code)
                page = (b"".join(answer.streaming_content) if answer.streaming else answer.content).decode(
                    errors="replace"
                )
                assert not [secret for secret in secrets if secret in page], path
    assert {200, 302, 403, 404} <= answered
    assert rows_of_everything() == before


def test_every_step_that_staff_take_has_its_dialog():
    taken = {name for name, step in STEPS.items() if step.who & {Role(role) for role in Role.staff()}}
    assert taken == set(DESK_STEPS)


def test_every_act_of_the_desk_stands_behind_a_dialog():
    acts = [
        (desk, act.method)
        for desk in admin.site._registry.values()
        for act in [*desk._get_base_actions_list(), *desk._get_base_actions_detail(), *desk._get_base_actions_row()]
    ]
    assert len(acts) >= 9
    for desk, act in acts:
        assert act.is_staff_act, (desk, act)
        assert act.dialog["form_class"], (desk, act)
        assert not desk.actions
        assert not desk.actions_submit_line
