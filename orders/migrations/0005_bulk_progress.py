from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """What a bulk cancellation did with unpaid orders, and why it left others alone."""

    dependencies = [("orders", "0004_topup_sku")]

    operations = [
        migrations.AddField(
            model_name="bulkcancellation",
            name="unpaid_count",
            field=models.PositiveIntegerField(default=0, verbose_name="待付款订单数（预览）"),
        ),
        migrations.AddField(
            model_name="bulkcancellation",
            name="called_off_count",
            field=models.PositiveIntegerField(default=0, verbose_name="待付款订单已关闭"),
        ),
        migrations.AddField(
            model_name="bulkcancellation",
            name="skipped",
            field=models.JSONField(default=dict, verbose_name="未能取消的原因"),
        ),
    ]
