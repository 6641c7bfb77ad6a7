"""What must not happen to a resource, each with the sentence that says why."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from ..config import REVIEW_KEY
from ..errors import OpenRelayError
from . import sentences
from .diff import STATUS
from .fields import ORGANIZATION
from .remote import KEPT_ADVICE, condition
from .sentences import Failed
from .session import OPTIONAL_SECONDS
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
            what = f"{REVIEW_KEY} is set, which is for reviews alone"
            self._refuse(what, "nothing was created", "unset it")

    def refuse_to_replace_protected(
        self, resource_id: str, outputs: Bag, because: Sequence[str]
    ) -> None:
        """Raise Failed for a replacement of what the program protects, as of this run or longer.
        because: the properties that ask for it."""
        what = f"{', '.join(because)} cannot change without a new one"
        if STATUS in because:
            what = f"it {condition(outputs)}, so that only a new one can take its place"
        advice = "set deletion_protection=False and run `pulumi up` first"
        if outputs.get("deletion_protection") is True:
            what = f"{what}, and deletion_protection is on"
        else:
            what = f"{what}, and deletion_protection is on as soon as the program sets it"
            advice = (
                "take the change back, or leave deletion_protection=True out of this `pulumi up` "
                "and set it in the next"
            )
        self._refuse(what, f"nothing was changed ({resource_id})", advice)

    def refuse_protected(self, resource_id: str, outputs: Bag) -> None:
        """Raise Failed where the program protects what is to be deleted."""
        history, urn = self.session.history, self.call.urn
        new = history.own_id(urn)
        on = outputs.get("deletion_protection") is True
        # Before a replacement it may be on since this very run.
        on = on or (new == resource_id and urn in history.protected)
        if not on or history.protection_is_lifted(urn):
            return
        what = "it is to be deleted, and deletion_protection is on"
        holds = f"nothing was changed ({resource_id})"
        advice = "set deletion_protection=False and run `pulumi up` first"
        if new not in (None, resource_id):
            what = (
                f"the one that it replaces is to be deleted ({resource_id}), and "
                f"deletion_protection is on"
            )
            holds = f"both exist and are recorded, and the new one is {new}"
            advice = "set deletion_protection=False and run `pulumi up`, which ends the old one"
        self._refuse(what, holds, advice)

    def refuse_beside_protected(self) -> None:
        """Raise Failed where what another would replace could not be deleted: the engine may ask
        for it though diff did not, as with `replace_on_changes`."""
        history, urn = self.session.history, self.call.urn
        if urn in history.protected and not history.protection_is_lifted(urn):
            what = "it is to be replaced, and deletion_protection is on"
            holds = f"nothing was created ({history.own_id(urn)})"
            self._refuse(
                what, holds, "take what asks for that back, or set deletion_protection=False"
            )

    def refuse_kept(self, resource_id: str, outputs: Bag) -> None:
        """Raise Failed for what must never be deleted."""
        why = self.kind.kept(outputs)
        if why is not None:
            holds = f"it stays recorded ({resource_id})"
            self._refuse(f"it is not deleted, because {why}", holds, KEPT_ADVICE)

    def refuse_to_replace_foreign(self, resource_id: str, outputs: Bag) -> None:
        """Raise Failed where the old one could not be ended. Where the API cannot be asked whose
        the key is, the delete will tell."""
        self.call.deadline = self.call.now() + OPTIONAL_SECONDS
        error = None
        with suppress(OpenRelayError):
            error = self._foreign(outputs)
        if error is not None:
            said = sentences.not_changed(self.kind.noun, self.call.name, resource_id, error)
            raise Failed(said)

    def _refuse(self, what: str, holds: str, advice: str) -> NoReturn:
        raise Failed(sentences.sentence(self.kind.noun, self.call.name, what, holds, advice))

    def refuse_foreign(self, outputs: Bag) -> None:
        error = self._foreign(outputs)
        if error is not None:
            raise error

    def _foreign(self, outputs: Bag) -> OpenRelayError | None:
        """What to say of one that the key cannot see; None of any other. The API would call it
        gone, and it would go on billing without a record."""
        recorded = outputs.get(ORGANIZATION)
        return None if recorded is None else self.session.foreign(self.call, recorded)
