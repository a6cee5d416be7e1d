# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Says what is wrong with a model configuration (contract 2 and 12.5, "Config validation").

`validate_config` is for a configuration after `normalise`; `validate_io` and
`validate_instance_groups` for one that its back end has completed as well. All raise
InvalidArgError with the contract's text and change nothing.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import PurePosixPath

from penstock._proto.model_config_pb2 import ModelConfig, ModelMetrics, ModelQueuePolicy
from penstock.config.metrics_settings import FIRST_RESPONSE_HISTOGRAM
from penstock.config.platforms import BACKEND_OF_PLATFORM, ENSEMBLE_PLATFORM
from penstock.config.validation_ensemble import validate_ensemble
from penstock.config.validation_instances import (
    validate_instance_groups as validate_instance_groups,
)
from penstock.config.validation_io import validate_io as validate_io
from penstock.config.validation_sequence import validate_sequence_batching
from penstock.config.validation_warm_up import validate_warm_up
from penstock.errors import InvalidArgError

_LOG = logging.getLogger("penstock.config")


def validate_config(config: ModelConfig) -> None:
    """Everything but inputs, outputs and instance groups."""
    if not config.name:
        raise InvalidArgError("model configuration must specify 'name'")
    _validate_backend(config)
    if config.version_policy.WhichOneof("policy_choice") is None:
        raise InvalidArgError(f"must specify 'version policy' for {config.name}")
    if config.max_batch_size < 0:
        raise InvalidArgError(f"'max_batch_size' must be non-negative value for {config.name}")
    _validate_file_names(config)
    if config.HasField("dynamic_batching"):
        _validate_dynamic_batching(config)
    if config.HasField("sequence_batching"):
        validate_sequence_batching(config)
    validate_ensemble(config)
    validate_response_cache(config)
    validate_warm_up(config)
    _validate_metrics(config.model_metrics)


def validate_directory_name(config: ModelConfig, directory: str) -> None:
    """A model is called as its directory (2.1)."""
    if config.name != directory:
        raise InvalidArgError(
            f"unexpected directory name '{directory}' for model '{config.name}', directory name "
            "must equal model name"
        )


def validate_config_version(version: int) -> None:
    """There is one version of the configuration's form (1.4)."""
    if version != 1:
        raise InvalidArgError(
            f"model configuration version {version} not supported, supported versions are: 1"
        )


def _validate_backend(config: ModelConfig) -> None:
    name, platform, backend = config.name, config.platform, config.backend
    if platform == ENSEMBLE_PLATFORM or config.HasField("ensemble_scheduling"):
        return  # validate_ensemble has the words for these
    if not platform and not backend:
        raise InvalidArgError(f"must specify 'platform' or 'backend' for '{name}'")
    if platform and platform not in BACKEND_OF_PLATFORM and not backend:
        raise InvalidArgError(f"unexpected platform type '{platform}' for {name}")
    known = backend in BACKEND_OF_PLATFORM.values()
    expected = BACKEND_OF_PLATFORM.get(platform)
    if platform and (expected != backend if expected or known else False):
        raise InvalidArgError(
            f"unexpected 'platform' and 'backend' pair, got:{platform}, {backend}"
        )


def _validate_file_names(config: ModelConfig) -> None:
    """Model files are inside the model's directory, whatever a configuration says."""
    fields = [("default_model_filename", config.default_model_filename)]
    fields += [("cc_model_filenames", name) for name in config.cc_model_filenames.values()]
    fields.append(("runtime", config.runtime))
    for field, value in fields:
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts or "\0" in value:
            raise InvalidArgError(
                f"'{field}' must be a path inside the model directory for {config.name}, "
                f"got '{value}'"
            )


def _validate_dynamic_batching(config: ModelConfig) -> None:
    name, batching = config.name, config.dynamic_batching
    for size in batching.preferred_batch_size:
        if size <= 0:
            raise InvalidArgError(f"dynamic batching preferred size must be positive for {name}")
        if size > config.max_batch_size:
            raise InvalidArgError(
                f"dynamic batching preferred size must be <= max batch size for {name}"
            )
    levels = batching.priority_levels
    if levels > 0 and not 1 <= batching.default_priority_level <= levels:
        raise InvalidArgError(f"default priority level must be in range [1, {levels}] for {name}")
    for level in batching.priority_queue_policy:
        if not 1 <= level <= levels:
            raise InvalidArgError(
                f"priority queue policy must have priority level in range [1, {levels}] for {name}"
            )
    if batching.preserve_ordering:
        _validate_preserve_ordering(config)


def _validate_preserve_ordering(config: ModelConfig) -> None:
    name, batching = config.name, config.dynamic_batching
    if batching.priority_levels > 1:
        raise InvalidArgError(
            f"Only one priority level is allowed when 'preserve_ordering' is true for {name}"
        )
    policies = [batching.default_queue_policy, *batching.priority_queue_policy.values()]
    if any(policy.timeout_action == ModelQueuePolicy.DELAY for policy in policies):
        raise InvalidArgError(
            "Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true "
            f"for {name}"
        )


def validate_response_cache(config: ModelConfig) -> None:
    """What cannot be cached (4.6)."""
    if not config.response_cache.enable:
        return
    if config.HasField("sequence_batching"):
        with_what = "sequence batching scheduler"
    elif config.model_transaction_policy.decoupled:
        with_what = "'decoupled' transaction policy"
    else:
        return
    raise InvalidArgError(
        f"Response Cache does not currently support model {config.name} with {with_what}. "
        "Please disable the response cache."
    )


def _validate_metrics(metrics: ModelMetrics) -> None:
    for control in metrics.metric_control:
        if not control.HasField("metric_identifier"):
            raise InvalidArgError("metric control must specify 'metric_identifier'")
        if not control.metric_identifier.family:
            raise InvalidArgError("metric identifier must specify non-empty 'family'")
        if not control.HasField("histogram_options"):
            raise InvalidArgError("metric control must specify 'histogram_options'")
        if not control.histogram_options.buckets:
            raise InvalidArgError("histogram options must specify non-empty 'buckets'")
        if not _ascend(control.histogram_options.buckets):
            raise InvalidArgError("histogram options must specify ascending, finite 'buckets'")
        if control.metric_identifier.family != FIRST_RESPONSE_HISTOGRAM:
            _LOG.warning(
                "metric control of unknown family '%s' has no effect",
                control.metric_identifier.family,
            )


def _ascend(buckets: Sequence[float]) -> bool:
    return all(map(math.isfinite, buckets)) and all(a < b for a, b in pairwise(buckets))
