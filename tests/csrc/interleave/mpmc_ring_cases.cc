// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <array>
#include <cstdint>
#include <memory>

#include "interleave/atom.h"
#include "interleave/cases.h"
#include "sync/mpmc_ring.h"

namespace penstock::interleave {
namespace {

using Ring = MpmcRing<std::uint32_t, Atom>;
using Parcel = Plain<std::uint32_t>;  // what a request is to the scheduler's ring

// Parcels by number, each of which is used by whoever has its number.
struct Shop {
  explicit Shop(std::size_t capacity) : ring(capacity) {}

  bool send(std::uint32_t number) {
    parcels[number].set(number + 100);
    return ring.try_push(number);
  }
  bool receive(std::uint32_t& number) {
    if (!ring.try_pop(number)) return false;
    require(number < parcels.size(), "a value that nobody pushed");
    require(parcels[number].get() == number + 100, "another value's content");
    parcels[number].set(0);
    require(!received[number], "a value came out twice");
    received[number] = true;
    return true;
  }
  std::uint32_t receive_all() {
    std::uint32_t count = 0;
    for (std::uint32_t number = 0; receive(number);) ++count;
    return count;
  }

  Ring ring;
  std::array<Parcel, 8> parcels;
  std::array<bool, 8> received{};  // each written once in a correct execution
};

void two_producers(Execution& run) {
  auto& shop = run.keep<Shop>(2);
  for (std::uint32_t number = 0; number < 2; ++number) {
    run.thread([&shop, number] { require(shop.send(number), "full when it was not"); });
  }
  run.end([&shop] { require(shop.receive_all() == 2, "a value is lost"); });
}

void two_consumers(Execution& run) {
  auto& shop = run.keep<Shop>(2);
  (void)shop.send(0);
  (void)shop.send(1);
  auto& taken = run.keep<std::array<bool, 2>>();
  for (std::size_t i = 0; i < 2; ++i) {
    run.thread([&shop, &taken, i] {
      std::uint32_t number = 0;
      taken[i] = shop.receive(number);
    });
  }
  run.end([&] { require(taken[0] && taken[1], "empty when it was not"); });
}

// Two values through each of the two cells and one of the next lap, while the other side looks.
void one_to_one(Execution& run) {
  auto& shop = run.keep<Shop>(2);
  auto& sent = run.keep<std::uint32_t>(0);
  auto& got = run.keep<std::uint32_t>(0);
  run.thread([&] {
    for (std::uint32_t number = 0; number < 3; ++number) sent += shop.send(number) ? 1 : 0;
  });
  run.thread([&] {
    std::uint32_t last = 0;
    for (int i = 0; i < 2; ++i) {
      std::uint32_t number = 0;
      if (!shop.receive(number)) continue;
      require(got == 0 || number > last, "turned the order round");
      last = number;
      ++got;
    }
  });
  run.end([&] { require(got + shop.receive_all() == sent, "a value is lost"); });
}

// A cell is freed by one thread and filled again by another.
void full_ring(Execution& run) {
  auto& shop = run.keep<Shop>(2);
  (void)shop.send(0);
  (void)shop.send(1);
  auto& sent = run.keep<std::uint32_t>(2);
  auto& got = run.keep<std::uint32_t>(0);
  run.thread([&] {
    std::uint32_t number = 0;
    if (shop.receive(number)) ++got;
  });
  for (std::uint32_t number = 2; number < 4; ++number) {
    run.thread([&, number] {
      if (shop.send(number)) ++sent;
    });
  }
  run.end([&] {
    require(sent <= 3, "took more than it holds");
    require(got + shop.receive_all() == sent, "a value is lost");
  });
}

// The next lap's writer meets the last one's reader: the cells' own values are looked at.
void next_lap(Execution& run) {
  auto& ring = run.keep<MpmcRing<Plain<std::uint32_t>, Atom>>(2);
  run.thread([&ring] {
    for (std::uint32_t number = 0; number < 4; ++number) {
      if (!ring.try_push(Plain<std::uint32_t>(number))) return;
    }
  });
  run.thread([&ring] {
    std::uint32_t expected = 0;
    for (int i = 0; i < 3; ++i) {
      Plain<std::uint32_t> value;
      if (ring.try_pop(value)) require(value.get() == expected++, "a value is lost or doubled");
    }
  });
}

void producer_and_two_consumers(Execution& run) {
  auto& shop = run.keep<Shop>(2);
  auto& got = run.keep<std::uint32_t>(0);
  run.thread([&] {
    (void)shop.send(0);
    (void)shop.send(1);
  });
  for (int i = 0; i < 2; ++i) {
    run.thread([&] {
      std::uint32_t number = 0;
      if (shop.receive(number)) ++got;
    });
  }
  run.end([&] { require(got + shop.receive_all() == 2, "a value is lost"); });
}

void three_producers(Execution& run) {
  auto& shop = run.keep<Shop>(2);
  auto& sent = run.keep<std::uint32_t>(0);
  for (std::uint32_t number = 0; number < 3; ++number) {
    run.thread([&shop, &sent, number] { sent += shop.send(number) ? 1 : 0; });
  }
  run.end([&] {
    require(sent == 2, "did not take what it holds");
    require(shop.receive_all() == 2, "a value is lost");
  });
}

void two_producers_and_a_consumer(Execution& run) {
  auto& shop = run.keep<Shop>(2);
  auto& sent = run.keep<std::uint32_t>(0);
  auto& got = run.keep<std::uint32_t>(0);
  for (std::uint32_t first : {0U, 2U}) {
    run.thread([&shop, &sent, first] {
      sent += shop.send(first) ? 1 : 0;
      sent += shop.send(first + 1) ? 1 : 0;
    });
  }
  run.thread([&] {
    std::uint32_t number = 0;
    for (int i = 0; i < 2; ++i) got += shop.receive(number) ? 1 : 0;
  });
  run.end([&] { require(got + shop.receive_all() == sent, "a value is lost"); });
}

void size_stays_in_bounds(Execution& run) {
  auto& ring = run.keep<Ring>(2);
  run.thread([&ring] {
    (void)ring.try_push(1);
    (void)ring.try_push(2);
  });
  run.thread([&ring] {
    std::uint32_t value = 0;
    (void)ring.try_pop(value);
  });
  run.thread([&ring] { require(ring.approx_size() <= 2, "a size that cannot be"); });
}

}  // namespace

std::vector<Case> mpmc_ring_cases() {
  return {{"ring: two producers", two_producers},
          {"ring: two consumers", two_consumers},
          {"ring: one to one", one_to_one},
          {"ring: full", full_ring},
          {"ring: next lap", next_lap},
          {"ring: a producer and two consumers", producer_and_two_consumers},
          {"ring: three producers", three_producers},
          {"ring: two producers and a consumer", two_producers_and_a_consumer},
          {"ring: size", size_stays_in_bounds}};
}

}  // namespace penstock::interleave
