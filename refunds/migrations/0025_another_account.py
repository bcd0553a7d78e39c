"""退至本人账户: signed for, confirmed a day later, paid by transfer. What is there already: 0026."""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_real_name_checks'),
        ('orders', '0019_compensation'),
        ('payments', '0008_money_that_comes_back'),
        ('refunds', '0024_arrival_figures'),
        ('shops', '0012_deposits_are_posted'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='RedirectTransfer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(verbose_name='时间')),
            ],
            options={
                'verbose_name': '改付',
                'verbose_name_plural': '改付',
            },
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='refund',
            name='refund_terms_never_change',
        ),
        migrations.RemoveConstraint(
            model_name='refund',
            name='refund_destination_is_listed',
        ),
        migrations.RemoveConstraint(
            model_name='refund',
            name='only_the_buyer_turns_money_to_the_balance',
        ),
        migrations.AddField(
            model_name='redirectagreement',
            name='payee',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='redirects', to='payments.payee', verbose_name='收款账户'),
        ),
        migrations.AddField(
            model_name='redirectagreement',
            name='real_name',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.realnamecheck', verbose_name='实名认证'),
        ),
        migrations.AddField(
            model_name='redirectagreement',
            name='verified_by',
            field=models.CharField(blank=True, db_default='', default='', max_length=20, verbose_name='身份复核方式'),
        ),
        migrations.AlterField(
            model_name='redirectagreement',
            name='destination',
            field=models.CharField(choices=[('original', '原路退回'), ('balance', '退至余额'), ('account', '退至本人账户')], max_length=12, verbose_name='新去向'),
        ),
        migrations.AlterField(
            model_name='refund',
            name='destination',
            field=models.CharField(choices=[('original', '原路退回'), ('balance', '退至余额'), ('account', '退至本人账户')], default='original', max_length=12, verbose_name='退款去向'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='redirectagreement',
            trigger=pgtrigger.compiler.Trigger(name='redirect_goes_to_the_buyers_own_account', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW.payee_id IS NOT NULL)', func="\n                IF NOT EXISTS (SELECT FROM refunds_refund WHERE id = NEW.refund_id AND buyer_id = NEW.signed_by_id)\n                   OR NOT EXISTS (SELECT FROM payments_payee WHERE id = NEW.payee_id AND user_id = NEW.signed_by_id)\n                   OR NOT EXISTS (SELECT FROM accounts_realnamecheck WHERE id = NEW.real_name_id\n                                  AND user_id = NEW.signed_by_id AND outcome = 'passed') THEN\n                    RAISE EXCEPTION 'redirect_goes_to_the_buyers_own_account: % is another''s', NEW.payee_id\n                        USING ERRCODE = 'check_violation';\n                END IF;\n                RETURN NEW;\n                ", hash='9a081d79cb1f718bfa16563a92401b1a4e038357', operation='INSERT', pgid='pgtrigger_redirect_goes_to_the_buyers_own_account_f573a', table='refunds_redirectagreement', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='redirectagreement',
            trigger=pgtrigger.compiler.Trigger(name='redirect_cools_before_it_is_confirmed', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW.payee_id IS NOT NULL AND NEW.confirmed_at IS NOT NULL)', func="\n                IF NEW.confirmed_at < (SELECT set_at FROM payments_payee WHERE id = NEW.payee_id)\n                                      + interval '24 hours' THEN\n                    RAISE EXCEPTION 'redirect_cools_before_it_is_confirmed: laid down less than a day ago'\n                        USING ERRCODE = 'check_violation';\n                END IF;\n                RETURN NEW;\n                ", hash='d838edc6ae774156216a697e5a54322a1b85385b', operation='INSERT OR UPDATE OF "confirmed_at"', pgid='pgtrigger_redirect_cools_before_it_is_confirmed_6852f', table='refunds_redirectagreement', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='refund',
            trigger=pgtrigger.compiler.Trigger(name='nobody_asks_for_another_account', sql=pgtrigger.compiler.UpsertTriggerSql(condition="WHEN (NEW.destination = 'account')", func="RAISE EXCEPTION 'pgtrigger: Cannot insert rows from % table', TG_TABLE_NAME;", hash='af163df653e39ace1a9289420da76f009d7fdb95', operation='INSERT', pgid='pgtrigger_nobody_asks_for_another_account_2ccb4', table='refunds_refund', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='refund',
            trigger=pgtrigger.compiler.Trigger(name='refund_terms_never_change', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."amount_fen" IS DISTINCT FROM (NEW."amount_fen") OR OLD."asked_by_id" IS DISTINCT FROM (NEW."asked_by_id") OR OLD."buyer_id" IS DISTINCT FROM (NEW."buyer_id") OR OLD."destination" IS DISTINCT FROM (NEW."destination") OR OLD."fee_fen" IS DISTINCT FROM (NEW."fee_fen") OR OLD."order_id" IS DISTINCT FROM (NEW."order_id") OR OLD."payment_id" IS DISTINCT FROM (NEW."payment_id"))', func="\n                -- 协商: a smaller amount that the buyer has accepted, without a fee\n                IF NEW.amount_fen < OLD.amount_fen AND NEW.fee_fen = 0 AND OLD.status = 'offered'\n                   AND (NEW.order_id, NEW.payment_id, NEW.buyer_id, NEW.asked_by_id, NEW.destination)\n                       IS NOT DISTINCT FROM\n                       (OLD.order_id, OLD.payment_id, OLD.buyer_id, OLD.asked_by_id, OLD.destination)\n                   AND EXISTS (SELECT FROM refunds_offer WHERE refund_id = OLD.id AND kind = 'part'\n                               AND answer = 'accepted' AND amount_fen = NEW.amount_fen) THEN\n                    RETURN NEW;\n                END IF;\n                -- 变更去向: signed by the buyer, confirmed by finance, after the original route had failed\n                IF NEW.destination <> OLD.destination AND OLD.status = 'redirect_signed'\n                   AND (NEW.order_id, NEW.payment_id, NEW.buyer_id, NEW.asked_by_id, NEW.amount_fen, NEW.fee_fen)\n                       IS NOT DISTINCT FROM\n                       (OLD.order_id, OLD.payment_id, OLD.buyer_id, OLD.asked_by_id, OLD.amount_fen, OLD.fee_fen)\n                   AND EXISTS (SELECT FROM refunds_redirectagreement WHERE refund_id = OLD.id\n                               AND destination = NEW.destination AND confirmed_at IS NOT NULL) THEN\n                    RETURN NEW;\n                END IF;\n                -- 改付未成: the transfer was refused, or the bank gave it back, and the buyer is asked again\n                IF OLD.destination = 'account' AND NEW.destination = 'original' AND NEW.status = 'returned'\n                   AND (NEW.order_id, NEW.payment_id, NEW.buyer_id, NEW.asked_by_id, NEW.amount_fen, NEW.fee_fen)\n                       IS NOT DISTINCT FROM\n                       (OLD.order_id, OLD.payment_id, OLD.buyer_id, OLD.asked_by_id, OLD.amount_fen, OLD.fee_fen)\n                   AND NOT EXISTS (SELECT FROM refunds_redirecttransfer r\n                                   JOIN payments_transfer t ON t.id = r.transfer_id\n                                   WHERE r.refund_id = OLD.id AND t.status NOT IN ('refused', 'failed')) THEN\n                    RETURN NEW;\n                END IF;\n                -- 恢复: the original route had not failed after all, and has paid\n                IF NEW.destination = 'original' AND OLD.status = 'returned'\n                   AND (NEW.order_id, NEW.payment_id, NEW.buyer_id, NEW.asked_by_id, NEW.amount_fen, NEW.fee_fen)\n                       IS NOT DISTINCT FROM\n                       (OLD.order_id, OLD.payment_id, OLD.buyer_id, OLD.asked_by_id, OLD.amount_fen, OLD.fee_fen)\n                   AND EXISTS (SELECT FROM refunds_disbursement d JOIN payments_refundattempt a ON a.id = d.attempt_id\n                               WHERE d.refund_id = OLD.id AND a.status = 'succeeded') THEN\n                    RETURN NEW;\n                END IF;\n                IF NEW.order_id IS NOT DISTINCT FROM OLD.order_id AND NEW.payment_id IS NOT DISTINCT FROM OLD.payment_id\n                   AND NEW.asked_by_id IS NOT DISTINCT FROM OLD.asked_by_id AND NEW.amount_fen = OLD.amount_fen\n                   AND NEW.fee_fen = OLD.fee_fen AND NEW.destination = OLD.destination\n                   AND EXISTS (SELECT FROM accounts_user WHERE id = OLD.buyer_id AND is_guest\n                               AND claimed_by_id = NEW.buyer_id) THEN\n                    RETURN NEW;\n                END IF;\n                RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;\n                ", hash='704d5f8b777fcffd38f37c48580de96ef4f4e476', operation='UPDATE OF "order_id", "payment_id", "buyer_id", "asked_by_id", "amount_fen", "fee_fen", "destination"', pgid='pgtrigger_refund_terms_never_change_5b808', table='refunds_refund', when='BEFORE')),
        ),
        AddConstraintNotValid(
            model_name='redirectagreement',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('destination', 'balance'), ('payee__isnull', True)), models.Q(('destination', 'account'), ('payee__isnull', False), ('real_name__isnull', False), models.Q(('verified_by', ''), _negated=True)), _connector='OR'), name='redirect_to_an_account_names_it_and_who_proved_what'),
        ),
        AddConstraintNotValid(
            model_name='refund',
            constraint=models.CheckConstraint(condition=models.Q(('destination__in', ['original', 'balance', 'account'])), name='refund_destination_is_listed'),
        ),
        AddConstraintNotValid(
            model_name='refund',
            constraint=models.CheckConstraint(condition=models.Q(('destination__in', ['original', 'account']), models.Q(('asked_by', models.F('buyer')), ('asked_by__isnull', False)), _connector='OR'), name='only_the_buyer_turns_money_to_the_balance'),
        ),
        migrations.AddField(
            model_name='redirecttransfer',
            name='agreement',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='transfers', to='refunds.redirectagreement', verbose_name='变更协议'),
        ),
        migrations.AddField(
            model_name='redirecttransfer',
            name='refund',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='redirect_transfers', to='refunds.refund', verbose_name='退款单'),
        ),
        migrations.AddField(
            model_name='redirecttransfer',
            name='released_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='放款人'),
        ),
        migrations.AddField(
            model_name='redirecttransfer',
            name='transfer',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='redirect', to='payments.transfer', verbose_name='转账'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='redirecttransfer',
            trigger=pgtrigger.compiler.Trigger(name='redirect_transfers_are_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='4fb215886e1a6cd4c160a6fe2a5fd637292cdc37', operation='UPDATE OR DELETE', pgid='pgtrigger_redirect_transfers_are_append_only_22fc9', table='refunds_redirecttransfer', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='redirecttransfer',
            trigger=pgtrigger.compiler.Trigger(name='redirect_transfers_are_append_only_whole', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'redirect_transfers_are_append_only: these rows are never removed';", hash='00044caa215c701bccd876c5c514325f91ef5d6d', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_redirect_transfers_are_append_only_whole_1068e', table='refunds_redirecttransfer', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='redirecttransfer',
            trigger=pgtrigger.compiler.Trigger(name='redirect_transfer_is_what_was_signed', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n                IF NOT EXISTS (\n                    SELECT FROM refunds_refund r\n                    JOIN refunds_redirectagreement a ON a.id = NEW.agreement_id AND a.refund_id = r.id\n                    JOIN payments_transfer t ON t.id = NEW.transfer_id\n                    WHERE r.id = NEW.refund_id AND r.destination = 'account'\n                    AND a.confirmed_at IS NOT NULL AND a.confirmed_by_id <> NEW.released_by_id\n                    AND a.signed_by_id <> NEW.released_by_id\n                    AND t.purpose = 'redirect' AND t.payee_id = a.payee_id AND t.user_id = r.buyer_id\n                    AND t.payment_id = r.payment_id AND t.amount_fen = r.amount_fen) THEN\n                    RAISE EXCEPTION 'redirect_transfer_is_what_was_signed: not that of refund %', NEW.refund_id\n                        USING ERRCODE = 'check_violation';\n                END IF;\n                IF EXISTS (SELECT FROM refunds_redirecttransfer o JOIN payments_transfer t ON t.id = o.transfer_id\n                           WHERE o.refund_id = NEW.refund_id AND t.status NOT IN ('refused', 'failed'))\n                   OR EXISTS (SELECT FROM refunds_disbursement d JOIN payments_refundattempt p ON p.id = d.attempt_id\n                              WHERE d.refund_id = NEW.refund_id\n                              AND p.status NOT IN ('closed', 'back_with_merchant')) THEN\n                    RAISE EXCEPTION 'redirect_transfer_is_what_was_signed: refund % may be paid already',\n                        NEW.refund_id USING ERRCODE = 'check_violation';\n                END IF;\n                RETURN NEW;\n                ", hash='7103287f93430cc78253f7533f21490be4fc538d', operation='INSERT', pgid='pgtrigger_redirect_transfer_is_what_was_signed_5ca0c', table='refunds_redirecttransfer', when='BEFORE')),
        ),
    ]
