# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `openvino`: conformance, its readers, options, shapes, bad files (5.4, 3.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import pytest_asyncio
from backend_conformance import BackendConformance, Tensors
from penstock.errors import Code, ServerError
from penstock.types import DataType
from served_models import ServedModels, Wire

ov = pytest.importorskip("openvino")
op = pytest.importorskip("openvino.opset13")

OV_TYPES = {
    DataType.BOOL: ov.Type.boolean,
    DataType.UINT8: ov.Type.u8,
    DataType.UINT16: ov.Type.u16,
    DataType.UINT32: ov.Type.u32,
    DataType.UINT64: ov.Type.u64,
    DataType.INT8: ov.Type.i8,
    DataType.INT16: ov.Type.i16,
    DataType.INT32: ov.Type.i32,
    DataType.INT64: ov.Type.i64,
    DataType.FP16: ov.Type.f16,
    DataType.FP32: ov.Type.f32,
    DataType.FP64: ov.Type.f64,
    DataType.BF16: ov.Type.bf16,
}


def parameter_of(name: str, shape: Sequence[int], data_type: DataType = DataType.FP32) -> Any:
    node = op.parameter(ov.PartialShape(list(shape)), OV_TYPES[data_type], name=name)
    node.output(0).get_tensor().set_names({name})
    return node


def result(name: str, node: Any) -> Any:
    output = op.result(node, name=name)
    output.output(0).get_tensor().set_names({name})
    return output


def save(model_dir: Path, inputs: Sequence[Any], outputs: Sequence[Any]) -> Path:
    """Writes version 1 as IR."""
    path = model_dir / "1" / "model.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    ov.save_model(ov.Model(list(outputs), list(inputs), "m"), path, compress_to_fp16=False)
    return model_dir


def save_add(model_dir: Path, shape: Sequence[int] = (-1, 3)) -> Path:
    """y = a + b."""
    a, b = parameter_of("a", shape), parameter_of("b", shape)
    return save(model_dir, [a, b], [result("y", op.add(a, b))])


class TestOpenVino(BackendConformance):
    backend: ClassVar[str] = "openvino"
    data_types: ClassVar[Sequence[DataType]] = list(OV_TYPES)

    def write_echo(self, model_dir: Path, tensors: Tensors, *, batching: bool) -> None:
        inputs, outputs = [], []
        for index, (data_type, dims) in enumerate(tensors):
            shape = [-1, *dims] if batching else list(dims)
            inputs.append(parameter_of(f"INPUT{index}", shape, data_type))
            # One tensor with two names: OpenVINO computes 64 bit types in 32 bits.
            inputs[-1].output(0).get_tensor().add_names({f"OUTPUT{index}"})
            outputs.append(op.result(inputs[-1]))
        save(model_dir, inputs, outputs)

    def write_wrong_file(self, model_dir: Path) -> bool:
        (model_dir / "1" / "model.xml").write_bytes(b"this is no model" * 100)
        return True


