# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Sequence models, written to a folder: Python models with controls, ONNX models with states."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from model_repository import HAVE_ONNX

#: START, READY and END as numbers, CORRID; X is a dynamic type of the id.
CONTROLS = """
  control_input [
    { name: "START" control [ { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } ] },
    { name: "READY" control [ { kind: CONTROL_SEQUENCE_READY fp32_false_true: [ 0, 1 ] } ] },
    { name: "END" control [ { kind: CONTROL_SEQUENCE_END bool_false_true: [ false, true ] } ] },
    { name: "CORRID" control [ { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_%s } ] }
  ]
"""

#: Answers the sum of IN over the sequence, and what it saw of the batch.
_ACCUMULATOR = """
import numpy as np
import triton_python_backend_utils as pb_utils


def control(request, name):
    return pb_utils.get_input_tensor_by_name(request, name).as_numpy().reshape(-1)[0]


class TritonPythonModel:
    def initialize(self, args):
        self.sums = {}

    def answer(self, request, ready_rows, names):
        value = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
        key = control(request, "CORRID")
        if not control(request, "READY"):
            assert request.correlation_id() == 0 and request.flags() == 0
            return pb_utils.InferenceResponse([pb_utils.Tensor("SUM", value - 1000)])
        if control(request, "START"):
            self.sums[key] = 0
        self.sums[key] = self.sums[key] + value
        total = self.sums[key]
        if control(request, "END"):
            del self.sums[key]
        saw = [control(request, "START"), control(request, "END"), len(names), ready_rows]
        shape = [1, 4] if value.ndim == 2 else [4]
        return pb_utils.InferenceResponse([
            pb_utils.Tensor("SUM", total.astype(np.int32)),
            pb_utils.Tensor("SAW", np.array(saw, np.int32).reshape(shape)),
        ])

    def execute(self, requests):
        ready = sum(1 << i for i, r in enumerate(requests) if control(r, "READY"))
        return [self.answer(r, ready, requests) for r in requests]
"""

#: Adds IN to the state TOTAL and answers it; the state is the only memory.
_PYTHON_STATE = """
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            value = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            total = value + pb_utils.get_input_tensor_by_name(request, "TOTAL_IN").as_numpy()
            outputs = [pb_utils.Tensor("SUM", total), pb_utils.Tensor("TOTAL_OUT", total.copy())]
            responses.append(pb_utils.InferenceResponse(outputs))
        return responses
"""

#: Executes a request as often as IN says, then answers how often that was.
_ITERATIVE = """
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.steps = {}

    def step(self, request):
        wanted = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
        start = pb_utils.get_input_tensor_by_name(request, "START").as_numpy().reshape(-1)[0]
        key = request.correlation_id()
        assert key != 0 and bool(start) == (key not in self.steps)
        if wanted.reshape(-1)[0] < 0:  # what a model must not do
            request.set_release_flags(pb_utils.TRITONSERVER_REQUEST_RELEASE_RESCHEDULE)
            return pb_utils.InferenceResponse([])
        self.steps[key] = self.steps.get(key, 0) + 1
        if self.steps[key] < wanted.reshape(-1)[0]:
            request.set_release_flags(pb_utils.TRITONSERVER_REQUEST_RELEASE_RESCHEDULE)
            return None
        steps = np.full(wanted.shape, self.steps.pop(key), np.int32)
        return pb_utils.InferenceResponse([pb_utils.Tensor("SUM", steps)])

    def execute(self, requests):
        return [self.step(request) for request in requests]
"""


#: Decoupled: one response a step, the last one with the final flag; as many steps as IN says.
_STREAM = """
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.steps = {}

    def execute(self, requests):
        for request in requests:
            wanted = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            sender = request.get_response_sender()
            key = request.correlation_id()
            self.steps[key] = self.steps.get(key, 0) + 1
            steps = np.full(wanted.shape, self.steps[key], np.int32)
            last = self.steps[key] >= wanted.reshape(-1)[0]
            response = pb_utils.InferenceResponse([pb_utils.Tensor("SUM", steps)])
            if last:
                del self.steps[key]
                sender.send(response, pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
            else:
                sender.send(response)
                request.set_release_flags(pb_utils.TRITONSERVER_REQUEST_RELEASE_RESCHEDULE)
"""


_ENSEMBLE = """
name: "ensemble" platform: "ensemble" max_batch_size: 4
input [ { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] } ]
output [ { name: "SUM" data_type: TYPE_INT32 dims: [ 1 ] } ]
ensemble_scheduling { step [ {
  model_name: "python_state" model_version: -1
  input_map { key: "IN" value: "IN" } output_map { key: "SUM" value: "SUM" }
} ] }
"""


def _config(name: str, body: str, *, backend: str = "python", batch: int = 4) -> str:
    return (
        f'name: "{name}" backend: "{backend}" max_batch_size: {batch}\n'
        'input [ { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] } ]\n'
        'output [ { name: "SUM" data_type: TYPE_INT32 dims: [ 1 ] } ]\n'
        f"instance_group [ {{ kind: KIND_CPU count: 1 }} ]\n{body}\n"
    )


def _python(root: Path, name: str, code: str, config: str) -> None:
    (root / name / "1").mkdir(parents=True)
    (root / name / "1" / "model.py").write_text(code)
    (root / name / "config.pbtxt").write_text(config)


