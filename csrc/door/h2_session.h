// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// H2Session: HTTP/2 framing, header compression and flow control (nghttp2), sans I/O.
//
// Bytes that came go in by receive(), frames to send come out by send(); in between, H2Events is
// told what happens to which H2Stream. Both roles: a server's session and a client's. Thread
// safety: none, one loop's. Ownership: streams belong to the H2Events, which may forget one from
// on_closed() on. Nothing blocks. No event may destroy the session.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "door/h2_fields.h"
#include "door/h2_landing.h"
#include "door/h2_output.h"

namespace penstock::door {

enum class H2Error : std::uint32_t {
  kNone = 0,
  kProtocol = 1,
  kInternal = 2,
  kRefusedStream = 7,
  kCancel = 8,
  kEnhanceYourCalm = 11,
};

// One stream: what it still has to send.
class H2Stream {
 public:
  [[nodiscard]] std::int32_t id() const { return id_; }
  [[nodiscard]] H2SendQueue& queue() { return queue_; }
  // Is the peer's half closed?
  [[nodiscard]] bool remote_closed() const { return remote_closed_; }

 protected:
  H2Stream() = default;
  ~H2Stream() = default;
  void reset_stream();

 private:
  friend class H2Session;
  friend struct H2Callbacks;
  std::int32_t id_ = 0;
  H2SendQueue queue_;
  bool opened_ = false;    // our HEADERS are submitted
  bool finished_ = false;  // nothing will be added to the queue
  bool deferred_ = false;  // nghttp2 waits for us to have data
  bool remote_closed_ = false;
  bool reset_ = false;  // we have sent RST_STREAM
};

// What a peer may do that costs us: see h2_guard.h.
enum class H2Noise : std::uint8_t { kReset, kFrame, kPing };

class H2Events {
 public:
  virtual ~H2Events() = default;
  // Server: a request begins. nullptr refuses the stream.
  virtual H2Stream* on_opened() = 0;
  // One field of a header block; pseudo fields first.
  virtual void on_field(H2Stream& stream, std::string_view name, std::string_view value) = 0;
  // The block has passed H2Limits::max_header_bytes; its further fields are dropped.
  virtual void on_headers_too_large(H2Stream&) {}
  // The block is complete. `trailers`: it came behind DATA; `end`: on_end() follows.
  virtual void on_headers(H2Stream& stream, bool trailers, bool end) = 0;
  virtual void on_data(H2Stream& stream, ByteSpan bytes) = 0;
  // Where the next bytes of on_data() are wanted; `lease` is to keep that. Empty: anywhere.
  virtual std::span<std::byte> room(H2Stream&, BufferLease&) { return {}; }
  // The peer's half is closed; after the last on_headers or on_data.
  virtual void on_end(H2Stream& stream) = 0;
  // Bytes of the queue are on their way; also called when there were none left to send.
  virtual void on_sent(H2Stream&) {}
  // The queue of a finished stream has run dry: send_trailers() now, or it just ends.
  virtual void on_last_data(H2Stream&) {}
  // The stream is gone.
  virtual void on_closed(H2Stream& stream, H2Error error) = 0;
  // False ends the connection with ENHANCE_YOUR_CALM.
  virtual bool on_noise(H2Noise) { return true; }
  virtual void on_ping_answered() {}
  // The peer takes no new streams on this connection.
  virtual void on_goaway() {}
  // DATA or HEADERS went out.
  virtual void on_frame_sent() {}
};

struct H2Limits {
  std::uint32_t max_streams = 256;
  std::uint32_t stream_window_bytes = 64 << 20;
  std::uint32_t connection_window_bytes = 256 << 20;
  std::uint32_t max_header_bytes = 16384;
};

class H2Session {
 public:
  enum class Role : std::uint8_t { kServer, kClient };
  H2Session(Role role, H2Events& events, const H2Limits& limits);
  ~H2Session();
  H2Session(const H2Session&) = delete;
  H2Session& operator=(const H2Session&) = delete;

  // False: the connection has broken the protocol; send what send() still gives, then close.
  bool receive(ByteSpan bytes);
  // What receive() will be given next: bytes that were read to where they belong are not copied.
  [[nodiscard]] H2Expected expected();
  // Adds frames until there is nothing to say or `output` holds enough for one write.
  void send(H2Output& output);
  // Nothing more will come and nothing is to be sent.
  [[nodiscard]] bool over() const;
  [[nodiscard]] bool wants_send() const;

  // Server: HEADERS of the response; the body is the queue, unless `end`.
  void respond(H2Stream& stream, std::span<const H2Field> fields, bool end);
  // Client: opens a stream. False: the connection takes no more.
  bool request(H2Stream& stream, std::span<const H2Field> fields, bool end);
  // There is something new in the queue; `last`: and nothing will follow.
  void queued(H2Stream& stream, bool last);
  // From within on_last_data().
  void send_trailers(H2Stream& stream, std::span<const H2Field> fields);
  void reset(H2Stream& stream, H2Error error);
  // Bytes of on_data() are dealt with: the peer may send as many again.
  void consume(const H2Stream& stream, std::size_t size);
  void consume_connection(std::size_t size);
  void consume_stream(const H2Stream& stream, std::size_t size);
  // Announces the end: first without, then with the number of the last stream that was taken.
  void announce_shutdown();
  void shut_down();
  // GOAWAY, and nothing is read any more.
  void terminate(H2Error error);
  void ping();
  [[nodiscard]] bool terminated() const { return terminated_; }

 private:
  friend struct H2Callbacks;
  static constexpr std::size_t kSendBytes = std::size_t{1} << 20;  // for one write
  [[nodiscard]] int note(H2Noise noise);
  [[nodiscard]] int count_field(std::size_t size);
  static const std::vector<nghttp2_nv>& pairs(std::span<const H2Field> fields);
  [[nodiscard]] H2Stream* find(std::int32_t id) const;

  H2Events& events_;
  nghttp2_session* session_ = nullptr;
  H2Output* output_ = nullptr;         // during send()
  H2Stream* current_ = nullptr;        // whose header block is being read
  std::uint32_t* trailers_ = nullptr;  // during on_last_data(): nghttp2's flags
  std::uint32_t max_header_bytes_;
  std::uint64_t header_bytes_ = 0;  // of the current block
  std::int32_t data_stream_ = 0;    // of the last DATA frame, if it has no padding
  std::size_t data_bytes_ = 0;      // of its payload
  std::size_t data_left_ = 0;       // of these: still to come
  bool data_repeats_ = false;       // the one before was of the same stream and size
  bool terminated_ = false;
  bool broken_ = false;
  const bool server_;
};

}  // namespace penstock::door
