# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Our messages are wire-identical to those of the stock client (G-1 to G-20, contract 1.16, 2)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2 as stock_health
from penstock._proto import health_pb2, inference_pb2, model_config_pb2
from tritonclient.grpc import model_config_pb2 as stock_model_config
from tritonclient.grpc import service_pb2 as stock_service

ROOT = Path(__file__).parents[3]
GENERATED = ROOT / "python" / "penstock" / "_proto"

PAIRS = [
    (health_pb2, stock_health),
    (inference_pb2, stock_service),
    (model_config_pb2, stock_model_config),
]


def flatten(module: object) -> dict[str, object]:
    """Everything that matters on the wire, by full name; order and file names do not."""
    proto = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(proto)  # type: ignore[attr-defined]
    facts: dict[str, object] = {"package": proto.package, "syntax": proto.syntax}
    for enum in proto.enum_type:
        facts[enum.name] = {value.name: value.number for value in enum.value}
    for message in proto.message_type:
        flatten_message(message, message.name, facts)
    for service in proto.service:
        for method in service.method:
            facts[f"{service.name}/{method.name}"] = (
                method.input_type,
                method.output_type,
                method.client_streaming,
                method.server_streaming,
            )
    return facts


def flatten_message(
    message: descriptor_pb2.DescriptorProto, path: str, facts: dict[str, object]
) -> None:
    facts[path] = (len(message.field), message.options.map_entry)
    for field in message.field:
        oneof = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
        facts[f"{path}.{field.name}"] = (
            field.number,
            field.type,
            field.label,
            field.type_name,
            oneof,
            field.proto3_optional,
        )
    for enum in message.enum_type:
        facts[f"{path}.{enum.name}"] = {value.name: value.number for value in enum.value}
    for nested in message.nested_type:
        flatten_message(nested, f"{path}.{nested.name}", facts)


@pytest.mark.parametrize(("ours", "stock"), PAIRS, ids=["health", "inference", "model_config"])
def test_descriptors_are_those_of_the_stock_client(ours: object, stock: object) -> None:
    assert flatten(ours) == flatten(stock)


def test_all_calls_of_the_protocol_are_there() -> None:
    service = inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    assert len(service.methods) == 20  # G-1 to G-20


def test_both_live_in_one_process() -> None:
    ours = inference_pb2.ModelInferRequest(model_name="m", raw_input_contents=[b"12"])
    ours.parameters["k"].int64_param = 7
    theirs = stock_service.ModelInferRequest.FromString(ours.SerializeToString())
    assert type(theirs) is not type(ours)
    assert theirs.parameters["k"].int64_param == 7
    assert inference_pb2.ModelInferRequest.FromString(theirs.SerializeToString()) == ours


def test_modules_publish_messages_enums_and_values() -> None:
    group = model_config_pb2.ModelInstanceGroup(kind="KIND_CPU", count=2)
    assert group.kind == model_config_pb2.ModelInstanceGroup.KIND_CPU
    assert model_config_pb2.DataType.Name(model_config_pb2.TYPE_BF16) == "TYPE_BF16"
    response = inference_pb2.ModelConfigResponse()
    assert isinstance(response.config, model_config_pb2.ModelConfig)


def test_generated_files_are_those_of_the_protos(tmp_path: Path) -> None:
    # in a process of its own: protoc and some frameworks have protobuf's symbols in common
    subprocess.run([sys.executable, ROOT / "protos" / "generate.py", tmp_path], check=True)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(made) == {"descriptors.binpb"} | {
        f"{name}_pb2.{suffix}"
        for name in ("health", "inference", "model_config")
        for suffix in ("py", "pyi")
    }
    assert made == {name: (GENERATED / name).read_bytes() for name in made}
