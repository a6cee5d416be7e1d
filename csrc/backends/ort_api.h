// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The part of ONNX Runtime's C function table that Penstock calls, by our own declarations, so that
// nothing of ONNX Runtime is needed to build. The table only ever grows at its end (its ABI
// promise), so a position found once holds for every later library. Thread safety: the table is
// constant; what each function allows is ONNX Runtime's documentation. Ownership: objects are raw;
// Owned<T> gives them back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "penstock/status.h"
#include "penstock/tensor.h"

namespace penstock::ort {

struct Error;  // OrtStatus; null means success
struct Env;
struct ThreadingOptions;
struct SessionOptions;
struct Session;
struct RunOptions;
struct Allocator;
struct MemoryInfo;
struct TypeInfo;
struct TensorInfo;  // OrtTensorTypeAndShapeInfo
struct Value;
struct IoBinding;
struct CudaOptions;      // OrtCUDAProviderOptionsV2
struct TensorRtOptions;  // OrtTensorRTProviderOptionsV2

using LogFunction = void (*)(void* param, int severity, const char* category, const char* log_id,
                             const char* location, const char* message);

// Version of the table that everything but has_shape needs, and the one has_shape came with.
inline constexpr std::uint32_t kApiVersion = 17;
inline constexpr std::uint32_t kHasShapeApiVersion = 24;

enum OnnxType : int { kUnknownType, kTensor, kSequence, kMap, kOpaque, kSparseTensor, kOptional };
enum GraphLevel : int { kDisableAll = 0, kBasic = 1, kExtended = 2, kEnableAll = 99 };
inline constexpr int kDeviceAllocator = 0;  // OrtAllocatorType
inline constexpr int kDefaultMemory = 0;    // OrtMemType

// Members are in the order of the table; ort_api.cc has their positions.
struct Api {
  explicit Api(const void* const* table);
  // For tables of kHasShapeApiVersion or later.
  void bind_has_shape(const void* const* table);

