"""What a shop's own merchant account took is never settled: the shop has it."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0019_compensation'),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='order',
            name='order_settles_once_and_rightly',
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='order',
            trigger=pgtrigger.compiler.Trigger(name='order_settles_once_and_rightly', sql=pgtrigger.compiler.UpsertTriggerSql(declare='DECLARE owed_fen bigint; posted_fen bigint;', func="\nIF TG_OP = 'UPDATE' THEN\n    IF (NEW.settled_at, NEW.settled_fen) IS NOT DISTINCT FROM (OLD.settled_at, OLD.settled_fen) THEN\n        RETURN NEW;\n    END IF;\n    IF OLD.settled_at IS NOT NULL THEN\n        RAISE EXCEPTION 'order % is settled already', NEW.order_no USING ERRCODE = 'check_violation';\n    END IF;\nELSIF NEW.settled_at IS NULL THEN\n    RETURN NEW;\nEND IF;\nIF NEW.status NOT IN ('completed', 'canceled')\n   OR EXISTS (SELECT FROM orders_orderline AS line WHERE line.order_id = NEW.id\n              AND NOT EXISTS (SELECT FROM orders_delivery WHERE line_id = line.id)\n              AND NOT EXISTS (SELECT FROM orders_cancellationline WHERE line_id = line.id))\n   OR EXISTS (SELECT FROM orders_cancellation WHERE order_id = NEW.id AND heard_at IS NULL) THEN\n    RAISE EXCEPTION 'order % is not done with', NEW.order_no USING ERRCODE = 'check_violation';\nEND IF;\nIF EXISTS (SELECT FROM refunds_refund WHERE order_id = NEW.id AND held_fen > 0)\n   OR EXISTS (SELECT FROM refunds_refund WHERE order_id = NEW.id AND status = 'rejected'\n              AND appeal_until > NEW.settled_at) THEN\n    RAISE EXCEPTION 'money of order % may still be asked for', NEW.order_no USING ERRCODE = 'check_violation';\nEND IF;\nIF EXISTS (SELECT FROM payments_payment AS payment JOIN payments_channelaccount AS account ON account.id = account_id\n            WHERE payment.order_id = NEW.id AND payment.status = 'paid' AND NOT payment.is_surplus\n              AND account.shop_id IS NOT NULL) THEN\n    RAISE EXCEPTION 'order % was paid to the shop itself', NEW.order_no USING ERRCODE = 'check_violation';\nEND IF;\nSELECT coalesce(sum(amount_fen - external_fen), 0) INTO owed_fen FROM payments_payment\n WHERE order_id = NEW.id AND status = 'paid' AND NOT is_surplus;\nowed_fen := greatest(0, owed_fen - coalesce((SELECT sum(amount_fen + fee_fen) FROM refunds_refund\n                                              WHERE order_id = NEW.id AND status IN ('paid_out', 'arrived')), 0));\nSELECT coalesce(sum(entry.amount_fen), 0) INTO posted_fen\n  FROM ledger_posting AS posting\n  JOIN ledger_entry AS entry ON entry.posting_id = posting.id AND entry.side = 'debit'\n  JOIN ledger_account AS account ON account.id = entry.account_id AND account.code = 'shop:' || NEW.shop_id\n WHERE posting.ref = 'settle:' || NEW.order_no;\nIF NEW.settled_fen <> owed_fen OR NEW.settled_fen <> posted_fen THEN\n    RAISE EXCEPTION 'order % settles for % fen, not %, and % are posted', NEW.order_no, owed_fen, NEW.settled_fen,\n        posted_fen USING ERRCODE = 'check_violation';\nEND IF;\nRETURN NEW;\n", hash='02798aec19ba6ba16cf2a7d65b74b960d143bf4c', operation='INSERT OR UPDATE OF "settled_at", "settled_fen"', pgid='pgtrigger_order_settles_once_and_rightly_52abf', table='orders_order', when='BEFORE')),
        ),
    ]
