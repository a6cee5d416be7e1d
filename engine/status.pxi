# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# Failed Statuses as exceptions; text on its way into the core.
from status cimport Status
from shim cimport code_of, status_of

from penstock.errors import error_from_code


# Text of a client may hold lone surrogates (what was no UTF-8 on the wire); no reason to raise.
cdef bytes utf8(str text):
    return text.encode("utf-8", "replace")


cdef object error_of(const Status& status):
    return error_from_code(
        code_of(status),
        status.message().decode("utf-8", "replace"),
        status.retry_after_ns() / 1e9,
    )


cdef int check(const Status& status) except -1:
    if status.ok():
        return 0
    raise error_of(status)
