// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "backends/ort_api.h"

#include <array>
#include <string>
#include <type_traits>

namespace penstock::ort {
namespace {

// Index: ONNX's TensorProto.DataType. The last is the highest the protocol can carry.
struct ElementType {
  const char* name;
  DataType type;
};
constexpr std::array<ElementType, 17> kElementTypes{{
    {"tensor(undefined)", DataType::kInvalid},
    {"tensor(float)", DataType::kFp32},
    {"tensor(uint8)", DataType::kUint8},
    {"tensor(int8)", DataType::kInt8},
    {"tensor(uint16)", DataType::kUint16},
    {"tensor(int16)", DataType::kInt16},
    {"tensor(int32)", DataType::kInt32},
    {"tensor(int64)", DataType::kInt64},
    {"tensor(string)", DataType::kBytes},
    {"tensor(bool)", DataType::kBool},
    {"tensor(float16)", DataType::kFp16},
    {"tensor(double)", DataType::kFp64},
    {"tensor(uint32)", DataType::kUint32},
    {"tensor(uint64)", DataType::kUint64},
    {"tensor(complex64)", DataType::kInvalid},
    {"tensor(complex128)", DataType::kInvalid},
    {"tensor(bfloat16)", DataType::kBf16},
}};

}  // namespace

Api::Api(const void* const* table) {
  const auto bind = [table](auto& function, int position) {
    using Function = std::remove_reference_t<decltype(function)>;
    function = reinterpret_cast<Function>(const_cast<void*>(table[position]));
  };
  bind(get_error_code, 1);
  bind(get_error_message, 2);
  bind(create_env, 4);  // the one with a log function
  bind(create_session, 7);
  bind(run, 9);
  bind(create_session_options, 10);
  bind(set_execution_mode, 13);
  bind(enable_mem_pattern, 16);
  bind(disable_mem_pattern, 17);
  bind(enable_cpu_mem_arena, 18);
  bind(disable_cpu_mem_arena, 19);
  bind(set_graph_optimization_level, 23);
  bind(set_intra_op_num_threads, 24);
  bind(set_inter_op_num_threads, 25);
  bind(session_get_input_count, 30);
  bind(session_get_output_count, 31);
  bind(session_get_input_type_info, 33);
  bind(session_get_output_type_info, 34);
  bind(session_get_input_name, 36);
  bind(session_get_output_name, 37);
  bind(create_run_options, 39);
  bind(create_tensor, 48);
  bind(create_tensor_with_data, 49);
  bind(is_tensor, 50);
  bind(get_tensor_mutable_data, 51);
  bind(get_string_tensor_data_length, 53);
  bind(get_string_tensor_content, 54);
  bind(cast_type_info_to_tensor_info, 55);
  bind(get_onnx_type_from_type_info, 56);
  bind(get_tensor_element_type, 60);
  bind(get_dimensions_count, 61);
  bind(get_dimensions, 62);
  bind(get_tensor_type_and_shape, 65);
  bind(create_memory_info, 68);
  bind(create_cpu_memory_info, 69);
  bind(allocator_free, 76);
  bind(get_default_allocator, 78);
  bind(release_env, 92);
  bind(release_error, 93);
  bind(release_memory_info, 94);
  bind(release_session, 95);
  bind(release_value, 96);
  bind(release_run_options, 97);
  bind(release_type_info, 98);
  bind(release_tensor_info, 99);
  bind(release_session_options, 100);
  bind(disable_per_session_threads, 120);
  bind(create_threading_options, 121);
  bind(release_threading_options, 122);
  bind(add_session_config_entry, 130);
  bind(run_with_binding, 133);
  bind(create_io_binding, 134);
  bind(release_io_binding, 135);
  bind(bind_input, 136);
  bind(bind_output, 137);
  bind(bind_output_to_device, 138);
  bind(get_bound_output_values, 140);
  bind(clear_bound_inputs, 141);
  bind(clear_bound_outputs, 142);
  bind(set_global_intra_op_num_threads, 147);
  bind(set_global_inter_op_num_threads, 148);
  bind(set_global_spin_control, 149);
  bind(create_env_with_global_pools, 151);  // the one with a log function
  bind(add_run_config_entry, 165);
  bind(append_tensorrt, 170);  // the one whose options are opaque
  bind(create_tensorrt_options, 171);
  bind(update_tensorrt_options, 172);
  bind(release_tensorrt_options, 174);
  bind(append_cuda, 204);  // the one whose options are opaque
  bind(create_cuda_options, 205);
  bind(update_cuda_options, 206);
  bind(release_cuda_options, 208);
  bind(append_provider, 216);
  bind(register_custom_ops_library, 228);  // the one that keeps the library's handle itself
  bind(get_resized_string_element, 252);
}

void Api::bind_has_shape(const void* const* table) {
  has_shape = reinterpret_cast<decltype(has_shape)>(const_cast<void*>(table[390]));
}

Status Api::take_error(Error* error) const {
  Status status = internal_error("onnx runtime error " + std::to_string(get_error_code(error)) +
                                 ": " + get_error_message(error));
  release_error(error);
  return status;
}

int element_type(DataType type) {
  if (type == DataType::kInvalid) return 0;
  for (std::size_t i = 0; i < kElementTypes.size(); ++i) {
    if (kElementTypes[i].type == type) return static_cast<int>(i);
  }
  return 0;
}

DataType data_type(int element_type) {
  const auto index = static_cast<std::size_t>(element_type);
  return index < kElementTypes.size() ? kElementTypes[index].type : DataType::kInvalid;
}

const char* element_type_name(int element_type) {
  const auto index = static_cast<std::size_t>(element_type);
  return index < kElementTypes.size() ? kElementTypes[index].name : "tensor(unknown)";
}

}  // namespace penstock::ort
