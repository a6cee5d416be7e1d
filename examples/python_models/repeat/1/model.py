# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A decoupled model: one response for each element of IN, sent when `execute` is long over.

Requests do not wait for each other: each has a thread, and the responses of several come mixed.
"""

import json
import threading
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


class TritonPythonModel:
    """IN INT32 [n], DELAY UINT32 [n] in milliseconds; n times OUT INT32 [1], IDX UINT32 [1]."""

    def initialize(self, args: dict[str, str]) -> None:
        """Refuses a configuration under which it could not work."""
        config = json.loads(args["model_config"])
        if not pb_utils.using_decoupled_model_transaction_policy(config):
            raise pb_utils.TritonModelException(
                f"model '{args['model_name']}' needs model_transaction_policy {{ decoupled: true }}"
            )
        self.ending = threading.Event()
        self.threads: set[threading.Thread] = set()

    def execute(self, requests: list[Any]) -> None:
        """Starts a thread for each request and is ready for the next batch."""
        self.threads = {thread for thread in self.threads if thread.is_alive()}
        for request in requests:
            # The inputs are looked at now, the sender alone outlives this call.
            values = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            delays_ms = pb_utils.get_input_tensor_by_name(request, "DELAY").as_numpy()
            sender = request.get_response_sender()
            if values.shape != delays_ms.shape:
                error = pb_utils.TritonError(
                    f"IN has {values.size} elements, DELAY {delays_ms.size}",
                    pb_utils.TritonError.INVALID_ARG,
                )
                sender.send(pb_utils.InferenceResponse(error=error), flags=FINAL)
                continue
            thread = threading.Thread(target=self.send, args=(sender, values, delays_ms))
            self.threads.add(thread)
            thread.start()

    def send(self, sender: Any, values: Any, delays_ms: Any) -> None:
        """Stops early when nobody listens any more."""
        for index, (value, delay_ms) in enumerate(zip(values, delays_ms, strict=True)):
            if self.ending.wait(delay_ms / 1000) or sender.is_cancelled():
                break
            outputs = [
                pb_utils.Tensor("OUT", np.array([value], np.int32)),
                pb_utils.Tensor("IDX", np.array([index], np.uint32)),
            ]
            sender.send(pb_utils.InferenceResponse(outputs))
        sender.send(flags=FINAL)

    def finalize(self) -> None:
        """No thread goes on when the model is gone."""
        self.ending.set()
        for thread in self.threads:
            thread.join()
