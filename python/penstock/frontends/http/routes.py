# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The table of HTTP routes (contract 1.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp.web import BaseRequest

from penstock.errors import UnsupportedError
from penstock.frontends.http.control import ControlHandlers
from penstock.frontends.http.generate import GenerateHandler
from penstock.frontends.http.infer import InferHandler
from penstock.frontends.http.reply import Reply, json_reply
from penstock.frontends.http.router import Router

Handler = Callable[[BaseRequest, dict[str, str]], Awaitable[Reply]]

_SHM_DISABLED = (
    "Client shared memory is disabled. Start the server with '--allow-client-shm=true' to enable."
)
_SHM_KINDS = ("systemsharedmemory", "cudasharedmemory")


def build_router(
    infer: InferHandler, generate: GenerateHandler, control: ControlHandlers
) -> Router[Handler]:
    """All routes H-1..H-19."""
    router: Router[Handler] = Router()
    _add_inference(router, infer, generate)
    _add_control(router, control)
    _add_shared_memory(router)
    for method in ("GET", "POST"):
        for path in ("/v2/trace/setting", "/v2/models/{model}/trace/setting"):
            router.add(method, path, _refuse("the server does not support tracing"))
        refuse = _refuse("the server does not support dynamic logging")
        router.add(method, "/v2/logging", refuse)
    return router


def _add_inference(router: Router[Handler], infer: InferHandler, generate: GenerateHandler) -> None:
    for model in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        router.add("POST", f"{model}/infer", infer)
        router.add("POST", f"{model}/generate", generate.generate)
        router.add("POST", f"{model}/generate_stream", generate.generate_stream)


def _add_control(router: Router[Handler], control: ControlHandlers) -> None:
    router.add("GET", "/v2", control.server_metadata)
    router.add("GET", "/v2/health/live", control.live)
    router.add("GET", "/v2/health/ready", control.ready)
    router.add("GET", "/v2/models", control.model_metadata)
    router.add("GET", "/v2/models/stats", control.statistics)
    for model in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        router.add("GET", model, control.model_metadata)
        router.add("GET", f"{model}/ready", control.model_ready)
        router.add("GET", f"{model}/config", control.model_config)
        router.add("GET", f"{model}/stats", control.statistics)
    for repository in ("/v2/repository", "/v2/repository/{repository}"):
        router.add("POST", f"{repository}/index", control.index)
        router.add("POST", f"{repository}/models/{{model}}/load", control.load)
        router.add("POST", f"{repository}/models/{{model}}/unload", control.unload)


def _add_shared_memory(router: Router[Handler]) -> None:
    """X-1: no region can exist, so status is an empty list and the rest is refused."""
    refuse = _refuse(_SHM_DISABLED)
    for kind in _SHM_KINDS:
        for region in (f"/v2/{kind}", f"/v2/{kind}/region/{{region}}"):
            router.add("GET", f"{region}/status", _shm_status)
            router.add("POST", f"{region}/register", refuse)
            router.add("POST", f"{region}/unregister", refuse)


async def _shm_status(request: BaseRequest, parameters: dict[str, str]) -> Reply:
    return json_reply([])


def _refuse(message: str) -> Handler:
    async def refuse(request: BaseRequest, parameters: dict[str, str]) -> Reply:
        raise UnsupportedError(message)

    return refuse
