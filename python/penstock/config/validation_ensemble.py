# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Rules for ensembles that need only the ensemble's own configuration (contract 2.9 and 12.5)."""

from __future__ import annotations

from penstock._proto.model_config_pb2 import ModelConfig
from penstock.config.platforms import ENSEMBLE_PLATFORM
from penstock.errors import InvalidArgError


def validate_ensemble(config: ModelConfig) -> None:
    """Platform and scheduling block belong together; steps and maps. Raises InvalidArgError."""
    name = config.name
    is_ensemble = config.HasField("ensemble_scheduling")
    if is_ensemble and config.platform != ENSEMBLE_PLATFORM:
        raise InvalidArgError(
            f"ensemble scheduling cannot be set for model '{name}' whose platform is not ensemble"
        )
    if config.platform != ENSEMBLE_PLATFORM:
        return
    if config.backend:
        raise InvalidArgError(
            f"Ensemble model '{name}' must have platform type '{ENSEMBLE_PLATFORM}' and empty "
            "backend type"
        )
    if not is_ensemble:
        raise InvalidArgError(
            f"ensemble scheduling must be set for ensemble {name} whose platform is ensemble"
        )
    if config.instance_group:
        raise InvalidArgError(f"instance group should not be specified for ensemble '{name}'")
    if config.HasField("optimization"):
        raise InvalidArgError(f"optimization should not be specified for ensemble '{name}'")
    if config.model_warmup:
        raise InvalidArgError(f"model_warmup can not be specified for ensemble '{name}'")
    _validate_steps(config)
    _validate_graph(config)


def _validate_steps(config: ModelConfig) -> None:
    name = config.name
    steps = config.ensemble_scheduling.step
    if not steps:
        raise InvalidArgError(f"must specify 'step' for ensemble '{name}'")
    produced: set[str] = {tensor.name for tensor in config.input}
    for index, step in enumerate(steps):
        for field in ("model_name", "input_map", "output_map"):
            if not getattr(step, field):
                raise InvalidArgError(
                    f"must specify '{field}' in step {index} of ensemble '{name}'"
                )
        for tensor in step.output_map.values():
            if tensor in produced:
                raise InvalidArgError(
                    f"ensemble tensor '{tensor}' can appear in an output map only once for "
                    f"ensemble '{name}' step {index}"
                )
            produced.add(tensor)


def _validate_graph(config: ModelConfig) -> None:
    """Every tensor has a source and a use, and every output can be computed."""
    name = config.name
    steps = config.ensemble_scheduling.step
    inputs = [tensor.name for tensor in config.input]
    outputs = [tensor.name for tensor in config.output]
    used = {tensor for step in steps for tensor in step.input_map.values()}
    written = {tensor for step in steps for tensor in step.output_map.values()}
    for tensor in inputs:
        if tensor not in used:
            # The lone quote is in the contract's text: clients match it.
            raise InvalidArgError(f"ensemble input '{tensor}' for ensemble {name}' is not used")
    for tensor in outputs:
        if tensor not in written:
            raise InvalidArgError(f"ensemble output '{tensor}' for ensemble {name}' is not used")
    for tensor in sorted(written - used - set(outputs)):
        raise InvalidArgError(f"ensemble tensor '{tensor}' is unused in ensemble '{name}'")
    _validate_reachable(config, outputs)


def _validate_reachable(config: ModelConfig, outputs: list[str]) -> None:
    """Run the graph with names for data: what never gets a value is reported with its cause."""
    waiting = list(config.ensemble_scheduling.step)
    known = {tensor.name for tensor in config.input}
    while runnable := [step for step in waiting if known.issuperset(step.input_map.values())]:
        for step in runnable:
            known.update(step.output_map.values())
            waiting.remove(step)
    for output in outputs:
        if output in known:
            continue
        missing = next(
            tensor
            for step in waiting
            if output in step.output_map.values()
            for tensor in sorted(step.input_map.values())
            if tensor not in known
        )
        raise InvalidArgError(
            f"output '{output}' for ensemble '{config.name}' is not written: at least one of its "
            f"depending tensors, '{missing}', is not connected"
        )
    if waiting:
        tensors = sorted({t for step in waiting for t in step.input_map.values()} - known)
        raise InvalidArgError(
            f"data of ensemble tensors {', '.join(repr(t) for t in tensors)} cannot be derived "
            f"from the inputs of ensemble '{config.name}'"
        )
