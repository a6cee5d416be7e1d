# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A decoupled model that sends inside `execute`: IN responses of IN, whose sum is its square."""

from typing import Any

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """IN INT32 [1] in; IN times OUT INT32 [1] out, none at all for 0."""

    def execute(self, requests: list[Any]) -> None:
        """Returns None: all is said by the senders."""
        for request in requests:
            number = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            sender = request.get_response_sender()
            for _ in range(number[0]):
                if sender.is_cancelled():
                    break
                sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("OUT", number)]))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
