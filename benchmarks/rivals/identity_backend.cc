// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// A native identity back end for the rival, against the binary interface of its back end API: the
// rival's package has no native back end, and a Python one would not be the like of ours. It
// answers INPUT0 as OUTPUT0 with one copy, in place of the buffer that the server hands out, the
// least that the API allows. Only what is called is declared; objects are opaque, enums are ints.
#include <time.h>

#include <cstdint>
#include <cstring>

extern "C" {

struct TRITONSERVER_Error;
struct TRITONBACKEND_Request;
struct TRITONBACKEND_Response;
struct TRITONBACKEND_Input;
struct TRITONBACKEND_Output;
struct TRITONBACKEND_ModelInstance;

TRITONSERVER_Error* TRITONBACKEND_RequestInput(TRITONBACKEND_Request*, const char* name,
                                               TRITONBACKEND_Input** input);
TRITONSERVER_Error* TRITONBACKEND_InputProperties(TRITONBACKEND_Input*, const char** name,
                                                  int* data_type, const std::int64_t** shape,
                                                  std::uint32_t* rank, std::uint64_t* byte_size,
                                                  std::uint32_t* buffer_count);
TRITONSERVER_Error* TRITONBACKEND_InputBuffer(TRITONBACKEND_Input*, std::uint32_t index,
                                              const void** buffer, std::uint64_t* byte_size,
                                              int* memory_type, std::int64_t* memory_type_id);
TRITONSERVER_Error* TRITONBACKEND_ResponseNew(TRITONBACKEND_Response**, TRITONBACKEND_Request*);
TRITONSERVER_Error* TRITONBACKEND_ResponseOutput(TRITONBACKEND_Response*,
                                                 TRITONBACKEND_Output** output, const char* name,
                                                 int data_type, const std::int64_t* shape,
                                                 std::uint32_t rank);
TRITONSERVER_Error* TRITONBACKEND_OutputBuffer(TRITONBACKEND_Output*, void** buffer,
                                               std::uint64_t byte_size, int* memory_type,
                                               std::int64_t* memory_type_id);
TRITONSERVER_Error* TRITONBACKEND_ResponseSend(TRITONBACKEND_Response*, std::uint32_t flags,
                                               TRITONSERVER_Error* error);
TRITONSERVER_Error* TRITONBACKEND_RequestRelease(TRITONBACKEND_Request*, std::uint32_t flags);
TRITONSERVER_Error* TRITONBACKEND_ModelInstanceReportStatistics(
    TRITONBACKEND_ModelInstance*, TRITONBACKEND_Request*, bool success, std::uint64_t exec_start_ns,
    std::uint64_t compute_start_ns, std::uint64_t compute_end_ns, std::uint64_t exec_end_ns);
TRITONSERVER_Error* TRITONBACKEND_ModelInstanceReportBatchStatistics(
    TRITONBACKEND_ModelInstance*, std::uint64_t batch_size, std::uint64_t exec_start_ns,
    std::uint64_t compute_start_ns, std::uint64_t compute_end_ns, std::uint64_t exec_end_ns);

}  // extern "C"

namespace {

constexpr std::uint32_t kFinal = 1;       // TRITONSERVER_RESPONSE_COMPLETE_FINAL
constexpr std::uint32_t kReleaseAll = 1;  // TRITONSERVER_REQUEST_RELEASE_ALL

std::uint64_t now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(t.tv_nsec);
}

struct Source {
  TRITONBACKEND_Input* input = nullptr;
  int data_type = 0;
  const std::int64_t* shape = nullptr;
  std::uint32_t rank = 0;
  std::uint64_t byte_size = 0;
  std::uint32_t buffer_count = 0;
};

TRITONSERVER_Error* copy(const Source& source, TRITONBACKEND_Output* output) {
  int memory_type = 0;
  std::int64_t memory_id = 0;
  void* to = nullptr;
  TRITONSERVER_Error* error =
      TRITONBACKEND_OutputBuffer(output, &to, source.byte_size, &memory_type, &memory_id);
  auto* at = static_cast<char*>(to);
  for (std::uint32_t i = 0; error == nullptr && i < source.buffer_count; ++i) {
    const void* from = nullptr;
    std::uint64_t size = 0;
    error = TRITONBACKEND_InputBuffer(source.input, i, &from, &size, &memory_type, &memory_id);
    if (error != nullptr) break;
    std::memcpy(at, from, size);
    at += size;
  }
  return error;
}

TRITONSERVER_Error* answer(TRITONBACKEND_Request* request, TRITONBACKEND_Response* response,
                           std::int64_t& rows) {
  Source source;
  if (auto* error = TRITONBACKEND_RequestInput(request, "INPUT0", &source.input)) return error;
  const char* name = nullptr;
  if (auto* error =
          TRITONBACKEND_InputProperties(source.input, &name, &source.data_type, &source.shape,
                                        &source.rank, &source.byte_size, &source.buffer_count)) {
    return error;
  }
  rows += source.shape[0];
  TRITONBACKEND_Output* output = nullptr;
  if (auto* error = TRITONBACKEND_ResponseOutput(response, &output, "OUTPUT0", source.data_type,
                                                 source.shape, source.rank)) {
    return error;
  }
  return copy(source, output);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) TRITONSERVER_Error*
TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance* instance,
                                   TRITONBACKEND_Request** requests, const std::uint32_t count) {
  const std::uint64_t start_ns = now_ns();
  std::int64_t rows = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    TRITONBACKEND_Response* response = nullptr;
    if (auto* error = TRITONBACKEND_ResponseNew(&response, requests[i])) return error;
    TRITONSERVER_Error* failure = answer(requests[i], response, rows);
    TRITONBACKEND_ResponseSend(response, kFinal, failure);
    const std::uint64_t end_ns = now_ns();
    TRITONBACKEND_ModelInstanceReportStatistics(instance, requests[i], failure == nullptr, start_ns,
                                                start_ns, end_ns, end_ns);
    TRITONBACKEND_RequestRelease(requests[i], kReleaseAll);
  }
  const std::uint64_t end_ns = now_ns();
  TRITONBACKEND_ModelInstanceReportBatchStatistics(instance, static_cast<std::uint64_t>(rows),
                                                   start_ns, start_ns, end_ns, end_ns);
  return nullptr;
}
