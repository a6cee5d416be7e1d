# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Python models that do everything wrong: exact texts, and a server that does not notice (5.1)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from penstock.errors import Code, ServerError, UnsupportedError
from python_models import config, write_model
from served_models import ServedModels

INPUT = {"INPUT0": np.ones((1, 2), np.float32)}

#: line 12 is the body of execute; `out` makes a tensor
MODEL = """import numpy as np
import triton_python_backend_utils as pb_utils


def out(array, name="OUTPUT0"):
    return pb_utils.Tensor(name, array)


class TritonPythonModel:

    def execute(self, requests):
        {body}
"""
RESPONSE = "pb_utils.InferenceResponse([out(np.ones((1, 2), np.float32))])"
PREFIX = "Failed to process the request(s) for model 'bad_0', message: "


@pytest_asyncio.fixture
async def served() -> AsyncIterator[ServedModels]:
    async with ServedModels().running() as served:
        yield served


def write(tmp_path: Path, body: str) -> Path:
    return write_model(tmp_path / "bad", MODEL.format(body=body))


BAD_EXECUTE = {
    "raises": (
        "raise ValueError('boom')",
        "ValueError: boom\n\nAt:\n  bad/1/model.py(12): execute",
    ),
    "raises_model_exception": (
        "raise pb_utils.TritonModelException('boom')",
        "TritonModelException: boom\n\nAt:\n  bad/1/model.py(12): execute",
    ),
    "raises_in_a_function": (
        "return [out(None)]",
        "TypeError: tensor 'OUTPUT0' must be made from a numpy array, found <class 'NoneType'>"
        "\n\nAt:\n  bad/1/model.py(12): execute\n  bad/1/model.py(6): out",
    ),
    "system_exit": (
        "raise SystemExit(3)",
        "SystemExit: 3\n\nAt:\n  bad/1/model.py(12): execute",
    ),
    "sys_exit": (
        "import sys; sys.exit()",
        "SystemExit\n\nAt:\n  bad/1/model.py(12): execute",
    ),
    "keyboard_interrupt": (
        "raise KeyboardInterrupt",
        "KeyboardInterrupt\n\nAt:\n  bad/1/model.py(12): execute",
    ),
    "generator_exit": (
        "raise GeneratorExit",
        "GeneratorExit\n\nAt:\n  bad/1/model.py(12): execute",
    ),
    "too_few": (
        "return []",
        "Number of InferenceResponse objects do not match the number of InferenceRequest objects. "
        "InferenceRequest(s) size is:1, and InferenceResponse(s) size is:0",
    ),
    "too_many": (
        f"return [{RESPONSE}] * 2",
        "Number of InferenceResponse objects do not match the number of InferenceRequest objects. "
        "InferenceRequest(s) size is:1, and InferenceResponse(s) size is:2",
    ),
    "none": (
        "return None",
        "Expected a list in the execute return, found type '<class 'NoneType'>'.",
    ),
    "tuple": (
        f"return ({RESPONSE},)",
        "Expected a list in the execute return, found type '<class 'tuple'>'.",
    ),
    "generator": (
        f"yield {RESPONSE}",
        "Expected a list in the execute return, found type '<class 'generator'>'.",
    ),
    "array": (
        "return np.ones(1)",
        "Expected a list in the execute return, found type '<class 'numpy.ndarray'>'.",
    ),
    "list_of_none": (
        "return [None]",
        "Expected an 'InferenceResponse' object in the execute function return list, found type "
        "'<class 'NoneType'>'.",
    ),
    "list_of_arrays": (
        "return [np.ones(1)]",
        "Expected an 'InferenceResponse' object in the execute function return list, found type "
        "'<class 'numpy.ndarray'>'.",
    ),
}


