"""The error tree: every failure of the provider, as facts first and one sentence last.

An error below knows *what* happened, as a clause without the resource's name, and what the reader
can do about it (`advice`). Whoever knows the resource and what holds after the failure
(`lifecycle.run`) makes the one sentence that the user reads.

    OpenRelayError
    ├── Misconfigured        an unusable URL
    │   └── NoCredential         no key at all
    ├── ApiError             the API answered, and refused
    │   ├── Unauthorized         401
    │   ├── PaymentRequired      402
    │   ├── Forbidden            403, or an organization's rule
    │   ├── NotFound             404
    │   ├── Conflict             409
    │   ├── Rejected             400, 422 and every other 4xx
    │   ├── RateLimited          429, after all patience
    │   ├── NoCapacity           503 with one of the capacity codes
    │   └── ServerError          every other 5xx, after all patience
    ├── Unreachable          nothing was sent
    ├── AnswerLost           sent, and no readable answer: the outcome is unknown
    ├── Ambiguous            what there is may be what was asked for, or another's
    ├── Interrupted          Ctrl-C, or the engine is gone
    └── Wait
        ├── MachineFailed        it reached a state that it does not leave
        ├── MachineGone          it was ended by another hand
        └── TimedOut             not ready in the time that the user gave
"""

from __future__ import annotations

RETRY = "run `pulumi up` again"
LONGEST = 400
"""Of what is said of an error: an API may answer with a page."""


def cut(said: str) -> str:
    """As much of it as is shown; what must not be said is taken out before, or half of it stays."""
    return said if len(said) <= LONGEST else f"{said[:LONGEST]}…"


class OpenRelayError(Exception):
    """The root. `what` is a clause ("the API ..."), `advice` an imperative or None.

    outcome_unknown: whether what the failed request asked for may have been done. out_of_time:
    whether the caller's deadline is what ended the tries: who has longer may try again.
    """

    outcome_unknown = False
    out_of_time = False

    def __init__(self, what: str, advice: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice

    def __str__(self) -> str:
        return cut(self.what)


class Misconfigured(OpenRelayError):
    """The configuration cannot work; nothing was sent."""


class NoCredential(Misconfigured):
    """No key is configured anywhere."""


class ApiError(OpenRelayError):
    """The API answered with an error.

    status: the HTTP status. code: the API's `code`, None where it gave none. message: the API's own
    sentence. retry_after: seconds that the API asked to wait, None where it did not ask.
    """

    def __init__(
        self,
        what: str,
        advice: str | None = None,
        *,
        status: int,
        code: str | None = None,
        message: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(what, advice)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after


class Unauthorized(ApiError):
    """401: no key, or a key that is wrong, revoked or expired."""


class PaymentRequired(ApiError):
    """402: the balance does not cover it."""


class Forbidden(ApiError):
    """403: the key lacks a permission, or the organization or account is restricted."""


class NotFound(ApiError):
    """404: not there, or another organization's."""


class Conflict(ApiError):
    """409: the state of things is against it."""


class Rejected(ApiError):
    """400, 422 and every other 4xx: wrong for good."""


class RateLimited(ApiError):
    """429 even after waiting as often, or as long, as we are willing to."""


class NoCapacity(ApiError):
    """503 with a capacity code: nothing was made, and no outage either."""


class ServerError(ApiError):
    """Any other 5xx, after every repeat that was safe."""

    outcome_unknown = True


class Unreachable(OpenRelayError):
    """No connection: the request was never sent."""


class AnswerLost(OpenRelayError):
    """The request may have done its work; no readable answer came back. Find before repeating."""

    outcome_unknown = True


class Ambiguous(OpenRelayError):
    """What there is may be what was asked for, or another's: a person has to tell."""

    outcome_unknown = True


class Interrupted(OpenRelayError):
    """The engine asked us to stop (Ctrl-C), or is gone.

    sent: a request was under way whose answer nobody waited for.
    """

    def __init__(self, *, sent: bool = False) -> None:
        super().__init__("the operation was interrupted")
        self.outcome_unknown = sent


class Wait(OpenRelayError):
    """Waiting for a machine ended without it being ready. It exists unless it is MachineGone."""


class MachineFailed(Wait):
    """It reached a state that it does not leave by itself."""


class MachineGone(Wait):
    """It was ended by another hand while we waited."""


class TimedOut(Wait):
    """It was not ready in the time that the user, or our default, allows."""
