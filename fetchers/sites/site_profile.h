// How one kind of paste site is read, as data: where its list is, which field holds what, how an item's URL is made
// from its key, how often it may be asked, and which bodies are not pastes though the status says 200.
//
// From TOML, strictly: an unknown key is an error that names file, line and key. Profiles are the operator's, so a
// pattern may be any RE2 expression (no back-tracking), but bounded in size. A profile is immutable and may be read by
// any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/values/result.h"
#include "fetchers/url.h"

namespace re2 {
class RE2;
}

namespace impound::fetchers {

enum class Answer { content, denied, not_ready, gone };
char const* word(Answer answer);

/// A body that is a sentence of the site's and not a paste.
struct KnownAnswer {
  Answer outcome = Answer::gone;
  std::string pattern;  // RE2, must match the whole body without white space at its ends
  std::shared_ptr<re2::RE2 const> compiled;
};

enum class ListFormat { json, xml, html };

struct ListProfile {
  std::string path;  // relative to base_url
  ListFormat format = ListFormat::json;
  std::string items;                     // of JSON a pointer (RFC 6901) to the array, "" for the whole document; else
                                         // an XPath 1.0 expression for the elements
  std::string key, title, author, time;  // an item's fields, "" where the site has none (key is needed): their names
                                         // in JSON, else XPath expressions from the item's element on
  std::string key_part;                  // RE2 with one group: the key within that field; "" where it is the key
  std::shared_ptr<re2::RE2 const> key_part_compiled{};
  std::chrono::seconds interval{60};  // between two looks, at least
  std::uint64_t items_max = 1000;     // an answer with more is refused
};

struct ItemProfile {
  std::string path;         // relative to base_url, with {key}
  std::string key_pattern;  // RE2, must match the whole key
  std::shared_ptr<re2::RE2 const> key_compiled;
};

struct SiteProfile {
  std::string name;
  std::string toml;                      // what it was read from: the reader worker is handed it
  std::optional<std::string> base_url;   // the site's own, where the settings name no other
  std::chrono::milliseconds pace{1000};  // between two requests to the host, at least
  ListProfile list;
  ItemProfile item;
  std::vector<KnownAnswer> answers;

  bool is_key(std::string_view key) const;
  /// The key within a field of the list; nothing where the profile's pattern finds none.
  std::optional<std::string> key_in(std::string_view field) const;
  /// Both refuse what would leave the base's origin.
  Result<Url> list_url(Url const& base) const;
  Result<Url> item_url(Url const& base, std::string_view key) const;
  /// What a body with status 200 is.
  Answer judge(std::string_view body) const;
};

/// `file` is named in errors.
Result<SiteProfile> read_site_profile(std::string_view toml, std::string_view file);

}  // namespace impound::fetchers
