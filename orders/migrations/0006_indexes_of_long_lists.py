"""What a shop must deliver next, and reviews about refunds: read from an index however long the tables get."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("orders", "0005_bulk_progress")]

    operations = [
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                name="order_to_deliver", fields=["shop", "promised_at", "id"], condition=Q(status="paid")
            ),
        ),
        migrations.AddIndex(
            model_name="review",
            index=models.Index(
                name="refund_review_of_product",
                fields=["product", "-at", "-id"],
                condition=Q(is_hidden=False, about_refund=True),
            ),
        ),
        migrations.AddIndex(
            model_name="review",
            index=models.Index(
                name="refund_review_of_shop",
                fields=["shop", "-at", "-id"],
                condition=Q(is_hidden=False, about_refund=True),
            ),
        ),
    ]
