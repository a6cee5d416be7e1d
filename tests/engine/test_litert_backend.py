# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `litert`: conformance, signatures, resizing, quantised tensors, bad files."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import pytest_asyncio
from backend_conformance import BackendConformance, Tensors
from penstock.errors import Code, ServerError
from penstock.types import DataType
from served_models import ServedModels

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
flatbuffers = pytest.importorskip("flatbuffers")

LITERT_TYPES = {
    DataType.BOOL: schema.TensorType.BOOL,
    DataType.UINT8: schema.TensorType.UINT8,
    DataType.UINT16: schema.TensorType.UINT16,
    DataType.UINT32: schema.TensorType.UINT32,
    DataType.UINT64: schema.TensorType.UINT64,
    DataType.INT8: schema.TensorType.INT8,
    DataType.INT16: schema.TensorType.INT16,
    DataType.INT32: schema.TensorType.INT32,
    DataType.INT64: schema.TensorType.INT64,
    DataType.FP16: schema.TensorType.FLOAT16,
    DataType.FP32: schema.TensorType.FLOAT32,
    DataType.FP64: schema.TensorType.FLOAT64,
    DataType.BYTES: schema.TensorType.STRING,
}


@dataclass
class Graph:
    """A file in the making: one subgraph, with or without signatures."""

    tensors: list[Any] = field(default_factory=list)
    operators: list[Any] = field(default_factory=list)
    codes: list[Any] = field(default_factory=list)
    inputs: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)

    def tensor(
        self,
        name: str,
        dims: Sequence[int],
        data_type: DataType = DataType.FP32,
        quantization: Any = None,
    ) -> int:
        """A tensor without content; -1: a dimension that is open. Returns its index."""
        tensor = schema.TensorT()
        tensor.name = name.encode()
        tensor.type = LITERT_TYPES[data_type]
        tensor.shape = [max(1, dim) for dim in dims]
        tensor.shapeSignature = list(dims)
        tensor.buffer = 0
        tensor.quantization = quantization
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def operator(
        self, code: int, inputs: Sequence[int], outputs: Sequence[int], options: Any = None
    ) -> None:
        """A built-in operation. options: (type, object)."""
        entry = schema.OperatorCodeT()
        entry.builtinCode = code
        entry.deprecatedBuiltinCode = min(code, 127)
        entry.version = 1
        self.codes.append(entry)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.codes) - 1
        operator.inputs = list(inputs)
        operator.outputs = list(outputs)
        if options is not None:
            operator.builtinOptionsType, operator.builtinOptions = options
        self.operators.append(operator)

    def save(self, model_dir: Path, signatures: Sequence[str] = ("serving_default",)) -> Path:
        """Writes version 1; every signature has all inputs and outputs."""
        subgraph = schema.SubGraphT()
        subgraph.tensors = self.tensors
        subgraph.operators = self.operators
        subgraph.inputs = list(self.inputs.values())
        subgraph.outputs = list(self.outputs.values())
        model = schema.ModelT()
        model.version = 3
        model.subgraphs = [subgraph]
        model.operatorCodes = self.codes
        model.buffers = [schema.BufferT()]
        model.signatureDefs = [self._signature(name) for name in signatures]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        (model_dir / "1").mkdir(parents=True, exist_ok=True)
        (model_dir / "1" / "model.tflite").write_bytes(bytes(builder.Output()))
        return model_dir

    def _signature(self, key: str) -> Any:
        signature = schema.SignatureDefT()
        signature.signatureKey = key.encode()
        signature.subgraphIndex = 0
        signature.inputs = [_named(name, index) for name, index in self.inputs.items()]
        signature.outputs = [_named(name, index) for name, index in self.outputs.items()]
        return signature


def _named(name: str, index: int) -> Any:
    named = schema.TensorMapT()
    named.name, named.tensorIndex = name.encode(), index
    return named


