# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Drivers of machines that are not there, as shared libraries."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "fakes"))

from fake_libraries import compile_library


@pytest.fixture(scope="session")
def libcuda(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(compile_library("fake_libcuda.c", tmp_path_factory.mktemp("cuda") / "libcuda.so.1"))


@pytest.fixture(scope="session")
def libnvml(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("nvml")
    return str(compile_library("fake_nvml.c", folder / "libnvidia-ml.so.1"))
