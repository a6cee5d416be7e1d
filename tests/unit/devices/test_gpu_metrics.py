# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The GPUs' families (M-20, M-21), from a management library of the test's own."""

from __future__ import annotations

import pytest
from penstock.telemetry.exposition import render
from penstock.telemetry.gpu import GpuCollector, GpuReading
from penstock.telemetry.nvml import Nvml


def samples(collector: GpuCollector) -> dict[str, str]:
    lines = render(collector).decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def test_without_a_library_there_are_no_families() -> None:
    assert render(GpuCollector(Nvml("libnvidia-ml-not-here.so.1").read)) == b""


def test_a_library_that_is_another(libcuda: str) -> None:
    assert Nvml(libcuda).read() == []


@pytest.mark.parametrize("variable", ["FAKE_NVML_INIT_ERROR", "FAKE_NVML_NOTHING"])
def test_a_library_that_fails_or_has_no_gpu(
    libnvml: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "9")
    if variable == "FAKE_NVML_INIT_ERROR":
        monkeypatch.setenv("FAKE_NVML_GPUS", "1")
    assert render(GpuCollector(Nvml(libnvml).read)) == b""


def test_every_family_of_two_gpus(libnvml: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_NVML_GPUS", "2")
    collector = GpuCollector(Nvml(libnvml).read)
    assert samples(collector) == {
        'nv_gpu_utilization{gpu_uuid="GPU-0"}': "0.25",
        'nv_gpu_utilization{gpu_uuid="GPU-1"}': "0.5",
        'nv_gpu_memory_total_bytes{gpu_uuid="GPU-0"}': "8589934592",
        'nv_gpu_memory_total_bytes{gpu_uuid="GPU-1"}': "8589934592",
        'nv_gpu_memory_used_bytes{gpu_uuid="GPU-0"}': "2147483648",
        'nv_gpu_memory_used_bytes{gpu_uuid="GPU-1"}': "2147483648",
        'nv_gpu_power_usage{gpu_uuid="GPU-0"}': "125.5",
        'nv_gpu_power_usage{gpu_uuid="GPU-1"}': "125.5",
        'nv_gpu_power_limit{gpu_uuid="GPU-0"}': "300",
        'nv_gpu_power_limit{gpu_uuid="GPU-1"}': "300",
        'nv_energy_consumption{gpu_uuid="GPU-0"}': "1.5",  # since the collector was made
    }
    assert samples(collector)['nv_energy_consumption{gpu_uuid="GPU-0"}'] == "3"
    text = render(collector).decode()
    assert "# TYPE nv_energy_consumption counter" in text
    assert "# TYPE nv_gpu_utilization gauge" in text


def test_a_lost_gpu_is_left_out(libnvml: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_NVML_GPUS", "2")
    monkeypatch.setenv("FAKE_NVML_LOST", "0")
    assert [gpu.uuid for gpu in Nvml(libnvml).read()] == ["GPU-1"]


def test_energy_goes_on_from_nothing_when_the_driver_is_loaded_anew() -> None:
    readings = iter([50.0, 70.0, 3.0, 4.0])
    collector = GpuCollector(lambda: [GpuReading("GPU-0", energy_joules=next(readings))])
    energy = [float(samples(collector)['nv_energy_consumption{gpu_uuid="GPU-0"}']) for _ in "abc"]
    assert energy == [20.0, 3.0, 4.0]
