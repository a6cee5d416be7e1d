// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// H2Callbacks: what nghttp2 calls, told to H2Events.
//
// Thread safety: each call is within its session's. Ownership: the tables live as long as the
// process. Nothing blocks.
#pragma once

#include <nghttp2/nghttp2.h>

#include "door/h2_session.h"

namespace penstock::door {

struct H2Callbacks {
  static H2Session& self(void* user);
  static int begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user);
  static int begin_frame(nghttp2_session*, const nghttp2_frame_hd* hd, void* user);
  static int unpack_extension(nghttp2_session*, void**, const nghttp2_frame_hd*, void*);
  static void begin_data(H2Session& s, const nghttp2_frame_hd& hd);
  static int header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name,
                    std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                    std::uint8_t, void* user);
  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int ended(H2Session& s, std::int32_t id);
  static int data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                  std::size_t size, void* user);
  static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int closed(nghttp2_session* session, std::int32_t id, std::uint32_t error, void* user);
  static ssize_t frame_size(nghttp2_session*, std::uint8_t, std::int32_t, std::int32_t,
                            std::int32_t, std::uint32_t remote_max, void*);
  static ssize_t read(nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t length,
                      std::uint32_t* flags, nghttp2_data_source* source, void* user);
  static int send_data(nghttp2_session*, nghttp2_frame*, const std::uint8_t* frame_head,
                       std::size_t length, nghttp2_data_source* source, void* user);
  static nghttp2_session_callbacks* table();
  static nghttp2_option* options();
};

}  // namespace penstock::door
