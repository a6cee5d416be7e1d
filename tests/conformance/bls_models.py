# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Python models that call models: what they are to do comes with the request."""

from __future__ import annotations

from pathlib import Path

_HEAD = """
import asyncio
import json
import threading

import numpy as np
import triton_python_backend_utils as pb_utils

FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


def values(request):
    return pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()


def inner(request, model, **more):
    return pb_utils.InferenceRequest(
        model_name=model,
        inputs=[pb_utils.Tensor("IN", values(request))],
        requested_output_names=["OUT"],
        **more,
    )


def passed_on(response):
    if response.has_error():
        error = response.error()
        return pb_utils.InferenceResponse(
            error=pb_utils.TritonError(f"code {error.code()}: {error.message()}", error.code())
        )
    out = pb_utils.get_output_tensor_by_name(response, "OUT")
    parameters = json.loads(response.parameters())
    return pb_utils.InferenceResponse([out], parameters=parameters)

"""

#: OUT = IN + 1; what it was called with goes back as parameters. Negative: it fails.
_PLUS = """
class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        numbers = values(request)
        if (numbers < 0).any():
            error = pb_utils.TritonError("no negative numbers", pb_utils.TritonError.INVALID_ARG)
            return pb_utils.InferenceResponse(error=error)
        seen = {"seen_id": request.request_id(), "seen_timeout": request.timeout()}
        seen |= {f"seen_{k}": v for k, v in json.loads(request.parameters()).items()}
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUT", numbers + 1)], parameters=seen)
"""

#: Calls the model that the parameter `to` names.
_SYNC = """
class TritonPythonModel:
    def initialize(self, args):
        try:
            pb_utils.InferenceRequest(model_name="plus", inputs=[]).exec()
        except pb_utils.TritonModelException as error:
            self.outside = str(error)

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        parameters = json.loads(request.parameters())
        if parameters.get("outside"):
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(self.outside))
        rest = {k: v for k, v in parameters.items() if k not in ("to", "threads")}
        path = parameters["to"].split(",", 1)
        if len(path) > 1:
            rest["to"] = path[1]
        made = inner(request, path[0], request_id=request.request_id(), parameters=rest, timeout=7)
        if not parameters.get("threads"):
            return passed_on(made.exec())
        got = []
        threads = [
            threading.Thread(target=lambda: got.append(made.exec()))
            for _ in range(parameters["threads"])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sums = sum(r.output_tensors()[0].as_numpy() for r in got)
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUT", sums)])
"""

#: OUT is the sum of `times` calls of plus, made side by side.
_ASYNC = """
class TritonPythonModel:
    async def execute(self, requests):
        return [await self.answer(request) for request in requests]

    async def answer(self, request):
        times = json.loads(request.parameters())["times"]
        calls = [inner(request, "plus").async_exec() for _ in range(times)]
        responses = await asyncio.gather(*calls)
        for response in responses:
            if response.has_error():
                return passed_on(response)
        total = sum(r.output_tensors()[0].as_numpy() for r in responses)
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUT", total)])
"""

#: Decoupled: IN[0] responses of 0, 1, 2, ...
_COUNT = """
class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            for number in range(int(values(request)[0])):
                if sender.is_cancelled():
                    break
                out = pb_utils.Tensor("OUT", np.array([number], np.int32))
                sender.send(pb_utils.InferenceResponse([out]))
            sender.send(flags=FINAL)
"""

#: OUT is the sum of what `count` gives; `stop_after`: it takes no more and cancels.
_SUM = """
class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        parameters = json.loads(request.parameters())
        responses = inner(request, parameters.get("to", "count")).exec(decoupled=True)
        total = np.zeros(1, np.int32)
        for taken, response in enumerate(responses):
            if response.has_error():
                return passed_on(response)
            if taken == parameters.get("stop_after", -1):
                responses.cancel()
                break
            if response.output_tensors():
                total = total + response.output_tensors()[0].as_numpy()
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUT", total.astype(np.int32))])
"""

#: Decoupled: hands on what `count` gives, from a thread, when execute is over.
_RELAY = """
class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            threading.Thread(target=self.relay, args=(request,)).start()

    def relay(self, request):
        sender = request.get_response_sender()
        for response in inner(request, "count").exec(decoupled=True):
            if response.has_error() or response.output_tensors():
                sender.send(passed_on(response))
        sender.send(flags=FINAL)
"""

#: Does to the model `name` what the parameter `do` says. OUT: whether it is ready then.
_MANAGER = """
class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        asked = json.loads(request.parameters())
        name = asked["name"]
        if asked["do"] == "load":
            pb_utils.load_model(name, config=asked.get("config", ""))
        if asked["do"] == "unload":
            pb_utils.unload_model(name)
        try:
            ready = pb_utils.is_model_ready(name, asked.get("version", ""))
        except pb_utils.TritonModelException:
            ready = 2
        out = pb_utils.Tensor("OUT", np.array([ready], np.int32))
        return pb_utils.InferenceResponse([out])
"""

