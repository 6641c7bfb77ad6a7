"""What every kind does on a good day: made, left alone, changed as little as possible, ended."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pulumi_openrelay.lifecycle.fields import Role

from .examples import EXAMPLES
from .support import (
    KINDS,
    NAME,
    SETTINGS,
    THINGS,
    TOKENS,
    OperationFailed,
    Stack,
    program,
    resolved,
)

ADOPTING = [token for token in THINGS if "adopt" in KINDS[token].fields]


def each(sort: str) -> list[tuple[str, str]]:
    """Each kind with each of its inputs of one sort."""
    return [(token, name) for token in TOKENS for name in getattr(EXAMPLES[token], sort)]


@pytest.mark.parametrize("least", [False, True], ids=["whole", "least"])
@pytest.mark.parametrize("token", TOKENS)
class TestMade:
    def test_one_up_makes_exactly_one(self, token: str, least: bool) -> None:
        stack = Stack(token)
        stack.up(program(token, least=least))
        assert len(stack.recorded()) == 1
        stack.assert_nothing_lost()

    def test_a_second_up_sends_nothing(self, token: str, least: bool) -> None:
        stack = Stack(token)
        stack.up(program(token, least=least))
        stack.up(program(token, least=least))
        assert stack.sent == 0

    def test_a_refresh_finds_nothing_to_change(self, token: str, least: bool) -> None:
        stack = Stack(token)
        stack.up(program(token, least=least))
        inputs, outputs = dict(stack.record().inputs), dict(stack.record().outputs)
        stack.scheduler.clock.advance(600)
        assert stack.refresh() == []
        assert stack.record().inputs == inputs
        stack.up(program(token, least=least))
        assert stack.sent == 0
        assert stack.record().outputs.keys() >= outputs.keys()

    def test_outputs_echo_every_input(self, token: str, least: bool) -> None:
        stack = Stack(token)
        stack.up(program(token, least=least))
        record = stack.record()
        assert {name: record.outputs.get(name) for name in record.inputs} == record.inputs
        asked = resolved(stack, program(token, least=least))[NAME].inputs
        assert {name: record.inputs.get(name) for name in asked} == asked

    def test_every_output_that_the_api_always_gives_is_there(self, token: str, least: bool) -> None:
        stack = Stack(token)
        stack.up(program(token, least=least))
        outputs = stack.record().outputs
        always = [
            field.name
            for field in KINDS[token].fields.values()
            if field.role is Role.OUTPUT and type(None) not in getattr(field.shape, "__args__", ())
        ]
        assert [name for name in always if name not in outputs] == []

    def test_destroy_ends_it_and_leaves_nothing(self, token: str, least: bool) -> None:
        stack = Stack(token)
        stack.up(program(token, least=least))
        stack.destroy()
        assert stack.engine.state == []
        stack.assert_nothing_lost()

    def test_a_delete_can_be_repeated(self, token: str, least: bool) -> None:
        """As after a kill between the delete and its record."""
        stack = Stack(token)
        stack.up(program(token, least=least))
        before = list(stack.engine.state)
        stack.destroy()
        stack.engine.state[:] = before
        stack.destroy()
        assert stack.engine.state == []
        stack.assert_nothing_lost()


@pytest.mark.parametrize("token", TOKENS)
def test_it_is_made_by_its_own_calls_alone(token: str) -> None:
    stack = Stack(token)
    calls = stack.up(program(token))
    assert calls[len(EXAMPLES[token].needs) :] == list(EXAMPLES[token].made)


@pytest.mark.parametrize(("token", "name"), each("alike"))
def test_what_only_says_the_same_in_another_way_changes_nothing(token: str, name: str) -> None:
    stack = Stack(token)
    stack.up(program(token))
    made = stack.record().id
    assert stack.up(program(token, **{name: EXAMPLES[token].alike[name]})) == []
    assert stack.asked == []
    assert stack.record().id == made
    assert stack.refresh() == []
    assert stack.up(program(token)) == []


@pytest.mark.parametrize("least", [False, True], ids=["whole", "least"])
@pytest.mark.parametrize("token", THINGS)
def test_two_stacks_of_one_program_never_share_one(token: str, least: bool) -> None:
    """The second has its own, or, where the API allows only one, an error and nothing."""
    mine = Stack(token, "mine")
    theirs = Stack(token, "theirs", beside=mine)
    mine.up(program(token, least=least))
    # What it needs is the organization's, and both use the same.
    same = resolved(mine, program(token, least=least))
    try:
        theirs.up(same)
    except OperationFailed:
        assert theirs.engine.state == []
    assert mine.recorded().isdisjoint(theirs.recorded())
    assert mine.alive() == mine.recorded() | theirs.recorded()
    theirs.destroy()
    mine.assert_nothing_lost()


@pytest.mark.parametrize("token", ADOPTING)
class TestTwoRecordsOfOneThing:
    @pytest.mark.parametrize("called", ["renamed", "team::renamed"])
    def test_a_renamed_resource_that_adopts_the_same_thing_keeps_it(
        self, token: str, called: str
    ) -> None:
        stack = Stack(token)
        stack.up(program(token, name="chosen"))
        made = stack.record().id
        renamed = program(token, name="chosen", adopt=True)
        renamed[called] = renamed.pop(NAME)
        stack.up(renamed)
        assert stack.record(called).id == made
        assert stack.recorded() == stack.alive() == {made}
        assert any(f"{made} is not ended, because another" in w for w in stack.engine.warnings)

    def test_the_last_of_them_to_be_deleted_ends_it(self, token: str) -> None:
        stack = Stack(token)
        stack.up(program(token))
        stack.engine.state.append(replace(stack.record(), name="copy"))
        stack.refresh()
        stack.destroy()
        assert stack.alive() == set()


@pytest.mark.parametrize("token", SETTINGS)
def test_a_setting_of_the_account_is_as_it_was_when_its_resource_is_gone(token: str) -> None:
    for name, update in EXAMPLES[token].updates.items():
        if update.drift is None:
            continue  # the API has no word for what it was
        stack = Stack(token)
        found = stack.seen(update.drift)
        stack.up(program(token))
        assert stack.seen(update.drift) != found
        stack.up(program(token, **{name: update.to}))
        stack.destroy()
        assert stack.seen(update.drift) == found


@pytest.mark.parametrize(("token", "name"), each("updates"))
class TestChangedInPlace:
    def changed(self, token: str, name: str) -> dict[str, Any]:
        update = EXAMPLES[token].updates[name]
        return {name: update.to, **update.beside}

    def test_it_is_changed_by_its_own_calls_alone(self, token: str, name: str) -> None:
        stack = Stack(token)
        stack.up(program(token))
        made = stack.record().id
        calls = stack.up(program(token, **self.changed(token, name)))
        assert calls == list(EXAMPLES[token].updates[name].calls)
        assert stack.record().id == made
        stack.assert_nothing_lost()

    def test_the_change_is_recorded_and_not_made_again(self, token: str, name: str) -> None:
        stack = Stack(token)
        stack.up(program(token))
        changed = program(token, **self.changed(token, name))
        stack.up(changed)
        wanted = resolved(stack, changed)[NAME].inputs[name]
        assert stack.record().inputs[name] == wanted
        assert stack.record().outputs[name] == wanted
        stack.up(changed)
        assert stack.sent == 0
        assert stack.refresh() == []
        stack.up(changed)
        assert stack.sent == 0

    def test_it_can_be_changed_back(self, token: str, name: str) -> None:
        stack = Stack(token)
        stack.up(program(token))
        made, before = stack.record().id, stack.record().inputs[name]
        stack.up(program(token, **self.changed(token, name)))
        stack.up(program(token))
        stack.refresh()
        assert stack.record().outputs[name] == before
        one_way = KINDS[token].fields[name].replaces_when is not None
        assert (stack.record().id == made) != one_way
        stack.assert_nothing_lost()

    def test_one_that_is_made_with_it_needs_no_replacement(self, token: str, name: str) -> None:
        """What the create does not take is set right after it."""
        stack = Stack(token)
        changed = program(token, **self.changed(token, name))
        stack.up(changed)
        stack.refresh()
        stack.up(changed)
        assert stack.sent == 0
        stack.assert_nothing_lost()


@pytest.mark.parametrize(
    ("token", "name"), [(t, n) for t, n in each("replaces") if n not in EXAMPLES[t].not_emulated]
)
def test_a_replacing_input_makes_a_new_one_and_ends_the_old(token: str, name: str) -> None:
    other = EXAMPLES[token].replaces[name]
    stack = Stack(token)
    stack.up(program(token))
    old = stack.record().id
    changed = program(token, **{name: other.to, **other.beside})
    stack.up(changed)
    assert stack.record().id != old
    assert old not in stack.alive()
    stack.assert_nothing_lost()
    stack.up(changed)
    assert stack.sent == 0


@pytest.mark.parametrize(("token", "name"), each("replaces"))
def test_preview_names_the_input_that_replaces_and_no_other(token: str, name: str) -> None:
    other = EXAMPLES[token].replaces[name]
    stack = Stack(token)
    stack.up(program(token))
    record = stack.record()
    news = resolved(stack, program(token, **{name: other.to, **other.beside}))[NAME].inputs

    def preview() -> list[str]:
        life, _ = stack.life()
        changes, _ = life.diff(record.id, dict(record.inputs), dict(record.outputs), dict(news))
        return changes.replaces

    stack.world.log.clear()
    replaces = stack.run(preview)
    assert name in replaces
    assert set(replaces) <= {name, *other.beside}
    assert {entry.method for entry in stack.world.log.entries} <= {"GET"}


@pytest.mark.parametrize(("token", "name"), each("settings"))
def test_a_setting_of_ours_changes_without_a_request(token: str, name: str) -> None:
    stack = Stack(token)
    stack.up(program(token))
    changed = program(token, **{name: EXAMPLES[token].settings[name]})
    stack.up(changed)
    assert stack.asked == []
    assert stack.record().inputs[name] == EXAMPLES[token].settings[name]
    assert stack.record().outputs[name] == EXAMPLES[token].settings[name]
    stack.up(program(token))
    assert stack.asked == []
    assert name not in stack.record().inputs


@pytest.mark.parametrize("token", THINGS)
def test_what_ignores_all_changes_of_the_program_stays_as_it_is_recorded(token: str) -> None:
    """With `ignore_changes=["*"]` the engine gives check all that is recorded, as the news."""
    stack = Stack(token)
    stack.up(program(token, least=True, name=None))
    stack.refresh()

    def again() -> tuple[Any, ...]:
        life, _ = stack.life()
        record = stack.record()
        inputs, problems = life.check(dict(record.inputs), dict(record.inputs))
        changes, _ = life.diff(record.id, record.inputs, record.outputs, inputs)
        return problems, inputs == record.inputs, bool(changes)

    assert stack.run(again) == ([], True, False)
