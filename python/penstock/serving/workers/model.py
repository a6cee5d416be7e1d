# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A loaded model whose instances run in worker processes: what the loader has instead of a back
end's own `LoadedModel`."""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Final

from penstock._engine import Engine, ModelCalls, ModelPlan, NativeInstance, WorkerLink
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.backends.interface import Backend, InstanceSpec, ModelContext, UsesWorkers
from penstock.backends.python.pb_utils.calls import set_call_ports
from penstock.backends.python.pb_utils.trace import span_ids
from penstock.config.plan import make_instances
from penstock.errors import InternalError, ServerError, UnavailableError
from penstock.serving.environments.environments import Environment, Environments
from penstock.serving.workers.job import Job, Memory, decode_config
from penstock.serving.workers.process import OWN_PROGRAM, Program, WorkerProcess
from penstock.serving.workers.settings import WorkerSettings, worker_settings
from penstock.serving.workers.slot import WorkerSlot, failure_of
from penstock.serving.workers.supervisor import Supervisor

_LOGGER: Final = logging.getLogger(__name__)
_STOP_S: Final = 10.0


class Workers:
    """The worker processes of a server. Thread safe; starts nothing before it is needed."""

    def __init__(
        self, engine: Engine, environments: Environments, backend_directory: Path | None
    ) -> None:
        """`backend_directory`: the folder of Python-based back ends."""
        self._engine = engine
        self._environments = environments
        self._backend_directory = backend_directory
        self._calls = ModelCalls(engine)
        set_call_ports(self._calls.port)  # of models in the server
        self._lock = threading.Lock()
        self._supervisor: Supervisor | None = None
        self._loads: dict[tuple[Path, int], WorkerModel | Completion] = {}  # that go on

    def load(self, context: ModelContext, backend: Backend) -> WorkerModel:
        """Builds the model's environment where it must be. Raises InvalidArgError for parameters
        and settings that cannot be, ServerError for an environment that cannot."""
        settings = worker_settings(context.config, context.backend_config)
        environment = self._environment(context, backend)
        job = self._job(context, settings.memory)
        model = WorkerModel(self._engine, self._calls, self._watch(), job, settings, environment)
        self._begin(context, model)
        return model

    def end_load(self, context: ModelContext) -> None:
        """The version is loaded, with its instances, or has failed: it cannot be cut any more."""
        with self._lock:
            self._loads.pop((context.model_dir, context.version), None)

    def complete(self, context: ModelContext, backend: Backend) -> ModelConfig:
        """The configuration, completed by a process that lives no longer. Raises ServerError."""
        environment = self._environment(context, backend)
        try:
            program = environment.program if environment else OWN_PROGRAM
            completion = Completion(self._watch(), self._job(context, Memory()), program)
            self._begin(context, completion)
            return completion.result()
        finally:
            self.end_load(context)
            if environment is not None:
                environment.release()

    def cut(self, model_dir: Path, version: int) -> bool:
        """Kills the processes that load this version. False: none does."""
        with self._lock:
            load = self._loads.get((model_dir, version))
        return load is not None and load.cut_load()

    def _begin(self, context: ModelContext, load: WorkerModel | Completion) -> None:
        with self._lock:
            self._loads[context.model_dir, context.version] = load

    def _environment(self, context: ModelContext, backend: Backend) -> Environment | None:
        default = backend.worker_environment() if isinstance(backend, UsesWorkers) else None
        return self._environments.open(context, default)

    def _job(self, context: ModelContext, memory: Memory) -> Job:
        level = logging.getLogger("penstock").getEffectiveLevel()
        directory = self._backend_directory
        ids = span_ids()
        seed = "" if ids is None else ids.seed.hex()
        return Job(context.config.backend, context, None, memory, directory, level, span_seed=seed)

    def _watch(self) -> Supervisor:
        with self._lock:
            if self._supervisor is None:
                self._supervisor = Supervisor()
            return self._supervisor


