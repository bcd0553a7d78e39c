"""The policy in words: what a version's data says, its page and its file say, in both languages, and the badge too."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from django.template.loader import render_to_string
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

import clock
from money import yuan
from refunds import policy
from refunds.models import Lane
from shops import policy_terms
from shops.models import Product, ProductKind, RefundPolicy
from shops.policy_terms import KINDS
from storefront import policies, standards, terms
from tests.storefront.conftest import words

LANGUAGES = ["zh-hans", "en"]
#: Terms that buyers do not read on the policy's page, and where they do.
SAID_ELSEWHERE = {
    "version": "its title",
    "step_up_from_fen": "the page that shows the code",
    "consult_hours": "the case's page, as its new promise, once a third party is asked",
    "silent_shop_after": "the shop's own pages: no buyer waits longer by it",
}
READABLE = {"zh-hans": 1500, "en": 900}  # characters and words that are read in three minutes


def a_policy(**terms_of_it):
    """Not saved: the words need no database."""
    return RefundPolicy(
        **{"code": "standard", "version": 3, "name": "标准退款政策", "name_en": "Standard refund policy"}
        | {"window_days": 15}
        | terms_of_it
    )


@st.composite
def policies_of_any_kind(draw):
    """Terms as the desk would take them: every number within its bounds, kinds and reasons as they come."""
    by_kind = st.fixed_dictionaries(
        {},
        optional={
            "window_days": st.integers(0, 365),
            "cooling_off_hours": st.integers(0, 8760),
            "slots": st.lists(st.sampled_from(policy_terms.SLOTS), unique=True, max_size=3),
        },
    )
    usual = policy_terms.usual_reasons()
    kept = draw(st.lists(st.sampled_from(usual), unique_by=lambda row: row["reason"]))
    needed = [row for row in usual if row["reason"] in {"undelivered", "other"} and row not in kept]
    made = a_policy(
        window_days=draw(st.integers(0, 365)),
        cooling_off_hours=draw(st.integers(0, 720)),
        max_rejections=draw(st.integers(1, 9)),
        one_click_below_fen=draw(st.integers(0, 10**7)),
        one_click_daily_cap_fen=draw(st.integers(0, 10**7)),
        express_below_fen=draw(st.integers(0, 10**7)),
        express_clean_days=draw(st.integers(0, 365)),
        express_needs_no_record=draw(st.booleans()),
        fee_percent=draw(st.integers(0, 50)),
        balance_fee_percent=draw(st.integers(0, 50)),
        shop_cancel_penalty_percent=draw(st.integers(0, 50)),
        late_refund_is_automatic=draw(st.booleans()),
        review_hours=draw(st.integers(1, 720)),
        complete_review_hours=draw(st.integers(1, 720)),
        cross_border_extra_hours=draw(st.integers(0, 720)),
        evidence_hours=draw(st.integers(1, 720)),
        evidence_after_hours=draw(st.integers(0, 8760)),
        senior_above_fen=draw(st.integers(1, 10**8)),
        complete_after_days=draw(st.integers(1, 60)),
        kinds=draw(st.dictionaries(st.sampled_from(KINDS), by_kind)),
        reasons=[*kept, *needed],
    )
    assert policy_terms.wrong_kinds(made.kinds) == policy_terms.wrong_reasons(made.reasons) == ""
    return made


def numbers(text: str) -> list[str]:
    return sorted(re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", text))


def in_both(made: RefundPolicy) -> dict[str, list[terms.Section]]:
    said = {}
    for language in LANGUAGES:
        with translation.override(language):
            said[language] = terms.sections(made)
    return said


@given(policies_of_any_kind())
def test_chinese_and_english_say_the_same_numbers_point_by_point(made):
    """S4-28: made from one set of data, so they cannot differ."""
    chinese, english = in_both(made).values()
    assert len(chinese) == len(english) == 11
    for ours, theirs in zip(chinese, english, strict=True):
        for point, same in zip(ours.points, theirs.points, strict=True):
            assert numbers(point) == numbers(same), (point, same)
        assert (ours.table is None) == (theirs.table is None)
        if ours.table and theirs.table:
            assert len(ours.table.rows) == len(theirs.table.rows)
            assert {len(row.cells) + 1 for row in ours.table.rows} == {len(ours.table.heads)}


@given(policies_of_any_kind(), st.sampled_from(LANGUAGES))
def test_the_page_and_the_file_hold_the_same_sections(made, language):
    """S4-17."""
    with translation.override(language):
        sections = terms.sections(made)
        text = policies.as_text(made)
        page = render_to_string("parts/sections.html", {"sections": sections})
    read = html.unescape(re.sub(r"<[^>]+>", "", page))
    for section in sections:
        rows = section.table.rows if section.table else []
        said = [section.title, *section.points, *(cell for row in rows for cell in [row.head, row.note, *row.cells])]
        assert all(words in read and words in text for words in said)


@given(policies_of_any_kind())
def test_every_number_of_the_data_is_said(made):
    """Windows and cooling-off by kind, limits, fees, hours: none is left out in either language."""
    is_open = any(made.window_of(kind) for kind in KINDS)
    wanted = [made.window_of(kind) for kind in KINDS if made.window_of(kind)]
    wanted += [terms.cooling_off(made, kind) for kind in KINDS if terms.cooling_off(made, kind)]
    wanted += [made.offer_hours, max(made.review_hours + made.second_review_hours, made.high_value_review_hours)]
    wanted += [made.complete_after_days, made.max_rejections, made.evidence_hours, made.review_hours]
    wanted += [min(made.complete_review_hours, made.review_hours), made.cross_border_extra_hours]
    wanted += [made.evidence_after_hours] if made.evidence_after_hours else []
    for percent in (made.fee_percent, made.balance_fee_percent, made.shop_cancel_penalty_percent):
        wanted += [percent] if percent else []
    sums = [made.senior_above_fen]
    if is_open and made.one_click_below_fen:
        sums += [made.one_click_below_fen, made.one_click_daily_cap_fen]
    if is_open and made.express_below_fen:
        sums.append(made.express_below_fen)
        wanted += [made.express_clean_days] if made.express_clean_days else []
    for sections in in_both(made).values():
        said = "\n".join(point for section in sections for point in section.points)
        assert {str(number) for number in wanted} <= set(numbers(said))
        assert all(yuan(fen) in said for fen in sums)


def test_no_term_is_forgotten():
    """A column that is added to the policy stands on its page, or it is said here where else."""
    counted = {
        field.name
        for field in RefundPolicy._meta.get_fields()
        if field.concrete and field.get_internal_type().endswith(("IntegerField", "BooleanField"))
    }
    tried = {name for name in counted if _changes_the_text(name)}
    assert counted - tried == set(SAID_ELSEWHERE)


def _changes_the_text(name: str) -> bool:
    small = {"complete_review_hours": 5, "merchant_hours": 5}  # below what the page would say instead
    usual = a_policy(**small)
    value = getattr(usual, name)
    other = a_policy(**small | {name: (not value) if isinstance(value, bool) else value + 1})
    with translation.override("zh-hans"):
        return terms.sections(usual) != terms.sections(other)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_standard_policy_is_read_in_three_minutes(language):
    """S4-28. The two tables are looked up, not read, and not counted."""
    with translation.override(language):
        text = " ".join(" ".join([section.title, *section.points]) for section in terms.sections(a_policy()))
    length = len(re.findall(r"[\u4e00-\u9fff\d]", text)) if language == "zh-hans" else len(text.split())
    assert READABLE[language] / 3 < length <= READABLE[language]


def test_the_sections_are_fixed_and_in_order():
    """S4-28, for terms of any kind: no-reason period, fees and penalty, review times, what is not refundable."""
    with translation.override("zh-hans"):
        for made in [a_policy(), a_policy(window_days=0), a_policy(fee_percent=10, kinds={"account": {}})]:
            assert [section.title for section in terms.sections(made)] == [
                "售后期", "无理由退款", "自动退款", "退款原因与凭证", "怎样算已使用", "费用与违约金", "审核与放款时间",
                "多久到账", "超时未交付", "不可退款情形", "防骗提醒",
            ]  # fmt: skip


@pytest.mark.parametrize(
    ("terms_of_it", "said", "not_said"),
    [
        (
            {"fee_percent": 10},
            ["收 10% 手续费。例：实付 ¥100.00 − 手续费 ¥10.00 = 退 ¥90.00。"],
            ["买家原因退款也不收"],
        ),
        ({}, ["买家原因退款也不收手续费。", "自愿退到余额：免费。"], ["实付 ¥100.00"]),
        (
            {"balance_fee_percent": 2},
            ["自愿退到余额：收 2%，提交前写明。例：实付 ¥100.00 − 手续费 ¥2.00 = 退 ¥98.00。", "平台责任、未交付"],
            ["余额：免费"],
        ),
        (
            {"balance_fee_percent": 2, "fee_percent": 10},
            ["手续费之外另收 2%，提交前写明。例：实付 ¥100.00 − 手续费 ¥12.00 = 退 ¥88.00。"],
            [],
        ),
        ({"shop_cancel_penalty_percent": 5}, ["取消金额的 5% 作违约金"], []),
    ],
)
def test_fees_are_worked_out_as_they_are_taken(terms_of_it, said, not_said):
    """S4-5, S1-15, S2-10, S4-16: the arithmetic of the rules, with ¥100."""
    with translation.override("zh-hans"):
        text = policies.as_text(a_policy(**terms_of_it))
    assert not [sentence for sentence in said if sentence not in text]
    assert not [sentence for sentence in not_said if sentence in text]


def test_terms_by_kind_stand_beside_each_other():
    """Goods with the same days stand together; shut ones say so."""
    made = a_policy(
        kinds={"account": {"window_days": 3}, "service": {"window_days": 0}, "top_up": {"slots": ["unused"]}}
    )
    with translation.override("zh-hans"):
        text = policies.as_text(made)
    for said in [
        "卡密、直充、会员、激活码：自交付起 15 天内可申请退款。", "账号：自交付起 3 天内可申请退款。",
        "代练与定制：交付后不支持退款，购买前已注明。", "代练与定制：没有无理由退款期。", "直充：另附未使用的证明。",
        "例：售后期 15 天的商品，第 20 天才申请，不能退。", "账号：交付已超过 3 天。",
    ]:  # fmt: skip
        assert said in text, said


def test_reasons_stand_in_a_table_with_whose_fault_which_goods_and_what_to_show():
    """S2-1, S1-2, S3-2, S3-3: one row of the data, one row of the page; what the policy does not take is not there."""
    without = [row for row in policy_terms.usual_reasons() if row["reason"] != "late"]
    with translation.override("zh-hans"):
        text, shorter = policies.as_text(a_policy()), policies.as_text(a_policy(reasons=without))
    for said in [
        "未发货 (全部商品 · 未交付) | 商家 | 无需",
        "商品与描述不符（面值 / 类型） (全部商品) | 商家 | 面值或类型不符的页面",
        "未激活 / 未开通 (激活码、会员 · 已交付) | 商家 | 未开通的页面",
        "平台故障 (全部商品) | 平台 | 出错的页面",
        "充值错误（号码 / 区服） (直充) | 买家 | 正确的号码或区服",
    ]:
        assert said in text, said
    assert "超时未到账" in text
    assert "超时未到账" not in shorter


def test_how_goods_of_each_kind_count_as_used_stands_there():
    """S1-1, S3-22, S4-13: the basic test, and by kind what is use and what proves it."""
    with translation.override("zh-hans"):
        used = terms.sections(a_policy())[4]
        text = policies.as_text(a_policy())
    named = "、".join(row.head for row in used.table.rows)
    assert sorted(named.split("、")) == sorted(str(kind.label) for kind in ProductKind)
    for said in ["没有使用，且问题能够核实", "7 天的会员用了 3 天，不因个人原因退款", "其余 2 张按各自实付金额退"]:
        assert said in text, said


def test_a_draft_says_that_it_is_one_and_is_not_published(client, db):
    """Whoever tries out a draft reads it; buyers do not."""
    draft = a_policy(name="下一版")
    draft.save()
    assert "草稿，尚未发布" in policies.as_text(draft)
    for path in ["", "examples/"]:
        assert client.get(f"/policies/standard/3/{path}").status_code == 404
    assert client.get("/policies/standard/3.txt").status_code == 404


# --- 核验标准示例 -----------------------------------------------------------------------------------------------------

OUTCOMES = [
    ("auto_approve", Lane.UNDELIVERED, "全额原路退回"),
    ("auto_approve", Lane.ONE_CLICK, "从未被查看"),
    ("ask_merchant", Lane.STANDARD, "需人工核对"),
    ("auto_approve", Lane.ONE_CLICK, "发卡方记录证明"),
    ("turn_down", Lane.STANDARD, "已超过 15 天售后期"),  # S3-23: day 20
    ("turn_down", Lane.STANDARD, "已兑换"),  # S4-13: the used one of three
    ("auto_approve", Lane.ONE_CLICK, "从未被查看"),  # S4-13: the other two
    ("turn_down", Lane.STANDARD, "已兑换"),  # S3-22: three of seven days
]


def test_the_examples_are_what_the_rules_say_today():
    """S3-24, under the standard terms. S1-5, S2-2, S3-4: regretted goods come back while unused and in time only."""
    with translation.override("zh-hans"):
        shown = standards.examples(a_policy())
    assert [(e.verdict.step, e.verdict.lane) for e in shown] == [(step, lane) for step, lane, _ in OUTCOMES]
    assert not [e.because for e, (_, _, words) in zip(shown, OUTCOMES, strict=True) if words not in e.because]
    assert "第 20 天" in shown[4].story


@given(policies_of_any_kind(), st.sampled_from(LANGUAGES))
def test_under_any_terms_the_examples_tell_the_rules_own_sentence(made, language):
    """S3-24: nothing of what was decided is written by hand."""
    with translation.override(language):
        shown = standards.examples(made)
        cases = [case(made) for case in standards.CASES]
    for example, (story, facts) in zip(shown, cases, strict=True):
        verdict = policy.decide(facts)
        result = next(result for result in verdict.results if result.sentence == verdict.sentence)
        assert example.story == story
        assert example.because == (result.sentence_en if language == "en" else result.sentence)


@pytest.mark.django_db
@pytest.mark.parametrize(("number", "reason"), [(0, "undelivered"), (1, "changed_mind"), (2, "invalid_code")])
def test_a_real_application_like_an_example_comes_out_alike(buy, reveal, apply, number, reason):
    """S3-24: the cases' facts are such as real ones have."""
    order = buy(price_fen=30_000 if number == 0 else 3000, stock=0 if number == 0 else 5)
    if number == 2:
        reveal(order)
    check = apply(order, reason=reason).pre_check
    example = standards.examples(order.policy)[number]
    decided = next(result for result in check.results if result["sentence"] == example.verdict.sentence)
    assert (check.verdict, decided["sentence"]) == (example.verdict.step, example.verdict.sentence)


