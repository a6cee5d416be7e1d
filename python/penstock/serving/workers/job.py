# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What a worker process is told to do, as the message that says it."""

from __future__ import annotations

import base64
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from penstock._proto.model_config_pb2 import ModelConfig
from penstock.backends.interface import InstanceSpec, ModelContext
from penstock.devices.gpus import Gpu, Gpus


@dataclass(frozen=True)
class Memory:
    """The memory that server and worker share; bytes, of each direction."""

    initial_bytes: int = 1 << 20
    growth_bytes: int = 1 << 20
    max_bytes: int = 1 << 30


@dataclass(frozen=True)
class Job:
    """One instance to serve or, without `instance`, a configuration to complete."""

    backend: str
    context: ModelContext
    instance: InstanceSpec | None = None
    memory: Memory = Memory()
    #: the folder of Python-based back ends
    backend_directory: Path | None = None
    #: level of the logger `penstock`
    log_level: int = 0
    niceness: int = 0
    #: of the ids of the server's spans, as hexadecimal digits; "": spans are not exported
    span_seed: str = ""

    def to_message(self) -> dict[str, Any]:
        """As JSON has it."""
        context = self.context
        return {
            "backend": self.backend,
            "backend_directory": str(self.backend_directory or ""),
            "name": context.name,
            "version": context.version,
            "model_dir": str(context.model_dir),
            "config": encode_config(context.config),
            "backend_config": dict(context.backend_config),
            "cpu_share": context.cpu_share,
            "max_batch_size_set": context.max_batch_size_set,
            "gpus": dataclasses.asdict(context.gpus),
            "instance": dataclasses.asdict(self.instance) if self.instance else None,
            "memory": dataclasses.asdict(self.memory),
            "niceness": self.niceness,
            "log_level": self.log_level,
            "span_seed": self.span_seed,
        }

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> Self:
        """The inverse; the message is the server's own."""
        gpus = message["gpus"]
        found = tuple(
            Gpu(**{**gpu, "compute_capability": tuple(gpu["compute_capability"])})
            for gpu in gpus["found"]
        )
        directory = message["backend_directory"]
        instance = message["instance"]
        context = ModelContext(
            name=message["name"],
            version=message["version"],
            model_dir=Path(message["model_dir"]),
            config=decode_config(message["config"]),
            backend_config=message["backend_config"],
            cpu_share=message["cpu_share"],
            max_batch_size_set=message["max_batch_size_set"],
            gpus=Gpus(**{**gpus, "found": found}),
        )
        if instance is not None:
            lists = {key: tuple(instance[key]) for key in ("cores", "profiles")}
            instance = InstanceSpec(**{**instance, **lists})
        return cls(
            backend=message["backend"],
            context=context,
            instance=instance,
            memory=Memory(**message["memory"]),
            niceness=message["niceness"],
            backend_directory=Path(directory) if directory else None,
            log_level=message["log_level"],
            span_seed=message["span_seed"],
        )


def encode_config(config: ModelConfig) -> str:
    """A configuration, exactly, as text."""
    return base64.b64encode(config.SerializeToString()).decode()


def decode_config(text: str) -> ModelConfig:
    """The inverse. Raises ValueError or DecodeError for what is none."""
    config = ModelConfig()
    config.ParseFromString(base64.b64decode(text, validate=True))
    return config
