"""Search: Chinese words of one character and more, Latin ones, whatever their width and case."""

from __future__ import annotations

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from shops import search
from shops.models import Category, Product, ProductTerm

pytestmark = pytest.mark.django_db

NAMES = ["腾讯Q币 100元", "Steam 充值卡 100 元", "移动话费 100 元", "Ｓｔｅａｍ 礼品卡", "原神月卡"]


@pytest.fixture
def goods(make_product):
    return {name: make_product(name=name, stock=0) for name in NAMES}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("卡", {"Steam 充值卡 100 元", "Ｓｔｅａｍ 礼品卡", "原神月卡"}),  # one character: pg_trgm cannot
        ("话费", {"移动话费 100 元"}),  # two
        ("充值卡", {"Steam 充值卡 100 元"}),
        ("steam 100", {"Steam 充值卡 100 元"}),
        ("STEAM", {"Steam 充值卡 100 元", "Ｓｔｅａｍ 礼品卡"}),
        ("ｓｔｅａｍ礼品", {"Ｓｔｅａｍ 礼品卡"}),
        ("q币", {"腾讯Q币 100元"}),
        ("100元", {"腾讯Q币 100元", "Steam 充值卡 100 元", "移动话费 100 元"}),  # blanks in a name divide nothing
        ("元 100", {"腾讯Q币 100元", "Steam 充值卡 100 元", "移动话费 100 元"}),
        ("卡充", set()),
        ("卡密", set()),
        ("", set()),
        ("   ", set()),
        ("\0", set()),
        ("%", set()),
        ("卡 " * 500, {"Steam 充值卡 100 元", "Ｓｔｅａｍ 礼品卡", "原神月卡"}),
    ],
)
def test_words_of_any_length_are_found(goods, query, found):
    assert {product.name for product in search.find(Product.objects.all(), query).products} == found


def test_a_renamed_or_delisted_product_is_found_by_what_it_is_now(goods):
    product = goods["原神月卡"]
    Product.objects.filter(pk=product.pk).update(name="崩铁周卡")  # past save(): the database keeps the terms
    assert not search.find(Product.objects.all(), "原神").products
    assert search.find(Product.objects.all(), "崩铁").products.get() == product
    product.refresh_from_db()
    product.is_listed = False
    product.save()
    assert not search.find(Product.objects.all(), "崩铁").products
    assert not ProductTerm.objects.filter(product=product).exists()


@settings(max_examples=60, deadline=None)
@given(
    st.text(
        st.characters(codec="utf-8", exclude_characters="\0", max_codepoint=0xFFEF, categories=["L", "N", "Zs"]).filter(
            lambda c: len(c.lower()) == 1
        ),
        max_size=30,
    )
)
def test_a_name_is_found_by_itself(name):
    """Python cuts queries as the database cuts names."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT shops_search_terms(%s)", [name])
        (cut,) = cursor.fetchone()
    assert set(search.wanted_terms(name)) <= set(cut)


@pytest.mark.parametrize(("limit", "most"), [("MOST_HITS", 2), ("MOST_LOOKED_AT", 2)])
def test_of_a_common_word_only_the_newest_are_given_and_it_is_said(goods, monkeypatch, limit, most):
    monkeypatch.setattr(search, limit, most)
    found = search.find(Product.objects.all(), "100元")
    assert found.is_cut
    assert {product.name for product in found.products} == {"移动话费 100 元", "Steam 充值卡 100 元"}
    assert not search.find(Product.objects.all(), "话费").is_cut


def test_a_category_is_looked_through_before_the_limit(goods, monkeypatch):
    """Else older goods of the category would hide behind newer ones of others."""
    category = Category.objects.create(slug="q", name="腾讯", name_en="Tencent")
    Product.objects.filter(name="腾讯Q币 100元").update(category=category)
    monkeypatch.setattr(search, "MOST_HITS", 1)
    found = search.find(Product.objects.filter(category=category), "100元", category=category)
    assert found.products.get().name == "腾讯Q币 100元"
