# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What ends a comparison."""

from __future__ import annotations


class ComparisonError(Exception):
    """One line: what is wrong, where, and what to do about it."""
