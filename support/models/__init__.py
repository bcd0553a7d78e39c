"""工单, 投诉, and the talk of an order as the desk shows it."""

from support.models.complaint import ComplaintStatus, ShopCause, ShopComplaint
from support.models.picture import Picture
from support.models.talk import Talk
from support.models.ticket import Ticket, TicketEvent, TicketMessage, TicketStatus, Tier, Topic, Voice

__all__ = [
    "ComplaintStatus", "Picture", "ShopCause", "ShopComplaint", "Talk", "Ticket", "TicketEvent", "TicketMessage",
    "TicketStatus", "Tier", "Topic", "Voice",
]  # fmt: skip
