# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Asks the engine of this process, without ports."""

from __future__ import annotations

import json
import select
import threading
from collections.abc import Mapping, Sequence
from typing import Any, cast

from google.protobuf import json_format

from penstock._engine import CompletionPort, Engine, GrpcCodec
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.comparison.errors import ComparisonError
from penstock.comparison.messages import decode_message, encode_message
from penstock.comparison.models import Model
from penstock.comparison.tensors import Tensor
from penstock.config.model_config import ParsedConfig
from penstock.config.rendering import config_to_json, model_metadata
from penstock.errors import ServerError
from penstock.models.identity import ModelId
from penstock.serving.composition import Core
from penstock.serving.loaded_version import LoadedVersion


class InProcessClient:
    """Loads the models that it is asked about, and calls them on the threads that ask."""

    def __init__(
        self, core: Core, versions: Mapping[str, Sequence[int]], *, timeout_s: float
    ) -> None:
        """`versions`: names of models to the versions that will be asked for; empty: the latest."""
        self._core = core
        self._timeout_s = timeout_s
        self._local = threading.local()
        for name, numbers in versions.items():
            self._load(name, numbers)

    def metadata(self, model: str, version: str) -> Mapping[str, Any]:
        """As the frontends answer it."""
        found = self._find(model, version)
        return model_metadata(found.config, [found.version])

    def config(self, model: str, version: str) -> Mapping[str, Any]:
        """As the frontends answer it."""
        return config_to_json(self._find(model, version).config)

    def encode(self, model: Model, inputs: Sequence[Tensor], outputs: Sequence[str]) -> object:
        """The message of gRPC, which the same codec reads."""
        return encode_message(model.name, model.version, inputs, outputs)

    def send(self, request: object) -> object:
        """Waits for the answer without another thread in between."""
        if not hasattr(self._local, "caller"):
            self._local.caller = _Caller(self._core.engine)
        caller: _Caller = self._local.caller
        try:
            return caller.call(cast(bytes, request), self._timeout_s)
        except ServerError as error:
            raise ComparisonError(" ".join(error.message.split())) from None

    def decode(self, reply: object) -> list[Tensor]:
        """The outputs."""
        return decode_message(reply)

    def close(self) -> None:
        """Unloads the models."""
        self._core.engine.stop_accepting()
        self._core.lifecycle.close()
        self._core.close()

    def _load(self, name: str, versions: Sequence[int]) -> None:
        try:
            config = self._with_versions(name, versions) if versions else None
            self._core.lifecycle.load(name, {"config": config} if config else None)
        except ServerError as error:
            raise ComparisonError(" ".join(error.message.split())) from None

    def _with_versions(self, name: str, versions: Sequence[int]) -> str:
        """The model's configuration, serving these versions whatever its own policy says."""
        source = self._core.repository.source(ModelId(name))
        parsed = source.read_config(name, "") or ParsedConfig(ModelConfig(), False)
        config = ModelConfig()
        config.CopyFrom(parsed.config)
        config.version_policy.specific.versions[:] = versions
        rendered = json_format.MessageToDict(config, preserving_proto_field_name=True)
        if parsed.max_batch_size_set:
            rendered["max_batch_size"] = config.max_batch_size
        return json.dumps(rendered)

    def _find(self, name: str, version: str) -> LoadedVersion:
        published = self._core.loader.published(name)
        for found in published if version else published[-1:]:
            if version in ("", str(found.version)):
                return found
        raise ComparisonError(f"model '{name}' has no version {version or 'that serves'}")


class _Caller:
    """What a thread needs to submit requests and to wait for them, one at a time."""

    def __init__(self, engine: Engine) -> None:
        self._port = CompletionPort(engine)
        self._codec = GrpcCodec(engine, self._port)
        self._poll = select.poll()
        self._poll.register(self._port.fileno(), select.POLLIN)

    def call(self, message: bytes, timeout_s: float) -> bytes:
        """Raises ServerError and, when there is no answer in time, ComparisonError."""
        answered = _Answered()
        call = self._codec.submit(message, cast(Any, answered))
        while not answered.done():
            if not self._poll.poll(timeout_s * 1e3):
                call.cancel()
                raise ComparisonError(f"no answer in {timeout_s:g} s, see --timeout")
            self._port.drain()
        return call.encode()[0]


class _Answered:
    """All that a completion port wants of a future."""

    def __init__(self) -> None:
        self._done = False

    def done(self) -> bool:
        return self._done

    def set_result(self, result: None) -> None:
        self._done = True
