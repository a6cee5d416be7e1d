# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What the life cycle of models asks of the server: to load, switch and free model versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from penstock._proto.model_config_pb2 import ModelConfig
from penstock.devices.gpus import Gpus
from penstock.models.identity import ModelId

NO_KEYS: Mapping[str, str] = MappingProxyType({})


class VersionHandle(Protocol):
    """One loaded model version. The life cycle keeps it and hands it back, nothing else."""

    @property
    def version(self) -> int:
        """The version's number."""

    @property
    def config(self) -> ModelConfig:
        """As it is served: completed by the back end."""

    @property
    def stages(self) -> Mapping[str, float]:
        """Where the time of the load went: name of the part -> seconds."""

    @property
    def problem(self) -> str:
        """Why it can answer nothing any more (its GPUs are lost); empty while it can."""


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
        self,
        name: str,
        model_dir: Path,
        version: int,
        config: ModelConfig,
        *,
        namespace: str = "",
        composing: Mapping[str, str] = NO_KEYS,
    ) -> VersionHandle:
        """Load one version with its final configuration; blocks. Raises ServerError.

        `composing`: what the models of an ensemble are published as, by their names.
        """

    def cut_load(self, model_dir: Path, version: int) -> bool:
        """Ends the load of a version that goes on, which raises then. False: it cannot be ended."""

    def can_update(self, handle: VersionHandle, config: ModelConfig) -> bool:
        """Whether the version can get the instances of `config` while it serves (R-25)."""

    def update_version(self, handle: VersionHandle, config: ModelConfig) -> VersionHandle:
        """Start and end instances as `config` has it; what stays the same goes on (R-25).

        Returns what the version is from now on; `handle` is not used again. Blocks. Raises
        ServerError: nothing has changed then.
        """

    def publish(
        self,
        model: ModelId,
        ready: Sequence[VersionHandle],
        not_ready: Sequence[int],
        *,
        on_demand: bool = False,
    ) -> None:
        """Make exactly these versions the ones that requests find, in one step.

        `on_demand`: while none is ready, requests wait for one.
        """

    def unload_version(self, handle: VersionHandle) -> None:
        """Wait for the version's requests and free it. It is no longer published. Blocks."""

    def forget(self, model: ModelId) -> None:
        """The model is unknown from now on."""
