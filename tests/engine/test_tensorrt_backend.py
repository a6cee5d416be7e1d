# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `tensorrt` (contract 3.2, 5.4), on a TensorRT and a CUDA runtime of the tests'."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from penstock.backends import registry
from penstock.backends.tensorrt.profiles import Profile, Range, asked_profiles, choose
from penstock.devices.gpus import Gpu, Gpus
from penstock.errors import Code, InvalidArgError, ServerError
from penstock.types import DataType
from served_models import ServedModels, Wire

sys.path.insert(0, str(Path(__file__).parent.parent / "fakes"))

from fake_tensorrt import FakeCudaRuntime, FakeTensorRt, write_engine

BACKEND = 'backend: "tensorrt" '
MACHINE = Gpus(
    (Gpu(0, "A", "GPU-0", 1 << 30, (9, 0)), Gpu(1, "B", "GPU-1", 1 << 30, (8, 0))),
    min_compute_capability=6.0,
)


def engine_input(name: str, *profiles: list[list[int]], **more: Any) -> dict[str, Any]:
    open_dims = [
        -1 if any(p[0][at] != p[2][at] for p in profiles) else dim
        for at, dim in enumerate(profiles[0][0])
    ]
    base = {"name": name, "mode": "INPUT", "type": "FLOAT", "shape": open_dims}
    return base | {"profiles": list(profiles)} | more


def engine_output(name: str, shape: list[int], **more: Any) -> dict[str, Any]:
    return {"name": name, "mode": "OUTPUT", "type": "FLOAT", "shape": shape} | more


#: x [1..8, 3] -> y
COPY = [engine_input("x", [[1, 3], [4, 3], [8, 3]]), engine_output("y", [-1, 3])]


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCudaRuntime:
    fake = FakeCudaRuntime()
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", fake)  # type: ignore[arg-type]
    return fake


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch) -> FakeTensorRt:
    fake = FakeTensorRt()
    monkeypatch.setitem(sys.modules, "tensorrt", fake)  # type: ignore[arg-type]
    monkeypatch.delitem(registry._found, "tensorrt", raising=False)
    return fake


@pytest_asyncio.fixture
async def served(trt: FakeTensorRt, cuda: FakeCudaRuntime) -> AsyncIterator[ServedModels]:
    async with ServedModels(gpus=MACHINE).running() as models:
        yield models
    assert cuda.memory == {}
    assert cuda.streams == 0
    registry._found.pop("tensorrt", None)


def load(served: ServedModels, model_dir: Path, text: str = "") -> None:
    served.load(model_dir, served.complete(model_dir, BACKEND + text))


def refused(served: ServedModels, model_dir: Path, text: str = "") -> tuple[Code, str]:
    with pytest.raises(ServerError) as caught:
        load(served, model_dir, text)
    return caught.value.code, caught.value.message


class TestWithoutAGpu:
    """TensorRT itself is never touched: it would end the process."""

    @pytest.fixture(autouse=True)
    def no_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("tensorrt", "tensorrt_lean", "cuda.bindings.runtime"):
            monkeypatch.setitem(sys.modules, name, None)  # type: ignore[arg-type]
        monkeypatch.delitem(registry._found, "tensorrt", raising=False)

    @pytest.mark.parametrize("complete", [True, False])
    async def test_the_load_fails_with_cause_and_cure(self, tmp_path: Path, complete: bool) -> None:
        gpus = Gpus(problem="no CUDA driver: libcuda.so.1: cannot open", min_compute_capability=6.0)
        served = ServedModels(gpus=gpus)
        model_dir = write_engine(tmp_path / "m", COPY)
        with pytest.raises(ServerError) as caught:
            (served.complete if complete else served.load)(model_dir, BACKEND)
        assert caught.value.code is Code.UNSUPPORTED
        assert caught.value.message == (
            "unable to load model 'm' version 1: TensorRT runs on GPUs only, and no GPUs are "
            "available: no CUDA driver: libcuda.so.1: cannot open. Install NVIDIA's driver, or "
            "serve the model in another format, such as ONNX"
        )

    async def test_with_a_gpu_but_without_tensorrt(self, tmp_path: Path) -> None:
        served = ServedModels(gpus=MACHINE)
        code, message = refused(served, write_engine(tmp_path / "m", COPY))
        assert code is Code.UNSUPPORTED
        assert message == (
            "unable to load model 'm' version 1: this model needs cuda-python, which is not "
            "installed: pip install 'penstock[tensorrt]'"
        )


