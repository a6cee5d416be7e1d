# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Loading and unloading a version: all of it or nothing, drained before it is freed."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from penstock._engine import Batch, Engine, ModelPlan
from penstock.backends.interface import Instance, InstanceSpec
from penstock.errors import InternalError, InvalidArgError, NotFoundError, ServerError
from penstock.models.identity import ModelId
from penstock.serving.data_plane import DataPlane
from penstock.serving.loaded_version import LoadedVersion
from penstock.serving.loader import ModelLoader
from puppet_models import FakeBackend, FakeModel, body, echo, model_config

DIRECTORY = Path("/models/echo")
ECHO = ModelId("echo")


@pytest.fixture
def engine() -> Engine:
    return Engine(max_requests=64)


def loader_of(engine: Engine, model: FakeModel) -> ModelLoader:
    backend = FakeBackend(model)
    return ModelLoader(engine, lambda name: backend, drain_timeout_s=5.0)


class Served:
    """A published model, and a data plane to call it."""

    def __init__(self, engine: Engine, model: FakeModel, instances: int = 1) -> None:
        self.loader = loader_of(engine, model)
        config = model_config(instances=instances)
        self.version = self.loader.load_version("echo", DIRECTORY, 1, config)
        self.loader.publish(ECHO, [self.version], [])

    def close(self) -> None:
        self.loader.forget(ECHO)
        self.loader.unload_version(self.version)


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def served(engine: Engine, model: FakeModel) -> Iterator[Served]:
    made = Served(engine, model, instances=2)
    yield made
    made.close()


async def test_a_loaded_model_answers(engine: Engine, served: Served) -> None:
    data = DataPlane(engine)
    message, _ = await data.infer_http("echo", -1, body(1.5, 2.5), None)
    assert b'"data":[1.5,2.5]' in message
    data.close()


def test_each_instance_lives_on_its_own_thread(model: FakeModel, served: Served) -> None:
    threads = {instance.created_on for instance in model.instances}
    assert len(threads) == 2
    assert threading.main_thread() not in threads
    assert {thread.name for thread in threads} == {"echo_0_0", "echo_0_1"}


def test_unloading_finalizes_first_and_on_the_same_thread(engine: Engine, model: FakeModel) -> None:
    Served(engine, model, instances=2).close()
    assert model.unloaded == 1
    assert model.finalized_at_unload == [True, True]
    for instance in model.instances:
        assert instance.finalized_on is instance.created_on
        instance.created_on.join(5)
        assert not instance.created_on.is_alive()


async def test_unloading_waits_for_requests(engine: Engine) -> None:
    entered, leave = threading.Event(), threading.Event()

    def execute(batch: Batch) -> None:
        entered.set()
        assert leave.wait(10)
        echo(batch)

    model = FakeModel(execute)
    served = Served(engine, model)
    data = DataPlane(engine)
    answer = asyncio.create_task(data.infer_http("echo", -1, body(3.0), None))
    await asyncio.to_thread(entered.wait, 10)
    closing = asyncio.create_task(asyncio.to_thread(served.close))
    await asyncio.sleep(0)
    assert model.unloaded == 0
    leave.set()
    message, _ = await answer
    assert b'"data":[3.0]' in message
    await closing
    assert model.unloaded == 1
    data.close()


