# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A Python model that is executed on the thread that asks for it, for debuggers and for people.

It is loaded as a server loads it and gets its requests through the engine, so that it is told,
allowed and refused the same. Only who executes it is different: one instance, on this thread.
"""

from __future__ import annotations

import dataclasses
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from penstock._engine import Batch, CompletionPort, GrpcCodec, InferReply
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.backends.interface import Instance, InstanceSpec, ModelContext
from penstock.backends.python.backend import PythonBackend
from penstock.config.plan import make_instances, make_plan_spec
from penstock.config.rendering import model_metadata
from penstock.errors import InvalidArgError, NotFoundError
from penstock.models.identity import ModelId
from penstock.models.preparation import Preparation, complete, prepare
from penstock.serving.composition import Core
from penstock.serving.loaded_version import LoadedVersion, StageClock, free
from penstock.serving.model_plan import make_plan
from penstock.serving.serving_loop import serve_batches
from penstock.serving.workers.settings import EXECUTION_MODE, IN_PROCESS

#: For requests that somebody has interrupted; the others have been answered by then.
_END_S: Final = 1.0


class Interrupted(Exception):
    """Somebody has typed Ctrl-C while the model was not executing."""


class ForegroundModel:
    """One version, from its import to its end. Made and served on one thread, the main one."""

    def __init__(self, core: Core, model_dir: Path, version: int = 0, filename: str = "") -> None:
        """`version` 0: the highest; `filename`: instead of the configuration's own.

        Raises ServerError, with what the model raised.
        """
        self._core = core
        self._clock = StageClock()
        context = self._context(model_dir, version, filename)
        self.config = context.config
        self.version = context.version
        self.path = context.model_path("model.py")
        self._clock.passed("auto_complete_config")
        data = make_instances(context.config)[0]
        plan_spec = make_plan_spec(context.config, context.version, model_dir)
        plan = make_plan(dataclasses.replace(plan_spec, outputs_as_given=True))
        self._loaded = PythonBackend().load(context)
        self._clock.passed("import")
        try:
            self._model = core.engine.create(plan)
            spec = InstanceSpec(**dataclasses.asdict(data))
            self._instance = _TimedInstance(self._loaded.create_instance(spec, plan))
        except BaseException:
            free(context.name, context.version, self._loaded)
            raise
        self._clock.passed("initialize")
        self._name = ModelId(context.name)
        published = LoadedVersion(
            name=context.name,
            version=context.version,
            config=context.config,
            model=self._model,
            plan=plan_spec,
            loaded=self._loaded,
            instances=(),
        )
        core.loader.publish(self._name, [published], [])
        self._port = CompletionPort(core.engine)
        self._codec = GrpcCodec(core.engine, self._port)
        self._poll = select.poll()
        self._poll.register(self._port.fileno(), select.POLLIN)

    @property
    def stages(self) -> dict[str, float]:
        """Seconds that each step of loading took."""
        return self._clock.stages

    @property
    def metadata(self) -> dict[str, Any]:
        """As clients get it."""
        return dict(model_metadata(self.config, [self.version]))

    def take_execute_seconds(self) -> float:
        """How long the model has executed since this was last asked."""
        return self._instance.take_seconds()

    @property
    def finalize_seconds(self) -> float:
        """After serve()."""
        return self._instance.finalize_seconds

    def serve(self, client: Callable[[], None]) -> None:
        """Executes what `client`, on another thread, asks for until it returns; then finalizes.

        Raises what `client` raised.
        """
        failures: list[BaseException] = []

        def run() -> None:
            try:
                client()
            except BaseException as error:
                failures.append(error)
            finally:
                self._core.loader.publish(self._name, [], [])
                self._core.engine.retire(self._model, _END_S)

        with self._wake_on_signals():
            thread = threading.Thread(target=run, name="client")
            thread.start()
            try:
                serve_batches(self._model, 0, self._instance, self._name.name)
            except KeyboardInterrupt:  # ask() knows of it, too
                pass
            finally:
                thread.join()
        self._loaded.unload()
        if failures:
            raise failures[0]

    def ask(self, message: bytes, deliver: Callable[[InferReply], None]) -> None:
        """Submits a request and delivers its responses until the final one. In `client`.

        Raises ServerError for what is refused, Interrupted.
        """
        final = threading.Event()

        def take(reply: InferReply) -> None:
            try:
                if not reply.dropped:
                    deliver(reply)
            finally:
                if reply.final:
                    final.set()
                reply.release()

        call = self._codec.submit_stream(message, take)
        while not final.is_set():
            ready = {fd for fd, _ in self._poll.poll()}
            if self._signals in ready:
                os.read(self._signals, 64)
                if not self._instance.executing:  # else the model is interrupted
                    call.cancel()
                    raise Interrupted
            self._port.drain()

    @contextmanager
    def _wake_on_signals(self) -> Iterator[None]:
        """The thread that executes cannot be interrupted while it waits for a batch in the core:
        the one that asks is told."""
        self._signals, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll.register(self._signals, select.POLLIN)
        before = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            self._poll.unregister(self._signals)
            os.close(self._signals)
            os.close(write_end)

    def _context(self, model_dir: Path, version: int, filename: str) -> ModelContext:
        """With a configuration that has been completed here, and has one instance."""
        loader = self._core.loader
        preparation = prepare(model_dir, None, auto_complete=True, config_name="")
        config = preparation.config
        if config.backend != "python":
            kind = config.backend or config.platform
            raise InvalidArgError(f"model '{config.name}' is of {kind}, not a Python model")
        number = version or _highest(preparation)
        config.parameters[EXECUTION_MODE].string_value = IN_PROCESS
        if filename:
            config.default_model_filename = filename
        config = complete(preparation, number, loader, auto_complete=True)
        _leave_one_instance(config)
        return ModelContext(
            name=preparation.name,
            version=number,
            model_dir=model_dir,
            config=config,
            cpu_share=len(os.sched_getaffinity(0)),
            gpus=loader.find_gpus(),
        )


class _TimedInstance:
    """Takes the times of another, whose thread it is on."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._seconds = 0.0
        self.finalize_seconds = 0.0
        self.executing = False

    def take_seconds(self) -> float:
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    def execute(self, batch: Batch) -> None:
        self.executing = True
        begun = time.perf_counter()
        try:
            self._instance.execute(batch)
        finally:
            self._seconds += time.perf_counter() - begun
            self.executing = False

    def finalize(self) -> None:
        begun = time.perf_counter()
        self._instance.finalize()
        self.finalize_seconds = time.perf_counter() - begun


def _highest(preparation: Preparation) -> int:
    if not preparation.available:
        raise NotFoundError(
            f"model '{preparation.name}' has no version in '{preparation.model_dir}'"
        )
    return preparation.available[-1]


def _leave_one_instance(config: ModelConfig) -> None:
    """What concerns several of them, or comes before the first request, is for servers."""
    config.ClearField("model_warmup")
    del config.instance_group[1:]
    for group in config.instance_group:
        group.count = 1
        group.passive = False
        del group.gpus[1:]
