// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "cache/redis_store.h"

#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "penstock/clock.h"

namespace penstock {
namespace {

constexpr std::string_view kHashKeyName = "penstock:hash-key";
constexpr std::int64_t kLastPauseNs = 2'000'000'000;
constexpr std::int64_t kByteNs = 16;  // what a large entry takes on its way: 64 MB/s

std::int64_t now_ns() { return RealClock().now_ns(); }

std::string_view bytes_of(const ContentHash::Key& key) {
  return {reinterpret_cast<const char*>(key.data()), sizeof(key)};
}

}  // namespace

RedisStore::RedisStore(RedisOptions options) : options_(std::move(options)) {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "redis");
    run();
  });
}

RedisStore::~RedisStore() {
  stopping_.store(true);
  parker_.notify_all();
  thread_.join();
  turn_all_away();
}

bool RedisStore::look_up(Request& request, Client& client) {
  // acquire: pairs with the store in set_state()
  if (!up_.load(std::memory_order_acquire)) return false;
  if (!lookups_.try_push({&request, &client, now_ns()})) return false;
  parker_.notify_one();
  return true;
}

void RedisStore::insert(std::string key, std::string entry) {
  const std::size_t size = entry.size();
  if (!takes(size)) return;
  // relaxed: a count that bounds itself; the ring carries the data
  if (waiting_bytes_.fetch_add(size, std::memory_order_relaxed) + size <= kMaxWaitingBytes) {
    auto made = std::make_unique<Insert>(Insert{std::move(key), std::move(entry)});
    if (inserts_.try_push(made.get())) {
      (void)made.release();
      return parker_.notify_one();
    }
  }
  waiting_bytes_.fetch_sub(size, std::memory_order_relaxed);  // relaxed: as above
}

RemoteCacheState RedisStore::state() const {
  std::lock_guard lock(state_mutex_);
  return state_;
}

void RedisStore::set_state(bool up, const std::string& why) {
  up_.store(up, std::memory_order_release);  // pairs with the load in look_up()
  std::lock_guard lock(state_mutex_);
  if (state_.changes > 0 && state_.up == up) return;
  state_.up = up;
  ++state_.changes;
  state_.text = "redis at " + options_.host + ":" + std::to_string(options_.port);
  if (!why.empty()) state_.text += ": " + why;
}

// ---- the thread

void RedisStore::run() {
  while (!stopping_.load()) {
    const Status status = connect();
    set_state(status.ok(), status.message());
    while (connection_.is_open() && !stopping_.load()) {
      if (!exchange()) wait_for_work();
    }
    rest(pause_ns_);
    pause_ns_ = std::min(2 * pause_ns_, kLastPauseNs);
  }
}

void RedisStore::wait_for_work() {
  const auto key = parker_.prepare_wait();
  if (stopping_.load() || exchange()) return parker_.cancel_wait();
  (void)parker_.wait(key);
}

void RedisStore::rest(std::int64_t ns) {
  const std::int64_t until_ns = now_ns() + ns;
  while (!stopping_.load() && now_ns() < until_ns) {
    const auto key = parker_.prepare_wait();
    turn_all_away();  // who came while the connection was being closed
    if (stopping_.load()) return parker_.cancel_wait();
    (void)parker_.wait(key, until_ns);
  }
}

// The key of the hash is drawn by the first server that comes.
Status RedisStore::connect() {
  PENSTOCK_RETURN_IF_ERROR(connection_.open(options_));
  const std::int64_t deadline_ns = now_ns() + options_.connect_timeout_ns;
  ContentHash::Key key = ContentHash::random_key();
  RedisReply reply;
  PENSTOCK_RETURN_IF_ERROR(
      connection_.call({"SET", kHashKeyName, bytes_of(key), "NX"}, reply, deadline_ns));
  PENSTOCK_RETURN_IF_ERROR(connection_.call({"GET", kHashKeyName}, reply, deadline_ns));
  if (reply.kind != RedisReply::Kind::kBulk || reply.bytes.size() != sizeof(key)) {
    connection_.close();
    return unavailable("what it has as '" + std::string(kHashKeyName) + "' is no key");
  }
  std::memcpy(key.data(), reply.bytes.data(), sizeof(key));
  hash_.emplace(key);
  return {};
}

bool RedisStore::exchange() {
  commands_.clear();
  asked_.clear();
  answered_ = storing_ = 0;
  const bool any = take_lookups();
  take_inserts();
  if (commands_.empty()) return any;
  const auto sending_ns = static_cast<std::int64_t>(commands_.size()) * kByteNs;
  const Status status = ask(now_ns() + options_.socket_timeout_ns + sending_ns);
  if (status.ok()) {
    pause_ns_ = kFirstPauseNs;
    return true;
  }
  connection_.close();
  set_state(false, status.message());
  turn_all_away();
  return true;
}

bool RedisStore::take_lookups() {
  bool any = false;
  const std::int64_t oldest_ns = now_ns() - options_.wait_timeout_ns;
  RemoteLookup lookup;
  while (asked_.size() < kTogether && lookups_.try_pop(lookup)) {
    any = true;
    std::optional<std::string> key;
    if (lookup.since_ns >= oldest_ns) key = lookup.client->key_of(*lookup.request, *hash_);
    if (!key) {
      lookup.client->looked_up(*lookup.request, std::nullopt);
      continue;
    }
    append_redis_command(commands_, {"GET", *key});
    asked_.push_back(lookup);
  }
  return any;
}

void RedisStore::take_inserts() {
  constexpr std::size_t kMostBytes = 4u << 20;  // look-ups that come now wait for them
  Insert* insert = nullptr;
  while (storing_ < kTogether && commands_.size() < kMostBytes && inserts_.try_pop(insert)) {
    const std::unique_ptr<Insert> owned(insert);
    append_redis_command(commands_, {"SET", owned->key, owned->entry});
    waiting_bytes_.fetch_sub(owned->entry.size(), std::memory_order_relaxed);  // see insert()
    ++storing_;
  }
}

Status RedisStore::ask(std::int64_t deadline_ns) {
  PENSTOCK_RETURN_IF_ERROR(connection_.send(commands_, deadline_ns));
  RedisReply reply;
  while (answered_ < asked_.size()) {
    PENSTOCK_RETURN_IF_ERROR(connection_.receive(reply, deadline_ns));
    if (reply.kind == RedisReply::Kind::kError && !reply.bytes.starts_with("WRONGTYPE")) {
      return unavailable(std::string(reply.bytes.substr(0, 200)));
    }
    const RemoteLookup& lookup = asked_[answered_++];
    const bool found = reply.kind == RedisReply::Kind::kBulk;
    lookup.client->looked_up(*lookup.request, found ? std::optional(reply.bytes) : std::nullopt);
  }
  for (; storing_ > 0; --storing_) {  // one that has no room says so, and is none the worse
    PENSTOCK_RETURN_IF_ERROR(connection_.receive(reply, deadline_ns));
  }
  return {};
}

void RedisStore::turn_all_away() {
  for (; answered_ < asked_.size(); ++answered_) {
    asked_[answered_].client->looked_up(*asked_[answered_].request, std::nullopt);
  }
  asked_.clear();
  RemoteLookup lookup;
  while (lookups_.try_pop(lookup)) lookup.client->looked_up(*lookup.request, std::nullopt);
  Insert* insert = nullptr;
  while (inserts_.try_pop(insert)) {
    const std::unique_ptr<Insert> owned(insert);
    waiting_bytes_.fetch_sub(owned->entry.size(), std::memory_order_relaxed);  // see insert()
  }
}

}  // namespace penstock
