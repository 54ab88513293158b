#include "fetchers/reading/worker/json_list.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace impound::fetchers {

namespace {

using nlohmann::json;

/// Depth and number of values, counted before the parser builds anything. What is no JSON gets some number, and then
/// fails there.
Result<void> check_outline(std::string_view text, ListLimits const& limits) {
  if (text.size() > limits.bytes_max) return refused_list("it is too long");
  std::size_t depth = 0, values = 1;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char const c = text[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '[' || c == '{') ++depth;
    if ((c == ']' || c == '}') && depth > 0) --depth;
    if (c == '[' || c == '{' || c == ',' || c == ':') ++values;
    if (depth > limits.depth_max) return refused_list("it is too deeply nested");
    if (values > limits.values_max) return refused_list("it holds too many values");
  }
  return ok();
}

/// Follows a JSON pointer (RFC 6901) by hand: nlohmann's throws on what is not there.
json const* at_pointer(json const& document, std::string_view pointer) {
  json const* at = &document;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    auto const end = std::min(pointer.find('/'), pointer.size());
    std::string name;
    for (std::size_t i = 0; i < end; ++i) {
      bool const escape = pointer[i] == '~' && i + 1 < end && (pointer[i + 1] == '0' || pointer[i + 1] == '1');
      name += escape ? (pointer[i + 1] == '0' ? '~' : '/') : pointer[i];
      if (escape) ++i;
    }
    pointer.remove_prefix(end);
    if (!at->is_object()) return nullptr;
    auto const found = at->find(name);
    if (found == at->end()) return nullptr;
    at = &*found;
  }
  return at;
}

/// A field as text: sites write numbers as strings and the other way round.
std::string text_field(json const& item, std::string const& name) {
  if (name.empty()) return {};
  auto const found = item.find(name);
  if (found == item.end()) return {};
  if (found->is_number_unsigned()) return std::to_string(found->get<std::uint64_t>());
  if (found->is_number_integer()) return std::to_string(found->get<std::int64_t>());
  auto const* const text = found->get_ptr<json::string_t const*>();
  return text == nullptr ? std::string{} : *text;
}

}  // namespace

Result<ItemList> read_json_list(std::string_view body, SiteProfile const& profile, ListLimits const& limits) {
  IMPOUND_CHECK(check_outline(body, limits));
  json const document = json::parse(body, nullptr, false);
  if (document.is_discarded()) return malformed_list("it is no JSON");
  json const* const entries = at_pointer(document, profile.list.items);
  if (entries == nullptr || !entries->is_array())
    return malformed_list(profile.list.items.empty() ? "it is no array" : "there is no array at " + profile.list.items);
  ItemListing listing{profile, limits};
  IMPOUND_CHECK(listing.check_count(entries->size()));
  ListProfile const& names = profile.list;
  for (json const& entry : *entries) {
    if (entry.is_object())
      listing.add({text_field(entry, names.key), text_field(entry, names.title), text_field(entry, names.author),
                   text_field(entry, names.time), entry.dump(-1, ' ', false, json::error_handler_t::replace)});
    else
      listing.add_unreadable("an entry is no object");
  }
  return listing.finish();
}

}  // namespace impound::fetchers
