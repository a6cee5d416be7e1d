# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `pytorch`: torch.export, AOTInductor and nn.Module in Python (5.3, 3.2)."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from penstock.errors import Code, ServerError
from penstock.types import DataType
from served_models import ServedModels, Wire

torch = pytest.importorskip("torch")
from safetensors.torch import save_file  # noqa: E402
from torch_models import save_exported  # noqa: E402

BACKEND = 'backend: "pytorch"'
EXPORTED = f'{BACKEND} default_model_filename: "model.pt2"'
CODE = f'{BACKEND} runtime: "model.py"'
DYNAMIC = torch.export.Dim.DYNAMIC


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)

    def forward(self, x: Any, scale: Any) -> Any:
        return {"y": self.linear(x) * scale, "long": x.long()}


class Nested(torch.nn.Module):
    def forward(self, pair: Any, more: Any) -> Any:
        return pair[0] + more["a"], [pair[1], more["a"].sum()]


@pytest.fixture(scope="module", autouse=True)
def warm(tmp_path_factory: pytest.TempPathFactory) -> Net:
    """What PyTorch starts once a process is there before threads are counted."""
    torch.rand(512, 512) @ torch.rand(512, 512)  # this thread's workers stay, too
    torch.manual_seed(0)
    net = Net().eval()
    model_dir = save_net(tmp_path_factory.mktemp("first") / "m", net)
    served = ServedModels()
    served.load(model_dir, served.complete(model_dir, EXPORTED))
    served.unload("m")
    return net


@pytest_asyncio.fixture
async def served() -> AsyncIterator[ServedModels]:
    async with ServedModels().running() as served:
        yield served


def save_net(model_dir: Path, net: Net, *, batch: Any = DYNAMIC) -> Path:
    """y = linear(x) * scale."""
    arguments = (torch.rand(2, 3), torch.rand(2, 1))
    shapes = {"x": {0: batch}, "scale": {0: batch}} if batch else None
    return save_exported(model_dir, net, arguments, dynamic_shapes=shapes)


async def check(served: ServedModels, net: Net, batch: int) -> None:
    x, scale = torch.rand(batch, 3), torch.rand(batch, 1)
    answer = await served.infer("m", {"x": x.numpy(), "scale": scale.numpy()})
    with torch.inference_mode():
        expected = net(x, scale)
    assert np.allclose(answer.array("y"), expected["y"].numpy(), atol=1e-6)


