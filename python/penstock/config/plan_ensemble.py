# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""From an ensemble's configuration, and those of its models, to the steps of its plan.

What needs the models' own configurations is checked here (contract 2.9 "at load time", 12.5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from penstock._proto.model_config_pb2 import ModelConfig, ModelEnsembling, ModelInput, ModelOutput
from penstock.errors import InvalidArgError
from penstock.types import DataType

_Tensor = ModelInput | ModelOutput


@dataclass(frozen=True)
class StepData:
    """One step: its model, and which of its tensors are which of the ensemble's."""

    model: str
    version: int
    decoupled: bool
    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class EnsembleData:
    """Argument of penstock._engine.ModelPlan. tensors: inputs, outputs, what is in between."""

    tensors: tuple[str, ...]
    steps: tuple[StepData, ...]
    max_inflight_requests: int


@dataclass(frozen=True)
class _Seen:
    """An ensemble tensor as one model, or the ensemble, declares it."""

    tensor: _Tensor
    model: str
    batching: bool


def composing_models(config: ModelConfig) -> tuple[str, ...]:
    """The names of an ensemble's models, each once; none for another model."""
    return tuple(dict.fromkeys(step.model_name for step in config.ensemble_scheduling.step))


def make_ensemble(
    config: ModelConfig, models: Sequence[ModelConfig], keys: Mapping[str, str] | None = None
) -> EnsembleData:
    """The plan's steps; `models` has the configuration of each step's model, in their order, and
    `keys` what the engine knows a model by, where that is not its name.

    Raises InvalidArgError where they do not fit together.
    """
    prefix = f"in ensemble {config.name}, "
    scheduling = config.ensemble_scheduling
    seen = {t.name: _Seen(t, config.name, config.max_batch_size > 0) for t in config.input}
    outputs = {t.name: _Seen(t, config.name, config.max_batch_size > 0) for t in config.output}
    for step, model in zip(scheduling.step, models, strict=True):
        _check_batch(config, model)
        _check_inputs(step, model, prefix)
        for name, tensor in step.output_map.items():
            found = _find(model.output, name)
            if found is None:
                raise InvalidArgError(
                    f"{prefix}ensemble tensor {tensor} is mapped from non-existing output {name} "
                    f"in model {model.name}"
                )
            seen[tensor] = _Seen(found, model.name, model.max_batch_size > 0)
    for step, model in zip(scheduling.step, models, strict=True):
        for name, tensor in step.input_map.items():
            wanted = _find(model.input, name)
            assert wanted is not None
            _check_same(tensor, _Seen(wanted, model.name, model.max_batch_size > 0), seen, prefix)
    for tensor, declared in outputs.items():
        _check_same(tensor, declared, seen, prefix)
    named = keys or {}
    steps = tuple(_step(s, m, named) for s, m in zip(scheduling.step, models, strict=True))
    _check_sources(config, steps, prefix)
    names = dict.fromkeys([t.name for t in config.input] + [t.name for t in config.output])
    for one in steps:
        names.update(dict.fromkeys(t for _, t in (*one.inputs, *one.outputs)))
    return EnsembleData(tuple(names), steps, scheduling.max_inflight_requests)


def _step(step: ModelEnsembling.Step, model: ModelConfig, keys: Mapping[str, str]) -> StepData:
    return StepData(
        model=keys.get(step.model_name, step.model_name),
        version=step.model_version,
        decoupled=model.model_transaction_policy.decoupled,
        inputs=tuple(sorted(step.input_map.items())),
        outputs=tuple(sorted(step.output_map.items())),
    )


def _find(tensors: Sequence[_Tensor], name: str) -> _Tensor | None:
    return next((tensor for tensor in tensors if tensor.name == name), None)


def _check_batch(config: ModelConfig, model: ModelConfig) -> None:
    if 0 < model.max_batch_size < config.max_batch_size:
        raise InvalidArgError(
            f"ensemble {config.name} allows maximum batch size {config.max_batch_size}, but it "
            f"contains model {model.name} which only allows maximum batch size to be "
            f"{model.max_batch_size}"
        )


def _check_inputs(step: ModelEnsembling.Step, model: ModelConfig, prefix: str) -> None:
    for name, tensor in step.input_map.items():
        if _find(model.input, name) is None:
            raise InvalidArgError(
                f"{prefix}ensemble tensor {tensor} is mapping to non-existing input {name} in "
                f"model {model.name}"
            )
    for wanted in model.input:
        if not wanted.optional and wanted.name not in step.input_map:
            raise InvalidArgError(
                f"{prefix}input {wanted.name} in model {model.name} is not mapped to any ensemble "
                "tensors"
            )


def _check_same(tensor: str, here: _Seen, seen: Mapping[str, _Seen], prefix: str) -> None:
    """One tensor, declared twice: by who gives it and by who takes it."""
    there = seen[tensor]
    if here.tensor.data_type != there.tensor.data_type:
        first, second = (DataType(s.tensor.data_type).config_name for s in (here, there))
        raise InvalidArgError(
            f"{prefix}ensemble tensor {tensor}: inconsistent data type: {first} is inferred from "
            f"model {here.model} while {second} is inferred from model {there.model}"
        )
    first_dims, second_dims = list(here.tensor.dims), list(there.tensor.dims)
    if _fits(first_dims, second_dims, here.batching, there.batching):
        return
    raise InvalidArgError(
        f"{prefix}ensemble tensor {tensor}: inconsistent shape: {_shown(here)} is inferred from "
        f"model {here.model} while {_shown(there)} is inferred from model {there.model}"
    )


def _fits(a: list[int], b: list[int], a_batching: bool, b_batching: bool) -> bool:
    """Equal but for wildcards; a batch dimension may be part of one of them (S-42)."""
    if a_batching != b_batching and len(a) != len(b):
        longer, shorter = (b, a) if a_batching else (a, b)
        if len(longer) != len(shorter) + 1:
            return False
        a, b = longer[1:], shorter
    return len(a) == len(b) and all(x == y or -1 in (x, y) for x, y in zip(a, b, strict=True))


def _shown(seen: _Seen) -> str:
    dims = ([-1] if seen.batching else []) + list(seen.tensor.dims)
    return "[" + ",".join(str(dim) for dim in dims) + "]"


def _check_sources(config: ModelConfig, steps: Sequence[StepData], prefix: str) -> None:
    """S-45: what a step is given comes, in the end, from one decoupled model or from none."""
    source: dict[str, str] = {tensor.name: "" for tensor in config.input}
    waiting = list(steps)
    while runnable := [s for s in waiting if all(t in source for _, t in s.inputs)]:
        for step in runnable:
            waiting.remove(step)
            sources = {source[t] for _, t in step.inputs} - {""}
            if len(sources) > 1:
                raise InvalidArgError(
                    f"{prefix}step of model '{step.model}' receives inputs originated from "
                    "different decoupled models"
                )
            inherited = sources.pop() if sources else ""
            for _, tensor in step.outputs:
                source[tensor] = step.model if step.decoupled else inherited
