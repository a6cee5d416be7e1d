# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Calls two models side by side, for all requests of a batch at once: `execute` awaits them."""

import asyncio
from typing import Any

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """FP32 [4], FP32 [4] in; SUM, DIFFERENCE (of add_sub) and PRODUCT (of auto_complete) out."""

    async def execute(self, requests: list[Any]) -> list[Any]:
        """The answers to all requests are awaited together."""
        return list(await asyncio.gather(*(self.answer(request) for request in requests)))

    async def answer(self, request: Any) -> Any:
        """Both calls are on their way before either is waited for."""
        names = ("INPUT0", "INPUT1")
        arrays = [pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in names]
        both, product = await asyncio.gather(
            call("add_sub", names, arrays), call("auto_complete", names, [a[None] for a in arrays])
        )
        for response in (both, product):
            if response.has_error():
                return pb_utils.InferenceResponse(error=response.error())
        outputs = {tensor.name(): tensor.as_numpy() for tensor in both.output_tensors()}
        (row,) = product.output_tensors()[0].as_numpy()
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor("SUM", outputs["OUTPUT0"]),
                pb_utils.Tensor("DIFFERENCE", outputs["OUTPUT1"]),
                pb_utils.Tensor("PRODUCT", row),
            ]
        )


async def call(model: str, names: tuple[str, ...], arrays: list[Any]) -> Any:
    """The response of a model to these inputs; all its outputs."""
    inputs = [pb_utils.Tensor(name, array) for name, array in zip(names, arrays, strict=True)]
    return await pb_utils.InferenceRequest(model_name=model, inputs=inputs).async_exec()