def echo(tensors: Tensors, *, batching: bool = True) -> Graph:
    """INPUTi -> OUTPUTi by a reshape to the shape it has."""
    graph = Graph()
    for index, (data_type, dims) in enumerate(tensors):
        shape = [-1, *dims] if batching else list(dims)
        given = graph.tensor(f"in{index}", shape, data_type)
        size = graph.tensor(f"size{index}", [len(shape)], DataType.INT32)
        taken = graph.tensor(f"out{index}", shape, data_type)
        options = schema.ShapeOptionsT()
        options.outType = schema.TensorType.INT32
        graph.operator(
            schema.BuiltinOperator.SHAPE,
            [given],
            [size],
            (schema.BuiltinOptions.ShapeOptions, options),
        )
        graph.operator(
            schema.BuiltinOperator.RESHAPE,
            [given, size],
            [taken],
            (schema.BuiltinOptions.ReshapeOptions, schema.ReshapeOptionsT()),
        )
        graph.inputs[f"INPUT{index}"] = given
        graph.outputs[f"OUTPUT{index}"] = taken
    return graph


class TestLiteRt(BackendConformance):
    backend: ClassVar[str] = "litert"
    data_types: ClassVar[Sequence[DataType]] = list(LITERT_TYPES)

    def write_echo(self, model_dir: Path, tensors: Tensors, *, batching: bool) -> None:
        echo(tensors, batching=batching).save(model_dir)

    def write_wrong_file(self, model_dir: Path) -> bool:
        (model_dir / "1" / "model.tflite").write_bytes(b"this is no model" * 100)
        return True


@pytest_asyncio.fixture
async def served() -> AsyncIterator[ServedModels]:
    async with ServedModels().running() as served:
        yield served


BACKEND = 'backend: "litert"'
ADD = f"""{BACKEND} max_batch_size: 8
    input {{ name: "a" data_type: TYPE_FP32 dims: 3 }}
    input {{ name: "b" data_type: TYPE_FP32 dims: 3 }}
    output {{ name: "y" data_type: TYPE_FP32 dims: 3 }}"""


def add(dims: Sequence[int] = (-1, 3), data_type: DataType = DataType.FP32) -> Graph:
    """y = a + b."""
    graph = Graph()
    for name in "ab":
        graph.inputs[name] = graph.tensor(name, dims, data_type)
    graph.outputs["y"] = graph.tensor("y", dims, data_type)
    options = (schema.BuiltinOptions.AddOptions, schema.AddOptionsT())
    graph.operator(schema.BuiltinOperator.ADD, [0, 1], [2], options)
    return graph


def quantize() -> Graph:
    """FP32 -> INT8 of scale 0.5 and zero point 3."""
    parameters = schema.QuantizationParametersT()
    parameters.scale, parameters.zeroPoint = [0.5], [3]
    graph = Graph()
    graph.inputs["x"] = graph.tensor("x", (-1, 4))
    graph.outputs["q"] = graph.tensor("q", (-1, 4), DataType.INT8, parameters)
    options = (schema.BuiltinOptions.QuantizeOptions, schema.QuantizeOptionsT())
    graph.operator(schema.BuiltinOperator.QUANTIZE, [0], [1], options)
    return graph


def refused(served: ServedModels, model_dir: Path, text: str) -> ServerError:
    with pytest.raises(ServerError) as caught:
        served.load(model_dir, text)
    error = caught.value.with_traceback(None)
    error.__context__ = None
    del caught
    gc.collect()  # frames hold each other, and interpreters, and those hold threads
    return error


