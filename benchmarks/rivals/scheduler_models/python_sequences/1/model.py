# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""OUTPUT0 = INPUT0; remembers how far each sequence is, as a stateful model does."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.steps = {}

    def execute(self, requests):
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        started = pb_utils.get_input_tensor_by_name(request, "START").as_numpy()[0, 0]
        sequence = int(pb_utils.get_input_tensor_by_name(request, "CORRID").as_numpy()[0, 0])
        self.steps[sequence] = 0 if started else self.steps[sequence] + 1
        data = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
        output = pb_utils.Tensor("OUTPUT0", data)
        return pb_utils.InferenceResponse(output_tensors=[output])
