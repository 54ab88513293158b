// Bencode (BEP 3), read without recursion into a flat outline over the bytes, which must outlive it.
//
//     integer i-?[0-9]+e    string LENGTH:bytes    list l…e    dict d(string value)…e
//
// Strict where readers differ: no leading zeros, no "-0", no negative lengths, keys are strings. Lax where real
// torrents are: keys in any order, a key twice (find() gives the first, as libtorrent does). Bounded by depth and
// tokens.
//
// Any thread; reading an outline changes nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "evidence/values/result.h"

namespace impound::fetchers {

class BencodeOutline;

/// One value of an outline: light, valid as long as the outline and the bytes.
class BencodeValue {
 public:
  bool is_integer() const { return kind() == 'i'; }
  bool is_list() const { return kind() == 'l'; }
  bool is_dict() const { return kind() == 'd'; }
  bool is_text() const { return kind() >= '0' && kind() <= '9'; }

  /// The bytes as they stand in the file, e.g. to hash an info dict.
  std::string_view raw() const;
  /// A string's bytes; empty for another kind.
  std::string_view text() const;
  /// Nothing for another kind, or when it does not fit.
  std::optional<std::int64_t> integer() const;

  /// The first item of a list, the first key of a dict; nothing when empty or another kind.
  std::optional<BencodeValue> first() const;
  /// What follows in the same list or dict: in a dict keys and values take turns.
  std::optional<BencodeValue> next() const;
  /// The value of a key.
  std::optional<BencodeValue> find(std::string_view key) const;

 private:
  friend class BencodeOutline;
  BencodeValue(BencodeOutline const& outline, std::uint32_t token) : outline_(&outline), token_(token) {}
  char kind() const;

  BencodeOutline const* outline_;
  std::uint32_t token_;
};

class BencodeOutline {
 public:
  /// Code::malformed with the place; Code::refused beyond a limit. `trailing`: bytes behind the outermost value are
  /// left.
  static Result<BencodeOutline> read(std::string_view bytes, std::size_t depth_max, std::size_t tokens_max,
                                     bool trailing);

  BencodeValue root() const { return {*this, 0}; }

 private:
  friend class BencodeValue;
  struct Token {
    std::uint32_t begin;
    std::uint32_t end;
    std::uint32_t after;       // the token that follows this value and all inside it
    std::uint32_t parent_end;  // tokens of the enclosing value end here: no next() beyond
  };
  struct Reading;

  std::string_view bytes_;
  std::vector<Token> tokens_;
};

}  // namespace impound::fetchers
