# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""GPUs are found through the CUDA driver, and their absence is explained (C-10, C-13, O-66)."""

from __future__ import annotations

import ctypes.util
from pathlib import Path

import pytest
from penstock.devices.cuda import find_gpus
from penstock.devices.gpus import Gpu, Gpus


def test_no_library() -> None:
    gpus = find_gpus(library="libcuda-not-here.so.1")
    assert gpus.found == ()
    assert gpus.why_none.startswith("no CUDA driver: libcuda-not-here.so.1: ")


def test_a_library_that_is_no_driver(libnvml: str) -> None:
    gpus = find_gpus(library=libnvml)
    assert gpus.why_none == f"{libnvml}: not a CUDA driver, it has no function cuInit"


def test_a_driver_that_cannot_start(libcuda: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CUDA_GPUS", "9.0")
    monkeypatch.setenv("FAKE_CUDA_INIT_ERROR", "100")
    gpus = find_gpus(library=libcuda)
    assert gpus.found == ()
    assert gpus.why_none == f"{libcuda}: cuInit: no CUDA-capable device is detected (100)"


def test_a_driver_without_gpus(libcuda: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CUDA_GPUS", "")
    gpus = find_gpus(library=libcuda)
    assert gpus.ids == ()
    assert gpus.why_none == f"{libcuda}: no GPU"


def test_one_gpu(libcuda: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CUDA_GPUS", "9.0")
    assert find_gpus(6.0, libcuda) == Gpus(
        (Gpu(0, "Fake GPU 0", "GPU-00010203-0405-0607-0809-0a0b0c0d0e0f", 1 << 30, (9, 0)),),
        "",
        6.0,
    )


def test_four_gpus_of_which_two_are_too_old(libcuda: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CUDA_GPUS", "7.5,3.7,8.0,7.0")
    gpus = find_gpus(7.1, libcuda)
    assert [gpu.index for gpu in gpus.found] == [0, 1, 2, 3]
    assert gpus.ids == (0, 2)
    assert gpus.uuid(2) == "GPU-20212223-2425-2627-2829-2a2b2c2d2e2f"
    assert gpus.uuid(4) == ""


@pytest.mark.parametrize(
    ("least", "ids"), [(0.0, (0, 1)), (7.5, (0, 1)), (7.6, (1,)), (10.0, (1,))]
)
def test_the_least_compute_capability(
    libcuda: str, monkeypatch: pytest.MonkeyPatch, least: float, ids: tuple[int, ...]
) -> None:
    monkeypatch.setenv("FAKE_CUDA_GPUS", "7.5,10.0")
    assert find_gpus(least, libcuda).ids == ids


def test_all_are_too_old(libcuda: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CUDA_GPUS", "3.7")
    assert find_gpus(6.0, libcuda).why_none == (
        "compute capability 6.0 is needed, found are: 0 (Fake GPU 0, compute capability 3.7)"
    )


def test_a_gpu_that_cannot_be_asked_is_left_out(
    libcuda: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_CUDA_GPUS", "9.0,9.0")
    monkeypatch.setenv("FAKE_CUDA_BAD_DEVICE", "0")
    gpus = find_gpus(6.0, libcuda)
    assert gpus.ids == (1,)
    assert gpus.problem == f"GPU 0: {libcuda}: cuDeviceGetName: unknown error (999)"


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="the machine has a GPU")
def test_this_machine() -> None:
    gpus = find_gpus()
    assert gpus.found == ()
    assert gpus.why_none
    assert ctypes.util.find_library("cuda") is not None or "no CUDA driver" in gpus.why_none
