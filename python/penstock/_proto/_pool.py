# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Builds the message classes in a descriptor pool of our own.

The stock client registers the same full names in protobuf's default pool, and a name can be there
only once: with a private pool both can live in one process, whichever is imported first.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal import enum_type_wrapper


def _load() -> descriptor_pool.DescriptorPool:
    data = resources.files(__package__).joinpath("descriptors.binpb").read_bytes()
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(data).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


POOL = _load()


def publish(proto: str, module: dict[str, Any]) -> None:
    """Put DESCRIPTOR, messages, enums and enum values of a .proto file into a module's globals."""
    descriptor = POOL.FindFileByName(proto)
    module["DESCRIPTOR"] = descriptor
    for name, message in descriptor.message_types_by_name.items():
        module[name] = message_factory.GetMessageClass(message)
    for name, enum in descriptor.enum_types_by_name.items():
        module[name] = enum_type_wrapper.EnumTypeWrapper(enum)
        module.update((value.name, value.number) for value in enum.values)
