# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `openvino` (contract 5.4)."""

from .backend import OpenVinoBackend

__all__ = ["OpenVinoBackend"]
