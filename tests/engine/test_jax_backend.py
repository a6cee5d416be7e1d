# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `jax`: conformance, names, symbolic shapes, bad files (contract 3.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import pytest_asyncio
from backend_conformance import BackendConformance, Tensors
from penstock.errors import Code, ServerError
from penstock.types import NUMPY_DTYPES, DataType
from served_models import ServedModels, Wire

jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
export = pytest.importorskip("jax.export")

JAX_TYPES = {
    data_type: jnp.dtype(dtype)
    for data_type, dtype in NUMPY_DTYPES.items()
    if data_type is not DataType.BYTES
} | {DataType.BF16: jnp.dtype(jnp.bfloat16)}


def spec(shape: str, data_type: DataType = DataType.FP32, scope: Any = None) -> Any:
    """An argument. `shape`: as JAX writes symbolic shapes."""
    sizes = export.symbolic_shape(shape, scope=scope)
    return jax.ShapeDtypeStruct(sizes, JAX_TYPES[data_type])


def save(model_dir: Path, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Path:
    """Exports version 1."""
    with jax.enable_x64(True):
        exported = export.export(jax.jit(function), platforms=["cpu"])(*args, **kwargs)
    (model_dir / "1").mkdir(parents=True, exist_ok=True)
    (model_dir / "1" / "model.jaxexport").write_bytes(exported.serialize())
    return model_dir


class TestJax(BackendConformance):
    backend: ClassVar[str] = "jax"
    data_types: ClassVar[Sequence[DataType]] = list(JAX_TYPES)

    def write_echo(self, model_dir: Path, tensors: Tensors, *, batching: bool) -> None:
        scope = export.SymbolicScope()
        inputs = {}
        for index, (data_type, dims) in enumerate(tensors):
            names = [f"d{index}_{i}" if dim == -1 else str(dim) for i, dim in enumerate(dims)]
            shape = ",".join(["b", *names] if batching else names)
            inputs[f"INPUT{index}"] = spec(f"({shape},)", data_type, scope)

        def echo(inputs: dict[str, Any]) -> dict[str, Any]:
            return {name.replace("INPUT", "OUTPUT"): value for name, value in inputs.items()}

        save(model_dir, echo, inputs)

    def write_wrong_file(self, model_dir: Path) -> bool:
        (model_dir / "1" / "model.jaxexport").write_bytes(b"this is no model" * 100)
        return True

    async def test_no_elements(
        self, served: ServedModels, tmp_path: Path, each_type: DataType
    ) -> None:
        """A symbolic dimension of JAX is at least 1: C-8 is its refusal, in its words."""
        name = self.load_echo(served, tmp_path / "echo", [(each_type, (-1,))])
        with pytest.raises(ServerError, match="model 'echo' version 1: .* >= 1") as caught:
            await served.infer(name, {"INPUT0": Wire(each_type, (2, 0), b"")})
        assert caught.value.code is Code.INTERNAL


@pytest.fixture(scope="module", autouse=True)
def started_threads(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What JAX starts once a process is there before threads are counted."""
    served = ServedModels()
    served.load(save_affine(tmp_path_factory.mktemp("first") / "m"), AFFINE)
    served.unload("m")


@pytest_asyncio.fixture
async def served() -> AsyncIterator[ServedModels]:
    async with ServedModels().running() as served:
        yield served


BACKEND = 'backend: "jax"'
AFFINE = f"""{BACKEND} max_batch_size: 8
    input {{ name: "x" data_type: TYPE_FP32 dims: 64 }}
    output {{ name: "y" data_type: TYPE_FP32 dims: 10 }}"""
WEIGHTS = np.random.default_rng(0).standard_normal((64, 10), np.float32)


def affine(x: Any) -> dict[str, Any]:
    return {"y": jax.nn.softmax(x @ WEIGHTS)}


def save_affine(model_dir: Path) -> Path:
    return save(model_dir, lambda *, x: affine(x), x=spec("(b, 64)"))


def refused(served: ServedModels, model_dir: Path, text: str) -> ServerError:
    with pytest.raises(ServerError) as caught:
        served.load(model_dir, text)
    return caught.value.with_traceback(None)  # whose frames hold what was loaded so far


class TestAnswers:
    async def test_equal_to_the_frameworks_own(self, served: ServedModels, tmp_path: Path) -> None:
        config = served.complete(save_affine(tmp_path / "m"), BACKEND)
        assert config.max_batch_size == 4
        served.load(tmp_path / "m", config)
        for batch in (1, 3, 4):
            x = np.random.default_rng(batch).standard_normal((batch, 64), np.float32)
            expected = np.asarray(jax.jit(affine)(x)["y"])
            answer = await served.infer("m", {"x": x})
            assert np.allclose(answer.array("y"), expected, atol=1e-6)

    async def test_names(self, served: ServedModels, tmp_path: Path) -> None:
        """Keywords and keys of dictionaries are names; what has a position only is numbered."""

        def function(first: Any, second: dict[str, Any], *, third: Any) -> Any:
            return first + second["part"], {"nested": [third]}

        scope = export.SymbolicScope()
        x = spec("(b, 2)", scope=scope)
        model_dir = save(tmp_path / "m", function, x, {"part": x}, third=x)
        config = served.complete(model_dir, BACKEND)
        assert [each.name for each in config.input] == ["INPUT__0", "part", "third"]
        assert [each.name for each in config.output] == ["OUTPUT__0", "OUTPUT__1.nested.0"]
        served.load(model_dir, config)
        ones = np.ones((1, 2), np.float32)
        inputs = {"INPUT__0": ones, "part": 2 * ones, "third": 5 * ones}
        answer = await served.infer("m", inputs)
        assert answer.array("OUTPUT__0").tolist() == [[3, 3]]
        assert answer.array("OUTPUT__1.nested.0").tolist() == [[5, 5]]

    async def test_fixed_shapes_and_scalars(self, served: ServedModels, tmp_path: Path) -> None:
        model_dir = save(tmp_path / "m", lambda x: x.sum(), spec("(3,)", DataType.FP64))
        config = served.complete(model_dir, BACKEND)
        assert config.max_batch_size == 0
        assert list(config.output[0].dims) == [1]
        served.load(model_dir, config)
        answer = await served.infer("m", {"INPUT__0": np.array([1.5, 2, 3])})
        assert answer.array("OUTPUT__0").tolist() == [6.5]

    async def test_shapes_without_end_are_compiled_without_growing(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        served.load(save(tmp_path / "m", lambda x: x + 1, spec("(b, n)")), DYNAMIC)
        for size in range(1, 80):
            sent = np.full((1, size), size, np.float32)
            answer = await served.infer("m", {"INPUT__0": sent})
            assert answer.array("OUTPUT__0").tolist() == [[size + 1] * size]

    async def test_shapes_that_the_program_excludes(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        sizes = export.symbolic_shape("b, n", constraints=["n >= 8"])
        argument = jax.ShapeDtypeStruct(sizes, np.float32)
        served.load(save(tmp_path / "m", lambda x: x + 1, argument), DYNAMIC)
        with pytest.raises(ServerError, match="JAX execute failure: model 'm' version 1"):
            await served.infer("m", {"INPUT__0": np.ones((1, 7), np.float32)})
        answer = await served.infer("m", {"INPUT__0": np.ones((1, 8), np.float32)})
        assert answer.array("OUTPUT__0").tolist() == [[2] * 8]


DYNAMIC = f"""{BACKEND} max_batch_size: 8
    input {{ name: "INPUT__0" data_type: TYPE_FP32 dims: -1 }}
    output {{ name: "OUTPUT__0" data_type: TYPE_FP32 dims: -1 }}"""


class TestLoadChecks:
    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("dims: 64", "dims: 63", "tensor 'x': the model expects shape [-1,64] but"),
            ("FP32 dims: 64", "INT8 dims: 64", "configuration expects datatype TYPE_INT8 for inpu"),
            ('name: "x"', 'name: "z"', "unexpected inference input 'z', allowed inputs are: x"),
        ],
    )
    async def test_disagreement(
        self, served: ServedModels, tmp_path: Path, old: str, new: str, message: str
    ) -> None:
        error = refused(served, save_affine(tmp_path / "m"), AFFINE.replace(old, new))
        assert error.code is Code.INVALID_ARG
        assert message in error.message

    async def test_a_file_cut_short(self, served: ServedModels, tmp_path: Path) -> None:
        file = save_affine(tmp_path / "m") / "1" / "model.jaxexport"
        whole = file.read_bytes()
        for size in (0, 3, 100, len(whole) // 2):
            file.write_bytes(whole[:size])
            error = refused(served, tmp_path / "m", AFFINE)
            assert error.message.startswith("failed to load model 'm': version 1: ")

    async def test_no_file(self, served: ServedModels, tmp_path: Path) -> None:
        (tmp_path / "m" / "1").mkdir(parents=True)
        error = refused(served, tmp_path / "m", AFFINE)
        assert (error.code, error.message) == (
            Code.UNAVAILABLE,
            "unable to read 'm/1/model.jaxexport' for model 'm': No such file or directory",
        )

    async def test_another_platforms_program(self, served: ServedModels, tmp_path: Path) -> None:
        exported = export.export(jax.jit(affine), platforms=["tpu"])(spec("(b, 64)"))
        (tmp_path / "m" / "1").mkdir(parents=True)
        (tmp_path / "m" / "1" / "model.jaxexport").write_bytes(exported.serialize())
        error = refused(served, tmp_path / "m", AFFINE)
        assert error.code is Code.UNSUPPORTED
        assert "unable to load model 'm', the program was exported for tpu" in error.message

    async def test_types_that_the_protocol_has_not(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        argument = jax.ShapeDtypeStruct((3,), np.complex64)
        model_dir = save(tmp_path / "m", lambda x: x.real, argument)
        with pytest.raises(ServerError, match="input 'INPUT__0' has a type that requests cannot"):
            served.complete(model_dir, BACKEND)

    async def test_gpu_instances_and_accelerators(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        save_affine(tmp_path / "m")
        assert refused(served, tmp_path / "m", AFFINE + GPU).message
        error = refused(served, tmp_path / "m", AFFINE + ACCELERATOR)
        assert error.message == ("unknown Execution Accelerator 'warp' is requested for model 'm'")


GPU = "instance_group { kind: KIND_GPU gpus: 0 }"
ACCELERATOR = (
    "optimization { execution_accelerators { gpu_execution_accelerator { name: 'warp' } } }"
)
