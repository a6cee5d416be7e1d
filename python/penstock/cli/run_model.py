# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""`penstock run-model`: a Python model in the foreground, for its author."""

from __future__ import annotations

import argparse
import bdb
import logging
import os
import pdb
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Final

from penstock._engine import InferReply
from penstock.backends.python.failure import observe_failures
from penstock.cli.run_model_inputs import sample_requests
from penstock.cli.run_model_options import Target, find_target, parse_options
from penstock.cli.run_model_view import (
    input_table,
    output_table,
    print_traceback,
    seconds_text,
)
from penstock.comparison.errors import ComparisonError
from penstock.comparison.messages import Parameter, decode_message, encode_message
from penstock.comparison.recorded import Request
from penstock.config.settings import Profile, SettingsError, parse_settings
from penstock.errors import ServerError
from penstock.serving.composition import Core, compose_core
from penstock.serving.foreground import ForegroundModel, Interrupted

_ANSWERED, _FAILED, _WRONG, _INTERRUPTED = 0, 1, 2, 130
#: Loggers of what models say; what a model raises is shown anyway.
_SHOWN: Final = ("penstock.backends.python.model", "penstock.serving.workers")


def run_model(argv: Sequence[str]) -> int:
    """Returns the exit code; what the model raises is a traceback on stderr."""
    watch = _Watch()
    try:
        options = parse_options(argv)
        target = find_target(options.path)
        watch.debug = options.pdb
        watch.model_dir = str(target.model_dir)
        with _log(options.verbose), _observed(watch), _core(options, target) as core:
            return _run(options, target, core, watch)
    except ComparisonError as error:
        return _say(error)
    except ServerError as error:
        # What the model has raised while it was loaded has been shown.
        return _FAILED if watch.seen is not None else _say(error.message)
    except (KeyboardInterrupt, Interrupted):
        return _INTERRUPTED
    except BrokenPipeError:  # nobody reads on; what is still buffered goes nowhere, too
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _INTERRUPTED


def _say(text: object) -> int:
    print(f"error: {text}", file=sys.stderr)
    return _WRONG


def _run(options: argparse.Namespace, target: Target, core: Core, watch: _Watch) -> int:
    model = ForegroundModel(core, target.model_dir, target.version, target.filename)
    print(f"model '{model.config.name}', version {model.version}: {model.path}")
    for stage, seconds in model.stages.items():
        print(f"{stage}: {seconds_text(seconds)}")
    client = _Client(model, options, watch)
    model.serve(client.run)
    print(f"finalize: {seconds_text(model.finalize_seconds)}")
    if watch.ended:
        return _INTERRUPTED
    if client.unknown_models and not options.load_model:
        print("hint: a model that it calls is loaded by --load-model NAME", file=sys.stderr)
    return _FAILED if client.failures or watch.seen is not None else _ANSWERED


class _Watch:
    """Told of every exception of the model, on the thread that raised it."""

    def __init__(self) -> None:
        self.debug = False
        self.model_dir = ""
        #: the last one
        self.seen: BaseException | None = None
        #: Ctrl-C, or a debugger's `quit`
        self.ended = False

    def __call__(self, error: BaseException) -> None:
        if error is self.seen:  # its text is made for each request of a batch
            return
        self.seen = error
        if isinstance(error, KeyboardInterrupt | bdb.BdbQuit):
            self.ended = True
            return
        print_traceback(error, self.model_dir)
        if self.debug:
            pdb.post_mortem(error.__traceback__)


class _Client:
    """Sends the requests, one after the other, and prints what comes."""

    def __init__(self, model: ForegroundModel, options: argparse.Namespace, watch: _Watch) -> None:
        self._model = model
        self._options = options
        self._watch = watch
        self.failures = 0
        self.unknown_models = False

    def run(self) -> None:
        """Raises ComparisonError, ServerError and Interrupted."""
        options = self._options
        requests = [
            request
            for request in sample_requests(options, self._model.config, self._model.metadata)
            for _ in range(options.count)
        ]
        for number, request in enumerate(requests, 1):
            if self._watch.ended:
                return
            self._ask(number, request, self._parameters(number == 1, number == len(requests)))

    def _ask(self, number: int, request: Request, parameters: dict[str, Parameter]) -> None:
        print(f"\nrequest {number}")
        print(input_table(request.values()), end="", flush=True)
        name = self._model.config.name
        message = encode_message(name, "", list(request.values()), parameters=parameters)
        begun = time.perf_counter()
        responses = 0

        def take(reply: InferReply) -> None:
            nonlocal responses
            responses += 1
            passed = time.perf_counter() - begun
            print(f"response {responses}, after {seconds_text(passed)}")
            self._show(reply)

        self._model.ask(message, take)
        print(f"execute: {seconds_text(self._model.take_execute_seconds())}", flush=True)

    def _show(self, reply: InferReply) -> None:
        try:
            outputs = decode_message(reply.encode())
        except ServerError as error:
            self.failures += 1
            self.unknown_models |= "unknown model" in error.message
            print(f"{error.code.name}: {error.message}")
        else:
            print(output_table(outputs), end="")

    def _parameters(self, first: bool, last: bool) -> dict[str, Parameter]:
        """All requests are one sequence, where the model takes sequences."""
        own: dict[str, Parameter] = dict(self._options.parameter)
        if self._model.config.HasField("sequence_batching"):
            return {"sequence_id": 1, "sequence_start": first, "sequence_end": last} | own
        return own


@contextmanager
def _core(options: argparse.Namespace, target: Target) -> Iterator[Core]:
    """What serves the models that are called; the one that runs is none of it."""
    paths = options.model_repository or [target.model_dir.parent]
    arguments = [f"--model-repository={path}" for path in paths]
    arguments.append("--model-control-mode=explicit")
    try:
        core = compose_core(parse_settings(arguments, Profile.PENSTOCK))
    except SettingsError as error:
        raise ComparisonError(" ".join(str(error).split())) from None
    with closing(core):
        try:
            for name in options.load_model:
                core.lifecycle.load(name, None)
            yield core
        finally:
            core.engine.stop_accepting()
            core.lifecycle.close()


@contextmanager
def _observed(watch: _Watch) -> Iterator[None]:
    observe_failures(watch)
    try:
        yield
    finally:
        observe_failures(None)


@contextmanager
def _log(verbose: bool) -> Iterator[None]:
    """The model's own lines, and those of models that it calls; `verbose`: all."""
    server = logging.getLogger("penstock")
    level = server.level
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(lambda record: verbose or record.name.startswith(_SHOWN))
    handler.setFormatter(logging.Formatter("%(levelname)s %(filename)s:%(lineno)d] %(message)s"))
    server.addHandler(handler)
    server.setLevel(logging.DEBUG if verbose else logging.INFO)
    try:
        yield
    finally:
        server.removeHandler(handler)
        server.setLevel(level)
