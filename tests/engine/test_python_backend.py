# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `python`: conformance, and what belongs to it alone (contract 5.1)."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import pytest_asyncio
from backend_conformance import BackendConformance, Tensors
from penstock.errors import Code, ServerError
from penstock.types import DataType
from python_models import config, write_model
from served_models import ServedModels

ECHO = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [
            pb_utils.InferenceResponse([self.echo(tensor) for tensor in request.inputs()])
            for request in requests
        ]

    def echo(self, tensor):
        name = tensor.name().replace("INPUT", "OUTPUT")
        if tensor.triton_dtype() == 14:
            return pb_utils.Tensor.from_dlpack(name, tensor)
        return pb_utils.Tensor(name, tensor.as_numpy())
"""


class TestPython(BackendConformance):
    backend: ClassVar[str] = "python"
    data_types: ClassVar[Sequence[DataType]] = [d for d in DataType if d is not DataType.INVALID]

    def write_echo(self, model_dir: Path, tensors: Tensors, *, batching: bool) -> None:
        (model_dir / "1" / "model.py").write_text(ECHO)

    def write_wrong_file(self, model_dir: Path) -> bool:
        (model_dir / "1" / "model.py").write_bytes(b"\x08\x07onnx\0\0")
        return True


@pytest_asyncio.fixture
async def served() -> AsyncIterator[ServedModels]:
    async with ServedModels().running() as served:
        yield served


FOUR = {"INPUT0": np.arange(4, dtype=np.float32).reshape(1, 4)}


async def test_what_initialize_is_given(served: ServedModels, tmp_path: Path) -> None:
    source = """
import json
import numpy
import triton_python_backend_utils as pb_utils
NOTHING = pb_utils.Tensor("OUTPUT0", numpy.zeros((1, 1), "float32"))
class TritonPythonModel:
    def initialize(self, args):
        self.args = json.dumps(args)
    def execute(self, requests):
        parameters = {"args": self.args}
        return [pb_utils.InferenceResponse([NOTHING], parameters=parameters) for _ in requests]
"""
    model_dir = write_model(tmp_path / "m", source)
    served.load(model_dir, config(more="instance_group { count: 1 kind: KIND_CPU name: 'g' }"))
    args = json.loads((await served.infer("m", FOUR)).parameters["args"])
    model_config = json.loads(args.pop("model_config"))
    assert args == {
        "model_instance_kind": "CPU",
        "model_instance_name": "g_0",
        "model_instance_device_id": "0",
        "model_repository": str(model_dir),
        "model_version": "1",
        "model_name": "m",
    }
    assert model_config["max_batch_size"] == 8
    assert model_config["input"][0]["name"] == "INPUT0"
    assert model_config["input"][0]["dims"] == [-1]


async def test_what_a_request_tells(served: ServedModels, tmp_path: Path) -> None:
    source = """
import json
import numpy
import triton_python_backend_utils as pb_utils
NOTHING = pb_utils.Tensor("OUTPUT0", numpy.zeros((1, 1), "float32"))
class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]
    def answer(self, request):
        facts = {
            "id": request.request_id(), "correlation_id": request.correlation_id(),
            "flags": request.flags(), "timeout": request.timeout(),
            "parameters": json.loads(request.parameters()),
            "outputs": sorted(request.requested_output_names()),
            "cancelled": request.is_cancelled(),
        }
        return pb_utils.InferenceResponse([NOTHING], parameters={"facts": json.dumps(facts)})
"""
    served.load(write_model(tmp_path / "m", source), config())
    answer = await served.infer(
        "m", FOUR, request_id="7", outputs=["OUTPUT0"], parameters={"a": 1, "b": "c", "d": True}
    )
    assert json.loads(answer.parameters["facts"]) == {
        "id": "7",
        "correlation_id": 0,
        "flags": 0,
        "timeout": 0,
        "parameters": {"a": 1, "b": "c", "d": True},
        "outputs": ["OUTPUT0"],
        "cancelled": False,
    }


async def test_writing_into_an_input(served: ServedModels, tmp_path: Path) -> None:
    source = """
import triton_python_backend_utils as pb_utils
class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            array = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
            array *= 2
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", array)]))
        return responses
