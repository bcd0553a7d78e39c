from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0009_steps_are_listed"),
    ]

    operations = [
        migrations.AddField(
            model_name="topup",
            name="last_sent_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="最近提交时间"),
        ),
    ]
