# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What a Python model knows of its request's trace, and traces of what it calls (contract 5.1)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from model_repository import write_identity
from otlp_collector import Collector
from server_process import Serve, ServerProcess

MODES = ["process", "in_process"]
TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE_ID}-{PARENT_ID}-01"
_MODEL = """\
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.response(request) for request in requests]

    def response(self, request):
        trace = request.trace()
        called = [pb_utils.Tensor("INPUT0", np.zeros(2, np.float32))]
        if request.request_id() != "alone":
            words = {} if request.request_id() == "unlinked" else {"trace": trace}
            for name in ("callee", "callee"):
                call = pb_utils.InferenceRequest(
                    model_name=name, inputs=called, requested_output_names=["OUTPUT0"], **words
                )
                assert not call.exec().has_error()
        said = np.array([str(trace.get_context())], object)
        return pb_utils.InferenceResponse([pb_utils.Tensor("CONTEXT", said)])
"""
_CONFIG = """
backend: "python"
input [ {{ name: "X" data_type: TYPE_INT32 dims: [ 1 ] }} ]
output [ {{ name: "CONTEXT" data_type: TYPE_STRING dims: [ 1 ] }} ]
parameters {{ key: "EXECUTION_MODE" value {{ string_value: "{mode}" }} }}
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    write_identity(root, "callee")
    for mode in MODES:
        (root / mode / "1").mkdir(parents=True)
        (root / mode / "1" / "model.py").write_text(_MODEL)
        (root / mode / "config.pbtxt").write_text(_CONFIG.format(mode=mode))
    return root


def _ask(server: ServerProcess, model: str, what: str = "", **headers: str) -> Any:
    """What `get_context` gave."""
    tensor = {"name": "X", "datatype": "INT32", "shape": [1], "data": [1]}
    reply = server.request(
        "POST", f"/v2/models/{model}/infer", {"id": what, "inputs": [tensor]}, headers
    )
    assert reply.status == 200, reply.body
    (said,) = reply.json["outputs"][0]["data"]
    return None if said == "None" else json.loads(said)


@pytest.mark.parametrize("mode", MODES)
def test_the_context_is_that_of_the_span_that_computes(
    serve: Serve, collector: Collector, mode: str
) -> None:
    """In the client's trace when it has one, else in the server's; spans of calls are in it."""
    server = serve(
        "mode=opentelemetry",
        "level=TIMESTAMPS",
        "rate=2",
        f"opentelemetry,url={collector.url}",
        "opentelemetry,bsp_schedule_delay=50",
    )
    context = _ask(server, mode, traceparent=TRACEPARENT)
    spans = collector.wait(7)
    assert len(spans) == 7 and {span["traceId"] for span in spans} == {TRACE_ID}
    (model,) = (span for span in spans if span["name"] == mode)
    (compute,) = (
        span
        for span in spans
        if span["name"] == "compute" and span["parentSpanId"] == model["spanId"]
    )
    assert context == {"traceparent": f"00-{TRACE_ID}-{compute['spanId']}-01"}
    calls = [span for span in spans if span["name"] == "callee"]
    assert [call["parentSpanId"] for call in calls] == [model["spanId"]] * 2

    contexts = [_ask(server, mode, "alone") for _ in range(4)]
    given = [context for context in contexts if context is not None]
    assert len(given) == 2  # the rate
    fresh = collector.wait(13)[7:]
    assert [f"00-{s['traceId']}-{s['spanId']}-01" for s in fresh if s["name"] == "compute"] == [
        context["traceparent"] for context in given
    ]


@pytest.mark.parametrize("mode", MODES)
def test_calls_are_traced_with_their_caller(serve: Serve, tmp_path: Path, mode: str) -> None:
    """Also in the mode `triton`, which has no context; and only those that say so."""
    server = serve("level=TIMESTAMPS", "rate=1", f"triton,file={tmp_path}/trace")
    for what in ("", "alone", "unlinked"):
        assert _ask(server, mode, what) is None
    assert server.stop() == 0
    heads = [e for e in json.loads((tmp_path / "trace").read_text()) if "model_name" in e]
    parents = {
        head.get("request_id", ""): head["id"] for head in heads if head["model_name"] == mode
    }
    calls = [head.get("parent_id") for head in heads if head["model_name"] == "callee"]
    assert len(parents) == 3 and len(calls) == 4
    assert calls.count(parents[""]) == 2  # the others are requests by themselves, as any


def test_no_context_without_traces(serve: Serve) -> None:
    server = serve()
    for mode in MODES:
        assert _ask(server, mode, traceparent=TRACEPARENT) is None
