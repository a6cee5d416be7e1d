# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Which models are compared, and what their servers say about them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from penstock.comparison.errors import ComparisonError
from penstock.comparison.tensors import Tensor

_MODEL: Final = re.compile(
    r"(?P<name>.+?)(?::(?P<version>[0-9]+))?(?:@(?P<url>(?:\w+://)?[^@/]+))?"
)


@dataclass(frozen=True)
class ModelName:
    """A model as it was asked for: NAME[:VERSION][@URL]."""

    name: str
    version: str = ""
    url: str = ""

    @property
    def label(self) -> str:
        """What reports call it."""
        version = f":{self.version}" if self.version else ""
        return f"{self.name}{version}{f'@{self.url}' if self.url else ''}"


def parse_model(text: str) -> ModelName:
    """Reads NAME[:VERSION][@URL]. Raises ComparisonError."""
    found = _MODEL.fullmatch(text)
    if found is None:
        raise ComparisonError(f"--model '{text}' is not NAME[:VERSION][@URL]")
    return ModelName(found["name"], found["version"] or "", found["url"] or "")


@dataclass(frozen=True)
class Tls:
    """How a client trusts a server."""

    #: certificates, PEM; None: the system's
    ca: Path | None


@dataclass(frozen=True)
class TensorSpec:
    """An input or output: all dimensions, the batch's too, -1 where they are open."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    optional: bool = False


@dataclass(frozen=True)
class Model:
    """A model that can be asked. `max_batch_size` is 0 where it does not batch."""

    label: str
    name: str
    version: str
    platform: str
    max_batch_size: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    client: Client


class Client(Protocol):
    """A way to a server. Thread safe. Whatever fails raises ComparisonError."""

    def metadata(self, model: str, version: str) -> Mapping[str, Any]:
        """Contract 1.3, as JSON."""

    def config(self, model: str, version: str) -> Mapping[str, Any]:
        """Contract 1.4, as JSON."""

    def encode(self, model: Model, inputs: Sequence[Tensor], outputs: Sequence[str]) -> object:
        """A request that can be sent many times. An empty version is the server's choice."""

    def send(self, request: object) -> object:
        """The answer, received and not looked at: this is what is timed."""

    def decode(self, reply: object) -> list[Tensor]:
        """The outputs of an answer."""

    def close(self) -> None:
        """Ends the connections, or the server that it has started."""


def describe(asked: ModelName, client: Client) -> Model:
    """Asks the server about a model. Raises ComparisonError for one that cannot be compared."""
    config = client.config(asked.name, asked.version)
    _refuse(asked.label, config)
    metadata = client.metadata(asked.name, asked.version)
    optional = {spec["name"] for spec in config.get("input", ()) if spec.get("optional")}
    return Model(
        label=asked.label,
        name=asked.name,
        version=asked.version,
        platform=metadata.get("platform", ""),
        max_batch_size=int(config.get("max_batch_size", 0)),
        inputs=tensor_specs(metadata.get("inputs", ()), optional),
        outputs=tensor_specs(metadata.get("outputs", ()), set()),
        client=client,
    )


def tensor_specs(
    tensors: Sequence[Mapping[str, Any]], optional: set[str]
) -> tuple[TensorSpec, ...]:
    """What metadata says of inputs or outputs (contract 1.3); `optional`: the names of such."""
    return tuple(
        TensorSpec(
            tensor["name"],
            tensor["datatype"],
            tuple(int(dim) for dim in tensor.get("shape", ())),
            tensor["name"] in optional,
        )
        for tensor in tensors
    )


def _refuse(label: str, config: Mapping[str, Any]) -> None:
    """A comparison asks for one answer to each request, whatever was asked before."""
    if config.get("model_transaction_policy", {}).get("decoupled"):
        raise ComparisonError(
            f"model '{label}' is decoupled: no one answer to a request could be compared"
        )
    if "sequence_batching" in config:
        raise ComparisonError(
            f"model '{label}' has sequence_batching: its answers depend on earlier requests; "
            f"compare the model without it"
        )
