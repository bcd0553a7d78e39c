"""A case knows its order's shop, so that a shop's cases are listed from an index."""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

FILL = """
UPDATE refunds_refund SET shop_id = orders_order.shop_id
    FROM orders_order WHERE orders_order.id = refunds_refund.order_id;
SET CONSTRAINTS ALL IMMEDIATE;
"""


def shop(**how):
    return models.ForeignKey(
        db_index=False,
        editable=False,
        on_delete=django.db.models.deletion.PROTECT,
        related_name="+",
        to="shops.shop",
        verbose_name="店铺",
        **how,
    )


class Migration(migrations.Migration):
    dependencies = [("refunds", "0003_records_begin"), ("orders", "0003_records_begin"), ("shops", "0004_search")]

    operations = [
        migrations.AddField(model_name="refund", name="shop", field=shop(null=True)),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AlterField(model_name="refund", name="shop", field=shop()),
        migrations.AddIndex(
            model_name="refund",
            index=models.Index(name="refund_of_shop", fields=["shop", "-submitted_at", "-id"]),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='refund',
            trigger=pgtrigger.compiler.Trigger(name='refund_belongs_to_its_orders_shop', sql=pgtrigger.compiler.UpsertTriggerSql(func='SELECT shop_id INTO NEW.shop_id FROM orders_order WHERE id = NEW.order_id; RETURN NEW;', hash='48950d2b0a240285a510c743a510371d9265fb34', operation='INSERT OR UPDATE', pgid='pgtrigger_refund_belongs_to_its_orders_shop_561d3', table='refunds_refund', when='BEFORE')),
        ),
    ]
