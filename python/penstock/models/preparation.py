# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""From a model's directory to configurations that are ready to be loaded (contract 3.2)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from penstock._proto.model_config_pb2 import ModelConfig, ModelInstanceGroup
from penstock.config.auto_complete import auto_complete_from_files
from penstock.config.model_config import ParsedConfig, read_pbtxt
from penstock.config.normalise import normalise, normalise_instance_groups
from penstock.config.plan import check_supported
from penstock.config.platforms import ENSEMBLE_PLATFORM
from penstock.config.validation import (
    validate_config,
    validate_directory_name,
    validate_instance_groups,
    validate_io,
)
from penstock.devices.gpus import NO_GPUS, Gpus
from penstock.errors import InternalError
from penstock.models.layout import config_path, list_versions
from penstock.models.loader import Loader
from penstock.models.version_policy import missing_versions, select_versions

_LOG = logging.getLogger("penstock.models")


@dataclass(frozen=True)
class Preparation:
    """A model as it is to be loaded: its configuration so far, and which versions."""

    name: str
    model_dir: Path
    config: ModelConfig
    max_batch_size_set: bool
    #: what is on disk, and what of it is to be served
    available: tuple[int, ...]
    versions: tuple[int, ...]


def prepare(
    model_dir: Path, override: ParsedConfig | None, *, auto_complete: bool, config_name: str
) -> Preparation:
    """Read, complete by files (stage A), normalise and validate. Raises ServerError."""
    name = model_dir.name
    parsed = override or _read(model_dir, auto_complete=auto_complete, config_name=config_name)
    config = ModelConfig()
    config.CopyFrom(parsed.config)
    try:
        if auto_complete:
            auto_complete_from_files(config, model_dir)
        available = list_versions(model_dir)
    except OSError as error:
        raise InternalError(f"failed to read '{error.filename}': {error.strerror}") from None
    if not config.name:
        config.name = name
    validate_directory_name(config, name)
    normalise(config)
    validate_config(config)
    for version in missing_versions(config.version_policy, available):
        _LOG.error("version %d of model '%s' is specified but does not exist", version, name)
    versions = select_versions(config.version_policy, available)
    return Preparation(name, model_dir, config, parsed.max_batch_size_set, available, versions)


def complete(
    preparation: Preparation, version: int, loader: Loader, *, auto_complete: bool
) -> ModelConfig:
    """The final configuration of one version, completed by its back end. Raises ServerError."""
    config = ModelConfig()
    config.CopyFrom(preparation.config)
    check_supported(config)
    if auto_complete:
        config = loader.complete(
            preparation.name,
            preparation.model_dir,
            version,
            config,
            max_batch_size_set=preparation.max_batch_size_set,
        )
    prefers_gpus = config.platform != ENSEMBLE_PLATFORM and loader.prefers_gpus(config.backend)
    gpus = _gpus_for(config, loader, prefers_gpus=prefers_gpus)
    normalise(config)
    normalise_instance_groups(config, gpus, prefers_gpus=prefers_gpus)
    validate_config(config)
    validate_io(config)
    validate_instance_groups(config, gpus)
    return config


def _gpus_for(config: ModelConfig, loader: Loader, *, prefers_gpus: bool) -> Gpus:
    """Looks for GPUs only when a model may use one."""
    kind = ModelInstanceGroup.KIND_GPU
    if prefers_gpus or any(group.kind == kind or group.gpus for group in config.instance_group):
        return loader.find_gpus()
    return NO_GPUS


def _read(model_dir: Path, *, auto_complete: bool, config_name: str) -> ParsedConfig:
    path = config_path(model_dir, config_name)
    if path is None:
        if auto_complete:
            return ParsedConfig(ModelConfig(), max_batch_size_set=False)
        path = model_dir / "config.pbtxt"  # the error of reading it says it all
    return read_pbtxt(path)
