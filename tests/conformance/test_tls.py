# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""G-30, O-36..O-38 and their HTTP twins: TLS and mutual TLS, with the stock clients."""

from __future__ import annotations

import contextlib
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
import tritonclient.http.aio as http_aio_client
from certificates import Authority
from model_repository import write_repository
from server_process import ServerProcess
from tritonclient.utils import InferenceServerException

VALUES = np.arange(4, dtype=np.float32).reshape(1, 4)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> tuple[Path, Path]:
    return authority.issue("server")


@pytest.fixture(scope="module")
def client(authority: Authority) -> tuple[Path, Path]:
    return authority.issue("client")


@pytest.fixture(scope="module", params=[False, True], ids=["tls", "mutual"])
def server(
    request: pytest.FixtureRequest,
    authority: Authority,
    own: tuple[Path, Path],
    client: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServerProcess]:
    root = tmp_path_factory.mktemp("models")
    write_repository(root)
    options = ["--model-control-mode=explicit", "--load-model=labelled"]
    for protocol in ("http", "grpc"):
        options += [f"--{protocol}-server-cert={own[0]}", f"--{protocol}-server-key={own[1]}"]
        options.append(f"--{protocol}-root-cert={authority.root}")
        options.append(f"--{protocol}-use-ssl{'-mutual' if request.param else ''}=true")
    started = ServerProcess(root, tmp_path_factory.mktemp("log") / "server.log", *options)
    started.tls = client_context(authority, client)
    with started:
        yield started


def client_context(authority: Authority, shown: tuple[Path, Path] | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.root)
    if shown is not None:
        context.load_cert_chain(*shown)
    return context


def infer(module: Any, client: Any) -> Any:
    tensor = module.InferInput("INPUT0", [1, 4], "FP32")
    tensor.set_data_from_numpy(VALUES)
    return client.infer("labelled", [tensor])


@contextlib.contextmanager
def grpc_stub(
    server: ServerProcess, authority: Authority, shown: tuple[Path, Path] | None
) -> Iterator[Any]:
    with grpc_client.InferenceServerClient(
        server.grpc_url,
        ssl=True,
        root_certificates=str(authority.root),
        private_key=str(shown[1]) if shown else None,
        certificate_chain=str(shown[0]) if shown else None,
    ) as made:
        yield made


def test_grpc(server: ServerProcess, authority: Authority, client: tuple[Path, Path]) -> None:
    """G-30."""
    with grpc_stub(server, authority, client) as stub:
        assert stub.is_server_ready()
        assert stub.get_server_metadata().name == "penstock"
        np.testing.assert_array_equal(infer(grpc_client, stub).as_numpy("OUTPUT0"), VALUES)


def test_http(server: ServerProcess, authority: Authority, client: tuple[Path, Path]) -> None:
    options = {"ca_certs": authority.root, "certfile": client[0], "keyfile": client[1]}
    with http_client.InferenceServerClient(
        f"localhost:{server.http_port}",
        ssl=True,
        ssl_options={name: str(path) for name, path in options.items()},
    ) as stub:
        assert stub.is_server_ready()
        assert stub.get_server_metadata()["name"] == "penstock"
        np.testing.assert_array_equal(infer(http_client, stub).as_numpy("OUTPUT0"), VALUES)


async def test_http_asyncio(
    server: ServerProcess, authority: Authority, client: tuple[Path, Path]
) -> None:
    async with http_aio_client.InferenceServerClient(
        server.http_url, ssl=True, ssl_context=client_context(authority, client)
    ) as stub:
        answer = await infer(http_client, stub)
    np.testing.assert_array_equal(answer.as_numpy("OUTPUT0"), VALUES)


def test_clients_without_a_certificate(server: ServerProcess, authority: Authority) -> None:
    """O-37: refused by mutual TLS, welcome without."""
    mutual = any("mutual" in argument for argument in server.command)
    expected = pytest.raises(InferenceServerException) if mutual else contextlib.nullcontext()
    with grpc_stub(server, authority, None) as stub, expected:
        infer(grpc_client, stub)
    context = client_context(authority, None)
    refusal = pytest.raises(OSError) if mutual else contextlib.nullcontext()
    with refusal:
        assert server.request("GET", "/v2/health/live", tls=context).status == 200


def test_clients_of_another_authority(
    server: ServerProcess, authority: Authority, tmp_path: Path
) -> None:
    """A certificate that nobody vouches for opens nothing where one is asked for."""
    if not any("mutual" in argument for argument in server.command):
        pytest.skip("no certificate is asked for")
    stranger = Authority(tmp_path, "stranger").issue("client")
    with pytest.raises(OSError):
        server.request("GET", "/v2/health/live", tls=client_context(authority, stranger))
    with grpc_stub(server, authority, stranger) as stub, pytest.raises(InferenceServerException):
        infer(grpc_client, stub)


def test_plain_text_is_not_answered(server: ServerProcess) -> None:
    with pytest.raises(OSError):
        server.request("GET", "/v2/health/live", tls=None)
    with grpc.insecure_channel(server.grpc_url) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
        with pytest.raises(grpc.RpcError):
            call(b"", timeout=2)


def test_old_versions_of_tls_are_refused(
    server: ServerProcess, authority: Authority, client: tuple[Path, Path]
) -> None:
    context = client_context(authority, client)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError):
        server.request("GET", "/v2/health/live", tls=context)


def test_it_is_said_who_serves(server: ServerProcess) -> None:
    for protocol in ("HTTP", "gRPC"):
        assert f"{protocol} over TLS is served by the Python frontend" in server.log


CASES = {
    "no-cert": ({"server-cert": ""}, "--{p}-use-ssl needs --{p}-server-cert"),
    "no-key": ({"server-key": ""}, "--{p}-use-ssl needs --{p}-server-key"),
    "no-root": ({"use-ssl-mutual": "true"}, "--{p}-use-ssl-mutual needs --{p}-root-cert"),
    "missing-cert": ({"server-cert": "none.pem"}, "--{p}-server-cert: unable to use 'none.pem'"),
    "missing-key": ({"server-key": "none.key"}, "--{p}-server-key: unable to use 'none.key'"),
    "missing-root": ({"root-cert": "none.pem"}, "--{p}-root-cert: unable to use 'none.pem'"),
    "directory": ({"server-cert": "."}, "--{p}-server-cert: unable to use '.': Is a directory"),
    "bad-cert": ({"server-cert": "{junk}"}, "--{p}-server-cert: unable to use '{junk}'"),
    "bad-key": ({"server-key": "{junk}"}, "--{p}-server-key: unable to use '{junk}'"),
    "bad-root": ({"root-cert": "{junk}"}, "--{p}-root-cert: unable to use '{junk}'"),
    "other-key": ({"server-key": "{other}"}, "--{p}-server-key: unable to use '{other}'"),
}


@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.parametrize("case", CASES)
def test_files_that_cannot_be_used(
    protocol: str,
    case: str,
    own: tuple[Path, Path],
    client: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    """One line that names the flag and the file, at once."""
    changes, message = CASES[case]
    (tmp_path / "junk.pem").write_text("junk")
    names = {"p": protocol, "junk": str(tmp_path / "junk.pem"), "other": str(client[1])}
    options = {"use-ssl": "true", "server-cert": str(own[0]), "server-key": str(own[1])} | changes
    flags = [f"--{protocol}-{name}={value.format(**names)}" for name, value in options.items()]
    command = ServerProcess(tmp_path, tmp_path / "log", *flags).command
    started = time.monotonic()
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert time.monotonic() - started < 3  # 1 s where nothing else runs
    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"error: {message.format(**names)}"), line
