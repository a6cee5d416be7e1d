// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "interleave/memory.h"

#include <algorithm>

namespace penstock::interleave {
namespace {

bool acquires(std::memory_order order) {
  return order == std::memory_order_acquire || order == std::memory_order_acq_rel ||
         order == std::memory_order_seq_cst;
}
bool releases(std::memory_order order) {
  return order == std::memory_order_release || order == std::memory_order_acq_rel ||
         order == std::memory_order_seq_cst;
}
// Of one place: a load lies behind the store that it reads and before the next one.
std::size_t key_of_store(std::size_t index) { return 2 * index; }
std::size_t key_of_load(std::size_t index) { return 2 * index + 1; }

}  // namespace

void View::join(const View& other) {
  for (std::size_t i = 0; i < kThreads; ++i) clock[i] = std::max(clock[i], other.clock[i]);
  for (std::size_t i = 0; i < kPlaces; ++i) seen[i] = std::max(seen[i], other.seen[i]);
}

void Memory::clear() {
  views_ = {};
  for (std::size_t i = 0; i < used_; ++i) {
    places_[i].history.clear();
    places_[i].gone = false;
    places_[i].touched = {};
    places_[i].readers = {};
  }
  used_ = 0;
  ordered_.clear();
  error_ = nullptr;
}

void Memory::pass_on(std::size_t from, std::size_t to) { views_[to].join(views_[from]); }

Place Memory::make(std::size_t thread, std::uint64_t value) {
  if (used_ == kPlaces) {
    fail("more atomics than the checker has room for");
    return 0;
  }
  const auto place = static_cast<Place>(used_++);
  Location& location = places_[place];
  location.maker = thread;
  location.made = ++views_[thread].clock[thread];
  location.history.push_back({value, View{}});
  return place;
}

void Memory::drop(std::size_t thread, Place place) {
  if (!usable(thread, place)) return;
  Location& location = places_[place];
  for (std::size_t other = 0; other < kThreads; ++other) {
    if (!knows(thread, other, location.touched[other])) fail("destroyed while another used it");
  }
  location.gone = true;
}

bool Memory::usable(std::size_t thread, Place place) {
  if (place >= used_ || places_[place].gone) {
    fail("used after it was destroyed");
  } else if (!knows(thread, places_[place].maker, places_[place].made)) {
    fail("used by a thread that cannot know it was made");
  } else {
    return true;
  }
  return false;
}

void Memory::touch(std::size_t thread, Place place) {
  (void)usable(thread, place);
  places_[place].touched[thread] = ++views_[thread].clock[thread];
}

void Memory::readable(std::size_t thread, Place place, std::memory_order order,
                      std::vector<std::size_t>& indexes) const {
  indexes.clear();
  if (place >= used_) return;
  const Location& location = places_[place];
  const Reader& reader = location.readers[thread];
  const std::size_t newest = latest(place);
  const std::size_t oldest = views_[thread].seen[place];
  for (std::size_t i = newest + 1; i-- > oldest;) {
    const bool worn = i != newest && reader.last == i && reader.repeats >= kRepeats;
    const bool fits =
        order != std::memory_order_seq_cst || fits_order(thread, place, key_of_load(i));
    if (!worn && fits) indexes.push_back(i);
  }
}

std::uint64_t Memory::read(std::size_t thread, Place place, std::size_t index,
                           std::memory_order order) {
  if (order == std::memory_order_seq_cst) add_ordered(thread, place, key_of_load(index));
  touch(thread, place);
  Location& location = places_[place];
  Reader& reader = location.readers[thread];
  const bool again = reader.last == index;
  reader = {index, again ? reader.repeats + 1 : 1};
  View& view = views_[thread];
  view.seen[place] = std::max(view.seen[place], static_cast<std::uint8_t>(index));
  if (acquires(order)) view.join(location.history[index].view);
  return location.history[index].value;
}

void Memory::append(std::size_t thread, Place place, std::uint64_t value, const View& view) {
  Location& location = places_[place];
  location.history.push_back({value, view});
  if (location.history.size() > UINT8_MAX) fail("more values of one atomic than there is room for");
  const auto index = static_cast<std::uint8_t>(location.history.size() - 1);
  views_[thread].seen[place] = index;
  location.readers[thread] = {index, 1};
}

void Memory::write(std::size_t thread, Place place, std::uint64_t value, std::memory_order order) {
  const std::size_t index = latest(place) + 1;
  if (order == std::memory_order_seq_cst) add_ordered(thread, place, key_of_store(index));
  touch(thread, place);
  View& view = views_[thread];
  view.seen[place] = static_cast<std::uint8_t>(index);
  append(thread, place, value, releases(order) ? view : View{});
}

void Memory::modify(std::size_t thread, Place place, std::uint64_t value, std::memory_order order) {
  const std::size_t index = latest(place) + 1;
  if (order == std::memory_order_seq_cst) add_ordered(thread, place, key_of_store(index));
  touch(thread, place);
  View carried = places_[place].history.back().view;
  View& view = views_[thread];
  if (acquires(order)) view.join(carried);
  view.seen[place] = static_cast<std::uint8_t>(index);
  if (releases(order)) carried.join(view);
  append(thread, place, value, carried);
}

void Memory::catch_up(std::size_t thread, Place place) {
  views_[thread].seen[place] = static_cast<std::uint8_t>(latest(place));
}

bool Memory::has_news(std::size_t thread, Place place) const {
  return places_[place].readers[thread].last != latest(place);
}

void Memory::read_plain(std::size_t thread, PlainHistory& history) {
  const std::uint16_t now = ++views_[thread].clock[thread];
  if (!knows(thread, history.writer, history.written)) fail("data race: read beside a write");
  history.read[thread] = now;
}

void Memory::write_plain(std::size_t thread, PlainHistory& history) {
  const std::uint16_t now = ++views_[thread].clock[thread];
  if (!knows(thread, history.writer, history.written)) fail("data race: write beside a write");
  for (std::size_t other = 0; other < kThreads; ++other) {
    if (!knows(thread, other, history.read[other])) fail("data race: write beside a read");
  }
  history.writer = thread;
  history.written = now;
}

void Memory::lock(std::size_t thread, Place place) {
  touch(thread, place);
  views_[thread].join(places_[place].history.back().view);
}

void Memory::unlock(std::size_t thread, Place place) {
  touch(thread, place);
  places_[place].history.back().view = views_[thread];
}

// S has to agree with what happens before what (here: what the thread knew before the operation)
// and, operation by operation of one place, with its history.
bool Memory::fits_order(std::size_t thread, Place place, std::size_t key) const {
  std::uint64_t ahead = 0;
  std::uint64_t behind = 0;
  for (std::size_t i = 0; i < ordered_.size(); ++i) {
    const Ordered& other = ordered_[i];
    const std::uint64_t bit = std::uint64_t{1} << i;
    if (other.place == place && other.key > key) behind |= bit | other.before;
    if ((other.place == place && other.key < key) || knows(thread, other.thread, other.clock)) {
      ahead |= bit;
    }
  }
  return (ahead & behind) == 0;
}

void Memory::add_ordered(std::size_t thread, Place place, std::size_t key) {
  if (ordered_.size() == 64) return fail("more seq_cst operations than there is room for");
  Ordered added{place, key, thread, static_cast<std::uint16_t>(views_[thread].clock[thread] + 1),
                0};
  std::uint64_t ahead = 0;
  for (std::size_t i = 0; i < ordered_.size(); ++i) {
    const Ordered& other = ordered_[i];
    const std::uint64_t bit = std::uint64_t{1} << i;
    const bool known = knows(thread, other.thread, other.clock);
    if (other.place == place && other.key > key) added.before |= bit | other.before;
    if (known || (other.place == place && other.key < key)) ahead |= bit;
  }
  const std::uint64_t own = std::uint64_t{1} << ordered_.size();
  for (std::size_t i = 0; i < ordered_.size(); ++i) {
    Ordered& other = ordered_[i];
    const bool is_ahead = (ahead >> i & 1) != 0 || (other.before & ahead) != 0;
    if (is_ahead) other.before |= own | added.before;
  }
  ordered_.push_back(added);
}

}  // namespace penstock::interleave
