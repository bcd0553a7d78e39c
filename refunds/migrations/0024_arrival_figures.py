from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("refunds", "0023_payout_batches")]

    operations = [
        migrations.CreateModel(
            name="ArrivalFigures",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("channel", models.CharField(max_length=16, verbose_name="渠道")),
                ("account_kind", models.CharField(max_length=16, verbose_name="入账账户")),
                ("paid_out_count", models.PositiveIntegerField(verbose_name="已退出")),
                ("proven_count", models.PositiveIntegerField(verbose_name="银行已确认")),
                ("confirmed_count", models.PositiveIntegerField(verbose_name="买家已确认")),
                ("within_count", models.PositiveIntegerField(verbose_name="在预计之内")),
                ("missing_count", models.PositiveIntegerField(verbose_name="买家反映未到")),
                (
                    "median_workdays",
                    models.PositiveSmallIntegerField(blank=True, null=True, verbose_name="中位（工作日）"),
                ),
                (
                    "p90_workdays",
                    models.PositiveSmallIntegerField(blank=True, null=True, verbose_name="九成之内（工作日）"),
                ),
                ("since", models.DateTimeField(verbose_name="统计自")),
                ("computed_at", models.DateTimeField(verbose_name="统计时间")),
            ],
            options={
                "verbose_name": "到账校准",
                "verbose_name_plural": "到账校准",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("channel", "account_kind"), name="arrivals_are_counted_once_a_way"
                    )
                ],
            },
        ),
    ]
