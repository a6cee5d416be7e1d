# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `onnxruntime`: conformance, load checks, options (contract 5.2, 3.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
import onnxruntime
import pytest
import pytest_asyncio
from backend_conformance import BackendConformance, Tensors
from onnx import TensorProto, helper
from penstock.backends.onnxruntime import OnnxRuntimeBackend
from penstock.errors import Code, ServerError
from penstock.types import DataType
from served_models import ServedModels

ONNX_TYPES = {
    DataType.BOOL: TensorProto.BOOL,
    DataType.UINT8: TensorProto.UINT8,
    DataType.UINT16: TensorProto.UINT16,
    DataType.UINT32: TensorProto.UINT32,
    DataType.UINT64: TensorProto.UINT64,
    DataType.INT8: TensorProto.INT8,
    DataType.INT16: TensorProto.INT16,
    DataType.INT32: TensorProto.INT32,
    DataType.INT64: TensorProto.INT64,
    DataType.FP16: TensorProto.FLOAT16,
    DataType.FP32: TensorProto.FLOAT,
    DataType.FP64: TensorProto.DOUBLE,
    DataType.BYTES: TensorProto.STRING,
    DataType.BF16: TensorProto.BFLOAT16,
}


def _refusal(provider: str, cure: str) -> str:
    return (
        f"unable to load model 'm' version 1: ONNX Runtime's {provider} execution provider cannot "
        f"be used: onnx runtime error 1: {provider} execution provider is not enabled in this "
        f"build: pip install 'penstock[onnx-gpu]'{cure}"
    )


NO_CUDA = _refusal("CUDA", "")
NO_TENSORRT = _refusal("TensorRT", ", and TensorRT's own libraries")


def save(model_dir: Path, nodes: Sequence[Any], inputs: Any, outputs: Any) -> Path:
    """Writes version 1 of a model."""
    graph = helper.make_graph(nodes, "graph", inputs, outputs)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9, producer_name="tests"
    )
    onnx.checker.check_model(model)
    (model_dir / "1").mkdir(parents=True, exist_ok=True)
    onnx.save(model, model_dir / "1" / "model.onnx")
    return model_dir


def tensor(name: str, dims: Sequence[int | str], data_type: DataType = DataType.FP32) -> Any:
    return helper.make_tensor_value_info(name, ONNX_TYPES[data_type], dims)


def save_add(model_dir: Path, dims: Sequence[int | str] = ("n", 3)) -> Path:
    """y = a + b."""
    return save(
        model_dir,
        [helper.make_node("Add", ["a", "b"], ["y"])],
        [tensor("a", dims), tensor("b", dims)],
        [tensor("y", dims)],
    )


class TestOnnxRuntime(BackendConformance):
    backend: ClassVar[str] = "onnxruntime"
    data_types: ClassVar[Sequence[DataType]] = list(ONNX_TYPES)

    def write_echo(self, model_dir: Path, tensors: Tensors, *, batching: bool) -> None:
        nodes, inputs, outputs = [], [], []
        for index, (data_type, dims) in enumerate(tensors):
            nodes.append(helper.make_node("Identity", [f"INPUT{index}"], [f"OUTPUT{index}"]))
            names = [f"d{index}_{i}" if dim == -1 else dim for i, dim in enumerate(dims)]
            shape = ["batch", *names] if batching else names
            inputs.append(tensor(f"INPUT{index}", shape, data_type))
            outputs.append(tensor(f"OUTPUT{index}", shape, data_type))
        save(model_dir, nodes, inputs, outputs)

    def write_wrong_file(self, model_dir: Path) -> bool:
        (model_dir / "1" / "model.onnx").write_bytes(b"\x08\x09 this is no model" * 100)
        return True


