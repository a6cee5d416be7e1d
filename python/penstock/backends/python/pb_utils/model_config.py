# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""`ModelConfig` of `auto_complete_config`, and look-ups in a configuration (contract 5.1)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

_IO_KEYS: Final = ("name", "data_type", "dims", "optional")
_SCHEDULERS: Final = ("sequence_batching", "ensemble_scheduling")


class ModelConfig:
    """What `auto_complete_config` may fill in: nothing that the file says is overwritten."""

    def __init__(self, model_config: str) -> None:
        self._model_config: dict[str, Any] = json.loads(model_config)

    @property
    def _name(self) -> str:
        return str(self._model_config.get("name", ""))

    def as_dict(self) -> dict[str, Any]:
        """The configuration as it stands, in the form of the model configuration's JSON."""
        return self._model_config

    def add_input(self, input: Mapping[str, Any]) -> None:
        """Add an input, or complete it. Keys: name, data_type, dims, optional.

        Raises ValueError for other keys, missing ones, and values that contradict the file.
        """
        self._add("input", input, _IO_KEYS)

    def add_output(self, output: Mapping[str, Any]) -> None:
        """Add an output, or complete it. Keys: name, data_type, dims. Raises as `add_input`."""
        self._add("output", output, _IO_KEYS[:3])

    def set_max_batch_size(self, max_batch_size: int) -> None:
        """Raises ValueError when the file allows larger batches than the model."""
        configured = self._model_config.get("max_batch_size", 0)
        if configured > max_batch_size:
            raise ValueError(
                f"configuration specified max_batch_size {configured}, but in auto-complete-config "
                f"function for model '{self._name}' specified max_batch_size {max_batch_size}"
            )
        self._model_config["max_batch_size"] = max_batch_size

    def set_dynamic_batching(self) -> None:
        """Turn the dynamic batcher on. Raises ValueError when another scheduler is configured."""
        for scheduler in _SCHEDULERS:
            if scheduler in self._model_config:
                raise ValueError(
                    f"configuration specified {scheduler}, but in auto-complete-config function "
                    f"for model '{self._name}' tried to set dynamic_batching"
                )
        self._model_config.setdefault("dynamic_batching", {})

    def set_model_transaction_policy(self, transaction_policy_dict: Mapping[str, Any]) -> None:
        """Takes {"decoupled": bool}. Raises ValueError when the file says otherwise."""
        unknown = [key for key in transaction_policy_dict if key != "decoupled"]
        if unknown:
            raise ValueError(
                f"model transaction property in auto-complete-config function for model "
                f"'{self._name}' contains property other than 'decoupled': '{unknown[0]}'"
            )
        if "decoupled" not in transaction_policy_dict:
            return
        decoupled = bool(transaction_policy_dict["decoupled"])
        policy = self._model_config.setdefault("model_transaction_policy", {})
        if policy.get("decoupled", decoupled) != decoupled:
            raise ValueError(
                f"trying to change decoupled property in auto-complete-config for model "
                f"'{self._name}', which is already set to '{policy['decoupled']}'"
            )
        policy["decoupled"] = decoupled

    def _add(self, kind: str, given: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
        where = f"in auto-complete-config function for model '{self._name}'"
        for key in given:
            if key not in allowed:
                raise ValueError(
                    f"{kind} '{given.get('name', '')}' {where} contains property other than "
                    f"{', '.join(allowed)}: '{key}'"
                )
        for key in ("name", "data_type", "dims"):
            if key not in given:
                raise ValueError(
                    f"{kind} '{given.get('name', '')}' {where} is missing '{key}' property"
                )
        tensors = self._model_config.setdefault(kind, [])
        for tensor in tensors:
            if tensor["name"] == given["name"]:
                self._merge(kind, tensor, given)
                return
        tensors.append({**given, "dims": list(given["dims"])})

    def _merge(self, kind: str, tensor: dict[str, Any], given: Mapping[str, Any]) -> None:
        for key in ("data_type", "dims", "optional"):
            if key not in given:
                continue
            value = list(given[key]) if key == "dims" else given[key]
            configured = tensor.get(key)
            if configured not in (None, "TYPE_INVALID", [], False) and configured != value:
                raise ValueError(
                    f"unable to load model '{self._name}', configuration expects {key} "
                    f"{configured} for {kind} '{tensor['name']}', model provides {value}"
                )
            tensor[key] = value


def _by_name(model_config: Mapping[str, Any], kind: str, name: str) -> dict[str, Any] | None:
    for tensor in model_config.get(kind, ()):
        if tensor["name"] == name:
            return dict(tensor) if not isinstance(tensor, dict) else tensor
    return None


def get_input_config_by_name(model_config: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """The properties of an input of the parsed configuration, or None."""
    return _by_name(model_config, "input", name)


def get_output_config_by_name(model_config: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """The properties of an output of the parsed configuration, or None."""
    return _by_name(model_config, "output", name)


def using_decoupled_model_transaction_policy(model_config: Mapping[str, Any]) -> bool:
    """Whether the parsed configuration makes the model a decoupled one."""
    return bool(model_config.get("model_transaction_policy", {}).get("decoupled", False))
