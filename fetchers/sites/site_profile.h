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

struct ListProfile {
  std::string path;                      // relative to base_url
  std::string items;                     // JSON pointer (RFC 6901) to the array; "" is the whole document
  std::string key, title, author, time;  // names of an item's fields; "" where the site has none (key is needed)
  std::chrono::seconds interval{60};     // between two looks, at least
  std::uint64_t items_max = 1000;        // an answer with more is refused
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
  /// Both refuse what would leave the base's origin.
  Result<Url> list_url(Url const& base) const;
  Result<Url> item_url(Url const& base, std::string_view key) const;
  /// What a body with status 200 is.
  Answer judge(std::string_view body) const;
};

/// `file` is named in errors.
Result<SiteProfile> read_site_profile(std::string_view toml, std::string_view file);

}  // namespace impound::fetchers
