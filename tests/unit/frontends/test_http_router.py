# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Routing is exact, on the undecoded path (contract 1.1, X-13)."""

from __future__ import annotations

import pytest
from penstock.frontends.http.router import MethodError, NoRouteError, Router


@pytest.fixture
def router() -> Router[str]:
    made: Router[str] = Router()
    made.add("GET", "/v2", "server")
    made.add("GET", "/v2/models/stats", "all stats")
    for model in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        made.add("GET", model, "metadata")
        made.add("GET", f"{model}/stats", "stats")
        made.add("POST", f"{model}/infer", "infer")
    made.add("GET", "/v2/logging", "get log")
    made.add("POST", "/v2/logging", "set log")
    return made


@pytest.mark.parametrize(
    ("method", "path", "handler", "parameters"),
    [
        ("GET", "/v2", "server", {}),
        ("GET", "/v2/models/m", "metadata", {"model": "m"}),
        ("POST", "/v2/models/m/infer", "infer", {"model": "m"}),
        (
            "POST",
            "/v2/models/m/versions/12/infer",
            "infer",
            {"model": "m", "version": "12"},
        ),
        ("GET", "/v2/models/stats", "all stats", {}),
        ("GET", "/v2/models/stats/stats", "stats", {"model": "stats"}),
        ("POST", "/v2/models/stats/infer", "infer", {"model": "stats"}),
        ("GET", "/v2/models/a%2Db", "metadata", {"model": "a%2Db"}),
        ("POST", "/v2/logging", "set log", {}),
    ],
)
def test_matches(
    router: Router[str], method: str, path: str, handler: str, parameters: dict[str, str]
) -> None:
    assert router.resolve(method, path) == (handler, parameters)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "//v2",
        "v2",
        "/v2/",
        "/V2",
        "/v2/.",
        "/v2/models",
        "/v2/models/",
        "/v2/models//infer",
        "/v2/models/m/",
        "/v2/models/m/infer/",
        "/v2/models/m/Infer",
        "/v2/models/m/versions",
        "/v2/models/m/versions/x",
        "/v2/models/m/versions/-1",
        "/v2/models/m/versions/1.0/infer",
        "/v2/models/m/versions/\u0661/infer",
        "/v2/models/m/versions//infer",
        "/v2%2Fmodels/m",
        "http://host/v2",
        "/" * 10_000,
        "/v2/models/m" + "/a" * 10_000,
    ],
)
def test_no_route(router: Router[str], path: str) -> None:
    with pytest.raises(NoRouteError):
        router.resolve("GET", path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2"),
        ("GET", "/v2/models/m/infer"),
        ("DELETE", "/v2/logging"),
        ("HEAD", "/v2"),
        ("get", "/v2"),
    ],
)
def test_wrong_method(router: Router[str], method: str, path: str) -> None:
    with pytest.raises(MethodError):
        router.resolve(method, path)


def test_contradicting_routes_are_refused(router: Router[str]) -> None:
    with pytest.raises(ValueError, match="added twice"):
        router.add("GET", "/v2", "again")
    with pytest.raises(ValueError, match="already {model}"):
        router.add("GET", "/v2/models/{name}", "other name")
