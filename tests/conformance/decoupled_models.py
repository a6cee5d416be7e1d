# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Decoupled Python models: they wait for events that requests set, never for time."""

from __future__ import annotations

from pathlib import Path

_HEAD = """
import json
import threading

import numpy as np
import triton_python_backend_utils as pb_utils

FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


def value(request):
    return int(pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()[0])


def response(number, count=1):
    out = np.full(count, number, np.int32)
    return pb_utils.InferenceResponse([pb_utils.Tensor("OUT", out)])

"""

#: IN=[n]: n responses of n, then the bare final flag; all inside of `execute`.
_SQUARE = """
class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            for _ in range(value(request)):
                sender.send(response(value(request)))
            sender.send(flags=FINAL)
"""

#: Each element of IN as a response, from a thread. Parameters: `with_final`: the last one carries
#: the flag; `fail_at`: that one is an error.
_REPEAT = """
class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            threading.Thread(target=self.answer, args=(request,)).start()

    def answer(self, request):
        sender = request.get_response_sender()
        parameters = json.loads(request.parameters())
        values = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
        for index, number in enumerate(values):
            answer = response(number)
            if index == parameters.get("fail_at", -1):
                error = pb_utils.TritonError(f"no {number}", pb_utils.TritonError.NOT_FOUND)
                answer = pb_utils.InferenceResponse(error=error)
            last = index + 1 == len(values) and parameters.get("with_final", False)
            sender.send(answer, FINAL if last else 0)
        if not parameters.get("with_final", False):
            sender.send(flags=FINAL)
"""

#: Responses that other requests order. IN=[n]: `op` "open" waits for orders under `key`; "order"
#: lets the one of that key send n more, 0 ends it.
_ORDERED = """
class TritonPythonModel:
    def initialize(self, args):
        self.orders = {}
        self.changed = threading.Condition()

    def execute(self, requests):
        for request in requests:
            parameters = json.loads(request.parameters())
            if parameters["op"] == "open":
                threading.Thread(target=self.serve, args=(request, parameters["key"])).start()
                continue
            with self.changed:
                self.orders.setdefault(parameters["key"], []).append(value(request))
                self.changed.notify_all()
            request.get_response_sender().send(flags=FINAL)

    def serve(self, request, key):
        sender = request.get_response_sender()
        while (count := self.next_order(key)) > 0:
            for _ in range(count):
                sender.send(response(value(request)))
        sender.send(flags=FINAL)

    def next_order(self, key):
        with self.changed:
            self.changed.wait_for(lambda: self.orders.get(key))
            return self.orders[key].pop(0)
"""

#: IN=[n]: responses of n values until cancelled. `op` "ask": how many were sent, whether it runs.
_FLOOD = """
class TritonPythonModel:
    def initialize(self, args):
        self.sent = self.after_cancel = self.running = 0

    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            if json.loads(request.parameters()).get("op") == "ask":
                out = np.array([self.sent, self.after_cancel, self.running], np.int32)
                tensors = [pb_utils.Tensor("OUT", out)]
                sender.send(pb_utils.InferenceResponse(tensors), FINAL)
            else:
                self.sent = self.after_cancel = 0
                self.running += 1
                threading.Thread(target=self.flood, args=(sender, value(request))).start()

    def flood(self, sender, size):
        answer = response(7, size)
        while not sender.is_cancelled():
            sender.send(answer)
            self.sent += 1
            self.after_cancel += sender.is_cancelled()
        sender.send(flags=FINAL)
        self.running -= 1
"""

#: Wrong uses of the API, by the parameter `how`; the texts they raise are answered as TEXT.
_ODD = """
class TritonPythonModel:
    def execute(self, requests):
        how = json.loads(requests[0].parameters())["how"]
        return getattr(self, how)(requests[0])

    def forget(self, request):
        request.get_response_sender().send(response(1))

    def no_sender(self, request):
        return None

    def listed(self, request):
        return [response(1)]

    def raises(self, request):
        request.get_response_sender().send(response(1))
        raise ValueError("half way")

    def wrong_type(self, request):
        sender = request.get_response_sender()
        sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("OUT", np.zeros(1, np.float64))]))
        sender.send(response(2))
        sender.send(flags=FINAL)

    def misused(self, request):
        sender = request.get_response_sender()
        texts = [self.text(sender, response(1), 7), self.text(sender)]
        ended = request.get_response_sender()
        text = pb_utils.Tensor("TEXT", np.array(texts, np.object_))
        sender.send(pb_utils.InferenceResponse([text]), FINAL)
        if self.text(ended, response(1)) != self.text(sender, None, FINAL):
            raise AssertionError("the senders of a request end together")

    def text(self, sender, *arguments):
        try:
            sender.send(*arguments)
        except pb_utils.TritonModelException as error:
            return str(error)
"""

#: A coroutine runs in the background: the second request ends the first one.
_ASYNC = """
import asyncio


class TritonPythonModel:
    def initialize(self, args):
        self.first = None

    async def execute(self, requests):
        sender = requests[0].get_response_sender()
        if value(requests[0]) == 0:
            self.first = asyncio.Event()
            await self.first.wait()
        else:
            self.first.set()
        if value(requests[0]) == 2:
            raise ValueError("in the background")
        sender.send(response(value(requests[0])), FINAL)
"""

_ORDINARY = """
class TritonPythonModel:
    def execute(self, requests):
        return [response(value(request) + 1) for request in requests]
"""

#: Not decoupled; sends two responses.
_TWICE = """
class TritonPythonModel:
    def execute(self, requests):
        sender = requests[0].get_response_sender()
        sender.send(response(1))
        sender.send(response(2))
"""

_SOURCES = {
    "square": _SQUARE,
    "repeat": _REPEAT,
    "ordered": _ORDERED,
    "flood": _FLOOD,
    "odd": _ODD,
    "asynchronous": _ASYNC,
    "ordinary": _ORDINARY,
    "twice": _TWICE,
}
_COUPLED = ("ordinary", "twice")

#: Each response of `square` goes through `ordinary` (S-45).
_ENSEMBLE = """
name: "squares"
platform: "ensemble"
input { name: "IN" data_type: TYPE_INT32 dims: -1 }
output { name: "OUT" data_type: TYPE_INT32 dims: -1 }
ensemble_scheduling {
  step {
    model_name: "square"
    model_version: -1
    input_map { key: "IN" value: "IN" }
    output_map { key: "OUT" value: "SQUARE" }
  }
  step {
    model_name: "ordinary"
    model_version: -1
    input_map { key: "IN" value: "SQUARE" }
    output_map { key: "OUT" value: "OUT" }
  }
}
model_transaction_policy { decoupled: true }
"""


def write_repository(root: Path) -> None:
    """All models: IN and OUT are INT32[-1], TEXT is optional text."""
    for name, source in _SOURCES.items():
        decoupled = "false" if name in _COUPLED else "true"
        (root / name / "1").mkdir(parents=True)
        (root / name / "1" / "model.py").write_text(_HEAD + source)
        (root / name / "config.pbtxt").write_text(f"""
            name: "{name}"
            backend: "python"
            input {{ name: "IN" data_type: TYPE_INT32 dims: -1 }}
            output {{ name: "OUT" data_type: TYPE_INT32 dims: -1 }}
            output {{ name: "TEXT" data_type: TYPE_STRING dims: -1 }}
            model_transaction_policy {{ decoupled: {decoupled} }}
        """)
    (root / "squares" / "1").mkdir(parents=True)
    (root / "squares" / "config.pbtxt").write_text(_ENSEMBLE)
