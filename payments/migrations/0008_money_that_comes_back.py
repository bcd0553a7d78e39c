"""What goes to another account by transfer counts against its payment (I1). The rules hold for new rows from here on;
those that are there are looked at by refunds 0026, without a lock."""

import django.db.models.deletion
import django.db.models.expressions
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0019_compensation'),
        ('payments', '0007_transfers'),
        ('shops', '0012_deposits_are_posted'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='transfer',
            name='transfer_keeps_what_was_asked',
        ),
        migrations.RemoveConstraint(
            model_name='payment',
            name='refunds_never_exceed_payment',
        ),
        migrations.RemoveConstraint(
            model_name='payment',
            name='only_paid_money_is_refunded',
        ),
        migrations.RemoveConstraint(
            model_name='payment',
            name='surplus_goes_back_by_its_channel',
        ),
        migrations.AddField(
            model_name='payment',
            name='transferred_fen',
            field=models.PositiveIntegerField(db_default=0, default=0, verbose_name='转账改付（分）'),
        ),
        migrations.AddField(
            model_name='transfer',
            name='instead_of',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='transfers', to='payments.refundattempt', verbose_name='代替的渠道退款'),
        ),
        migrations.AddField(
            model_name='transfer',
            name='news_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='有新结果'),
        ),
        migrations.AddField(
            model_name='transfer',
            name='payment',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='transfers', to='payments.payment', verbose_name='收款'),
        ),
        migrations.AddIndex(
            model_name='transfer',
            index=models.Index(condition=models.Q(('news_at__isnull', False)), fields=['news_at', 'id'], name='transfer_news'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='transfer',
            trigger=pgtrigger.compiler.Trigger(name='transfer_keeps_what_was_asked', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."amount_fen" IS DISTINCT FROM (NEW."amount_fen") OR OLD."instead_of_id" IS DISTINCT FROM (NEW."instead_of_id") OR OLD."payee_id" IS DISTINCT FROM (NEW."payee_id") OR OLD."payment_id" IS DISTINCT FROM (NEW."payment_id") OR OLD."purpose" IS DISTINCT FROM (NEW."purpose") OR OLD."request_key" IS DISTINCT FROM (NEW."request_key") OR OLD."requested_at" IS DISTINCT FROM (NEW."requested_at") OR OLD."requested_by_id" IS DISTINCT FROM (NEW."requested_by_id") OR OLD."shop_id" IS DISTINCT FROM (NEW."shop_id") OR OLD."transfer_no" IS DISTINCT FROM (NEW."transfer_no") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='7da6a9b90a08f222c0f3d905e38451aea2e71927', operation='UPDATE', pgid='pgtrigger_transfer_keeps_what_was_asked_978c7', table='payments_transfer', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='transfer',
            trigger=pgtrigger.compiler.Trigger(name='redirect_waits_for_the_old_refund', sql=pgtrigger.compiler.UpsertTriggerSql(condition="WHEN (NEW.instead_of_id IS NOT NULL AND NEW.status IN ('requested', 'approved', 'paid'))", func="\n                IF NOT EXISTS (SELECT FROM payments_refundattempt\n                               WHERE id = NEW.instead_of_id AND payment_id = NEW.payment_id\n                               AND status IN ('closed', 'back_with_merchant')) THEN\n                    RAISE EXCEPTION 'redirect_waits_for_the_old_refund: its channel has not closed it'\n                        USING ERRCODE = 'check_violation';\n                END IF;\n                RETURN NEW;\n                ", hash='46d7aca6fe2699e4829073f92777f211b8dad192', operation='INSERT OR UPDATE OF "status"', pgid='pgtrigger_redirect_waits_for_the_old_refund_2915b', table='payments_transfer', when='BEFORE')),
        ),
        AddConstraintNotValid(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('amount_fen__gte', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('reserved_fen'), '+', models.F('refunded_fen')), '+', models.F('balance_fen')), '+', models.F('transferred_fen')))), name='refunds_never_exceed_payment'),
        ),
        AddConstraintNotValid(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('status', 'paid'), models.Q(('balance_fen', 0), ('refunded_fen', 0), ('reserved_fen', 0), ('transferred_fen', 0)), _connector='OR'), name='only_paid_money_is_refunded'),
        ),
        AddConstraintNotValid(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('is_surplus', False), models.Q(('balance_fen', 0), ('transferred_fen', 0)), _connector='OR'), name='surplus_goes_back_by_its_channel'),
        ),
        AddConstraintNotValid(
            model_name='transfer',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('payment__isnull', False), ('purpose', 'redirect')), models.Q(models.Q(('purpose', 'redirect'), _negated=True), ('instead_of__isnull', True), ('news_at__isnull', True), ('payment__isnull', True)), _connector='OR'), name='only_a_redirect_is_of_a_payment'),
        ),
    ]
