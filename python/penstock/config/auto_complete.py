# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Finds a model's back end by the files in its directory (contract 3.2, stage A)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from penstock._proto.model_config_pb2 import ModelConfig
from penstock.config.platforms import ENSEMBLE_PLATFORM
from penstock.errors import InvalidArgError


@dataclass(frozen=True)
class _Kind:
    """One kind of model file; the rules are tried in order."""

    backend: str
    file_name: str
    platform: str = ""
    #: platforms that name the back end without looking at files
    aliases: tuple[str, ...] = ()
    is_file: bool = True
    is_directory: bool = False

    def found_in(self, version_dir: Path | None) -> bool:
        if version_dir is None:
            return False
        path = version_dir / self.file_name
        return (self.is_file and path.is_file()) or (self.is_directory and path.is_dir())


_KINDS = (
    _Kind(
        "tensorflow",
        "model.savedmodel",
        "tensorflow_savedmodel",
        is_file=False,
        is_directory=True,
    ),
    _Kind("tensorflow", "model.graphdef", "tensorflow_graphdef"),
    _Kind("tensorrt", "model.plan", "tensorrt_plan"),
    _Kind("onnxruntime", "model.onnx", "onnxruntime_onnx", is_directory=True),
    _Kind("openvino", "model.xml"),
    _Kind("pytorch", "model.pt", "pytorch_libtorch", aliases=("libtorch",)),
    _Kind("pytorch", "model.pt2", "torch_aoti"),
    _Kind("python", "model.py"),
    # Ours: Triton has no rule for these.
    _Kind("litert", "model.tflite"),
    _Kind("jax", "model.jaxexport"),
    _Kind("openvino", "model.onnx"),
    _Kind("openvino", "model.tflite"),
)


def auto_complete_from_files(config: ModelConfig, model_dir: Path) -> None:
    """Fill in name, backend, platform and default_model_filename; changes `config`.

    Raises InvalidArgError when nothing tells the back end.
    """
    if not config.name:
        config.name = model_dir.name
    if config.platform == ENSEMBLE_PLATFORM or config.HasField("ensemble_scheduling"):
        return
    kind = _find_kind(config, _first_version_dir(model_dir))
    if kind is None:
        _complete_custom(config)
        return
    if not config.backend:
        config.backend = kind.backend
    if not config.platform:
        config.platform = kind.platform
    if not config.default_model_filename:
        config.default_model_filename = kind.file_name


def _find_kind(config: ModelConfig, version_dir: Path | None) -> _Kind | None:
    """The rule that fits what the configuration says, by its file when there is one."""
    possible = [kind for kind in _KINDS if _agrees(kind, config)]
    for kind in possible:
        if config.default_model_filename == kind.file_name:
            return kind
    for kind in possible:
        if kind.found_in(version_dir):
            return kind
    # A platform or a back end that was written needs no file to be believed.
    return possible[0] if possible and (config.platform or config.backend) else None


def _agrees(kind: _Kind, config: ModelConfig) -> bool:
    if config.backend and config.backend != kind.backend:
        return False
    return not config.platform or config.platform in (kind.platform, *kind.aliases)


def _first_version_dir(model_dir: Path) -> Path | None:
    """The lexicographically first folder of the model, whether a version or not."""
    with os.scandir(model_dir) as entries:
        names = [entry.name for entry in entries if entry.name[0] != "." and entry.is_dir()]
    return model_dir / min(names) if names else None


def _complete_custom(config: ModelConfig) -> None:
    """Rule 7: a model called `<name>.<backend>` says its back end itself."""
    if config.backend or config.platform:
        return
    _, dot, backend = config.name.partition(".")
    if not dot or not backend:
        raise InvalidArgError(
            f"Invalid model name: Could not determine backend for model '{config.name}' with no "
            "backend in model configuration. Expected model name of the form "
            "'model.<backend_name>'."
        )
    config.backend = backend
    if not config.default_model_filename:
        config.default_model_filename = f"model.{backend}"
