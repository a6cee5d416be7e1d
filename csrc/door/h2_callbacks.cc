// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/h2_callbacks.h"

#include <algorithm>
#include <new>

namespace penstock::door {
namespace {

constexpr std::size_t kSmallFrameBytes = 16384;  // every peer takes these
constexpr std::size_t kMaxSentFrameBytes = 256 << 10;
constexpr std::size_t kMaxContinuations = 8;

std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

H2Session& H2Callbacks::self(void* user) { return *static_cast<H2Session*>(user); }

int H2Callbacks::begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
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

int H2Callbacks::begin_frame(nghttp2_session*, const nghttp2_frame_hd* hd, void* user) {
  H2Session& s = self(user);
  s.data_left_ = 0;
  if (hd->type == NGHTTP2_DATA) begin_data(s, *hd);
  // What nghttp2 skips without a word: PRIORITY (we said that we have none), unknown kinds.
  const bool skipped = hd->type == NGHTTP2_PRIORITY || hd->type > NGHTTP2_CONTINUATION;
  return skipped ? s.note(H2Noise::kFrame) : 0;
}

// That there is one makes nghttp2 show us the frames of unknown kinds at all.
int H2Callbacks::unpack_extension(nghttp2_session*, void**, const nghttp2_frame_hd*, void*) {
  return NGHTTP2_ERR_CANCEL;
}

void H2Callbacks::begin_data(H2Session& s, const nghttp2_frame_hd& hd) {
  const bool padded = (hd.flags & NGHTTP2_FLAG_PADDED) != 0;
  const std::int32_t stream = padded ? 0 : hd.stream_id;
  s.data_repeats_ = stream == s.data_stream_ && hd.length == s.data_bytes_;
  s.data_stream_ = stream;
  s.data_bytes_ = hd.length;
  s.data_left_ = padded ? 0 : hd.length;
}

int H2Callbacks::header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name,
                        std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                        std::uint8_t, void* user) {
  H2Session& s = self(user);
  if (int rc = s.count_field(name_size + value_size); rc != 0) return rc;
  if (s.current_ == nullptr || s.header_bytes_ > s.max_header_bytes_) return 0;
  s.events_.on_field(*s.current_, text_of(name, name_size), text_of(value, value_size));
  return 0;
}

int H2Callbacks::frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user) {
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

int H2Callbacks::ended(H2Session& s, std::int32_t id) {
  if (H2Stream* stream = s.find(id)) {
    stream->remote_closed_ = true;
    s.events_.on_end(*stream);
  }
  return 0;
}

int H2Callbacks::data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                      std::size_t size, void* user) {
  H2Session& s = self(user);
  s.data_left_ -= std::min(size, s.data_left_);
  if (H2Stream* stream = s.find(id)) {
    s.events_.on_data(*stream, {reinterpret_cast<const std::byte*>(data), size});
  } else {
    s.consume_connection(size);
  }
  return 0;
}

int H2Callbacks::frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
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

int H2Callbacks::closed(nghttp2_session* session, std::int32_t id, std::uint32_t error,
                        void* user) {
  H2Session& s = self(user);
  H2Stream* stream = s.find(id);
  if (stream == nullptr) return 0;
  nghttp2_session_set_stream_user_data(session, id, nullptr);
  if (s.current_ == stream) s.current_ = nullptr;
  s.events_.on_closed(*stream, static_cast<H2Error>(error));
  return 0;
}

// nghttp2 enlarges the connection's buffer to the size that is named here, for good, and even
// though the payload never goes through it: so no more is named than there is to send.
ssize_t H2Callbacks::frame_size(nghttp2_session*, std::uint8_t, std::int32_t stream_id,
                                std::int32_t, std::int32_t, std::uint32_t remote_max, void* user) {
  H2Stream* stream = self(user).find(stream_id);
  const std::size_t ready = stream == nullptr ? 0 : stream->queue_.size_bytes();
  const std::size_t wanted = std::clamp<std::size_t>(ready, kSmallFrameBytes, kMaxSentFrameBytes);
  return static_cast<ssize_t>(std::min<std::size_t>(remote_max, wanted));
}

ssize_t H2Callbacks::read(nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t length,
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

int H2Callbacks::send_data(nghttp2_session*, nghttp2_frame*, const std::uint8_t* frame_head,
                           std::size_t length, nghttp2_data_source* source, void* user) {
  H2Session& s = self(user);
  auto& stream = *static_cast<H2Stream*>(source->ptr);
  constexpr std::size_t kFrameHeadBytes = 9;
  s.output_->copy(frame_head, kFrameHeadBytes);
  stream.queue_.move_to(*s.output_, length);
  s.events_.on_sent(stream);
  return 0;
}

nghttp2_session_callbacks* H2Callbacks::table() {
  static nghttp2_session_callbacks* const callbacks = [] {
    nghttp2_session_callbacks* made = nullptr;
    if (nghttp2_session_callbacks_new(&made) != 0) throw std::bad_alloc();
    nghttp2_session_callbacks_set_on_begin_frame_callback(made, begin_frame);
    nghttp2_session_callbacks_set_unpack_extension_callback(made, unpack_extension);
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

nghttp2_option* H2Callbacks::options() {
  static nghttp2_option* const options = [] {
    nghttp2_option* made = nullptr;
    if (nghttp2_option_new(&made) != 0) throw std::bad_alloc();
    nghttp2_option_set_no_auto_window_update(made, 1);
    nghttp2_option_set_no_closed_streams(made, 1);
    for (int type = NGHTTP2_CONTINUATION + 1; type <= UINT8_MAX; ++type) {
      nghttp2_option_set_user_recv_extension_type(made, static_cast<std::uint8_t>(type));
    }
    nghttp2_option_set_max_continuations(made, kMaxContinuations);
    // H2Guard counts resets, with the answer that the protocol has for them.
    nghttp2_option_set_stream_reset_rate_limit(made, UINT32_MAX, UINT32_MAX);
    return made;
  }();
  return options;
}

}  // namespace penstock::door
