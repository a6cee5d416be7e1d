# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `jax`: exported StableHLO programs."""

from .backend import JaxBackend

__all__ = ["JaxBackend"]