@pytest.mark.django_db
def test_policy_help_and_product_lead_to_the_examples(client, make_product):
    """S3-24, S1-6, S0-7: all of it is there to read before ordering."""
    product = make_product()
    place = f"/policies/standard/{product.policy.version}/"
    for path in [f"/p/{product.pk}/", place, "/help/"]:
        assert f'href="{place}examples/"' in words(client.get(path)), path
    page = words(client.get(f"{place}examples/"))
    for said in ["核验标准示例", "自动通过 · 一键退款", "不能退", "转人工审核"]:
        assert said in page
    assert f'href="{place}"' in words(client.get("/help/"))


# --- the badge --------------------------------------------------------------------------------------------------------

CODES = {"kind": "card_code", "fulfilment": "codes", "price_fen": 3000}


def goods(made: RefundPolicy, **own):
    return SimpleNamespace(policy=made, **CODES | own)


@pytest.mark.parametrize(
    ("word", "terms_of_it", "own"),
    [
        ("一键退款", {}, {"price_fen": 4999}),
        ("极速退款", {}, {"price_fen": 5000}),
        ("极速退款", {}, {"price_fen": 49_999}),
        ("可退", {}, {"price_fen": 50_000}),
        ("可退", {"express_below_fen": 0}, {"price_fen": 5000}),
        ("有条件", {"fee_percent": 10}, {"price_fen": 50_000}),
        ("有条件", {}, {"kind": "account", "price_fen": 5000}),
        ("有条件", {}, {"kind": "top_up", "fulfilment": "top_up"}),
        ("有条件", {}, {"kind": "service", "fulfilment": "service"}),
        ("不可退", {"window_days": 0}, {}),
        ("不可退", {"kinds": {"card_code": {"window_days": 0}}}, {}),
        ("一键退款", {"window_days": 0, "kinds": {"card_code": {"window_days": 1}}}, {}),
    ],
)
def test_the_badge_comes_from_the_policys_numbers(word, terms_of_it, own):
    """B1, S0-30: 极速退款、一键退款、可退、有条件、不可退, each limit on both sides."""
    with translation.override("zh-hans"):
        badge = policies.refundability(goods(a_policy(**terms_of_it), **own))
    assert badge.word == word
    if word in {"一键退款", "极速退款"}:
        assert "查看过卡密，或 24 小时内的自动退款额度用完的，转人工审核。" in badge.requires
    if "fee_percent" in terms_of_it:
        assert "收 10% 手续费" in badge.requires