class TestServing:
    async def test_everything_is_completed(self, served: ServedModels, tmp_path: Path) -> None:
        config = served.complete(write_engine(tmp_path / "m", COPY), BACKEND)
        assert config.max_batch_size == 8
        assert config.HasField("dynamic_batching")
        assert [(t.name, DataType(t.data_type), [*t.dims]) for t in config.input] == [
            ("x", DataType.FP32, [3])
        ]
        assert [(t.name, DataType(t.data_type), [*t.dims]) for t in config.output] == [
            ("y", DataType.FP32, [3])
        ]

    async def test_an_instance_on_every_gpu(
        self, served: ServedModels, tmp_path: Path, trt: FakeTensorRt, cuda: FakeCudaRuntime
    ) -> None:
        load(served, write_engine(tmp_path / "m", COPY))
        assert sorted(cuda.devices[1:]) == [0, 1]  # the first was the completion's
        for rows in (1, 8, 3):
            value = np.random.default_rng(rows).random((rows, 3), np.float32)
            answer = await served.infer("m", {"x": value})
            assert np.array_equal(answer.array("y"), value)
        assert sum(context.runs for context in trt.contexts) == 3

    async def test_data_types(self, served: ServedModels, tmp_path: Path) -> None:
        types = {
            "FLOAT": DataType.FP32,
            "HALF": DataType.FP16,
            "BF16": DataType.BF16,
            "INT8": DataType.INT8,
            "INT32": DataType.INT32,
            "INT64": DataType.INT64,
            "BOOL": DataType.BOOL,
            "UINT8": DataType.UINT8,
        }
        shape = [[2, 2]] * 3
        tensors = [engine_input(f"i{kind}", shape, type=kind) for kind in types]
        tensors += [engine_output(f"o{kind}", [2, 2], type=kind) for kind in types]
        load(served, write_engine(tmp_path / "m", tensors), "instance_group { gpus: 1 }")
        sizes = {"FLOAT": 4, "HALF": 2, "BF16": 2, "INT32": 4, "INT64": 8}
        inputs = {
            f"i{kind}": Wire(data_type, (2, 2), bytes([1, 0] * (2 * sizes.get(kind, 1))))
            for kind, data_type in types.items()
        }
        answer = await served.infer("m", inputs)
        assert answer.outputs == {f"o{name[1:]}": wire for name, wire in inputs.items()}

    async def test_the_profile_that_fits_is_chosen(
        self, served: ServedModels, tmp_path: Path, trt: FakeTensorRt
    ) -> None:
        small, large = [[1, 1], [1, 4], [2, 8]], [[1, 4], [8, 16], [8, 32]]
        tensors = [engine_input("x", small, large), engine_output("y", [-1, -1])]
        group = "instance_group { gpus: 0 profile: ['0', '1'] }"
        load(served, write_engine(tmp_path / "m", tensors), group)
        by_profile = {context.profile: context for context in trt.contexts}
        for shape, profile in (((1, 4), 0), ((2, 20), 1), ((1, 3), 0), ((8, 8), 1)):
            before = by_profile[profile].runs
            value = np.zeros(shape, np.float32)
            assert (await served.infer("m", {"x": value})).array("y").shape == shape
            assert by_profile[profile].runs == before + 1

    async def test_a_shape_outside_the_profile(self, served: ServedModels, tmp_path: Path) -> None:
        tensors = [engine_input("x", [[1, 2], [1, 4], [2, 8]]), engine_output("y", [-1, -1])]
        load(served, write_engine(tmp_path / "m", tensors), "instance_group { gpus: 0 }")
        with pytest.raises(ServerError) as caught:
            await served.infer("m", {"x": np.zeros((1, 9), np.float32)})
        assert caught.value.code is Code.INVALID_ARG
        assert caught.value.message == (
            "request specifies invalid shape for input 'x' for m_0_0. Error details: model "
            "expected the shape of dimension 1 to be between 2 and 8 but received 9"
        )
        assert (await served.infer("m", {"x": np.ones((1, 8), np.float32)})).array("y").all()

    @pytest.mark.parametrize(
        ("function", "error", "code", "words"),
        [
            ("cudaMalloc", 2, Code.UNAVAILABLE, "GPU 0: cudaMalloc: out of memory (2)"),
            ("cudaMemcpyAsync", 46, Code.INTERNAL, "GPU 0: cudaMemcpyAsync: device is busy (46)"),
        ],
    )
    async def test_a_device_that_fails(
        self,
        served: ServedModels,
        tmp_path: Path,
        cuda: FakeCudaRuntime,
        function: str,
        error: int,
        code: Code,
        words: str,
    ) -> None:
        load(served, write_engine(tmp_path / "m", COPY), "instance_group { gpus: 0 }")
        one = np.ones((1, 3), np.float32)
        cuda.fails[function] = error
        with pytest.raises(ServerError) as caught:
            await served.infer("m", {"x": one})
        assert (caught.value.code, caught.value.message) == (code, words)
        cuda.fails.clear()
        assert (await served.infer("m", {"x": one})).array("y").all()

    async def test_an_execution_that_is_refused(
        self, served: ServedModels, tmp_path: Path, trt: FakeTensorRt
    ) -> None:
        load(served, write_engine(tmp_path / "m", COPY), "instance_group { gpus: 0 }")
        trt.contexts[-1].refuses = True
        with pytest.raises(ServerError) as caught:
            await served.infer("m", {"x": np.ones((1, 3), np.float32)})
        assert caught.value.message == (
            "TensorRT refuses the execution of instance 'm_0_0': enqueueV3: the device has gone"
        )

    async def test_settings(self, tmp_path: Path, trt: FakeTensorRt, cuda: FakeCudaRuntime) -> None:
        settings = {"tensorrt": {"version-compatible": "true"}}
        async with ServedModels(settings, gpus=MACHINE).running() as served:
            group = "instance_group { gpus: 0 secondary_devices { device_id: 0 } }"
            load(served, write_engine(tmp_path / "m", COPY), group)
            assert trt.runtimes[-1].engine_host_code_allowed
            assert trt.runtimes[-1].DLA_core == 0
            assert trt.plugins_registered == 1


