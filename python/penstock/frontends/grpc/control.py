# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The RPCs that are not inference (G-1..G-5, G-8..G-20), as functions of one message each."""

from __future__ import annotations

from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from penstock._engine import parse_version
from penstock._proto import health_pb2, inference_pb2
from penstock.errors import InvalidArgError, UnsupportedError
from penstock.models.lifecycle import LoadParameter
from penstock.serving.control_plane import ControlPlane
from penstock.serving.log_control import LogValue

_LOG_FIELDS = {bool: "bool_param", int: "uint32_param", str: "string_param"}

MessageT = TypeVar("MessageT", bound=Message)


class ControlRpcs:
    """One coroutine an RPC: takes the request message, returns the reply, raises ServerError."""

    def __init__(self, control: ControlPlane) -> None:
        self._control = control

    async def server_live(
        self, request: inference_pb2.ServerLiveRequest
    ) -> inference_pb2.ServerLiveResponse:
        """G-1."""
        return inference_pb2.ServerLiveResponse(live=self._control.live)

    async def server_ready(
        self, request: inference_pb2.ServerReadyRequest
    ) -> inference_pb2.ServerReadyResponse:
        """G-2."""
        return inference_pb2.ServerReadyResponse(ready=self._control.ready)

    async def health_check(
        self, request: health_pb2.HealthCheckRequest
    ) -> health_pb2.HealthCheckResponse:
        """grpc.health.v1 Check; the service's name is ignored."""
        statuses = health_pb2.HealthCheckResponse
        status = statuses.SERVING if self._control.ready else statuses.NOT_SERVING
        return health_pb2.HealthCheckResponse(status=status)

    async def model_ready(
        self, request: inference_pb2.ModelReadyRequest
    ) -> inference_pb2.ModelReadyResponse:
        """G-3."""
        ready = self._control.model_ready(request.name, parse_version(request.version))
        return inference_pb2.ModelReadyResponse(ready=ready)

    async def server_metadata(
        self, request: inference_pb2.ServerMetadataRequest
    ) -> inference_pb2.ServerMetadataResponse:
        """G-4."""
        return _fill(inference_pb2.ServerMetadataResponse(), self._control.server_metadata())

    async def model_metadata(
        self, request: inference_pb2.ModelMetadataRequest
    ) -> inference_pb2.ModelMetadataResponse:
        """G-5."""
        await self._control.demand(request.name)
        metadata = self._control.model_metadata(request.name, parse_version(request.version))
        return _fill(inference_pb2.ModelMetadataResponse(), metadata)

    async def model_config(
        self, request: inference_pb2.ModelConfigRequest
    ) -> inference_pb2.ModelConfigResponse:
        """G-8."""
        await self._control.demand(request.name)
        config = self._control.model_config(request.name, parse_version(request.version))
        return inference_pb2.ModelConfigResponse(config=config)

    async def model_statistics(
        self, request: inference_pb2.ModelStatisticsRequest
    ) -> inference_pb2.ModelStatisticsResponse:
        """G-9."""
        models = self._control.statistics(request.name, parse_version(request.version))
        return _fill(inference_pb2.ModelStatisticsResponse(), {"model_stats": models})

    async def repository_index(
        self, request: inference_pb2.RepositoryIndexRequest
    ) -> inference_pb2.RepositoryIndexResponse:
        """G-10."""
        _refuse_repository(request.repository_name)
        models = await self._control.index(ready_only=request.ready)
        return _fill(inference_pb2.RepositoryIndexResponse(), {"models": models})

    async def repository_model_load(
        self, request: inference_pb2.RepositoryModelLoadRequest
    ) -> inference_pb2.RepositoryModelLoadResponse:
        """G-11, REP-2."""
        _refuse_repository(request.repository_name)
        parameters = {
            name: _load_parameter(name, value) for name, value in request.parameters.items()
        }
        await self._control.load(request.model_name, parameters)
        return inference_pb2.RepositoryModelLoadResponse()

    async def repository_model_unload(
        self, request: inference_pb2.RepositoryModelUnloadRequest
    ) -> inference_pb2.RepositoryModelUnloadResponse:
        """G-12, REP-3."""
        _refuse_repository(request.repository_name)
        dependents = False
        for name, value in request.parameters.items():
            if name != "unload_dependents":
                raise InvalidArgError(f"unrecognized unload parameter '{name}'.")
            if value.WhichOneof("parameter_choice") != "bool_param":
                raise InvalidArgError(
                    "invalid value type for 'unload_dependents' parameter, expected bool_param."
                )
            dependents = value.bool_param
        await self._control.unload(request.model_name, unload_dependents=dependents)
        return inference_pb2.RepositoryModelUnloadResponse()

    async def trace_setting(
        self, request: inference_pb2.TraceSettingRequest
    ) -> inference_pb2.TraceSettingResponse:
        """G-19: no value is to inherit; a request without settings only asks."""
        changes = {name: list(setting.value) for name, setting in request.settings.items()}
        answer = inference_pb2.TraceSettingResponse()
        for name, values in self._control.traces.update(request.model_name, changes).items():
            answer.settings[name].value.extend(values)
        return answer

    async def log_settings(
        self, request: inference_pb2.LogSettingsRequest
    ) -> inference_pb2.LogSettingsResponse:
        """G-20: a request without settings only asks."""
        changes: dict[str, LogValue] = {}
        for name, value in request.settings.items():
            kind = value.WhichOneof("parameter_choice")
            changes[name] = "" if kind is None else getattr(value, kind)
        answer = inference_pb2.LogSettingsResponse()
        for name, setting in self._control.logs.update(changes).items():
            kind = _LOG_FIELDS[type(setting)]
            setattr(answer.settings[name], kind, setting)
        return answer


def _fill(message: MessageT, values: dict[str, Any]) -> MessageT:
    """Plain data with the message's field names, written into the message."""
    return json_format.ParseDict(values, message)


def _refuse_repository(name: str) -> None:
    if name:
        raise UnsupportedError("'repository_name' specification is not supported")


def _load_parameter(name: str, value: inference_pb2.ModelRepositoryParameter) -> LoadParameter:
    kind = value.WhichOneof("parameter_choice")
    if name == "config":
        if kind != "string_param":
            raise InvalidArgError(
                "invalid value type for load parameter 'config', expected string_param."
            )
        return value.string_param
    if name.startswith("file:"):
        if kind != "bytes_param":
            raise InvalidArgError(
                f"invalid value type for load parameter '{name}', expected bytes_param."
            )
        return value.bytes_param
    raise InvalidArgError(f"unrecognized load parameter '{name}'.")
