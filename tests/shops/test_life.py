"""A shop opens by an approved application, is suspended with a reason, and leaves only once it is done with."""

from __future__ import annotations

import io
import uuid
from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from PIL import Image

import clock
import images
from accounts.roles import Role
from notices.models import Notice
from orders import cancellation, placing
from orders.models import Cause
from orders.placing import CannotPlace, Wish
from refunds import closing
from shops import life, people
from shops.life import STEPS, CannotApply, CannotDecide, Papers, StepRefused
from shops.models import Shop, ShopApplication, ShopEvent, ShopMember, ShopRole, ShopStatus
from shops.rights import CannotChange, NotAllowed
from tests.cast import person

pytestmark = pytest.mark.django_db


def picture():
    drawn = io.BytesIO()
    Image.new("RGB", (8, 8), "navy").save(drawn, "PNG")
    return images.repaint(drawn.getvalue())


def papers(name="新店", documents=1):
    pictures = [(f"材料 {n}", picture()) for n in range(documents)]
    return Papers(name, "点卡", "13800000000", "卖点卡", pictures)


@pytest.fixture
def application(buyer):
    return life.apply(papers(), by=buyer, at=clock.now())


# --- applications -----------------------------------------------------------------------------------------------------


def test_an_approved_application_opens_a_shop_of_its_applicant(application, buyer, operator):
    shop = life.approve(application, by=operator, at=clock.now(), note="材料齐全")
    buyer.refresh_from_db()
    assert (shop.name, shop.status, application.status, application.shop) == ("新店", "open", "approved", shop)
    assert buyer.role == Role.MERCHANT
    assert shop.memberships.get().role == ShopRole.OWNER
    event = shop.events.get()
    assert (event.step, event.from_status, event.to_status, event.actor) == ("open", "", "open", operator)
    assert Notice.objects.get(recipient=buyer).kind == "shop_approved"


def test_a_rejected_application_says_why_and_may_be_handed_in_again(application, buyer, operator):
    with pytest.raises(CannotDecide):
        life.reject(application, by=operator, at=clock.now(), note="  ")
    life.reject(application, by=operator, at=clock.now(), note="执照看不清")
    assert application.decision_note == "执照看不清"
    assert Notice.objects.get(recipient=buyer).params["note"] == "执照看不清"
    assert not Shop.objects.exists()
    assert life.apply(papers(), by=buyer, at=clock.now()).pk != application.pk


def test_an_application_is_decided_once_and_only_by_operators(application, buyer, reviewer, senior, finance, operator):
    for nobody in (buyer, reviewer, senior, finance):
        with pytest.raises(CannotDecide):
            life.approve(application, by=nobody, at=clock.now())
    life.reject(application, by=operator, at=clock.now(), note="不全")
    for decide in (life.approve, life.reject):
        with pytest.raises(CannotDecide):
            decide(application, by=operator, at=clock.now(), note="再来")
    assert not Shop.objects.exists()


def test_staff_cannot_apply_nor_become_owners_by_an_older_application(application, buyer, reviewer, operator):
    with pytest.raises(CannotApply):
        life.apply(papers("客服的店"), by=reviewer, at=clock.now())
    buyer.role, buyer.is_staff = Role.OPERATOR, True
    buyer.save()
    for decider in (operator, buyer):
        with pytest.raises(CannotDecide):
            life.approve(application, by=decider, at=clock.now())
    assert not Shop.objects.exists()


def test_one_open_application_one_name_and_one_to_six_papers(application, buyer, stranger, operator):
    with pytest.raises(CannotApply, match="审核中"):
        life.apply(papers("又一家"), by=buyer, at=clock.now())
    for count in (0, 7):
        with pytest.raises(CannotApply, match="1 到 6"):
            life.apply(papers("别家", documents=count), by=stranger, at=clock.now())
    same = life.apply(papers(), by=stranger, at=clock.now())  # two may want a name; the first one has it
    life.approve(application, by=operator, at=clock.now())
    with pytest.raises(CannotDecide, match="已被使用"):
        life.approve(same, by=operator, at=clock.now())
    with pytest.raises(CannotApply, match="已被使用"):
        life.apply(papers(), by=person("third", "buyer"), at=clock.now())


# --- steps ------------------------------------------------------------------------------------------------------------


def test_every_step_that_the_table_does_not_list_is_refused(shop, merchant, operator):
    actors = {"operator": operator, "owner": merchant}
    for name, step in STEPS.items():
        for status in ShopStatus:
            for who in ("operator", "owner", "machine"):
                with transaction.atomic():
                    Shop.objects.filter(pk=shop.pk).update(status=status)
                    before = ShopEvent.objects.count()
                    listed = status in step.sources and who == step.who
                    if take(name, shop, actors.get(who)):
                        assert listed, (name, status, who)
                        assert Shop.objects.get(pk=shop.pk).status == step.target
                        assert ShopEvent.objects.filter(step=name, to_status=step.target).exists()
                    else:
                        assert not listed, (name, status, who)
                        assert Shop.objects.get(pk=shop.pk).status == status
                        assert ShopEvent.objects.count() == before
                    transaction.set_rollback(True)


