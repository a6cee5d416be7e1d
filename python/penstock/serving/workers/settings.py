# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What a model's parameters and its back end's settings say about its worker processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from penstock._proto.model_config_pb2 import ModelConfig
from penstock.backends.interface import Backend, UsesWorkers
from penstock.errors import InvalidArgError
from penstock.serving.workers.job import Memory

#: Parameter of a configuration: where its instances run.
EXECUTION_MODE: Final = "EXECUTION_MODE"
PROCESS: Final = "process"
IN_PROCESS: Final = "in_process"
#: Parameter of a configuration: the environment that its processes run in.
EXECUTION_ENV_PATH: Final = "EXECUTION_ENV_PATH"

#: Parameter of a configuration, and setting of the back end: how much its processes yield.
NICENESS: Final = "NICENESS"

_MAX_NICENESS: Final = 19
_MIN_SHM_BYTES: Final = 1 << 20
_MAX_SHM_BYTES: Final = 1 << 40
_YES: Final = frozenset({"true", "yes", "on", "1"})
_NO: Final = frozenset({"false", "no", "off", "0"})


@dataclass(frozen=True)
class WorkerSettings:
    """Of all instances of one version."""

    memory: Memory = Memory()
    #: past it a process that is executing is killed; 0: never
    execute_timeout_s: float = 0.0
    #: past it a process is replaced by a fresh one; 0: never
    max_rss_bytes: int = 0
    #: what a process did not survive is tried once more
    idempotent: bool = False
    #: man 7 sched; 0: a core is shared evenly, 19: the processes wait for everyone else
    niceness: int = 0


def runs_in_process(config: ModelConfig, backend: Backend) -> bool:
    """Whether its instances have processes of their own. Raises InvalidArgError."""
    default = PROCESS if isinstance(backend, UsesWorkers) else IN_PROCESS
    mode = parameter(config, EXECUTION_MODE) or default
    if mode not in (PROCESS, IN_PROCESS):
        raise InvalidArgError(
            f"model '{config.name}': parameter {EXECUTION_MODE} must be '{PROCESS}' or "
            f"'{IN_PROCESS}', got '{mode}'"
        )
    if mode == IN_PROCESS and parameter(config, EXECUTION_ENV_PATH):
        raise InvalidArgError(
            f"model '{config.name}': {EXECUTION_ENV_PATH} is for worker processes, and the "
            f"server's process has only its own environment: set parameter {EXECUTION_MODE} to "
            f"'{PROCESS}', or remove {EXECUTION_ENV_PATH}"
        )
    return mode == PROCESS


def worker_settings(config: ModelConfig, backend_config: Mapping[str, str]) -> WorkerSettings:
    """Raises InvalidArgError naming the setting or parameter that cannot be."""
    return WorkerSettings(
        memory=_memory(backend_config),
        execute_timeout_s=_number(config, "EXECUTE_TIMEOUT_MS") / 1000,
        max_rss_bytes=_number(config, "MAX_RSS_BYTES"),
        idempotent=_flag(config, "IDEMPOTENT"),
        niceness=_niceness(config, backend_config),
    )


def _niceness(config: ModelConfig, settings: Mapping[str, str]) -> int:
    text = parameter(config, NICENESS)
    what = f"model '{config.name}': parameter {NICENESS}"
    if not text:
        text, what = settings.get("niceness", "0"), "niceness"
    if not text.isdecimal() or len(text) > 2 or int(text) > _MAX_NICENESS:
        raise InvalidArgError(f"{what} must be 0 to {_MAX_NICENESS}, got '{text}'")
    return int(text)


def _memory(settings: Mapping[str, str]) -> Memory:
    default = Memory()
    initial = _size(settings, "shm-default-byte-size", default.initial_bytes)
    growth = _size(settings, "shm-growth-byte-size", default.growth_bytes)
    most = _size(settings, "shm-max-byte-size", max(default.max_bytes, initial))
    if initial < _MIN_SHM_BYTES:  # the contract's text, which names another bound
        raise InvalidArgError("shm-default-byte-size can't be smaller than 4 MiBs")
    if growth <= 0:
        raise InvalidArgError("shm-growth-byte-size must be greater than 0")
    if most < initial:
        raise InvalidArgError("shm-max-byte-size can't be smaller than shm-default-byte-size")
    return Memory(initial, growth, most)


def _size(settings: Mapping[str, str], key: str, default: int) -> int:
    text = settings.get(key)
    if text is None:
        return default
    try:
        size = int(text)
    except ValueError:
        raise InvalidArgError(f"{key} must be a number of bytes, got '{text}'") from None
    if size > _MAX_SHM_BYTES:
        raise InvalidArgError(f"{key} can't be larger than {_MAX_SHM_BYTES}, got {size}")
    return size


def parameter(config: ModelConfig, key: str) -> str:
    """The text of a parameter; "" where there is none."""
    return config.parameters[key].string_value if key in config.parameters else ""


def _number(config: ModelConfig, key: str) -> int:
    text = parameter(config, key) or "0"
    if not text.isdecimal() or len(text) > 15:
        raise InvalidArgError(
            f"model '{config.name}': parameter {key} must be a number that is not negative, got "
            f"'{text}'"
        )
    return int(text)


def _flag(config: ModelConfig, key: str) -> bool:
    text = parameter(config, key).lower()
    if text and text not in _YES | _NO:
        raise InvalidArgError(
            f"model '{config.name}': parameter {key} must be 'true' or 'false', got '{text}'"
        )
    return text in _YES
