// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Acceptor: takes connections off a listening socket (TCP or Unix) for one loop.
//
// Loops share a socket; each has an acceptor with a descriptor of its own. Over the bound, or when
// the process is out of descriptors, a connection is answered `refusal` and closed: one descriptor
// is kept back for that, so that a full process does not spin on a socket it cannot take from.
// Thread safety: the loop's thread. Ownership: its descriptors. Nothing blocks.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "door/bounds.h"
#include "door/event_loop.h"

namespace penstock::door {

class Acceptor final : public Handler {
 public:
  // Makes the handler of a new connection, which gives its slot back when it ends.
  using Factory = std::function<std::unique_ptr<Handler>(int fd)>;

  Acceptor(int fd, EventLoop& loop, ConnectionSlots& slots, LoopCounters& counters,
           std::string refusal, Factory factory);
  ~Acceptor() override;
  void on_events(Events events) override;
  void on_timer() override;

 private:
  bool accept_one();
  bool out_of_descriptors();
  void refuse(int fd);
  void open_reserve();

  EventLoop& loop_;
  ConnectionSlots& slots_;
  LoopCounters& counters_;
  const std::string refusal_;
  const Factory factory_;
  int reserve_ = -1;
};

// No delay of small replies; nothing for sockets that are not TCP.
void set_no_delay(int fd);

}  // namespace penstock::door
