"""What must not happen to a resource, each with the sentence that says why."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from ..config import REVIEW_KEY
from ..errors import OpenRelayError
from . import sentences
from .fields import ORGANIZATION
from .remote import CATALOG_SECONDS, KEPT_ADVICE
from .sentences import Failed
from .unknown import has_unknown

if TYPE_CHECKING:
    from .declare import Kind
    from .diff import Changes
    from .discreet import DiscreetCall
    from .record import Bag
    from .session import Session


class Guard:
    """Refuses what the program protects itself from, what is another organization's, and what is
    never deleted."""

    def __init__(self, kind: Kind, session: Session, call: DiscreetCall) -> None:
        self.kind = kind
        self.session = session
        self.call = call

    def leave_unknown(self, changes: Changes, news: Bag) -> None:
        """Of what the program protects, inputs that are not known yet alone replace nothing: the
        update knows them, and refuses those that differ."""
        if all(has_unknown(news.get(name)) for name in changes.replaces):
            for name in changes.replaces:
                changes.updates.append(name)
                changes.remarks.append(
                    f"{name} is not known until the update runs; if it then differs, that is "
                    f"refused, because only a new one can have it and deletion_protection is on"
                )
            changes.replaces = []

    def refuse_in_a_review(self) -> None:
        """Raise Failed where diff has let pass what only a review may see: it changes nothing."""
        if os.environ.get(REVIEW_KEY):
            what, advice = f"{REVIEW_KEY} is set, which is for reviews alone", "unset it"
            said = sentences.sentence(
                self.kind.noun, self.call.name, what, "nothing was created", advice
            )
            raise Failed(said)

    def refuse_protected(self, resource_id: str, outputs: Bag, because: str | None = None) -> None:
        """Raise Failed where the program protects it. because: what asks for a replacement."""
        lifted = self.session.history.protection_is_lifted(self.call.urn)
        if outputs.get("deletion_protection") is not True or lifted:
            return
        new = self.session.history.own_id(self.call.urn)
        holds = f"nothing was changed ({resource_id})"
        advice = "set deletion_protection=False and run `pulumi up` first"
        if because:
            what = f"{because} cannot change without a new one"
        elif new in (None, resource_id):
            what = "it is to be deleted"
        else:
            what = f"the one that it replaces is to be deleted ({resource_id})"
            holds = f"both exist and are recorded, and the new one is {new}"
            advice = "set deletion_protection=False and run `pulumi up`, which ends the old one"
        what = f"{what}, and deletion_protection is on"
        raise Failed(sentences.sentence(self.kind.noun, self.call.name, what, holds, advice))

    def refuse_beside_protected(self) -> None:
        """Raise Failed where what another would replace could not be deleted: the engine may ask
        for it though diff did not, as with `replace_on_changes`."""
        history, urn = self.session.history, self.call.urn
        if urn in history.protected and not history.protection_is_lifted(urn):
            what = "it is to be replaced, and deletion_protection is on"
            holds = f"nothing was created ({history.own_id(urn)})"
            advice = "take what asks for that back, or set deletion_protection=False"
            said = sentences.sentence(self.kind.noun, self.call.name, what, holds, advice)
            raise Failed(said)

    def refuse_kept(self, resource_id: str, outputs: Bag) -> None:
        """Raise Failed for what must never be deleted."""
        why = self.kind.kept(outputs)
        if why is not None:
            holds = f"it stays recorded ({resource_id})"
            what = f"it is not deleted, because {why}"
            said = sentences.sentence(self.kind.noun, self.call.name, what, holds, KEPT_ADVICE)
            raise Failed(said)

    def refuse_to_replace_foreign(self, resource_id: str, outputs: Bag) -> None:
        """Raise Failed where the old one could not be ended. Where the API cannot be asked whose
        the key is, the delete will tell."""
        self.call.deadline = self.call.now() + CATALOG_SECONDS
        error = None
        with suppress(OpenRelayError):
            error = self._foreign(outputs)
        if error is not None:
            said = sentences.not_changed(self.kind.noun, self.call.name, resource_id, error)
            raise Failed(said)

    def refuse_foreign(self, outputs: Bag) -> None:
        error = self._foreign(outputs)
        if error is not None:
            raise error

    def _foreign(self, outputs: Bag) -> OpenRelayError | None:
        """What to say of one that the key cannot see; None of any other. The API would call it
        gone, and it would go on billing without a record."""
        recorded = outputs.get(ORGANIZATION)
        return None if recorded is None else self.session.foreign(self.call, recorded)