class WorkerModel:
    """One version. Its instances are made, used and ended from several threads."""

    def __init__(
        self,
        engine: Engine,
        calls: ModelCalls,
        supervisor: Supervisor,
        job: Job,
        settings: WorkerSettings,
        environment: Environment | None,
    ) -> None:
        """`job`: of each instance, but for the instance."""
        self._engine = engine
        self._calls = calls
        self._supervisor = supervisor
        self._job = job
        self._context = context = job.context
        self._settings = settings
        self._environment = environment
        self._slots: list[WorkerSlot] = []
        self._links: list[WorkerLink] = []
        self._threads = max(1, context.cpu_share // max(1, len(make_instances(context.config))))
        #: Called when `problem` has changed, on the supervisor's thread.
        self.on_change: Callable[[], None] = lambda: None
        #: why no instance serves; "": one does
        self.problem = ""

    def create_instance(self, spec: InstanceSpec, plan: ModelPlan) -> NativeInstance:
        """Starts the instance's process and waits until it has loaded the model.

        Raises ServerError: what the model raised, with file and line, or how the process ended.
        """
        settings = self._settings
        link = WorkerLink(
            self._engine,
            plan,
            spec.name,
            initial_bytes=settings.memory.initial_bytes,
            growth_bytes=settings.memory.growth_bytes,
            max_bytes=settings.memory.max_bytes,
            execute_timeout_s=settings.execute_timeout_s,
            idempotent=settings.idempotent,
            calls=self._calls,
        )
        slot = WorkerSlot(
            self._supervisor,
            link,
            dataclasses.replace(self._job, instance=spec, niceness=settings.niceness),
            program=self._environment.program if self._environment else OWN_PROGRAM,
            threads=self._threads,
            max_rss_bytes=settings.max_rss_bytes,
            changed=self._changed,
        )

        def start() -> Future[None]:
            self._slots.append(slot)
            self._links.append(link)
            return slot.start()

        self._supervisor.call(start).result().result()
        return link.instance()

    def cut(self) -> bool:
        """Kills the processes of instances that are being created. False: there are none."""
        return self._supervisor.call(lambda: self._cut_each() > 0).result()

    def _cut_each(self) -> int:
        return sum(slot.cut() for slot in self._slots)

    def cut_load(self) -> bool:
        """Kills all processes of a version that nobody knows yet. False: there are none."""

        def cut() -> bool:
            for slot, link in zip(self._slots, self._links, strict=True):
                if not slot.cut():  # it warms up
                    link.refuse(f"the load of model '{self._context.name}' was given up")
                    slot.stop(0.0)
            return bool(self._slots)

        return self._supervisor.call(cut).result()

    def rss_bytes(self) -> int:
        """Resident memory of the processes that serve, without what they share with others."""
        return sum(slot.rss_bytes() for slot in self._slots)

    def unload(self) -> None:
        """Ends all processes, and waits for that."""
        stop = [functools.partial(slot.stop, _STOP_S) for slot in self._slots]
        stopped = [self._supervisor.call(each) for each in stop]
        for future in stopped:
            try:
                future.result().result(timeout=2 * _STOP_S)
            except TimeoutError:
                _LOGGER.error("a worker process of model '%s' did not end", self._context.name)
        self._supervisor.call(self._let_go).result()
        if self._environment is not None:
            self._environment.release()

    def _let_go(self) -> None:
        """Of what knows each other: shared memory must not wait for the garbage collector."""
        self._slots.clear()
        self._links.clear()
        self.on_change = lambda: None

    def _changed(self) -> None:
        """Batches are refused only when no instance serves and one has been given up."""
        problem = self._problem()
        refusal = next((slot.refusal for slot in self._slots if slot.refusal), "")
        if refusal and not any(slot.alive for slot in self._slots):
            for link in self._links:
                link.refuse(f"model '{self._context.name}' is not served: {refusal}")
        if problem != self.problem:
            self.problem = problem
            self.on_change()

    def _problem(self) -> str:
        if any(slot.alive for slot in self._slots):
            return next(filter(None, (slot.unready for slot in self._slots)), "")
        refusals = [slot.refusal or slot.last_end for slot in self._slots]
        return next(filter(None, refusals), "its worker processes are being started")


class Completion:
    """Has a process complete a configuration."""

    def __init__(self, supervisor: Supervisor, job: Job, program: Program) -> None:
        self._supervisor = supervisor
        self._job = job
        self._program = program
        self._done: Future[ModelConfig] = Future()
        self._outcome: ModelConfig | ServerError | None = None

    def result(self) -> ModelConfig:
        """Waits for it. Raises ServerError."""
        self._supervisor.call(self._start).result()
        return self._done.result()

    def cut_load(self) -> bool:
        """Kills the process. False: it has ended."""
        return self._supervisor.call(self._cut).result()

    def _cut(self) -> bool:
        if self._done.done():
            return False
        self._process.kill()
        return True

    def _start(self) -> None:
        # It has no use for memory of requests; the descriptor's place is taken by one of nothing.
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._process = WorkerProcess(self._job, nothing, threads=1, program=self._program)
        except OSError as error:
            text = f"a process to complete the configuration cannot be started: {error.strerror}"
            self._done.set_exception(UnavailableError(text))
            return
        finally:
            os.close(nothing)
        self._supervisor.watch(self._process.control.fileno(), self._on_control)
        self._supervisor.watch(self._process.pidfd, self._on_end)
        self._supervisor.watch(self._process.output, self._drop_output)

    def _on_control(self) -> None:
        try:
            for message in self._process.control.received():
                if message.get("is") == "failed":
                    self._outcome = failure_of(message)
                elif message.get("is") == "completed":
                    self._outcome = _config(message)
        except EOFError:
            self._supervisor.forget(self._process.control.fileno())

    def _drop_output(self) -> None:
        try:
            if os.read(self._process.output, 1 << 16):
                return
        except OSError:
            pass
        self._supervisor.forget(self._process.output)

    def _on_end(self) -> None:
        if self._outcome is None:
            self._on_control()
        process = self._process
        for fd in (process.control.fileno(), process.pidfd, process.output):
            self._supervisor.forget(fd)
        how = process.reap()
        process.close()
        outcome = self._outcome or InternalError(
            f"auto_complete_config of model '{self._job.context.name}' ended its process: {how}"
        )
        if isinstance(outcome, ServerError):
            self._done.set_exception(outcome)
        else:
            self._done.set_result(outcome)


def _config(message: dict[str, object]) -> ModelConfig | ServerError:
    try:
        return decode_config(str(message.get("config")))
    except Exception as error:  # protobuf's DecodeError has no common base
        return InternalError(f"a worker process sent a configuration that is none: {error}")
