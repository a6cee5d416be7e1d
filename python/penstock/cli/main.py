# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The commands `penstock` and `tritonserver`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from penstock import __version__
from penstock.config.settings import (
    HelpRequested,
    Profile,
    Settings,
    SettingsError,
    parse_settings,
)
from penstock.config.tls import TlsError
from penstock.config.usage import usage

_USAGE = """\
Usage: penstock <command> [options]

Commands:
  serve      Serve the models of a repository. `penstock serve --help` lists its options.
  compare    Compare the answers and the speed of models. `penstock compare --help` says how.
  models     List, load, unload and watch the models of a running server.
  run-model  Run a Python model in the foreground, under a debugger say.

Options:
  --help     Print this and exit.
  --version  Print the version and exit.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """`penstock <command>`. Returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = arguments[0] if arguments else "--help"
    if command in ("--help", "-h", "help"):
        print(_USAGE, end="")
        return 0 if arguments else 1
    if command in ("--version", "version"):
        print(f"penstock {__version__}")
        return 0
    if command == "serve":
        return _serve(arguments[1:], Profile.PENSTOCK)
    if command == "compare":
        return _load_compare()(arguments[1:])
    if command == "run-model":
        from penstock.cli.run_model import run_model  # nothing of it is needed to serve

        return run_model(arguments[1:])
    if command == "models":
        from penstock.cli.models import models  # the server needs nothing of it

        return models(arguments[1:])
    print(f"penstock: unknown command '{command}'\n\n{_USAGE}", end="", file=sys.stderr)
    return 1


def tritonserver(argv: Sequence[str] | None = None) -> int:
    """`tritonserver`: the same server with Triton's defaults. Returns the exit code."""
    return _serve(sys.argv[1:] if argv is None else argv, Profile.TRITONSERVER)


def _serve(argv: Sequence[str], profile: Profile) -> int:
    try:
        settings = parse_settings(argv, profile)
    except HelpRequested:
        # Triton prints its usage to stderr and exits with 1 (contract 7)
        triton = profile is Profile.TRITONSERVER
        print(usage(profile), end="", file=sys.stderr if triton else sys.stdout)
        return 1 if triton else 0
    except SettingsError as error:
        print(error, file=sys.stderr)
        print(f"Try '{profile.value} --help' for all options.", file=sys.stderr)
        return 1
    try:
        _check_files(settings)
    except TlsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return _load_serve()(settings)


def _check_files(settings: Settings) -> None:
    """Looks at what a wrong path would break only after a while."""
    for protocol in ("http", "grpc"):
        if tls := settings.tls(protocol):
            tls.context()


def _load_serve() -> Callable[..., int]:
    """Imported late: a wrong flag is answered before the engine and the frontends are loaded."""
    from penstock.cli.serve import serve

    return serve


def _load_compare() -> Callable[[Sequence[str]], int]:
    """Imported late: nothing of it is needed to serve."""
    from penstock.cli.compare import compare

    return compare
