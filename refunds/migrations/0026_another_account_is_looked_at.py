"""The rules of 0025, and of payments 0008, are so of every row: looked at beside the traffic."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations

OF_PAYMENTS = {
    "refunds_never_exceed_payment": "payments_payment",
    "only_paid_money_is_refunded": "payments_payment",
    "surplus_goes_back_by_its_channel": "payments_payment",
    "only_a_redirect_is_of_a_payment": "payments_transfer",
}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("refunds", "0025_another_account"), ("payments", "0008_money_that_comes_back")]

    operations = [
        ValidateConstraint(model_name="redirectagreement", name="redirect_to_an_account_names_it_and_who_proved_what"),
        ValidateConstraint(model_name="refund", name="refund_destination_is_listed"),
        ValidateConstraint(model_name="refund", name="only_the_buyer_turns_money_to_the_balance"),
        *(
            migrations.RunSQL(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}", migrations.RunSQL.noop)
            for name, table in OF_PAYMENTS.items()
        ),
    ]
