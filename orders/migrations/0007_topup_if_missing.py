from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0006_indexes_of_long_lists"),
    ]

    operations = [
        migrations.AddField(
            model_name="topup",
            name="if_missing",
            field=models.CharField(
                choices=[("send", "重新提交"), ("hold", "先停止"), ("end", "取消")],
                default="send",
                max_length=4,
                verbose_name="若未收到",
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(("if_missing__in", ["send", "hold", "end"])),
                name="topup_if_missing_is_listed",
            ),
        ),
    ]
