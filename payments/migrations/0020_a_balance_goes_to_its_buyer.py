"""A balance goes to its buyer's own account: who holds a payee was proved as it was laid down."""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_made_at_once'),
        ('payments', '0019_a_transfer_is_posted'),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='payee',
            name='payee_never_changes',
        ),
        migrations.AddField(
            model_name='payee',
            name='real_name',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.realnamecheck', verbose_name='实名认证'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='payee',
            trigger=pgtrigger.compiler.Trigger(name='payee_never_changes', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."digest" IS DISTINCT FROM (NEW."digest") OR OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."last_four" IS DISTINCT FROM (NEW."last_four") OR OLD."real_name_id" IS DISTINCT FROM (NEW."real_name_id") OR OLD."set_at" IS DISTINCT FROM (NEW."set_at") OR OLD."set_by_id" IS DISTINCT FROM (NEW."set_by_id") OR OLD."shop_id" IS DISTINCT FROM (NEW."shop_id") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id"))', func='RAISE EXCEPTION \'pgtrigger: Cannot update of "shop_id", "user_id", "kind", "last_four", "digest", "real_name_id", "set_by_id", "set_at" rows from % table\', TG_TABLE_NAME;', hash='7880e119d5fa91ede50d6920a0d64a8a56f16d7b', operation='UPDATE OF "shop_id", "user_id", "kind", "last_four", "digest", "real_name_id", "set_by_id", "set_at"', pgid='pgtrigger_payee_never_changes_15757', table='payments_payee', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='transfer',
            trigger=pgtrigger.compiler.Trigger(name='transfer_of_a_balance_goes_to_its_buyer', sql=pgtrigger.compiler.UpsertTriggerSql(condition="WHEN (NEW.purpose = 'cash_out' AND NEW.user_id IS NOT NULL)", func="\n                IF NOT EXISTS (SELECT FROM payments_payee AS payee\n                                 JOIN accounts_realnamecheck AS known ON known.id = payee.real_name_id\n                                WHERE payee.id = NEW.payee_id AND known.user_id = NEW.user_id\n                                  AND known.outcome = 'passed') THEN\n                    RAISE EXCEPTION 'transfer_of_a_balance_goes_to_its_buyer: nobody proved whose it is'\n                        USING ERRCODE = 'check_violation';\n                END IF;\n                RETURN NEW;\n                ", hash='3cf45d6c2d68571a0eb4fb593860881ad63ecfd6', operation='INSERT', pgid='pgtrigger_transfer_of_a_balance_goes_to_its_buyer_26d28', table='payments_transfer', when='BEFORE')),
        ),
    ]