class TestRefusals:
    @pytest.mark.parametrize(
        ("tensors", "text", "code", "message"),
        [
            (
                COPY,
                "max_batch_size: 9",
                Code.INVALID_ARG,
                "unable to load model 'm', configuration specifies max-batch 9 but TensorRT engine "
                "only supports max-batch 8",
            ),
            (
                COPY,
                "instance_group { gpus: 0 profile: '1' }",
                Code.INVALID_ARG,
                "model 'm' asks for the optimization profile 1, the engine has 1, numbered from 0",
            ),
            (
                COPY,
                "instance_group { kind: KIND_CPU }",
                Code.UNSUPPORTED,
                "instance 'm_0_0' of model 'm' has kind KIND_CPU, TensorRT runs on GPUs only",
            ),
            (
                COPY,
                "instance_group { gpus: 0 secondary_devices { device_id: 1 } }",
                Code.INVALID_ARG,
                "unable to load model 'm' version 1: secondary device NVDLA 1 does not exist, "
                "TensorRT finds 1 DLA cores",
            ),
            (
                [COPY[0] | {"location": "HOST"}, COPY[1]],
                "",
                Code.UNSUPPORTED,
                "unable to load model 'm' version 1: tensor 'x' is a shape tensor, which is not "
                "supported",
            ),
            (
                [COPY[0], COPY[1] | {"format": "CHW32"}],
                "",
                Code.UNSUPPORTED,
                "unable to load model 'm' version 1: tensor 'y' has the format CHW32, only LINEAR "
                "is supported",
            ),
            (
                [COPY[0] | {"type": "FP8"}, COPY[1]],
                "",
                Code.INVALID_ARG,
                "unable to load model 'm', input 'x' has a type that requests cannot carry",
            ),
        ],
    )
    async def test_at_load(
        self,
        served: ServedModels,
        tmp_path: Path,
        tensors: list[dict[str, Any]],
        text: str,
        code: Code,
        message: str,
    ) -> None:
        assert refused(served, write_engine(tmp_path / "m", tensors), text) == (code, message)

    async def test_a_file_that_is_no_engine(self, served: ServedModels, tmp_path: Path) -> None:
        model_dir = write_engine(tmp_path / "m", COPY)
        (model_dir / "1" / "model.plan").write_bytes(b"ftrt")
        assert refused(served, model_dir) == (
            Code.INTERNAL,
            "unable to load model 'm' version 1: unable to create TensorRT engine: the magic tag "
            "does not match",
        )

    async def test_no_file(self, served: ServedModels, tmp_path: Path) -> None:
        (tmp_path / "m" / "1").mkdir(parents=True)
        assert refused(served, tmp_path / "m") == (
            Code.UNAVAILABLE,
            "unable to find 'm/1/model.plan' for model 'm'",
        )

    async def test_an_output_whose_shape_depends_on_values(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        tensors = [COPY[0], COPY[1] | {"data_dependent": True}]
        load(served, write_engine(tmp_path / "m", tensors), "instance_group { gpus: 0 }")
        with pytest.raises(ServerError, match="depends on the inputs' values"):
            await served.infer("m", {"x": np.ones((1, 3), np.float32)})


class TestProfiles:
    """Pure."""

    PROFILES = (
        Profile(0, {"x": Range((1, 1), (1, 4), (4, 8)), "z": Range((), (), ())}),
        Profile(1, {"x": Range((1, 8), (4, 8), (8, 8)), "z": Range((), (), ())}),
    )

    @pytest.mark.parametrize(
        ("shape", "index"), [((1, 1), 0), ((1, 8), 1), ((3, 8), 1), ((4, 7), 0), ((8, 8), 1)]
    )
    def test_the_nearest_that_fits(self, shape: tuple[int, ...], index: int) -> None:
        assert choose(self.PROFILES, {"x": shape, "z": ()}, "m").index == index

    @pytest.mark.parametrize("shape", [(9, 8), (1, 0), (1, 9), (1,), (1, 1, 1)])
    def test_none_fits(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(InvalidArgError, match="invalid shape for input 'x' for m. Error"):
            choose(self.PROFILES, {"x": shape, "z": ()}, "m")

    def test_by_number(self) -> None:
        assert [p.index for p in asked_profiles(self.PROFILES, ("1", "0"), "m")] == [1, 0]
        assert [p.index for p in asked_profiles(self.PROFILES, (), "m")] == [0]
        assert [p.max_batch_size for p in self.PROFILES] == [4, 8]
