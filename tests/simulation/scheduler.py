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
    tasks: list[Task] = field(default_factory=list)
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
        self._tasks: list[Task] = []
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
        process.tasks.append(task)
        self._tasks.append(task)
        return task

    def wait(self, seconds: float, event: Event | None = None) -> None:
        """Let others run for so long, or until the event is set; called by a task."""
        task = self._current()
        task.wakes = self.clock.seconds + seconds
        task.event = event
        self._main.switch()

    def kill(self, process: Process) -> None:
        """End all its tasks where they stand; called by one of them."""
        process.dead = True
        raise GreenletExit

    def join(self, tasks: list[Task]) -> None:
        """Wait until all of them are done; called by another task."""
        for task in tasks:
            while not task.done:
                self.wait(A_LONG_TIME, task.ended)

    def run(self) -> None:
        """Until every task is done."""
        while True:
            for task in self._tasks:
                if task.process.dead and not task.done:
                    task.run.throw(GreenletExit)
                    task.ended.set()
            self._tasks = [task for task in self._tasks if not task.done]
            if not self._tasks:
                return
            ready = [task for task in self._tasks if self._ready(task)]
            if not ready:
                self.clock.seconds = min(task.wakes for task in self._tasks)
                continue
            self._switches += 1
            if self._switches > MOST_SWITCHES:
                raise Stuck(f"{len(self._tasks)} tasks go on for ever")
            self.rng.choice(ready).run.switch()

    def _ready(self, task: Task) -> bool:
        rang = task.event is not None and task.event.is_set()
        return rang or task.wakes <= self.clock.seconds

    def _current(self) -> Task:
        current = getcurrent()
        return next(task for task in self._tasks if task.run is current)
