# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""`penstock compare`: composes clients, inputs and reports."""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from penstock.cli.compare_options import parse_options
from penstock.cli.table import format_table
from penstock.comparison.agreement import Tolerance
from penstock.comparison.errors import ComparisonError
from penstock.comparison.generated import Recipe, parse_rules, parse_shapes
from penstock.comparison.grpc_client import GrpcClient
from penstock.comparison.http_client import HttpClient
from penstock.comparison.in_process import InProcessClient
from penstock.comparison.inputs import generated_requests, recorded_requests
from penstock.comparison.matching import Matching, match, parse_maps
from penstock.comparison.models import Client, Model, ModelName, Tls, describe, parse_model
from penstock.comparison.page import as_page
from penstock.comparison.recorded import Request
from penstock.comparison.report import (
    AGREEMENT_HEADER,
    TIMING_HEADER,
    agreement_rows,
    as_json,
    remarks,
    summary,
    timing_rows,
    verdict,
)
from penstock.comparison.run import Comparison
from penstock.comparison.run import compare as run_comparison
from penstock.comparison.timing import Load
from penstock.config.settings import Profile, SettingsError, parse_settings
from penstock.errors import ServerError
from penstock.serving.composition import compose_core

_WITHIN, _OUTSIDE, _FAILED = 0, 1, 2


def compare(argv: Sequence[str]) -> int:
    """Returns the exit code; what fails is one line on stderr."""
    try:
        options = parse_options(argv)
        _check_files(options.json, options.html)
        with _quiet(), ExitStack() as stack:
            comparison = _compare(options, stack)
        _report(comparison, options.json, options.html)
    except ComparisonError as error:
        print(f"error: {error}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return _FAILED
    return _WITHIN if comparison.within else _OUTSIDE


@contextmanager
def _quiet() -> Iterator[None]:
    """The server's log says nothing: what a user must know is in the error."""
    logger = logging.getLogger("penstock")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _compare(options: argparse.Namespace, stack: ExitStack) -> Comparison:
    names = [parse_model(text) for text in options.model]
    labels = [name.label for name in names]
    repeated = [label for label in labels if labels.count(label) > 1]
    if repeated:
        raise ComparisonError(f"--model {repeated[0]} is given twice")
    clients = _clients(options, names, stack)
    models = [describe(name, clients[name.url]) for name in names]
    maps = parse_maps(options.map, labels[1:])
    matchings = [match(models[0], model, maps[model.label]) for model in models[1:]]
    source, requests = _requests(options, models, matchings)
    tolerance = Tolerance(options.atol, options.rtol, options.min_cosine, options.min_top1)
    load = Load(options.requests, options.concurrency)
    return run_comparison(
        models, matchings, requests, source=source, tolerance=tolerance, load=load
    )


def _clients(
    options: argparse.Namespace, names: Sequence[ModelName], stack: ExitStack
) -> Mapping[str, Client]:
    """By the URL that a model was given with; "" for models without one."""
    clients: dict[str, Client] = {}
    for url in dict.fromkeys(name.url for name in names):
        if url or not options.model_repository:
            clients[url] = _connect(url or options.url, options)
        else:
            clients[url] = _serve(options, [name for name in names if not name.url])
        stack.callback(clients[url].close)
    return clients


def _connect(url: str, options: argparse.Namespace) -> Client:
    found = re.fullmatch(r"(?:(https?|grpcs?)://)?([^/@\s]+:[0-9]{1,5})/?", url)
    if found is None:
        raise ComparisonError(f"'{url}' is not [SCHEME://]HOST:PORT, SCHEME http(s) or grpc(s)")
    scheme, address = found[1] or "http", found[2]
    kind = HttpClient if scheme.startswith("http") else GrpcClient
    tls = Tls(options.ca) if scheme.endswith("s") else None
    try:
        return kind(address, tls=tls, timeout_s=options.timeout)
    except OSError as error:  # also of ssl, for what is no certificate
        raise ComparisonError(f"--ca {options.ca}: {error.strerror or error}") from None


def _serve(options: argparse.Namespace, names: Sequence[ModelName]) -> Client:
    """The repository's models in this process; only those that are asked for are loaded."""
    arguments = [f"--model-repository={path}" for path in options.model_repository]
    arguments += [f"--backend-config={text}" for text in options.backend_config]
    arguments.append("--model-control-mode=explicit")
    versions: dict[str, list[int]] = {name.name: [] for name in names}
    for name in names:
        if name.version:
            versions[name.name].append(int(name.version))
    mixed = [n.name for n in names if not n.version and versions[n.name]]
    if mixed:
        raise ComparisonError(f"--model {mixed[0]} is given with and without a version: name both")
    try:
        core = compose_core(parse_settings(arguments, Profile.PENSTOCK))
    except SettingsError as error:
        raise ComparisonError(" ".join(str(error).split())) from None
    except ServerError as error:
        raise ComparisonError(error.message) from None
    return InProcessClient(core, versions, timeout_s=options.timeout)


def _requests(
    options: argparse.Namespace, models: Sequence[Model], matchings: Sequence[Matching]
) -> tuple[str, Iterator[Request]]:
    """Where the inputs come from, in words, and the inputs."""
    if options.inputs:
        source = f"inputs from {', '.join(map(str, options.inputs))}"
        rows = options.batch_size or 0
        return source, recorded_requests(models, matchings, options.inputs, rows)
    recipe = Recipe(
        samples=options.samples,
        batch_size=options.batch_size or 1,
        seed=options.seed,
        rules=parse_rules(options.generate),
        shapes=parse_shapes(options.shape),
    )
    rules = " ".join(options.generate)
    source = f"generated inputs{f' ({rules})' if rules else ''}, seed {options.seed}"
    return source, generated_requests(models, matchings, recipe)


def _check_files(*paths: Path | None) -> None:
    """Before anything is measured."""
    for path in paths:
        if path is not None and not path.parent.is_dir():
            raise ComparisonError(f"{path} cannot be written: there is no directory {path.parent}")


def _report(comparison: Comparison, json_path: Path | None, html_path: Path | None) -> None:
    print(summary(comparison))
    print(format_table(AGREEMENT_HEADER, agreement_rows(comparison)), end="")
    if comparison.timings:
        print(format_table(TIMING_HEADER, timing_rows(comparison)), end="")
    print("\n".join([*remarks(comparison), verdict(comparison)]))
    try:
        if json_path is not None:
            json_path.write_text(json.dumps(as_json(comparison), indent=2) + "\n")
        if html_path is not None:
            html_path.write_text(as_page(comparison), encoding="utf-8")
    except OSError as error:
        raise ComparisonError(f"{error.filename} cannot be written: {error.strerror}") from None
