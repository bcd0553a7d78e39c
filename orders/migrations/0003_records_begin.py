"""The orders of before get their list prices, a time at which somebody looks at them again, and a record."""

from django.db import migrations, models
from django.utils import timezone

from records import adoption


def fill_prices(apps, editor):
    """Nothing was discounted so far."""
    editor.execute('ALTER TABLE "orders_orderline" DISABLE TRIGGER USER')
    editor.execute("UPDATE orders_orderline SET list_price_fen = price_fen")
    editor.execute('ALTER TABLE "orders_orderline" ENABLE TRIGGER USER')
    editor.execute("UPDATE orders_order SET goods_fen = total_fen")


def look_again(apps, editor):
    order = apps.get_model("orders", "Order")
    order.objects.filter(status="paid").update(next_due_at=timezone.now(), promised_at=models.F("paid_at"))


def adopt_orders(apps, editor):
    """One event says in which state each order was when records began."""
    event, order = apps.get_model("orders", "OrderEvent"), apps.get_model("orders", "Order")
    at = timezone.now()
    fresh = (
        event(order_id=pk, step="adopt", to_status=status, at=at)
        for pk, status in order.objects.order_by("pk").values_list("pk", "status").iterator(1000)
    )
    adoption.begin(event, fresh, stream="order", subject="order", public=("step", "to_status", "actor_id"), personal=("note",))
    editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    dependencies = [("orders", "0002_marketplace"), ("shops", "0003_records_begin"), ("records", "0001_initial")]

    operations = [
        migrations.RunPython(fill_prices, migrations.RunPython.noop),
        migrations.RunPython(look_again, migrations.RunPython.noop),
        migrations.RunPython(adopt_orders, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='order',
            constraint=models.CheckConstraint(condition=models.Q(('goods_fen', models.expressions.CombinedExpression(models.F('total_fen'), '+', models.F('discount_fen')))), name='order_total_is_goods_less_discount'),
        ),
        migrations.AddConstraint(
            model_name='order',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'paid'), _negated=True), ('next_due_at__isnull', False), _connector='OR'), name='undelivered_order_is_due'),
        ),
        migrations.AddConstraint(
            model_name='orderline',
            constraint=models.CheckConstraint(condition=models.Q(('price_fen__lte', models.F('list_price_fen'))), name='order_line_costs_at_most_its_list_price'),
        ),
    ]
