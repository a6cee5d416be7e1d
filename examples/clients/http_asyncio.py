# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Classifies the digits test set over HTTP, all requests in flight at once."""

import asyncio

import numpy as np
import numpy.typing as npt
from digits import load_test_set, report, server_address
from tritonclient.http.aio import InferenceServerClient, InferInput

Images = npt.NDArray[np.float32]


async def classify(client: InferenceServerClient, images: Images) -> Images:
    """FP32 [N, 64] -> FP32 [N, 10]."""
    image = InferInput("image", list(images.shape), "FP32")
    image.set_data_from_numpy(images)
    result = await client.infer("digits", [image])
    probabilities: Images = result.as_numpy("probabilities")
    return probabilities


async def main() -> None:
    """Sends every batch, then waits for all answers."""
    test_set = load_test_set()
    async with InferenceServerClient(server_address("localhost:8000")) as client:
        answers = await asyncio.gather(*(classify(client, b) for b in test_set.batches()))
    report(test_set, answers)


if __name__ == "__main__":
    asyncio.run(main())
