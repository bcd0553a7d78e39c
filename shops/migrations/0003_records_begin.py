"""The codes of before get a record."""

from django.db import migrations, models
from django.utils import timezone

from records import adoption

PUBLIC = ("kind", "to_state", "actor_id")


def link_looks(apps, editor):
    """Looks are all that was recorded: the first of each code revealed it."""
    event = apps.get_model("shops", "CodeEvent")
    editor.execute('ALTER TABLE "shops_codeevent" DISABLE TRIGGER USER')
    event.objects.update(to_state="revealed")
    editor.execute('ALTER TABLE "shops_codeevent" ENABLE TRIGGER USER')
    adoption.adopt(event, editor, stream="code", subject="code", public=PUBLIC, personal=("ip", "device"))


def adopt_codes(apps, editor):
    """One event says in which state each code was when records began."""
    event, code = apps.get_model("shops", "CodeEvent"), apps.get_model("shops", "CardCode")
    at = timezone.now()
    heads = {row.code_id: row for row in event.objects.order_by("code_id", "-sequence").distinct("code_id")}
    fresh = (
        event(code_id=pk, kind="adopt", to_state=state, at=at)
        for pk, state in code.objects.order_by("pk").values_list("pk", "state").iterator(1000)
    )
    words = {"stream": "code", "subject": "code", "public": PUBLIC, "personal": ("ip", "device")}
    adoption.begin(event, fresh, **words, heads=heads)
    editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    dependencies = [("shops", "0002_marketplace"), ("records", "0001_initial")]

    operations = [
        migrations.RunPython(link_looks, migrations.RunPython.noop),
        migrations.RunPython(adopt_codes, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='codeevent',
            constraint=models.UniqueConstraint(fields=('code', 'sequence'), name='code_events_are_numbered'),
        ),
    ]
