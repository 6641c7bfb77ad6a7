"""Many things at once, in one thread, on a clock that we turn: the same seed, the same story.

A task runs until it waits. Then the scheduler lets another one run, which one is the seed's choice;
when all wait, the clock jumps to the next moment at which one has something to do. Nothing sleeps.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

from pulumi_openrelay.emulator import SimulatedClock

MOST_SWITCHES = 200_000
A_LONG_TIME = 1e9


class Stuck(AssertionError):
    """The tasks do not come to an end."""


@dataclass(eq=False)
class Process:
    """Tasks that live and die together: one plugin."""

    name: str
    cancelled: bool = False
    dead: bool = False
    orphaned: bool = False
    """True once nobody listens to it any more, though it lives."""
    over: Event = field(default_factory=Event)
    """Set once its engine has nothing to wait for any more."""
    let_go: Callable[[], None] = lambda: None
    """Called when it is orphaned."""
    changes: list[str] = field(default_factory=list)
    """The requests it sent that were to change something."""


@dataclass(eq=False)
class Task:
    """Something that runs in turns with others."""

    process: Process
    run: greenlet
    wakes: float = 0.0
    event: Event | None = None
    error: BaseException | None = None
    ended: Event = field(default_factory=Event)

    @property
    def done(self) -> bool:
        return bool(self.run.dead)


class Scheduler:
    """Runs tasks until all are done."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.clock = SimulatedClock()
        self._main = getcurrent()
        self._tasks: dict[greenlet, Task] = {}
        self._somebody_died = False
        self._broken: Exception | None = None
        self._switches = 0

    def spawn(self, process: Process, work: Callable[[], Any]) -> Task:
        """A new task, which runs when it is chosen."""

        def run() -> None:
            try:
                work()
            except GreenletExit:
                raise
            except Exception as error:  # noqa: BLE001 - whoever waits for the task looks at it
                task.error = error
            finally:
                task.ended.set()

        # A task begun by another must not give its turns back to that one.
        task = Task(process, greenlet(run, self._main), wakes=self.clock.seconds)
        self._tasks[task.run] = task
        return task

    def wait(self, seconds: float, event: Event | None = None) -> None:
        """Let others run for so long, or until the event is set; called by a task."""
        task = self._tasks[getcurrent()]
        task.wakes = self.clock.seconds + seconds
        task.event = event
        self._main.switch()

    def kill(self, process: Process) -> None:
        """End all its tasks where they stand; called by one of them."""
        process.dead = self._somebody_died = True
        process.over.set()
        raise GreenletExit

    def orphan(self, process: Process) -> None:
        """It lives on, and nobody hears of what it does."""
        process.orphaned = True
        process.let_go()
        process.over.set()

    def stop(self, broken: Exception) -> None:
        """End everything, and have `run` raise this; called by a task."""
        self._broken = self._broken or broken
        self._somebody_died = True
        raise GreenletExit

    def join(self, tasks: list[Task]) -> None:
        """Wait until all of them are done; called by another task."""
        for task in tasks:
            while not task.done:
                self.wait(A_LONG_TIME, task.ended)

    def run(self) -> None:
        """Until every task is done."""
        tasks = self._tasks
        while tasks:
            now, soonest, ready = self.clock.seconds, float("inf"), []
            for task in tasks.values():
                event = task.event
                if task.wakes <= now or (event is not None and event.is_set()):
                    ready.append(task)
                elif task.wakes < soonest:
                    soonest = task.wakes
            if not ready:
                self.clock.seconds = soonest
                continue
            self._switches += 1
            if self._switches > MOST_SWITCHES:
                raise Stuck(f"{len(tasks)} tasks go on for ever")
            chosen = self.rng.choice(ready)
            chosen.run.switch()
            if chosen.done:
                del tasks[chosen.run]
            if self._somebody_died:
                self._bury()
        if self._broken is not None:
            raise self._broken

    def _bury(self) -> None:
        """End the tasks of dead processes; all, where the story is broken."""
        self._somebody_died = False
        for task in list(self._tasks.values()):
            if task.process.dead or self._broken is not None:
                task.run.throw(GreenletExit)
                task.ended.set()
                del self._tasks[task.run]
