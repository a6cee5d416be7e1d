# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The options of `penstock run-model`, and which model its path names."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from penstock.cli.parser import OneLineParser
from penstock.comparison.errors import ComparisonError
from penstock.models.layout import is_version

_DESCRIPTION: Final = """\
Runs a Python model in this process, without a server: it is loaded, executes requests, and is
finalized on the main thread, where breakpoint() and Ctrl-C work. Prints what goes in and comes out,
and the time of each step.
"""

_EPILOG: Final = """\
PATH is a model's directory, the directory of one of its versions, or a model.py in that.

examples:
  penstock run-model models/add_sub
  penstock run-model models/add_sub/1/model.py --input INPUT0=left.npy --pdb
  penstock run-model models/tokenizer --request request.json --count 3
  penstock run-model models/pipeline --load-model detector --load-model reader

exit codes:
  0 every request was answered
  1 the model failed: it raised, or answered a request with an error
  2 wrong usage: no such model or file, a configuration or an input that cannot be
  130 interrupted: by Ctrl-C, a debugger's quit, or since nobody reads what is printed
"""


@dataclass(frozen=True)
class Target:
    """The model to run. `version` 0: the highest; `filename` "": the configuration's."""

    model_dir: Path
    version: int = 0
    filename: str = ""


def parse_options(argv: Sequence[str]) -> argparse.Namespace:
    """The options as a namespace. Raises ComparisonError; --help ends the program."""
    parser = OneLineParser("penstock run-model", _DESCRIPTION, _EPILOG)
    parser.add_argument("path", type=Path, metavar="PATH", help="the model")
    parser.add_argument("--pdb", action="store_true", help="debug what the model raises")
    parser.add_argument("--verbose", action="store_true", help="the whole log, the server's too")
    _add_requests(parser)
    _add_others(parser)
    options = parser.parse_args(argv)
    if options.request and (options.input or options.generate or options.shape):
        raise ComparisonError("--request comes as it is: leave --input, --generate, --shape away")
    return options


def _add_requests(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("requests: from files, or else generated")
    group.add_argument(
        "--request",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help=".json (bodies of v2 requests), .npz (arrays by input), or a directory of them",
    )
    group.add_argument(
        "--input",
        action="append",
        default=[],
        type=_input,
        metavar="NAME=FILE.npy",
        help="an input, with the batch dimension; those not given are generated",
    )
    group.add_argument(
        "--parameter",
        action="append",
        default=[],
        type=_parameter,
        metavar="NAME=VALUE",
        help="of every request; VALUE is JSON (true, 3, 0.5), or else text",
    )
    group.add_argument(
        "--count", type=_count, default=1, metavar="N", help="how often each is sent (1)"
    )
    _add_generated(group)


def _add_generated(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--batch-size", type=_count, default=1, metavar="N", help="rows that are generated (1)"
    )
    group.add_argument(
        "--shape",
        action="append",
        default=[],
        metavar="INPUT:D1,D2,...",
        help="dimensions without the batch (open ones are 4)",
    )
    group.add_argument(
        "--generate",
        action="append",
        default=[],
        metavar="[INPUT=]KIND[:LOW,HIGH]",
        help="zeros, normal:MEAN,DEVIATION, uniform:LOW,HIGH or ints:LOW,HIGH, HIGH excluded",
    )
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of generated inputs (0)")


def _add_others(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("models that it calls (BLS)")
    group.add_argument(
        "--load-model",
        action="append",
        default=[],
        metavar="NAME",
        help="load this model, too; it runs as in a server",
    )
    group.add_argument(
        "--model-repository",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="where those are (default: the repository that PATH is in)",
    )


def find_target(path: Path) -> Target:
    """Raises ComparisonError for a path that is no model's."""
    if not path.exists():
        raise ComparisonError(f"there is no '{path}'")
    path = path.resolve()
    if path.is_file():
        if path.suffix != ".py" or not is_version(path.parent.name):
            raise ComparisonError(
                f"'{path}' is not the Python file of a version: those are <model>/<number>/*.py"
            )
        return Target(path.parent.parent, int(path.parent.name), path.name)
    if is_version(path.name) and any(path.glob("*.py")):
        return Target(path.parent, int(path.name))
    return Target(path)


def _input(text: str) -> tuple[str, Path]:
    name, equals, file = text.partition("=")
    if not (name and equals and file):
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=FILE.npy")
    return name, Path(file)


def _parameter(text: str) -> tuple[str, bool | int | float | str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=VALUE")
    try:
        read = json.loads(value)
    except ValueError:
        return name, value
    if isinstance(read, int) and not -(2**63) <= read < 2**63:
        raise argparse.ArgumentTypeError(f"'{text}' does not fit into 64 bits")
    return name, read if isinstance(read, bool | int | float | str) else value


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 to 1000000")
    return int(text)
