# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Instances of Python models in processes of their own, and who watches over them."""
