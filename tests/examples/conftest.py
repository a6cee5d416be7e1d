# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One server on examples/models for all tests of the examples."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from example_server import MODELS, Server, serving


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server."""
    for generated in ("digits/1/model.onnx", "digits/test_split.json", "resnet50/1/model.onnx"):
        assert (MODELS / generated).exists(), f"{generated} is missing: make models"
    with serving(MODELS) as started:
        yield started
