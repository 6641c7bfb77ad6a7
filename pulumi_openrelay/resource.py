"""What every resource is in a program: typed inputs, typed outputs, secrets that stay secret."""

from __future__ import annotations

import difflib
import inspect
from types import GenericAlias
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Self,
    dataclass_transform,
    get_origin,
)

import pulumi

from .bill import OUTPUT as RATE
from .bill import add_to_bill
from .given import not_sent, wrong_option
from .lifecycle.fields import (
    INPUTS,
    OWNER,
    Field,
    Out,
    Role,
    may_be_none,
    output,
    replaces,
    setting,
    shape,
    updates,
)
from .lifecycle.service import OPENRELAY, SERVICES, Service
from .owner import owner_of_this_stack
from .program import defer_outputs, take_many_at_once
from .provider import Provider


class NoSuchInput(pulumi.RunError, TypeError):
    """An argument that a resource does not take; Pulumi shows it as one line."""


def _speaks_of_a_property(annotation: Any, *kinds: Any) -> bool:
    return get_origin(annotation) in (kinds or (*INPUTS, Out))


def _argument(*, default: Any = ..., kw_only: bool = True) -> Any:
    """An argument of the constructor that is no property. Speaks to type checkers alone."""
    del default, kw_only


def _declared(cls: type, service: Service) -> dict[str, Field]:
    """The properties that the class itself declares, each with its type and its name in the API."""
    fields: dict[str, Field] = {}
    for name, annotation in inspect.get_annotations(cls, eval_str=True).items():
        field = cls.__dict__.get(name)
        if not isinstance(field, Field):
            if _speaks_of_a_property(annotation):
                raise TypeError(
                    f"{cls.__name__}.{name} does not say what a change of it does: give it "
                    f"replaces(), updates(), setting() or output()"
                )
            continue
        if (field.role is Role.OUTPUT) != _speaks_of_a_property(annotation, Out):
            raise TypeError(f"{cls.__name__}.{name}: output() and Out[...] go together")
        left_out = field.is_input and not field.required and field.absent is None
        if left_out and not may_be_none(annotation):
            raise TypeError(f"{cls.__name__}.{name} is None where it is left out: its type says so")
        field.shape = shape(annotation)
        field.wire = field.wire or service.wire(name)
        fields[name] = field
    return fields


@dataclass_transform(
    kw_only_default=True, field_specifiers=(replaces, updates, setting, output, _argument)
)
class _Declared(pulumi.dynamic.Resource):
    """Lets type checkers read the properties of a subclass as arguments of its constructor."""


