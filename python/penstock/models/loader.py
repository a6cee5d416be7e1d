# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What the life cycle of models asks of the server: to load, switch and free model versions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from penstock._proto.model_config_pb2 import ModelConfig
from penstock.devices.gpus import Gpus


class VersionHandle(Protocol):
    """One loaded model version. The life cycle keeps it and hands it back, nothing else."""

    @property
    def version(self) -> int:
        """The version's number."""

    @property
    def alive(self) -> bool:
        """Whether an instance lives."""

    @property
    def refusal(self) -> str:
        """Why no instance lives, and none is expected to soon; "": one does, or will."""


class Loader(Protocol):
    """Implemented by `serving`. All methods are called from several threads, never twice at a
    time for one model but for `unload_version`, which drains old versions in the background."""

    def complete(
        self,
        name: str,
        model_dir: Path,
        version: int,
        config: ModelConfig,
        *,
        max_batch_size_set: bool,
    ) -> ModelConfig:
        """What the back end fills in from the model itself (contract 3.2, stage B).

        `config` may be changed and returned. Raises ServerError.
        """

    def prefers_gpus(self, backend: str) -> bool:
        """Whether its instances go to GPUs when nobody says where (C-10). Raises ServerError."""

    def find_gpus(self) -> Gpus:
        """What was found when somebody first asked."""

    def load_version(
        self, name: str, model_dir: Path, version: int, config: ModelConfig
    ) -> VersionHandle:
        """Load one version with its final configuration; blocks. Raises ServerError."""

    def publish(self, name: str, ready: Sequence[VersionHandle], not_ready: Sequence[int]) -> None:
        """Make exactly these versions the ones that requests find, in one step."""

    def unload_version(self, handle: VersionHandle) -> None:
        """Wait for the version's requests and free it. It is no longer published. Blocks."""

    def forget(self, name: str) -> None:
        """The model is unknown from now on."""