def take(name, shop, by) -> bool:
    try:
        with transaction.atomic():
            if name == "close" and by is None:
                life.close(shop, at=clock.now())
            else:
                life._step(name, shop, by=by, at=clock.now(), reason="因为")
    except StepRefused:
        return False
    return True


def test_an_operator_who_belongs_to_the_shop_decides_nothing_about_it(shop, operator):
    ShopMember.objects.create(shop=shop, user=operator)
    with pytest.raises(StepRefused):
        life.suspend(shop, by=operator, at=clock.now(), reason="因为")


def test_a_suspension_says_why_takes_the_badge_and_tells_the_people(shop, merchant, operator):
    Shop.objects.filter(pk=shop.pk).update(guarantee_since=clock.now())
    with pytest.raises(StepRefused):
        life.suspend(shop, by=operator, at=clock.now(), reason=" ")
    life.suspend(shop, by=operator, at=clock.now(), reason="虚假商品")
    shop.refresh_from_db()
    assert (shop.status, shop.guarantee_since) == ("suspended", None)
    assert list(shop.events.order_by("pk").values_list("step", "reason")) == [
        ("suspend", "虚假商品"), ("lose_badge", "suspended"),
    ]  # fmt: skip
    assert Notice.objects.get(recipient=merchant).params["note"] == "虚假商品"
    with pytest.raises(DatabaseError), transaction.atomic():
        ShopEvent.objects.update(reason="没有")  # append-only


@pytest.mark.parametrize("end", ["leave", "dismiss"])
def test_a_shop_that_leaves_never_opens_again_by_whatever_steps(end, shop, merchant, operator):
    getattr(life, end)(shop, by=merchant if end == "leave" else operator, at=clock.now(), reason="因为")
    for step in ("suspend", "reinstate"):
        with pytest.raises(StepRefused):
            getattr(life, step)(shop, by=operator, at=clock.now(), reason="因为")
    shop.refresh_from_db()
    assert shop.status == "leaving"


@pytest.mark.parametrize("stop", ["suspend", "leave", "dismiss"])
def test_a_shop_that_is_not_open_sells_nothing(stop, shop, merchant, operator, buyer, make_product):
    product = make_product()
    by = merchant if stop == "leave" else operator
    getattr(life, stop)(shop, by=by, at=clock.now(), reason="因为")
    product.refresh_from_db()
    with pytest.raises(CannotPlace):
        placing.place(product, Wish(), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now())


def test_a_leaving_shop_closes_by_itself_once_nothing_is_open(shop, merchant, buy, drain):
    order = buy(stock=0)  # work that is not begun
    life.leave(shop, by=merchant, at=clock.now())
    assert closing.close(at=clock.now()) == 0
    cancellation.cancel(order, cause=Cause.OUT_OF_STOCK, by=merchant, at=clock.now())
    assert closing.close(at=clock.now()) == 0  # its money is not back yet
    drain()
    assert closing.close(at=clock.now()) == 1
    shop.refresh_from_db()
    assert shop.status == "closed"
    assert closing.close(at=clock.now() + timedelta(days=1)) == 0


# --- people -----------------------------------------------------------------------------------------------------------


def test_an_owner_adds_changes_and_removes_people_on_record(shop, merchant, stranger):
    at = clock.now()
    member = people.add(shop, "stranger", ShopRole.CLERK, by=merchant, at=at)
    stranger.refresh_from_db()
    assert stranger.role == Role.MERCHANT
    people.set_role(member, ShopRole.MANAGER, by=merchant, at=at)
    people.remove(member, by=merchant, at=at)
    stranger.refresh_from_db()
    assert stranger.role == Role.BUYER
    steps = list(shop.events.order_by("pk").values_list("step", flat=True))
    assert steps == ["add_member", "set_role", "remove_member"]


def test_the_last_owner_stays(shop, merchant, stranger):
    own = shop.memberships.get()
    for leave in (lambda: people.remove(own, by=merchant, at=clock.now()),
                  lambda: people.set_role(own, ShopRole.CLERK, by=merchant, at=clock.now())):  # fmt: skip
        with pytest.raises(CannotChange, match="最后一位店主"):
            leave()
    people.add(shop, "stranger", ShopRole.OWNER, by=merchant, at=clock.now())
    people.remove(own, by=merchant, at=clock.now())
    assert shop.memberships.get().user == stranger


def test_staff_guests_and_strangers_to_the_house_cannot_be_added_and_all_hear_the_same(shop, merchant, reviewer):
    guest = person("guest", "buyer")
    guest.is_guest = True
    guest.save()
    heard = set()
    for name in ("reviewer", "guest", "nobody-at-all"):
        with pytest.raises(CannotChange) as refusal:
            people.add(shop, name, ShopRole.CLERK, by=merchant, at=clock.now())
        heard.add(str(refusal.value).replace(name, "…"))
    assert len(heard) == 1


def test_only_owners_keep_the_people(shop, merchant, stranger):
    manager = person("manager", "merchant")
    ShopMember.objects.create(shop=shop, user=manager, role=ShopRole.MANAGER)
    with pytest.raises(NotAllowed):
        people.add(shop, "stranger", ShopRole.CLERK, by=manager, at=clock.now())
    assert ShopApplication.objects.count() == 0