class Resource(_Declared):
    """The base of every resource. Its arguments are the properties that a subclass declares."""

    if TYPE_CHECKING:
        resource_name: str = _argument(kw_only=False)
        opts: pulumi.ResourceOptions | None = _argument(default=None, kw_only=False)

    token: ClassVar[str]
    fields: ClassVar[dict[str, Field]]

    def __init_subclass__(cls, *, module: str = "", name: str = "", **keywords: Any) -> None:
        """module and name: what the resource's type is made of; a base of several has neither. A
        class of a program's own makes what its parent does."""
        parent = next((base for base in cls.__mro__[1:] if "token" in vars(base)), None)
        declared = _declared(cls, SERVICES.get(module, OPENRELAY))
        if parent is not None:
            if module or name or declared:
                raise pulumi.RunError(
                    f"{cls.__name__} makes what {parent.__name__} does: it has no module, name or "
                    "properties of its own"
                )
            module, _, name = cls.token.partition(":")
        super().__init_subclass__(module=module, name=name, **keywords)
        if name:
            cls.token = f"{module}:{name}"
        cls.fields = {**getattr(cls, "fields", {}), **declared}
        # For Pulumi, which reads the types of outputs here: without them, an int is a float.
        cls.__annotations__ = {
            name: GenericAlias(pulumi.Output, (field.shape,)) for name, field in cls.fields.items()
        }

    if not TYPE_CHECKING:

        def __init__(
            self,
            resource_name: str,
            opts: pulumi.ResourceOptions | None = None,
            *more: Any,
            **inputs: Any,
        ) -> None:
            self._refuse_unknown(resource_name, inputs)
            self._refuse_positional(resource_name, opts, more)
            self._refuse_import(resource_name, opts)
            self._refuse_deleted_with(resource_name, opts)
            self._refuse_what_cannot_be_sent(resource_name, opts, inputs)
            if opts is None or opts.id is None:
                inputs[OWNER] = owner_of_this_stack().id
            self._register(resource_name, inputs, opts)
            if RATE in self.fields:
                add_to_bill(resource_name, getattr(self, RATE))

    @classmethod
    def get(
        cls,
        resource_name: str,
        id: pulumi.Input[str],  # noqa: A002 - the name that every Pulumi resource uses
        opts: pulumi.ResourceOptions | None = None,
    ) -> Self:
        """An existing one by its id, read and never changed or deleted by this stack."""
        self = cls.__new__(cls)
        known = pulumi.Output.from_input(id)  # a coroutine could be awaited once alone
        options = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(id=known))
        self._register(resource_name, {}, options)
        return self

    def _register(
        self, resource_name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions | None
    ) -> None:
        take_many_at_once()
        self._is_read = opts is not None and opts.id is not None
        secret = [name for name, field in self.fields.items() if field.secret]
        # Elsewhere, the SDK makes outputs of the names that it is given.
        properties: dict[str, Any] = {} if defer_outputs(Resource) else dict.fromkeys(self.fields)
        for name, value in inputs.items():
            hides = name in secret and value is not None
            properties[name] = pulumi.Output.secret(value) if hides else value
        super().__init__(
            Provider(self.token),
            resource_name,
            properties,
            pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(additional_secret_outputs=secret)
            ),
        )
        if self._is_read and pulumi.runtime.is_dry_run():
            # The SDK takes it for unknown, as a preview's engine does not repeat it: what uses it
            # would be shown as changed. It is what the program says, once that was read.
            id_ = opts.id if opts is not None else None
            self.__dict__["id"] = self.urn.apply(lambda _: id_)

    def _refuse_positional(self, resource_name: str, opts: object, more: tuple[Any, ...]) -> None:
        """Inputs as one dict, as in other languages of Pulumi."""
        if more or not (opts is None or isinstance(opts, pulumi.ResourceOptions)):
            named = [name for name in opts if name in self.fields] if isinstance(opts, dict) else ()
            example = f", such as {named[0]}=..." if named else ""
            raise NoSuchInput(
                f"{type(self).__name__} '{resource_name}': inputs are keyword arguments{example}; "
                "only its name and opts, a pulumi.ResourceOptions, stand before them"
            )

    def _refuse_import(self, resource_name: str, opts: pulumi.ResourceOptions | None) -> None:
        """The engine would ask for it with nothing that names our provider."""
        if opts is not None and opts.import_ is not None:
            what = type(self).__name__
            raise pulumi.RunError(
                f"{what} '{resource_name}' cannot be imported by import_: run `pulumi-openrelay "
                f"import {what} {opts.import_} --name {resource_name} > it.json` and `pulumi "
                f"import --file it.json --generate-code=false`, and take import_ out of the program"
            )

    def _refuse_deleted_with(self, resource_name: str, opts: pulumi.ResourceOptions | None) -> None:
        """The engine would not ask its provider to end it. A transform may set the option after
        this, and a component's own goes for its children; reviews tell of that."""
        if opts is not None and opts.deleted_with is not None:
            raise pulumi.RunError(
                f"{type(self).__name__} '{resource_name}' cannot have deleted_with: it ends with "
                "no other resource, so that Pulumi would only forget it, and what bills would go "
                "on billing; nothing was made of it; take the option out, and each is ended by "
                "itself"
            )

    def _refuse_what_cannot_be_sent(
        self, resource_name: str, opts: pulumi.ResourceOptions | None, inputs: dict[str, Any]
    ) -> None:
        wrong = None if opts is None else wrong_option(opts)
        for name, value in inputs.items():
            wrong = wrong or not_sent(name, self.fields[name].shape, value)
        if wrong is not None:
            raise pulumi.RunError(f"{type(self).__name__} '{resource_name}': {wrong}")

    def _refuse_unknown(self, resource_name: str, inputs: dict[str, Any]) -> None:
        names = [name for name, field in self.fields.items() if field.role is not Role.OUTPUT]
        for given in inputs:
            if given not in names:
                close = difflib.get_close_matches(given, names, n=1)
                meant = f"; did you mean {close[0]}?" if close else ""
                raise NoSuchInput(
                    f"{type(self).__name__} '{resource_name}' has no input {given!r}{meant}"
                )
