// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Contract 5.2: settings by name, and what they do to ONNX Runtime's session options.
#include <charconv>

#include "backends/onnx_session.h"

namespace penstock {
namespace {

Status bad_value(std::string_view key, std::string_view value, std::string_view expected) {
  std::string text = "ONNX Runtime parameter '";
  text.append(key).append("' must be ").append(expected).append(", got '").append(value);
  return invalid_arg(text + "'");
}

Status parse_int(std::string_view key, std::string_view value, std::int32_t& out) {
  std::int32_t parsed = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
  if (error != std::errc{} || end != value.data() + value.size()) {
    return bad_value(key, value, "an integer");
  }
  out = parsed;
  return {};
}

Status parse_count(std::string_view key, std::string_view value, std::int32_t& out) {
  constexpr std::int32_t kMaxThreads = 4096;
  std::int32_t parsed = 0;
  PENSTOCK_RETURN_IF_ERROR(parse_int(key, value, parsed));
  if (parsed < 0 || parsed > kMaxThreads) {
    return bad_value(key, value, "a thread count of 0 (automatic) to 4096");
  }
  out = parsed;
  return {};
}

Status parse_switch(std::string_view key, std::string_view value, bool& out) {
  const bool on = value == "1" || value == "true";
  if (!on && value != "0" && value != "false") return bad_value(key, value, "0 or 1");
  out = on;
  return {};
}

Status parse_execution_mode(std::string_view key, std::string_view value, std::int32_t& out) {
  std::int32_t mode = 0;
  PENSTOCK_RETURN_IF_ERROR(parse_int(key, value, mode));
  if (mode != 0 && mode != 1) {
    return invalid_arg(
        "Invalid configuration value provided. Expected values for execution_mode are 0 or 1 but "
        "got " +
        std::to_string(mode) + " .");
  }
  out = mode;
  return {};
}

// "optimization.graph.level" of a configuration; like Triton, whatever is not -1, 1 or 2 is "all".
int graph_level(std::int32_t level) {
  switch (level) {
    case -1:
      return ort::kBasic;
    case 1:
      return ort::kExtended;
    case 2:
      return ort::kDisableAll;
    default:
      return ort::kEnableAll;
  }
}

Status apply_threads(const ort::Api& api, const OnnxModelOptions& options, bool global_thread_pool,
                     ort::SessionOptions* out) {
  if (global_thread_pool) return api.check(api.disable_per_session_threads(out));
  PENSTOCK_RETURN_IF_ERROR(
      api.check(api.set_intra_op_num_threads(out, options.intra_op_thread_count)));
  PENSTOCK_RETURN_IF_ERROR(
      api.check(api.set_inter_op_num_threads(out, options.inter_op_thread_count)));
  // Idle threads that spin would take the cores of the server itself. A session.* entry of the
  // model's own comes later, and wins.
  for (const char* key : {"session.intra_op.allow_spinning", "session.inter_op.allow_spinning"}) {
    PENSTOCK_RETURN_IF_ERROR(api.check(api.add_session_config_entry(out, key, "0")));
  }
  return {};
}

Status apply_memory(const ort::Api& api, const OnnxModelOptions& options,
                    ort::SessionOptions* out) {
  const auto arena =
      options.enable_mem_arena ? api.enable_cpu_mem_arena : api.disable_cpu_mem_arena;
  PENSTOCK_RETURN_IF_ERROR(api.check(arena(out)));
  const auto pattern =
      options.enable_mem_pattern ? api.enable_mem_pattern : api.disable_mem_pattern;
  return api.check(pattern(out));
}

}  // namespace

Status OnnxModelOptions::set(std::string_view key, std::string_view value) {
  if (key == "optimization.graph.level") return parse_int(key, value, graph_level);
  if (key == "intra_op_thread_count") return parse_count(key, value, intra_op_thread_count);
  if (key == "inter_op_thread_count") return parse_count(key, value, inter_op_thread_count);
  if (key == "execution_mode") return parse_execution_mode(key, value, execution_mode);
  if (key == "enable_mem_arena") return parse_switch(key, value, enable_mem_arena);
  if (key == "enable_mem_pattern") return parse_switch(key, value, enable_mem_pattern);
  if (key == "memory.enable_memory_arena_shrinkage") {
    arena_shrinkage = value;
  } else if (key == "op_library_filename") {
    custom_op_libraries.emplace_back(value);
  } else if (key.substr(0, 8) == "session.") {
    session_config.emplace_back(key, value);
  } else {
    return invalid_arg("unknown ONNX Runtime parameter '" + std::string(key) + "'");
  }
  return {};
}

Status apply_options(const ort::Api& api, const OnnxModelOptions& options, bool global_thread_pool,
                     ort::SessionOptions* out) {
  PENSTOCK_RETURN_IF_ERROR(
      api.check(api.set_graph_optimization_level(out, graph_level(options.graph_level))));
  PENSTOCK_RETURN_IF_ERROR(api.check(api.set_execution_mode(out, options.execution_mode)));
  PENSTOCK_RETURN_IF_ERROR(apply_threads(api, options, global_thread_pool, out));
  PENSTOCK_RETURN_IF_ERROR(apply_memory(api, options, out));
  for (const auto& [key, value] : options.session_config) {
    PENSTOCK_RETURN_IF_ERROR(
        api.check(api.add_session_config_entry(out, key.c_str(), value.c_str())));
  }
  for (const auto& library : options.custom_op_libraries) {
    PENSTOCK_RETURN_IF_ERROR(api.check(api.register_custom_ops_library(out, library.c_str())));
  }
  for (const auto& provider : options.providers) {
    PENSTOCK_RETURN_IF_ERROR(append_provider(api, provider, out));
  }
  return {};
}

}  // namespace penstock
