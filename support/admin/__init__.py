"""客服 on the staff desk: tickets by deadline, complaints about shops, the talk of an order."""

from support.admin import complaints, talk, tickets

__all__ = ["complaints", "talk", "tickets"]
