# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `pytorch` with TorchScript: conformance, names, strings (5.3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import pytest_asyncio
from backend_conformance import BackendConformance, Tensors
from penstock.errors import Code, ServerError
from penstock.types import DataType
from served_models import ServedModels

torch = pytest.importorskip("torch")
from torch_models import save_script  # noqa: E402

BACKEND = 'backend: "pytorch"'


class TestPytorch(BackendConformance):
    backend: ClassVar[str] = "pytorch"
    data_types: ClassVar[Sequence[DataType]] = [each for each in DataType if each not in (0, 13)]

    def write_echo(self, model_dir: Path, tensors: Tensors, *, batching: bool) -> None:
        names = [f"INPUT{index}" for index in range(len(tensors))]
        outputs = ", ".join(f'"OUTPUT{i}": {name}' for i, name in enumerate(names))
        save_script(model_dir, ", ".join(names), f"return {{{outputs}}}")

    def write_wrong_file(self, model_dir: Path) -> bool:
        (model_dir / "1" / "model.pt").write_bytes(b"\x08\x09 this is no model" * 100)
        return True


@pytest.fixture(scope="module", autouse=True)
def warm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What PyTorch starts once a process is there before threads and files are counted."""
    torch.rand(512, 512) @ torch.rand(512, 512)  # this thread's workers stay, too
    model_dir = save_script(tmp_path_factory.mktemp("first") / "m", "x", "return x")
    served = ServedModels()
    served.load(model_dir, tensors("x", "y"))
    served.unload("m")


@pytest_asyncio.fixture
async def served() -> AsyncIterator[ServedModels]:
    async with ServedModels().running() as served:
        yield served


def tensors(inputs: str, outputs: str, *, batch: int = 8, more: str = "", dims: str = "2") -> str:
    """A configuration of FP32 tensors; names are separated by blanks."""
    lines = [f"{BACKEND} max_batch_size: {batch} {more}"]
    for kind, names in (("input", inputs), ("output", outputs)):
        for name in names.split():
            lines.append(f'{kind} {{ name: "{name}" data_type: TYPE_FP32 dims: [{dims}] }}')
    return "\n".join(lines)


def rows(*values: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """One row of two for each value."""
    return np.array([[value, value] for value in values], np.float32)


def refused(served: ServedModels, model_dir: Path, text: str) -> ServerError:
    with pytest.raises(ServerError) as caught:
        served.load(model_dir, text)
    return caught.value.with_traceback(None)  # whose frames hold what was loaded so far


class TestNames:
    """How configured names become arguments and results."""

    @pytest.mark.parametrize(
        ("inputs", "outputs"),
        [
            ("a b", "OUTPUT__0 OUTPUT__1"),
            ("b a", "OUTPUT__0 OUTPUT__1"),
            ("INPUT__0 INPUT__1", "OUTPUT__0 OUTPUT__1"),
            ("IN__1 IN__0", "OUT__1 OUT__0"),
            ("first second", "difference product"),
        ],
    )
    async def test_conventions(
        self, served: ServedModels, tmp_path: Path, inputs: str, outputs: str
    ) -> None:
        served.load(
            save_script(tmp_path / "m", "a, b", "return a - b, a * b"), tensors(inputs, outputs)
        )
        first, second = sorted(inputs.split(), key=lambda name: name[-1])
        if inputs == "first second":
            first, second = "first", "second"
        answer = await served.infer("m", {first: rows(5, 7), second: rows(3, 2)})
        named = {name: answer.array(name).tolist() for name in answer.outputs}
        difference, product = sorted(outputs.split(), key=lambda name: name[-1])
        if outputs == "difference product":
            difference, product = "difference", "product"
        assert named == {difference: rows(2, 5).tolist(), product: rows(15, 14).tolist()}

    async def test_a_dictionary_of_inputs(self, served: ServedModels, tmp_path: Path) -> None:
        model_dir = save_script(
            tmp_path / "m", "x: Dict[str, Tensor]", 'return {"sum": x["a"] + x["b"]}'
        )
        served.load(model_dir, tensors("a b", "sum"))
        answer = await served.infer("m", {"a": rows(1), "b": rows(2)})
        assert answer.array("sum").tolist() == [[3, 3]]

    async def test_an_optional_argument(self, served: ServedModels, tmp_path: Path) -> None:
        model_dir = save_script(
            tmp_path / "m",
            "a, b: Optional[Tensor] = None, c: Optional[Tensor] = None",
            "if c is not None:",
            "    return a + c",
            "return a",
        )
        text = tensors("a", "OUTPUT__0") + (
            'input { name: "c" data_type: TYPE_FP32 dims: 2 optional: true }'
        )
        served.load(model_dir, text)
        assert (await served.infer("m", {"a": rows(1)})).array("OUTPUT__0").tolist() == [[1, 1]]
        answer = await served.infer("m", {"a": rows(1), "c": rows(4)})
        assert answer.array("OUTPUT__0").tolist() == [[5, 5]]

    @pytest.mark.parametrize(
        ("arguments", "text", "message"),
        [
            (
                "a, b",
                tensors("IN__0 IN", "OUT__0"),
                "input 'IN' does not follow <name>__<index> naming convention.",
            ),
            (
                "a, b",
                tensors("a", "OUT__0"),
                "argument 'b' of forward is no input of the configuration, which has: a",
            ),
            (
                "a, b",
                tensors("a x", "OUT__0"),
                "input 'x' is no argument of forward, which takes: a, b",
            ),
            (
                "a, b",
                tensors("I__0 I__2", "OUT__0"),
                "input 'I__2' refers to argument 2, forward takes 2: a, b",
            ),
            (
                "a, b",
                tensors("I__1 J__1", "OUT__0"),
                "two inputs of the configuration have the same index",
            ),
            (
                "a: Dict[str, Tensor], b: Dict[str, Tensor]",
                tensors("x", "OUT__0"),
                "Multiple inputs of kind DictType were detected. Only a single input of type "
                "Dict(str, Tensor) is supported.",
            ),
            (
                "a",
                f'{BACKEND} input {{ name: "a" data_type: TYPE_STRING dims: 1 }}'
                'output { name: "OUT__0" data_type: TYPE_FP32 dims: 1 }',
                "input 'a' of model 'm' has datatype TYPE_STRING, which PyTorch has only as a "
                "List[str] of TorchScript",
            ),
        ],
    )
    async def test_what_does_not_fit(
        self, served: ServedModels, tmp_path: Path, arguments: str, text: str, message: str
    ) -> None:
        body = "return a" if "Dict" not in arguments else 'return a["x"]'
        error = refused(served, save_script(tmp_path / "m", arguments, body), text)
        assert error.code is Code.INVALID_ARG
        assert error.message.removeprefix("failed to load model 'm': version 1: ") == message

    async def test_no_forward(self, served: ServedModels, tmp_path: Path) -> None:
        model_dir = save_script(tmp_path / "m", "x", "return x", name="other")
        error = refused(served, model_dir, tensors("x", "y"))
        assert error.message == (
            "failed to load model 'm': version 1: 'm/1/model.pt' has no method 'forward'"
        )


class TestStrings:
    TEXT = f"""{BACKEND} max_batch_size: 4
        input {{ name: "x" data_type: TYPE_STRING dims: 1 }}
        output {{ name: "OUTPUT__0" data_type: TYPE_STRING dims: 1 }}
        output {{ name: "OUTPUT__1" data_type: TYPE_INT64 dims: 1 }}"""
    BODY = (
        "lengths: List[int] = []",
        "for each in x:",
        "    lengths.append(len(each))",
        'return [each + "!" for each in x], torch.tensor(lengths).reshape(-1, 1)',
    )

    async def test_there_and_back(self, served: ServedModels, tmp_path: Path) -> None:
        served.load(save_script(tmp_path / "m", "x: List[str]", *self.BODY), self.TEXT)
        sent = np.array([[b"a"], ["h\u00e9".encode()], [b""]], dtype=object)
        answer = await served.infer("m", {"x": sent})
        strings = answer.outputs["OUTPUT__0"]
        assert strings.shape == (3, 1)
        assert strings.data == b"\2\0\0\0a!\4\0\0\0h\xc3\xa9!\1\0\0\0!"
        assert answer.array("OUTPUT__1").tolist() == [[1], [3], [0]]

    async def test_dynamic_batches(self, served: ServedModels, tmp_path: Path) -> None:
        more = "dynamic_batching { max_queue_delay_microseconds: 100000 }"
        served.load(save_script(tmp_path / "m", "x: List[str]", *self.BODY), self.TEXT + more)
        sent = [np.array([[text.encode()]], dtype=object) for text in "abcd"]
        answers = await asyncio.gather(*(served.infer("m", {"x": each}) for each in sent))
        texts = [answer.outputs["OUTPUT__0"].data[4:] for answer in answers]
        assert texts == [b"a!", b"b!", b"c!", b"d!"]

    async def test_bytes_that_are_no_text(self, served: ServedModels, tmp_path: Path) -> None:
        """TorchScript gives strings back as text only: the request fails, the model goes on."""
        served.load(save_script(tmp_path / "m", "x: List[str]", *self.BODY), self.TEXT)
        with pytest.raises(ServerError) as caught:
            await served.infer("m", {"x": np.array([[b"\xff\xfe"]], dtype=object)})
        assert caught.value.code is Code.INTERNAL
        assert "'utf-8' codec can't decode" in caught.value.message
        answer = await served.infer("m", {"x": np.array([[b"ok"]], dtype=object)})
        assert answer.outputs["OUTPUT__0"].data[4:] == b"ok!"


class TestAnswers:
    async def test_equal_to_the_frameworks_own(self, served: ServedModels, tmp_path: Path) -> None:
        torch.manual_seed(0)
        module = torch.nn.Sequential(torch.nn.Linear(64, 10), torch.nn.Softmax(1)).eval()
        (tmp_path / "m" / "1").mkdir(parents=True)
        with pytest.warns(DeprecationWarning):
            torch.jit.script(module).save(str(tmp_path / "m" / "1" / "model.pt"))
        text = f"""{BACKEND} max_batch_size: 4
            input {{ name: "INPUT__0" data_type: TYPE_FP32 dims: [64] }}
            output {{ name: "OUTPUT__0" data_type: TYPE_FP32 dims: [10] }}"""
        served.load(tmp_path / "m", text)
        for batch in (1, 3, 4):
            x = torch.rand(batch, 64)
            answer = await served.infer("m", {"INPUT__0": x.numpy()})
            with torch.inference_mode():
                expected = module(x).numpy()
            assert np.allclose(answer.array("OUTPUT__0"), expected, atol=1e-6)

    async def test_views_and_transposed_results(self, served: ServedModels, tmp_path: Path) -> None:
        """Results whose memory is not in order are put in order."""
        served.load(
            save_script(tmp_path / "m", "x", "return x.flip(1), x.t().contiguous().t()"),
            tensors("x", "a b"),
        )
        sent = np.arange(6, dtype=np.float32).reshape(3, 2)
        answer = await served.infer("m", {"x": sent})
        assert answer.array("a").tolist() == sent[:, ::-1].tolist()
        assert answer.array("b").tolist() == sent.tolist()

    async def test_result_that_is_only_marked_as_negated(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        """Its memory holds what it is the negative of."""
        body = "return torch._neg_view(x)"
        served.load(save_script(tmp_path / "m", "x", body), tensors("x", "y"))
        sent = np.array([[1.0, -2.0]], np.float32)
        answer = await served.infer("m", {"x": sent})
        assert answer.array("y").tolist() == (-sent).tolist()

    async def test_a_model_that_writes_into_its_input(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        served.load(save_script(tmp_path / "m", "x", "return x.add_(1)"), tensors("x", "y"))
        assert (await served.infer("m", {"x": rows(1)})).array("y").tolist() == [[2, 2]]


class TestFailures:
    async def fail(self, served: ServedModels, model_dir: Path, text: str) -> ServerError:
        served.load(model_dir, text)
        with pytest.raises(ServerError) as caught:
            await served.infer("m", {"x": rows(1)})
        return caught.value

    @pytest.mark.parametrize(
        ("body", "outputs", "message"),
        [
            (
                "return x",
                "OUTPUT__0 OUTPUT__1",
                "The output OUTPUT__1 in the model configuration refers to an output index which "
                "doesn't exist. Model 'm' has 1 outputs",
            ),
            (
                'return {"a": x}',
                "b",
                "model 'm' version 1 did not return output 'b'; it returned: a",
            ),
            ("return x.sum()", "y", "output 'y' is a scalar which is not supported."),
            (
                "return x.long()",
                "y",
                "unexpected data type for output 'y' of model 'm'. Expected FP32, got INT64",
            ),
            (
                "return x.repeat(2, 1)",
                "y",
                "output 'y' of model 'm' has shape [2,2] for a batch of 1",
            ),
            (
                "return 7",
                "y",
                "output 'y' of model 'm' is a int, expected a tensor or List[str]",
            ),
        ],
    )
    async def test_results_that_do_not_fit(
        self, served: ServedModels, tmp_path: Path, body: str, outputs: str, message: str
    ) -> None:
        error = await self.fail(
            served, save_script(tmp_path / "m", "x", body), tensors("x", outputs)
        )
        assert (error.code, error.message) == (Code.INTERNAL, message)

    async def test_complex_results(self, served: ServedModels, tmp_path: Path) -> None:
        model_dir = save_script(tmp_path / "m", "x", "return torch.complex(x, x)")
        error = await self.fail(served, model_dir, tensors("x", "y"))
        assert error.message.startswith(
            "unexpected data type for output 'y' of model 'm'. Expected FP32, got complex64"
        )

    async def test_the_frameworks_own_words(self, served: ServedModels, tmp_path: Path) -> None:
        model_dir = save_script(tmp_path / "m", "x", "return x @ x")
        error = await self.fail(served, model_dir, tensors("x", "y"))
        assert error.code is Code.INTERNAL
        assert error.message.startswith("PyTorch execute failure: model 'm' version 1: ")
        assert "mat1 and mat2 shapes cannot be multiplied (1x2 and 1x2)" in error.message
        assert (await served.infer("m", {"x": np.ones((2, 2), np.float32)})).array("y").size == 4