class TestExported:
    async def test_completed_from_the_file(
        self, served: ServedModels, tmp_path: Path, warm: Net
    ) -> None:
        config = served.complete(save_net(tmp_path / "m", warm), EXPORTED)
        assert config.max_batch_size == 4
        assert config.HasField("dynamic_batching")
        tensors = [
            (tensor.name, int(tensor.data_type), list(tensor.dims))
            for tensor in (*config.input, *config.output)
        ]
        assert tensors == [
            ("x", DataType.FP32, [3]),
            ("scale", DataType.FP32, [1]),
            ("y", DataType.FP32, [2]),
            ("long", DataType.INT64, [3]),
        ]
        served.load(tmp_path / "m", config)
        for batch in (1, 3, 4):
            await check(served, warm, batch)

    async def test_a_fixed_batch(self, served: ServedModels, tmp_path: Path, warm: Net) -> None:
        model_dir = save_net(tmp_path / "m", warm, batch=None)
        config = served.complete(model_dir, EXPORTED)
        assert config.max_batch_size == 0
        assert list(config.input[0].dims) == [2, 3]
        served.load(model_dir, config)
        await check(served, warm, 2)

    async def test_nested_tensors_by_path(self, served: ServedModels, tmp_path: Path) -> None:
        arguments = ((torch.rand(2), torch.rand(2)), {"a": torch.rand(2)})
        model_dir = save_exported(tmp_path / "m", Nested(), arguments)
        config = served.complete(
            model_dir,
            EXPORTED
            + """input { name: "ARGS[1][a]" } input { name: "INPUT__0" } input { name: "pair_1" }
            output { name: "RESULT[1][1]" } output { name: "OUTPUT__0" }""",
        )
        assert list(config.input[0].dims) == [2]
        assert list(config.output[0].dims) == [1]
        served.load(model_dir, config)
        sent = {name: np.array([i, 1], np.float32) for i, name in enumerate(("pair_1", "INPUT__0"))}
        sent["ARGS[1][a]"] = np.array([10, 20], np.float32)
        answer = await served.infer("m", sent)
        assert answer.array("OUTPUT__0").tolist() == [11, 21]
        assert answer.array("RESULT[1][1]").tolist() == [30]

    async def test_bf16(self, served: ServedModels, tmp_path: Path) -> None:
        class Double(torch.nn.Module):
            def forward(self, x: Any) -> Any:
                return x * 2

        argument = torch.tensor([1.5, -2.0], dtype=torch.bfloat16)
        model_dir = save_exported(tmp_path / "m", Double(), (argument,))
        config = served.complete(model_dir, EXPORTED)
        assert config.output[0].data_type == DataType.BF16
        served.load(model_dir, config)
        sent = Wire(DataType.BF16, (2,), argument.view(torch.int16).numpy().tobytes())
        answer = (await served.infer("m", {"x": sent})).outputs["OUTPUT__0"]
        assert answer.data == (argument * 2).view(torch.int16).numpy().tobytes()

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                'input { name: "x" data_type: TYPE_FP64 dims: 3 }'
                'input { name: "scale" data_type: TYPE_FP32 dims: 1 }'
                'output { name: "y" data_type: TYPE_FP32 dims: 2 }',
                "unable to load model 'm', configuration expects datatype TYPE_FP64 for input "
                "'x', model provides TYPE_FP32",
            ),
            (
                'input { name: "x" data_type: TYPE_FP32 dims: 3 }'
                'output { name: "y" data_type: TYPE_FP32 dims: 2 }',
                "unable to load model 'm', configuration expects 1 inputs, model provides 2",
            ),
            (
                'input { name: "x" data_type: TYPE_FP32 dims: 4 }'
                'input { name: "scale" data_type: TYPE_FP32 dims: 1 }'
                'output { name: "y" data_type: TYPE_FP32 dims: 2 }',
                "unable to load model 'm', tensor 'x': the model expects shape [-1,3] but the "
                "model configuration specifies shape [-1,4]",
            ),
            (
                'input { name: "z" data_type: TYPE_FP32 dims: 3 }',
                "failed to load model 'm': version 1: unexpected inference input 'z', allowed "
                "inputs are: x, scale",
            ),
        ],
    )
    def test_a_configuration_that_does_not_fit(
        self, tmp_path: Path, warm: Net, text: str, message: str
    ) -> None:
        served = ServedModels()
        with pytest.raises(ServerError) as caught:
            served.load(save_net(tmp_path / "m", warm), f"{EXPORTED} max_batch_size: 2 {text}")
        assert (caught.value.code, caught.value.message) == (Code.INVALID_ARG, message)

    async def test_a_guard_that_refuses(
        self, served: ServedModels, tmp_path: Path, warm: Net
    ) -> None:
        """The program's own bound on a dimension is its error, and the model goes on."""
        model_dir = save_net(tmp_path / "m", warm, batch=torch.export.Dim("b", max=3))
        config = served.complete(model_dir, EXPORTED)
        served.load(model_dir, config)
        with pytest.raises(ServerError) as caught:
            await check(served, warm, 4)
        assert caught.value.code is Code.INTERNAL
        assert caught.value.message.startswith("PyTorch execute failure: model 'm' version 1: ")
        await check(served, warm, 3)


