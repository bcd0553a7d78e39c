"""What a shop's people may do stands in one table, and nowhere else."""

from __future__ import annotations

import pytest

from shops import rights
from shops.models import Shop, ShopMember, ShopRole
from shops.rights import TABLE, NotAllowed
from tests.cast import person

pytestmark = pytest.mark.django_db

# act: owner, manager, clerk
EXPECTED = {
    "orders": (True, True, True),
    "refunds": (True, True, False),
    "talk": (True, True, True),
    "products": (True, True, False),
    "stock": (True, True, False),
    "coupons": (True, True, False),
    "figures": (True, True, False),
    "integrations": (True, False, False),
    "members": (True, False, False),
    "withdraw": (True, False, False),
    "leave": (True, False, False),
}


def test_the_table_says_what_was_decided():
    assert set(TABLE) == set(EXPECTED)
    for act, answers in EXPECTED.items():
        found = tuple(role in TABLE[act] for role in (ShopRole.OWNER, ShopRole.MANAGER, ShopRole.CLERK))
        assert found == answers, act


@pytest.mark.parametrize("role", ShopRole.values)
def test_a_member_may_do_what_the_table_says_in_this_shop_and_nothing_in_another(shop, role):
    user = person("somebody", "merchant")
    ShopMember.objects.create(shop=shop, user=user, role=role)
    other = Shop.objects.create(name="另一家店", created_at=shop.created_at)
    for act in TABLE:
        assert rights.may(user, shop, act) is (role in TABLE[act])
        assert not rights.may(user, other, act)
        assert list(rights.shops_of(user, act)) == ([shop] if role in TABLE[act] else [])
    assert rights.acts_of(role) == {act for act, roles in TABLE.items() if role in roles}


def test_nobody_else_may_do_anything(shop, merchant, buyer, operator):
    merchant.is_active = False
    for user in (merchant, buyer, operator):
        for act in TABLE:
            assert not rights.may(user, shop, act)
            with pytest.raises(NotAllowed):
                rights.demand(user, shop, act)