@given(policies_of_any_kind(), st.integers(1, 10**7))
def test_what_the_badge_promises_the_rules_keep(made, price_fen):
    """B1: one-click where nobody need opt in, express where somebody has, "not refundable" where it is turned down."""
    with translation.override("zh-hans"):
        word = policies.refundability(goods(made, price_fen=price_fen)).word
    facts = standards.sample(made, reason="duplicate", amount_fen=price_fen)
    facts = replace(facts, terms=replace(facts.terms, takes_reason=True, at_fault="buyer"))
    opted_in = replace(facts, has_opted_in=True, is_verified=True)
    if word == "不可退":
        assert policy.decide(facts).step == "turn_down"
    elif word == "一键退款":
        assert policy.decide(facts).lane == Lane.ONE_CLICK
    elif word == "极速退款":
        assert policy.decide(facts).lane == Lane.STANDARD
        assert policy.decide(opted_in).lane == Lane.EXPRESS
    else:
        assert policy.decide(opted_in).step in {"send_to_review", "auto_approve"}


@pytest.mark.django_db
def test_a_product_shows_the_terms_of_its_kind_everywhere(client, buy, make_product, buyer):
    """PM18, S1-20: page, button, API and order say what holds for these goods, not for most."""
    by_kind = {"account": {"window_days": 0}, "card_code": {"window_days": 4, "cooling_off_hours": 2}}
    account, card = make_product(kind="account", kinds=by_kind), make_product(kinds=by_kind, price_fen=2000)
    page = words(client.get(f"/p/{account.pk}/"))
    assert page.count("交付后不支持退款") >= 3  # badge, window, button
    assert "交付后 15 天内" not in page
    assert "已交付的商品（购买前已注明）" in page
    page = words(client.get(f"/p/{card.pk}/"))
    assert "交付后 4 天内" in page
    assert "交付已超过 4 天" in page
    rows = {row["id"]: row["policy"] for row in client.get("/api/products/").json()["results"]}
    assert (rows[account.pk]["window_days"], rows[card.pk]["window_days"]) == (0, 4)
    assert (rows[account.pk]["cooling_off_hours"], rows[card.pk]["cooling_off_hours"]) == (24, 2)
    assert Product.objects.get(pk=card.pk).policy.window_days == 15
    client.force_login(buyer)
    assert "可申请退款至" in words(client.get(f"/orders/{buy(kinds=by_kind).order_no}/"))
    shut = buy(kinds={"card_code": {"window_days": 0}})
    assert "本商品交付后不支持退款。" in words(client.get(f"/orders/{shut.order_no}/"))


@pytest.mark.django_db
def test_help_names_the_policy_that_most_goods_are_under(make_product):
    assert policies.usual() is None
    make_product(version=1)
    often = make_product(version=2).policy
    Product.objects.update(policy=often)
    a_policy(code="draft").save()
    RefundPolicy.objects.create(
        code="lonely", version=1, name="无", name_en="None", window_days=1, published_at=clock.now()
    )
    assert policies.usual() == often
