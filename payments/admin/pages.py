"""What the channels' pages are made of."""

from accounts.desk_acts import ActsDesk as ChannelDesk
from accounts.desk_acts import key, log, me, when

__all__ = ["ChannelDesk", "key", "log", "me", "when"]
