// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/h2_session.h"

#include <array>
#include <new>

#include "door/h2_callbacks.h"

namespace penstock::door {
namespace {

// Larger frames than the default of 16 KiB: fewer calls for large tensors, both ways.
constexpr std::uint32_t kMaxFrameBytes = 1 << 20;
// What HPACK counts for a field beside its name and value (RFC 9113, 6.5.2).
constexpr std::size_t kFieldOverhead = 32;

}  // namespace

void H2Stream::reset_stream() {
  id_ = 0;
  queue_.clear();
  opened_ = finished_ = deferred_ = remote_closed_ = reset_ = false;
}

H2Session::H2Session(Role role, H2Events& events, const H2Limits& limits)
    : events_(events), max_header_bytes_(limits.max_header_bytes), server_(role == Role::kServer) {
  const auto create = server_ ? nghttp2_session_server_new2 : nghttp2_session_client_new2;
  if (create(&session_, H2Callbacks::table(), this, H2Callbacks::options()) != 0) {
    throw std::bad_alloc();
  }
  const std::array<nghttp2_settings_entry, 5> settings{{
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window_bytes},
      {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kMaxFrameBytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits.max_header_bytes},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
      server_ ? nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.max_streams}
              : nghttp2_settings_entry{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
  }};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<std::int32_t>(limits.connection_window_bytes));
}

H2Session::~H2Session() { nghttp2_session_del(session_); }

bool H2Session::receive(ByteSpan bytes) {
  if (terminated_) return false;
  const ssize_t taken = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (taken >= 0) return !terminated_;
  if (taken == NGHTTP2_ERR_FLOODED || taken == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS) {
    terminate(H2Error::kEnhanceYourCalm);
  } else {
    terminate(taken == NGHTTP2_ERR_BAD_CLIENT_MAGIC ? H2Error::kProtocol : H2Error::kInternal);
  }
  return false;
}

H2Expected H2Session::expected() {
  H2Expected out;
  if (data_left_ == 0 || terminated_) return out;
  H2Stream* stream = find(data_stream_);
  if (stream == nullptr) return out;
  out.room = events_.room(*stream, out.lease);
  out.stream = data_stream_;
  out.frame_left = data_left_;
  out.frame_bytes = data_repeats_ ? data_bytes_ : 0;
  return out;
}

void H2Session::send(H2Output& output) {
  output_ = &output;
  while (output.pending() < kSendBytes) {
    const std::uint8_t* frame = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &frame);
    if (size < 0) terminated_ = broken_ = true;  // out of memory: nothing more can be said
    if (size <= 0) break;
    output.copy(frame, static_cast<std::size_t>(size));
  }
  output_ = nullptr;
}

bool H2Session::over() const {
  if (broken_) return true;
  return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

bool H2Session::wants_send() const { return !broken_ && nghttp2_session_want_write(session_) != 0; }

// The result is valid until the next call on this thread: scratch of the thread, because an idle
// connection should hold as little as it can.
const std::vector<nghttp2_nv>& H2Session::pairs(std::span<const H2Field> fields) {
  static thread_local std::vector<nghttp2_nv> pairs;
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  pairs.clear();
  for (const H2Field& field : fields) {
    pairs.push_back({bytes(field.name), bytes(field.value), field.name.size(), field.value.size(),
                     NGHTTP2_NV_FLAG_NONE});
  }
  return pairs;
}

void H2Session::respond(H2Stream& stream, std::span<const H2Field> fields, bool end) {
  const auto& nv = pairs(fields);
  nghttp2_data_provider provider{};
  provider.source.ptr = &stream;
  provider.read_callback = H2Callbacks::read;
  stream.opened_ = true;
  nghttp2_submit_response(session_, stream.id_, nv.data(), nv.size(), end ? nullptr : &provider);
}

bool H2Session::request(H2Stream& stream, std::span<const H2Field> fields, bool end) {
  const auto& nv = pairs(fields);
  nghttp2_data_provider provider{};
  provider.source.ptr = &stream;
  provider.read_callback = H2Callbacks::read;
  const std::int32_t id = nghttp2_submit_request(session_, nullptr, nv.data(), nv.size(),
                                                 end ? nullptr : &provider, &stream);
  if (id < 0) return false;
  stream.opened_ = true;
  stream.id_ = id;
  return true;
}

void H2Session::queued(H2Stream& stream, bool last) {
  stream.finished_ = stream.finished_ || last;
  if (!stream.deferred_) return;
  stream.deferred_ = false;
  nghttp2_session_resume_data(session_, stream.id_);
}

void H2Session::send_trailers(H2Stream& stream, std::span<const H2Field> fields) {
  const auto& nv = pairs(fields);
  if (nghttp2_submit_trailer(session_, stream.id_, nv.data(), nv.size()) == 0) {
    *trailers_ |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
  }
}

void H2Session::reset(H2Stream& stream, H2Error error) {
  stream.reset_ = true;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id_,
                            static_cast<std::uint32_t>(error));
}

void H2Session::consume(const H2Stream& stream, std::size_t size) {
  nghttp2_session_consume(session_, stream.id_, size);
}

void H2Session::consume_connection(std::size_t size) {
  nghttp2_session_consume_connection(session_, size);
}

void H2Session::consume_stream(const H2Stream& stream, std::size_t size) {
  nghttp2_session_consume_stream(session_, stream.id_, size);
}

void H2Session::announce_shutdown() { nghttp2_submit_shutdown_notice(session_); }

void H2Session::shut_down() {
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                        nullptr, 0);
}

void H2Session::terminate(H2Error error) {
  if (terminated_) return;
  terminated_ = true;
  nghttp2_session_terminate_session(session_, static_cast<std::uint32_t>(error));
}

void H2Session::ping() { nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr); }

// After a termination nothing more of what was received is looked at.
int H2Session::note(H2Noise noise) {
  if (terminated_) return NGHTTP2_ERR_CALLBACK_FAILURE;
  if (events_.on_noise(noise)) return 0;
  terminate(H2Error::kEnhanceYourCalm);
  return output_ != nullptr ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

// A little too much is answered; twice as much is a bomb.
int H2Session::count_field(std::size_t size) {
  if (terminated_) return NGHTTP2_ERR_CALLBACK_FAILURE;
  const bool was_too_large = header_bytes_ > max_header_bytes_;
  header_bytes_ += size + kFieldOverhead;
  if (header_bytes_ > 2 * std::uint64_t{max_header_bytes_}) {
    terminate(H2Error::kEnhanceYourCalm);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  }
  if (!was_too_large && header_bytes_ > max_header_bytes_ && current_ != nullptr) {
    events_.on_headers_too_large(*current_);
  }
  return 0;
}

H2Stream* H2Session::find(std::int32_t id) const {
  return static_cast<H2Stream*>(nghttp2_session_get_stream_user_data(session_, id));
}

}  // namespace penstock::door
