# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Sends the same inputs through several models and says how far their answers and speeds differ.

Models, versions and servers are compared by what clients get: nothing here knows a framework.
"""
