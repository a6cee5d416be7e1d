# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `tensorflow`: conformance, signatures, options, bad files (contract 5.4, 3.2)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
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

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
tf = pytest.importorskip("tensorflow")
v1 = tf.compat.v1

TF_TYPES = {
    DataType.BOOL: tf.bool,
    DataType.UINT8: tf.uint8,
    DataType.UINT16: tf.uint16,
    DataType.UINT32: tf.uint32,
    DataType.UINT64: tf.uint64,
    DataType.INT8: tf.int8,
    DataType.INT16: tf.int16,
    DataType.INT32: tf.int32,
    DataType.INT64: tf.int64,
    DataType.FP16: tf.float16,
    DataType.FP32: tf.float32,
    DataType.FP64: tf.float64,
    DataType.BYTES: tf.string,
    DataType.BF16: tf.bfloat16,
}


def save_graph(
    model_dir: Path,
    inputs: dict[str, Any],
    outputs: dict[str, Any],
    *,
    signature: str = "serving_default",
    tags: Sequence[str] = ("serve",),
) -> Path:
    """Writes the default graph, which has no variables, as version 1 of a SavedModel."""
    info = v1.saved_model.build_tensor_info
    path = model_dir / "1" / "model.savedmodel"
    path.mkdir(parents=True, exist_ok=True)
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    meta = saved.meta_graphs.add()
    meta.CopyFrom(v1.train.export_meta_graph())
    meta.meta_info_def.tags.extend(tags)
    meta.signature_def[signature].CopyFrom(
        v1.saved_model.build_signature_def(
            {name: info(tensor) for name, tensor in inputs.items()},
            {name: info(tensor) for name, tensor in outputs.items()},
            "tensorflow/serving/predict",
        )
    )
    (path / "saved_model.pb").write_bytes(saved.SerializeToString())
    return model_dir


def save_add(model_dir: Path, shape: Sequence[int | None] = (None, 3), **how: Any) -> Path:
    """y = a + b."""
    with tf.Graph().as_default():
        a, b = (v1.placeholder(tf.float32, shape, name=name) for name in "ab")
        return save_graph(model_dir, {"a": a, "b": b}, {"y": tf.add(a, b, name="y")}, **how)


class Affine(tf.Module):  # type: ignore[misc]
    """Variables, and two signatures."""

    def __init__(self) -> None:
        super().__init__()
        random = np.random.default_rng(0)
        self.weights = tf.Variable(random.standard_normal((64, 10), np.float32))

    @tf.function(input_signature=[tf.TensorSpec([None, 64], tf.float32, name="x")])
    def scores(self, x: Any) -> Any:
        return {"y": tf.nn.softmax(tf.matmul(x, self.weights))}

    @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.string, name="text")])
    def upper(self, text: Any) -> Any:
        return {"shouted": tf.strings.upper(text), "length": tf.strings.length(text)}


@pytest.fixture(scope="module")
def affine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with variables, saved as TensorFlow saves it."""
    model_dir = tmp_path_factory.mktemp("affine") / "affine"
    module = Affine()
    tf.saved_model.save(
        module,
        str(model_dir / "1" / "model.savedmodel"),
        signatures={"serving_default": module.scores, "upper": module.upper},
    )
    return model_dir


class TestTensorFlow(BackendConformance):
    backend: ClassVar[str] = "tensorflow"
    data_types: ClassVar[Sequence[DataType]] = list(TF_TYPES)

    def write_echo(self, model_dir: Path, tensors: Tensors, *, batching: bool) -> None:
        inputs, outputs = {}, {}
        with tf.Graph().as_default():
            for index, (data_type, dims) in enumerate(tensors):
                shape = [None if dim == -1 else dim for dim in dims]
                shape = [None, *shape] if batching else shape
                value = v1.placeholder(TF_TYPES[data_type], shape, name=f"in{index}")
                inputs[f"INPUT{index}"] = value
                outputs[f"OUTPUT{index}"] = tf.identity(value, name=f"out{index}")
            save_graph(model_dir, inputs, outputs)

    def write_wrong_file(self, model_dir: Path) -> bool:
        path = model_dir / "1" / "model.savedmodel"
        path.mkdir()
        (path / "saved_model.pb").write_bytes(b"this is no model" * 100)
        return True


@pytest.fixture(scope="module", autouse=True)
def started_threads(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What TensorFlow starts once a process is there before threads are counted."""
    served = ServedModels()
    served.load(save_add(tmp_path_factory.mktemp("first") / "m"), ADD)
    served.unload("m")


