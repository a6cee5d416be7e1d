// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/h2_session.h"

#include <algorithm>
#include <array>
#include <new>

namespace penstock::door {
namespace {

// Larger frames than the default of 16 KiB: fewer calls for large tensors, both ways.
constexpr std::uint32_t kMaxFrameBytes = 1 << 20;
constexpr std::size_t kMaxSentFrameBytes = 256 << 10;
// What HPACK counts for a field beside its name and value (RFC 9113, 6.5.2).
constexpr std::size_t kFieldOverhead = 32;
constexpr std::size_t kMaxContinuations = 8;

std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

void H2Stream::reset_stream() {
  id_ = 0;
  queue_.clear();
  opened_ = finished_ = deferred_ = remote_closed_ = reset_ = false;
}

// What nghttp2 calls, as H2Events.
struct H2Callbacks {
  static H2Session& self(void* user) { return *static_cast<H2Session*>(user); }

  static int begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    H2Session& s = self(user);
    s.header_bytes_ = 0;
    s.current_ = s.find(frame->hd.stream_id);
    if (!s.server_ || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    H2Stream* stream = s.events_.on_opened();
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    stream->id_ = frame->hd.stream_id;
    nghttp2_session_set_stream_user_data(session, stream->id_, stream);
    s.current_ = stream;
    return 0;
  }

  // Frames that nghttp2 skips without a word: PRIORITY (we said that we have none), unknown kinds.
  static int begin_frame(nghttp2_session*, const nghttp2_frame_hd* hd, void* user) {
    const bool skipped = hd->type == NGHTTP2_PRIORITY || hd->type > NGHTTP2_CONTINUATION;
    return skipped ? self(user).note(H2Noise::kFrame) : 0;
  }

  static int header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name,
                    std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                    std::uint8_t, void* user) {
    H2Session& s = self(user);
    if (int rc = s.count_field(name_size + value_size); rc != 0) return rc;
    if (s.current_ == nullptr || s.header_bytes_ > s.max_header_bytes_) return 0;
    s.events_.on_field(*s.current_, text_of(name, name_size), text_of(value, value_size));
    return 0;
  }

  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    H2Session& s = self(user);
    const auto& hd = frame->hd;
    switch (hd.type) {
      case NGHTTP2_HEADERS:
        if (H2Stream* stream = s.current_) {
          const bool trailers = frame->headers.cat == NGHTTP2_HCAT_HEADERS;
          const bool end = (hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
          s.events_.on_headers(*stream, trailers, end);
          if (end) ended(s, hd.stream_id);
        }
        return 0;
      case NGHTTP2_DATA:
        if ((hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) return ended(s, hd.stream_id);
        return hd.length == 0 ? s.note(H2Noise::kFrame) : 0;
      case NGHTTP2_RST_STREAM:
        return s.find(hd.stream_id) != nullptr ? s.note(H2Noise::kReset) : 0;
      case NGHTTP2_PING:
        if ((hd.flags & NGHTTP2_FLAG_ACK) == 0) return s.note(H2Noise::kPing);
        s.events_.on_ping_answered();
        return 0;
      case NGHTTP2_GOAWAY:
        s.events_.on_goaway();
        return 0;
      case NGHTTP2_SETTINGS:
        return (hd.flags & NGHTTP2_FLAG_ACK) == 0 ? s.note(H2Noise::kFrame) : 0;
      default:
        return s.note(H2Noise::kFrame);
    }
  }

  static int ended(H2Session& s, std::int32_t id) {
    if (H2Stream* stream = s.find(id)) {
      stream->remote_closed_ = true;
      s.events_.on_end(*stream);
    }
    return 0;
  }

  static int data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                  std::size_t size, void* user) {
    H2Session& s = self(user);
    if (H2Stream* stream = s.find(id)) {
      s.events_.on_data(*stream, {reinterpret_cast<const std::byte*>(data), size});
    } else {
      s.consume_connection(size);
    }
    return 0;
  }

  static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    H2Session& s = self(user);
    const auto& hd = frame->hd;
    if (hd.type == NGHTTP2_RST_STREAM) {
      const H2Stream* stream = s.find(hd.stream_id);
      const bool own = stream != nullptr && stream->reset_;
      return own ? 0 : s.note(H2Noise::kReset);
    }
    if (hd.type != NGHTTP2_HEADERS && hd.type != NGHTTP2_DATA) return 0;
    s.events_.on_frame_sent();
    if (s.server_ && (hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      // An answer before the end of the question: the rest of it is not wanted.
      H2Stream* stream = s.find(hd.stream_id);
      if (stream != nullptr && !stream->remote_closed_) s.reset(*stream, H2Error::kNone);
    }
    return 0;
  }