@pytest.fixture(scope="module", autouse=True)
def opened_library(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What ONNX Runtime starts once a process is there before threads are counted."""
    ServedModels().complete(save_add(tmp_path_factory.mktemp("first") / "m"), BACKEND)


@pytest_asyncio.fixture
async def served() -> AsyncIterator[ServedModels]:
    async with ServedModels().running() as served:
        yield served


BACKEND = 'backend: "onnxruntime"'
ADD = f"""{BACKEND} max_batch_size: 8
    input {{ name: "a" data_type: TYPE_FP32 dims: 3 }}
    input {{ name: "b" data_type: TYPE_FP32 dims: 3 }}
    output {{ name: "y" data_type: TYPE_FP32 dims: 3 }}"""


def refused(served: ServedModels, model_dir: Path, text: str) -> ServerError:
    with pytest.raises(ServerError) as caught:
        served.load(model_dir, text)
    return caught.value.with_traceback(None)  # whose frames hold what was loaded so far


class TestAnswers:
    async def test_equal_to_the_frameworks_own(self, served: ServedModels, tmp_path: Path) -> None:
        random = np.random.default_rng(0)
        weights = random.standard_normal((64, 10), np.float32)
        model_dir = save(
            tmp_path / "m",
            [
                helper.make_node(
                    "Constant", [], ["w"], value=onnx.numpy_helper.from_array(weights)
                ),
                helper.make_node("MatMul", ["x", "w"], ["z"]),
                helper.make_node("Softmax", ["z"], ["y"]),
            ],
            [tensor("x", ["n", 64])],
            [tensor("y", ["n", 10])],
        )
        config = served.complete(model_dir, BACKEND)
        assert config.max_batch_size == 4
        served.load(model_dir, config)
        session = onnxruntime.InferenceSession(model_dir / "1" / "model.onnx")
        for batch in (1, 3, 4):
            x = random.standard_normal((batch, 64), np.float32)
            (expected,) = session.run(None, {"x": x})
            answer = await served.infer("m", {"x": x})
            assert np.array_equal(answer.array("y"), expected)

    async def test_scalars_as_one_element(self, served: ServedModels, tmp_path: Path) -> None:
        model_dir = save(
            tmp_path / "m",
            [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)],
            [tensor("x", [3])],
            [tensor("y", [])],
        )
        config = served.complete(model_dir, BACKEND)
        assert list(config.output[0].dims) == [1]
        served.load(model_dir, config)
        answer = await served.infer("m", {"x": np.array([1, 2, 3], np.float32)})
        assert answer.array("y").tolist() == [6]

    async def test_what_the_model_refuses_is_one_requests_failure(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        model_dir = save_add(tmp_path / "m", ["n", "k"])
        served.load(model_dir, ADD.replace("dims: 3", "dims: -1"))
        good = np.ones((1, 2), np.float32)
        with pytest.raises(ServerError) as caught:
            await served.infer("m", {"a": good, "b": np.ones((1, 3), np.float32)})
        assert caught.value.code is Code.INTERNAL
        assert "Add" in caught.value.message  # the framework's own words
        assert (await served.infer("m", {"a": good, "b": good})).array("y").tolist() == [[2, 2]]

    async def test_a_directory_as_the_model(self, served: ServedModels, tmp_path: Path) -> None:
        model_dir = save_add(tmp_path / "m")
        file = model_dir / "1" / "model.onnx"
        file.rename(model_dir / "1" / "moved")
        file.mkdir()
        (model_dir / "1" / "moved").rename(file / "model.onnx")
        served.load(model_dir, ADD)
        one = np.ones((2, 3), np.float32)
        assert (await served.infer("m", {"a": one, "b": one})).array("y").tolist() == [[2] * 3] * 2

    async def test_two_instances_on_a_cpu(self, served: ServedModels, tmp_path: Path) -> None:
        """C-11, X-25."""
        loaded = served.load(save_add(tmp_path / "m"), ADD)
        assert len(loaded.instances) == 2
        one = np.ones((1, 3), np.float32)
        await asyncio.gather(*(served.infer("m", {"a": one, "b": one}) for _ in range(100)))


class TestLoadChecks:
    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            (
                'name: "a" data_type: TYPE_FP32',
                'name: "a" data_type: TYPE_INT32',
                "unable to load model 'm', configuration expects datatype TYPE_INT32 for input 'a'"
                ", model provides TYPE_FP32",
            ),
            (
                'name: "y" data_type: TYPE_FP32',
                'name: "y" data_type: TYPE_BF16',
                "unable to load model 'm', configuration expects datatype TYPE_BF16 for output "
                "'y', model provides TYPE_FP32",
            ),
            (
                'input { name: "b" data_type: TYPE_FP32 dims: 3 }',
                "",
                "unable to load model 'm', configuration expects 1 inputs, model provides 2",
            ),
            (
                'name: "b"',
                'name: "c"',
                "unexpected inference input 'c', allowed inputs are: a, b",
            ),
            (
                'name: "y"',
                'name: "z"',
                "unexpected inference output 'z', allowed outputs are: y",
            ),
            (
                'name: "a" data_type: TYPE_FP32 dims: 3',
                'name: "a" data_type: TYPE_FP32 dims: 4',
                "unable to load model 'm', tensor 'a': the model expects shape [-1,3] but the "
                "model configuration specifies shape [-1,4]",
            ),
        ],
    )
    async def test_disagreement(
        self, served: ServedModels, tmp_path: Path, old: str, new: str, message: str
    ) -> None:
        error = refused(served, save_add(tmp_path / "m"), ADD.replace(old, new))
        assert (error.code, error.message) == (Code.INVALID_ARG, message)

    async def test_batching_that_the_model_cannot(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        error = refused(served, save_add(tmp_path / "m", [2, 3]), ADD)
        assert "the first dimension must be -1; but shape expected by the model is [2,3]" in (
            error.message
        )

    async def test_a_file_cut_short(self, served: ServedModels, tmp_path: Path) -> None:
        file = save_add(tmp_path / "m") / "1" / "model.onnx"
        whole = file.read_bytes()
        for size in (0, 1, len(whole) // 2, len(whole) - 1):
            file.write_bytes(whole[:size])
            error = refused(served, tmp_path / "m", ADD)
            assert error.message

    async def test_no_file(self, served: ServedModels, tmp_path: Path) -> None:
        (tmp_path / "m" / "1").mkdir(parents=True)
        error = refused(served, tmp_path / "m", ADD)
        assert (error.code, error.message) == (
            Code.UNAVAILABLE,
            "unable to find 'm/1/model.onnx' for model 'm'",
        )

    async def test_gpu_instances(self, served: ServedModels, tmp_path: Path) -> None:
        """The library here is for the CPU: it must say so itself, and nothing else changes."""
        served.load(save_add(tmp_path / "other"), ADD)
        error = refused(
            served, save_add(tmp_path / "m"), ADD + "instance_group { kind: KIND_GPU gpus: 0 }"
        )
        assert (error.code, error.message) == (Code.UNSUPPORTED, NO_CUDA)
        one = np.ones((1, 3), np.float32)
        answer = await served.infer("other", {"a": one, "b": one})
        assert answer.array("y").tolist() == [[2, 2, 2]]

    async def test_nobody_goes_to_gpus_by_itself(self) -> None:
        """KIND_AUTO is KIND_CPU where the library is for the CPU (C-10)."""
        assert not OnnxRuntimeBackend().prefers_gpus()


class TestOptions:
    @pytest.mark.parametrize(
        "more",
        [
            "optimization { graph { level: 2 } }",
            "optimization { graph { level: -1 } }",
            "parameters { key: 'execution_mode' value { string_value: '1' } }",
            "parameters { key: 'enable_mem_arena' value { string_value: '0' } }",
            "parameters { key: 'enable_mem_pattern' value { string_value: '0' } }",
            "parameters { key: 'intra_op_thread_count' value { string_value: '2' } }",
            "parameters { key: 'memory.enable_memory_arena_shrinkage' "
            "value { string_value: 'cpu:0' } }",
            "parameters { key: 'session.use_device_allocator_for_initializers' "
            "value { string_value: '1' } }",
        ],
    )
    async def test_accepted(self, served: ServedModels, tmp_path: Path, more: str) -> None:
        served.load(save_add(tmp_path / "m"), ADD + more)
        one = np.ones((1, 3), np.float32)
        assert (await served.infer("m", {"a": one, "b": one})).array("y").tolist() == [[2, 2, 2]]

    @pytest.mark.parametrize(
        ("more", "code", "message"),
        [
            (
                "parameters { key: 'execution_mode' value { string_value: '2' } }",
                Code.INVALID_ARG,
                "Invalid configuration value provided. Expected values for execution_mode are 0 "
                "or 1 but got 2 .",
            ),
            (
                "optimization { execution_accelerators { "
                "gpu_execution_accelerator { name: 'warp' } } }",
                Code.INVALID_ARG,
                "unknown Execution Accelerator 'warp' is requested",
            ),
            (
                "optimization { execution_accelerators { "
                "gpu_execution_accelerator { name: 'tensorrt' } } }",
                Code.UNSUPPORTED,
                NO_TENSORRT,
            ),
            (
                "optimization { execution_accelerators { "
                "gpu_execution_accelerator { name: 'cuda' } } }",
                Code.UNSUPPORTED,
                NO_CUDA,
            ),
            (
                "instance_group { kind: KIND_GPU gpus: 1 } optimization { execution_accelerators { "
                "gpu_execution_accelerator { name: 'tensorrt' } } }",
                Code.UNSUPPORTED,
                NO_TENSORRT,
            ),
            (
                "optimization { execution_accelerators { "
                "cpu_execution_accelerator { name: 'openvino' } } }",
                Code.UNSUPPORTED,
                "unable to load model 'm' version 1: ONNX Runtime's OpenVINO execution provider "
                "cannot be used: onnx runtime error 2: OpenVINO execution provider is not "
                "supported in this build: install onnxruntime-openvino in place of onnxruntime, "
                "or serve the model with the back end 'openvino' "
                "(pip install 'penstock[openvino]')",
            ),
        ],
    )
    async def test_refused(
        self, served: ServedModels, tmp_path: Path, more: str, code: Code, message: str
    ) -> None:
        error = refused(served, save_add(tmp_path / "m"), ADD + more)
        assert (error.code, error.message) == (code, message)


class TestCompletion:
    """3.2, stage B, with the model asked."""

    async def test_everything(self, served: ServedModels, tmp_path: Path) -> None:
        config = served.complete(save_add(tmp_path / "m"), BACKEND)
        assert config.max_batch_size == 4
        assert config.HasField("dynamic_batching")
        assert [(i.name, int(i.data_type), list(i.dims)) for i in config.input] == [
            ("a", DataType.FP32, [3]),
            ("b", DataType.FP32, [3]),
        ]

    async def test_setting(self, tmp_path: Path) -> None:
        served = ServedModels({"onnxruntime": {"default-max-batch-size": "16"}})
        assert served.complete(save_add(tmp_path / "m"), BACKEND).max_batch_size == 16

    async def test_a_model_that_cannot_batch(self, served: ServedModels, tmp_path: Path) -> None:
        with pytest.raises(ServerError) as caught:
            served.complete(save_add(tmp_path / "m", [1, 3]), BACKEND + " max_batch_size: 2")
        assert caught.value.message == (
            "autofill failed for model 'm': model does not support batching while non-zero "
            "max_batch_size is specified"
        )