@pytest_asyncio.fixture
async def served() -> AsyncIterator[ServedModels]:
    async with ServedModels().running() as served:
        yield served


BACKEND = 'backend: "tensorflow"'
ADD = f"""{BACKEND} max_batch_size: 8
    input {{ name: "a" data_type: TYPE_FP32 dims: 3 }}
    input {{ name: "b" data_type: TYPE_FP32 dims: 3 }}
    output {{ name: "y" data_type: TYPE_FP32 dims: 3 }}"""


def refused(served: ServedModels, model_dir: Path, text: str) -> ServerError:
    with pytest.raises(ServerError) as caught:
        served.load(model_dir, text)
    return caught.value.with_traceback(None)  # whose frames hold what was loaded so far


def parameter(key: str, value: str) -> str:
    return f" parameters {{ key: '{key}' value {{ string_value: '{value}' }} }}"


ONES = np.ones((1, 3), np.float32)


async def add_ones(served: ServedModels) -> list[list[float]]:
    answer = await served.infer("m", {"a": ONES, "b": ONES})
    return answer.array("y").tolist()  # type: ignore[no-any-return]


class TestAnswers:
    async def test_equal_to_the_frameworks_own(self, served: ServedModels, affine: Path) -> None:
        config = served.complete(affine, BACKEND)
        assert config.max_batch_size == 4
        assert config.HasField("dynamic_batching")
        served.load(affine, config)
        own = tf.saved_model.load(str(affine / "1" / "model.savedmodel"))
        for batch in (1, 3, 4):
            x = np.random.default_rng(batch).standard_normal((batch, 64), np.float32)
            expected = own.signatures["serving_default"](x=tf.constant(x))["y"].numpy()
            answer = await served.infer("affine", {"x": x})
            assert np.allclose(answer.array("y"), expected, atol=1e-6)

    async def test_strings_of_another_signature(self, served: ServedModels, affine: Path) -> None:
        text = BACKEND + parameter("TF_SIGNATURE_DEF", "upper")
        config = served.complete(affine, text)
        assert [each.name for each in config.output] == ["length", "shouted"]
        served.load(affine, config)
        sent = np.array([[b"a\0b\0"], [b"\xff\xfex"]], dtype=object)
        answer = await served.infer("affine", {"text": sent})
        expected = np.array([[b"A\0B\0"], [b"\xff\xfeX"]], dtype=object)
        assert answer.outputs["shouted"] == Wire.of(expected)
        assert answer.array("length").tolist() == [[4], [3]]

    async def test_the_only_signature_there_is(self, served: ServedModels, tmp_path: Path) -> None:
        served.load(save_add(tmp_path / "m", signature="adds"), ADD)
        assert await add_ones(served) == [[2, 2, 2]]

    async def test_another_tag(self, served: ServedModels, tmp_path: Path) -> None:
        save_add(tmp_path / "m", tags=["mine"])
        assert "no graph is tagged 'serve'; the tags of its graphs are: mine" in (
            refused(served, tmp_path / "m", ADD).message
        )
        served.load(tmp_path / "m", ADD + parameter("TF_GRAPH_TAG", "mine"))
        assert await add_ones(served) == [[2, 2, 2]]

    async def test_scalars_as_one_element(self, served: ServedModels, tmp_path: Path) -> None:
        with tf.Graph().as_default():
            x = v1.placeholder(tf.float32, [3])
            save_graph(tmp_path / "m", {"x": x}, {"y": tf.reduce_sum(x)})
        config = served.complete(tmp_path / "m", BACKEND)
        assert list(config.output[0].dims) == [1]
        served.load(tmp_path / "m", config)
        answer = await served.infer("m", {"x": np.array([1, 2, 3], np.float32)})
        assert answer.array("y").tolist() == [6]

    async def test_what_the_model_refuses_is_one_requests_failure(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        served.load(save_add(tmp_path / "m", [None, None]), ADD.replace("dims: 3", "dims: -1"))
        with pytest.raises(ServerError) as caught:
            await served.infer("m", {"a": ONES, "b": np.ones((1, 2), np.float32)})
        assert caught.value.code is Code.INTERNAL
        assert "TensorFlow execute failure: model 'm' version 1: Incompat" in caught.value.message
        assert await add_ones(served) == [[2, 2, 2]]

    @pytest.mark.parametrize("share_count", [0, 1, 2])
    async def test_instances_share_sessions(
        self, served: ServedModels, tmp_path: Path, share_count: int
    ) -> None:
        """Two instances on a CPU (C-11), three asked for."""
        more = parameter("MAX_SESSION_SHARE_COUNT", str(share_count))
        groups = "instance_group { count: 3 kind: KIND_CPU }"
        loaded = served.load(save_add(tmp_path / "m"), ADD + more + groups)
        assert len(loaded.instances) == 3
        sums = await asyncio.gather(*(add_ones(served) for _ in range(60)))
        assert sums == [[[2, 2, 2]]] * 60


class TestFrozenGraph:
    def save(self, model_dir: Path) -> Path:
        with tf.Graph().as_default() as graph:
            a, b = (v1.placeholder(tf.float32, [None, 3], name=name) for name in "ab")
            total = v1.get_variable("total", initializer=tf.zeros([3]), use_resource=False)
            v1.global_variables_initializer()
            tf.add_n([a, b, total + tf.zeros_like(a)], name="y")
            definition = graph.as_graph_def().SerializeToString()
        (model_dir / "1").mkdir(parents=True)
        (model_dir / "1" / "model.graphdef").write_bytes(definition)
        return model_dir

    async def test_with_operations_that_initialise_it(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        model_dir = self.save(tmp_path / "m")
        (model_dir / "1" / "init.json").write_text(json.dumps({"init_ops": ["init"]}))
        text = ADD + ' platform: "tensorflow_graphdef"' + parameter("TF_INIT_OPS_FILE", "init.json")
        served.load(model_dir, text)
        assert await add_ones(served) == [[2, 2, 2]]

    async def test_its_configuration_must_be_complete(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        text = BACKEND + ' platform: "tensorflow_graphdef"'
        with pytest.raises(ServerError, match="must be configured; a SavedModel does"):
            served.complete(self.save(tmp_path / "m"), text)

    async def test_names_that_it_has_not(self, served: ServedModels, tmp_path: Path) -> None:
        text = ADD.replace('"y"', '"z"') + ' platform: "tensorflow_graphdef"'
        error = refused(served, self.save(tmp_path / "m"), text)
        assert "unable to load model 'm', the graph has no tensor 'z'" in error.message


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
                'input { name: "b" data_type: TYPE_FP32 dims: 3 }',
                "",
                "unable to load model 'm', configuration expects 1 inputs, model provides 2",
            ),
            ('name: "b"', 'name: "c"', "unexpected inference input 'c', allowed inputs are: a, b"),
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

    async def test_a_signature_that_it_has_not(self, served: ServedModels, affine: Path) -> None:
        with pytest.raises(ServerError) as caught:
            served.complete(affine, BACKEND + parameter("TF_SIGNATURE_DEF", "lower"))
        assert caught.value.message == (
            "unable to load model 'affine', expected 'lower' signature; its signatures are: "
            "serving_default, upper"
        )

    async def test_types_that_the_protocol_has_not(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        with tf.Graph().as_default():
            x = v1.placeholder(tf.complex64, [None, 3])
            save_graph(tmp_path / "m", {"x": x}, {"y": tf.math.real(x)})
        with pytest.raises(ServerError, match="input 'x' has a type that requests cannot carry"):
            served.complete(tmp_path / "m", BACKEND)

    async def test_files_cut_short(
        self, served: ServedModels, affine: Path, tmp_path: Path
    ) -> None:
        for name in ("saved_model.pb", "variables/variables.index", "variables/variables.data*"):
            shutil.rmtree(tmp_path / "m", ignore_errors=True)
            shutil.copytree(affine, tmp_path / "m")
            (file,) = (tmp_path / "m" / "1" / "model.savedmodel").glob(name)
            file.write_bytes(file.read_bytes()[:50])
            with pytest.raises(ServerError) as caught:
                served.load(tmp_path / "m", AFFINE)
            assert caught.value.message.startswith("failed to load model 'm': version 1: ")

    async def test_no_files(self, served: ServedModels, tmp_path: Path) -> None:
        (tmp_path / "m" / "1").mkdir(parents=True)
        error = refused(served, tmp_path / "m", ADD)
        assert (error.code, error.message) == (
            Code.UNAVAILABLE,
            "unable to find 'm/1/model.savedmodel' for model 'm'",
        )
        (tmp_path / "m" / "1" / "model.savedmodel").mkdir()
        assert "saved_model.pb" in refused(served, tmp_path / "m", ADD).message

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            ("instance_group { kind: KIND_GPU gpus: 0 }", ""),
            (
                "optimization { execution_accelerators { "
                "gpu_execution_accelerator { name: 'auto_mixed_precision' } } }",
                "Execution Accelerator 'auto_mixed_precision' of model 'm' is not available: "
                "TensorFlow runs on the CPU here",
            ),
            (
                "parameters { key: 'TF_NUM_INTRA_THREADS' value { string_value: '-2' } }",
                "parameter 'TF_NUM_INTRA_THREADS' of model 'm' must be a count, got '-2'",
            ),
            (
                "parameters { key: 'TF_USE_PER_SESSION_THREADS' value { string_value: 'so' } }",
                "parameter 'TF_USE_PER_SESSION_THREADS' of 'm' must be true or false, got 'so'",
            ),
            (
                "parameters { key: 'TF_INIT_OPS_FILE' value { string_value: '../../x' } }",
                "unable to find TF_INIT_OPS_FILE '../../x' in the directory of model 'm'",
            ),
        ],
    )
    async def test_settings_refused(
        self, served: ServedModels, tmp_path: Path, more: str, message: str
    ) -> None:
        error = refused(served, save_add(tmp_path / "m"), ADD + more)
        assert message in error.message

    @pytest.mark.parametrize(
        "more",
        [
            parameter("TF_NUM_INTRA_THREADS", "1") + parameter("TF_NUM_INTER_THREADS", "2"),
            parameter("TF_NUM_INTER_THREADS", "1") + parameter("TF_USE_PER_SESSION_THREADS", "yes"),
        ],
    )
    async def test_settings_accepted(self, served: ServedModels, tmp_path: Path, more: str) -> None:
        served.load(save_add(tmp_path / "m"), ADD + more)
        assert await add_ones(served) == [[2, 2, 2]]

    @pytest.mark.parametrize(
        ("key", "value", "message"),
        [
            ("version", "1", "Please switch to Tensorflow 2."),
            ("version", "3", "unexpected TensorFlow library version '3', expects 2."),
            ("gpu-memory-fraction", "2", "gpu-memory-fraction must be a number from 0 to 1"),
            ("allow-soft-placement", "maybe", "allow-soft-placement must be true or false"),
        ],
    )
    def test_back_end_settings(self, tmp_path: Path, key: str, value: str, message: str) -> None:
        served = ServedModels({"tensorflow": {key: value}})
        assert message in refused(served, save_add(tmp_path / "m"), ADD).message


AFFINE = f"""{BACKEND} max_batch_size: 8
    input {{ name: "x" data_type: TYPE_FP32 dims: 64 }}
    output {{ name: "y" data_type: TYPE_FP32 dims: 10 }}"""
