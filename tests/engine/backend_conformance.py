# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What every back end must do, run by each of them over the real engine.

A back end's test file subclasses `BackendConformance`, says which data types it has, and writes its
echo model: INPUT0, INPUT1, ... come back as OUTPUT0, OUTPUT1, ...
"""

from __future__ import annotations

import asyncio
import gc
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import pytest_asyncio
from penstock._engine import serialize_bytes
from penstock.errors import Code, ServerError
from penstock.types import NUMPY_DTYPES, DataType
from served_models import ServedModels, Wire

#: (data type, dims without the batch dimension) of each input, and of the output of its number
Tensors = Sequence[tuple[DataType, tuple[int, ...]]]

STRINGS = [b"", b"a", b"\0\0", b"\xff\xfe", "h\u00e9".encode(), b"x" * 5000]


def sample(data_type: DataType, shape: tuple[int, ...], seed: int = 0) -> Wire:
    """A tensor of arbitrary content; strings of all kinds; NaN and infinity among floats."""
    random = np.random.default_rng(seed)
    count = int(np.prod(shape))
    if data_type is DataType.BYTES:
        text = [STRINGS[i] for i in random.integers(0, len(STRINGS), count)]
        return Wire(data_type, shape, serialize_bytes(np.array(text, dtype=object)))
    if data_type is DataType.BOOL:
        return Wire(data_type, shape, random.integers(0, 2, count, np.uint8).tobytes())
    size = 2 if data_type is DataType.BF16 else np.dtype(NUMPY_DTYPES[data_type]).itemsize
    return Wire(data_type, shape, random.bytes(count * size))


class BackendConformance(ABC):
    """Subclasses are collected by pytest; this class is not."""

    backend: ClassVar[str]
    data_types: ClassVar[Sequence[DataType]]
    #: the type of tests that are not about types
    data_type: ClassVar[DataType] = DataType.FP32

    @abstractmethod
    def write_echo(self, model_dir: Path, tensors: Tensors, *, batching: bool) -> None:
        """Writes version 1 of the echo model."""

    def write_wrong_file(self, model_dir: Path) -> bool:
        """Writes a version 1 that cannot be loaded; False when the back end has no files."""
        return False

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "each_type" in metafunc.fixturenames:
            metafunc.parametrize("each_type", self.data_types, ids=lambda each: each.name)

    @pytest_asyncio.fixture
    async def served(self) -> AsyncIterator[ServedModels]:
        async with ServedModels().running() as served:
            yield served

    def config(self, tensors: Tensors, *, max_batch_size: int = 8, more: str = "") -> str:
        """The echo model's configuration."""
        lines = [f'backend: "{self.backend}" max_batch_size: {max_batch_size}', more]
        for kind in ("input", "output"):
            for index, (data_type, dims) in enumerate(tensors):
                lines.append(
                    f'{kind} {{ name: "{kind.upper()}{index}" data_type: {data_type.config_name} '
                    f"dims: [{','.join(map(str, dims))}] }}"
                )
        return "\n".join(lines)

    def load_echo(
        self,
        served: ServedModels,
        model_dir: Path,
        tensors: Tensors,
        *,
        max_batch_size: int = 8,
        more: str = "",
    ) -> str:
        """Loads an echo model; returns its name."""
        (model_dir / "1").mkdir(parents=True, exist_ok=True)
        self.write_echo(model_dir, tensors, batching=max_batch_size > 0)
        served.load(model_dir, self.config(tensors, max_batch_size=max_batch_size, more=more))
        return model_dir.name

    @pytest.mark.parametrize("batch", [1, 3, 8])
    async def test_data_types(
        self, served: ServedModels, tmp_path: Path, each_type: DataType, batch: int
    ) -> None:
        name = self.load_echo(served, tmp_path / "echo", [(each_type, (2, 3))])
        sent = sample(each_type, (batch, 2, 3))
        answer = await served.infer(name, {"INPUT0": sent})
        assert answer.outputs == {"OUTPUT0": sent}

    async def test_without_batching(
        self, served: ServedModels, tmp_path: Path, each_type: DataType
    ) -> None:
        name = self.load_echo(served, tmp_path / "echo", [(each_type, (2, 3))], max_batch_size=0)
        sent = sample(each_type, (2, 3))
        assert (await served.infer(name, {"INPUT0": sent})).outputs == {"OUTPUT0": sent}

    async def test_no_elements(
        self, served: ServedModels, tmp_path: Path, each_type: DataType
    ) -> None:
        """C-8: zero-size dimensions are legal."""
        name = self.load_echo(served, tmp_path / "echo", [(each_type, (-1,))])
        sent = Wire(each_type, (2, 0), b"")
        assert (await served.infer(name, {"INPUT0": sent})).outputs == {"OUTPUT0": sent}

    async def test_dynamic_shapes(self, served: ServedModels, tmp_path: Path) -> None:
        name = self.load_echo(served, tmp_path / "echo", [(self.data_type, (-1, -1))])
        for shape in ((1, 1, 1), (2, 7, 3), (8, 2, 50_000)):
            sent = sample(self.data_type, shape)
            assert (await served.infer(name, {"INPUT0": sent})).outputs == {"OUTPUT0": sent}

    async def test_only_outputs_that_were_asked_for(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        tensors = [(self.data_type, (2,)), (self.data_type, (3,))]
        name = self.load_echo(served, tmp_path / "echo", tensors)
        sent = {f"INPUT{i}": sample(self.data_type, (2, 2 + i), i) for i in range(2)}
        both = await served.infer(name, sent)
        assert both.outputs == {"OUTPUT0": sent["INPUT0"], "OUTPUT1": sent["INPUT1"]}
        one = await served.infer(name, sent, outputs=["OUTPUT1"])
        assert one.outputs == {"OUTPUT1": sent["INPUT1"]}

    async def test_dynamic_batches(
        self, served: ServedModels, tmp_path: Path, each_type: DataType
    ) -> None:
        more = "dynamic_batching { preferred_batch_size: 8 max_queue_delay_microseconds: 200000 }"
        name = self.load_echo(served, tmp_path / "echo", [(each_type, (2,))], more=more)
        rows = [1, 2, 1, 3, 1, 4, 2, 2, 1, 3, 4] * 4
        sent = [sample(each_type, (count, 2), seed) for seed, count in enumerate(rows)]
        answers = await asyncio.gather(*(served.infer(name, {"INPUT0": each}) for each in sent))
        assert [answer.outputs["OUTPUT0"] for answer in answers] == sent
        statistics = served.engine.find(name).statistics()
        assert statistics["inference_count"] == sum(rows)
        assert statistics["execution_count"] < len(rows)

    async def test_instances_share_the_work(self, served: ServedModels, tmp_path: Path) -> None:
        more = "instance_group { count: 3 kind: KIND_CPU }"
        name = self.load_echo(served, tmp_path / "echo", [(self.data_type, (4,))], more=more)
        sent = [sample(self.data_type, (1, 4), seed) for seed in range(200)]
        answers = await asyncio.gather(*(served.infer(name, {"INPUT0": each}) for each in sent))
        assert [answer.outputs["OUTPUT0"] for answer in answers] == sent

    async def test_a_bad_request_harms_nobody(self, served: ServedModels, tmp_path: Path) -> None:
        name = self.load_echo(served, tmp_path / "echo", [(self.data_type, (2,))])
        sent = sample(self.data_type, (1, 2))
        before, shape, batch, after = await asyncio.gather(
            served.infer(name, {"INPUT0": sent}),
            _refused(served, name, {"INPUT0": sample(self.data_type, (1, 5))}),
            _refused(served, name, {"INPUT0": sample(self.data_type, (9, 2))}),
            served.infer(name, {"INPUT0": sent}),
        )
        assert before.outputs == after.outputs == {"OUTPUT0": sent}
        assert shape is Code.INVALID_ARG
        assert batch is Code.INVALID_ARG

    async def test_a_wrong_file_fails_its_load_only(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        (tmp_path / "wrong" / "1").mkdir(parents=True)
        if not self.write_wrong_file(tmp_path / "wrong"):
            pytest.skip("this back end reads no files")
        name = self.load_echo(served, tmp_path / "echo", [(self.data_type, (2,))])
        with pytest.raises(ServerError) as caught:
            served.load(tmp_path / "wrong", self.config([(self.data_type, (2,))]))
        assert caught.value.message
        assert str(tmp_path) not in caught.value.message.replace(f"{tmp_path}/wrong/1/", "")
        sent = sample(self.data_type, (1, 2))
        assert (await served.infer(name, {"INPUT0": sent})).outputs == {"OUTPUT0": sent}

    async def test_reload_while_in_use(self, served: ServedModels, tmp_path: Path) -> None:
        tensors = [(self.data_type, (2,))]
        name = self.load_echo(served, tmp_path / "echo", tensors)
        sent = sample(self.data_type, (1, 2))
        calls = [asyncio.ensure_future(served.infer(name, {"INPUT0": sent})) for _ in range(50)]
        with ThreadPoolExecutor(1) as pool:
            reload = pool.submit(self.load_echo, served, tmp_path / "echo", tensors)
            await asyncio.wrap_future(reload)
        for answer in await asyncio.gather(*calls):
            assert answer.outputs == {"OUTPUT0": sent}

    async def test_unloading_gives_everything_back(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        """The `served` fixture checks requests, pool and threads; here files and objects."""

        async def cycle() -> None:
            name = self.load_echo(served, tmp_path / "echo", [(self.data_type, (2,))])
            sent = sample(self.data_type, (8, 2))
            await served.infer(name, {"INPUT0": sent})
            served.unload(name)

        for _ in range(3):
            await cycle()
        gc.collect()
        files, objects = len(os.listdir("/proc/self/fd")), len(gc.get_objects())
        for _ in range(10):
            await cycle()
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) == files
        assert len(gc.get_objects()) < objects + 200


async def _refused(served: ServedModels, name: str, inputs: dict[str, Wire]) -> Code:
    with pytest.raises(ServerError) as caught:
        await served.infer(name, inputs)
    return caught.value.code
