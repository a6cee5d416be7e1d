# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# What a server does once to its process.
from shim cimport keep_large_blocks as c_keep_large_blocks


def keep_large_blocks():
    c_keep_large_blocks()