def _accumulator(
    root: Path, name: str, strategy: str, *, corrid: str = "UINT64", **kw: Any
) -> None:
    controls = CONTROLS % corrid
    config = _config(name, f"sequence_batching {{ {controls} {strategy} }}", **kw)
    saw = 'output [ { name: "SAW" data_type: TYPE_INT32 dims: [ 4 ] } ]\n'
    _python(root, name, _ACCUMULATOR, config + saw)


def _state(name: str, more: str = "") -> str:
    return (
        f'state [ {{ input_name: "{name}_IN" output_name: "{name}_OUT" data_type: TYPE_INT32 '
        f"{more} }} ]"
    )


def _onnx(root: Path, name: str, graph_of: str, config: str) -> None:
    from onnx import TensorProto, checker, helper, save

    rows = ["n", 1] if graph_of == "sum" else ["k"]
    given = helper.make_tensor_value_info("IN", TensorProto.INT32, ["n", 1])
    state = helper.make_tensor_value_info("TOTAL_IN", TensorProto.INT32, rows)
    total = helper.make_tensor_value_info("SUM", TensorProto.INT32, ["n", 1])
    after = helper.make_tensor_value_info("TOTAL_OUT", TensorProto.INT32, ["n", 1])
    nodes = [
        helper.make_node("Add", ["IN", "TOTAL_IN"], ["SUM"]),
        helper.make_node("Identity", ["SUM"], ["TOTAL_OUT"]),
    ]
    if graph_of == "history":  # SUM: all IN so far
        given = helper.make_tensor_value_info("IN", TensorProto.INT32, [1])
        total = helper.make_tensor_value_info("SUM", TensorProto.INT32, ["m"])
        after = helper.make_tensor_value_info("TOTAL_OUT", TensorProto.INT32, ["m"])
        nodes[0] = helper.make_node("Concat", ["TOTAL_IN", "IN"], ["SUM"], axis=0)
    graph = helper.make_graph(nodes, graph_of, [given, state], [total, after])
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    checker.check_model(model)
    (root / name / "1").mkdir(parents=True)
    save(model, root / name / "1" / "model.onnx")
    (root / name / "config.pbtxt").write_text(config)


def write_sequence_models(root: Path) -> list[str]:
    """All of them; returns their names."""
    _accumulator(root, "direct", "max_sequence_idle_microseconds: 60000000 direct { }")
    _accumulator(root, "one_slot", "max_sequence_idle_microseconds: 60000000", batch=1)
    _accumulator(root, "idle", "max_sequence_idle_microseconds: 200000", batch=1)
    _accumulator(root, "int_ids", "oldest { max_candidate_sequences: 2 }", corrid="INT32")
    _accumulator(root, "text_ids", "oldest { max_candidate_sequences: 4 }", corrid="STRING")
    _accumulator(root, "unbatched", "direct { }", batch=0)
    oldest = "sequence_batching { oldest { max_candidate_sequences: 8 } %s }"
    _python(
        root,
        "python_state",
        _PYTHON_STATE,
        _config("python_state", oldest % _state("TOTAL", "dims: [ 1 ]")),
    )
    start = CONTROLS % "UINT64"
    for name, switch in (("iterative", "iterative_sequence: true"), ("not_iterative", "")):
        body = f"sequence_batching {{ {start} {switch} oldest {{ }} }}"
        _python(root, name, _ITERATIVE, _config(name, body))
    decoupled = "model_transaction_policy { decoupled: true }"
    for name, switch in (("stream", "iterative_sequence: true oldest { }"), ("stream_direct", "")):
        body = f"sequence_batching {{ {start} {switch} }} {decoupled}"
        _python(root, name, _STREAM, _config(name, body))
    (root / "ensemble" / "1").mkdir(parents=True)
    (root / "ensemble" / "config.pbtxt").write_text(_ENSEMBLE)
    if HAVE_ONNX:
        _write_onnx_models(root)
    return sorted(path.name for path in root.iterdir())


def _write_onnx_models(root: Path) -> None:
    zero = 'initial_state [ { name: "z" data_type: TYPE_INT32 dims: [ 1 ] zero_data: true } ]'
    for name, strategy in (("onnx_direct", "direct { }"), ("onnx_oldest", "oldest { }")):
        body = f"sequence_batching {{ {strategy} {_state('TOTAL', f'dims: [ 1 ] {zero}')} }}"
        _onnx(root, name, "sum", _config(name, body, backend="onnxruntime"))
    data = 'initial_state [ { name: "d" data_type: TYPE_INT32 dims: [ 1 ] data_file: "ten" } ]'
    more = f"dims: [ 1 ] use_same_buffer_for_input_output: true {data}"
    # The state is also an output; what the configuration leaves open comes from the model.
    shown = f'backend: "onnxruntime" sequence_batching {{ {_state("TOTAL", more)} }}\n'
    shown += 'max_batch_size: 2 output [ { name: "SUM" }, { name: "TOTAL_OUT" } ]'
    _onnx(root, "onnx_shown", "sum", shown)
    (root / "onnx_shown" / "initial_state").mkdir()
    (root / "onnx_shown" / "initial_state" / "ten").write_bytes(struct.pack("<i", 10))
    empty = 'initial_state [ { name: "e" data_type: TYPE_INT32 dims: [ 0 ] zero_data: true } ]'
    body = f"sequence_batching {{ {_state('TOTAL', f'dims: [ -1 ] {empty}')} }}"
    config = _config("onnx_history", body, backend="onnxruntime", batch=0)
    _onnx(
        root,
        "onnx_history",
        "history",
        config.replace(
            '"SUM" data_type: TYPE_INT32 dims: [ 1 ]', '"SUM" data_type: TYPE_INT32 dims: [ -1 ]'
        ),
    )
