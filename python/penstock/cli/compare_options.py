# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The options of `penstock compare`."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from penstock.cli.parser import OneLineParser
from penstock.comparison.errors import ComparisonError

_DESCRIPTION: Final = """\
Sends the same inputs through two or more models, versions or servers, and reports how far their
answers differ and how fast they are. The first --model is the reference.
"""

_EXAMPLES: Final = """\
models and where they are:
  --model resnet --model resnet_fp16          two models
  --model resnet:1 --model resnet:2           two versions
  --model resnet --model resnet@gpu-host:8000 one model on two servers

examples:
  penstock compare --model a --model b --url localhost:8000 --shape image:3,224,224
  penstock compare --model a:1 --model a:2 --url grpc://localhost:8001 --inputs recorded/
  penstock compare --model a --model b --model-repository models --html report.html

exit codes:
  0 within tolerance   1 out of tolerance   2 wrong usage, or a server that does not answer
"""


def parse_options(argv: Sequence[str]) -> argparse.Namespace:
    """The options as a namespace. Raises ComparisonError; --help ends the program."""
    parser = OneLineParser("penstock compare", _DESCRIPTION, _EXAMPLES)
    _add_models(parser)
    _add_connection(parser)
    _add_inputs(parser)
    _add_tolerance(parser)
    _add_reports(parser)
    options = parser.parse_args(argv)
    if len(options.model) < 2:
        raise ComparisonError("two models are compared at least: give --model twice")
    if options.inputs and (options.generate or options.shape):
        raise ComparisonError("--inputs come as they are: leave --generate and --shape away")
    return options


def _add_models(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("models")
    group.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME[:VERSION][@URL]",
        help="a model; give it twice or more. Without a version: the server's choice",
    )
    where = group.add_mutually_exclusive_group()
    where.add_argument(
        "--url",
        default="http://localhost:8000",
        metavar="[SCHEME://]HOST:PORT",
        help="the server of models without one of their own; SCHEME is http, https, grpc or grpcs "
        "(default: http://localhost:8000)",
    )
    where.add_argument(
        "--model-repository",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="serve the models from here, in this process and without ports",
    )
    group.add_argument(
        "--backend-config",
        action="append",
        default=[],
        metavar="BACKEND,KEY=VALUE",
        help="with --model-repository: as for penstock serve",
    )
    group.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="[MODEL:]REFERENCE=NAME",
        help="the reference's input or output REFERENCE is NAME of MODEL (default: the same name, "
        "else the same place)",
    )


def _add_connection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--timeout", type=_positive, default=60.0, metavar="SECONDS", help="of a request (60)"
    )
    group.add_argument(
        "--ca",
        type=Path,
        metavar="FILE",
        help="certificates, PEM, that https and grpcs trust (default: the system's)",
    )


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("inputs: from files, or else generated")
    group.add_argument(
        "--inputs",
        action="append",
        default=[],
        type=Path,
        metavar="PATH",
        help=".npz (arrays by input), .json (bodies of v2 requests), or a directory of them",
    )
    group.add_argument(
        "--samples", type=_count, default=16, metavar="N", help="requests that are generated (16)"
    )
    group.add_argument(
        "--generate",
        action="append",
        default=[],
        metavar="[INPUT=]KIND[:LOW,HIGH]",
        help="zeros, normal:MEAN,DEVIATION, uniform:LOW,HIGH or ints:LOW,HIGH, HIGH excluded "
        "(default: normal:0,1 for floats, ints:0,10 for the rest, strings being such numbers)",
    )
    group.add_argument(
        "--shape",
        action="append",
        default=[],
        metavar="INPUT:D1,D2,...",
        help="an input's dimensions without the batch, where the model leaves them open; given "
        "several times, requests take turns",
    )
    group.add_argument(
        "--batch-size",
        type=_count,
        default=None,
        metavar="N",
        help="rows of a request to models that batch (1); requests from files are cut to it",
    )
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of generated inputs (0)")


def _add_tolerance(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("tolerance: |a - b| <= atol + rtol * |reference|")
    group.add_argument("--atol", type=_limit, default=1e-4, metavar="X", help="1e-4; inf: any")
    group.add_argument("--rtol", type=_limit, default=1e-4, metavar="X", help="1e-4")
    group.add_argument(
        "--min-cosine", type=float, metavar="X", help="least cosine of a row's answers"
    )
    group.add_argument(
        "--min-top1",
        type=float,
        metavar="X",
        help="least share of rows with the same largest value",
    )


def _add_reports(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("speed and reports")
    group.add_argument(
        "--requests",
        type=_count_or_zero,
        default=100,
        metavar="N",
        help="requests of each model that are timed (100); 0: none",
    )
    group.add_argument(
        "--concurrency", type=_count, default=1, metavar="N", help="of them in flight (1)"
    )
    group.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON")
    group.add_argument("--html", type=Path, metavar="FILE", help="write it as a page with plots")


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 to 1000000")
    return int(text)


def _count_or_zero(text: str) -> int:
    return 0 if text == "0" else _count(text)


def _positive(text: str) -> float:
    value = _limit(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive number")
    return value


def _limit(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0 on")
    return value
