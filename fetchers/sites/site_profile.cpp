#include "fetchers/sites/site_profile.h"

#include <re2/re2.h>
#include <toml++/toml.h>

#include <algorithm>
#include <limits>

namespace impound::fetchers {

namespace {

constexpr std::size_t file_bytes_max = 256 * 1024;
constexpr std::size_t pattern_bytes_max = 1024;
constexpr std::int64_t pattern_memory_max = 1 << 20;
constexpr std::size_t key_bytes_max = 256;
constexpr std::size_t answer_bytes_max =
    1024;  // a longer body is a paste, even if it quotes one of the site's sentences
constexpr std::string_view key_place = "{key}";

/// One table of the file; remembers which keys were asked for, so that the rest can be refused by name.
class Section {
 public:
  Section(toml::table const& table, std::string name, std::string_view file)
      : table_(table), name_(std::move(name)), file_(file) {}

  Error wrong(toml::node const* node, std::string_view key, std::string_view why) const {
    std::string where(file_);
    if (node != nullptr && node->source().begin) where.append(":").append(std::to_string(node->source().begin.line));
    std::string what = name_;
    if (!what.empty()) what += '.';
    what.append(key).append(" ").append(why);
    return Error{Code::usage, std::move(what), std::move(where), {}};
  }

  Result<std::optional<std::string>> text(std::string_view key) {
    auto const* const node = take(key);
    if (node == nullptr) return std::optional<std::string>{};
    auto const value = node->value_exact<std::string>();
    if (!value) return wrong(node, key, "must be a text");
    return std::optional<std::string>{*value};
  }

  Result<std::string> needed_text(std::string_view key) {
    IMPOUND_TRY(value, text(key));
    if (!value || value->empty())
      return wrong(table_.get(key) != nullptr ? table_.get(key) : &table_, key, "is needed");
    return *value;
  }

  Result<std::optional<double>> number(std::string_view key, double least, double most) {
    auto const* const node = take(key);
    if (node == nullptr) return std::optional<double>{};
    auto const value = node->value<double>();
    if (!value || !node->is_number()) return wrong(node, key, "must be a number");
    if (!(*value >= least && *value <= most)) return wrong(node, key, "is out of bounds");
    return std::optional<double>{*value};
  }

  Result<toml::table const*> table(std::string_view key) {
    auto const* const node = take(key);
    if (node == nullptr) return wrong(&table_, key, "is needed");
    if (!node->is_table()) return wrong(node, key, "must be a table");
    return node->as_table();
  }

  Result<std::shared_ptr<re2::RE2 const>> pattern(std::string_view key, std::string& text_out) {
    IMPOUND_TRY(value, needed_text(key));
    if (value.size() > pattern_bytes_max) return wrong(table_.get(key), key, "is too long");
    re2::RE2::Options options(re2::RE2::Quiet);
    options.set_max_mem(pattern_memory_max);
    options.set_encoding(re2::RE2::Options::EncodingLatin1);  // bodies are bytes, not necessarily UTF-8
    options.set_dot_nl(true);
    auto compiled = std::make_shared<re2::RE2 const>(value, options);
    if (!compiled->ok()) return wrong(table_.get(key), key, "is no pattern (" + compiled->error() + ")");
    text_out = std::move(value);
    return std::shared_ptr<re2::RE2 const>(std::move(compiled));
  }

  toml::node const* take(std::string_view key) {
    asked_.emplace_back(key);
    return table_.get(key);
  }

  /// Nothing that was not asked for may stand there: a mistyped key must not be silence.
  Result<void> nothing_else() const {
    for (auto const& [key, node] : table_)
      if (std::find(asked_.begin(), asked_.end(), key.str()) == asked_.end())
        return wrong(&node, key.str(), "is no key of a site profile");
    return ok();
  }

