"""订单 on the staff desk, by subject."""

from orders.admin import announcements, cancellations, orders, reviews, topups

__all__ = ["announcements", "cancellations", "orders", "reviews", "topups"]
