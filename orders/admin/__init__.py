"""订单 on the staff desk, by subject."""

from orders.admin import announcements, cancellations, compensations, orders, reviews, topups

__all__ = ["announcements", "cancellations", "compensations", "orders", "reviews", "topups"]