"""
    served.load(write_model(tmp_path / "m", source), config())
    assert (await served.infer("m", FOUR)).array("OUTPUT0").tolist() == [[0, 2, 4, 6]]
    assert FOUR["INPUT0"].tolist() == [[0, 1, 2, 3]]


async def test_an_output_buffer_that_is_used_again(served: ServedModels, tmp_path: Path) -> None:
    source = """
import numpy as np
import triton_python_backend_utils as pb_utils
class TritonPythonModel:
    def initialize(self, args):
        self.buffer = np.empty((1, 20_000), np.float32)
    def execute(self, requests):
        self.buffer[:] = requests[0].inputs()[0].as_numpy()[0, 0]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", self.buffer)])]
"""
    served.load(write_model(tmp_path / "m", source), config())
    calls = [served.infer("m", {"INPUT0": np.full((1, 1), i, np.float32)}) for i in range(50)]
    for i, answer in enumerate(await asyncio.gather(*calls)):
        assert (answer.array("OUTPUT0") == i).all()


async def test_async_execute(served: ServedModels, tmp_path: Path) -> None:
    source = """
import asyncio
import triton_python_backend_utils as pb_utils
class TritonPythonModel:
    async def execute(self, requests):
        return list(await asyncio.gather(*(self.one(request) for request in requests)))
    async def one(self, request):
        await asyncio.sleep(0)
        array = request.inputs()[0].as_numpy()
        if array[0, 0] < 0:
            raise ValueError("negative")
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", array + 1)])
"""
    served.load(write_model(tmp_path / "m", source), config())
    assert (await served.infer("m", FOUR)).array("OUTPUT0").tolist() == [[1, 2, 3, 4]]
    with pytest.raises(ServerError) as caught:
        await served.infer("m", {"INPUT0": -1 - FOUR["INPUT0"]})
    assert "ValueError: negative\n\nAt:\n  m/1/model.py(6): execute" in caught.value.message
    assert (await served.infer("m", FOUR)).array("OUTPUT0").tolist() == [[1, 2, 3, 4]]


async def test_response_senders(served: ServedModels, tmp_path: Path) -> None:
    """A non-decoupled model may answer from a thread, after execute has returned None."""
    source = """
import threading
import triton_python_backend_utils as pb_utils
FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            how = request.inputs()[0].as_numpy()[0, 0]
            sender = request.get_response_sender()
            if how == 0:
                continue
            threading.Thread(target=self.answer, args=(sender, how)).start()
        return [None] * len(requests)
    def answer(self, sender, how):
        output = pb_utils.Tensor("OUTPUT0", __import__("numpy").full((1, 1), how, "float32"))
        sender.send(pb_utils.InferenceResponse([output]), flags=FINAL if how == 1 else 0)
        if how == 2:
            sender.send(flags=FINAL)
"""
    served.load(write_model(tmp_path / "m", source), config())
    for how in (1, 2):
        answer = await served.infer("m", {"INPUT0": np.full((1, 1), how, np.float32)})
        assert answer.array("OUTPUT0").tolist() == [[how]]
    with pytest.raises(ServerError) as caught:
        await served.infer("m", {"INPUT0": np.zeros((1, 1), np.float32)})
    assert caught.value.code is Code.INTERNAL
    assert caught.value.message == (
        "Failed to process the request(s) for model 'm_0', message: the response sender was "
        "dropped without sending a response"
    )


@pytest.mark.parametrize("flags", [0, 1])
async def test_of_a_sent_and_a_returned_response_the_first_counts(
    served: ServedModels, tmp_path: Path, caplog: pytest.LogCaptureFixture, flags: int
) -> None:
    """Measured beside Triton 2.51; the other requests of the batch are not disturbed."""
    source = f"""
import numpy as np
import triton_python_backend_utils as pb_utils
class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            request.get_response_sender().send(self.of(1), flags={flags})
        return [self.of(2) for _ in requests]
    def of(self, value):
        output = pb_utils.Tensor("OUTPUT0", np.full((1, 1), value, np.float32))
        return pb_utils.InferenceResponse([output])
