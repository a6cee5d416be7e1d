# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Instances that are added and removed while their version serves (R-25); bare names (R-4)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from penstock._engine import Engine, ModelPlan
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.backends.interface import Instance, InstanceSpec
from penstock.errors import InternalError, InvalidArgError
from penstock.models.identity import ModelId
from penstock.serving.data_plane import DataPlane
from penstock.serving.loaded_version import LoadedVersion
from penstock.serving.loader import ModelLoader
from puppet_models import FakeBackend, FakeModel, body, model_config

DIRECTORY = Path("/models/echo")
ECHO = ModelId("echo")


@pytest.fixture
def engine() -> Engine:
    return Engine(max_requests=64)


def loader_of(engine: Engine, model: FakeModel) -> ModelLoader:
    backend = FakeBackend(model)
    return ModelLoader(engine, lambda name: backend, drain_timeout_s=5.0)


async def test_instances_come_and_go_under_traffic(engine: Engine) -> None:
    model = FakeModel()
    loader = loader_of(engine, model)
    version = loader.load_version("echo", DIRECTORY, 1, model_config(instances=2))
    loader.publish(ECHO, [version], [])
    data = DataPlane(engine)
    done = asyncio.Event()

    async def traffic() -> int:
        answered = 0
        while not done.is_set():
            message, _ = await data.infer_http("echo", -1, body(1.5), None)
            assert b'"data":[1.5]' in message
            answered += 1
        return answered

    clients = [asyncio.create_task(traffic()) for _ in range(4)]
    first = list(model.instances)
    for count in (5, 1, 3, 2, 4, 1):
        config = model_config(instances=count)
        assert loader.can_update(version, config)
        version = await asyncio.to_thread(loader.update_version, version, config)
        loader.publish(ECHO, [version], [])
        alive = [one for one in model.instances if one.finalized_on is None]
        assert (len(alive), len(version.instances)) == (count, count)
        assert version.config.instance_group[0].count == count
    assert first[0].finalized_on is None  # it has been there all the time
    done.set()
    answered = sum(await asyncio.gather(*clients))
    assert version.model.statistics()["inference_count"] == answered > 0
    loader.forget(ECHO)
    await asyncio.to_thread(loader.unload_version, version)
    assert all(one.finalized_on is one.created_on for one in model.instances)
    data.close()


def test_an_instance_that_fails_changes_nothing(engine: Engine) -> None:
    class Failing(FakeModel):
        def create_instance(self, spec: InstanceSpec, plan: ModelPlan) -> Instance:
            if spec.index >= 2:
                raise RuntimeError("no memory")
            made = super().create_instance(spec, plan)
            assert isinstance(made, Instance)
            return made

    model = Failing()
    loader = loader_of(engine, model)
    version = loader.load_version("echo", DIRECTORY, 1, model_config(instances=1))
    with pytest.raises(InternalError, match="no memory"):
        loader.update_version(version, model_config(instances=3))
    assert [one.finalized_on is None for one in model.instances] == [True, False]
    loader.unload_version(version)


@pytest.mark.parametrize(
    ("extra", "added"),
    [
        ("sequence_batching {}", ""),
        ("", 'model_warmup { name: "w" batch_size: 1 inputs { key: "INPUT0" value {} } }'),
        ("", "instance_group { count: 1 kind: KIND_MODEL }"),
    ],
)
def test_what_cannot_be_updated_in_place(engine: Engine, extra: str, added: str) -> None:
    loader = loader_of(engine, FakeModel())
    version = loader.load_version("echo", DIRECTORY, 1, model_config(extra=extra))
    assert not loader.can_update(version, model_config(instances=2, extra=extra + added))
    loader.unload_version(version)


@pytest.mark.parametrize(("loaded", "wanted"), [(True, False), (False, True), (True, True)])
def test_what_the_rate_limiter_counts_is_not_updated_in_place(loaded: bool, wanted: bool) -> None:
    engine = Engine(max_requests=64, rate_limited=True)
    loader = loader_of(engine, FakeModel())
    version = loader.load_version("echo", DIRECTORY, 1, limited(1, loaded))
    assert not loader.can_update(version, limited(2, wanted))
    loader.unload_version(version)


def limited(instances: int, yes: bool) -> ModelConfig:
    """The rate limiter has a say in the instances, or has not."""
    config = model_config(instances=instances)
    if yes:
        config.instance_group[0].rate_limiter.priority = 2
    return config


def test_a_bare_name_is_one_model_or_none(engine: Engine) -> None:
    loader = loader_of(engine, FakeModel())
    ids = [ModelId("echo", "/r1"), ModelId("echo", "/r2")]
    versions: list[LoadedVersion] = []
    for model in ids:
        versions.append(
            loader.load_version("echo", DIRECTORY, 1, model_config(), namespace=model.namespace)
        )
        loader.publish(model, [versions[-1]], [])
    text = "There are 2 identifiers of model 'echo' in global map"
    for find in (engine.find, loader.published):
        with pytest.raises(InvalidArgError, match=text):
            find("echo")
    assert engine.find("/r2::echo").version == 1
    assert loader.all_published() == versions
    loader.forget(ids[0])
    assert loader.published("echo") == (versions[1],)
    assert engine.find("echo") is versions[1].model
    loader.forget(ids[1])
    with pytest.raises(InvalidArgError, match="is not found"):
        engine.find("echo")
    for version in versions:
        loader.unload_version(version)