@pytest.fixture(scope="module", autouse=True)
def started_threads(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What OpenVINO starts once a process is there before threads are counted."""
    served = ServedModels()
    served.load(save_add(tmp_path_factory.mktemp("first") / "m"), ADD)
    served.unload("m")


@pytest_asyncio.fixture
async def served() -> AsyncIterator[ServedModels]:
    async with ServedModels().running() as served:
        yield served


BACKEND = 'backend: "openvino"'
ADD = f"""{BACKEND} max_batch_size: 8
    input {{ name: "a" data_type: TYPE_FP32 dims: 3 }}
    input {{ name: "b" data_type: TYPE_FP32 dims: 3 }}
    output {{ name: "y" data_type: TYPE_FP32 dims: 3 }}"""
ONES = np.ones((1, 3), np.float32)


def parameter(key: str, value: str) -> str:
    return f" parameters {{ key: '{key}' value {{ string_value: '{value}' }} }}"


def refused(served: ServedModels, model_dir: Path, text: str) -> ServerError:
    with pytest.raises(ServerError) as caught:
        served.load(model_dir, text)
    return caught.value.with_traceback(None)  # whose frames hold what was loaded so far


async def add(served: ServedModels, rows: int = 1) -> list[list[float]]:
    a = np.ones((rows, 3), np.float32)
    answer = await served.infer("m", {"a": a, "b": a})
    return answer.array("y").tolist()  # type: ignore[no-any-return]


class TestAnswers:
    async def test_a_layer_completed_from_the_network(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        weights = np.random.default_rng(0).standard_normal((64, 10), np.float32)
        x = parameter_of("x", (-1, 64))
        y = op.softmax(op.matmul(x, op.constant(weights), False, False), 1)
        config = served.complete(save(tmp_path / "m", [x], [result("y", y)]), BACKEND)
        config.parameters["INFERENCE_PRECISION_HINT"].string_value = "f32"
        assert config.max_batch_size == 4
        assert config.HasField("dynamic_batching")
        served.load(tmp_path / "m", config)
        for batch in (1, 3, 4):
            sent = np.random.default_rng(batch).standard_normal((batch, 64), np.float32)
            answer = await served.infer("m", {"x": sent})
            exponents = np.exp(sent @ weights)
            expected = exponents / exponents.sum(axis=1, keepdims=True)
            assert np.allclose(answer.array("y"), expected, atol=1e-5)

    async def test_large_outputs_are_not_written_again(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        """Those are handed out without a copy; many are alive at once."""
        x = parameter_of("x", (-1, -1))
        twice = op.multiply(x, op.constant(np.float32(2)))
        served.load(save(tmp_path / "m", [x], [result("y", twice)]), DYNAMIC)
        sent = [np.full((1, 50_000), seed, np.float32) for seed in range(40)]
        answers = await asyncio.gather(*(served.infer("m", {"x": each}) for each in sent))
        for each, answer in zip(sent, answers, strict=True):
            assert np.array_equal(answer.array("y"), 2 * each)

    async def test_strings(self, served: ServedModels, tmp_path: Path) -> None:
        node = op.parameter(ov.PartialShape([-1, -1]), ov.Type.string, name="x")
        node.output(0).get_tensor().set_names({"x", "y"})
        served.load(save(tmp_path / "m", [node], [op.result(node)]), STRINGS)
        for rows in ([[b"", b""]], [[b"a\0b", b"\xff\xfe"], [b"", b"x" * 5000]]):
            sent = Wire.of(np.array(rows, dtype=object))
            assert (await served.infer("m", {"x": sent})).outputs == {"y": sent}
        empty = Wire(DataType.BYTES, (2, 0), b"")
        assert (await served.infer("m", {"x": empty})).outputs == {"y": empty}

    @pytest.mark.parametrize(
        ("strings", "message"),
        [
            ([b"a\0"], "OpenVINO cannot take strings that end with a zero byte"),
            ([b"x" * 100_000] + [b""] * 9_999, "cannot take 10000 strings of which one has 100000"),
        ],
    )
    async def test_strings_that_it_cannot_take(
        self, served: ServedModels, tmp_path: Path, strings: list[bytes], message: str
    ) -> None:
        node = op.parameter(ov.PartialShape([-1, -1]), ov.Type.string, name="x")
        node.output(0).get_tensor().set_names({"x", "y"})
        served.load(save(tmp_path / "m", [node], [op.result(node)]), STRINGS)
        with pytest.raises(ServerError) as caught:
            await served.infer("m", {"x": np.array([strings], dtype=object)})
        assert caught.value.code is Code.INVALID_ARG
        assert message in caught.value.message

    async def test_what_the_model_refuses_is_one_requests_failure(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        served.load(save_add(tmp_path / "m", (-1, -1)), ADD.replace("dims: 3", "dims: -1"))
        with pytest.raises(ServerError, match="OpenVINO execute failure: model 'm' version 1: "):
            await served.infer("m", {"a": ONES, "b": np.ones((1, 2), np.float32)})
        assert await add(served) == [[2, 2, 2]]


DYNAMIC = f"""{BACKEND} max_batch_size: 8
    input {{ name: "x" data_type: TYPE_FP32 dims: -1 }}
    output {{ name: "y" data_type: TYPE_FP32 dims: -1 }}"""
STRINGS = DYNAMIC.replace("TYPE_FP32", "TYPE_STRING")


class TestReaders:
    async def test_onnx(self, served: ServedModels, tmp_path: Path) -> None:
        onnx = pytest.importorskip("onnx")
        info = onnx.helper.make_tensor_value_info
        a, b, y = (info(name, onnx.TensorProto.FLOAT, ["n", 3]) for name in "aby")
        graph = onnx.helper.make_graph(
            [onnx.helper.make_node("Add", ["a", "b"], ["y"])], "graph", [a, b], [y]
        )
        opset = onnx.helper.make_opsetid("", 18)
        model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9)
        (tmp_path / "m" / "1").mkdir(parents=True)
        onnx.save(model, tmp_path / "m" / "1" / "model.onnx")
        text = BACKEND + ' default_model_filename: "model.onnx"'
        served.load(tmp_path / "m", served.complete(tmp_path / "m", text))
        assert await add(served, 2) == [[2, 2, 2]] * 2

    async def test_tensorflow_lite(self, served: ServedModels, tmp_path: Path) -> None:
        lite = pytest.importorskip("test_litert_backend")
        lite.add().save(tmp_path / "m")
        text = BACKEND + ' default_model_filename: "model.tflite"'
        served.load(tmp_path / "m", served.complete(tmp_path / "m", text))
        assert await add(served, 2) == [[2, 2, 2]] * 2


class TestShapes:
    async def test_a_batch_that_is_fixed_and_filled_up(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        fixed = ADD + parameter("SKIP_OV_DYNAMIC_BATCHSIZE", "YES")
        served.load(save_add(tmp_path / "m"), fixed)
        assert await add(served, 8) == [[2, 2, 2]] * 8
        with pytest.raises(ServerError, match="OpenVINO execute failure: model 'm' version 1: "):
            await add(served, 7)
        served.load(tmp_path / "m", fixed + parameter("ENABLE_BATCH_PADDING", "YES"))
        for rows in (1, 7, 8):
            assert await add(served, rows) == [[2, 2, 2]] * rows

    async def test_the_configured_shapes_are_the_models(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        save_add(tmp_path / "m", (1, 5))
        assert "the first dimension must be -1" in refused(served, tmp_path / "m", ADD).message
        served.load(tmp_path / "m", ADD + parameter("RESHAPE_IO_LAYERS", "YES"))
        assert await add(served, 3) == [[2, 2, 2]] * 3


class TestLoadChecks:
    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("dims: 3", "dims: 4", "tensor 'a': the model expects shape [-1,3] but"),
            ("FP32", "INT32", "configuration expects datatype TYPE_INT32 for input 'a', model"),
            ('name: "a"', 'name: "c"', "unexpected inference input 'c', allowed inputs are: a, b"),
        ],
    )
    async def test_disagreement(
        self, served: ServedModels, tmp_path: Path, old: str, new: str, message: str
    ) -> None:
        error = refused(served, save_add(tmp_path / "m"), ADD.replace(old, new))
        assert error.code is Code.INVALID_ARG
        assert message in error.message

    async def test_files_cut_short(self, served: ServedModels, tmp_path: Path) -> None:
        x = parameter_of("x", (-1, 64))
        y = op.matmul(x, op.constant(np.ones((64, 8), np.float32)), False, False)
        save(tmp_path / "m", [x], [result("y", y)])
        text = DYNAMIC.replace("dims: -1", "dims: 64", 1).replace("dims: -1", "dims: 8")
        for name in ("model.xml", "model.bin"):
            file = tmp_path / "m" / "1" / name
            whole = file.read_bytes()
            for size in (0, 10, len(whole) // 2):
                file.write_bytes(whole[:size])
                error = refused(served, tmp_path / "m", text)
                assert error.message.startswith("failed to load model 'm': version 1: ")
            file.write_bytes(whole)
        served.load(tmp_path / "m", text)

    async def test_no_file(self, served: ServedModels, tmp_path: Path) -> None:
        (tmp_path / "m" / "1").mkdir(parents=True)
        error = refused(served, tmp_path / "m", ADD)
        assert (error.code, error.message) == (
            Code.UNAVAILABLE,
            "unable to find 'm/1/model.xml' for model 'm'",
        )

    @pytest.mark.parametrize(
        ("key", "value", "message"),
        [
            ("TARGET_DEVICE", "GPU", "'TARGET_DEVICE' of model 'm' is 'GPU', OpenVINO runs on the"),
            ("INFERENCE_NUM_THREADS", "-1", "'INFERENCE_NUM_THREADS' of model 'm' must be a count"),
            ("NUM_STREAMS", "lots", "parameter 'NUM_STREAMS' of model 'm' must be a count"),
            ("RESHAPE_IO_LAYERS", "1", "'RESHAPE_IO_LAYERS' of model 'm' must be YES or NO, got"),
            ("PERFORMANCE_HINT", "WARP", "WARP"),
            ("CPU_EXTENSION_PATH", "../x.so", "leads out of the model's directory"),
        ],
    )
    async def test_settings_refused(
        self, served: ServedModels, tmp_path: Path, key: str, value: str, message: str
    ) -> None:
        error = refused(served, save_add(tmp_path / "m"), ADD + parameter(key, value))
        assert message in error.message

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("INFERENCE_NUM_THREADS", "1"),
            ("NUM_STREAMS", "AUTO"),
            ("NUM_STREAMS", "2"),
            ("PERFORMANCE_HINT", "LATENCY"),
            ("PERFORMANCE_HINT", "THROUGHPUT"),
            ("HINT_BF16", "NO"),
            ("INFERENCE_PRECISION_HINT", "f32"),
            ("EXECUTION_MODE_HINT", "ACCURACY"),
            ("ENABLE_CPU_PINNING", "YES"),
            ("TARGET_DEVICE", "CPU"),
        ],
    )
    async def test_settings_accepted(
        self, served: ServedModels, tmp_path: Path, key: str, value: str
    ) -> None:
        served.load(save_add(tmp_path / "m"), ADD + parameter(key, value))
        assert await add(served) == [[2, 2, 2]]
