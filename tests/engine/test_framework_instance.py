# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What back ends of frameworks share, with numpy as the framework (5.2, 3.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import ml_dtypes
import numpy as np
import pytest
import pytest_asyncio
from backend_conformance import BackendConformance, Tensors, sample
from penstock.backends import registry
from penstock.backends.framework import FrameworkInstance, Output, TensorSignature, match
from penstock.backends.interface import InstanceSpec, ModelContext
from penstock.errors import Code, ServerError
from penstock.types import DataType
from served_models import ServedModels

Run = Callable[[dict[str, Any], Sequence[str]], Mapping[str, Output]]


class NumpyInstance(FrameworkInstance):
    framework = "numpy"

    def __init__(self, context: ModelContext, plan: Any, run: Run, scalars: frozenset[str]) -> None:
        super().__init__(context, plan, scalars=scalars)
        self._run = run

    def run(self, inputs: dict[str, Any], wanted: Sequence[str]) -> Mapping[str, Output]:
        return self._run(inputs, wanted)


class NumpyBackend:
    """Every version is the function that is set here."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.signatures: tuple[list[TensorSignature], list[TensorSignature]] | None = None
        self._scalars: frozenset[str] = frozenset()

    def auto_complete(self, context: ModelContext) -> None: ...

    def load(self, context: ModelContext) -> NumpyBackend:
        if self.signatures is not None:
            self._scalars = match(context, *self.signatures)
        self._context = context
        return self

    def create_instance(self, spec: InstanceSpec, plan: Any) -> NumpyInstance:
        return NumpyInstance(self._context, plan, self.run, self._scalars)

    def unload(self) -> None: ...


def echo(inputs: dict[str, Any], wanted: Sequence[str]) -> Mapping[str, Output]:
    """BF16 comes as bits, and goes as what frameworks make of it."""
    outputs = {}
    for name in wanted:
        array = inputs[name.replace("OUTPUT", "INPUT")]
        assert not array.flags.writeable or array.dtype == object or array.size == 0
        outputs[name] = array
    return outputs


def echo_bits(inputs: dict[str, Any], wanted: Sequence[str]) -> Mapping[str, Output]:
    return {"OUTPUT0": inputs["INPUT0"].view(ml_dtypes.bfloat16)}


@pytest.fixture(autouse=True)
def numpy_backend(monkeypatch: pytest.MonkeyPatch) -> NumpyBackend:
    backend = NumpyBackend(echo)
    monkeypatch.setitem(registry._found, "numpy", backend)
    return backend


@pytest_asyncio.fixture
async def served() -> AsyncIterator[ServedModels]:
    async with ServedModels().running() as served:
        yield served


class TestNumpy(BackendConformance):
    backend: ClassVar[str] = "numpy"
    data_types: ClassVar[Sequence[DataType]] = [
        each for each in DataType if each not in (DataType.INVALID, DataType.BF16)
    ]

    def write_echo(self, model_dir: Path, tensors: Tensors, *, batching: bool) -> None: ...


def config(more: str = "", *, dims: str = "2", batch: int = 8, outputs: str = "OUTPUT0") -> str:
    lines = [f'backend: "numpy" max_batch_size: {batch} {more}']
    lines.append(f'input {{ name: "INPUT0" data_type: TYPE_FP32 dims: [{dims}] }}')
    for name in outputs.split():
        lines.append(f'output {{ name: "{name}" data_type: TYPE_FP32 dims: [{dims}] }}')
    return "\n".join(lines)


ONES = {"INPUT0": np.ones((1, 2), np.float32)}


@pytest.mark.parametrize("shape", [(1, 3), (4, 0), (2, 1)])
async def test_bf16(
    served: ServedModels, tmp_path: Path, numpy_backend: NumpyBackend, shape: tuple[int, ...]
) -> None:
    numpy_backend.run = echo_bits
    served.load(tmp_path / "m", config(dims="-1").replace("FP32", "BF16"))
    sent = sample(DataType.BF16, shape)
    assert (await served.infer("m", {"INPUT0": sent})).outputs == {"OUTPUT0": sent}


async def test_only_what_is_wanted_is_asked_for(
    served: ServedModels, tmp_path: Path, numpy_backend: NumpyBackend
) -> None:
    asked: list[list[str]] = []

    def run(inputs: dict[str, Any], wanted: Sequence[str]) -> Mapping[str, Output]:
        asked.append(list(wanted))
        return dict.fromkeys(("a", "b", "c", "more"), inputs["INPUT0"])

    numpy_backend.run = run
    served.load(tmp_path / "m", config(outputs="a b c"))
    assert set((await served.infer("m", ONES)).outputs) == {"a", "b", "c"}
    assert set((await served.infer("m", ONES, outputs=["c", "a"])).outputs) == {"a", "c"}
    assert asked == [["a", "b", "c"], ["a", "c"]]


async def test_an_optional_input_that_nobody_sends(
    served: ServedModels, tmp_path: Path, numpy_backend: NumpyBackend
) -> None:
    numpy_backend.run = lambda inputs, wanted: {"OUTPUT0": sum(inputs.values())}
    served.load(
        tmp_path / "m",
        config('input { name: "more" data_type: TYPE_FP32 dims: 2 optional: true }'),
    )
    assert (await served.infer("m", ONES)).array("OUTPUT0").tolist() == [[1, 1]]
    both = await served.infer("m", ONES | {"more": ONES["INPUT0"]})
    assert both.array("OUTPUT0").tolist() == [[2, 2]]


async def test_scalars(served: ServedModels, tmp_path: Path, numpy_backend: NumpyBackend) -> None:
    """[1] for clients is no dimension at all for the model."""
    numpy_backend.signatures = (
        [TensorSignature("INPUT0", DataType.FP32, ())],
        [TensorSignature("OUTPUT0", DataType.FP32, ())],
    )

    def run(inputs: dict[str, Any], wanted: Sequence[str]) -> Mapping[str, Output]:
        assert inputs["INPUT0"].shape == ()
        return {"OUTPUT0": np.asarray(inputs["INPUT0"] + 1)}

    numpy_backend.run = run
    served.load(tmp_path / "m", config(dims="1", batch=0))
    answer = await served.infer("m", {"INPUT0": np.ones(1, np.float32)})
    assert answer.array("OUTPUT0").tolist() == [2]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (
            {"a": np.ones((1, 2), np.float32)},
            "model 'm' version 1 did not return output 'OUTPUT0'; it returned: a",
        ),
        ({}, "model 'm' version 1 did not return output 'OUTPUT0'; it returned: nothing"),
        (
            {"OUTPUT0": np.ones((1, 2))},
            "unexpected data type for output 'OUTPUT0' of model 'm'. Expected FP32, got FP64",
        ),
        (
            {"OUTPUT0": np.ones((1, 2), np.complex64)},
            "unexpected data type for output 'OUTPUT0' of model 'm'. Expected FP32, got "
            "complex64: numpy dtype 'complex64' has no counterpart in the protocol",
        ),
        (
            {"OUTPUT0": np.ones((2, 2), np.float32)},
            "output 'OUTPUT0' of model 'm' has shape [2,2] for a batch of 1",
        ),
    ],
)
async def test_wrong_outputs(
    served: ServedModels,
    tmp_path: Path,
    numpy_backend: NumpyBackend,
    returned: Mapping[str, Output],
    message: str,
) -> None:
    numpy_backend.run = lambda inputs, wanted: returned
    served.load(tmp_path / "m", config())
    with pytest.raises(ServerError) as caught:
        await served.infer("m", ONES)
    assert (caught.value.code, caught.value.message) == (Code.INTERNAL, message)


async def test_the_frameworks_own_words(
    served: ServedModels, tmp_path: Path, numpy_backend: NumpyBackend
) -> None:
    """Bounded, and without the paths of the machine; a ServerError comes through as it is."""

    def run(inputs: dict[str, Any], wanted: Sequence[str]) -> Mapping[str, Output]:
        raise ValueError(f"in {tmp_path}/m/1/file: {'x' * 10_000}")

    numpy_backend.run = run
    served.load(tmp_path / "m", config())
    with pytest.raises(ServerError) as caught:
        await served.infer("m", ONES)
    text = "numpy execute failure: model 'm' version 1: in m/1/file: xxx"
    assert caught.value.message.startswith(text)
    assert len(caught.value.message) < 5000

    def refuse(inputs: dict[str, Any], wanted: Sequence[str]) -> Mapping[str, Output]:
        raise ServerError("not that", Code.INVALID_ARG)

    numpy_backend.run = refuse
    served.load(tmp_path / "m", config())
    with pytest.raises(ServerError) as caught:
        await served.infer("m", ONES)
    assert (caught.value.code, caught.value.message) == (Code.INVALID_ARG, "not that")


_RAGGED = """
    backend: "numpy" max_batch_size: 3
    dynamic_batching { max_queue_delay_microseconds: 10000000 }
    input { name: "INPUT0" data_type: TYPE_FP32 dims: [-1] allow_ragged_batch: true }
    output { name: "OUTPUT0" data_type: TYPE_FP32 dims: [-1] }
    batch_input {
      kind: BATCH_ELEMENT_COUNT target_name: "COUNTS" data_type: TYPE_INT32 source_input: "INPUT0"
    }
    batch_input {
      kind: BATCH_ITEM_SHAPE target_name: "SHAPES" data_type: TYPE_FP32 source_input: "INPUT0"
    }
    batch_output { target_name: "OUTPUT0" source_input: "INPUT0" }
