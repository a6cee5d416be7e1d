# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `litert`: TensorFlow Lite models."""

from .backend import LiteRtBackend

__all__ = ["LiteRtBackend"]
