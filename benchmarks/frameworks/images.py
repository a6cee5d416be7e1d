# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Requests of one image, for ResNet-18."""

from __future__ import annotations

import json

import numpy as np

from benchmarks.frameworks.resnet import SIDE
from benchmarks.load.workloads import Workload

SHAPE = (3, SIDE, SIDE)


def image_workload(model: str, connections: int) -> Workload:
    """One image a request over HTTP, one request at a time on each connection."""
    image = np.random.default_rng(0).standard_normal((1, *SHAPE), np.float32)
    tensor = {"name": "INPUT0", "shape": list(image.shape), "datatype": "FP32"}
    output = {"name": "OUTPUT0", "parameters": {"binary_data": True}}
    size = {"parameters": {"binary_data_size": image.nbytes}}
    head = json.dumps({"inputs": [tensor | size], "outputs": [output]}).encode()
    return Workload(
        name=f"image {model}",
        protocol="http",
        model=model,
        path=f"/v2/models/{model}/infer",
        headers=(
            ("Content-Type", "application/octet-stream"),
            ("Inference-Header-Content-Length", str(len(head))),
        ),
        body=head + image.tobytes(),
        values=b"",
        connections=connections,
        echo=False,
    )
