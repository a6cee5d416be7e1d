# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Health, metadata, configuration, statistics, repository (H-1..H-7, H-13..H-15)."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from aiohttp.web import BaseRequest

from penstock._engine import parse_version
from penstock.config.rendering import config_to_json
from penstock.errors import InternalError, InvalidArgError, UnavailableError, UnsupportedError
from penstock.frontends.http.json_body import read_json_object
from penstock.frontends.http.reply import Reply, error_reply, json_reply
from penstock.models.lifecycle import LoadParameter
from penstock.serving.control_plane import ControlPlane
from penstock.telemetry.logging import FORMATS


class ControlHandlers:
    """One method a route. All raise ServerError; bodies are bounded by --http-max-input-size."""

    def __init__(self, control: ControlPlane, *, max_input_bytes: int) -> None:
        self._control = control
        self._max_input_bytes = max_input_bytes

    async def live(self, request: BaseRequest, parameters: dict[str, str]) -> Reply:
        """H-2."""
        return self._health(self._control.live)

    async def ready(self, request: BaseRequest, parameters: dict[str, str]) -> Reply:
        """H-3; not ready is 400 with an empty body (X-3)."""
        return self._health(self._control.ready)

    async def server_metadata(self, request: BaseRequest, parameters: dict[str, str]) -> Reply:
        """H-1."""
        return json_reply(self._control.server_metadata())

    async def model_ready(self, request: BaseRequest, parameters: dict[str, str]) -> Reply:
        """H-4."""
        if self._control.model_ready(parameters["model"], _version(parameters)):
            return Reply(200)
        return error_reply(400, "Model version not ready")

    async def model_metadata(self, request: BaseRequest, parameters: dict[str, str]) -> Reply:
        """H-5."""
        if "model" not in parameters:
            raise InvalidArgError("Missing model name in ModelMetadata request")
        await self._control.demand(parameters["model"])
        return json_reply(self._control.model_metadata(parameters["model"], _version(parameters)))

    async def model_config(self, request: BaseRequest, parameters: dict[str, str]) -> Reply:
        """H-6."""
        await self._control.demand(parameters["model"])
        config = self._control.model_config(parameters["model"], _version(parameters))
        return json_reply(config_to_json(config))

    async def statistics(self, request: BaseRequest, parameters: dict[str, str]) -> Reply:
        """H-7."""
        name = parameters.get("model", "")
        return json_reply({"model_stats": self._control.statistics(name, _version(parameters))})

    async def index(self, request: BaseRequest, parameters: dict[str, str]) -> Reply:
        """H-13; the {repository} of the path is ignored (X-13).

        Ours: `details` adds where each model's load is, or where its time went.
        """
        body = await read_json_object(request, self._max_input_bytes)
        ready = body.get("ready", False)
        if not isinstance(ready, bool):
            raise InvalidArgError("Invalid value for 'ready': expected a boolean")
        details = body.get("details", False)
        if not isinstance(details, bool):
            raise InvalidArgError("Invalid value for 'details': expected a boolean")
        return json_reply(await self._control.index(ready_only=ready, details=details))

    async def load(self, request: BaseRequest, parameters: dict[str, str]) -> Reply:
        """H-14, REP-2."""
        _refuse_repository(parameters)
        given = _parameters(await read_json_object(request, self._max_input_bytes))
        await self._control.load(
            parameters["model"],
            {name: _load_parameter(name, value) for name, value in given.items()},
        )
        return json_reply({})

    async def unload(self, request: BaseRequest, parameters: dict[str, str]) -> Reply:
        """H-15, REP-3."""
        _refuse_repository(parameters)
        given = _parameters(await read_json_object(request, self._max_input_bytes))
        dependents = given.get("unload_dependents", False)
        if not isinstance(dependents, bool):
            raise InvalidArgError("Unable to parse 'unload_dependents': expected a boolean")
        await self._control.unload(parameters["model"], unload_dependents=dependents)
        return json_reply({})

    async def log_settings(self, request: BaseRequest, parameters: dict[str, str]) -> Reply:
        """H-12, GET."""
        return json_reply(self._control.logs.read())

    async def update_log_settings(self, request: BaseRequest, parameters: dict[str, str]) -> Reply:
        """H-12, POST; an unknown format is a 503 with a text of its own."""
        changes = await read_json_object(request, self._max_input_bytes)
        chosen = changes.get("log_format")
        if isinstance(chosen, str) and chosen not in FORMATS:
            raise UnavailableError(f"invalid argument for --log_format, got: {chosen}")
        return json_reply(self._control.logs.update(changes))

    async def trace_settings(self, request: BaseRequest, parameters: dict[str, str]) -> Reply:
        """H-11, GET."""
        return _trace_reply(self._control.traces.read(parameters.get("model", "")))

    async def update_trace_settings(
        self, request: BaseRequest, parameters: dict[str, str]
    ) -> Reply:
        """H-11, POST; null is to inherit."""
        body = await read_json_object(request, self._max_input_bytes)
        changes = {name: _trace_values(name, value) for name, value in body.items()}
        return _trace_reply(self._control.traces.update(parameters.get("model", ""), changes))

    def _health(self, healthy: bool) -> Reply:
        if self._control.exiting:
            return error_reply(503, "Server exiting")
        return Reply(200 if healthy else 400)


def _trace_values(name: str, value: Any) -> list[str] | None:
    """A list of levels, or one number as text."""
    if value is None:
        return None
    if name == "trace_level":
        if isinstance(value, list) and all(isinstance(level, str) for level in value):
            return value
        raise InvalidArgError("Unable to parse 'trace_level': expected an array of strings")
    if isinstance(value, int) and not isinstance(value, bool):
        return [str(value)]
    if not isinstance(value, str):
        raise InvalidArgError(f"Unable to parse '{name}': expected a string")
    return [value]


def _trace_reply(settings: dict[str, list[str]]) -> Reply:
    return json_reply(
        {name: value if name == "trace_level" else value[0] for name, value in settings.items()}
    )


def _version(parameters: dict[str, str]) -> int:
    version = parameters.get("version")
    return -1 if version is None else parse_version(version)


def _refuse_repository(parameters: dict[str, str]) -> None:
    if "repository" in parameters:
        raise UnsupportedError("'repository_name' specification is not supported")


def _parameters(body: dict[str, Any]) -> dict[str, Any]:
    parameters = body.get("parameters", {})
    if not isinstance(parameters, dict):
        raise InvalidArgError("Unable to parse 'parameters': expected an object")
    return parameters


def _load_parameter(name: str, value: Any) -> LoadParameter:
    """`config` is JSON text; `file:<path>` is base64. Other names are a 500 (REP-2)."""
    if name == "config":
        if not isinstance(value, str):
            raise InvalidArgError("Unable to parse 'config': expected a string")
        return value
    if name.startswith("file:"):
        try:
            if isinstance(value, str):
                return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            pass
        raise InvalidArgError(f"Unable to parse '{name}': expected a base64 string")
    raise InternalError("unexpected error on creating Triton parameter")
