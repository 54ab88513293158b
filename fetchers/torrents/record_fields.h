// Takes the fields of a swarm record's item, each checked; the first that is wrong is remembered, and what comes after
// it is of no use. Private to the record's reader.
//
// One thread.
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "fetchers/torrents/swarm_record.h"

namespace impound::fetchers {

/// IPv4 in IPv6: ::ffff:a.b.c.d.
bool is_mapped(std::array<std::byte, 16> const& address);
Frame record_frame(RecordItem const& item);

class RecordFields {
 public:
  explicit RecordFields(Frame const& frame) : frame_(frame) {}

  bool good() const { return wrong_.empty(); }
  std::string const& wrong() const { return wrong_; }
  bool all_taken() const { return taken_ == frame_.size(); }
  void is(bool right, char const* what) {
    if (!right && wrong_.empty()) wrong_ = what;
  }

  std::uint64_t number(char const* key) { return number_of(field(key)); }
  std::optional<std::uint64_t> number_if(char const* key) {
    return frame_.contains(key) ? std::optional{number(key)} : std::nullopt;
  }
  std::uint16_t port(char const* key) { return port_of(field(key)); }
  std::uint16_t port_if(char const* key) { return frame_.contains(key) ? port(key) : std::uint16_t{0}; }
  std::string bytes(char const* key, std::size_t bytes_max = record_text_bytes_max) {
    Frame const& value = field(key);
    is(value.is_binary() && value.get_binary().size() <= bytes_max, key);
    if (!good()) return {};
    return {value.get_binary().begin(), value.get_binary().end()};
  }
  /// Never "" where it is there: each value has one form.
  std::string bytes_if(char const* key) {
    if (!frame_.contains(key)) return {};
    auto found = bytes(key);
    is(!found.empty(), key);
    return found;
  }
  template <class DigestType>
  std::optional<DigestType> digest(char const* key) {
    return frame_.contains(key) ? std::optional{digest_of<DigestType>(field(key))} : std::nullopt;
  }
  std::array<std::byte, 16> address(char const* key) { return address_of(field(key)); }
  Frame const& list(char const* key, std::size_t at_most) {
    static Frame const none = Frame::array();
    Frame const& value = field(key);
    is(value.is_array() && value.size() <= at_most, key);
    return good() ? value : none;
  }

  std::uint64_t number_of(Frame const& value) {
    is(value.is_number_unsigned(), "a number");
    return value.is_number_unsigned() ? value.get<std::uint64_t>() : 0;
  }
  std::uint16_t port_of(Frame const& value) {
    auto const number = number_of(value);
    is(number <= std::numeric_limits<std::uint16_t>::max(), "a port");
    return static_cast<std::uint16_t>(number);
  }
  template <class DigestType>
  DigestType digest_of(Frame const& value) {
    DigestType digest;
    is(value.is_binary() && value.get_binary().size() == DigestType::size, "a digest");
    if (good())
      std::transform(value.get_binary().begin(), value.get_binary().end(), digest.bytes.begin(),
                     [](auto one) { return static_cast<std::byte>(one); });
    return digest;
  }
  std::array<std::byte, 16> address_of(Frame const& value) {
    std::array<std::byte, 16> address{};
    is(value.is_binary() && (value.get_binary().size() == 4 || value.get_binary().size() == 16), "an address");
    if (!good()) return address;
    auto const& bytes = value.get_binary();
    std::size_t const from = address.size() - bytes.size();
    if (from > 0) address[10] = address[11] = std::byte{0xff};
    for (std::size_t i = 0; i < bytes.size(); ++i) address[from + i] = static_cast<std::byte>(bytes[i]);
    return address;
  }

 private:
  Frame const& field(char const* key) {
    static Frame const none;
    auto const found = frame_.find(key);
    is(found != frame_.end(), key);
    if (found == frame_.end()) return none;
    ++taken_;
    return *found;
  }

  Frame const& frame_;
  std::size_t taken_ = 1;  // the kind
  std::string wrong_;
};

}  // namespace impound::fetchers
