// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// H2Field, H2FieldList: header fields, borrowed and kept.
//
// Thread safety: none. Ownership: a list copies, in two blocks of memory that it keeps. Nothing
// blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::door {

struct H2Field {
  std::string_view name;
  std::string_view value;
};

class H2FieldList {
 public:
  void add(std::string_view name, std::string_view value) {
    text_.append(name).append(value);
    sizes_.push_back(static_cast<std::uint32_t>(name.size()));
    sizes_.push_back(static_cast<std::uint32_t>(value.size()));
  }
  [[nodiscard]] bool empty() const { return sizes_.empty(); }
  void clear() {
    text_.clear();
    sizes_.clear();
  }
  // Replaces `out` by views of this list, in the order in which they came.
  void list(std::vector<H2Field>& out) const {
    out.clear();
    std::string_view rest = text_;
    for (std::size_t i = 0; i < sizes_.size(); i += 2) {
      out.push_back({rest.substr(0, sizes_[i]), rest.substr(sizes_[i], sizes_[i + 1])});
      rest.remove_prefix(sizes_[i] + sizes_[i + 1]);
    }
  }

 private:
  std::string text_;                  // name and value of each field, one behind the other
  std::vector<std::uint32_t> sizes_;  // of the two, alternating
};

}  // namespace penstock::door
