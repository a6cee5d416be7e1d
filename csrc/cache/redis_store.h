// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// RedisStore: a Redis server as a RemoteStore.
//
// One thread, one connection: whatever has come meanwhile is sent together, and answered together.
// When Redis cannot be reached, says no, or takes too long, all that waits is told that it is not
// there, nobody is accepted any more, and the thread tries again every now and then. All servers
// that share a Redis share the key of the hash of their entries' names, which the first one drew
// and left there. Thread safety and ownership: as RemoteStore.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cache/redis_connection.h"
#include "cache/remote_store.h"
#include "sync/mpmc_ring.h"
#include "sync/parker.h"

namespace penstock {

// A request that waits to be looked up.
struct RemoteLookup {
  Request* request = nullptr;
  RemoteStore::Client* client = nullptr;
  std::int64_t since_ns = 0;
};

class RedisStore final : public RemoteStore {
 public:
  static constexpr std::size_t kMaxLookups = 4096;            // that wait
  static constexpr std::size_t kMaxInserts = 1024;            // that wait
  static constexpr std::size_t kMaxWaitingBytes = 64u << 20;  // of inserts
  static constexpr std::size_t kMaxEntryBytes = 8u << 20;
  static constexpr std::size_t kTogether = 64;  // at most, of each

  explicit RedisStore(RedisOptions options);
  ~RedisStore() override;
  [[nodiscard]] bool look_up(Request& request, Client& client) override;
  void insert(std::string key, std::string entry) override;
  [[nodiscard]] bool takes(std::size_t size_bytes) const override {
    return size_bytes <= kMaxEntryBytes && up_.load(std::memory_order_relaxed);  // relaxed: a hint
  }
  [[nodiscard]] RemoteCacheState state() const override;

 private:
  static constexpr std::int64_t kFirstPauseNs = 100'000'000;
  struct Insert {
    std::string key;
    std::string entry;
  };

  void run();
  void wait_for_work();
  void rest(std::int64_t ns);
  [[nodiscard]] Status connect();
  // Asks for what waits, and tells those who do. False: there was nothing.
  [[nodiscard]] bool exchange();
  // False: nobody waits.
  [[nodiscard]] bool take_lookups();
  void take_inserts();
  [[nodiscard]] Status ask(std::int64_t deadline_ns);
  void turn_all_away();
  void set_state(bool up, const std::string& why);

  const RedisOptions options_;
  MpmcRing<RemoteLookup> lookups_{kMaxLookups};
  MpmcRing<Insert*> inserts_{kMaxInserts};
  std::atomic<std::size_t> waiting_bytes_{0};
  std::atomic<bool> up_{false};
  std::atomic<bool> stopping_{false};
  Parker parker_;
  mutable std::mutex state_mutex_;
  RemoteCacheState state_;  // under state_mutex_

  // The thread's own:
  RedisConnection connection_{kMaxEntryBytes};
  // Before it is tried again: longer each time, until it has answered something.
  std::int64_t pause_ns_ = kFirstPauseNs;
  std::optional<ContentHash> hash_;
  std::vector<RemoteLookup> asked_;
  std::size_t answered_ = 0;  // of asked_
  std::size_t storing_ = 0;   // inserts that were sent with them
  std::string commands_;
  std::thread thread_;
};

}  // namespace penstock
