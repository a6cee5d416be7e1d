# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What the native gRPC door answers, the grpc.aio frontend answers, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import decoupled_models
import grpc
import numpy as np
import pytest
from server_process import ServerProcess
from tritonclient.grpc import service_pb2 as pb

MODELS = ("identity_fp32", "identity_bytes", "labelled", "pair", "versions", "add_sub", "raises")
TIMEOUT_S = 20

Channels = tuple[grpc.Channel, grpc.Channel]


@pytest.fixture(scope="module")
def channels(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Channels]:
    """To a native and to a Python server that are otherwise alike."""
    options = ["--model-control-mode=explicit", *(f"--load-model={name}" for name in MODELS)]
    with two_servers(repository, tmp_path_factory, *options) as channels:
        yield channels


@contextmanager
def two_servers(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, *options: str
) -> Iterator[Channels]:
    with ExitStack() as stack:
        opened = []
        for plane in ("native", "python"):
            log = tmp_path_factory.mktemp(plane) / "log"
            alike = ("--id=same", "--allow-metrics=false", f"--data-plane={plane}")
            server = stack.enter_context(ServerProcess(repository, log, *options, *alike))
            opened.append(stack.enter_context(grpc.insecure_channel(server.grpc_url)))
        yield opened[0], opened[1]


def infer(model: str, shape: list[int], data: bytes, datatype: str = "FP32", **more: Any) -> bytes:
    message = pb.ModelInferRequest(model_name=model, **more)
    message.inputs.add(name="INPUT0", datatype=datatype, shape=shape)
    message.raw_input_contents.append(data)
    return message.SerializeToString()


ROW = np.arange(4, dtype=np.float32).tobytes()
CLASSES = [
    pb.ModelInferRequest.InferRequestedOutputTensor(
        name="OUTPUT0", parameters={"classification": pb.InferParameter(int64_param=2)}
    )
]
LARGE = np.arange(300_000, dtype=np.float32)

MESSAGES = {
    "plain": infer("identity_fp32", [1, 4], ROW),
    "id": infer("identity_fp32", [1, 4], ROW, id="häßlich-7"),
    "large": infer("identity_fp32", [1, LARGE.size], LARGE.tobytes()),
    "empty": infer("identity_fp32", [1, 0], b""),
    "strings": infer("identity_bytes", [1, 2], b"\1\0\0\0a\0\0\0\0", "BYTES"),
    "classes": infer("labelled", [1, 4], ROW, outputs=CLASSES),
    "version": infer("versions", [4], ROW, model_version="3"),
    "no-model": infer("nothing", [1, 4], ROW, id="x"),
    "no-version": infer("versions", [4], ROW, model_version="7"),
    "bad-version": infer("versions", [4], ROW, model_version="one"),
    "bad-shape": infer("labelled", [1, 5], ROW, id="y"),
    "bad-size": infer("labelled", [1, 4], ROW[:7]),
    "bad-type": infer("labelled", [1, 4], ROW, "INT32"),
    "bad-name": infer("labelled", [1, 4], ROW).replace(b"INPUT0", b"INPUT9"),
    "not-enough": infer("pair", [1, 4], ROW),
    "fails": infer("raises", [4], ROW, "INT32"),
    "nothing": b"",
    "garbage": b"\xff\xff\xff",
    "not-utf8": infer("labelled", [1, 4], ROW, id="abc").replace(b"abc", b"a\xffc"),
}

Outcome = tuple[Any, ...]


def unary(channel: grpc.Channel, method: str, message: bytes) -> Outcome:
    try:
        return (channel.unary_unary(method)(message, timeout=TIMEOUT_S),)
    except grpc.RpcError as error:
        return error.code(), error.details()


def stream(channel: grpc.Channel, messages: list[bytes], **metadata: str) -> Outcome:
    method = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
    answers = []
    try:
        call = method(iter(messages), timeout=TIMEOUT_S, metadata=tuple(metadata.items()))
        answers.extend(call)
    except grpc.RpcError as error:
        return answers, error.code(), error.details()
    return (answers,)


@pytest.mark.parametrize("name", MESSAGES)
def test_model_infer(channels: Channels, name: str) -> None:
    method = "/inference.GRPCInferenceService/ModelInfer"
    native, python = (unary(channel, method, MESSAGES[name]) for channel in channels)
    assert native == python


