# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t
from libcpp cimport bool
from libcpp.string cimport string

from request cimport Response
from status cimport Status

cdef extern from "penstock/codec.h" namespace "penstock" nogil:
    cdef cppclass Reply:
        size_t total_bytes
        size_t json_bytes
        bool has_binary
        void clear()

    cdef cppclass CHttpCodec "penstock::HttpCodec":
        Status encode(const Response&, Reply&) except +

    cdef cppclass CGrpcCodec "penstock::GrpcCodec":
        Status encode(const Response&, Reply&) except +

    string c_encode_http_error "penstock::encode_http_error"(const string&) except +
