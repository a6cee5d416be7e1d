// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <dlfcn.h>

#include <charconv>
#include <cstdlib>

#include "backends/ort_api.h"
#include "penstock/native_backends.h"

namespace penstock {
namespace {

// OrtApiBase: the one thing whose layout can never change.
struct ApiBase {
  const void* const* (*get_api)(std::uint32_t version);
  const char* (*get_version_string)();
};

void forward_log(void* param, int severity, const char*, const char*, const char* location,
                 const char* message) {
  const auto& log = *static_cast<const OnnxLog*>(param);
  if (log) log(severity, std::string(message) + " (" + location + ")");
}

Result<const ApiBase*> open_library(const std::string& path) {
  // RTLD_LOCAL: the Python package may have its own copy of the library in this process.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return unavailable("cannot open ONNX Runtime's library '" + path + "': " + dlerror());
  }
  using GetApiBase = const ApiBase* (*)();
  const auto get_base = reinterpret_cast<GetApiBase>(dlsym(library, "OrtGetApiBase"));
  if (get_base == nullptr) {
    dlclose(library);
    return unavailable("'" + path + "' is not ONNX Runtime: it has no function OrtGetApiBase");
  }
  return get_base();
}

// 31 of "1.31.1"; 0 for anything else. The table's version is the release's minor number.
std::uint32_t minor_version(std::string_view text) {
  std::uint32_t minor = 0;
  if (text.substr(0, 2) == "1.") std::from_chars(text.data() + 2, text.data() + text.size(), minor);
  return minor;
}

}  // namespace

struct OnnxRuntime::Impl {
  explicit Impl(const void* const* table) : api(table) {}
  ~Impl() {
    if (env != nullptr) api.release_env(env);
  }
  Status create_env(int severity);
  Status create_env_with_pools(int severity, int intra_op_threads, int inter_op_threads);

  ort::Api api;
  ort::Env* env = nullptr;
  std::string version;
  bool global_thread_pool = false;
  OnnxLog log;  // outlives env, which logs until its end
};

Status OnnxRuntime::Impl::create_env(int severity) {
  return api.check(api.create_env(forward_log, &log, severity, "penstock", &env));
}

Status OnnxRuntime::Impl::create_env_with_pools(int severity, int intra_op_threads,
                                                int inter_op_threads) {
  ort::ThreadingOptions* raw = nullptr;
  PENSTOCK_RETURN_IF_ERROR(api.check(api.create_threading_options(&raw)));
  const ort::Owned<ort::ThreadingOptions> threading(raw, api.release_threading_options);
  PENSTOCK_RETURN_IF_ERROR(api.check(api.set_global_intra_op_num_threads(raw, intra_op_threads)));
  PENSTOCK_RETURN_IF_ERROR(api.check(api.set_global_inter_op_num_threads(raw, inter_op_threads)));
  // Idle threads that spin would take the cores of the server itself.
  PENSTOCK_RETURN_IF_ERROR(api.check(api.set_global_spin_control(raw, 0)));
  return api.check(
      api.create_env_with_global_pools(forward_log, &log, severity, "penstock", raw, &env));
}

OnnxRuntime::OnnxRuntime() = default;
OnnxRuntime::~OnnxRuntime() = default;

Result<std::shared_ptr<OnnxRuntime>> OnnxRuntime::open(OnnxRuntimeOptions options) {
  auto base = open_library(options.library);
  if (!base.ok()) return base.take_status();
  const std::string version = base.value()->get_version_string();
  // Asking for a version that is not there makes the library print to stderr; so look first.
  const std::uint32_t minor = minor_version(version);
  const void* const* table =
      minor >= ort::kApiVersion ? base.value()->get_api(ort::kApiVersion) : nullptr;
  if (table == nullptr) {
    return unsupported("ONNX Runtime " + version + " of '" + options.library + "' is too old: 1." +
                       std::to_string(ort::kApiVersion) + " or later needed");
  }
  std::shared_ptr<OnnxRuntime> runtime(new OnnxRuntime);
  runtime->impl_ = std::make_unique<Impl>(table);
  Impl& impl = *runtime->impl_;
  if (minor >= ort::kHasShapeApiVersion) impl.api.bind_has_shape(table);
  impl.version = version;
  impl.global_thread_pool = options.global_thread_pool;
  impl.log = std::move(options.log);
  const int severity = impl.log ? options.log_severity : 4;
  Status status =
      impl.global_thread_pool
          ? impl.create_env_with_pools(severity, options.intra_op_threads, options.inter_op_threads)
          : impl.create_env(severity);
  if (!status.ok()) return status;
  return runtime;
}

const std::string& OnnxRuntime::version() const { return impl_->version; }
bool OnnxRuntime::global_thread_pool() const { return impl_->global_thread_pool; }
const ort::Api& OnnxRuntime::api() const { return impl_->api; }
ort::Env* OnnxRuntime::env() const { return impl_->env; }

}  // namespace penstock
