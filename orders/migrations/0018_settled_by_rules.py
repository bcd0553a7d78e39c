"""Rules and indexes of settling, and of penalties. Made beside the traffic: no table is locked while it is read."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('orders', '0017_orders_settle'),
        ('shops', '0012_deposits_are_posted'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='cancellation',
            index=models.Index(condition=models.Q(('penalty_due_at__isnull', False)), fields=['penalty_due_at', 'id'], name='penalty_due'),
        ),
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(condition=models.Q(('settle_from__isnull', False), ('settled_at__isnull', True)), fields=['shop', 'settle_from', 'id'], name='order_unsettled_of_shop'),
        ),
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(condition=models.Q(('paid_at__isnull', False), ('settled_at__isnull', True), ('status__in', ['delivered', 'completed', 'canceled'])), fields=['settle_from', 'id'], name='order_to_settle'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='cancellation',
            trigger=pgtrigger.compiler.Trigger(name='penalty_is_paid_by_its_posting', sql=pgtrigger.compiler.UpsertTriggerSql(declare='DECLARE posted_fen bigint;', func="\n                IF TG_OP = 'UPDATE' THEN\n                    IF NEW.penalty_paid_at IS NOT DISTINCT FROM OLD.penalty_paid_at THEN\n                        RETURN NEW;\n                    END IF;\n                    IF OLD.penalty_paid_at IS NOT NULL THEN\n                        RAISE EXCEPTION 'penalty % is paid already', NEW.id USING ERRCODE = 'check_violation';\n                    END IF;\n                ELSIF NEW.penalty_paid_at IS NULL THEN\n                    RETURN NEW;\n                END IF;\n                SELECT coalesce(sum(entry.amount_fen), 0) INTO posted_fen\n                  FROM ledger_posting AS posting\n                  JOIN ledger_entry AS entry ON entry.posting_id = posting.id AND entry.side = 'credit'\n                  JOIN ledger_account AS account ON account.id = entry.account_id\n                  JOIN orders_order AS placed ON placed.id = NEW.order_id\n                 WHERE posting.ref = 'penalty:' || NEW.id AND account.code = 'balance:' || placed.buyer_id;\n                IF posted_fen <> NEW.penalty_fen THEN\n                    RAISE EXCEPTION 'penalty %: % fen are posted, not %', NEW.id, posted_fen, NEW.penalty_fen\n                        USING ERRCODE = 'check_violation';\n                END IF;\n                RETURN NEW;\n                ", hash='986a5cdf37ed8ab34d429e5ea2a084227bf44def', operation='INSERT OR UPDATE OF "penalty_paid_at"', pgid='pgtrigger_penalty_is_paid_by_its_posting_795d5', table='orders_cancellation', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='order',
            trigger=pgtrigger.compiler.Trigger(name='order_settles_once_and_rightly', sql=pgtrigger.compiler.UpsertTriggerSql(declare='DECLARE owed_fen bigint; posted_fen bigint;', func="\nIF TG_OP = 'UPDATE' THEN\n    IF (NEW.settled_at, NEW.settled_fen) IS NOT DISTINCT FROM (OLD.settled_at, OLD.settled_fen) THEN\n        RETURN NEW;\n    END IF;\n    IF OLD.settled_at IS NOT NULL THEN\n        RAISE EXCEPTION 'order % is settled already', NEW.order_no USING ERRCODE = 'check_violation';\n    END IF;\nELSIF NEW.settled_at IS NULL THEN\n    RETURN NEW;\nEND IF;\nIF NEW.status NOT IN ('completed', 'canceled')\n   OR EXISTS (SELECT FROM orders_orderline AS line WHERE line.order_id = NEW.id\n              AND NOT EXISTS (SELECT FROM orders_delivery WHERE line_id = line.id)\n              AND NOT EXISTS (SELECT FROM orders_cancellationline WHERE line_id = line.id))\n   OR EXISTS (SELECT FROM orders_cancellation WHERE order_id = NEW.id AND heard_at IS NULL) THEN\n    RAISE EXCEPTION 'order % is not done with', NEW.order_no USING ERRCODE = 'check_violation';\nEND IF;\nIF EXISTS (SELECT FROM refunds_refund WHERE order_id = NEW.id AND held_fen > 0)\n   OR EXISTS (SELECT FROM refunds_refund WHERE order_id = NEW.id AND status = 'rejected'\n              AND appeal_until > NEW.settled_at) THEN\n    RAISE EXCEPTION 'money of order % may still be asked for', NEW.order_no USING ERRCODE = 'check_violation';\nEND IF;\nSELECT coalesce(sum(amount_fen - external_fen), 0) INTO owed_fen FROM payments_payment\n WHERE order_id = NEW.id AND status = 'paid' AND NOT is_surplus;\nowed_fen := greatest(0, owed_fen - coalesce((SELECT sum(amount_fen + fee_fen) FROM refunds_refund\n                                              WHERE order_id = NEW.id AND status IN ('paid_out', 'arrived')), 0));\nSELECT coalesce(sum(entry.amount_fen), 0) INTO posted_fen\n  FROM ledger_posting AS posting\n  JOIN ledger_entry AS entry ON entry.posting_id = posting.id AND entry.side = 'debit'\n  JOIN ledger_account AS account ON account.id = entry.account_id AND account.code = 'shop:' || NEW.shop_id\n WHERE posting.ref = 'settle:' || NEW.order_no;\nIF NEW.settled_fen <> owed_fen OR NEW.settled_fen <> posted_fen THEN\n    RAISE EXCEPTION 'order % settles for % fen, not %, and % are posted', NEW.order_no, owed_fen, NEW.settled_fen,\n        posted_fen USING ERRCODE = 'check_violation';\nEND IF;\nRETURN NEW;\n", hash='2de68109d7840db5c4c01165e407e89336f526b1', operation='INSERT OR UPDATE OF "settled_at", "settled_fen"', pgid='pgtrigger_order_settles_once_and_rightly_52abf', table='orders_order', when='BEFORE')),
        ),
        AddConstraintNotValid(
            model_name='cancellation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('penalty_due_at__isnull', True), ('penalty_fen', 0), ('penalty_paid_at__isnull', True)), models.Q(('penalty_due_at__isnull', False), ('penalty_fen__gt', 0), ('penalty_paid_at__isnull', True)), models.Q(('penalty_due_at__isnull', True), ('penalty_fen__gt', 0), ('penalty_paid_at__isnull', False)), _connector='OR'), name='penalty_is_due_or_paid'),
        ),
        AddConstraintNotValid(
            model_name='order',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('settled_at__isnull', True), ('settled_fen__isnull', True)), models.Q(('settled_at__isnull', False), ('settled_fen__isnull', False)), _connector='OR'), name='settled_order_says_how_much'),
        ),
        ValidateConstraint(model_name='cancellation', name='penalty_is_due_or_paid'),
        ValidateConstraint(model_name='order', name='settled_order_says_how_much'),
    ]
