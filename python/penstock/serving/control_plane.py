# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Everything but inference: readiness, metadata, configuration, statistics, index, load, unload.

Answers are plain data with the protocol's names, so that each frontend only writes them down. What
may block runs on threads; the rest is short and runs on the caller's event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from penstock import __version__
from penstock._engine import Engine
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.config.rendering import model_metadata
from penstock.errors import InvalidArgError, ServerError, UnavailableError
from penstock.models.lifecycle import IndexEntry, Lifecycle, LoadParameter
from penstock.serving.loaded_version import LoadedVersion
from penstock.serving.loader import ModelLoader
from penstock.serving.log_control import LogControl
from penstock.serving.on_demand import ModelsOnDemand
from penstock.serving.shared_memory import SharedMemory
from penstock.serving.trace_control import TraceControl

#: What the server metadata promises (contract 1.3).
EXTENSIONS = (
    "classification",
    "sequence",
    "model_repository",
    "model_repository(unload_dependents)",
    "schedule_policy",
    "model_configuration",
    "cuda_shared_memory",
    "binary_tensor_data",
    "parameters",
    "statistics",
    "trace",
    "logging",
)

#: Loads, unloads and index scans that may run at a time; more wait.
_BLOCKING_THREADS = 8

ResultT = TypeVar("ResultT")


