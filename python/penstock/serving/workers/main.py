# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The program of a worker process: serves one instance, or completes one configuration.

    python -P -m penstock.serving.workers.main <control> <memory> <parent>

Descriptors and a process id, given by the server. It ends when the server says so, and by the
kernel's hand when the server is gone.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import traceback
from typing import NoReturn

from penstock._engine import NativeInstance, attach_worker, die_with_parent
from penstock.backends.model_code import have_process_alone
from penstock.backends.python.pb_utils.calls import set_call_ports
from penstock.backends.python.pb_utils.control import set_model_control
from penstock.backends.python.pb_utils.trace import set_span_ids
from penstock.backends.registry import find_backend
from penstock.errors import Code, InternalError, ServerError, UnsupportedError
from penstock.serving.serving_loop import serve_batches
from penstock.serving.workers.control import ControlSocket
from penstock.serving.workers.job import Job, encode_config
from penstock.serving.workers.metrics import MetricReport
from penstock.serving.workers.plan import make_worker_plan
from penstock.serving.workers.remote_control import RemoteControl
from penstock.telemetry.span_ids import SpanIds


def main(arguments: list[str]) -> None:
    """Does the job that comes through the control socket. Never returns."""
    control_fd, memory_fd, parent = map(int, arguments)
    if not die_with_parent(parent):
        os._exit(1)
    # The server ends its workers when their requests are answered, also when a supervisor or a
    # terminal sends these to all processes at once.
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    control = ControlSocket(socket.socket(fileno=control_fd))
    job = Job.from_message(control.receive())
    _log_to(control, job.log_level)
    have_process_alone()
    status = 1
    try:
        if job.instance is None:
            _complete(job, control)
        else:
            _serve(job, memory_fd, control)
        status = 0
    except ServerError as error:
        control.send({"is": "failed", "code": int(error.code), "message": error.message})
    except Exception as error:  # such as packages of an environment that do not go together
        text = f"{type(error).__name__}: {error}"
        control.send({"is": "failed", "code": int(Code.INTERNAL), "message": text})
        traceback.print_exc()  # to the server's log
    finally:
        _leave(status)


def _leave(status: int) -> NoReturn:
    """Ends the process, also when the model has closed what it was given."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)  # a thread that the model has left behind keeps nobody waiting


def _complete(job: Job, control: ControlSocket) -> None:
    find_backend(job.backend, job.backend_directory).auto_complete(job.context)
    control.send({"is": "completed", "config": encode_config(job.context.config)})


def _serve(job: Job, memory_fd: int, control: ControlSocket) -> None:
    spec, context, memory = job.instance, job.context, job.memory
    assert spec is not None
    if job.niceness:
        os.nice(job.niceness)  # of the threads too that are begun from here on
    if spec.cores:
        os.sched_setaffinity(0, spec.cores)
    backend = find_backend(job.backend, job.backend_directory)
    plan = make_worker_plan(backend, context)
    version, port = attach_worker(
        memory_fd, plan, initial_bytes=memory.initial_bytes, growth_bytes=memory.growth_bytes
    )
    set_call_ports(lambda _: port, only_one=True)
    if job.span_seed:
        set_span_ids(SpanIds(bytes.fromhex(job.span_seed)))
    remote = RemoteControl(control)
    set_model_control(remote)
    report = MetricReport(control.send, remote.ask)
    loaded = backend.load(context)
    try:
        instance = loaded.create_instance(spec, plan)
    except ServerError:
        raise
    except BaseException as error:
        raise InternalError(f"failed to create instance '{spec.name}': {error}") from error
    if isinstance(instance, NativeInstance):
        raise UnsupportedError(
            f"back end '{job.backend}' of model '{context.name}' runs in the server: remove the "
            f"parameter EXECUTION_MODE"
        )
    control.send({"is": "ready"})
    serve_batches(
        version,
        0,
        instance,
        spec.name,
        executed=report.flush,
        unready=lambda why: control.send({"is": "readiness", "problem": why}),
    )
    loaded.unload()
    report.flush()


class _ControlHandler(logging.Handler):
    """Lines of the log, written where the server's are."""

    def __init__(self, control: ControlSocket) -> None:
        super().__init__()
        self._control = control

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
            if record.exc_info:
                text = f"{text}\n{logging.Formatter().formatException(record.exc_info)}"
            self._control.send(
                {
                    "is": "log",
                    "level": record.levelno,
                    "file": record.pathname,
                    "line": record.lineno,
                    "message": text,
                }
            )
        except Exception:  # the server is gone, or an argument's __str__ failed
            self.handleError(record)


def _log_to(control: ControlSocket, level: int) -> None:
    logger = logging.getLogger("penstock")
    logger.handlers = [_ControlHandler(control)]
    logger.propagate = False
    logger.setLevel(level)
    logging.raiseExceptions = False


if __name__ == "__main__":
    main(sys.argv[1:])