def test_model_stream_infer(channels: Channels) -> None:
    """G-25, G-26."""
    native, python = (stream(channel, list(MESSAGES.values())) for channel in channels)
    assert native == python
    assert len(native[0]) == len(MESSAGES)


@pytest.mark.parametrize("name", ["no-model", "fails", "garbage"])
def test_a_stream_that_wants_the_status(channels: Channels, name: str) -> None:
    """G-25: triton_grpc_error."""
    messages = [MESSAGES["plain"], MESSAGES[name], MESSAGES["plain"]]
    native, python = (stream(channel, messages, triton_grpc_error="true") for channel in channels)
    assert native == python


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("inference.GRPCInferenceService/ServerLive", b""),
        ("inference.GRPCInferenceService/ServerReady", b""),
        ("inference.GRPCInferenceService/ServerReady", b"\x0a"),
        ("inference.GRPCInferenceService/ModelReady", b"\x0a\x08labelled"),
        ("inference.GRPCInferenceService/ModelReady", b"\x0a\x08versions\x12\x013"),
        ("inference.GRPCInferenceService/ModelReady", b"\x0a\x08versions\x12\x017"),
        ("inference.GRPCInferenceService/ModelReady", b"\x0a\x08versions\x12\x01x"),
        ("inference.GRPCInferenceService/ModelReady", b"\x0a\x02no"),
        ("inference.GRPCInferenceService/ModelReady", b"\xff"),
        ("inference.GRPCInferenceService/ServerMetadata", b""),
        ("inference.GRPCInferenceService/ModelConfig", b"\x0a\x08labelled"),
        ("inference.GRPCInferenceService/ModelConfig", b"\x0a\x02no"),
        ("inference.GRPCInferenceService/RepositoryIndex", b""),
        ("inference.GRPCInferenceService/TraceSetting", b""),
        ("inference.GRPCInferenceService/Nothing", b""),
        ("grpc.health.v1.Health/Check", b""),
        ("grpc.health.v1.Health/Check", b"\xff"),
        ("grpc.health.v1.Health/Watch", b""),
    ],
)
def test_other_calls(channels: Channels, method: str, message: bytes) -> None:
    native, python = (unary(channel, f"/{method}", message) for channel in channels)
    if method.endswith("/TraceSetting"):  # a map's entries have no order
        native, python = (
            (pb.TraceSettingResponse.FromString(answer[0]),) for answer in (native, python)
        )
    assert native == python


@pytest.fixture(scope="module")
def decoupled_channels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Channels]:
    root = tmp_path_factory.mktemp("decoupled")
    decoupled_models.write_repository(root)
    with two_servers(root, tmp_path_factory) as channels:
        yield channels


def one_value(model: str, **more: Any) -> bytes:
    message = pb.ModelInferRequest(model_name=model, **more)
    message.inputs.add(name="IN", datatype="INT32", shape=[1])
    message.raw_input_contents.append(b"\3\0\0\0")
    return message.SerializeToString()


OPT_IN = {"triton_enable_empty_final_response": pb.InferParameter(bool_param=True)}


@pytest.mark.parametrize(
    "request_message",
    [
        one_value("square", id="s"),
        one_value("square", id="s", parameters=OPT_IN),
        one_value("repeat", parameters={"with_final": pb.InferParameter(bool_param=True)}),
        one_value("repeat", id="r", parameters={"fail_at": pb.InferParameter(int64_param=0)}),
        one_value("odd", id="o", parameters={"how": pb.InferParameter(string_param="raises")}),
        one_value("odd", parameters={"how": pb.InferParameter(string_param="forget")}),
        one_value("odd", parameters={"how": pb.InferParameter(string_param="wrong_type")}),
        one_value("ordinary", id="h\u00e4", parameters=OPT_IN),
        one_value("twice"),
        one_value("square").replace(b"IN", b"NO"),
    ],
)
def test_decoupled_models(decoupled_channels: Channels, request_message: bytes) -> None:
    """G-22, G-25, G-26."""
    method = "/inference.GRPCInferenceService/ModelInfer"
    native, python = (unary(channel, method, request_message) for channel in decoupled_channels)
    assert native == python
    native, python = (stream(channel, [request_message]) for channel in decoupled_channels)
    assert native == python
    native, python = (
        stream(channel, [request_message], triton_grpc_error="true")
        for channel in decoupled_channels
    )
    assert native == python
