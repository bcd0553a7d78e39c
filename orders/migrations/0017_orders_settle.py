"""What a settlement and a penalty need to know. Columns without a value of their own: no row is rewritten.

Orders of before have no ``settle_from``, like those that were delivered a moment ago: the sweep finds both by
``order_to_settle`` and works them off in batches. Penalties of before were recorded and never paid: they are due.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0016_order_settled")]

    operations = [
        migrations.AddField(
            model_name="order",
            name="settle_from",
            field=models.DateTimeField(blank=True, null=True, verbose_name="最早结算时间"),
        ),
        migrations.AddField(
            model_name="order",
            name="settled_fen",
            field=models.PositiveIntegerField(blank=True, null=True, verbose_name="结算金额（分）"),
        ),
        migrations.AddField(
            model_name="cancellation",
            name="penalty_due_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="违约金应付"),
        ),
        migrations.AddField(
            model_name="cancellation",
            name="penalty_paid_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="违约金已付"),
        ),
        migrations.RunSQL(
            "UPDATE orders_cancellation SET penalty_due_at = now() WHERE penalty_fen > 0", migrations.RunSQL.noop
        ),
    ]
