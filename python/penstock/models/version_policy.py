# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Which of a model's versions are to be served (contract 2.2). Pure."""

from __future__ import annotations

from collections.abc import Iterable

from penstock._proto.model_config_pb2 import ModelVersionPolicy


def select_versions(policy: ModelVersionPolicy, available: Iterable[int]) -> tuple[int, ...]:
    """The versions that the policy wants of those there are, ascending; () when none."""
    versions = sorted(set(available))
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return tuple(versions)
    if choice == "specific":
        return tuple(version for version in versions if version in policy.specific.versions)
    count = policy.latest.num_versions if choice == "latest" else 1
    return tuple(versions[max(0, len(versions) - count) :])


def missing_versions(policy: ModelVersionPolicy, available: Iterable[int]) -> tuple[int, ...]:
    """Versions that the policy names and that are not there, ascending."""
    if policy.WhichOneof("policy_choice") != "specific":
        return ()
    return tuple(sorted(set(policy.specific.versions) - set(available)))
