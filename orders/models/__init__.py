"""What was bought, how it was handed over, why it was canceled, what was said about it."""

from orders.models.cancellation import (
    BulkCancellation,
    BulkCancellationStatus,
    Cancellation,
    CancellationLine,
    Cause,
)
from orders.models.compensation import Compensation
from orders.models.fulfilment import (
    Delivery,
    IfMissing,
    Replacement,
    Reservation,
    ServiceJob,
    ServiceReport,
    ServiceStatus,
    TopUp,
    TopUpStatus,
)
from orders.models.order import CouponUse, Order, OrderEvent, OrderLine, OrderStatus, OrderStep, new_order_no
from orders.models.talk import Announcement, Call, OrderMessage, Review, Side

__all__ = [
    "Announcement", "BulkCancellation", "BulkCancellationStatus", "Call", "Cancellation", "CancellationLine",
    "Cause", "Compensation", "CouponUse", "Delivery", "IfMissing", "Order", "OrderEvent", "OrderLine", "OrderMessage",
    "OrderStatus", "OrderStep", "Replacement", "Reservation", "Review", "ServiceJob", "ServiceReport", "ServiceStatus",
    "Side", "TopUp", "TopUpStatus", "new_order_no",
]  # fmt: skip
