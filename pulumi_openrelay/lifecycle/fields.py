"""What a resource may say of each of its properties.

    class Vm(Resource, ...):
        gpu_model_id: In[str | None] = replaces(default=None)      # a change needs a new one
        public: In[bool | None] = updates(default=None)            # a change is one API call
        wait_for: In[Literal["running"] | None] = setting(default=None)  # ours alone
        status: Out[str] = output()                                # the API's answer

The annotation is the type in the program: `In[T]` is given as `Input[T]` and read as `Output[T]`,
`InList` and `InMap` take inputs for their elements too; `InListOrNone` and `InMapOrNone` are those
that are None where the program leaves them out. What stands behind it says what a change of the
property does; a property that is silent on that, or on that it may be None, fails at import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import GenericAlias, NoneType
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    Self,
    TypeVar,
    get_args,
    get_origin,
    overload,
)

if TYPE_CHECKING:
    import pulumi

T = TypeVar("T")

# What the lifecycle keeps beside the properties. Pulumi shows no property that begins with two
# underscores, in no diff and to no policy.
OWNER = "__owner"
"""The id of the stack's owner: an input of everything that a program makes."""
MADE = "__made"
"""An output: a mark of the create that made it."""
READY = "__ready"
"""An output: whether the last create or update reached what the program waits for."""
TIMEOUT = "__timeout"
"""An output of one that is not ready: the seconds that the program gave its create. The update that
goes on with it is told of none."""
UNANSWERED = "__unanswered"
"""An output of one that is not ready: the path and the body of a request whose answer was lost."""
SERVED = "__served"
"""An output: whether any has: from then on, a machine's disk may hold data."""
LEFT = "__left"
"""An output: the ids of what is to be ended once it is as the program wants it; an update that goes
on with a create does that."""
WAS = "__was"
"""An output: the ids of what this resource was before, and of what else a state may have recorded
of it: whatever a program retains on delete is never taken for what a killed create has left."""
NAME = "__name"
"""An input: the generated name of a thing whose kind has no `name`, or which another hand has
renamed."""
ORGANIZATION = "__organization"
"""An output: the id of the organization whose it is, where the service has organizations."""
BEFORE = "__before"
"""An output: how a setting of the account was found, which a delete restores."""


class Deferred:
    """Stands for the value of a property until somebody reads it."""

    def read(self) -> Any:
        """The value itself."""
        raise NotImplementedError


class Role(Enum):
    """What a change of the property does."""

    REPLACES = "replaces"
    UPDATES = "updates"
    SETTING = "setting"
    OUTPUT = "output"


def equal(old: Any, new: Any) -> bool:
    """The default of `same`."""
    return bool(old == new)


def same_set(old: list[str], new: list[str]) -> bool:
    """Whether two lists hold the same, in whatever order and however often."""
    return set(old) == set(new)


def blank_element(values: list[str]) -> str | None:
    """The `problem` of a list in which a blank text means nothing."""
    blank = next((place for place, value in enumerate(values) if not value.strip()), None)
    return None if blank is None else f"should not be blank (element {blank})"


@dataclass(frozen=True, slots=True)
class Limits:
    """What pydantic checks beside the type. None: no limit."""

    ge: int | None = None
    le: int | None = None
    min_length: int | None = None
    max_length: int | None = None

    def given(self) -> dict[str, Any]:
        """The limits that are set, by pydantic's names."""
        named = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(slots=True)
class Field:
    """One property: its name in Python and on the wire, and what a change of it does.

    secret: a Pulumi secret end to end. required: the program must give it. readable: the API gives
    it back, so that drift shows and imports know it. listed: only the list tells it, not the
    detail. in_create: the create request takes it; one that it does not take is set by the same
    calls that update it, or, where a change needs a new one, by none. absent: what leaving it out
    means, where that is a plain value; None: the API chooses. same: whether an old and a new value
    mean the same. shape: the type of its values. replaces_when: for a property that changes in
    place in one direction only. problem: a reason why a value is no good, or None. free_text: the
    API may repeat in it what it was given.
    """

    role: Role
    required: bool = False
    secret: bool = False
    readable: bool = True
    listed: bool = False
    in_create: bool = True
    absent: Any = None
    free_text: bool = False
    wire: str = ""
    limits: Limits = field(default_factory=Limits)
    same: Callable[[Any, Any], bool] = equal
    replaces_when: Callable[[Any, Any], bool] | None = None
    problem: Callable[[Any], str | None] | None = None
    name: str = ""
    shape: Any = None

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Any: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None:
            return self
        value = instance.__dict__[self.name]
        return value.read() if isinstance(value, Deferred) else value

    def __set__(self, instance: object, value: object) -> None:
        raise AttributeError(f"{self.name} is set by the engine alone")

    @property
    def is_input(self) -> bool:
        return self.role is not Role.OUTPUT


# The `default` of the specifiers below speaks to type checkers alone: it makes the argument
# optional. A program that leaves a property out sends nothing, so that a default of ours never
# becomes a diff.