@pytest.fixture(scope="module")
def package(warm: Net, tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Otherwise the compiled code refuses a batch of one.
    with torch.fx.experimental._config.patch(backed_size_oblivious=True):
        program = torch.export.export(
            warm,
            (torch.rand(2, 3), torch.rand(2, 1)),
            dynamic_shapes={"x": {0: DYNAMIC}, "scale": {0: DYNAMIC}},
        )
        path = tmp_path_factory.mktemp("aoti") / "model.pt2"
        torch._inductor.aoti_compile_and_package(program, package_path=str(path))
    return path


@pytest.mark.skipif(
    os.environ.get("PENSTOCK_FULL") != "1", reason="compiles for a minute: PENSTOCK_FULL=1"
)
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # torch's own
class TestAotInductor:
    TEXT = f"""{BACKEND} platform: "torch_aoti" max_batch_size: 4
        input {{ name: "INPUT__0" data_type: TYPE_FP32 dims: 3 }}
        input {{ name: "ARGS[1]" data_type: TYPE_FP32 dims: 1 }}
        output {{ name: "RESULT[y]" data_type: TYPE_FP32 dims: 2 }}"""

    @pytest.fixture
    def model_dir(self, package: Path, tmp_path: Path) -> Path:
        (tmp_path / "m" / "1").mkdir(parents=True)
        shutil.copy(package, tmp_path / "m" / "1" / "model.pt2")
        return tmp_path / "m"

    async def test_answers(self, served: ServedModels, model_dir: Path, warm: Net) -> None:
        served.load(model_dir, self.TEXT)
        for batch in (1, 3, 4):
            x, scale = torch.rand(batch, 3), torch.rand(batch, 1)
            sent = {"INPUT__0": x.numpy(), "ARGS[1]": scale.numpy()}
            answer = await served.infer("m", sent)
            with torch.inference_mode():
                expected = warm(x, scale)["y"].numpy()
            assert np.allclose(answer.array("RESULT[y]"), expected, atol=1e-5)

    async def test_a_wrong_shape_is_refused(self, served: ServedModels, model_dir: Path) -> None:
        """Compiled code would read past the end of it."""
        served.load(model_dir, self.TEXT.replace("dims: 3", "dims: 2"))
        sent = {"INPUT__0": np.ones((2, 2), np.float32), "ARGS[1]": np.ones((2, 1), np.float32)}
        with pytest.raises(ServerError) as caught:
            await served.infer("m", sent)
        assert "expected: 3" in caught.value.message

    async def test_names_and_counts(self, served: ServedModels, model_dir: Path) -> None:
        with pytest.raises(ServerError, match=r"allowed inputs are: ARGS\[0\], ARGS\[1\]"):
            served.load(model_dir, self.TEXT.replace("INPUT__0", "x"))
        one = self.TEXT.replace('input { name: "ARGS[1]" data_type: TYPE_FP32 dims: 1 }', "")
        with pytest.raises(ServerError, match="configuration expects 1 inputs, model provides 2"):
            served.load(model_dir, one)
        with pytest.raises(ServerError, match="must be written in the configuration"):
            served.complete(model_dir, f'{BACKEND} platform: "torch_aoti"')


SOURCE = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)

    def forward(self, x, scale=None):
        y = self.linear(x)
        return {"y": y if scale is None else y * scale}
"""
NET = """ max_batch_size: 4
    input { name: "x" data_type: TYPE_FP32 dims: 3 }
    input { name: "scale" data_type: TYPE_FP32 dims: 1 }
    output { name: "y" data_type: TYPE_FP32 dims: 2 }"""


class TestModule:
    def write(self, model_dir: Path, source: str = SOURCE) -> Path:
        (model_dir / "1").mkdir(parents=True)
        (model_dir / "1" / "model.py").write_text(source)
        return model_dir

    @pytest.mark.parametrize("filename", ["model.safetensors", "model.pt"])
    async def test_weights(
        self, served: ServedModels, tmp_path: Path, warm: Net, filename: str
    ) -> None:
        path = self.write(tmp_path / "m") / "1" / filename
        (save_file if path.suffix == ".safetensors" else torch.save)(warm.state_dict(), path)
        served.load(tmp_path / "m", CODE + NET)
        await check(served, warm, 3)

    async def test_instances_have_or_share_weights(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        source = """