class TestExecute:
    @pytest.mark.parametrize("name", BAD_EXECUTE)
    async def test_bad_execute(self, served: ServedModels, tmp_path: Path, name: str) -> None:
        body, text = BAD_EXECUTE[name]
        served.load(write(tmp_path, body), config())
        for _ in range(2):  # the instance goes on
            with pytest.raises(ServerError) as caught:
                await served.infer("bad", INPUT)
            assert caught.value.code is Code.INTERNAL
            assert caught.value.message == PREFIX + text
        assert served.engine.find("bad").statistics()["failures"]["BACKEND"] == 2

    @pytest.mark.parametrize(
        ("array", "told"),
        [
            ("np.ones((1, 2), np.int8)", "has data type INT8 and shape [1, 2]"),
            ("np.ones((1, 2))", "has data type FP64 and shape [1, 2]"),
            ("np.ones((1, 2, 3), np.float32)", "has data type FP32 and shape [1, 2, 3]"),
            ("np.ones((), np.float32)", "has data type FP32 and shape []"),
        ],
    )
    async def test_an_output_that_is_not_as_configured_goes_out_as_it_is(
        self,
        served: ServedModels,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        array: str,
        told: str,
    ) -> None:
        """Measured beside Triton 2.51, whose own examples do so."""
        body = f"return [pb_utils.InferenceResponse([out({array})])]"
        served.load(write(tmp_path, body), config())
        given = eval(array, {"np": np})
        for _ in range(2):
            answer = (await served.infer("bad", INPUT)).array("OUTPUT0")
            assert answer.dtype == given.dtype
            np.testing.assert_array_equal(answer, given, strict=True)
        lines = [r.getMessage() for r in caplog.records if told in r.getMessage()]
        assert lines == [
            f"output 'OUTPUT0' of model 'bad' {told}; its configuration says FP32 and dims [-1], "
            f"and should be corrected"
        ]

    async def test_a_whole_batch_fails_and_the_next_does_not(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        body = f"""if any(r.request_id() for r in requests):
            raise ValueError(len(requests))
        return [{RESPONSE} for _ in requests]"""
        more = "dynamic_batching { preferred_batch_size: 3 max_queue_delay_microseconds: 200000 }"
        served.load(write(tmp_path, body), config(more))
        failures = await asyncio.gather(
            *(served.infer("bad", INPUT, request_id=i) for i in ("", "7", "")),
            return_exceptions=True,
        )
        assert {str(failure) for failure in failures} == {
            f"{PREFIX}ValueError: 3\n\nAt:\n  bad/1/model.py(13): execute"
        }
        answers = await asyncio.gather(*(served.infer("bad", INPUT) for _ in range(3)))
        assert all((answer.array("OUTPUT0") == 1).all() for answer in answers)

    async def test_one_bad_output_fails_one_request(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        body = f"""class Unprintable:
            def __str__(self):
                raise RuntimeError("no text")
        bad = pb_utils.InferenceResponse([out(np.array([[Unprintable()]], object))])
        return [bad if r.request_id() else {RESPONSE} for r in requests]"""
        more = "dynamic_batching { preferred_batch_size: 2 max_queue_delay_microseconds: 200000 }"
        served.load(write(tmp_path, body), config(more))
        good, bad = await asyncio.gather(
            served.infer("bad", INPUT),
            served.infer("bad", INPUT, request_id="7"),
            return_exceptions=True,
        )
        assert not isinstance(good, BaseException)
        assert (good.array("OUTPUT0") == 1).all()
        assert isinstance(bad, ServerError)
        assert "RuntimeError: no text" in bad.message

    async def test_outputs_that_nobody_knows_are_dropped(
        self, served: ServedModels, tmp_path: Path
    ) -> None:
        body = (
            "a = np.ones((1, 2), np.float32)\n"
            "        return [pb_utils.InferenceResponse([out(a, 'OTHER'), out(a), out(a)])]"
        )
        served.load(write(tmp_path, body), config())
        assert list((await served.infer("bad", INPUT)).outputs) == ["OUTPUT0"]

    async def test_a_neighbour_does_not_notice(self, served: ServedModels, tmp_path: Path) -> None:
        served.load(write(tmp_path, "raise SystemExit"), config())
        good = write_model(tmp_path / "good", MODEL.format(body=f"return [{RESPONSE}]"))
        served.load(good, config())
        results = await asyncio.gather(
            *(served.infer(name, INPUT) for name in ("bad", "good") * 20), return_exceptions=True
        )
        assert all(isinstance(result, ServerError) for result in results[::2])
        assert not any(isinstance(result, BaseException) for result in results[1::2])


LOADED = "failed to load Python model 'bad' version 1: "
INITIALIZED = "failed to initialize Python model 'bad_0': "
CLASS = "class TritonPythonModel:\n    def execute(self, requests): pass\n"

BAD_LOAD = {
    "raises_at_import": (
        "import os\nraise ValueError('boom')",
        Code.INTERNAL,
        f"{LOADED}ValueError: boom\n\nAt:\n  bad/1/model.py(2): <module>",
    ),
    "exits_at_import": (
        "import sys\nsys.exit(4)",
        Code.INTERNAL,
        f"{LOADED}SystemExit: 4\n\nAt:\n  bad/1/model.py(2): <module>",
    ),
    "imports_what_is_not_installed": (
        "import no_such_package",
        Code.INTERNAL,
        f"{LOADED}ModuleNotFoundError: No module named 'no_such_package'\n\nAt:\n"
        "  bad/1/model.py(1): <module>",
    ),
    "syntax_error": (
        "def execute(:",
        Code.INTERNAL,
        f"{LOADED}SyntaxError: invalid syntax (model.py, line 1)\n\nAt:\n"
        "  bad/1/model.py(1): <module>",
    ),
    "no_class": (
        "x = 1",
        Code.INVALID_ARG,
        "Python model file 'bad/1/model.py' does not define class 'TritonPythonModel'",
    ),
    "not_a_class": (
        "TritonPythonModel = 1",
        Code.INVALID_ARG,
        "Python model file 'bad/1/model.py' does not define class 'TritonPythonModel'",
    ),
    "no_execute": (
        "class TritonPythonModel: pass",
        Code.INTERNAL,
        "Python model 'bad_0' does not implement the 'execute' method.",
    ),
    "raises_when_made": (
        f"{CLASS}    def __init__(self): raise ValueError('boom')",
        Code.INTERNAL,
        f"{INITIALIZED}ValueError: boom\n\nAt:\n  bad/1/model.py(3): __init__",
    ),
    "raises_in_initialize": (
        f"{CLASS}    def initialize(self, args): raise ValueError(args['model_name'])",
        Code.INTERNAL,
        f"{INITIALIZED}ValueError: bad\n\nAt:\n  bad/1/model.py(3): initialize",
    ),
    "exits_in_initialize": (
        f"{CLASS}    def initialize(self, args): raise SystemExit(1)",
        Code.INTERNAL,
        f"{INITIALIZED}SystemExit: 1\n\nAt:\n  bad/1/model.py(3): initialize",
    ),
    "initialize_without_arguments": (
        f"{CLASS}    def initialize(self): pass",
        Code.INTERNAL,
        f"{INITIALIZED}TypeError: TritonPythonModel.initialize() takes 1 positional argument but "
        "2 were given",
    ),
}


class TestLoad:
    @pytest.mark.parametrize("name", BAD_LOAD)
    async def test_bad_load(self, served: ServedModels, tmp_path: Path, name: str) -> None:
        source, code, message = BAD_LOAD[name]
        with pytest.raises(ServerError) as caught:
            served.load(write_model(tmp_path / "bad", source), config())
        assert (caught.value.code, caught.value.message) == (code, message)

    async def test_no_file(self, served: ServedModels, tmp_path: Path) -> None:
        model_dir = write_model(tmp_path / "bad", "", filename="other.py")
        with pytest.raises(ServerError) as caught:
            served.load(model_dir, config())
        assert caught.value.message == (f"Python model file not found in '{model_dir}/1/model.py'")

    @pytest.mark.parametrize("value", ["yes", "no", "maybe"])
    async def test_where_inputs_are(self, served: ServedModels, tmp_path: Path, value: str) -> None:
        key = "FORCE_CPU_ONLY_INPUT_TENSORS"
        model = config(f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}')
        model_dir = write_model(tmp_path / "good", "class TritonPythonModel:\n    execute = print")
        if value != "maybe":
            served.load(model_dir, model)
            return
        text = "^Incorrect value for FORCE_CPU_ONLY_INPUT_TENSORS: maybe"
        with pytest.raises(UnsupportedError, match=text):
            served.load(model_dir, model)

    @pytest.mark.parametrize(
        ("filename", "message"),
        [
            (
                "model.txt",
                "invalid default_model_filename 'model.txt' of Python model 'bad': it must end "
                "with '.py'",
            ),
            (
                "../../other/1/model.py",
                "default_model_filename '../../other/1/model.py' of model 'bad' leads out of the "
                "version's directory",
            ),
        ],
    )
    async def test_file_names(
        self, served: ServedModels, tmp_path: Path, filename: str, message: str
    ) -> None:
        model_dir = write_model(tmp_path / "bad", CLASS)
        with pytest.raises(ServerError) as caught:
            served.load(model_dir, config(f"default_model_filename: '{filename}'"))
        assert (caught.value.code, caught.value.message) == (Code.INVALID_ARG, message)

    async def test_another_file_name(self, served: ServedModels, tmp_path: Path) -> None:
        source = MODEL.format(body=f"return [{RESPONSE}]")
        model_dir = write_model(tmp_path / "bad", source, filename="served.py")
        served.load(model_dir, config("default_model_filename: 'served.py'"))
        assert (await served.infer("bad", INPUT)).array("OUTPUT0").tolist() == [[1, 1]]

    async def test_decoupled(self, served: ServedModels, tmp_path: Path) -> None:
        """G-22: it is loaded, and not for calls that take one response."""
        model_dir = write_model(tmp_path / "bad", CLASS)
        served.load(model_dir, config("model_transaction_policy { decoupled: true }"))
        with pytest.raises(ServerError) as caught:
            await served.infer("bad", INPUT)
        assert caught.value.code is Code.UNSUPPORTED
