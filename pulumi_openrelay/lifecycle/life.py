"""Which life a kind has: that of a thing, of a setting of the account, or of something done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .account_setting import SettingLifecycle
from .action import ActionLifecycle
from .run import Lifecycle

if TYPE_CHECKING:
    from ..caller import Call
    from .declare import Kind
    from .session import Session


def life(kind: Kind, session: Session, call: Call) -> Lifecycle:
    """The life of one resource, on behalf of one call."""
    if kind.acts:
        return ActionLifecycle(kind, session, call)
    return (SettingLifecycle if kind.singleton else Lifecycle)(kind, session, call)