"""


async def test_ragged_batches(
    served: ServedModels, tmp_path: Path, numpy_backend: NumpyBackend
) -> None:
    """C-4, 2.4, S-5: flat inputs, what tells of them, and outputs that are cut by their shapes."""
    numpy_backend.signatures = (
        [
            TensorSignature("INPUT0", DataType.FP32, (-1,)),
            TensorSignature("COUNTS", DataType.INT32, (-1,)),
            TensorSignature("SHAPES", DataType.FP32, (-1, -1)),
        ],
        [TensorSignature("OUTPUT0", DataType.FP32, (-1,))],
    )
    seen: list[dict[str, Any]] = []

    def run(inputs: dict[str, Any], wanted: Sequence[str]) -> Mapping[str, Output]:
        seen.append({name: array.copy() for name, array in inputs.items()})
        return {"OUTPUT0": -inputs["INPUT0"]}

    numpy_backend.run = run
    served.load(tmp_path / "m", _RAGGED)
    sent = [np.full((1, length), length, np.float32) for length in (3, 0, 5)]
    answers = await asyncio.gather(*(served.infer("m", {"INPUT0": x}) for x in sent))
    for x, answer in zip(sent, answers, strict=True):
        assert answer.array("OUTPUT0").tolist() == (-x).tolist()
    (inputs,) = seen
    assert inputs["INPUT0"].tolist() == [3.0] * 3 + [5.0] * 5
    assert (inputs["COUNTS"].dtype, inputs["COUNTS"].tolist()) == (np.int32, [3, 0, 5])
    assert (inputs["SHAPES"].dtype, inputs["SHAPES"].tolist()) == (np.float32, [[3], [0], [5]])