"""
    served.load(write_model(tmp_path / "m", source), config())
    answer = await served.infer("m", {"INPUT0": np.zeros((1, 1), np.float32)})
    assert answer.array("OUTPUT0").tolist() == [[1]]
    assert "the returned response is dropped: Unable to send response." in caplog.text


async def test_an_error_for_one_request(served: ServedModels, tmp_path: Path) -> None:
    source = """
import triton_python_backend_utils as pb_utils
class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request.inputs()[0].as_numpy()) for request in requests]
    def answer(self, array):
        if array[0, 0] < 0:
            error = pb_utils.TritonError("negative", pb_utils.TritonError.INVALID_ARG)
            return pb_utils.InferenceResponse([], error=error)
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", array)])
"""
    more = "dynamic_batching { preferred_batch_size: 2 max_queue_delay_microseconds: 200000 }"
    served.load(write_model(tmp_path / "m", source), config(more=more))
    good, bad = await asyncio.gather(
        served.infer("m", FOUR),
        served.infer("m", {"INPUT0": -1 - FOUR["INPUT0"]}),
        return_exceptions=True,
    )
    assert not isinstance(good, BaseException)
    assert good.array("OUTPUT0").tolist() == [[0, 1, 2, 3]]
    assert isinstance(bad, ServerError)
    assert (bad.code, bad.message) == (Code.INVALID_ARG, "negative")
    assert served.engine.find("m").statistics()["execution_count"] == 1


async def test_instances_are_objects_of_their_own(served: ServedModels, tmp_path: Path) -> None:
    source = """
import threading
import numpy
import triton_python_backend_utils as pb_utils
NOTHING = pb_utils.Tensor("OUTPUT0", numpy.zeros((1, 1), "float32"))
class TritonPythonModel:
    def initialize(self, args):
        self.name, self.thread = args["model_instance_name"], threading.get_ident()
    def execute(self, requests):
        assert threading.get_ident() == self.thread
        parameters = {"who": self.name}
        return [pb_utils.InferenceResponse([NOTHING], parameters=parameters) for _ in requests]
    def finalize(self):
        assert threading.get_ident() == self.thread
        raise RuntimeError("finalize is only logged")
"""
    more = "instance_group { count: 2 kind: KIND_CPU }"
    served.load(write_model(tmp_path / "m", source), config(more=more))
    answers = await asyncio.gather(*(served.infer("m", FOUR) for _ in range(40)))
    assert {answer.parameters["who"] for answer in answers} <= {"m_0_0", "m_0_1"}


async def test_two_models_with_the_same_file_names(served: ServedModels, tmp_path: Path) -> None:
    source = """
import numpy
import triton_python_backend_utils as pb_utils
NOTHING = pb_utils.Tensor("OUTPUT0", numpy.zeros((1, 1), "float32"))
import naming
class TritonPythonModel:
    def execute(self, requests):
        import late_naming
        names = {"name": naming.NAME, "late": late_naming.NAME}
        return [pb_utils.InferenceResponse([NOTHING], parameters=names) for _ in requests]
"""
    for name in ("a", "b"):
        model_dir = write_model(tmp_path / name, source)
        for helper in ("naming", "late_naming"):
            (model_dir / "1" / f"{helper}.py").write_text(f"NAME = '{name}'")
        served.load(model_dir, config())
    for name in ("a", "b", "a"):
        answer = await served.infer(name, FOUR)
        assert answer.parameters == {"name": name, "late": name}


def test_modules_are_forgotten(tmp_path: Path) -> None:
    def model_modules() -> set[str]:
        return {name for name in sys.modules if "penstock_model_" in name}

    others = model_modules()
    served = ServedModels()
    served.load(write_model(tmp_path / "m", ECHO), config())
    assert model_modules() > others
    served.unload("m")
    assert model_modules() == others


class TestAutoComplete:
    """`auto_complete_config` (3.2, stage B; X-26)."""

    def complete(self, tmp_path: Path, body: str, text: str = 'backend: "python"') -> Any:
        source = f"""
import triton_python_backend_utils as pb_utils
class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        {body}
    def execute(self, requests):
        raise RuntimeError