def replaces(
    *,
    default: None = ...,  # type: ignore[assignment]
    secret: bool = False,
    readable: bool = True,
    in_create: bool = True,
    wire: str = "",
    absent: Any = None,
    same: Callable[[Any, Any], bool] = equal,
    problem: Callable[[Any], str | None] | None = None,
    **limits: Any,
) -> Any:
    """A property whose change needs a new one. Without `default` it must be given."""
    return Field(
        Role.REPLACES,
        required=default is ...,
        secret=secret,
        readable=readable,
        in_create=in_create,
        wire=wire,
        absent=absent,
        same=same,
        problem=problem,
        limits=Limits(**limits),
    )


def updates(
    *,
    default: None = ...,  # type: ignore[assignment]
    secret: bool = False,
    readable: bool = True,
    in_create: bool = True,
    wire: str = "",
    absent: Any = None,
    same: Callable[[Any, Any], bool] = equal,
    replaces_when: Callable[[Any, Any], bool] | None = None,
    problem: Callable[[Any], str | None] | None = None,
    **limits: Any,
) -> Any:
    """A property that changes in place, by the methods of its Kind marked `@in_place`."""
    return Field(
        Role.UPDATES,
        required=default is ...,
        secret=secret,
        readable=readable,
        in_create=in_create,
        wire=wire,
        absent=absent,
        same=same,
        replaces_when=replaces_when,
        problem=problem,
        limits=Limits(**limits),
    )


def setting(
    *,
    default: None = ...,  # type: ignore[assignment]
    absent: Any = None,
    problem: Callable[[Any], str | None] | None = None,
    **limits: Any,
) -> Any:
    """A property of ours, that the API never sees: a change makes no request."""
    return Field(
        Role.SETTING,
        required=default is ...,
        readable=False,
        in_create=False,
        absent=absent,
        problem=problem,
        limits=Limits(**limits),
    )


def output(
    *,
    secret: bool = False,
    readable: bool = True,
    listed: bool = False,
    free_text: bool = False,
    init: Literal[False] = False,
) -> Any:
    """A property that the API answers with; where it is not readable, the lifecycle puts it there.

    free_text: in which the API may repeat what it was given; no secret of it is recorded.

    `init` speaks to type checkers.
    """
    del init
    return Field(
        Role.OUTPUT,
        secret=secret,
        readable=readable,
        listed=listed,
        free_text=free_text,
        in_create=False,
    )


class _Typed(Generic[T]):
    """What type checkers see of a property; at run time a Field stands in its place."""

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type) -> Field: ...
        @overload
        def __get__(self, instance: object, owner: type) -> pulumi.Output[T]: ...
        def __get__(self, instance: object | None, owner: type) -> Any: ...


class In(_Typed[T]):
    """An input of type T, readable as an output."""

    if TYPE_CHECKING:

        def __set__(self, instance: object, value: pulumi.Input[T]) -> None: ...


class InList(_Typed[Sequence[T]]):
    """A list whose elements may be outputs of other resources."""

    if TYPE_CHECKING:

        def __set__(
            self,
            instance: object,
            value: pulumi.Input[Sequence[pulumi.Input[T]]] | pulumi.Input[Sequence[T]] | None,
        ) -> None: ...


class InListOrNone(_Typed[Sequence[T] | None]):
    """The same, None where the program leaves it out."""

    if TYPE_CHECKING:

        def __set__(
            self,
            instance: object,
            value: pulumi.Input[Sequence[pulumi.Input[T]] | None]
            | pulumi.Input[Sequence[T] | None],
        ) -> None: ...


class InMap(_Typed[Mapping[str, T]]):
    """A map whose values may be outputs of other resources."""

    if TYPE_CHECKING:

        def __set__(
            self,
            instance: object,
            value: pulumi.Input[Mapping[str, pulumi.Input[T]]]
            | pulumi.Input[Mapping[str, T]]
            | None,
        ) -> None: ...


class InMapOrNone(_Typed[Mapping[str, T] | None]):
    """The same, None where the program leaves it out."""

    if TYPE_CHECKING:

        def __set__(
            self,
            instance: object,
            value: pulumi.Input[Mapping[str, pulumi.Input[T]] | None]
            | pulumi.Input[Mapping[str, T] | None],
        ) -> None: ...


class Out(_Typed[T]):
    """An output of type T, None where the API does not say."""


INPUTS = (In, InList, InListOrNone, InMap, InMapOrNone)
"""What annotates a property that a program may give."""


def may_be_none(annotation: Any) -> bool:
    """Whether the type in the program has None in it."""
    (inner,) = get_args(annotation)
    either = get_origin(annotation) in (InListOrNone, InMapOrNone)
    return either or inner is Any or NoneType in get_args(inner)


def shape(annotation: Any) -> Any:
    """The type of a property's values, from its annotation: `int | None` for `In[int | None]`; of a
    list or a map the one that it has where it is not None."""
    (inner,) = get_args(annotation)
    if get_origin(annotation) in (InList, InListOrNone):
        return GenericAlias(Sequence, (inner,))
    if get_origin(annotation) in (InMap, InMapOrNone):
        return GenericAlias(Mapping, (str, inner))
    return inner
