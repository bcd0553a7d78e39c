"""GET /api/products/: by words, by category, of open shops, with what a buyer must know before buying."""

from __future__ import annotations

import pytest

from shops.models import Category, Shop, ShopStatus

pytestmark = pytest.mark.django_db


def test_products_are_found_by_words_and_by_category(api, make_product, shop):
    games = Category.objects.create(slug="games", name="游戏", name_en="Games")
    make_product(name="腾讯Q币 100元", stock=1, category=games, validity="一年", face_value="100 元")
    make_product(name="移动话费 100 元", stock=0)

    def names(**query):
        return [row["name"] for row in api().get("/api/products/", **query).json()["results"]]

    assert names(q="q币") == ["腾讯Q币 100元"]
    assert names(q="100") == ["移动话费 100 元", "腾讯Q币 100元"]
    assert names(q="100", category="games") == ["腾讯Q币 100元"]
    assert names(q="没有") == []
    (row,) = api().get("/api/products/", q="q币").json()["results"]
    assert (row["category"], row["fulfilment"], row["recipient_kind"], row["validity"], row["guarantee"]) == (
        "games", "codes", "", "一年", False,
    )  # fmt: skip
    assert row["in_stock"] is True
    Shop.objects.filter(pk=shop.pk).update(status=ShopStatus.SUSPENDED)
    assert names() == []


@pytest.mark.parametrize(
    ("query", "status"),
    [({"category": "nothing"}, 404), ({"q": "卡" * 41}, 400), ({"category": "a b"}, 400), ({"words": "卡"}, 400)],
)
def test_odd_queries_are_told(api, query, status):
    assert api().get("/api/products/", **query).status_code == status
