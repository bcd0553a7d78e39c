"""What operators entered of the calendar: a whole year's plan, or single days. Written once; the newest word counts.

Published years are not in here: ``days.py`` has them from ``chinesecalendar``. An entry prevails over it.
"""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from append_only import append_only


class CalendarPlan(models.Model):
    """放假安排: one entry, with who, when and where it stands in writing.

    ``is_whole_year``: the year's plan; days that it does not name follow the week, and what was entered for that year
    before counts no more. Otherwise single days are put right, and all others stay as they are.
    """

    year = models.PositiveSmallIntegerField(_("年份"))
    is_whole_year = models.BooleanField(_("全年安排"))
    source = models.CharField(_("依据"), max_length=200)
    entered_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("录入人"))
    at = models.DateTimeField(_("录入时间"))

    class Meta:
        verbose_name = _("放假安排")
        verbose_name_plural = _("工作日历")
        constraints = [
            models.CheckConstraint(name="plan_is_of_our_time", condition=Q(year__gte=2004, year__lte=2200)),
            models.CheckConstraint(name="plan_says_where_it_stands", condition=~Q(source="")),
        ]
        triggers = append_only("calendar_plans_are_append_only")

    def __str__(self) -> str:
        return f"{self.year} 年{'全年安排' if self.is_whole_year else '更正'} #{self.pk}"


class CalendarDay(models.Model):
    """日期: one day that a plan names, worked or free."""

    plan = models.ForeignKey(CalendarPlan, models.PROTECT, related_name="days", verbose_name=_("放假安排"))
    day = models.DateField(_("日期"))
    is_working = models.BooleanField(_("上班"))
    name = models.CharField(_("节日"), max_length=20, blank=True)

    class Meta:
        verbose_name = _("日期")
        verbose_name_plural = _("日期")
        constraints = [models.UniqueConstraint(name="plan_names_a_day_once", fields=["plan", "day"])]
        triggers = [
            *append_only("calendar_days_are_append_only"),
            pgtrigger.Trigger(  # New Year's break may begin in December
                name="calendar_day_is_of_its_plans_year",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func="""
                IF NOT EXISTS (SELECT FROM workcalendar_calendarplan WHERE id = NEW.plan_id
                               AND NEW.day >= make_date(year - 1, 12, 1) AND NEW.day <= make_date(year, 12, 31)) THEN
                    RAISE EXCEPTION '% is no day of plan %', NEW.day, NEW.plan_id USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day}"
