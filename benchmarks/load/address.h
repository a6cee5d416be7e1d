// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Address: where the server is; opens sockets to it.
//
// Thread safety: const after its construction, which may block on a name look-up and throws
// std::runtime_error when there is none. The sockets that open_socket() gives do not block.
#pragma once

#include <sys/socket.h>

#include <string>

#include "load/options.h"

namespace penstock::load {

class Address {
 public:
  explicit Address(const Options& options);

  // A socket that connects or is connected; -1: errno says why not.
  [[nodiscard]] int open_socket() const;
  // As Host and :authority name it.
  [[nodiscard]] const std::string& authority() const { return authority_; }

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
  std::string authority_;
};

}  // namespace penstock::load
