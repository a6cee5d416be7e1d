# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The classification extension (1.7, X-16)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from server_process import ServerProcess
from tritonclient.utils import InferenceServerException


def classify(server: ServerProcess, protocol: str, model: str, values: np.ndarray, k: int) -> Any:
    module: Any = {"http": http_client, "grpc": grpc_client}[protocol]
    url = {"http": server.http_url, "grpc": server.grpc_url}[protocol]
    datatype = {"f": "FP32", "i": "INT32", "b": "BOOL"}[values.dtype.kind]
    client = module.InferenceServerClient(url)
    try:
        tensor = module.InferInput("INPUT0", list(values.shape), datatype)
        tensor.set_data_from_numpy(values)
        output = module.InferRequestedOutput("OUTPUT0", class_count=k)
        return client.infer(model, [tensor], outputs=[output]).as_numpy("OUTPUT0")
    finally:
        client.close()


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_labels_and_order(server: ServerProcess, protocol: str) -> None:
    values = np.array([[0.1, 0.7, 0.2, 0.5], [4, 3, 2, 1]], np.float32)
    answer = classify(server, protocol, "labelled", values, 2)
    assert answer.shape == (2, 2)
    assert answer.tolist() == [
        [b"0.700000:1:one", b"0.500000:3"],
        [b"4.000000:0:zero", b"3.000000:1:one"],
    ]


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_more_classes_than_elements(server: ServerProcess, protocol: str) -> None:
    values = np.array([[7, -2, 9]], np.int32)
    answer = classify(server, protocol, "identity_int32", values, 10)
    assert answer.tolist() == [[b"9:2", b"7:0", b"-2:1"]]


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_types_without_an_order(server: ServerProcess, protocol: str) -> None:
    with pytest.raises(InferenceServerException) as caught:
        classify(server, protocol, "identity_bool", np.array([[True, False]]), 1)
    text = "class result not available for output due to unsupported type 'BOOL'"
    assert caught.value.message() == text
