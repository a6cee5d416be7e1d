# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The threads that run a model's instances.

A Python instance lives on one thread from its creation to its end, as frameworks with thread-bound
state need it. A native instance is made there too and then handed to the core.

A thread is bound to the cores of its host policy before it makes its instance: the threads that it
starts, the core's and the framework's, are bound with it, as Linux hands on a thread's cores.
"""

from __future__ import annotations

import functools
import logging
import os
import threading
from collections.abc import Callable, Sequence

from penstock._engine import ModelVersion, NativeInstance
from penstock.backends.interface import Instance, InstanceSpec, LoadedModel
from penstock.errors import InternalError, ServerError, UnavailableError
from penstock.serving.serving_loop import finalize, serve_batches

_LOGGER = logging.getLogger(__name__)


class Lives:
    """The instances of one version that take batches. Thread safe."""

    def __init__(self, on_problem: Callable[[str], None] = lambda why: None) -> None:
        """`on_problem` is told why no instance is left, or one is not ready; "": all is well."""
        self._on_problem = on_problem
        self._lock = threading.Lock()
        self._count = 0
        self._unready: dict[str, str] = {}
        self._dead = ""

    def begin(self) -> None:
        """One more."""
        with self._lock:
            self._count += 1

    def end(self, why: str = "") -> None:
        """One less; `why`: it was not told to end."""
        with self._lock:
            self._count -= 1
            if not why or self._count > 0:
                return
            self._dead = why
        self._on_problem(why)

    def says(self, name: str, why: str) -> None:
        """What an instance says: why it is not ready, "" when it is."""
        with self._lock:
            before = self._unready.pop(name, "")
            if why:
                self._unready[name] = why
            if why == before:
                return
            problem = self._dead or next(iter(self._unready.values()), "")
        self._on_problem(problem)


class InstanceThread:
    """One instance: made, fed with batches, and finalized on a thread of its own.

    One whose thread ends by a failure takes no more batches; with the last of a version it is said
    of the version that it cannot answer.
    """

    def __init__(
        self, version: ModelVersion, loaded: LoadedModel, spec: InstanceSpec, lives: Lives
    ) -> None:
        self._version = version
        self._loaded = loaded
        self._spec = spec
        self.lives = lives
        self._created = threading.Event()
        self._stopped = threading.Event()
        self._failure: BaseException | None = None
        # A daemon: a model that never returns from execute cannot keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=spec.name, daemon=True)
        self._thread.start()

    def wait_created(self, timeout_s: float | None = None) -> None:
        """Blocks until the instance can take batches. Raises what its creation raised.

        Raises UnavailableError, too, when that takes longer than the time-out.
        """
        if not self._created.wait(timeout_s):
            raise UnavailableError(
                f"instance '{self._spec.name}' could not be created in time "
                f"(--model-load-timeout-secs)"
            )
        failure = self._failure
        if failure is None:
            return
        if isinstance(failure, ServerError):
            raise failure
        raise InternalError(
            f"failed to create instance '{self._spec.name}': {failure}"
        ) from failure

    @property
    def spec(self) -> InstanceSpec:
        """What it was made as."""
        return self._spec

    def stop(self) -> None:
        """Ends a passive instance; one that takes batches ends with its version."""
        self._stopped.set()

    def end(self) -> None:
        """Ends it while its version serves on (R-25). Blocks while a native one has a batch."""
        self.stop()
        if not self._spec.passive:
            self._version.end_instance(self._spec.index)

    def join(self, timeout_s: float) -> bool:
        """Waits for the end of the thread; False when it has not ended in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        instance = self._create()
        self._created.set()
        if isinstance(instance, NativeInstance):
            self._stopped.wait()
        elif instance is not None:
            self._serve(instance)

    def _create(self) -> Instance | NativeInstance | None:
        """What this thread has to keep; None when the core runs it, or when there is none."""
        try:
            self._bind()
            instance = self._loaded.create_instance(self._spec, self._version.plan)
            if self._stopped.is_set():  # nobody has waited for it
                if not isinstance(instance, NativeInstance):
                    finalize(instance, self._spec.name)
                return None
            if self._spec.passive or not isinstance(instance, NativeInstance):
                return instance
            self._version.start_native(self._spec.index, instance)
        except BaseException as error:  # also SystemExit: wait_created() hands it on
            self._failure = error
        return None

    def _bind(self) -> None:
        """To the cores of the instance's host policy (C-14). Raises InternalError."""
        spec = self._spec
        if not spec.cores:
            return
        try:
            os.sched_setaffinity(0, spec.cores)  # 0: this thread
        except OSError as error:
            raise InternalError(
                f"instance '{spec.name}' cannot be bound to the cores {[*spec.cores]} of its host "
                f"policy '{spec.host_policy}': {error.strerror}"
            ) from None

    def _serve(self, instance: Instance) -> None:
        if self._spec.passive:
            self._stopped.wait()
            finalize(instance, self._spec.name)
        else:
            self._serve_batches(instance)

    def _serve_batches(self, instance: Instance) -> None:
        self.lives.begin()
        name = self._spec.name
        unready = functools.partial(self.lives.says, name)
        try:
            serve_batches(self._version, self._spec.index, instance, name, unready=unready)
        except BaseException as error:
            _LOGGER.exception("instance '%s' has died", name)
            self.lives.end(f"instance '{name}' has died: {type(error).__name__}: {error}")
        else:
            self.lives.end()
        finally:
            unready("")


def start_instances(
    version: ModelVersion,
    loaded: LoadedModel,
    specs: Sequence[InstanceSpec],
    lives: Lives,
) -> list[InstanceThread]:
    """Starts a thread for each instance; they are created side by side. `lives`: the version's."""
    return [InstanceThread(version, loaded, spec, lives) for spec in specs]
