import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0007_topup_if_missing"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="topup",
            name="finished_topup_rests_on_an_answer",
        ),
        migrations.AddField(
            model_name="order",
            name="guest_origin",
            field=models.BinaryField(max_length=32, null=True),
        ),
        migrations.AddField(
            model_name="topup",
            name="decided_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="topup",
            name="person_due_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="人工核实期限"),
        ),
        migrations.AddField(
            model_name="topup",
            name="proof",
            field=models.CharField(blank=True, max_length=500, verbose_name="人工认定依据"),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(("guest_origin__isnull", False)),
                fields=["guest_origin"],
                name="order_of_guests",
            ),
        ),
        migrations.AddIndex(
            model_name="topup",
            index=models.Index(
                condition=models.Q(("person_due_at__isnull", False)),
                fields=["person_due_at", "id"],
                name="topup_with_a_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status__in", ["succeeded", "failed"]), _negated=True),
                    models.Q(
                        ("finished_at__isnull", False),
                        models.Q(("answer__isnull", False), ("decided_by__isnull", False), _connector="OR"),
                    ),
                    _connector="OR",
                ),
                name="finished_topup_rests_on_an_answer",
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("decided_by__isnull", True), models.Q(("proof", ""), _negated=True), _connector="OR"
                ),
                name="decision_on_a_topup_names_its_proof",
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("person_due_at__isnull", True),
                    ("status__in", ["prepared", "unknown", "accepted"]),
                    _connector="OR",
                ),
                name="topup_with_a_person_is_moving",
            ),
        ),
    ]
