# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The codecs through the binding, beside what Python itself would take."""
