# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""`penstock models`: lists, loads, unloads and watches the models of a running server."""

from __future__ import annotations

import argparse
import base64
import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

from penstock.cli.control_client import ControlClient, ControlError
from penstock.cli.models_view import load_line, models_table

_REDRAW_S = 0.2
#: To the upper left corner, and what is below it is gone.
_CLEAR = "\x1b[H\x1b[J"


def models(argv: Sequence[str], out: TextIO | None = None) -> int:
    """Returns the exit code: 1 when the server refuses, or cannot be reached."""
    arguments = _parser().parse_args(argv)
    client = ControlClient(arguments.url)
    run: Callable[[ControlClient, argparse.Namespace, TextIO], int] = arguments.run
    try:
        return run(client, arguments, out or sys.stdout)
    except ControlError as error:
        print(f"penstock models: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="penstock models", description=__doc__)
    parser.add_argument(
        "--url", default="http://127.0.0.1:8000", help="the server's HTTP port (%(default)s)"
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    listed = commands.add_parser("list", help="one line for each version")
    listed.add_argument("--json", action="store_true", help="as the server says it")
    listed.set_defaults(run=_list)

    load = commands.add_parser("load", help="load a model, or load it anew")
    load.add_argument("model")
    load.add_argument("--config", type=Path, help="a JSON configuration instead of the model's own")
    load.add_argument(
        "--file",
        action="append",
        default=[],
        metavar="PATH=FILE",
        help="PATH of the model's folder has the content of FILE; needs --config",
    )
    load.set_defaults(run=_load)

    unload = commands.add_parser("unload", help="unload a model")
    unload.add_argument("model")
    unload.add_argument(
        "--dependents", action="store_true", help="and an ensemble's models that nobody needs then"
    )
    unload.set_defaults(run=_unload)

    watch = commands.add_parser("watch", help="the list again and again, with rates")
    watch.add_argument("--interval", type=float, default=1.0, help="in seconds (%(default)s)")
    watch.add_argument("--count", type=int, default=0, help="lists until the end; 0: for ever")
    watch.set_defaults(run=_watch)
    return parser


def _list(client: ControlClient, arguments: argparse.Namespace, out: TextIO) -> int:
    index = client.index()
    if arguments.json:
        print(json.dumps(index, indent=2), file=out)
    else:
        print(models_table(index, client.statistics()), end="", file=out)
    return 0


def _load(client: ControlClient, arguments: argparse.Namespace, out: TextIO) -> int:
    parameters = _parameters(arguments)
    shown = _ProgressLine(client, arguments.model, sys.stderr)
    began = time.monotonic()
    with shown:
        client.load(arguments.model, parameters)
    entries = [entry for entry in client.index() if entry["name"] == arguments.model]
    detail = load_line(entries[-1].get("load", {})) if entries else ""
    seconds = time.monotonic() - began
    print(f"loaded '{arguments.model}' in {seconds:.2f} s{detail}", file=out)
    return 0


def _unload(client: ControlClient, arguments: argparse.Namespace, out: TextIO) -> int:
    client.unload(arguments.model, dependents=arguments.dependents)
    print(f"unloaded '{arguments.model}'", file=out)
    return 0


def _watch(client: ControlClient, arguments: argparse.Namespace, out: TextIO) -> int:
    before: list[dict[str, Any]] = []
    shown, last = 0, time.monotonic()
    while True:
        index, statistics = client.index(), client.statistics()
        now = time.monotonic()
        table = models_table(index, statistics, before, now - last)
        if out.isatty():
            out.write(_CLEAR)
        print(f"{time.strftime('%H:%M:%S')}  {client.url}\n{table}", file=out, flush=True)
        before, last = statistics, now
        shown += 1
        if shown == arguments.count:
            return 0
        time.sleep(max(0.1, arguments.interval))


def _parameters(arguments: argparse.Namespace) -> dict[str, str]:
    """REP-2. Raises ControlError for files that cannot be read."""
    parameters = {}
    try:
        if arguments.config is not None:
            parameters["config"] = arguments.config.read_text("utf-8")
        for pair in arguments.file:
            path, equals, name = pair.partition("=")
            if not equals:
                raise ControlError(f"--file has the form PATH=FILE, not '{pair}'")
            parameters[f"file:{path}"] = base64.b64encode(Path(name).read_bytes()).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ControlError(str(error)) from None
    return parameters


class _ProgressLine:
    """One line that is drawn anew while a load goes on; nothing where nobody looks."""

    def __init__(self, client: ControlClient, model: str, out: TextIO) -> None:
        self._client = client
        self._model = model
        self._out = out
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        if self._out.isatty():
            self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(_REDRAW_S):
            try:
                entries = [e for e in self._client.index() if e["name"] == self._model]
            except ControlError:
                continue
            if entries:
                line = load_line(entries[-1].get("load", {}))
                self._out.write(f"\r\x1b[Kloading '{self._model}'{line}")
                self._out.flush()
        self._out.write("\r\x1b[K")
        self._out.flush()
