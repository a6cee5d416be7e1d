# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The plug-in interface of back ends: what the server gives one, and what it must give back.

A back end is found by name in `registry`; the server calls `auto_complete` (contract 3.2, stage B),
then `load` once a model version, then `create_instance` once an instance. A native instance runs on
a thread of the core; a Python instance on a Python thread of the server or of a worker process,
entered once a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from penstock.devices.gpus import NO_GPUS, Gpus
from penstock.errors import InvalidArgError

if TYPE_CHECKING:
    from penstock._engine import Batch, ModelPlan, NativeInstance
    from penstock._proto.model_config_pb2 import ModelConfig


@dataclass(frozen=True)
class ModelContext:
    """One version of a model, as a back end is asked to load it.

    `config` is complete and validated by the time `load` is called; `auto_complete` may change it.
    """

    name: str
    version: int
    model_dir: Path
    config: ModelConfig
    #: --backend-config settings for this back end, global ones merged in (contract 5.4)
    backend_config: Mapping[str, str] = field(default_factory=dict)
    #: CPU cores this model's instances may keep busy together
    cpu_share: int = 1
    #: max_batch_size was written in the configuration, even as 0 (contract 3.2, stage B)
    max_batch_size_set: bool = False
    #: the GPUs that were found; those of the instances are among the usable ones
    gpus: Gpus = NO_GPUS

    @property
    def version_dir(self) -> Path:
        """The directory of this version's files."""
        return self.model_dir / str(self.version)

    @property
    def model_file(self) -> Path:
        """The model file: default_model_filename inside the version's directory."""
        return self.version_dir / self.config.default_model_filename

    def model_path(self, default_filename: str) -> Path:
        """`model_file`, or the back end's own default where the configuration names none.

        It need not exist. Raises InvalidArgError for a name that leads out of the directory.
        """
        filename = self.config.default_model_filename or default_filename
        relative = PurePosixPath(filename)
        if relative.is_absolute() or ".." in relative.parts:
            raise InvalidArgError(
                f"default_model_filename '{filename}' of model '{self.name}' leads out of the "
                f"version's directory"
            )
        return self.version_dir / relative

    def shown_path(self, path: Path) -> str:
        """A path of this model as errors show it: below the model repository."""
        return str(path.relative_to(self.model_dir.parent))


@dataclass(frozen=True)
class InstanceSpec:
    """One instance of an instance group (contract C-11, C-12, C-14, C-15)."""

    name: str
    index: int  # -1: passive
    kind: str = "CPU"  # CPU, GPU or MODEL
    device_id: int = 0
    host_policy: str = "cpu"
    #: the cores of that policy, to which its thread is bound; none: all
    cores: tuple[int, ...] = ()
    passive: bool = False  # it is created, and never gets a batch
    profiles: tuple[str, ...] = ()  # of a TensorRT engine
    dla_core: int | None = None  # an NVDLA core beside the GPU


@runtime_checkable
class Instance(Protocol):
    """A Python copy of a model. One thread at a time calls it."""

    def execute(self, batch: Batch) -> None:
        """Answer every request of the batch. An exception fails them all as INTERNAL."""

    def finalize(self) -> None:
        """Called once, on the instance's thread, after its last batch."""


@runtime_checkable
class SaysReadiness(Protocol):
    """What an instance has beside `Instance` when its model may say whether it is ready."""

    def readiness(self) -> Callable[[], str] | None:
        """What to ask it by, beside its batches and on any thread: why it is not ready, "" when it
        is. It raises nothing. None: there is nothing to ask."""


class LoadedModel(Protocol):
    """One loaded model version."""

    def create_instance(self, spec: InstanceSpec, plan: ModelPlan) -> Instance | NativeInstance:
        """Called on the thread that will run a Python instance. Raises to fail the load."""

    def unload(self) -> None:
        """Called once, after all instances were finalized."""


@runtime_checkable
class UsesGpus(Protocol):
    """What a back end has beside `Backend` when it may run on GPUs without being told to."""

    def prefers_gpus(self) -> bool:
        """Whether instances of KIND_AUTO go to the GPUs where there are some (C-10)."""


@runtime_checkable
class UsesWorkers(Protocol):
    """What a back end has beside `Backend` when its instances have processes of their own unless
    the model's configuration says otherwise."""

    def worker_environment(self) -> Path | None:
        """The execution environment of models that name none; None: the server's (3.4)."""


@runtime_checkable
class TakesDeviceTensors(Protocol):
    """What a back end has beside `Backend` when its instances on GPUs work on tensors there.

    `Batch.gather` gives those then (`Tensor.device` >= 0; strings and shape tensors stay on the
    host), and outputs may be there, too.
    """

    def takes_device_tensors(self, context: ModelContext) -> bool:
        """Whether instances of this model do. Called before `load`."""


@runtime_checkable
class AnswersAsGiven(Protocol):
    """What a back end has beside `Backend` when outputs that are not what the configuration says
    are sent as they are (contract 5.1); otherwise they fail the request."""

    def answers_as_given(self) -> bool:
        """Whether they are."""


class Backend(Protocol):
    """A back end: one object for the life of the server."""

    def auto_complete(self, context: ModelContext) -> None:
        """Fill what the configuration leaves open from the model itself; raise ServerError."""

    def load(self, context: ModelContext) -> LoadedModel:
        """Load one version; raise ServerError with the framework's own words."""