def test_a_version_whose_instances_have_died_is_not_ready(
    engine: Engine, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S-READY: it was READY, and nobody would have answered any more."""
    die = [threading.Event(), threading.Event()]
    told: queue.Queue[str] = queue.Queue()

    def serve(version: object, index: int, *rest: object, **more: object) -> None:
        assert die[index].wait(10)
        raise MemoryError("no room")

    monkeypatch.setattr("penstock.serving.instances.serve_batches", serve)
    served = Served(engine, model, instances=2)
    served.loader.on_change = lambda: told.put(served.version.problem)
    die[0].set()
    served.version.instances[0].join(10)
    assert served.version.problem == "" and told.empty()
    die[1].set()
    assert told.get(timeout=10) == "instance 'echo_0_1' has died: MemoryError: no room"
    assert served.version.problem == "instance 'echo_0_1' has died: MemoryError: no room"
    served.close()


@pytest.mark.parametrize(
    ("error", "raised", "text"),
    [
        (InvalidArgError("bad weights"), InvalidArgError, "bad weights"),
        (RuntimeError("bad weights"), InternalError, "failed to create instance 'echo_0_1'"),
        (SystemExit(3), InternalError, "failed to create instance 'echo_0_1'"),
    ],
)
def test_an_instance_that_fails_leaves_nothing(
    engine: Engine, error: BaseException, raised: type[ServerError], text: str
) -> None:
    class Failing(FakeModel):
        def create_instance(self, spec: InstanceSpec, plan: ModelPlan) -> Instance:
            if spec.index == 1:
                raise error
            made = super().create_instance(spec, plan)
            assert isinstance(made, Instance)
            return made

    model = Failing()
    with pytest.raises(raised, match=text):
        loader_of(engine, model).load_version("echo", DIRECTORY, 1, model_config(instances=2))
    assert model.unloaded == 1
    assert model.finalized_at_unload == [True]


def test_completion_changes_the_configuration(engine: Engine) -> None:
    backend = FakeBackend(FakeModel())
    settings = {"threads": "2"}
    loader = ModelLoader(engine, lambda name: backend, backend_settings=lambda name: settings)
    config = loader.complete("echo", DIRECTORY, 7, model_config(), max_batch_size_set=True)
    assert config.max_batch_size == 4
    context = backend.contexts[0]
    assert (context.name, context.version, context.model_dir) == ("echo", 7, DIRECTORY)
    assert context.max_batch_size_set
    assert context.backend_config == settings
    assert context.cpu_share >= 1


def test_what_is_published_is_what_requests_find(engine: Engine, model: FakeModel) -> None:
    loader = loader_of(engine, model)
    config = model_config()
    first = loader.load_version("echo", DIRECTORY, 1, config)
    second = loader.load_version("echo", DIRECTORY, 2, config)
    assert loader.published("echo") == ()
    with pytest.raises(InvalidArgError, match="is not found"):
        engine.find("echo")

    loader.publish(ECHO, [second, first], [])
    assert engine.find("echo").version == 2
    assert [version.version for version in loader.published("echo")] == [1, 2]
    assert loader.all_published() == [first, second]
    assert first.load_seconds >= 0

    loader.publish(ECHO, [first], [2])
    assert engine.find("echo").version == 1
    loader.unload_version(second)
    loader.publish(ECHO, [], [])
    with pytest.raises(NotFoundError, match="has no available versions"):
        engine.find("echo")
    loader.unload_version(first)
    loader.forget(ECHO)
    assert loader.all_published() == []


def test_an_unload_that_raises_is_only_logged(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(FakeModel):
        def unload(self) -> None:
            raise RuntimeError("cannot let go")

    Served(engine, Failing()).close()
    assert "failed to unload model 'echo' version 1 cleanly" in caplog.text


def test_an_instance_that_never_returns_does_not_block_for_ever(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    leave = threading.Event()

    class Stuck(FakeModel):
        def create_instance(self, spec: InstanceSpec, plan: ModelPlan) -> Instance:
            made = super().create_instance(spec, plan)
            assert isinstance(made, Instance)
            made.finalize = lambda: leave.wait(10) and None  # type: ignore[method-assign]
            return made

    backend = FakeBackend(Stuck())
    loader = ModelLoader(engine, lambda name: backend, drain_timeout_s=0.05)
    version: LoadedVersion = loader.load_version("echo", DIRECTORY, 1, model_config())
    loader.unload_version(version)
    assert "did not end in time" in caplog.text
    leave.set()
    for instance in version.instances:
        assert instance.join(10)


async def test_answers_are_bit_exact_under_load(engine: Engine, served: Served) -> None:
    data = DataPlane(engine)
    values = np.random.default_rng(1).standard_normal(40).astype(np.float32)
    replies = await asyncio.gather(
        *(data.infer_http("echo", -1, body(float(value)), None) for value in values)
    )
    for value, (message, _) in zip(values, replies, strict=True):
        text = message.split(b'"data":[')[1].split(b"]")[0]
        assert np.float32(text.decode()) == value
    data.close()
