// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "load/grpc_connection.h"

#include <algorithm>
#include <charconv>
#include <new>
#include <stdexcept>

namespace penstock::load {
namespace {

constexpr std::int32_t kStreamWindow = 64 << 20;
constexpr std::uint32_t kFrameBytes = 4 << 20;  // as gRPC's own clients say
constexpr std::int32_t kConnectionWindow = 256 << 20;
// Frames are asked of nghttp2 only while less than this is copied and unsent.
constexpr std::size_t kMostCopied = 256 * 1024;
// Shorter data is cheaper to copy than to refer to.
constexpr std::size_t kShortData = 2048;

std::uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
}

std::string_view text_of(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

int status_of(std::string_view text) {
  int value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : -1;
}

void require(int result) {
  if (result == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
  if (result < 0) throw std::runtime_error(nghttp2_strerror(result));
}

}  // namespace

// ---------------------------------------------------------------- GrpcRequest

GrpcRequest::GrpcRequest(const Options& options, const std::string& authority)
    : options_(options), authority_(authority) {
  add_message(*options.body);
  for (const auto& message : options.more_messages) add_message(message);
  add(":method", "POST");
  add(":scheme", "http");
  add(":path", options_.path);
  add(":authority", authority_);
  add("content-type", "application/grpc");
  add("te", "trailers");
  for (const auto& [name, value] : options_.headers) add(name, value);
}

void GrpcRequest::add_message(std::string_view message) {
  std::string& framed = messages_.emplace_back(1, '\0');  // not compressed
  for (int shift = 24; shift >= 0; shift -= 8) {
    framed.push_back(static_cast<char>(message.size() >> shift));
  }
  framed += message;
}

void GrpcRequest::add(std::string_view name, std::string_view value) {
  fields_.push_back({bytes_of(name), bytes_of(value), name.size(), value.size(),
                     NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE});
}

// ---------------------------------------------------------------- GrpcConnection

GrpcConnection::GrpcConnection(LoopState& state, const GrpcRequest& request, unsigned number)
    : Connection(state), request_(request) {
  const auto& messages = request.messages();
  for (unsigned i = 0; i < state.options.streams; ++i) {
    const std::size_t stream = std::size_t{number} * state.options.streams + i;
    calls_.push_back(
        std::make_unique<Call>(*this, state.options, messages[stream % messages.size()]));
    free_.push_back(calls_.back().get());
  }
}

nghttp2_session_callbacks* GrpcConnection::callbacks() {
  static nghttp2_session_callbacks* const made = [] {
    nghttp2_session_callbacks* table = nullptr;
    require(nghttp2_session_callbacks_new(&table));
    nghttp2_session_callbacks_set_on_header_callback(
        table, [](nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
                  std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                  std::uint8_t, void*) {
          void* call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
          if (call == nullptr) return 0;
          auto& known = *static_cast<Call*>(call);
          known.owner.on_field(known, text_of(name, name_size), text_of(value, value_size));
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        table, [](nghttp2_session* session, std::uint8_t, std::int32_t stream,
                  const std::uint8_t* data, std::size_t size, void*) {
          void* call = nghttp2_session_get_stream_user_data(session, stream);
          if (call != nullptr) static_cast<Call*>(call)->reply.add(text_of(data, size));
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        table, [](nghttp2_session* session, std::int32_t stream, std::uint32_t error, void*) {
          void* call = nghttp2_session_get_stream_user_data(session, stream);
          if (call == nullptr) return 0;
          static_cast<Call*>(call)->owner.on_closed(*static_cast<Call*>(call), error);
          return 0;
        });
    nghttp2_session_callbacks_set_send_data_callback(
        table, [](nghttp2_session*, nghttp2_frame*, const std::uint8_t* head, std::size_t size,
                  nghttp2_data_source* source, void*) {
          auto& call = *static_cast<Call*>(source->ptr);
          return call.owner.send_message(call, text_of(head, 9), size);
        });
    // Frames as large as the server takes them, as gRPC's own clients send them.
    nghttp2_session_callbacks_set_data_source_read_length_callback(
        table, [](nghttp2_session*, std::uint8_t, std::int32_t, std::int32_t connection_window,
                  std::int32_t stream_window, std::uint32_t most, void*) {
          return std::min({static_cast<ssize_t>(most), static_cast<ssize_t>(connection_window),
                           static_cast<ssize_t>(stream_window)});
        });
    return table;
  }();
  return made;
}

void GrpcConnection::opened() {
  output_.clear();
  nghttp2_session* session = nullptr;
  require(nghttp2_session_client_new(&session, callbacks(), this));
  session_.reset(session);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
      {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kFrameBytes},
  };
  require(nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, std::size(settings)));
  require(nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kConnectionWindow));
}

void GrpcConnection::submit(std::int64_t due_ns) {
  if (state_.options.cancelled_share > 0) cancel_some(now_ns());
  Call& call = *free_.back();
  free_.pop_back();
  call.reply.begin();
  call.due_ns = due_ns;
  const auto& messages = request_.messages();
  if (state_.options.mix == Mix::kRandom && messages.size() > 1) {
    call.message = messages[state_.random() % messages.size()];
  }
  call.sent = 0;
  call.http_status = 0;
  call.grpc_status = -1;
  call.grpc_message.clear();
  call.ended = false;
  nghttp2_data_provider provider;
  provider.source.ptr = &call;
  provider.read_callback = [](nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t most,
                              std::uint32_t* flags, nghttp2_data_source* source, void*) -> ssize_t {
    auto& sending = *static_cast<Call*>(source->ptr);
    return sending.owner.read_message(sending, most, flags);
  };
  const auto& fields = request_.fields();
  call.stream = nghttp2_submit_request(session_.get(), nullptr, fields.data(), fields.size(),
                                       &provider, &call);
  require(call.stream);
}

void GrpcConnection::cancel_some(std::int64_t now) {
  const double luck = std::uniform_real_distribution<double>()(state_.random);
  if (luck >= state_.options.cancelled_share) return;
  Call& call = *calls_[state_.random() % calls_.size()];
  if (call.ended || call.stream < 0) return;
  end(call, Outcome::kCancelled, {}, now);
  require(
      nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, call.stream, NGHTTP2_CANCEL));
}

