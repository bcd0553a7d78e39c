"""Terms become data. Orders keep theirs: what is new costs nothing, and asks nothing more, under versions published before."""

import django.core.validators
import pgtrigger.compiler
import pgtrigger.migrations
import shops.policy_terms
from django.db import migrations, models


def kinds_then():
    """What versions published before are taken to say: nothing about kinds but this, and all of the reasons."""
    return KINDS


def reasons_then():
    return REASONS


KINDS = {'account': {'slots': ['unused']}, 'membership': {'slots': ['unused']}}
REASONS = [
    {'reason': 'undelivered', 'at_fault': 'shop', 'kinds': [], 'only': 'undelivered', 'slots': [], 'skips_merchant': True},
    {'reason': 'late', 'at_fault': 'shop', 'kinds': [], 'only': '', 'slots': ['not_arrived'], 'skips_merchant': False},
    {'reason': 'not_as_described', 'at_fault': 'shop', 'kinds': [], 'only': '', 'slots': ['wrong_goods'], 'skips_merchant': False},
    {'reason': 'invalid_code', 'at_fault': 'shop', 'kinds': ['card_code', 'activation_code', 'membership'], 'only': 'delivered', 'slots': ['redeem_error'], 'skips_merchant': False},
    {'reason': 'cannot_log_in', 'at_fault': 'shop', 'kinds': ['account', 'membership'], 'only': 'delivered', 'slots': ['login_error'], 'skips_merchant': False},
    {'reason': 'malfunction', 'at_fault': 'shop', 'kinds': ['card_code', 'activation_code', 'membership', 'account', 'service'], 'only': '', 'slots': ['fault_screen'], 'skips_merchant': False},
    {'reason': 'wrong_top_up', 'at_fault': 'buyer', 'kinds': ['top_up'], 'only': '', 'slots': ['wrong_number'], 'skips_merchant': False},
    {'reason': 'not_activated', 'at_fault': 'shop', 'kinds': ['activation_code', 'membership'], 'only': 'delivered', 'slots': ['not_active'], 'skips_merchant': False},
    {'reason': 'duplicate', 'at_fault': 'buyer', 'kinds': [], 'only': '', 'slots': [], 'skips_merchant': True},
    {'reason': 'payment_trouble', 'at_fault': 'platform', 'kinds': [], 'only': '', 'slots': ['channel_bill'], 'skips_merchant': True},
    {'reason': 'platform_fault', 'at_fault': 'platform', 'kinds': [], 'only': '', 'slots': ['error_page'], 'skips_merchant': True},
    {'reason': 'out_of_stock', 'at_fault': 'shop', 'kinds': [], 'only': 'undelivered', 'slots': [], 'skips_merchant': True},
    {'reason': 'changed_mind', 'at_fault': 'buyer', 'kinds': [], 'only': 'unseen', 'slots': [], 'skips_merchant': False},
    {'reason': 'other', 'at_fault': 'nobody', 'kinds': [], 'only': '', 'slots': ['situation'], 'skips_merchant': False},
]