  int (*get_error_code)(const Error*);
  const char* (*get_error_message)(const Error*);
  Error* (*create_env)(LogFunction, void* param, int severity, const char* log_id, Env**);
  Error* (*create_session)(const Env*, const char* path, const SessionOptions*, Session**);
  Error* (*run)(Session*, const RunOptions*, const char* const* input_names, const Value* const*,
                std::size_t inputs, const char* const* output_names, std::size_t outputs, Value**);
  Error* (*create_session_options)(SessionOptions**);
  Error* (*set_execution_mode)(SessionOptions*, int mode);
  Error* (*enable_mem_pattern)(SessionOptions*);
  Error* (*disable_mem_pattern)(SessionOptions*);
  Error* (*enable_cpu_mem_arena)(SessionOptions*);
  Error* (*disable_cpu_mem_arena)(SessionOptions*);
  Error* (*set_graph_optimization_level)(SessionOptions*, int level);
  Error* (*set_intra_op_num_threads)(SessionOptions*, int count);
  Error* (*set_inter_op_num_threads)(SessionOptions*, int count);
  Error* (*session_get_input_count)(const Session*, std::size_t*);
  Error* (*session_get_output_count)(const Session*, std::size_t*);
  Error* (*session_get_input_type_info)(const Session*, std::size_t index, TypeInfo**);
  Error* (*session_get_output_type_info)(const Session*, std::size_t index, TypeInfo**);
  Error* (*session_get_input_name)(const Session*, std::size_t index, Allocator*, char**);
  Error* (*session_get_output_name)(const Session*, std::size_t index, Allocator*, char**);
  Error* (*create_run_options)(RunOptions**);
  Error* (*create_tensor)(Allocator*, const std::int64_t* dims, std::size_t rank, int type,
                          Value**);
  Error* (*create_tensor_with_data)(const MemoryInfo*, void* data, std::size_t size_bytes,
                                    const std::int64_t* dims, std::size_t rank, int type, Value**);
  Error* (*is_tensor)(const Value*, int*);
  Error* (*get_tensor_mutable_data)(Value*, void**);
  Error* (*get_string_tensor_data_length)(const Value*, std::size_t*);
  Error* (*get_string_tensor_content)(const Value*, void* bytes, std::size_t size_bytes,
                                      std::size_t* offsets, std::size_t count);
  Error* (*cast_type_info_to_tensor_info)(const TypeInfo*, const TensorInfo**);  // borrowed
  Error* (*get_onnx_type_from_type_info)(const TypeInfo*, int*);
  Error* (*get_tensor_element_type)(const TensorInfo*, int*);
  Error* (*get_dimensions_count)(const TensorInfo*, std::size_t*);
  Error* (*get_dimensions)(const TensorInfo*, std::int64_t*, std::size_t rank);
  Error* (*get_tensor_type_and_shape)(const Value*, TensorInfo**);
  Error* (*create_memory_info)(const char* name, int allocator_type, int device, int memory_type,
                               MemoryInfo**);
  Error* (*create_cpu_memory_info)(int allocator_type, int memory_type, MemoryInfo**);
  Error* (*allocator_free)(Allocator*, void*);
  Error* (*get_default_allocator)(Allocator**);  // borrowed
  void (*release_env)(Env*);
  void (*release_error)(Error*);
  void (*release_memory_info)(MemoryInfo*);
  void (*release_session)(Session*);
  void (*release_value)(Value*);
  void (*release_run_options)(RunOptions*);
  void (*release_type_info)(TypeInfo*);
  void (*release_tensor_info)(TensorInfo*);
  void (*release_session_options)(SessionOptions*);
  Error* (*disable_per_session_threads)(SessionOptions*);
  Error* (*create_threading_options)(ThreadingOptions**);
  void (*release_threading_options)(ThreadingOptions*);
  Error* (*add_session_config_entry)(SessionOptions*, const char* key, const char* value);
  Error* (*run_with_binding)(Session*, const RunOptions*, const IoBinding*);
  Error* (*create_io_binding)(Session*, IoBinding**);
  void (*release_io_binding)(IoBinding*);
  Error* (*bind_input)(IoBinding*, const char* name, const Value*);
  Error* (*bind_output)(IoBinding*, const char* name, const Value*);
  Error* (*bind_output_to_device)(IoBinding*, const char* name, const MemoryInfo*);
  // An array of the allocator's, of values in the order of the outputs' binding.
  Error* (*get_bound_output_values)(const IoBinding*, Allocator*, Value***, std::size_t*);
  void (*clear_bound_inputs)(IoBinding*);
  void (*clear_bound_outputs)(IoBinding*);
  Error* (*set_global_intra_op_num_threads)(ThreadingOptions*, int count);
  Error* (*set_global_inter_op_num_threads)(ThreadingOptions*, int count);
  Error* (*set_global_spin_control)(ThreadingOptions*, int allow);
  Error* (*create_env_with_global_pools)(LogFunction, void* param, int severity, const char* log_id,
                                         const ThreadingOptions*, Env**);
  Error* (*add_run_config_entry)(RunOptions*, const char* key, const char* value);
  Error* (*register_custom_ops_library)(SessionOptions*, const char* path);
  // The writable bytes of one element of a string tensor, made `length` long.
  Error* (*get_resized_string_element)(Value*, std::size_t index, std::size_t length, char**);
  // Execution providers: two with options of their own, all others by name.
  Error* (*append_tensorrt)(SessionOptions*, const TensorRtOptions*);
  Error* (*create_tensorrt_options)(TensorRtOptions**);
  Error* (*update_tensorrt_options)(TensorRtOptions*, const char* const* keys,
                                    const char* const* values, std::size_t count);
  void (*release_tensorrt_options)(TensorRtOptions*);
  Error* (*append_cuda)(SessionOptions*, const CudaOptions*);
  Error* (*create_cuda_options)(CudaOptions**);
  Error* (*update_cuda_options)(CudaOptions*, const char* const* keys, const char* const* values,
                                std::size_t count);
  void (*release_cuda_options)(CudaOptions*);
  Error* (*append_provider)(SessionOptions*, const char* name, const char* const* keys,
                            const char* const* values, std::size_t count);
  // Null in libraries older than kHasShapeApiVersion.
  bool (*has_shape)(const TensorInfo*) = nullptr;

  // OK for null; else INTERNAL "onnx runtime error <code>: <ONNX Runtime's words>". Frees `error`.
  [[nodiscard]] Status check(Error* error) const {
    return error == nullptr ? Status{} : take_error(error);
  }

 private:
  [[nodiscard]] Status take_error(Error* error) const;
};

template <typename T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

// ONNX's element type of a protocol type (0, undefined, for kInvalid), and back (kInvalid for a
// type the protocol has not).
[[nodiscard]] int element_type(DataType type);
[[nodiscard]] DataType data_type(int element_type);
// "tensor(float)", as ONNX Runtime writes it.
[[nodiscard]] const char* element_type_name(int element_type);

}  // namespace penstock::ort
