# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# Failed Statuses as exceptions.
from status cimport Status
from shim cimport code_of, status_of

from penstock.errors import error_from_code


cdef object error_of(const Status& status):
    return error_from_code(code_of(status), status.message().decode("utf-8", "replace"))


cdef int check(const Status& status) except -1:
    if status.ok():
        return 0
    raise error_of(status)
