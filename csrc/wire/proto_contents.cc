// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "wire/proto_contents.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "wire/proto_fields.h"

namespace penstock::wire {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;

constexpr std::uint32_t kFloatField = 6;
constexpr std::uint32_t kDoubleField = 7;
constexpr std::uint32_t kBytesField = 8;

// Calls visit(reader) at every field 1..8 of every `contents` in the message; visit consumes it.
template <typename Visit>
void each_field(std::string_view input_message, Visit&& visit) {
  pbf_reader input(input_message.data(), input_message.size());
  while (input.next()) {
    if (input.tag_and_type() != length_field(5)) {
      input.skip();
      continue;
    }
    pbf_reader contents = input.get_message();
    while (contents.next()) {
      if (contents.tag() <= kContentsFields) {
        visit(contents);
      } else {
        contents.skip();
      }
    }
  }
}

std::uint64_t count_varints(std::string_view packed) {
  if (!packed.empty() && static_cast<signed char>(packed.back()) < 0) {
    throw protozero::end_of_buffer_exception{};
  }
  const auto ends = [](char c) { return static_cast<signed char>(c) >= 0; };
  return static_cast<std::uint64_t>(std::count_if(packed.begin(), packed.end(), ends));
}

std::uint64_t count_fixed(std::string_view packed, std::size_t size) {
  if (packed.size() % size != 0) throw protozero::invalid_length_exception{};
  return packed.size() / size;
}

void tally_field(pbf_reader& reader, ContentsTally& tally) {
  const std::uint32_t field = reader.tag();
  std::uint64_t& values = tally.values[field];
  const bool packed = reader.wire_type() == pbf_wire_type::length_delimited;
  if (field == kBytesField) {
    if (!packed) return reader.skip();
    tally.string_bytes += sizeof(std::uint32_t) + view_of(reader).size();
    ++values;
  } else if (field == kFloatField || field == kDoubleField) {
    const bool is_float = field == kFloatField;
    if (packed) {
      values += count_fixed(view_of(reader), is_float ? sizeof(float) : sizeof(double));
      return;
    }
    const auto single = is_float ? pbf_wire_type::fixed32 : pbf_wire_type::fixed64;
    if (reader.wire_type() == single) ++values;
    reader.skip();
  } else if (packed) {
    values += count_varints(view_of(reader));
  } else {
    if (reader.wire_type() == pbf_wire_type::varint) ++values;
    reader.skip();
  }
}

// The 64 bits of a varint as the field's own type, as protobuf cuts them.
template <typename Wire, typename T>
class VarintWriter {
 public:
  VarintWriter(std::byte* out, std::string& misfit) : out_(out), misfit_(misfit) {}
  [[nodiscard]] bool ok() const { return misfit_.empty(); }

  void take(pbf_reader& reader) {
    if (reader.wire_type() == pbf_wire_type::varint) return put(varint_of(reader));
    if (reader.wire_type() != pbf_wire_type::length_delimited) return reader.skip();
    const std::string_view packed = view_of(reader);
    const char* at = packed.data();
    const char* end = at + packed.size();
    while (at != end && ok()) put(protozero::decode_varint(&at, end));
  }

 private:
  void put(std::uint64_t bits) {
    if constexpr (std::is_same_v<T, bool>) {
      *out_++ = std::byte{bits != 0};
    } else {
      const auto value = static_cast<Wire>(bits);
      if (!ok()) return;
      if (!std::in_range<T>(value)) {
        misfit_ = std::to_string(value);
        return;
      }
      const T narrow = static_cast<T>(value);
      std::memcpy(out_, &narrow, sizeof(T));
      out_ += sizeof(T);
    }
  }

