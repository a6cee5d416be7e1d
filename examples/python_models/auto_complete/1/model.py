# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""OUTPUT = INPUT0 * INPUT1. There is no config.pbtxt: the model itself says what it takes."""

from typing import Any

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """FP32 [rows, n], FP32 [rows, n] in, FP32 [rows, n] out; up to eight rows."""

    @staticmethod
    def auto_complete_config(auto_complete_model_config: Any) -> Any:
        """Called before `initialize`, in a process of its own. What a config.pbtxt says is kept."""
        for name in ("INPUT0", "INPUT1"):
            auto_complete_model_config.add_input(
                {"name": name, "data_type": "TYPE_FP32", "dims": [-1]}
            )
        auto_complete_model_config.add_output(
            {"name": "OUTPUT", "data_type": "TYPE_FP32", "dims": [-1]}
        )
        auto_complete_model_config.set_max_batch_size(8)
        auto_complete_model_config.set_dynamic_batching()
        return auto_complete_model_config

    def execute(self, requests: list[Any]) -> list[Any]:
        """Requests come one by one also when they are batched, each with its own rows."""
        responses = []
        for request in requests:
            left = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
            right = pb_utils.get_input_tensor_by_name(request, "INPUT1").as_numpy()
            if left.shape != right.shape:
                error = pb_utils.TritonError(
                    f"INPUT0 has shape {left.shape}, INPUT1 {right.shape}",
                    pb_utils.TritonError.INVALID_ARG,
                )
                responses.append(pb_utils.InferenceResponse(error=error))
                continue
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT", left * right)]))
        return responses
