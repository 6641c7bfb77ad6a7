"""The one sentence of a failure: which resource, what happened, what now holds, what to do next."""

from __future__ import annotations

import traceback

from ..errors import RETRY, Ambiguous, Interrupted, MachineGone, OpenRelayError, TimedOut


class Failed(Exception):
    """The operation failed, and nothing new is to be recorded. str() is the user's sentence."""


class FailedRecorded(Failed):
    """The operation failed, and what exists is to be recorded: the next update goes on from it."""

    def __init__(
        self,
        sentence: str,
        resource_id: str,
        outputs: dict[str, object],
        inputs: dict[str, object],
    ) -> None:
        super().__init__(sentence)
        self.id = resource_id
        self.outputs = outputs
        self.inputs = inputs


def sentence(noun: str, name: str, what: str, holds: str, advice: str | None) -> str:
    """The parts, in the order in which a reader needs them."""
    return f"{noun} '{name}': " + "; ".join(part for part in (what, holds, advice) if part)


def known(error: Exception) -> OpenRelayError:
    """The error itself, or what can be said of one that nobody foresaw: a defect of ours."""
    if isinstance(error, OpenRelayError):
        return error
    place = traceback.extract_tb(error.__traceback__)[-1]
    return OpenRelayError(
        f"a defect in pulumi-openrelay came up ({type(error).__name__} in {place.name}, "
        f"{place.filename.rsplit('/', 1)[-1]}:{place.lineno})",
        "please report it; running the command again is safe",
    )


def not_created(noun: str, name: str, error: OpenRelayError, *, asked: bool) -> str:
    """asked: whether a create was sent before this failure."""
    if asked and error.outcome_unknown:
        advice = f"{RETRY}: it looks for it before it creates anything"
        if isinstance(error, Ambiguous):
            advice = error.advice or advice
        return sentence(noun, name, error.what, "whether it was created is unknown", advice)
    return sentence(noun, name, error.what, "nothing was created", error.advice or RETRY)


def created(noun: str, name: str, resource_id: str, error: OpenRelayError) -> str:
    if isinstance(error, MachineGone):
        return sentence(noun, name, error.what, f"it was {resource_id}", error.advice)
    holds = f"it exists and is recorded ({resource_id})"
    return sentence(noun, name, error.what, holds, error.advice or f"{RETRY} to go on")


def not_changed(noun: str, name: str, resource_id: str, error: OpenRelayError) -> str:
    """Of a change of which no request was sent."""
    holds = f"nothing was changed ({resource_id})"
    return sentence(noun, name, error.what, holds, error.advice or RETRY)


def unchanged(noun: str, name: str, error: OpenRelayError, *, certain: bool = True) -> str:
    """Of a call that changes nothing, or that failed nobody knows where. certain: the former."""
    holds = "nothing was changed" if certain else "whether anything was changed is unknown"
    return sentence(noun, name, error.what, holds, error.advice)


def not_read(noun: str, name: str, error: OpenRelayError, *, recorded: bool = True) -> str:
    """recorded: whether a state records it."""
    if isinstance(error, MachineGone):
        return sentence(noun, name, error.what, "nothing was read", error.advice)
    what = f"it could not be read: {error.what}"
    holds = "its record is as it was" if recorded else "nothing was read"
    advice = (error.advice or RETRY).replace(RETRY, "run the command again")
    return sentence(noun, name, what, holds, advice)


def not_deleted(
    noun: str,
    name: str,
    resource_id: str,
    error: OpenRelayError,
    *,
    by_now: str | None = None,
    replaced: bool = False,
) -> str:
    """by_now: the status that it was put into before the delete itself failed, None for none.
    replaced: whether another has taken its place."""
    what, holds = error.what, f"it stays recorded ({resource_id})"
    advice = (error.advice or RETRY).replace(RETRY, "run the command again")
    if by_now is not None:
        holds = f"it is {by_now} by now, and stays recorded ({resource_id})"
    if by_now is not None and not replaced:
        advice += ", or, to keep it, run `pulumi refresh` and `pulumi up`, which takes that back"
    if not isinstance(error, (TimedOut, Interrupted)):
        what = f"it could not be deleted: {what}"
    return sentence(noun, name, what, holds, advice)
