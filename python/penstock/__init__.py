# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Penstock: an inference server that speaks Triton's protocol."""

__version__ = "0.1.0"