class ControlPlane:
    """The control operations of a server. All methods belong to one event loop."""

    def __init__(
        self,
        engine: Engine,
        lifecycle: Lifecycle,
        loader: ModelLoader,
        *,
        server_id: str,
        logs: LogControl | None = None,
        traces: TraceControl | None = None,
        shared_memory: SharedMemory | None = None,
        on_demand: ModelsOnDemand | None = None,
    ) -> None:
        """`logs`, `traces`: None when they cannot be changed; `shared_memory`: there is none;
        `on_demand`: no model is loaded because somebody asks for it."""
        self._on_demand = on_demand
        self.shared_memory = shared_memory or SharedMemory(engine, allowed=False)
        self._engine = engine
        self._lifecycle = lifecycle
        self._loader = loader
        self._server_id = server_id
        self._logs = logs
        self._traces = traces
        self._threads = ThreadPoolExecutor(_BLOCKING_THREADS, thread_name_prefix="control")
        self._started = False
        self._exiting = False
        self._broken: set[tuple[str, int]] = set()
        self._watchers: list[Callable[[], None]] = []
        lifecycle.on_change = self._changed
        loader.on_change = self._changed

    @property
    def started(self) -> bool:
        """The models of the start are loaded (or have failed to load)."""
        return self._started

    @started.setter
    def started(self, value: bool) -> None:
        self._started = value
        self._changed()

    @property
    def exiting(self) -> bool:
        """The server is on its way out: not ready, and nothing new begins."""
        return self._exiting

    @exiting.setter
    def exiting(self, value: bool) -> None:
        self._exiting = value
        self._changed()

    def watch(self, watcher: Callable[[], None]) -> None:
        """Calls `watcher`, now and whenever `started`, `exiting` or `ready` may have changed.

        On any thread, and with nothing locked; it looks at the properties by itself.
        """
        self._watchers.append(watcher)
        watcher()

    def look_after_devices(self) -> None:
        """To be called now and then where there are GPUs: tells watchers of models they lost."""
        broken = {
            (each.name, each.version) for each in self._loader.all_published() if each.problem
        }
        if broken != self._broken:
            self._broken = broken
            self._changed()

    def check_started(self) -> None:
        """Raises UnavailableError `Server not ready` before the server is ready (H-24)."""
        if not self.started:
            raise UnavailableError("Server not ready")

    @property
    def live(self) -> bool:
        """The server runs and is not exiting."""
        return not self.exiting

    @property
    def ready(self) -> bool:
        """S-READY."""
        return self.started and not self.exiting and self._lifecycle.ready()

    def server_metadata(self) -> dict[str, Any]:
        """H-1, G-4."""
        return {"name": self._server_id, "version": __version__, "extensions": list(EXTENSIONS)}

    @property
    def logs(self) -> LogControl:
        """H-12, G-20. Raises UnavailableError when there is none."""
        if self._logs is None:
            raise UnavailableError("the server does not support dynamic logging")
        return self._logs

    @property
    def traces(self) -> TraceControl:
        """H-11, G-19. Raises UnavailableError when there is none."""
        if self._traces is None:
            raise UnavailableError("the server does not support tracing")
        return self._traces

    @property
    def loads_on_demand(self) -> bool:
        """A model may have to be demand()ed before it is asked for anything."""
        return self._on_demand is not None

    async def demand(self, name: str) -> None:
        """Returns when the model is loaded, if it is one that is loaded on demand. Raises nothing:
        what follows does, when it is not there."""
        if self._on_demand is not None and self._started and not self._exiting:
            await self._on_demand.wait(name)

    def model_ready(self, name: str, version: int) -> bool:
        """H-4, G-3: False for a version that is known but not ready; unknown raises (H-23)."""
        self._check_available()
        try:
            return not self._engine.find(name, version).problem
        except UnavailableError:
            return False

    def model_metadata(self, name: str, version: int) -> dict[str, Any]:
        """H-5, G-5: version -1 lists all ready versions. Raises H-23."""
        served = self._find(name, version)
        if version >= 0:
            versions = [version]
        else:
            versions = [other.version for other in self._loader.published(name)]
        return model_metadata(served.config, versions)

    def model_config(self, name: str, version: int) -> ModelConfig:
        """H-6, G-8: the completed configuration. Raises H-23."""
        return self._find(name, version).config

    def statistics(self, name: str, version: int) -> list[dict[str, Any]]:
        """H-7, G-9 (contract 1.11): of one version, all versions (-1), or all models ("")."""
        self._check_available()
        if not name:
            return [_statistics(served) for served in self._loader.all_published()]
        published = self._loader.published(name)
        if not published:
            raise InvalidArgError(f"requested model '{name}' is not available")
        chosen = [served for served in published if version in (-1, served.version)]
        if not chosen:
            raise InvalidArgError(f"requested model version is not available for model '{name}'")
        return [_statistics(served) for served in chosen]

    async def index(self, *, ready_only: bool, details: bool = False) -> list[dict[str, Any]]:
        """REP-1: name, and version, state and reason where there is one (X-18).

        `details`: also `load` (LoadProgress.snapshot) and `namespace`, where there are some.
        """
        self._check_available()
        entries = await self._in_thread(lambda: self._lifecycle.index(ready_only=ready_only))
        return [_index_entry(entry, details=details) for entry in entries]

    async def load(self, name: str, parameters: Mapping[str, LoadParameter]) -> None:
        """REP-2. Returns once the model is loaded; a client that leaves does not stop it."""
        self._check_available()
        await self._in_thread(lambda: self._lifecycle.load(name, parameters))

    async def unload(self, name: str, *, unload_dependents: bool) -> None:
        """REP-3. Returns once no new request finds the model."""
        self._check_available()
        await self._in_thread(
            lambda: self._lifecycle.unload(name, unload_dependents=unload_dependents)
        )

    def close(self) -> None:
        """Waits for the operations that still run."""
        self._threads.shutdown(wait=True)

    def _changed(self) -> None:
        for watcher in self._watchers:
            watcher()

    def _check_available(self) -> None:
        if self.exiting or not self.started:
            raise UnavailableError("Server not ready")

    def _find(self, name: str, version: int) -> LoadedVersion:
        self._check_available()
        found = self._engine.find(name, version).version
        for served in self._loader.published(name):
            if served.version == found:
                return served
        raise UnavailableError(
            f"Request for unknown model: '{name}' version {found} is not at ready state"
        )

    async def _in_thread(self, work: Callable[[], ResultT]) -> ResultT:
        # shield: the work goes on when the client leaves, and its outcome is nobody's then
        future = asyncio.get_running_loop().run_in_executor(self._threads, _outcome, work)
        outcome = await asyncio.shield(future)
        if isinstance(outcome, ServerError):
            raise outcome
        return outcome


def _outcome(work: Callable[[], ResultT]) -> ResultT | ServerError:
    try:
        return work()
    except ServerError as error:
        return error


def _statistics(served: LoadedVersion) -> dict[str, Any]:
    counted = served.model.statistics()
    return {
        "name": served.name,
        "version": str(served.version),
        "last_inference": counted["last_inference"],
        "inference_count": counted["inference_count"],
        "execution_count": counted["execution_count"],
        "inference_stats": counted["inference_stats"],
        "response_stats": counted["response_stats"],
        "batch_stats": counted["batch_stats"],
        "memory_usage": [
            {"type": kind, "id": device, "byte_size": size}
            for (kind, device), size in served.memory_usage.items()
        ],
    }


def _index_entry(entry: IndexEntry, *, details: bool) -> dict[str, Any]:
    rendered: dict[str, Any] = {"name": entry.name}
    if entry.version is not None:
        rendered["version"] = str(entry.version)
    if entry.state is not None:
        rendered["state"] = entry.state.value
        if entry.reason:
            rendered["reason"] = entry.reason
    if details and entry.load:
        rendered["load"] = dict(entry.load)
    if details and entry.namespace:
        rendered["namespace"] = entry.namespace
    return rendered
