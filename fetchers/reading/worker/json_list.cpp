#include "fetchers/reading/worker/json_list.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

namespace impound::fetchers {

namespace {

using nlohmann::json;

constexpr std::int64_t last_second = 253'402'300'799;  // 9999-12-31T23:59:59Z

Error malformed(std::string what) { return Error{Code::malformed, "the site's list: " + std::move(what), {}, {}}; }
Error refused(std::string what) { return Error{Code::refused, "the site's list: " + std::move(what), {}, {}}; }

/// Depth and number of values, counted before the parser builds anything. What is no JSON gets some number, and then
/// fails there.
Result<void> check_outline(std::string_view text, ListLimits const& limits) {
  if (text.size() > limits.bytes_max) return refused("it is too long");
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
    if (depth > limits.depth_max) return refused("it is too deeply nested");
    if (values > limits.values_max) return refused("it holds too many values");
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
std::string text_field(json const& item, std::string const& name, std::size_t bytes_max) {
  if (name.empty()) return {};
  auto const found = item.find(name);
  if (found == item.end()) return {};
  if (found->is_number_unsigned()) return std::to_string(found->get<std::uint64_t>());
  if (found->is_number_integer()) return std::to_string(found->get<std::int64_t>());
  auto const* const text = found->get_ptr<json::string_t const*>();
  if (text == nullptr) return {};
  if (text->size() <= bytes_max) return *text;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>((*text)[end]) & 0xc0) == 0x80) --end;
  return text->substr(0, end);
}

/// Unix seconds, as a number or as digits.
std::optional<std::int64_t> time_field(std::string const& digits) {
  if (digits.empty() || digits.size() > 12) return std::nullopt;
  std::int64_t seconds = 0;
  for (char const c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    seconds = seconds * 10 + (c - '0');
  }
  if (seconds > last_second) return std::nullopt;
  return seconds * 1'000'000;
}

Result<ListedItem> read_item(json const& item, SiteProfile const& profile, ListLimits const& limits) {
  if (!item.is_object()) return malformed("an entry is no object");
  ListedItem out;
  out.key = text_field(item, profile.list.key, limits.field_bytes_max);
  if (out.key.empty()) return malformed("an entry has no " + profile.list.key);
  if (!profile.is_key(out.key)) return malformed("an entry's " + profile.list.key + " is no key of this site");
  out.title = text_field(item, profile.list.title, limits.field_bytes_max);
  out.author = text_field(item, profile.list.author, limits.field_bytes_max);
  out.published_us = time_field(text_field(item, profile.list.time, 32));
  out.raw = item.dump(-1, ' ', false, json::error_handler_t::replace);
  return out;
}

}  // namespace

Result<ItemList> read_json_list(std::string_view body, SiteProfile const& profile, ListLimits const& limits) {
  IMPOUND_CHECK(check_outline(body, limits));
  json const document = json::parse(body, nullptr, false);
  if (document.is_discarded()) return malformed("it is no JSON");
  json const* const entries = at_pointer(document, profile.list.items);
  if (entries == nullptr || !entries->is_array())
    return malformed(profile.list.items.empty() ? "it is no array" : "there is no array at " + profile.list.items);
  if (entries->size() > std::min<std::uint64_t>(limits.items_max, profile.list.items_max))
    return refused("it has " + std::to_string(entries->size()) + " items");
  ItemList list;
  std::set<std::string, std::less<>> seen;
  for (json const& entry : *entries) {
    auto item = read_item(entry, profile, limits);
    if (!item) {
      if (list.unreadable++ == 0) list.unreadable_why = item.error().what;
    } else if (seen.insert(item.value().key).second) {
      list.items.push_back(std::move(item).value());
    }
  }
  return list;
}

}  // namespace impound::fetchers
