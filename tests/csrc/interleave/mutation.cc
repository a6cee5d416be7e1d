// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "interleave/mutation.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <string_view>
#include <tuple>

namespace penstock::interleave {
namespace {

using Key = std::tuple<const char*, unsigned, unsigned, bool>;
std::map<Key, Site> sites;
const Mutant* active = nullptr;

// Of the product; empty: a scenario's own.
std::string product_file(const char* path) {
  const std::string_view text(path);
  if (text.find("/tests/") != std::string_view::npos) return {};
  const std::size_t at = text.rfind("/csrc/");
  return at == std::string_view::npos ? std::string() : std::string(text.substr(at + 1));
}

const char* text_of(std::memory_order order) {
  static constexpr std::array<const char*, 6> kNames{"relaxed", "consume", "acquire",
                                                     "release", "acq_rel", "seq_cst"};
  return kNames[static_cast<std::size_t>(order)];
}

}  // namespace

std::vector<Site> known_sites() {
  std::vector<Site> known;
  for (const auto& [key, site] : sites) {  // a header's path may be there more than once
    if (!site.file.empty() && std::find(known.begin(), known.end(), site) == known.end()) {
      known.push_back(site);
    }
  }
  return known;
}

void forget_sites() { sites.clear(); }

std::vector<Mutant> mutants_of(const Site& site) {
  std::vector<Mutant> mutants;
  const auto add = [&](std::memory_order order) { mutants.push_back({site, order}); };
  switch (site.order) {
    case std::memory_order_seq_cst:
      if (site.operation == Operation::kLoad) add(std::memory_order_acquire);
      if (site.operation == Operation::kStore) add(std::memory_order_release);
      if (site.operation == Operation::kModify) add(std::memory_order_acq_rel);
      break;
    case std::memory_order_acq_rel:
      add(std::memory_order_acquire);
      add(std::memory_order_release);
      break;
    case std::memory_order_acquire:
    case std::memory_order_release:
      add(std::memory_order_relaxed);
      break;
    default:
      break;
  }
  return mutants;
}

std::string name_of(const Mutant& mutant) {
  const Site& site = mutant.site;
  return site.file + ":" + std::to_string(site.line) + ":" + std::to_string(site.column) +
         (site.failure ? " (failure) " : " ") + text_of(site.order) + " -> " +
         text_of(mutant.order);
}

void mutate(const Mutant* mutant) { active = mutant; }

std::memory_order order_at(const std::source_location& where, Operation operation,
                           std::memory_order order, bool failure) {
  if (active != nullptr) {
    const Site& site = active->site;
    const bool here = site.line == where.line() && site.column == where.column() &&
                      site.failure == failure && product_file(where.file_name()) == site.file;
    return here ? active->order : order;
  }
  Site& site = sites[{where.file_name(), where.line(), where.column(), failure}];
  if (site.line == 0) {
    site = {
        product_file(where.file_name()), where.line(), where.column(), failure, order, operation};
  }
  return order;
}

}  // namespace penstock::interleave
