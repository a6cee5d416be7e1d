# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Tells which instance answers: where `instance_group` of config.pbtxt has put it.

A model that uses a framework moves its weights there in `initialize`, as with PyTorch:
`torch.device(f"cuda:{device_id}" if kind == "GPU" else "cpu")`.
"""

from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """KIND is CPU, GPU or MODEL; DEVICE_ID is the GPU's number, 0 on the CPU."""

    def initialize(self, args: dict[str, str]) -> None:
        """All that an instance is told is text."""
        self.kind = args["model_instance_kind"]
        self.device_id = int(args["model_instance_device_id"])
        self.name = args["model_instance_name"]
        pb_utils.Logger.log_info(f"{self.name} is of kind {self.kind}, device {self.device_id}")

    def execute(self, requests: list[Any]) -> list[Any]:
        """The same answer to all."""
        outputs = [
            pb_utils.Tensor("KIND", np.array([self.kind.encode()], np.object_)),
            pb_utils.Tensor("DEVICE_ID", np.array([self.device_id], np.int32)),
            pb_utils.Tensor("INSTANCE", np.array([self.name.encode()], np.object_)),
        ]
        return [pb_utils.InferenceResponse(outputs) for _ in requests]
