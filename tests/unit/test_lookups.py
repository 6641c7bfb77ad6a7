"""The ids of GPU models, as each configuration's own API tells them."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from pulumi_openrelay import gpu_model_id
from pulumi_openrelay.emulator import ServedWorld, serve
from pulumi_openrelay.emulator.hardware import GPU_MODELS

MODEL = next(iter(GPU_MODELS.values()))


def use(cloud: ServedWorld, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("OPENRELAY_API_URL", cloud.url)
    patch.setenv("OPENRELAY_API_KEY", cloud.key)


def asked(cloud: ServedWorld) -> int:
    return [entry.path for entry in cloud.world.log.entries].count("/v1/gpu-models")


def test_a_configuration_is_asked_once_for_all_models(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as cloud:
        use(cloud, monkeypatch)
        for each in GPU_MODELS.values():
            assert gpu_model_id(f" {each.name.upper()} ") == each.id
        assert asked(cloud) == 1


def test_no_configuration_is_told_what_another_has(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as first, serve() as second:
        use(first, monkeypatch)
        gpu_model_id(MODEL.name)
        use(second, monkeypatch)
        gpu_model_id(MODEL.name)
        assert (asked(first), asked(second)) == (1, 1)


def test_a_model_that_comes_later_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as cloud:
        use(cloud, monkeypatch)
        with monkeypatch.context() as before:
            before.delitem(GPU_MODELS, MODEL.id)
            with pytest.raises(pulumi.RunError, match=f"there is no GPU model '{MODEL.name}'"):
                gpu_model_id(MODEL.name)
        assert gpu_model_id(MODEL.name) == MODEL.id


def test_what_is_no_name_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Any = None
    with serve() as cloud:
        use(cloud, monkeypatch)
        with pytest.raises(pulumi.RunError, match=r"^there is no GPU model None; there are A100"):
            gpu_model_id(nothing)


def test_a_catalog_that_cannot_be_read_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as cloud:
        use(cloud, monkeypatch)
        monkeypatch.setenv("OPENRELAY_API_KEY", "or_another")
        with pytest.raises(pulumi.RunError, match="the GPU models cannot be read: "):
            gpu_model_id(MODEL.name)