ssize_t GrpcConnection::read_message(Call& call, std::size_t most, std::uint32_t* flags) {
  const std::size_t part = std::min(most, call.message.size() - call.sent);
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (call.sent + part == call.message.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(part);
}

int GrpcConnection::send_message(Call& call, std::string_view frame_head, std::size_t size) {
  const std::string_view part = call.message.substr(call.sent, size);
  output_.append(frame_head);
  if (part.size() < kShortData) {
    output_.append(part);
  } else {
    output_.append_reference(part);
  }
  call.sent += size;
  return 0;
}

std::size_t GrpcConnection::gather(iovec* spans, std::size_t most) {
  while (output_.copied_bytes() < kMostCopied) {
    const std::uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_.get(), &data);
    require(static_cast<int>(size));
    if (size == 0) break;
    output_.append(text_of(data, static_cast<std::size_t>(size)));
  }
  return output_.gather(spans, most);
}

bool GrpcConnection::receive(std::string_view bytes, std::int64_t now) {
  now_ = now;
  const ssize_t taken = nghttp2_session_mem_recv(session_.get(), bytes_of(bytes), bytes.size());
  if (taken < 0) {
    problem_ = nghttp2_strerror(static_cast<int>(taken));
    return false;
  }
  return true;
}

void GrpcConnection::on_field(Call& call, std::string_view name, std::string_view value) {
  if (name == ":status") {
    call.http_status = status_of(value);
  } else if (name == "grpc-status") {
    call.grpc_status = status_of(value);
  } else if (name == "grpc-message" && call.grpc_status != 0) {
    call.grpc_message = value.substr(0, 200);
  }
}

void GrpcConnection::on_closed(Call& call, std::uint32_t error) {
  if (error != NGHTTP2_NO_ERROR) {
    end(call, Outcome::kClosed, std::string("stream: ") + nghttp2_http2_strerror(error), now_);
  } else if (call.http_status != 200) {
    end(call, Outcome::kStatus, "HTTP " + std::to_string(call.http_status), now_);
  } else if (call.grpc_status < 0) {
    end(call, Outcome::kMalformed, "no grpc-status", now_);
  } else if (call.grpc_status != 0) {
    const std::string number = std::to_string(call.grpc_status);
    end(call, Outcome::kStatus, "gRPC " + number + ", " + call.grpc_message, now_);
  } else if (call.reply.problem() != nullptr) {
    end(call, Outcome::kMalformed, call.reply.problem(), now_);
  } else if (!call.reply.matches()) {
    end(call, Outcome::kWrong, "a message other than the expected one", now_);
  } else {
    end(call, Outcome::kOk, {}, now_);
  }
  call.stream = -1;
  free_.push_back(&call);
}

void GrpcConnection::end(Call& call, Outcome outcome, std::string_view why, std::int64_t now) {
  if (call.ended) return;
  call.ended = true;
  --state_.in_flight;
  state_.ended(call.due_ns, now, outcome, why);
}

bool GrpcConnection::has_free_stream() const {
  return !free_.empty() && nghttp2_session_check_request_allowed(session_.get()) != 0;
}

// nghttp2 reads no more when all calls have ended after a GOAWAY, or when it has ended the session
// itself because of what the server sent: only then there are calls left.
Outcome GrpcConnection::end_seen() const {
  return nghttp2_session_want_read(session_.get()) != 0 ? Outcome::kOk : Outcome::kMalformed;
}

void GrpcConnection::abandon(Outcome outcome, std::string_view why, std::int64_t now) {
  free_.clear();
  for (const auto& call : calls_) {
    end(*call, outcome, why, now);
    call->stream = -1;
    free_.push_back(call.get());
  }
}

bool GrpcConnection::expire(std::int64_t limit, std::int64_t now) {
  for (const auto& call : calls_) {
    if (call->ended || call->due_ns >= limit) continue;
    end(*call, Outcome::kTimeout, "no reply in time", now);
    require(
        nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL));
  }
  return true;
}

}  // namespace penstock::load
