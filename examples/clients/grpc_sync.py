# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Classifies the digits test set over gRPC, one request after the other."""

from digits import load_test_set, report, server_address
from tritonclient.grpc import InferenceServerClient, InferInput

if __name__ == "__main__":
    test_set = load_test_set()
    with InferenceServerClient(server_address("localhost:8001")) as client:
        answers = []
        for images in test_set.batches():
            image = InferInput("image", list(images.shape), "FP32")
            image.set_data_from_numpy(images)
            answers.append(client.infer("digits", [image]).as_numpy("probabilities"))
    report(test_set, answers)
