"""What is written into every resource's state: `Provider("openrelay:Vm")`, by reference.

The module path, the class name and the kinds never change: a state of any release finds its
provider in any later one, and an upgrade touches no resource. No configuration and no secret is
pickled.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)

from .engine import EngineCall, current_call, plain, unplain
from .errors import Misconfigured
from .lifecycle.declare import ACTIONS, KINDS
from .lifecycle.sentences import Failed, FailedRecorded, known, unchanged

if TYPE_CHECKING:
    from .lifecycle.declare import Kind
    from .lifecycle.run import Lifecycle
    from .lifecycle.session import Session


# A program pickles this class and calls none of its methods. What only they need is imported when
# they run, so that importing the package stays cheap.


class Provider(ResourceProvider):
    """The engine's calls about resources of one kind, handed to the lifecycle."""

    serialize_as_secret_always = False

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def __reduce__(self) -> tuple[type[Provider], tuple[str]]:
        return (Provider, (self.kind,))

    def configure(self, req: ConfigureRequest) -> None:
        """Keep the stack's configuration; a mistake in it fails the first call that needs it."""
        self._get = req.config.get
        self._session: Session | None = None

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        with self._told(changes=False) as call:
            inputs, problems = self._life(call).check(plain(_olds), plain(news))
        # The engine would show the value of a property that a failure names, a secret one too.
        failures = [CheckFailure("", f"{name} {reason}") for name, reason in problems]
        # A transform may have put a secret in clear in the place of what the program gave.
        secret = [field.name for field in self._kind().secrets]
        return CheckResult(unplain(inputs, secret), failures)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        olds = plain(_olds)
        with self._told(changes=False) as call:
            changes, deletes_first = self._life(call).diff(
                _id, call.old_inputs(olds), olds, plain(_news)
            )
            call.explain(changes.replaces, [*changes.updates, *changes.settings])
        return DiffResult(bool(changes), changes.replaces, delete_before_replace=deletes_first)

    def create(self, props: dict[str, Any]) -> CreateResult:
        with self._told() as call:
            resource_id, outputs = self._life(call).create(plain(props))
        return CreateResult(resource_id, unplain(outputs))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        outputs = plain(props)
        with self._told(changes=False) as call:
            reading = self._life(call).read(id_, call.old_inputs(outputs), outputs)
            if reading is None:
                return ReadResult("", {})
            if reading.unwell is not None:
                raise FailedRecorded(reading.unwell, id_, reading.outputs, reading.inputs)
        # What exists has no unknown values, and what is read none that are None.
        return ReadResult(id_, reading.outputs, reading.inputs)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        olds = plain(_olds)
        with self._told() as call:
            outputs = self._life(call).update(_id, call.old_inputs(olds), olds, plain(_news))
        return UpdateResult(unplain(outputs))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        with self._told() as call:
            self._life(call).delete(_id, plain(_props))

    def _life(self, call: EngineCall) -> Lifecycle:
        from .lifecycle.life import life
        from .plugin import session

        kind = self._kind()
        if self._session is None:
            try:
                self._session = session(self._get, kind.service)
            except Misconfigured as error:
                raise Failed(f"{kind.service.title}: {error.what}; {error.advice}") from error
            call.loaded()
        return life(kind, self._session, call)

    def _kind(self) -> Kind:
        if self.kind.startswith("relay:"):
            import_module("pulumi_openrelay.relay")  # whose kinds are there once it is imported
        return KINDS.get(self.kind) or ACTIONS[self.kind]

    @contextmanager
    def _told(self, *, changes: bool = True) -> Iterator[EngineCall]:
        """The engine's call; a failure in it reaches the user as its one sentence, one that nobody
        foresaw too. changes: whether the call may change something."""
        call = current_call()
        try:
            yield call
        except FailedRecorded as failure:
            call.fail_recorded(str(failure), failure.id, failure.outputs, failure.inputs)
            raise
        except Failed as failure:
            call.fail(str(failure))
            raise
        except Exception as error:
            kind = KINDS.get(self.kind) or ACTIONS.get(self.kind)
            noun = kind.noun if kind else self.kind
            call.fail(unchanged(noun, call.name, known(error), certain=not changes))
            raise
