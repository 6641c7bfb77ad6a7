"""A declaration that leaves something open fails when it is imported, with a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import pytest

import pulumi_openrelay.relay  # noqa: F401 - registers its kinds
from pulumi_openrelay.lifecycle.declare import (
    KINDS,
    Create,
    Delete,
    Kind,
    Listed,
    facts,
    in_place,
)
from pulumi_openrelay.lifecycle.fields import (
    In,
    InList,
    InListOrNone,
    InMap,
    InMapOrNone,
    Out,
    Role,
    output,
    replaces,
    updates,
)
from pulumi_openrelay.lifecycle.remote import Remote
from pulumi_openrelay.resource import Resource

from .boxes import BOX, Box


class TestSilence:
    def test_an_input_that_does_not_say_what_its_change_does(self) -> None:
        with pytest.raises(TypeError, match=r"Silent\.size does not say what a change of it does"):

            class Silent(Resource, module="openrelay", name="Silent"):
                size: In[int]

    def test_a_list_a_map_and_an_output_neither(self) -> None:
        for annotation in (InList[str], InListOrNone[str], InMap[str], InMapOrNone[str], Out[str]):
            with pytest.raises(TypeError, match="does not say"):
                type(
                    "Silent",
                    (Resource,),
                    {"__annotations__": {"field": annotation}, "__module__": __name__},
                    module="openrelay",
                    name="Silent",
                )

    def test_an_input_that_gives_a_default_instead(self) -> None:
        with pytest.raises(TypeError, match=r"Silent\.open does not say"):

            class Silent(Resource, module="openrelay", name="Silent"):
                open: In[bool] = False  # type: ignore[assignment]

    def test_an_output_that_claims_to_be_an_input_and_the_other_way_round(self) -> None:
        with pytest.raises(TypeError, match="go together"):

            class Confused(Resource, module="openrelay", name="Confused"):
                size: Out[int] = replaces()

        with pytest.raises(TypeError, match="go together"):

            class Mistaken(Resource, module="openrelay", name="Mistaken"):
                size: In[int] = output()

    def test_an_input_that_may_be_left_out_and_whose_type_has_no_none(self) -> None:
        """A type checker would let a program call a method of None."""
        for annotation in (In[int], InList[str], InMap[str]):
            with pytest.raises(TypeError, match=r"Silent\.field is None where it is left out"):
                type(
                    "Silent",
                    (Resource,),
                    {
                        "__annotations__": {"field": annotation},
                        "__module__": __name__,
                        "field": replaces(default=None),
                    },
                    module="openrelay",
                    name="Silent",
                )

    def test_an_update_without_the_call_that_makes_it(self) -> None:
        class Door(Resource, module="openrelay", name="TestDoor"):
            open: In[bool] = updates()

        with pytest.raises(TypeError, match=r"DoorKind: .* do not go together for open"):

            class DoorKind(Kind, resource=Door):
                noun = "door"

        assert Door.token not in KINDS

    def test_a_call_for_what_is_no_update(self) -> None:
        class Wall(Resource, module="openrelay", name="TestWall"):
            height: In[int] = replaces()

        with pytest.raises(TypeError, match=r"WallKind: .* do not go together for height, width"):

            class WallKind(Kind, resource=Wall):
                noun = "wall"

                @in_place("height", "width")
                def grow(self, wall: Remote) -> None:
                    """Never called."""

        assert Wall.token not in KINDS


class TestDeclared:
    def test_names_on_the_wire_are_the_services_own(self) -> None:
        class Window(Resource, module="openrelay", name="TestWindow"):
            pane_count_max: In[int] = replaces()
            odd: In[int] = replaces(wire="veryOdd")

        class Shutter(Resource, module="relay", name="TestShutter"):
            pane_count_max: In[int] = replaces()

        assert Window.fields["pane_count_max"].wire == "paneCountMax"
        assert Window.fields["odd"].wire == "veryOdd"
        assert Shutter.fields["pane_count_max"].wire == "pane_count_max"

    def test_what_a_base_declares_its_subclasses_have(self) -> None:
        class Base(Resource):
            size: In[int] = replaces()

        class Sub(Base, module="openrelay", name="TestSub"):
            name: In[str] = replaces()

        assert list(Sub.fields) == ["size", "name"]
        assert list(Base.fields) == ["size"]

    def test_only_what_has_no_default_is_required(self) -> None:
        assert [f.name for f in BOX.fields.values() if f.required] == ["size"]

    def test_lists_and_maps_know_the_type_of_their_elements(self) -> None:
        assert Box.fields["tags"].shape == Sequence[str]
        assert Box.fields["env"].shape == Mapping[str, str]
        assert Box.fields["size"].shape is int

    def test_pulumi_reads_the_types_of_outputs(self) -> None:
        """Without them, an int would be a float."""
        assert get_args(Box.__annotations__["size"]) == (int,)
        assert str(Box.__annotations__["size"]).startswith("pulumi.output.Output[")

    def test_a_property_is_set_by_the_engine_alone(self) -> None:
        with pytest.raises(AttributeError, match="by the engine alone"):
            Box.__new__(Box).size = 3

    def test_steps_run_in_the_order_in_which_they_stand(self) -> None:
        class Gate(Resource, module="openrelay", name="TestGate"):
            first: In[int] = updates()
            second: In[int] = updates()

        class GateKind(Kind, resource=Gate):
            noun = "gate"
            listed = Listed("/v1/gates")
            create = Create("/v1/gates/create")
            delete = Delete("DELETE", "/v1/gates/{id}")

            @in_place("second")
            def b(self, gate: Remote) -> None:
                """Never called."""

            @in_place("first", "second")
            def a(self, gate: Remote) -> None:
                """Never called."""

        del KINDS[Gate.token]
        assert [names for names, _ in GateKind.steps] == [{"second"}, {"first", "second"}]


class TestFacts:
    def test_a_row_tells_what_fits_its_type(self) -> None:
        row = {"size": 3, "name": "it", "tags": ["a"], "open": False, "status": "running"}
        assert facts(BOX, row) == row

    @pytest.mark.parametrize(
        "row",
        [
            {"tags": "a"},
            {"tags": {"a": 1}},
            {"env": ["A=1"]},
            {"size": [1]},
            {"status": {"state": "running"}},
            {"name": None},
            {"unannouncedField": {"since": "preview"}},
        ],
    )
    def test_what_does_not_fit_its_type_is_not_told(self, row: dict[str, Any]) -> None:
        """An API in preview may answer with another type than it documents."""
        assert facts(BOX, row) == {}

    def test_what_the_api_does_not_give_back_is_never_read(self) -> None:
        assert facts(BOX, {"script": "#!x", "version": 2}) == {}

    def test_objects_have_our_names_inside_and_maps_keep_theirs(self) -> None:
        vm = KINDS["openrelay:Vm"]
        row = {"gpuInfo": {"name": "H100", "vramGb": 80, "pricePerHourCents": None, "new": 1}}
        assert facts(vm, row) == {"gpu_info": {"name": "H100", "vram_gb": 80}}
        assert facts(BOX, {"env": {"someKey": "x"}}) == {"env": {"someKey": "x"}}


def test_every_role_is_one_of_four() -> None:
    """The tests of every kind go by them."""
    assert {role.name for role in Role} == {"REPLACES", "UPDATES", "SETTING", "OUTPUT"}


class Reads(dict[str, Any]):
    """Inputs that tell which of them were read."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__(given)
        self.read: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.read.add(name)
        return super().get(name, default)


@pytest.mark.parametrize("token", sorted(t for t, kind in KINDS.items() if kind.bills))
def test_a_machine_declares_every_input_that_its_price_is_made_of(token: str) -> None:
    kind = KINDS[token]
    prices = {"gpu": [{"gpuModelId": "g", "tier": "spot", "pricePerHourCents": 1}]}
    mode = {"mode": "hourly", "rate_per_period": 1, "period_seconds": 3600}
    offers = {"rows": [{"prescription": "p", "service_mode": "s", "billing_modes": [mode]}]}
    asked = {"gpu_model_id": "g", "tier": "spot", "gpu_count": 1, "gpus_per_replica": 1}
    asked |= {"replica_count": 1, "prescription": "p", "service_mode": "s"}
    inputs = Reads({**asked, "billing_mode": "hourly"})
    told = kind.foreseen(inputs, {path: {**prices, **offers} for path in kind.catalog})
    assert told["rate_cents_per_hour"] > 0
    assert inputs.read & set(kind.fields) <= kind.priced_by
