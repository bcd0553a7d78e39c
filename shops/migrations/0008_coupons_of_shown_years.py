import datetime

from django.db import migrations, models

SHOWN = models.Q(
    ("ends_at__lt", datetime.datetime(9001, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)),
    ("starts_at__gte", datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)),
)


class Migration(migrations.Migration):
    dependencies = [
        ("shops", "0007_answers_of_topups"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="coupon",
            constraint=models.CheckConstraint(
                condition=SHOWN,
                name="coupon_has_dates_that_can_be_shown",
                violation_error_message="请填写 2000 年到 9000 年之间的时间。",
            ),
        ),
    ]
