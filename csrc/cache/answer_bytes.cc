// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "cache/answer_bytes.h"

#include <bit>
#include <cstring>
#include <span>

#include "cache/content_hash.h"
#include "request/string_tensor.h"

namespace penstock {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::uint64_t kMark = 0x31'00'4b'43'54'53'4e'50;  // "PNSTCK", form 1
constexpr std::size_t kHeadBytes = 2 * sizeof(std::uint64_t);

// Against accidents, not against people: who can write to the store can write any answer.
std::uint64_t check_sum(std::string_view body) {
  static const ContentHash hash(ContentHash::Key{1, 2, 3, 4});
  return hash(kMark, reinterpret_cast<const std::byte*>(body.data()), body.size());
}

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_name(std::string& out, std::string_view name) {
  put(out, static_cast<std::uint32_t>(name.size()));
  out.append(name);
}

class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}
  template <typename T>
  bool get(T& value) {
    if (bytes_.size() < sizeof value) return false;
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_.remove_prefix(sizeof value);
    return true;
  }
  bool get_bytes(std::uint64_t count, std::string_view& value) {
    if (count > bytes_.size()) return false;
    value = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return true;
  }
  // The number of one of the model's outputs, by its name.
  bool get_output(const ModelPlan& plan, std::uint32_t& spec) {
    std::uint32_t size = 0;
    std::string_view name;
    if (!get(size) || !get_bytes(size, name)) return false;
    const int found = plan.find_output(name);
    spec = static_cast<std::uint32_t>(found);
    return found >= 0;
  }
  [[nodiscard]] bool done() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
};

bool get_shape(Cursor& cursor, Shape& shape) {
  std::uint8_t rank = 0;
  if (!cursor.get(rank) || rank > Shape::kMaxRank) return false;
  for (std::uint8_t i = 0; i < rank; ++i) {
    std::int64_t dim = 0;
    if (!cursor.get(dim) || dim < 0 || !shape.try_push_back(dim)) return false;
  }
  return true;
}

bool fits(const TensorView& view) {
  if (view.type != DataType::kBytes) {
    const auto size = byte_size(view.type, view.shape);
    return size && *size == view.size_bytes;
  }
  const auto count = element_count(view.shape);
  if (!count) return false;
  StringCursor cursor(view.data, view.size_bytes);
  for (std::uint64_t i = 0; i < *count; ++i) {
    if (cursor.done() || !cursor.next()) return false;
  }
  return cursor.done();
}

// Its data still lies in the store's bytes.
bool get_tensor(Cursor& cursor, const ModelPlan& plan, OutputTensor& output) {
  std::uint8_t type = 0;
  std::uint64_t size = 0;
  std::string_view data;
  if (!cursor.get_output(plan, output.spec) || !cursor.get(type)) return false;
  const auto expected = static_cast<std::uint8_t>(plan.outputs[output.spec].type);
  if (type != expected && (!plan.outputs_as_given || type >= kDataTypeCount)) return false;
  if (!get_shape(cursor, output.view.shape) || !cursor.get(size)) return false;
  if (!cursor.get_bytes(size, data)) return false;
  output.view.type = static_cast<DataType>(type);
  output.view.data = reinterpret_cast<const std::byte*>(data.data());
  output.view.size_bytes = data.size();
  return fits(output.view);
}

bool move_in(CachedAnswer& answer) {
  std::size_t total = 0;  // of what is in memory: cannot overflow
  for (const auto& output : answer.outputs) total += aligned_in_answer(output.view.size_bytes);
  const BufferLease block = allocate_answer(total);
  if (!block) return false;
  std::byte* to = block->data;
  for (auto& output : answer.outputs) {
    if (output.view.size_bytes > 0) std::memcpy(to, output.view.data, output.view.size_bytes);
    output.view.data = to;
    output.lease = block;
    to += aligned_in_answer(output.view.size_bytes);
  }
  answer.size_bytes = sizeof(CachedAnswer) + total;
  return true;
}

bool get_parts(Cursor& cursor, const ModelPlan& plan, CachedAnswer& answer) {
  std::uint32_t count = 0;
  if (!cursor.get(count)) return false;
  for (; count > 0; --count) {
    if (!cursor.get_output(plan, answer.asked.emplace_back())) return false;
  }
  if (!cursor.get(count)) return false;
  for (; count > 0; --count) {
    if (!get_tensor(cursor, plan, answer.outputs.emplace_back())) return false;
  }
  return cursor.done();
}

}  // namespace

std::size_t answer_size(const Request& request) {
  constexpr std::size_t kTensorBytes = 2 + Shape::kMaxRank * 8 + 8;
  const ModelPlan& plan = request.plan();
  std::size_t size = kHeadBytes + 2 * sizeof(std::uint32_t);
  for (const auto& output : request.outputs) size += 4 + plan.outputs[output.spec].name.size();
  for (const auto& output : request.response.outputs) {
    size += 4 + plan.outputs[output.spec].name.size() + kTensorBytes + output.view.size_bytes;
  }
  return size;
}

std::string write_answer(const Request& request) {
  const ModelPlan& plan = request.plan();
  std::string out;
  out.reserve(answer_size(request));
  put(out, kMark);
  put(out, std::uint64_t{0});
  put(out, static_cast<std::uint32_t>(request.outputs.size()));
  for (const auto& output : request.outputs) put_name(out, plan.outputs[output.spec].name);
  put(out, static_cast<std::uint32_t>(request.response.outputs.size()));
  for (const auto& output : request.response.outputs) {
    const TensorView& view = output.view;
    put_name(out, plan.outputs[output.spec].name);
    put(out, static_cast<std::uint8_t>(view.type));
    put(out, static_cast<std::uint8_t>(view.shape.rank()));
    for (const std::int64_t dim : view.shape.dims()) put(out, dim);
    put(out, std::uint64_t{view.size_bytes});
    out.append(reinterpret_cast<const char*>(view.data), view.size_bytes);
  }
  seal_answer(out);
  return out;
}

void seal_answer(std::string& bytes) {
  const std::uint64_t sum = check_sum(std::string_view(bytes).substr(kHeadBytes));
  std::memcpy(bytes.data() + sizeof kMark, &sum, sizeof sum);
}

std::optional<CachedAnswer> read_answer(std::string_view bytes, const ModelPlan& plan) {
  Cursor cursor(bytes);
  std::uint64_t mark = 0;
  std::uint64_t sum = 0;
  if (!cursor.get(mark) || mark != kMark || !cursor.get(sum)) return std::nullopt;
  if (sum != check_sum(bytes.substr(kHeadBytes))) return std::nullopt;
  CachedAnswer answer;
  if (!get_parts(cursor, plan, answer) || !move_in(answer)) return std::nullopt;
  return answer;
}

}  // namespace penstock
