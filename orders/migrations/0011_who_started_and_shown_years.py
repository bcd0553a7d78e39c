import datetime

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

SHOWN = models.Q(
    ("ends_at__lt", datetime.datetime(9001, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)),
    ("starts_at__gte", datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)),
)


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0010_topup_last_sent_at"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="bulkcancellation",
            name="started_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="开始人",
            ),
        ),
        # Until now whoever previewed stood in the record of what was canceled: so it stays, there and here.
        migrations.RunSQL(
            "UPDATE orders_bulkcancellation SET started_by_id = created_by_id WHERE started_at IS NOT NULL",
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            model_name="bulkcancellation",
            name="created_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="预览人",
            ),
        ),
        migrations.AddConstraint(
            model_name="bulkcancellation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("started_at__isnull", True), ("started_by__isnull", True)),
                    models.Q(("started_at__isnull", False), ("started_by__isnull", False)),
                    _connector="OR",
                ),
                name="started_bulk_cancellation_names_who",
            ),
        ),
        migrations.AddConstraint(
            model_name="announcement",
            constraint=models.CheckConstraint(
                condition=SHOWN,
                name="announcement_has_dates_that_can_be_shown",
                violation_error_message="请填写 2000 年到 9000 年之间的时间。",
            ),
        ),
    ]
