// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Memory: what atomic operations of several threads may see, by the rules of C++20.
//
// Every atomic object is a place with the history of its values, in modification order. A thread
// has a view: how far it knows each place and what of the other threads happened before its next
// step. A load may read whatever its view does not rule out, so that a relaxed load may be stale; a
// release puts the view into the value, an acquire takes it out; a read-modify-write reads the
// latest value and carries the view of the one it replaces on (release sequence). For seq_cst the
// constraints on the total order S are kept as a graph: what would close a cycle cannot be read.
//
// Left out, as in other checkers of this kind: values out of thin air and loads that are executed
// behind a later store (load buffering), stores that take their place in modification order behind
// one that was executed later (2+2W), fences (the product has none: ThreadSanitizer does not
// understand them). Thread safety: none, everything runs on one thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace penstock::interleave {

inline constexpr std::size_t kThreads = 4;  // 0 sets up and ends, alone
inline constexpr std::size_t kPlaces = 64;  // atomics and mutexes in one execution
using Place = std::uint32_t;

struct View {
  std::array<std::uint16_t, kThreads> clock{};  // steps known of each thread
  std::array<std::uint8_t, kPlaces> seen{};     // the oldest value that may still be read

  void join(const View& other);
};

// Who last read and wrote an object that is not atomic.
struct PlainHistory {
  std::size_t writer = 0;
  std::uint16_t written = 0;
  std::array<std::uint16_t, kThreads> read{};
};

class Memory {
 public:
  void clear();
  // What `from` knows, `to` knows: a thread was started, or is awaited.
  void pass_on(std::size_t from, std::size_t to);

  [[nodiscard]] Place make(std::size_t thread, std::uint64_t value);
  void drop(std::size_t thread, Place place);

  // The values that a load may read, by index in the history, the latest first.
  void readable(std::size_t thread, Place place, std::memory_order order,
                std::vector<std::size_t>& indexes) const;
  std::uint64_t read(std::size_t thread, Place place, std::size_t index, std::memory_order order);
  void write(std::size_t thread, Place place, std::uint64_t value, std::memory_order order);
  // Replaces the latest value.
  void modify(std::size_t thread, Place place, std::uint64_t value, std::memory_order order);
  [[nodiscard]] std::size_t latest(Place place) const { return places_[place].history.size() - 1; }
  [[nodiscard]] std::uint64_t value(Place place, std::size_t index) const {
    return places_[place].history[index].value;
  }
  // The thread sees the latest value from now on, as time passes; nothing else with it.
  void catch_up(std::size_t thread, Place place);
  // Whether the thread could read the latest value again if there were a newer one.
  [[nodiscard]] bool may_repeat(std::size_t thread, Place place) const {
    const Reader& reader = places_[place].readers[thread];
    return reader.last != latest(place) || reader.repeats < kRepeats;
  }
  // Whether the thread has read something else than the latest value last.
  [[nodiscard]] bool has_news(std::size_t thread, Place place) const;

  void read_plain(std::size_t thread, PlainHistory& history);
  void write_plain(std::size_t thread, PlainHistory& history);

  // A lock's release and acquire.
  void lock(std::size_t thread, Place place);
  void unlock(std::size_t thread, Place place);

  // What was done that no correct program does; nullptr: nothing yet.
  [[nodiscard]] const char* error() const { return error_; }

 private:
  struct Value {
    std::uint64_t value = 0;
    View view;  // what an acquiring reader learns
  };
  struct Reader {
    std::size_t last = 0;  // index read last
    unsigned repeats = 0;  // how often in succession
  };
  struct Location {
    std::vector<Value> history;
    std::size_t maker = 0;
    std::uint16_t made = 0;
    bool gone = false;
    std::array<std::uint16_t, kThreads> touched{};
    std::array<Reader, kThreads> readers{};
  };
  // A seq_cst operation. Those of one place are in S as their keys are.
  struct Ordered {
    Place place = 0;
    std::size_t key = 0;
    std::size_t thread = 0;
    std::uint16_t clock = 0;
    std::uint64_t before = 0;  // those that are behind it in S, a bit each
  };
  // Time passes: nobody reads the same value more often once there is a newer one.
  static constexpr unsigned kRepeats = 3;

  [[nodiscard]] bool usable(std::size_t thread, Place place);
  void touch(std::size_t thread, Place place);
  void append(std::size_t thread, Place place, std::uint64_t value, const View& view);
  [[nodiscard]] bool fits_order(std::size_t thread, Place place, std::size_t key) const;
  void add_ordered(std::size_t thread, Place place, std::size_t key);
  [[nodiscard]] bool knows(std::size_t thread, std::size_t other, std::uint16_t clock) const {
    return views_[thread].clock[other] >= clock;
  }
  void fail(const char* what) {
    if (error_ == nullptr) error_ = what;
  }

  std::array<View, kThreads> views_;
  std::array<Location, kPlaces> places_;  // with the capacity of executions before
  std::size_t used_ = 0;
  std::vector<Ordered> ordered_;
  const char* error_ = nullptr;
};

}  // namespace penstock::interleave