import torch
count = 0
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        global count
        count += 1
    def forward(self, x):
        return torch.full_like(x, count)
"""
        text = f"""{CODE} max_batch_size: 1 instance_group {{ count: 3 kind: KIND_CPU }}
            input {{ name: "x" data_type: TYPE_FP32 dims: 1 }}
            output {{ name: "y" data_type: TYPE_FP32 dims: 1 }}"""
        share = 'parameters { key: "ENABLE_WEIGHT_SHARING" value { string_value: "true" } }'
        for index, (more, objects) in enumerate((("", 3), (share, 1))):
            model_dir = self.write(tmp_path / f"m{index}", source)
            served.load(model_dir, text + more)
            answer = await served.infer(model_dir.name, {"x": np.zeros((1, 1), np.float32)})
            assert answer.array("y").tolist() == [[objects]]

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            (
                SOURCE + "class Other(torch.nn.Module): ...",
                "'model.py' of model 'm' must define one subclass of torch.nn.Module, or "
                "parameter 'MODEL_CLASS_NAME' must name it; found: Net, Other",
            ),
            ("raise SystemExit('no')", "failed to load model 'm': version 1: no"),
            (
                SOURCE.replace("(3, 2)", "(3)"),
                "failed to load model 'm': version 1: Linear.__init__() missing 1",
            ),
            (
                SOURCE.replace("x, scale=None", "x, other"),
                "failed to load model 'm': version 1: input 'scale' is no argument of forward",
            ),
        ],
    )
    def test_code_that_does_not_fit(self, tmp_path: Path, source: str, message: str) -> None:
        served = ServedModels()
        with pytest.raises(ServerError) as caught:
            served.load(self.write(tmp_path / "m", source), CODE + NET)
        assert caught.value.message.startswith(message)

    async def test_the_class_by_name(self, served: ServedModels, tmp_path: Path, warm: Net) -> None:
        model_dir = self.write(tmp_path / "m", SOURCE + "class Other(torch.nn.Module): ...")
        save_file(warm.state_dict(), model_dir / "1" / "model.safetensors")
        name = 'parameters { key: "MODEL_CLASS_NAME" value { string_value: "Net" } }'
        served.load(model_dir, CODE + NET + name)
        await check(served, warm, 2)

    def test_weights_that_do_not_fit(self, tmp_path: Path) -> None:
        model_dir = self.write(tmp_path / "m")
        save_file({"linear.weight": torch.rand(2, 4)}, model_dir / "1" / "model.safetensors")
        with pytest.raises(ServerError) as caught:
            ServedModels().load(model_dir, CODE + NET)
        assert 'Missing key(s) in state_dict: "linear.bias"' in caught.value.message
        assert "size mismatch for linear.weight" in caught.value.message

    def test_compile_arguments(self, tmp_path: Path) -> None:
        for value in ("{", "[1]", '{"speed": 1}'):
            text = (
                'parameters { key: "TORCH_COMPILE_OPTIONAL_PARAMETERS" '
                f"value {{ string_value: '{value}' }} }}"
            )
            model_dir = self.write(tmp_path / f"m{len(value)}")
            with pytest.raises(ServerError, match="must be a JSON object of arguments of torch"):
                ServedModels().load(model_dir, CODE + NET + text)

    async def test_compiled(self, served: ServedModels, tmp_path: Path, warm: Net) -> None:
        model_dir = self.write(tmp_path / "m")
        save_file(warm.state_dict(), model_dir / "1" / "model.safetensors")
        text = (
            'parameters { key: "TORCH_COMPILE_OPTIONAL_PARAMETERS" '
            'value { string_value: "{\\"backend\\": \\"eager\\"}" } }'
        )
        served.load(model_dir, CODE + NET + text)
        await check(served, warm, 2)
