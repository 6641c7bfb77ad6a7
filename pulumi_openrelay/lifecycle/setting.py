"""The life of a setting of the account: it is read and set, never made, listed or deleted."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from ..errors import OpenRelayError
from . import sentences
from .fields import BEFORE, MADE, READY, Role
from .remote import Remote
from .run import Bag, Lifecycle
from .sentences import Failed, FailedRecorded

if TYPE_CHECKING:
    from ..caller import Call
    from .declare import Kind
    from .session import Session

SINGLETON = "account"
"""The id of every setting: there is one of its kind."""


def life(kind: Kind, session: Session, call: Call) -> Lifecycle:
    """The life of one resource, on behalf of one call."""
    return (SettingLifecycle if kind.singleton else Lifecycle)(kind, session, call)


class SettingLifecycle(Lifecycle):
    """A create notes what it found, and a delete restores that."""

    def create(self, inputs: Bag) -> tuple[str, Bag]:
        kind, call = self.kind, self.call
        self._set_deadline(inputs)
        remote = Remote(self.session, kind, call, SINGLETON, new=inputs, fresh=True)
        try:
            self._claim()
            found = self._facts(remote.look())
        except Exception as error:
            said = sentences.not_created(kind.noun, call.name, sentences.known(error), asked=False)
            raise Failed(said) from error
        before = {name: found[name] for name in found if kind.fields[name].role is Role.UPDATES}
        outputs = {**inputs, MADE: secrets.token_hex(4), BEFORE: before, READY: False}
        try:
            self._change(remote, self._not_in_create(inputs))
            return SINGLETON, self._settled(remote, outputs)
        except Exception as error:
            said = sentences.created(kind.noun, call.name, SINGLETON, sentences.known(error))
            raise FailedRecorded(said, SINGLETON, outputs, inputs) from error

    def delete(self, resource_id: str, outputs: Bag) -> None:
        kind, call = self.kind, self.call
        before = outputs.get(BEFORE) or {}
        self._set_deadline(outputs)
        remote = Remote(self.session, kind, call, resource_id, new=before, old=outputs)
        ours = {
            field.name
            for field in kind.fields.values()
            if field.role is Role.UPDATES
            and field.readable
            and outputs.get(field.name) != before.get(field.name)
        }
        try:
            self._change(remote, ours)
        except Exception as error:
            raise Failed(
                sentences.not_deleted(kind.noun, call.name, resource_id, sentences.known(error))
            ) from error

    def _claim(self) -> None:
        if not self.session.history.claims_name(self.call.urn, self.kind.token, SINGLETON):
            raise OpenRelayError("another resource of this program sets it too", "keep one of them")