class Migration(migrations.Migration):

    dependencies = [
        ('shops', '0008_coupons_of_shown_years'),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='refundpolicy',
            name='published_policy_never_changes',
        ),
        migrations.AddField(
            model_name='refundpolicy',
            name='balance_fee_percent',
            field=models.PositiveSmallIntegerField(default=0, help_text='仅限买家原因', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(50)], verbose_name='退至余额手续费（%）'),
        ),
        migrations.AddField(
            model_name='refundpolicy',
            name='complete_review_hours',
            field=models.PositiveIntegerField(default=24, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(720)], verbose_name='材料齐全时的审核时限（小时）'),
        ),
        migrations.AddField(
            model_name='refundpolicy',
            name='cross_border_extra_hours',
            field=models.PositiveIntegerField(default=0, validators=[django.core.validators.MaxValueValidator(720)], verbose_name='跨境商品另加（小时）'),
        ),
        migrations.AlterField(
            model_name='refundpolicy',
            name='cross_border_extra_hours',
            field=models.PositiveIntegerField(default=24, validators=[django.core.validators.MaxValueValidator(720)], verbose_name='跨境商品另加（小时）'),
        ),
        migrations.AddField(
            model_name='refundpolicy',
            name='evidence_after_hours',
            field=models.PositiveIntegerField(default=8760, validators=[django.core.validators.MaxValueValidator(8760)], verbose_name='交付多久后须附凭证（小时）'),
        ),
        migrations.AlterField(
            model_name='refundpolicy',
            name='evidence_after_hours',
            field=models.PositiveIntegerField(default=24, validators=[django.core.validators.MaxValueValidator(8760)], verbose_name='交付多久后须附凭证（小时）'),
        ),
        migrations.AddField(
            model_name='refundpolicy',
            name='express_below_fen',
            field=models.PositiveIntegerField(default=0, help_text='0 表示不开通极速退款', verbose_name='极速退款上限（分，不含）'),
        ),
        migrations.AlterField(
            model_name='refundpolicy',
            name='express_below_fen',
            field=models.PositiveIntegerField(default=50000, help_text='0 表示不开通极速退款', verbose_name='极速退款上限（分，不含）'),
        ),
        migrations.AddField(
            model_name='refundpolicy',
            name='express_clean_days',
            field=models.PositiveSmallIntegerField(default=180, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(365)], verbose_name='极速退款要求多少天内无被拒记录'),
        ),
        migrations.AddField(
            model_name='refundpolicy',
            name='express_needs_no_record',
            field=models.BooleanField(default=False, verbose_name='极速退款要求从未退过款'),
        ),
        migrations.AddField(
            model_name='refundpolicy',
            name='fee_percent',
            field=models.PositiveSmallIntegerField(default=0, help_text='仅限已交付、未使用、买家原因', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(50)], verbose_name='买家原因退款手续费（%）'),
        ),
        migrations.AddField(
            model_name='refundpolicy',
            name='kinds',
            field=models.JSONField(blank=True, default=kinds_then, verbose_name='按商品类型'),
        ),
        migrations.AlterField(
            model_name='refundpolicy',
            name='kinds',
            field=models.JSONField(blank=True, default=shops.policy_terms.usual_kinds, verbose_name='按商品类型'),
        ),
        migrations.AddField(
            model_name='refundpolicy',
            name='merchant_hours',
            field=models.PositiveIntegerField(default=24, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(720)], verbose_name='商家处理时限（小时）'),
        ),
        migrations.AddField(
            model_name='refundpolicy',
            name='reasons',
            field=models.JSONField(default=reasons_then, verbose_name='按退款原因'),
        ),
        migrations.AlterField(
            model_name='refundpolicy',
            name='reasons',
            field=models.JSONField(default=shops.policy_terms.usual_reasons, verbose_name='按退款原因'),
        ),
        migrations.AlterField(
            model_name='refundpolicy',
            name='published_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='发布时间'),
        ),
        migrations.AlterField(
            model_name='refundpolicy',
            name='window_days',
            field=models.PositiveIntegerField(help_text='自交付起；0 表示不可退款', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(365)], verbose_name='售后期（天）'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='product',
            trigger=pgtrigger.compiler.Trigger(name='product_is_under_published_terms', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n        IF NOT EXISTS (SELECT FROM shops_refundpolicy WHERE id = NEW.policy_id AND published_at IS NOT NULL) THEN\n            RAISE EXCEPTION 'refund policy % is not published', NEW.policy_id USING ERRCODE = 'check_violation';\n        END IF;\n        RETURN NEW;\n        ", hash='c23f3ca59255cbd59b318a50225b7d3b2628668a', operation='INSERT OR UPDATE OF "policy_id"', pgid='pgtrigger_product_is_under_published_terms_444ff', table='shops_product', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='refundpolicy',
            trigger=pgtrigger.compiler.Trigger(name='published_policy_never_changes', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."published_at" IS NOT NULL)', func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='c78c83d8cf3d063604e596fe25336a8be32a0f19', operation='UPDATE OR DELETE', pgid='pgtrigger_published_policy_never_changes_5439c', table='shops_refundpolicy', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='refundpolicy',
            constraint=models.UniqueConstraint(condition=models.Q(('published_at__isnull', True)), fields=('code',), name='one_draft_per_policy'),
        ),
        migrations.AddConstraint(
            model_name='refundpolicy',
            constraint=models.CheckConstraint(condition=models.Q(('fee_percent__lte', models.expressions.CombinedExpression(models.Value(50), '-', models.F('balance_fee_percent')))), name='policy_fees_are_shares', violation_error_message='两种手续费合计不能超过 50%。'),
        ),
    ]
