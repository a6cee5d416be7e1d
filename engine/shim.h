// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What Cython cannot say: Results (no default value), variants, shared_ptr to const, joins.
//
// Thin on purpose: every function is a line or two over the public headers. No Python here.
#pragma once

#include <malloc.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "penstock/backend.h"
#include "penstock/codec.h"
#include "penstock/engine.h"

namespace penstock::binding {

// glibc gives a freed large block back to the system and takes page faults for the next one: more
// than half the cost of a 600 KB request through the Python frontends. A server keeps them.
inline void keep_large_blocks() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
}

template <typename T>
Status take(Result<T> result, T& out) {
  if (!result.ok()) return result.take_status();
  out = std::move(result.value());
  return {};
}

inline std::shared_ptr<Engine> make_engine(std::uint32_t max_requests, std::size_t pooled_bytes,
                                           std::size_t cache_bytes,
                                           const std::vector<RedisOptions>& redis, bool pinned,
                                           bool rate_limited,
                                           const std::vector<ResourceCount>& resources,
                                           bool devices, std::vector<std::string> cuda_libraries,
                                           std::map<std::int32_t, std::uint64_t> device_pools,
                                           bool short_work_first) {
  EngineOptions options;
  options.max_requests = max_requests;
  options.pool.max_cached_bytes = pooled_bytes;
  options.cache_bytes = cache_bytes;
  if (!redis.empty()) options.redis = redis.front();
  options.pinned = pinned;
  options.rate_limited = rate_limited;
  options.resources = resources;
  options.devices = devices;
  options.cuda_libraries = std::move(cuda_libraries);
  options.device_pool_bytes = std::move(device_pools);
  options.short_work_first = short_work_first;
  return std::make_shared<Engine>(options);
}

inline void set_device(ResourceCount& resource, std::int32_t device) { resource.device = device; }

// False: there is none.
inline bool remote_cache_state(const Engine& engine, RemoteCacheState& out) {
  auto state = engine.remote_cache_state();
  if (state) out = std::move(*state);
  return state.has_value();
}

inline int notices_fd(Engine& engine) { return engine.notices().fd(); }

inline std::vector<std::string> take_notices(Engine& engine, std::uint64_t& dropped) {
  return engine.notices().take(dropped);
}

inline Status create_model(Engine& engine, const std::shared_ptr<ModelPlan>& plan,
                           ModelVersionRef& out) {
  return take(engine.create(plan), out);
}

inline Status warm_up(ModelVersion& model, std::uint32_t index,
                      const std::vector<std::vector<WarmUpInput>>& requests) {
  return model.warm_up(index, requests);
}

inline Status find_model(const Engine& engine, const std::string& name, std::int64_t version,
                         ModelVersionRef& out) {
  return take(engine.find(name, version), out);
}

inline int code_of(const Status& status) { return static_cast<int>(status.code()); }
inline Status status_of(int code, std::string message) {
  return {static_cast<Code>(code), std::move(message)};
}

inline int type_of(const TensorView& view) { return static_cast<int>(view.type); }
inline int type_of(const TensorSpec& spec) { return static_cast<int>(spec.type); }
inline void set_type(TensorView& view, int type) { view.type = static_cast<DataType>(type); }
inline void set_type(TensorSpec& spec, int type) { spec.type = static_cast<DataType>(type); }
inline std::size_t size_of_type(int type) { return element_size(static_cast<DataType>(type)); }
inline char* chars(const TensorView& view) {
  return const_cast<char*>(reinterpret_cast<const char*>(view.data));
}
inline char* chars(const BufferLease& lease) { return reinterpret_cast<char*>(lease->data); }
inline void point_at(TensorView& view, const BufferLease& lease, std::size_t size_bytes) {
  view.data = lease->data;
  view.size_bytes = size_bytes;
}
inline bool held(const BufferLease& lease) { return static_cast<bool>(lease); }

inline std::uint64_t failures_of(const ModelStatistics& stats, int reason) {
  return stats.failures[static_cast<std::size_t>(reason)];
}

inline std::vector<std::int64_t> duration_bounds() {
  return {kDurationBoundsNs.begin(), kDurationBoundsNs.end()};
}
inline std::vector<std::uint64_t> success_counts(const ModelStatistics& stats) {
  return {stats.success_counts.begin(), stats.success_counts.end()};
}
inline std::vector<std::uint64_t> queue_counts(const ModelStatistics& stats) {
  return {stats.queue_counts.begin(), stats.queue_counts.end()};
}
inline LatencySummary summary_of(const ModelVersion& model, int latency,
                                 const std::vector<double>& quantiles) {
  return model.summary(static_cast<Latency>(latency), quantiles);
}

inline void set_reshape(TensorSpec& spec, const Shape& shape) { spec.reshape = shape; }

