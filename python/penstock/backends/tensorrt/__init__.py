# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `tensorrt` (contract 5.4)."""

from .backend import TensorRtBackend

__all__ = ["TensorRtBackend"]