  std::byte* out_;
  std::string& misfit_;
};

template <typename Wire, typename T>
bool write_varints(std::string_view message, std::uint32_t field, std::byte* out,
                   std::string& misfit) {
  misfit.clear();
  VarintWriter<Wire, T> writer(out, misfit);
  each_field(message, [&](pbf_reader& reader) {
    if (reader.tag() == field) {
      writer.take(reader);
    } else {
      reader.skip();
    }
  });
  return writer.ok();
}

// Little-endian on the wire as in memory.
void write_fixed(std::string_view message, std::uint32_t field, std::size_t size, std::byte* out) {
  const auto single = size == sizeof(float) ? pbf_wire_type::fixed32 : pbf_wire_type::fixed64;
  each_field(message, [&](pbf_reader& reader) {
    if (reader.tag() != field) return reader.skip();
    if (reader.wire_type() == pbf_wire_type::length_delimited) {
      const std::string_view packed = view_of(reader);
      if (!packed.empty()) std::memcpy(out, packed.data(), packed.size());
      out += packed.size();
    } else if (reader.wire_type() != single) {
      reader.skip();
    } else if (size == sizeof(float)) {
      const float value = reader.get_float();
      std::memcpy(out, &value, sizeof(value));
      out += sizeof(value);
    } else {
      const double value = reader.get_double();
      std::memcpy(out, &value, sizeof(value));
      out += sizeof(value);
    }
  });
}

void write_strings(std::string_view message, std::byte* out) {
  each_field(message, [&](pbf_reader& reader) {
    if (reader.tag_and_type() != length_field(kBytesField)) return reader.skip();
    const std::string_view text = view_of(reader);
    const auto length = static_cast<std::uint32_t>(text.size());
    std::memcpy(out, &length, sizeof(length));
    if (length > 0) std::memcpy(out + sizeof(length), text.data(), length);
    out += sizeof(length) + length;
  });
}

}  // namespace

std::uint32_t contents_field(DataType type) {
  switch (type) {
    case DataType::kBool:
      return 1;
    case DataType::kInt8:
    case DataType::kInt16:
    case DataType::kInt32:
      return 2;
    case DataType::kInt64:
      return 3;
    case DataType::kUint8:
    case DataType::kUint16:
    case DataType::kUint32:
      return 4;
    case DataType::kUint64:
      return 5;
    case DataType::kFp32:
      return kFloatField;
    case DataType::kFp64:
      return kDoubleField;
    case DataType::kBytes:
      return kBytesField;
    case DataType::kFp16:
    case DataType::kBf16:
    case DataType::kInvalid:
      break;
  }
  return 0;
}

std::string_view contents_field_type(std::uint32_t field) {
  constexpr std::array<std::string_view, kContentsFields + 1> kTypes{
      "<invalid>", "BOOL", "INT32", "INT64", "UINT32", "UINT64", "FP32", "FP64", "BYTES"};
  return kTypes[field];
}

ContentsTally tally_contents(std::string_view input_message) {
  ContentsTally tally;
  each_field(input_message, [&](pbf_reader& reader) { tally_field(reader, tally); });
  return tally;
}

bool write_contents(std::string_view message, DataType type, std::byte* out, std::string& misfit) {
  const std::uint32_t field = contents_field(type);
  switch (type) {
    case DataType::kBool:
      return write_varints<std::uint64_t, bool>(message, field, out, misfit);
    case DataType::kInt8:
      return write_varints<std::int32_t, std::int8_t>(message, field, out, misfit);
    case DataType::kInt16:
      return write_varints<std::int32_t, std::int16_t>(message, field, out, misfit);
    case DataType::kInt32:
      return write_varints<std::int32_t, std::int32_t>(message, field, out, misfit);
    case DataType::kInt64:
      return write_varints<std::int64_t, std::int64_t>(message, field, out, misfit);
    case DataType::kUint8:
      return write_varints<std::uint32_t, std::uint8_t>(message, field, out, misfit);
    case DataType::kUint16:
      return write_varints<std::uint32_t, std::uint16_t>(message, field, out, misfit);
    case DataType::kUint32:
      return write_varints<std::uint32_t, std::uint32_t>(message, field, out, misfit);
    case DataType::kUint64:
      return write_varints<std::uint64_t, std::uint64_t>(message, field, out, misfit);
    case DataType::kFp32:
    case DataType::kFp64:
      write_fixed(message, field, element_size(type), out);
      return true;
    case DataType::kBytes:
      write_strings(message, out);
      return true;
    case DataType::kFp16:
    case DataType::kBf16:
    case DataType::kInvalid:
      break;
  }
  return true;
}

}  // namespace penstock::wire