class TestAnswers:
    @pytest.mark.parametrize("signatures", [(), ("serving_default",), ("other",)])
    async def test_with_and_without_signatures(
        self, served: ServedModels, tmp_path: Path, signatures: Sequence[str]
    ) -> None:
        config = served.complete(add().save(tmp_path / "m", signatures), BACKEND)
        assert config.max_batch_size == 4
        assert [list(each.dims) for each in config.input] == [[3], [3]]
        served.load(tmp_path / "m", config)
        for batch in (1, 4, 2, 2):
            a = np.random.default_rng(batch).standard_normal((batch, 3), np.float32)
            answer = await served.infer("m", {"a": a, "b": a})
            assert np.array_equal(answer.array("y"), a + a)

    async def test_a_signature_of_several(self, served: ServedModels, tmp_path: Path) -> None:
        add().save(tmp_path / "m", ["one", "two"])
        message = refused(served, tmp_path / "m", ADD).message
        assert message.endswith("of which parameter 'SIGNATURE' must choose one: one, two")
        served.load(tmp_path / "m", ADD + parameter("SIGNATURE", "two"))
        ones = np.ones((1, 3), np.float32)
        assert (await served.infer("m", {"a": ones, "b": ones})).array("y").tolist() == [[2] * 3]

    async def test_quantised_tensors_are_their_integers(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        config = served.complete(quantize().save(tmp_path / "m"), BACKEND)
        assert config.output[0].data_type == DataType.INT8
        served.load(tmp_path / "m", config)
        answer = await served.infer("m", {"x": np.array([[0, 1, -1, 1000]], np.float32)})
        assert answer.array("q").tolist() == [[3, 5, 1, 127]]

    async def test_what_the_model_refuses_is_one_requests_failure(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        served.load(add((-1, -1)).save(tmp_path / "m"), ADD.replace("dims: 3", "dims: -1"))
        good = np.ones((1, 3), np.float32)
        with pytest.raises(ServerError, match="LiteRT execute failure: model 'm' version 1: ."):
            await served.infer("m", {"a": good, "b": np.ones((1, 2), np.float32)})
        assert (await served.infer("m", {"a": good, "b": good})).array("y").tolist() == [[2] * 3]


def parameter(key: str, value: str) -> str:
    return f" parameters {{ key: '{key}' value {{ string_value: '{value}' }} }}"


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
        error = refused(served, add().save(tmp_path / "m"), ADD.replace(old, new))
        assert error.code is Code.INVALID_ARG
        assert message in error.message

    async def test_a_batch_that_is_fixed(self, served: ServedModels, tmp_path: Path) -> None:
        error = refused(served, add((1, 3)).save(tmp_path / "m"), ADD)
        assert "the first dimension must be -1; but shape expected by the model is [1,3]" in (
            error.message
        )
        served.load(tmp_path / "m", ADD.replace("max_batch_size: 8", "max_batch_size: 1"))

    async def test_a_file_cut_short(self, served: ServedModels, tmp_path: Path) -> None:
        file = add().save(tmp_path / "m") / "1" / "model.tflite"
        whole = file.read_bytes()
        for size in (0, 3, 100, len(whole) // 2, len(whole) - 8):
            file.write_bytes(whole[:size])
            error = refused(served, tmp_path / "m", ADD)
            assert error.message.startswith("failed to load model 'm': version 1: ")

    async def test_an_operation_that_it_has_not(self, served: ServedModels, tmp_path: Path) -> None:
        graph = add()
        graph.codes[0].builtinCode = schema.BuiltinOperator.CUSTOM
        graph.codes[0].deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        graph.codes[0].customCode = b"Warp"
        error = refused(served, graph.save(tmp_path / "m"), ADD)
        assert "Warp" in error.message  # the framework's own words

    @pytest.mark.parametrize("value", ["-1", "many", "1.5"])
    async def test_threads_that_are_none(
        self, served: ServedModels, tmp_path: Path, value: str
    ) -> None:
        text = ADD + parameter("NUM_THREADS", value)
        error = refused(served, add().save(tmp_path / "m"), text)
        assert error.message == (
            f"parameter 'NUM_THREADS' of model 'm' must be a count, got '{value}'"
        )

    async def test_no_file(self, served: ServedModels, tmp_path: Path) -> None:
        (tmp_path / "m" / "1").mkdir(parents=True)
        error = refused(served, tmp_path / "m", ADD)
        assert (error.code, error.message) == (
            Code.UNAVAILABLE,
            "unable to read 'm/1/model.tflite' for model 'm': No such file or directory",
        )
