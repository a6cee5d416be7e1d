// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Outgoing: one HTTP reply, from its parts to the last byte on the socket.
//
// A small reply is one buffer and one send; a large one is a gather-write of the head and of the
// tensors where they lie. Thread safety: none needed. Ownership: a reply borrows the tensors of the
// Response that was encoded into it; that must stay until all is sent. Nothing blocks.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "penstock/codec.h"
#include "penstock/status.h"

namespace penstock::door {

inline constexpr std::string_view kJsonType = "application/json";
inline constexpr std::string_view kBinaryType = "application/octet-stream";

// The HTTP status of a core code (contract 1.0).
[[nodiscard]] int http_status(Code code);

class Outgoing {
 public:
  // A reply without a body.
  void set_empty(int status);
  // {"error":"<message>"}. `fields`: further header lines, each with its CR LF.
  void set_error(int status, std::string_view message, std::string_view fields = {});
  void set_error(const Status& status);
  // What reply() holds, and what compressed() holds of it if `encoding` is not empty.
  void set_inference(std::string_view encoding = {});
  [[nodiscard]] Reply& reply() { return reply_; }
  [[nodiscard]] std::string& compressed() { return body_; }
  [[nodiscard]] bool is_set() const { return status_ != 0; }

  // The connection's part of the head; from now on it can be sent.
  void seal(bool keep_alive, int minor_version);

  enum class Sent : std::uint8_t { kAll, kSome, kFailed };
  // Sends what the socket takes, adds it to `bytes`.
  Sent send(int fd, std::uint64_t& bytes);
  void clear();

 private:
  void add_body(ByteSpan bytes);
  void skip(std::size_t bytes);

  int status_ = 0;
  bool from_reply_ = false;
  std::string_view type_;
  std::string fields_;
  std::string body_;
  Reply reply_;
  std::string text_;  // the head, and the body if that is small
  std::vector<iovec> pieces_;
  std::size_t next_piece_ = 0;
};

// Replies that keep their memory from one request to the next; one loop's.
class OutgoingPool {
 public:
  [[nodiscard]] std::unique_ptr<Outgoing> take();
  void give_back(std::unique_ptr<Outgoing> reply);

 private:
  static constexpr std::size_t kKept = 256;
  std::vector<std::unique_ptr<Outgoing>> idle_;
};

}  // namespace penstock::door
