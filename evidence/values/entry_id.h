// The id of a custody entry: a UUID version 7 (RFC 9562 §5.7), made from the injected clock and randomness.
// Its time is a convenience; order in the log is the index alone.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace impound {

class Clock;
class Randomness;

class EntryId {
 public:
  static EntryId make(Clock& clock, Randomness& randomness);
  /// Lowercase 8-4-4-4-12 with version 7, else nothing.
  static std::optional<EntryId> parse(std::string_view text);
  std::string const& text() const { return text_; }
  auto operator<=>(EntryId const&) const = default;

 private:
  explicit EntryId(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

}  // namespace impound
