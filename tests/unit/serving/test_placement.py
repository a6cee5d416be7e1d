# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Where instances run, and those that only wait: GPUs, host policies, passive groups (2.5)."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

import pytest
from google.protobuf import text_format
from penstock._engine import Engine, ModelPlan, NativeInstance, make_identity_instance
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.backends.interface import Instance, InstanceSpec, ModelContext
from penstock.config.normalise import normalise, normalise_instance_groups
from penstock.devices.gpus import NO_GPUS, Gpu, Gpus
from penstock.errors import InternalError
from penstock.models.identity import ModelId
from penstock.serving.data_plane import DataPlane
from penstock.serving.loaded_version import LoadedVersion
from penstock.serving.loader import ModelLoader
from puppet_models import RecordingInstance, body, echo

DIRECTORY = Path("/models/echo")
MACHINE = Gpus((Gpu(0, "A", "GPU-0", 1, (9, 0)), Gpu(1, "B", "GPU-1", 1, (9, 0))))
CORES = tuple(sorted(os.sched_getaffinity(0)))


class PlacedModel:
    """Remembers the specs, and the cores that each thread could run on."""

    def __init__(self, *, native: bool = False) -> None:
        self.native = native
        self.specs: dict[str, InstanceSpec] = {}
        self.cores: dict[str, tuple[int, ...]] = {}
        self.instances: dict[str, RecordingInstance] = {}
        self.contexts: list[ModelContext] = []

    def prefers_gpus(self) -> bool:
        return True

    def auto_complete(self, context: ModelContext) -> None:
        raise AssertionError("not called")

    def load(self, context: ModelContext) -> PlacedModel:
        self.contexts.append(context)
        return self

    def create_instance(self, spec: InstanceSpec, plan: ModelPlan) -> Instance | NativeInstance:
        self.specs[spec.name] = spec
        self.cores[spec.name] = tuple(sorted(os.sched_getaffinity(0)))
        if self.native:
            return make_identity_instance()
        self.instances[spec.name] = RecordingInstance(echo)
        return self.instances[spec.name]

    def unload(self) -> None:
        pass


class Placed:
    """A published model."""

    def __init__(
        self,
        model: PlacedModel,
        groups: str,
        *,
        gpus: Gpus = NO_GPUS,
        policies: dict[str, tuple[int, ...]] | None = None,
    ) -> None:
        tensor = "data_type: TYPE_FP32 dims: [ -1 ]"
        text = f"""name: "echo" backend: "test" {groups}
            input {{ name: "INPUT0" {tensor} }} output {{ name: "OUTPUT0" {tensor} }}"""
        config = text_format.Parse(text, ModelConfig())
        normalise(config)
        self.engine = Engine(max_requests=64)
        self.searches = 0
        self.loader = ModelLoader(
            self.engine,
            lambda name: model,
            find_gpus=lambda: self._search(gpus),
            host_policies=policies or {},
            drain_timeout_s=5.0,
        )
        prefers = self.loader.prefers_gpus("test")
        normalise_instance_groups(config, self.loader.find_gpus(), prefers_gpus=prefers)
        self.version: LoadedVersion = self.loader.load_version("echo", DIRECTORY, 1, config)
        self.loader.publish(ModelId("echo"), [self.version], [])

    def _search(self, gpus: Gpus) -> Gpus:
        self.searches += 1
        return gpus

    def close(self) -> None:
        self.loader.forget(ModelId("echo"))
        self.loader.unload_version(self.version)


def threads_with_cores(name: str) -> list[str]:
    """Cpus_allowed_list of this process's threads of a name."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # it has just ended
            if (task / "comm").read_text().strip() == name:
                lines = (task / "status").read_text().splitlines()
                found += [line.split()[1] for line in lines if line.startswith("Cpus_allowed_list")]
    return found


def started_threads(name: str, count: int) -> list[str]:
    """As threads_with_cores(), once there are so many: a thread that runs takes its name."""
    deadline = time.monotonic() + 10
    while len(found := threads_with_cores(name)) < count and time.monotonic() < deadline:
        time.sleep(0.001)
    return found


def test_instances_on_gpus_have_their_device() -> None:
    model = PlacedModel()
    placed = Placed(model, 'instance_group { name: "g" count: 2 }', gpus=MACHINE)
    devices = {name: (spec.kind, spec.device_id) for name, spec in model.specs.items()}
    assert devices == {
        "g_0": ("GPU", 0),
        "g_1": ("GPU", 1),
        "g_2": ("GPU", 0),
        "g_3": ("GPU", 1),
    }
    assert model.contexts[0].gpus is MACHINE
    assert placed.searches == 1
    placed.close()


def test_a_machine_without_gpus() -> None:
    model = PlacedModel()
    placed = Placed(model, "")
    assert {spec.kind for spec in model.specs.values()} == {"CPU"}
    placed.close()


@pytest.mark.parametrize("policy", ["cpu", "near"])
async def test_a_python_instance_runs_on_the_cores_of_its_policy(policy: str) -> None:
    model = PlacedModel()
    group = "" if policy == "cpu" else 'host_policy: "near"'
    policies = {policy: CORES[-1:], "other": CORES[:1]}
    placed = Placed(model, f"instance_group {{ kind: KIND_CPU {group} }}", policies=policies)
    assert model.cores == {"echo_0_0": CORES[-1:]}
    assert os.sched_getaffinity(0) == set(CORES)  # nobody else is bound
    placed.close()


async def test_a_native_instance_runs_there_too() -> None:
    """The core's thread has the cores of the thread that starts it."""
    model = PlacedModel(native=True)
    placed = Placed(
        model, "instance_group { kind: KIND_CPU count: 2 }", policies={"cpu": CORES[:1]}
    )
    assert started_threads("echo", 2) == [str(CORES[0])] * 2
    data = DataPlane(placed.engine)
    message, _ = await data.infer_http("echo", -1, body(1.5), None)
    assert b'"data":[1.5]' in message
    data.close()
    placed.close()
    assert threads_with_cores("echo") == []


def test_cores_that_have_gone_fail_the_load() -> None:
    with pytest.raises(InternalError) as caught:
        Placed(PlacedModel(), "instance_group { kind: KIND_CPU }", policies={"cpu": (4095,)})
    assert caught.value.message == (
        "instance 'echo_0_0' cannot be bound to the cores [4095] of its host policy 'cpu': "
        "Invalid argument"
    )


@pytest.mark.parametrize("native", [False, True])
async def test_passive_instances_are_made_and_get_nothing(native: bool) -> None:
    """C-15; they end with the model, on their own thread."""
    model = PlacedModel(native=native)
    groups = (
        'instance_group { name: "idle" kind: KIND_CPU passive: true } '
        'instance_group { name: "busy" kind: KIND_CPU }'
    )
    before = threading.active_count()
    placed = Placed(model, groups)
    assert {name: spec.index for name, spec in model.specs.items()} == {"idle_0": -1, "busy_0": 0}
    data = DataPlane(placed.engine)
    for value in range(8):
        await data.infer_http("echo", -1, body(float(value)), None)
    data.close()
    assert placed.version.model.statistics()["inference_count"] == 8
    placed.close()
    assert threading.active_count() == before
    for instance in model.instances.values():
        assert instance.finalized_on is instance.created_on
