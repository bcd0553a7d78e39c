"""The events of the cases of before are linked to chains."""

from django.db import migrations

from records import adoption


def link_events(apps, editor):
    adoption.adopt(
        apps.get_model("refunds", "RefundEvent"), editor, stream="refund", subject="refund",
        public=("step", "from_status", "to_status", "actor_id", "role"), personal=("note",),
    )


class Migration(migrations.Migration):
    dependencies = [("refunds", "0002_marketplace"), ("records", "0001_initial")]

    operations = [migrations.RunPython(link_events, migrations.RunPython.noop)]
