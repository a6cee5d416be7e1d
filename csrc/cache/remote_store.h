// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// RemoteStore: answers as bytes that are kept outside the server, for several servers (contract
// 4.6).
//
// It is asked on event loops and may take its time, so it asks and answers on a thread of its own:
// who is not looked up at once is called back there. Thread safety: all methods, any thread.
// Ownership: borrows a request from a look-up that it has accepted until it has called back; its
// model is pinned by it. Nothing here blocks but the destructor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cache/content_hash.h"
#include "penstock/redis.h"
#include "penstock/request.h"

namespace penstock {

class RemoteStore {
 public:
  // A model whose answers are kept. Called on the store's thread.
  class Client {
   public:
    virtual ~Client() = default;
    // Under which name the request's answer is kept; nothing when it is not.
    [[nodiscard]] virtual std::optional<std::string> key_of(Request& request,
                                                            const ContentHash& hash) = 0;
    // The request is the model's again. nullopt: it is not there, or cannot be told in time.
    virtual void looked_up(Request& request, std::optional<std::string_view> entry) = 0;
  };

  virtual ~RemoteStore() = default;
  // False: not now, and nobody is called.
  [[nodiscard]] virtual bool look_up(Request& request, Client& client) = 0;
  // Replaces what is there, if there is room for it and somebody to keep it.
  virtual void insert(std::string key, std::string entry) = 0;
  // Whether an entry of this size would be kept now, before it is made.
  [[nodiscard]] virtual bool takes(std::size_t size_bytes) const = 0;
  [[nodiscard]] virtual RemoteCacheState state() const = 0;
};

}  // namespace penstock
