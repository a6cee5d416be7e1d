# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A Loader that does what a test says, and remembers what it was asked to do."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from penstock._proto.model_config_pb2 import ModelConfig
from penstock.devices.gpus import NO_GPUS, Gpus
from penstock.models.identity import ModelId
from penstock.models.lifecycle import Lifecycle, LifecycleOptions
from penstock.models.loader import NO_KEYS, VersionHandle
from penstock.models.repository import open_repository

#: Nothing in these tests takes long: what waits longer than this hangs.
TIMEOUT_S = 20.0


@dataclass(eq=False)
class Handle:
    """A loaded version; `serial` tells one load from the next."""

    name: str
    version: int
    serial: int
    config: ModelConfig
    model_dir: Path
    namespace: str = ""
    stages: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""


@dataclass
class Gate:
    """Holds a thread of the life cycle at one place until the test lets it go on."""

    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def hold(self) -> None:
        self.reached.set()
        assert self.opened.wait(TIMEOUT_S)

    def wait_reached(self) -> None:
        assert self.reached.wait(TIMEOUT_S)


class PuppetLoader:
    """Failures and gates are keyed by (model, version)."""

    def __init__(self) -> None:
        self.failures: dict[tuple[str, int], list[Exception]] = {}
        self.load_gates: dict[tuple[str, int], Gate] = {}
        self.unload_gates: dict[tuple[str, int], Gate] = {}
        self.completion: dict[str, int] = {}  # model -> max_batch_size
        self.completed: list[tuple[str, int, bool]] = []
        self.attempts: list[tuple[str, int]] = []
        self.loaded: list[Handle] = []
        self.unloaded: list[Handle] = []
        self.published: dict[str, tuple[list[Handle], list[int]]] = {}
        self.forgotten: list[str] = []
        self.awaited: dict[str, bool] = {}  # for whom requests may wait
        self.updated: list[tuple[Handle, Handle]] = []
        self.update_failures: list[Exception] = []
        self.updatable = True
        self.cuttable = False
        self.cut: list[tuple[str, int]] = []
        self.gpus = NO_GPUS
        self.active = 0
        self.most_active = 0
        self._lock = threading.Lock()

    def complete(
        self,
        name: str,
        model_dir: Path,
        version: int,
        config: ModelConfig,
        *,
        max_batch_size_set: bool,
    ) -> ModelConfig:
        with self._lock:
            self.completed.append((name, version, max_batch_size_set))
        if name in self.completion:
            config.max_batch_size = self.completion[name]
        return config

    def prefers_gpus(self, backend: str) -> bool:
        return self.gpus is not NO_GPUS

    def find_gpus(self) -> Gpus:
        return self.gpus

    def load_version(
        self,
        name: str,
        model_dir: Path,
        version: int,
        config: ModelConfig,
        *,
        namespace: str = "",
        composing: Mapping[str, str] = NO_KEYS,
    ) -> VersionHandle:
        with self._lock:
            self.attempts.append((name, version))
            failures = self.failures.get((name, version), [])
            failure = failures.pop(0) if failures else None
            gate = self.load_gates.get((name, version))
            self.active += 1
            self.most_active = max(self.most_active, self.active)
        if gate is not None:
            gate.hold()
        with self._lock:
            self.active -= 1
            if failure is not None:
                raise failure
            handle = Handle(name, version, len(self.loaded), config, model_dir, namespace)
            self.loaded.append(handle)
        return handle

    def cut_load(self, model_dir: Path, version: int) -> bool:
        """A gate of the load is opened, if the test says that it can be cut."""
        gate = self.load_gates.get((model_dir.name, version))
        self.cut.append((model_dir.name, version))
        if gate is None or not self.cuttable:
            return False
        gate.opened.set()
        return True

    def can_update(self, handle: VersionHandle, config: ModelConfig) -> bool:
        return self.updatable

    def update_version(self, handle: VersionHandle, config: ModelConfig) -> VersionHandle:
        """The old handle is not used again: the new one takes its place among the loaded."""
        assert isinstance(handle, Handle)
        with self._lock:
            if self.update_failures:
                raise self.update_failures.pop(0)
            new = replace(handle, config=config)
            self.loaded[self.loaded.index(handle)] = new
            self.updated.append((handle, new))
        return new

    def publish(
        self,
        model: ModelId,
        ready: Sequence[VersionHandle],
        not_ready: Sequence[int],
        *,
        on_demand: bool = False,
    ) -> None:
        handles = [handle for handle in ready if isinstance(handle, Handle)]
        assert len(handles) == len(ready)
        with self._lock:
            assert not set(handles) & set(self.unloaded)
            self.published[model.key] = (handles, list(not_ready))
            self.awaited[model.key] = on_demand and not handles

    def unload_version(self, handle: VersionHandle) -> None:
        assert isinstance(handle, Handle)
        gate = self.unload_gates.get((handle.name, handle.version))
        with self._lock:
            key = ModelId(handle.name, handle.namespace).key
            assert handle not in self.published.get(key, ([], []))[0]
            assert handle not in self.unloaded
        if gate is not None:
            gate.hold()
        with self._lock:
            self.unloaded.append(handle)

    def forget(self, model: ModelId) -> None:
        with self._lock:
            self.forgotten.append(model.key)
            self.published.pop(model.key, None)

    def ready(self, name: str) -> list[int]:
        """The versions that requests find."""
        return [handle.version for handle in self.published.get(name, ([], []))[0]]


def write_model(root: Path, name: str, config: str = "", versions: Sequence[int] = (1,)) -> Path:
    """A model of the back end `puppet`."""
    model_dir = root / name
    model_dir.mkdir(parents=True, exist_ok=True)
    (model_dir / "config.pbtxt").write_text(f'backend: "puppet" {config}')
    for version in versions:
        (model_dir / str(version)).mkdir(exist_ok=True)
    return model_dir


def write_ensemble(root: Path, name: str, model: str) -> None:
    step = f'step {{ model_name: "{model}" model_version: -1 input_map {{ key: "i" value: "i" }} '
    step += 'output_map { key: "o" value: "o" } }'
    tensor = "data_type: TYPE_FP32 dims: 1"
    (root / name / "1").mkdir(parents=True)
    (root / name / "config.pbtxt").write_text(
        f'platform: "ensemble" input {{ name: "i" {tensor} }} output {{ name: "o" {tensor} }} '
        f"ensemble_scheduling {{ {step} }}"
    )


def start(
    roots: Path | Sequence[Path], loader: PuppetLoader, mode: str = "explicit", **options: object
) -> Lifecycle:
    """A life cycle over these repositories, nothing loaded yet."""
    paths = [str(path) for path in ([roots] if isinstance(roots, Path) else roots)]
    repository = open_repository(paths, namespacing=bool(options.pop("namespacing", False)))
    settings = LifecycleOptions(control_mode=mode, **options)  # type: ignore[arg-type]
    return Lifecycle(repository, loader, settings)