"""
        return ServedModels().complete(write_model(tmp_path / "m", source), text)

    def test_all_of_it(self, tmp_path: Path) -> None:
        completed = self.complete(
            tmp_path,
            """config.add_input({"name": "x", "data_type": "TYPE_FP32", "dims": [-1, 2]})
        config.add_output({"name": "y", "data_type": "TYPE_STRING", "dims": [1]})
        config.set_max_batch_size(16)
        config.set_dynamic_batching()
        return config""",
        )
        assert completed.max_batch_size == 16
        assert completed.HasField("dynamic_batching")
        assert [(i.name, i.data_type, list(i.dims)) for i in completed.input] == [
            ("x", DataType.FP32, [-1, 2])
        ]
        assert [(o.name, o.data_type, list(o.dims)) for o in completed.output] == [
            ("y", DataType.BYTES, [1])
        ]

    def test_what_the_file_says_is_kept(self, tmp_path: Path) -> None:
        text = 'backend: "python" max_batch_size: 4 parameters { key: "k" value {} }'
        completed = self.complete(tmp_path, "return config", text)
        assert completed.max_batch_size == 4
        assert "k" in completed.parameters
        assert not completed.HasField("dynamic_batching")

    def test_without_the_method(self, tmp_path: Path) -> None:
        completed = ServedModels().complete(write_model(tmp_path / "m", ECHO), 'backend: "python"')
        assert completed.max_batch_size == 0

    @pytest.mark.parametrize(
        ("body", "code", "message"),
        [
            (
                "return None",
                Code.INVALID_ARG,
                "auto_complete_config function in model 'm' must return a valid pb.ModelConfig "
                "object.",
            ),
            (
                "raise ValueError('no idea')",
                Code.INTERNAL,
                "auto_complete_config of Python model 'm' failed: ValueError: no idea\n\nAt:\n"
                "  m/1/model.py(6): auto_complete_config",
            ),
            (
                "raise SystemExit(1)",
                Code.INTERNAL,
                "auto_complete_config of Python model 'm' failed: SystemExit: 1\n\nAt:\n"
                "  m/1/model.py(6): auto_complete_config",
            ),
        ],
    )
    def test_failures(self, tmp_path: Path, body: str, code: Code, message: str) -> None:
        with pytest.raises(ServerError) as caught:
            self.complete(tmp_path, body)
        assert (caught.value.code, caught.value.message) == (code, message)

    def test_a_configuration_that_is_none(self, tmp_path: Path) -> None:
        body = """config.add_input({"name": "x", "data_type": "TYPE_FLOAT", "dims": [1]})
        return config"""
        with pytest.raises(ServerError, match="returned an invalid configuration: .*TYPE_FLOAT"):
            self.complete(tmp_path, body)


ROWS = """
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        (tensor,) = request.inputs()
        shape = np.array([tensor.shape()], np.float32)
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", shape)])
"""


async def test_ragged_requests_come_singly(served: ServedModels, tmp_path: Path) -> None:
    """5.1: each with its own shape, and without batch inputs, which are of a batch (2.4)."""
    ragged = config(
        "dynamic_batching { max_queue_delay_microseconds: 10000000 preferred_batch_size: 2 }"
        'batch_input { target_name: "COUNTS" data_type: TYPE_INT32 source_input: "INPUT0" }'
    ).replace("dims: -1 }", "dims: -1 allow_ragged_batch: true }", 1)
    served.load(write_model(tmp_path / "m", ROWS), ragged)
    sent = [{"INPUT0": np.zeros((1, length), np.float32)} for length in (3, 5)]
    answers = await asyncio.gather(*(served.infer("m", inputs) for inputs in sent))
    assert [answer.array("OUTPUT0").tolist() for answer in answers] == [[[1, 3]], [[1, 5]]]
    assert served.statistics("m")["execution_count"] == 1


async def test_a_response_without_outputs_is_one(served: ServedModels, tmp_path: Path) -> None:
    source = ECHO.replace("[self.echo(tensor) for tensor in request.inputs()]", "[]")
    served.load(write_model(tmp_path / "m", source), config())
    assert (await served.infer("m", FOUR)).outputs == {}
