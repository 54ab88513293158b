// One table of the settings' file: what stands there is asked for by its key, and whatever was not asked for is an
// error. Private to settings/.
#pragma once

#include <toml++/toml.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/settings/settings.h"

namespace impound::agent {

/// Reads one table and remembers which of its keys were asked for, so that the rest can be refused.
class Section {
 public:
  Section(toml::table const& table, std::string name, std::string const& file)
      : table_(table), name_(std::move(name)), file_(file) {}

  template <class T>
  Result<std::optional<T>> value(std::string_view key) {
    known_.push_back(std::string(key));
    toml::node const* const node = table_.get(key);
    if (node == nullptr) return std::optional<T>{};
    auto const found = node->value_exact<T>();
    if (!found) return wrong(*node, key, "has the wrong type");
    return std::optional<T>{*found};
  }

  Result<void> text(std::string_view key, std::string& into) {
    IMPOUND_TRY(found, value<std::string>(key));
    if (found) into = *found;
    return ok();
  }

  Result<void> flag(std::string_view key, bool& into) {
    IMPOUND_TRY(found, value<bool>(key));
    if (found) into = *found;
    return ok();
  }

  /// One of two words; true for the second.
  Result<void> either(std::string_view key, std::string_view first, std::string_view second, bool& into) {
    IMPOUND_TRY(found, value<std::string>(key));
    if (found && *found != first && *found != second)
      return wrong(*table_.get(key), key, "must be \"" + std::string(first) + "\" or \"" + std::string(second) + "\"");
    if (found) into = *found == second;
    return ok();
  }

  Result<void> count(std::string_view key, std::uint64_t& into) {
    IMPOUND_TRY(found, value<std::int64_t>(key));
    if (!found) return ok();
    if (*found < 0) return wrong(*table_.get(key), key, "must not be negative");
    into = static_cast<std::uint64_t>(*found);
    return ok();
  }

  /// 1 to `most`; what stands in `into` for a key that is not there is within it.
  Result<void> count_up_to(std::uint64_t most, std::string_view key, std::uint64_t& into) {
    IMPOUND_CHECK(count(key, into));
    if (into > 0 && into <= most) return ok();
    return wrong(*table_.get(key), key, "must be 1 to " + std::to_string(most));
  }

  Result<std::optional<std::chrono::seconds>> duration(std::string_view key) {
    IMPOUND_TRY(found, value<std::string>(key));
    if (!found) return std::optional<std::chrono::seconds>{};
    auto const parsed = parse_duration(*found);
    if (!parsed) return wrong(*table_.get(key), key, "is no duration such as \"90s\", \"10m\" or \"6h\"");
    return parsed;
  }

  /// The same, and "0s" for none at all.
  Result<std::optional<std::chrono::seconds>> duration_or_none(std::string_view key) {
    auto const* const none = table_.get(key);
    if (none == nullptr || none->value_exact<std::string>() != "0s") return duration(key);
    known(key);
    return std::optional{std::chrono::seconds{0}};
  }

  Result<void> choice(std::string_view key, Pick& into) {
    IMPOUND_TRY(found, value<std::string>(key));
    if (!found) return ok();
    if (*found == "all")
      into = Pick::all;
    else if (*found == "matched")
      into = Pick::matched;
    else if (*found == "none")
      into = Pick::none;
    else
      return wrong(*table_.get(key), key, "must be \"matched\", \"all\" or \"none\"");
    return ok();
  }

  Result<void> texts(std::string_view key, std::vector<std::string>& into) {
    known_.push_back(std::string(key));
    toml::node const* const node = table_.get(key);
    if (node == nullptr) return ok();
    toml::array const* const list = node->as_array();
    if (list == nullptr) return wrong(*node, key, "must be a list of texts");
    for (toml::node const& entry : *list) {
      auto const one = entry.value_exact<std::string>();
      if (!one) return wrong(entry, key, "must be a list of texts");
      into.push_back(*one);
    }
    return ok();
  }

  /// Keys of the design whose feature is not there yet: only `value` (what impound does anyway) is taken.
  Result<void> only(std::string_view key, std::string_view value_now) {
    known_.push_back(std::string(key));
    toml::node const* const node = table_.get(key);
    if (node == nullptr) return ok();
    if (auto const found = node->value_exact<std::string>(); found && *found == value_now) return ok();
    std::string const now = value_now.empty() ? "it cannot be set" : "only \"" + std::string(value_now) + "\" is there";
    return wrong(*node, key, "is not supported by this version (" + now + ")");
  }

  /// After all keys were asked for: whatever else stands there is an error.
  Result<void> done() {
    for (auto const& [key, node] : table_) {
      bool known = false;
      for (std::string const& name : known_) known = known || name == key.str();
      if (!known) return wrong(node, key.str(), "is not a setting");
    }
    return ok();
  }

  Error wrong(toml::node const& node, std::string_view key, std::string_view why) const {
    std::string const place = file_ + " line " + std::to_string(node.source().begin.line);
    return Error{Code::usage,
                 "setting " + (name_.empty() ? "" : name_ + ".") + std::string(key) + " " + std::string(why), place,
                 "config/impound.toml shows every setting"};
  }

  void known(std::string_view key) { known_.push_back(std::string(key)); }
  std::string const& file() const { return file_; }

  toml::table const& table_;

 private:
  std::string name_;
  std::string const& file_;
  std::vector<std::string> known_;
};

}  // namespace impound::agent
