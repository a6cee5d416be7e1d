# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The table of HTTP routes (contract 1.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from aiohttp.web import BaseRequest

from penstock.frontends.http.control import ControlHandlers
from penstock.frontends.http.generate import GenerateHandler
from penstock.frontends.http.infer import InferHandler
from penstock.frontends.http.reply import Reply
from penstock.frontends.http.router import Router
from penstock.frontends.http.shared_memory import SharedMemoryHandlers

Handler = Callable[[BaseRequest, dict[str, str]], Awaitable[Reply]]


class Route(NamedTuple):
    """What serves a path, and the API it belongs to (1.14)."""

    api: str
    handler: Handler


def build_router(
    infer: InferHandler,
    generate: GenerateHandler,
    control: ControlHandlers,
    memory: Sequence[SharedMemoryHandlers],
) -> Router[Route]:
    """All routes H-1..H-19."""
    router: Router[Route] = Router()
    _add_inference(router, infer, generate)
    _add_control(router, control)
    _add_shared_memory(router, memory)
    return router


def _add_inference(router: Router[Route], infer: InferHandler, generate: GenerateHandler) -> None:
    for model in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        router.add("POST", f"{model}/infer", Route("inference", infer))
        router.add("POST", f"{model}/generate", Route("inference", generate.generate))
        router.add("POST", f"{model}/generate_stream", Route("inference", generate.generate_stream))


def _add_control(router: Router[Route], control: ControlHandlers) -> None:
    router.add("GET", "/v2", Route("metadata", control.server_metadata))
    router.add("GET", "/v2/health/live", Route("health", control.live))
    router.add("GET", "/v2/health/ready", Route("health", control.ready))
    router.add("GET", "/v2/models", Route("metadata", control.model_metadata))
    router.add("GET", "/v2/models/stats", Route("statistics", control.statistics))
    for model in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        router.add("GET", model, Route("metadata", control.model_metadata))
        router.add("GET", f"{model}/ready", Route("health", control.model_ready))
        router.add("GET", f"{model}/config", Route("model-config", control.model_config))
        router.add("GET", f"{model}/stats", Route("statistics", control.statistics))
    for path in ("/v2/trace/setting", "/v2/models/{model}/trace/setting"):
        router.add("GET", path, Route("trace", control.trace_settings))
        router.add("POST", path, Route("trace", control.update_trace_settings))
    router.add("GET", "/v2/logging", Route("logging", control.log_settings))
    router.add("POST", "/v2/logging", Route("logging", control.update_log_settings))
    for repository in ("/v2/repository", "/v2/repository/{repository}"):
        router.add("POST", f"{repository}/index", Route("model-repository", control.index))
        router.add(
            "POST", f"{repository}/models/{{model}}/load", Route("model-repository", control.load)
        )
        router.add(
            "POST",
            f"{repository}/models/{{model}}/unload",
            Route("model-repository", control.unload),
        )


def _add_shared_memory(router: Router[Route], memory: Sequence[SharedMemoryHandlers]) -> None:
    for handlers in memory:
        for region in (f"/v2/{handlers.path}", f"/v2/{handlers.path}/region/{{region}}"):
            for method, action, serve in (
                ("GET", "status", handlers.status),
                ("POST", "register", handlers.register),
                ("POST", "unregister", handlers.unregister),
            ):
                router.add(method, f"{region}/{action}", Route("shared-memory", serve))
