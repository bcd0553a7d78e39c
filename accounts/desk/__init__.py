"""客服台的底座: the site, the list and the page that every table of the staff desk builds on, and dialogs for acts.

All that the house uses of Unfold comes through this folder, so that another version of it is met in one place.
"""

from accounts.desk.acts import ActsDesk, chosen_keys, go, key, log, me, staff_act
from accounts.desk.dialogs import (
    DialogForm,
    amount_field,
    canned_field,
    choice_field,
    note_field,
    number_field,
    text_field,
)
from accounts.desk.looks import (
    badge,
    called,
    deadline,
    how_long,
    link,
    list_url,
    money,
    page_url,
    tone_badge,
    until,
    when,
)
from accounts.desk.progress import ProgressDesk
from accounts.desk.site import StaffDesk
from accounts.desk.tables import Desk, DeskInline, DeskList
from money import yuan
from paging import MOST_COUNTED

__all__ = [
    "MOST_COUNTED", "ActsDesk", "Desk", "DeskInline", "DeskList", "DialogForm", "ProgressDesk", "StaffDesk",
    "amount_field", "badge", "called", "canned_field", "choice_field", "chosen_keys", "deadline", "go", "how_long",
    "key", "link", "list_url", "log", "me", "money", "note_field", "number_field", "page_url", "staff_act",
    "text_field", "tone_badge", "until", "when", "yuan",
]  # fmt: skip
