// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Atom, Mutex, Plain: std::atomic, std::mutex and an ordinary object for scenarios of explore().
//
// Thread safety: any thread of the scenario. Ownership: by value. What would block lets the others
// go on.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <type_traits>
#include <vector>

#include "interleave/explorer.h"
#include "interleave/futex.h"
#include "interleave/mutation.h"
#include "penstock/clock.h"

namespace penstock::interleave {

template <typename T>
class Atom {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(std::uint64_t));
  using Where = std::source_location;
  using Order = std::memory_order;
  static constexpr Order kSeqCst = std::memory_order_seq_cst;

 public:
  Atom() : Atom(T{}) {}
  Atom(T value) : place_(memory().make(self(), pack(value))) {}  // NOLINT: as std::atomic's
  Atom(const Atom&) = delete;
  Atom& operator=(const Atom&) = delete;
  ~Atom() { memory().drop(self(), place_); }

  T load(Order order = kSeqCst, Where where = Where::current()) const {
    order = order_at(where, Operation::kLoad, order);
    before({place_, false});
    memory().readable(self(), place_, order, indexes());
    return unpack(read("load", indexes()[choose(indexes().size())], order, where));
  }
  void store(T value, Order order = kSeqCst, Where where = Where::current()) {
    order = order_at(where, Operation::kStore, order);
    before({place_, true});
    memory().write(self(), place_, pack(value), order);
    tell({"store", place_, pack(value), false, order, where.line()});
  }
  T exchange(T value, Order order = kSeqCst, Where where = Where::current()) {
    return modify(
        "exchange", [&](T) { return value; }, order, where);
  }
  T fetch_add(T value, Order order = kSeqCst,
              Where where = Where::current()) requires std::integral<T> {
    return modify(
        "fetch_add", [&](T old) { return static_cast<T>(old + value); }, order, where);
  }
  T fetch_sub(T value, Order order = kSeqCst,
              Where where = Where::current()) requires std::integral<T> {
    return modify(
        "fetch_sub", [&](T old) { return static_cast<T>(old - value); }, order, where);
  }
  bool compare_exchange_weak(T& expected, T desired, Order success, Order failure,
                             Where where = Where::current()) {
    failure = order_at(where, Operation::kLoad, failure, true);
    return compare_exchange(expected, desired, order_at(where, Operation::kModify, success),
                            failure, where);
  }
  bool compare_exchange_weak(T& expected, T desired, Order order = kSeqCst,
                             Where where = Where::current()) {
    order = order_at(where, Operation::kModify, order);
    return compare_exchange(expected, desired, order, of_failure(order), where);
  }

  [[nodiscard]] Place place() const { return place_; }
  [[nodiscard]] T latest() const { return unpack(memory().value(place_, memory().latest(place_))); }

 private:
  static std::uint64_t pack(T value) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(T));
    return bits;
  }
  static T unpack(std::uint64_t bits) {
    T value;
    std::memcpy(&value, &bits, sizeof(T));
    return value;
  }
  static Order of_failure(Order order) {
    if (order == std::memory_order_acq_rel) return std::memory_order_acquire;
    return order == std::memory_order_release ? std::memory_order_relaxed : order;
  }
  static std::vector<std::size_t>& indexes() {
    static std::vector<std::size_t> instance;
    return instance;
  }
  std::uint64_t read(const char* what, std::size_t index, Order order, const Where& where) const {
    const bool stale = index != memory().latest(place_);
    const std::uint64_t value = memory().read(self(), place_, index, order);
    tell({what, place_, value, stale, order, where.line()});
    return value;
  }
  template <typename Change>
  T modify(const char* what, Change change, Order order, const Where& where) {
    order = order_at(where, Operation::kModify, order);
    before({place_, true});
    const T old = latest();
    memory().modify(self(), place_, pack(change(old)), order);
    tell({what, place_, pack(change(old)), false, order, where.line()});
    return old;
  }
  // One that fails is a load, of any other value that may be read.
  bool compare_exchange(T& expected, T desired, Order success, Order failure, const Where& where) {
    before({place_, true});
    memory().readable(self(), place_, failure, indexes());
    const std::uint64_t wanted = pack(expected);
    std::erase_if(indexes(), [&](std::size_t i) { return memory().value(place_, i) == wanted; });
    const bool may_succeed = pack(latest()) == wanted;
    const std::size_t chosen = choose(indexes().size() + (may_succeed ? 1 : 0));
    if (may_succeed && chosen == 0) {
      memory().modify(self(), place_, pack(desired), success);
      tell({"compare_exchange", place_, pack(desired), false, success, where.line()});
      return true;
    }
    const std::size_t index = indexes()[chosen - (may_succeed ? 1 : 0)];
    expected = unpack(read("compare_exchange fails", index, failure, where));
    return false;
  }

  Place place_;
};

// An object that is not atomic: who uses it beside a writer has a data race.
template <typename T>
class Plain {
 public:
  Plain() = default;
  explicit Plain(T value) : value_(value) { memory().write_plain(self(), history_); }
  Plain(const Plain& other) : Plain(other.get()) {}
  Plain& operator=(const Plain& other) noexcept {
    set(other.get());
    return *this;
  }
  [[nodiscard]] T get() const {
    memory().read_plain(self(), history_);
    return value_;
  }
  void set(T value) {
    memory().write_plain(self(), history_);
    value_ = value;
  }

 private:
  T value_{};
  mutable PlainHistory history_;
};

class Mutex {
 public:
  Mutex() : place_(memory().make(self(), 0)) {}
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  ~Mutex() { memory().drop(self(), place_); }

  void lock() {
    before(
        {place_, true}, [](void* m) { return !static_cast<Mutex*>(m)->taken_; }, this);
    taken_ = true;
    memory().lock(self(), place_);
  }
  void unlock() {
    before({place_, true});
    memory().unlock(self(), place_);
    taken_ = false;
  }

 private:
  Place place_;
  bool taken_ = false;
};

// ---- what the product does to a std::atomic by other means ----

// Spins until somebody has written to it.
template <typename T>
void spin(const Atom<T>& atom) {
  struct Wait {
    std::size_t thread;
    Place place;
  } wait{self(), atom.place()};
  before(
      {atom.place(), true},
      [](void* w) {
        const auto& waiting = *static_cast<Wait*>(w);
        return memory().has_news(waiting.thread, waiting.place);
      },
      &wait);
  memory().catch_up(self(), atom.place());
}

// False: timed out.
inline bool futex_wait(Atom<std::uint32_t>& word, std::uint32_t expected,
                       std::int64_t deadline_ns) {
  before({word.place(), true});
  memory().catch_up(self(), word.place());
  if (word.latest() != expected) return true;
  return futex_sleep(word.place(), deadline_ns != kNoDeadline);
}
inline void futex_wake(Atom<std::uint32_t>& word, std::int32_t count) {
  before({word.place(), true});
  futex_rouse(word.place(), count);
}

}  // namespace penstock::interleave