#: Calls `mirror` with its own inputs, and gives what that gives: as received, or as arrays.
_PASS = """
class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        as_numpy = json.loads(request.parameters())["as_numpy"]
        made = pb_utils.InferenceRequest(
            model_name="mirror",
            inputs=self.renewed(request.inputs(), as_numpy),
            requested_output_names=["OUTPUT2", "OUTPUT1", "OUTPUT0"],
        )
        response = made.exec()
        if response.has_error():
            return passed_on(response)
        return pb_utils.InferenceResponse(self.renewed(response.output_tensors(), as_numpy))

    def renewed(self, tensors, as_numpy):
        if not as_numpy:
            return tensors
        return [
            # numpy has no BF16
            t if t.triton_dtype() == 14 else pb_utils.Tensor(t.name(), t.as_numpy())
            for t in tensors
        ]
"""

#: Calls that are begun before they are awaited, which are Futures as in Triton. OUT is their sum.
_EAGER = """
class TritonPythonModel:
    async def execute(self, requests):
        return [await self.answer(request) for request in requests]

    async def answer(self, request):
        begun = [inner(request, "plus").async_exec() for _ in range(3)]
        ended, waiting = await asyncio.wait(begun)
        assert not waiting and all(call.done() for call in begun)
        sums = sum(call.result().output_tensors()[0].as_numpy() for call in ended)
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUT", sums)])
"""

#: Has `plus` add to as many numbers as IN says, and gives the first and the last.
_LARGE = """
class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        numbers = np.arange(int(values(request)[0]), dtype=np.int32)
        response = pb_utils.InferenceRequest(
            model_name="plus",
            inputs=[pb_utils.Tensor("IN", numbers)],
            requested_output_names=["OUT"],
        ).exec()
        if response.has_error():
            return passed_on(response)
        out = response.output_tensors()[0].as_numpy()
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUT", out[[0, -1]])])
"""

_CONFIG = """
backend: "python"
max_batch_size: 0
input [ {{ name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }} ]
output [ {{ name: "OUT" data_type: TYPE_INT32 dims: [ -1 ] }} ]
instance_group [ {{ kind: KIND_CPU count: {count} }} ]
model_transaction_policy {{ decoupled: {decoupled} }}
parameters {{ key: "EXECUTION_MODE" value {{ string_value: "{mode}" }} }}
"""

#: strings, what numpy has not, and numbers
_KINDS = ("STRING", "BF16", "INT64")

_MODELS = {"plus": _PLUS, "sync": _SYNC, "async": _ASYNC, "sum": _SUM, "manager": _MANAGER}
_MODELS |= {"eager": _EAGER, "large": _LARGE}
_DECOUPLED = {"count": _COUNT, "relay": _RELAY}


def write_repository(root: Path) -> None:
    """All models, each in a worker process; and once more, `..._here`, in the server."""
    for name, code in (_MODELS | _DECOUPLED).items():
        decoupled = name in _DECOUPLED
        _write(root, name, code, "process", decoupled)
        _write(root, f"{name}_here", code, "in_process", decoupled)
    _write(root, "second", _SYNC, "process", False)
    _write(root, "pair", _SYNC, "process", False, count=2)
    _write_mirrors(root)


def _write_mirrors(root: Path) -> None:
    """`mirror`, which gives what it gets, and `pass`, which calls it."""
    tensors = "".join(
        f'{put} [ {{ name: "{put.upper()}{i}" data_type: TYPE_{kind} dims: [ -1 ] }} ]\n'
        for put in ("input", "output")
        for i, kind in enumerate(_KINDS)
    )
    for name, mode in (("pass", "process"), ("pass_here", "in_process")):
        code = root / name / "1" / "model.py"
        code.parent.mkdir(parents=True)
        code.write_text(_HEAD + _PASS)
        mode = f'parameters {{ key: "EXECUTION_MODE" value {{ string_value: "{mode}" }} }}'
        text = f'backend: "python"\ninstance_group [ {{ kind: KIND_CPU }} ]\n{tensors}{mode}\n'
        (root / name / "config.pbtxt").write_text(text)
    (root / "mirror" / "1").mkdir(parents=True)
    (root / "mirror" / "config.pbtxt").write_text(f'backend: "identity"\n{tensors}')


def _write(root: Path, name: str, code: str, mode: str, decoupled: bool, *, count: int = 1) -> None:
    version = root / name / "1"
    version.mkdir(parents=True)
    config = _CONFIG.format(mode=mode, decoupled=str(decoupled).lower(), count=count)
    (root / name / "config.pbtxt").write_text(config)
    (version / "model.py").write_text(_HEAD + code)
