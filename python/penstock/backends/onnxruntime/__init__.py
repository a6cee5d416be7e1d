# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `onnxruntime` (contract 5.2)."""

from .backend import OnnxRuntimeBackend

__all__ = ["OnnxRuntimeBackend"]