  static int closed(nghttp2_session* session, std::int32_t id, std::uint32_t error, void* user) {
    H2Session& s = self(user);
    H2Stream* stream = s.find(id);
    if (stream == nullptr) return 0;
    nghttp2_session_set_stream_user_data(session, id, nullptr);
    if (s.current_ == stream) s.current_ = nullptr;
    s.events_.on_closed(*stream, static_cast<H2Error>(error));
    return 0;
  }

  static ssize_t frame_size(nghttp2_session*, std::uint8_t, std::int32_t, std::int32_t,
                            std::int32_t, std::uint32_t remote_max, void*) {
    return static_cast<ssize_t>(std::min<std::size_t>(remote_max, kMaxSentFrameBytes));
  }

  static ssize_t read(nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t length,
                      std::uint32_t* flags, nghttp2_data_source* source, void* user) {
    H2Session& s = self(user);
    auto& stream = *static_cast<H2Stream*>(source->ptr);
    const std::size_t ready = stream.queue_.size_bytes();
    if (ready == 0 && !stream.finished_) {
      stream.deferred_ = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (ready > length) return static_cast<ssize_t>(length);
    if (stream.finished_) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      s.trailers_ = flags;
      s.events_.on_last_data(stream);
      s.trailers_ = nullptr;
    }
    return static_cast<ssize_t>(ready);
  }

  static int send_data(nghttp2_session*, nghttp2_frame*, const std::uint8_t* frame_head,
                       std::size_t length, nghttp2_data_source* source, void* user) {
    H2Session& s = self(user);
    auto& stream = *static_cast<H2Stream*>(source->ptr);
    constexpr std::size_t kFrameHeadBytes = 9;
    s.output_->copy(frame_head, kFrameHeadBytes);
    stream.queue_.move_to(*s.output_, length);
    s.events_.on_sent(stream);
    return 0;
  }

  static nghttp2_session_callbacks* table() {
    static nghttp2_session_callbacks* const callbacks = [] {
      nghttp2_session_callbacks* made = nullptr;
      if (nghttp2_session_callbacks_new(&made) != 0) throw std::bad_alloc();
      nghttp2_session_callbacks_set_on_begin_frame_callback(made, begin_frame);
      nghttp2_session_callbacks_set_on_begin_headers_callback(made, begin_headers);
      nghttp2_session_callbacks_set_on_header_callback(made, header);
      nghttp2_session_callbacks_set_on_frame_recv_callback(made, frame_received);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, data);
      nghttp2_session_callbacks_set_on_frame_send_callback(made, frame_sent);
      nghttp2_session_callbacks_set_on_stream_close_callback(made, closed);
      nghttp2_session_callbacks_set_data_source_read_length_callback(made, frame_size);
      nghttp2_session_callbacks_set_send_data_callback(made, send_data);
      return made;
    }();
    return callbacks;
  }

  static nghttp2_option* options() {
    static nghttp2_option* const options = [] {
      nghttp2_option* made = nullptr;
      if (nghttp2_option_new(&made) != 0) throw std::bad_alloc();
      nghttp2_option_set_no_auto_window_update(made, 1);
      nghttp2_option_set_no_closed_streams(made, 1);
      nghttp2_option_set_max_continuations(made, kMaxContinuations);
      // H2Guard counts resets, with the answer that the protocol has for them.
      nghttp2_option_set_stream_reset_rate_limit(made, UINT32_MAX, UINT32_MAX);
      return made;
    }();
    return options;
  }
};

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

void H2Session::send(H2Output& output) {
  output_ = &output;
  while (output.pending() < kSendBytes) {
    const std::uint8_t* frame = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &frame);
    if (size < 0) terminated_ = true;
    if (size <= 0) break;
    output.copy(frame, static_cast<std::size_t>(size));
  }
  output_ = nullptr;
}

bool H2Session::over() const {
  return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

bool H2Session::wants_send() const { return nghttp2_session_want_write(session_) != 0; }

const std::vector<nghttp2_nv>& H2Session::pairs(std::span<const H2Field> fields) {
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  pairs_.clear();
  for (const H2Field& field : fields) {
    pairs_.push_back({bytes(field.name), bytes(field.value), field.name.size(), field.value.size(),
                      NGHTTP2_NV_FLAG_NONE});
  }
  return pairs_;
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
