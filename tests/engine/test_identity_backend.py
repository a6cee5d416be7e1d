# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `identity` (contract 5.4)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from backend_conformance import BackendConformance, Tensors, sample
from penstock.errors import Code, ServerError
from penstock.types import DataType
from served_models import ServedModels


class TestIdentity(BackendConformance):
    backend: ClassVar[str] = "identity"
    data_types: ClassVar[Sequence[DataType]] = [d for d in DataType if d is not DataType.INVALID]

    def write_echo(self, model_dir: Path, tensors: Tensors, *, batching: bool) -> None:
        """There is nothing but the configuration."""

    async def test_execute_delay(self, served: ServedModels, tmp_path: Path) -> None:
        more = "parameters { key: 'execute_delay_ms' value { string_value: '40' } }"
        name = self.load_echo(served, tmp_path / "slow", [(DataType.FP32, (2,))], more=more)
        started = time.monotonic()
        await served.infer(name, {"INPUT0": sample(DataType.FP32, (1, 2))})
        assert time.monotonic() - started >= 0.04

    def test_creation_delay(self, tmp_path: Path) -> None:
        more = "parameters { key: 'creation_delay_sec' value { string_value: '0.05' } }"
        served = ServedModels()
        started = time.monotonic()
        name = self.load_echo(served, tmp_path / "slow", [(DataType.FP32, (2,))], more=more)
        assert time.monotonic() - started >= 0.05
        served.unload(name)

    @pytest.mark.parametrize("value", ["-1", "soon", "nan", "1e9"])
    def test_delays_that_are_none(self, tmp_path: Path, value: str) -> None:
        more = f"parameters {{ key: 'execute_delay_ms' value {{ string_value: '{value}' }} }}"
        with pytest.raises(ServerError) as caught:
            self.load_echo(ServedModels(), tmp_path / "m", [(DataType.FP32, (2,))], more=more)
        assert caught.value.code is Code.INVALID_ARG
        assert caught.value.message == (
            f"parameter 'execute_delay_ms' of model 'm' must be a number from 0 to 3600000, got "
            f"'{value}'"
        )

    def test_outputs_without_an_input(self, tmp_path: Path) -> None:
        config = (
            'backend: "identity" output { name: "OUTPUT0" data_type: TYPE_FP32 dims: 1 }'
            'output { name: "OUTPUT1" data_type: TYPE_FP32 dims: 1 }'
            'input { name: "INPUT0" data_type: TYPE_FP32 dims: 1 }'
        )
        with pytest.raises(ServerError, match="model 'm' has 1 inputs and 2 outputs"):
            ServedModels().load(tmp_path / "m", config)