 private:
  toml::table const& table_;
  std::string name_;
  std::string_view file_;
  std::vector<std::string> asked_;
};

/// A path that stays below the base: no scheme, no host, no way up.
bool stays_below(std::string_view path) {
  return path.find('/') != 0 && path.find("..") == std::string_view::npos &&
         path.find('\\') == std::string_view::npos &&
         path.substr(0, path.find('/')).find(':') == std::string_view::npos && path.find('#') == std::string_view::npos;
}

Result<std::string> relative_path(Section& section) {
  IMPOUND_TRY(path, section.needed_text("path"));
  if (!stays_below(path)) return section.wrong(section.take("path"), "path", "must be relative to base_url");
  return path;
}

Result<ListProfile> read_list(toml::table const& table, std::string_view file) {
  Section section(table, "list", file);
  ListProfile list;
  IMPOUND_TRY(path, relative_path(section));
  list.path = std::move(path);
  IMPOUND_TRY(format, section.needed_text("format"));
  if (format == "xml")
    list.format = ListFormat::xml;
  else if (format == "html")
    list.format = ListFormat::html;
  else if (format != "json")
    return section.wrong(section.take("format"), "format", "must be \"json\", \"xml\" or \"html\"");
  struct Field {
    char const* key;
    std::string* into;
  };
  for (Field const& field :
       {Field{"items", &list.items}, {"title", &list.title}, {"author", &list.author}, {"time", &list.time}}) {
    IMPOUND_TRY(value, section.text(field.key));
    if (value) *field.into = std::move(*value);
  }
  bool const json = list.format == ListFormat::json;
  if (json && !list.items.empty() && !list.items.starts_with('/'))
    return section.wrong(section.take("items"), "items", "must be a JSON pointer, such as \"/data\"");
  if (!json && list.items.empty())
    return section.wrong(section.take("items"), "items", "is needed: an XPath expression, such as \"//item\"");
  IMPOUND_TRY(key, section.needed_text("key"));
  list.key = std::move(key);
  if (section.take("key_part") != nullptr) {
    IMPOUND_TRY(compiled, section.pattern("key_part", list.key_part));
    if (compiled->NumberOfCapturingGroups() != 1)
      return section.wrong(section.take("key_part"), "key_part", "must have one group, which is the key");
    list.key_part_compiled = std::move(compiled);
  }
  IMPOUND_TRY(interval, section.number("interval", 1, 86'400));
  if (interval) list.interval = std::chrono::seconds{static_cast<std::int64_t>(*interval)};
  IMPOUND_TRY(items_max, section.number("items_max", 1, 10'000));
  if (items_max) list.items_max = static_cast<std::uint64_t>(*items_max);
  IMPOUND_CHECK(section.nothing_else());
  return list;
}

Result<ItemProfile> read_item(toml::table const& table, std::string_view file) {
  Section section(table, "item", file);
  ItemProfile item;
  IMPOUND_TRY(path, relative_path(section));
  if (path.find(key_place) == std::string::npos) return section.wrong(section.take("path"), "path", "must hold {key}");
  item.path = std::move(path);
  IMPOUND_TRY(compiled, section.pattern("key", item.key_pattern));
  item.key_compiled = std::move(compiled);
  IMPOUND_CHECK(section.nothing_else());
  return item;
}

Result<KnownAnswer> read_answer(toml::table const& table, std::string_view file) {
  Section section(table, "answer", file);
  KnownAnswer answer;
  IMPOUND_TRY(outcome, section.needed_text("outcome"));
  if (outcome == "denied")
    answer.outcome = Answer::denied;
  else if (outcome == "not_ready")
    answer.outcome = Answer::not_ready;
  else if (outcome == "gone")
    answer.outcome = Answer::gone;
  else
    return section.wrong(section.take("outcome"), "outcome", "must be \"denied\", \"not_ready\" or \"gone\"");
  IMPOUND_TRY(compiled, section.pattern("body", answer.pattern));
  answer.compiled = std::move(compiled);
  IMPOUND_CHECK(section.nothing_else());
  return answer;
}

Result<void> read_answers(Section& section, std::string_view file, std::vector<KnownAnswer>& answers) {
  auto const* const node = section.take("answer");
  if (node == nullptr) return ok();
  auto const* const list = node->as_array();
  if (list == nullptr || list->size() > 100)
    return section.wrong(node, "answer", "must be a list of tables: [[answer]]");
  for (toml::node const& entry : *list) {
    auto const* const table = entry.as_table();
    if (table == nullptr) return section.wrong(&entry, "answer", "must be a list of tables: [[answer]]");
    IMPOUND_TRY(answer, read_answer(*table, file));
    answers.push_back(std::move(answer));
  }
  return ok();
}

Result<SiteProfile> read_profile(toml::table const& table, std::string_view file) {
  Section section(table, "", file);
  SiteProfile profile;
  IMPOUND_TRY(name, section.needed_text("name"));
  profile.name = std::move(name);
  IMPOUND_TRY(base_url, section.text("base_url"));
  if (base_url) {
    auto const url = Url::parse(*base_url);
    if (!url) return section.wrong(section.take("base_url"), "base_url", "is no URL: " + url.error().what);
    profile.base_url = std::move(base_url);
  }
  IMPOUND_TRY(pace, section.number("pace", 0, 3600));
  if (pace) profile.pace = std::chrono::milliseconds{static_cast<std::int64_t>(*pace * 1000)};
  IMPOUND_TRY(list_table, section.table("list"));
  IMPOUND_TRY(list, read_list(*list_table, file));
  profile.list = std::move(list);
  IMPOUND_TRY(item_table, section.table("item"));
  IMPOUND_TRY(item, read_item(*item_table, file));
  profile.item = std::move(item);
  IMPOUND_CHECK(read_answers(section, file, profile.answers));
  IMPOUND_CHECK(section.nothing_else());
  return profile;
}

/// The base with `path` behind its own path, which counts as a folder with or without a slash at its end.
Result<Url> below(Url const& base, std::string const& path) {
  std::string folder = base.path();
  if (!folder.ends_with('/')) folder += '/';
  IMPOUND_TRY(url, base.resolve(folder + path));
  if (!url.same_origin(base) || !url.path().starts_with(folder))
    return Error{Code::refused, "a profile's path leaves its base_url", url.text(), {}};
  return url;
}

/// Percent-encodes all but unreserved characters (RFC 3986 §2.3): whatever the pattern lets through stays one value.
std::string encoded(std::string_view key) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (char const c : key) {
    auto const byte = static_cast<unsigned char>(c);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
        c == '_' || c == '~') {
      out += c;
    } else {
      out += '%';
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  auto const blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

bool full_match(re2::RE2 const& pattern, std::string_view text) {
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), pattern);
}

}  // namespace

char const* word(Answer answer) {
  switch (answer) {
    case Answer::content: return "content";
    case Answer::denied: return "denied";
    case Answer::not_ready: return "not_ready";
    case Answer::gone: return "gone";
  }
  return "content";
}

bool SiteProfile::is_key(std::string_view key) const {
  // "." and ".." would be steps in a path, whatever the pattern says.
  if (key.empty() || key.size() > key_bytes_max || key == "." || key == "..") return false;
  return item.key_compiled && full_match(*item.key_compiled, key);
}

std::optional<std::string> SiteProfile::key_in(std::string_view field) const {
  if (!list.key_part_compiled) return std::string(field);
  std::string key;
  re2::StringPiece const text(field.data(), field.size());
  return re2::RE2::PartialMatch(text, *list.key_part_compiled, &key) ? std::optional{std::move(key)} : std::nullopt;
}

Result<Url> SiteProfile::list_url(Url const& base) const { return below(base, list.path); }

Result<Url> SiteProfile::item_url(Url const& base, std::string_view key) const {
  if (!is_key(key)) return Error{Code::refused, "no key of site " + name, std::string(key.substr(0, 64)), {}};
  std::string path = item.path;
  auto const value = encoded(key);
  for (auto at = path.find(key_place); at != std::string::npos; at = path.find(key_place, at + value.size()))
    path.replace(at, key_place.size(), value);
  return below(base, path);
}

Answer SiteProfile::judge(std::string_view body) const {
  auto const text = trimmed(body);
  if (text.size() > answer_bytes_max) return Answer::content;
  for (KnownAnswer const& answer : answers)
    if (answer.compiled && full_match(*answer.compiled, text)) return answer.outcome;
  return Answer::content;
}

Result<SiteProfile> read_site_profile(std::string_view text, std::string_view file) {
  if (text.size() > file_bytes_max) return Error{Code::usage, "a site profile is too long", std::string(file), {}};
  try {
    toml::table const table = toml::parse(text, std::string(file));
    IMPOUND_TRY(profile, read_profile(table, file));
    profile.toml = std::string(text);
    return profile;
  } catch (toml::parse_error const& error) {
    return Error{Code::usage,
                 "no TOML: " + std::string(error.description()),
                 std::string(file) + ":" + std::to_string(error.source().begin.line),
                 {}};
  } catch (std::exception const& error) {
    return Error{Code::usage, error.what(), std::string(file), {}};
  }
}

}  // namespace impound::fetchers
