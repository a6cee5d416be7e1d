# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""OUTPUT is the sum of INPUT. What the model counts meanwhile is on the server's metrics port."""

from typing import Any

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """FP32 [n] in, FP32 [1] out."""

    def initialize(self, args: dict[str, str]) -> None:
        """Metrics are shown as long as the model holds on to them; instances count together."""
        labels = {"model": args["model_name"], "version": args["model_version"]}
        kinds = pb_utils.MetricFamily
        self.values = pb_utils.MetricFamily(
            name="example_values", description="Values that were added", kind=kinds.COUNTER
        ).Metric(labels=labels)
        self.largest = pb_utils.MetricFamily(
            name="example_largest", description="Values of the largest request", kind=kinds.GAUGE
        ).Metric(labels=labels)
        self.sizes = pb_utils.MetricFamily(
            name="example_request_values", description="Values of a request", kind=kinds.HISTOGRAM
        ).Metric(labels=labels, buckets=[1, 10, 100])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Counts what it has computed."""
        responses = []
        for request in requests:
            values = pb_utils.get_input_tensor_by_name(request, "INPUT").as_numpy()
            self.values.increment(values.size)
            self.sizes.observe(values.size)
            if values.size > self.largest.value():
                self.largest.set(values.size)
            total = values.sum(keepdims=True)
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT", total)]))
        return responses