inline void set_bool(Parameter& p, bool v) { p.value = v; }
inline void set_int(Parameter& p, std::int64_t v) { p.value = v; }
inline void set_double(Parameter& p, double v) { p.value = v; }
inline void set_string(Parameter& p, std::string v) { p.value = std::move(v); }
// 0 bool, 1 int64, 2 uint64, 3 double, 4 string
inline int kind_of(const Parameter& p) { return static_cast<int>(p.value.index()); }
inline bool bool_of(const Parameter& p) { return std::get<bool>(p.value); }
inline std::int64_t int_of(const Parameter& p) { return std::get<std::int64_t>(p.value); }
inline std::uint64_t uint_of(const Parameter& p) { return std::get<std::uint64_t>(p.value); }
inline double double_of(const Parameter& p) { return std::get<double>(p.value); }
inline const std::string& string_of(const Parameter& p) { return std::get<std::string>(p.value); }

inline void add_parameter(Request& request, const Parameter& parameter) {
  request.response.parameters.append() = parameter;
}

inline void append_parameter(Request& request, const Parameter& parameter) {
  request.parameters.append() = parameter;
}

inline void join(const Reply& reply, char* to) {
  for (const auto& segment : reply.segments) {
    if (!segment.empty()) std::memcpy(to, segment.data(), segment.size());
    to += segment.size();
  }
}

inline ByteSpan span_of(const BufferLease& lease) { return {lease->data, lease->size_bytes}; }

inline Status decode_http(HttpCodec& codec, bool has_json_bytes, std::uint64_t json_bytes,
                          const BufferLease& owner, Request& request, bool stream) {
  return codec.decode(span_of(owner),
                      has_json_bytes ? std::optional<std::uint64_t>(json_bytes) : std::nullopt,
                      owner, request, stream ? Answers::kMany : Answers::kOne);
}

// Reads the target of a gRPC message and binds it.
inline Status bind_grpc(GrpcCodec& codec, Engine& engine, const BufferLease& owner,
                        Request& request) {
  GrpcCodec::Target target;
  PENSTOCK_RETURN_IF_ERROR(codec.peek(span_of(owner), target));
  std::int64_t version = -1;
  PENSTOCK_RETURN_IF_ERROR(take(parse_version(target.version), version));
  return engine.bind(request, target.model, version);
}

inline Status decode_grpc(GrpcCodec& codec, const BufferLease& owner, Request& request,
                          bool stream) {
  return codec.decode(span_of(owner), owner, request, stream ? Answers::kMany : Answers::kOne);
}

inline Status header_length(const std::string& value, std::uint64_t content_length,
                            std::uint64_t& out) {
  return take(parse_header_length(value, content_length), out);
}

inline Status deadline_of(const std::string& text, Request& request) {
  return take(parse_deadline_ms(text), request.deadline_ms);
}

inline Status version_of(const std::string& text, std::int64_t& out) {
  return take(parse_version(text), out);
}

inline std::unique_ptr<HttpCodec> make_http_codec(Engine& engine, std::uint64_t max_input_bytes) {
  CodecLimits limits;
  limits.max_input_bytes = max_input_bytes;
  return std::make_unique<HttpCodec>(engine.pool(), limits, &engine.regions());
}

inline std::unique_ptr<GrpcCodec> make_grpc_codec(Engine& engine) {
  return std::make_unique<GrpcCodec>(engine.pool(), CodecLimits{}, &engine.regions());
}

inline void defer(Batch& batch, std::size_t index, Responder& out) { out = batch.defer(index); }
// Unfinished, it answers that the model forgot its final response.
inline void drop(Responder& responder) { Responder gone(std::move(responder)); }
inline Status begin_response(Responder& responder, Response*& out) {
  return take(responder.begin(), out);
}
inline void fail_response(Response& response, int code, std::string message) {
  response.status = status_of(code, std::move(message));
}
inline void add_parameter_to(Response& response, const Parameter& parameter) {
  response.parameters.append() = parameter;
}

// Of a request without a time-out of its own: what is left of its deadline, 0 when it has neither.
inline std::uint64_t time_left_us(const Request& request, const Clock& clock) {
  if (request.timeout_us > 0 || request.deadline_ns == kNoDeadline) return request.timeout_us;
  const std::int64_t left_us = (request.deadline_ns - clock.now_ns()) / 1000;
  return static_cast<std::uint64_t>(left_us > 1 ? left_us : 1);
}
inline bool given_up(const Responder& responder, const Clock& clock) {
  return responder.finished() || responder.request().given_up(clock.now_ns());
}

inline std::int64_t after_us(std::int64_t now_ns, std::uint64_t us) {
  constexpr std::uint64_t kMaxUs = INT64_MAX / 4000;
  return now_ns + static_cast<std::int64_t>(us < kMaxUs ? us * 1000 : kMaxUs * 1000);
}

}  // namespace penstock::binding
