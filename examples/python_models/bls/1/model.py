# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A model that calls models: OUTPUT = (INPUT0 + INPUT1) * (INPUT0 - INPUT1).

`add_sub` makes the sum and the difference, `auto_complete` multiplies them. Each call is a request
to the server like a client's, queued and batched with those.
"""

from typing import Any

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """FP32 [4], FP32 [4] in, FP32 [4] out."""

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request: what the last call gave, or what the first failed with."""
        return [self.answer(request) for request in requests]

    def answer(self, request: Any) -> Any:
        """The two calls. A call does not raise: what it failed with is in its response."""
        both = pb_utils.InferenceRequest(
            model_name="add_sub",
            inputs=request.inputs(),
            requested_output_names=["OUTPUT0", "OUTPUT1"],
        ).exec()
        if both.has_error():
            return pb_utils.InferenceResponse(error=both.error())
        # auto_complete takes batches: its tensors have one more dimension, of one row here
        factors = [
            pb_utils.Tensor(name, pb_utils.get_output_tensor_by_name(both, own).as_numpy()[None])
            for name, own in (("INPUT0", "OUTPUT0"), ("INPUT1", "OUTPUT1"))
        ]
        product = pb_utils.InferenceRequest(
            model_name="auto_complete", inputs=factors, requested_output_names=["OUTPUT"]
        ).exec()
        if product.has_error():
            return pb_utils.InferenceResponse(error=product.error())
        row = pb_utils.get_output_tensor_by_name(product, "OUTPUT").as_numpy()[0]
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT", row)])
