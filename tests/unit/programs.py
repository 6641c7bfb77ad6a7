"""A program as the SDK runs it, with an engine that the test is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from contextvars import copy_context
from typing import Any

from google.protobuf import json_format
from pulumi.runtime import mocks, settings, stack
from pulumi.runtime.proto import resource_pb2


class Engine:
    """Makes and reads all that it is asked for, and keeps what it was told.

    made: outputs of what it makes, by name. preview: nothing made has an id yet.
    """

    def __init__(self, made: dict[str, dict[str, Any]] | None = None, *, preview: bool = False):
        self.made = made or {}
        self.preview = preview
        self.inputs: dict[str, dict[str, Any]] = {}
        self.dependencies: dict[str, list[str]] = {}
        self.outputs: list[dict[str, Any]] = []

    def run(self, program: Callable[[], Any]) -> None:
        """program: its top level."""

        def apart() -> None:
            settings.reset_options()
            settings.configure(
                mocks.MockSettings(  # type: ignore[no-untyped-call]
                    monitor=self,
                    engine=mocks.MockEngine(None),
                    project="p",
                    stack="dev",
                    dry_run=self.preview,
                    callbacks=None,
                )
            )
            # `asyncio.run` would leave the other tests without the loop that Pulumi's mocks run in.
            with closing(asyncio.new_event_loop()) as loop:
                loop.run_until_complete(asyncio.wait_for(stack.run_in_stack(program), 20))

        copy_context().run(apart)

    def GetDeploymentInfo(self, _request: object) -> Any:  # noqa: N802 - gRPC's name
        return resource_pb2.DeploymentInfo()

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - gRPC's name
        self.inputs[request.name] = json_format.MessageToDict(request.object)
        self.dependencies[request.name] = list(request.dependencies)
        answer = resource_pb2.RegisterResourceResponse(
            urn=f"urn:{request.name}", id="" if self.preview else f"{request.name}-id"
        )
        answer.object.CopyFrom(request.object)
        answer.object.update(self.made.get(request.name, {}))
        return answer

    def ReadResource(self, request: Any) -> Any:  # noqa: N802 - gRPC's name
        return resource_pb2.ReadResourceResponse(urn=f"urn:{request.name}")

    def RegisterResourceOutputs(self, request: Any) -> None:  # noqa: N802 - gRPC's name
        self.outputs.append(json_format.MessageToDict(request.outputs))

    def SignalAndWaitForShutdown(self, _request: object) -> None:  # noqa: N802 - gRPC's name
        assert self.outputs, "the engine would end without the outputs"
