#include "agent/settings/settings.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "agent/settings/section.h"
#include "evidence/values/authority_name.h"

namespace impound::agent {

namespace {

constexpr std::size_t patterns_max = 50;
constexpr std::size_t pattern_bytes_max = 200;
constexpr std::uint64_t active_torrents_most = 100;
constexpr std::size_t checkpoint_copies_max = 16;
constexpr std::size_t routes_max = 50;
constexpr std::uint64_t lookups_most = 1000;
constexpr std::size_t dht_bootstrap_max = 20;

Result<void> read_vault(Section in, Settings& to) {
  IMPOUND_CHECK(in.text("path", to.vault));
  IMPOUND_CHECK(in.text("operator", to.operator_name));
  IMPOUND_CHECK(in.text("authority", to.authority));
  IMPOUND_CHECK(in.text("key", to.key_file));
  IMPOUND_CHECK(in.text("passphrase_file", to.passphrase_file));
  IMPOUND_CHECK(in.texts("last_checkpoint_copies", to.last_checkpoint_copies));
  std::vector<std::string> const& copies = to.last_checkpoint_copies;
  for (std::string const& path : copies)
    if (path.empty() || path.front() != '/' || path.back() == '/' || std::count(copies.begin(), copies.end(), path) > 1)
      return in.wrong(*in.table_.get("last_checkpoint_copies"), "last_checkpoint_copies",
                      "must name files by absolute paths, each once");
  if (copies.size() > checkpoint_copies_max)
    return in.wrong(*in.table_.get("last_checkpoint_copies"), "last_checkpoint_copies", "names too many files");
  return in.done();
}

/// A file's name in /run/netns. "" would ask for nothing while it looks like protection.
bool namespace_name(std::string const& name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

Result<void> read_network(Section in, Settings& to) {
  IMPOUND_CHECK(in.text("default_route", to.default_route));
  IMPOUND_CHECK(in.texts("allow_net", to.allow_net));
  IMPOUND_CHECK(in.text("user_agent", to.user_agent));
  IMPOUND_CHECK(in.text("contact", to.contact));
  IMPOUND_CHECK(in.text("require_netns", to.require_netns));
  if (in.table_.get("require_netns") != nullptr && !namespace_name(to.require_netns))
    return in.wrong(*in.table_.get("require_netns"), "require_netns",
                    "must be the name of a network namespace in /run/netns, without a slash");
  return in.done();
}

/// [route.NAME], one table each.
Result<void> read_routes(Section const& in, Settings& to) {
  for (auto const& [key, node] : in.table_) {
    std::string const name{key.str()};
    toml::table const* const table = node.as_table();
    if (table == nullptr) return in.wrong(node, name, "must be written [route.NAME]");
    if (!CaseName::parse(name) || name == direct_route || to.routes.size() == routes_max)
      return in.wrong(node, name, "must be [a-z0-9][a-z0-9._-]*, at most 64 characters, and not \"direct\"");
    Section one{*table, "route." + name, in.file()};
    RouteSettings route{name, {}, false};
    IMPOUND_CHECK(one.text("proxy", route.proxy));
    IMPOUND_TRY(torrents, one.value<bool>("allow_torrents"));
    route.allow_torrents = torrents.value_or(false);
    IMPOUND_CHECK(one.done());
    if (route.proxy.empty()) return one.wrong(node, "proxy", "is missing");
    to.routes.push_back(std::move(route));
  }
  return ok();
}

/// Every route that is named is there.
Result<void> check_routes(Settings const& to) {
  auto const known = [&](std::string const& name, std::string const& where) -> Result<void> {
    bool const there =
        name.empty() || name == direct_route ||
        std::any_of(to.routes.begin(), to.routes.end(), [&](auto const& one) { return one.name == name; });
    if (there) return ok();
    return Error{Code::usage, where + " names the route \"" + name + "\", which is not there", to.file,
                 "Add [route." + name + "], or name another"};
  };
  IMPOUND_CHECK(known(to.default_route, "network.default_route"));
  for (SourceSettings const& source : to.sources) IMPOUND_CHECK(known(source.route, "source \"" + source.name + "\""));
  for (AuthoritySettings const& one : to.timestamps.authorities)
    IMPOUND_CHECK(known(one.route, "timestamps.authority \"" + one.name + "\""));
  return ok();
}

/// SHA-256 names every object and cannot be left out; the other two come together.
Result<void> read_digests(Section& in, Settings& to) {
  std::vector<std::string> names;
  IMPOUND_CHECK(in.texts("digests", names));
  if (in.table_.get("digests") == nullptr) return ok();
  std::sort(names.begin(), names.end());
  to.all_digests = names == std::vector<std::string>{"md5", "sha1", "sha256"};
  if (to.all_digests || names == std::vector<std::string>{"sha256"}) return ok();
  return in.wrong(*in.table_.get("digests"), "digests", "must be [\"sha256\"] or [\"sha256\", \"sha1\", \"md5\"]");
}

Result<void> read_patterns(Section& in, std::string_view key, std::vector<std::string>& into) {
  IMPOUND_CHECK(in.texts(key, into));
  bool const fit = std::all_of(into.begin(), into.end(), [](std::string const& pattern) {
    return !pattern.empty() && pattern.size() <= pattern_bytes_max;
  });
  if (fit && into.size() <= patterns_max) return ok();
  return in.wrong(*in.table_.get(key), key, "must have at most 50 patterns, each of 1 to 200 bytes");
}

/// Which files of a torrent are taken.
Result<void> read_selection(Section& in, Settings& to) {
  IMPOUND_CHECK(read_patterns(in, "include", to.include));
  IMPOUND_CHECK(read_patterns(in, "exclude", to.exclude));
  std::uint64_t file_bytes_max = 0;
  IMPOUND_CHECK(in.count("max_file_bytes", file_bytes_max));
  if (file_bytes_max > 0) to.file_bytes_max = file_bytes_max;
  return ok();
}

Result<void> read_dht(Section& in, Settings& to) {
  std::string dht = to.dht ? "auto" : "off";
  IMPOUND_CHECK(in.text("dht", dht));
  if (dht != "auto" && dht != "off") return in.wrong(*in.table_.get("dht"), "dht", "must be \"auto\" or \"off\"");
  to.dht = dht == "auto";
  toml::node const* const node = in.table_.get("dht_bootstrap");
  if (node != nullptr) to.dht_bootstrap.clear();
  IMPOUND_CHECK(in.texts("dht_bootstrap", to.dht_bootstrap));
  auto const good = [](std::string const& one) {
    return one.size() <= 260 && one.find(':') != std::string::npos && one.find_first_of(", ") == std::string::npos;
  };
  bool const fit = !to.dht_bootstrap.empty() && to.dht_bootstrap.size() <= dht_bootstrap_max &&
                   std::all_of(to.dht_bootstrap.begin(), to.dht_bootstrap.end(), good);
  return fit ? Result<void>(ok()) : in.wrong(*node, "dht_bootstrap", "must name 1 to 20 nodes as HOST:PORT");
}

Result<void> read_torrents(Section in, Settings& to) {
  IMPOUND_CHECK(read_dht(in, to));
  IMPOUND_CHECK(read_digests(in, to));
  IMPOUND_TRY(metadata, in.duration("metadata_timeout"));
  if (metadata) to.metadata_timeout = *metadata;
  IMPOUND_TRY(timeout, in.duration("timeout"));
  to.torrent_timeout = timeout;
  std::uint64_t bytes_max = 0;
  IMPOUND_CHECK(in.count("max_bytes", bytes_max));
  if (bytes_max > 0) to.torrent_bytes_max = bytes_max;
  IMPOUND_CHECK(in.count("max_files", to.torrent_files_max));
  IMPOUND_CHECK(read_selection(in, to));
  IMPOUND_CHECK(in.count_up_to(active_torrents_most, "max_active", to.active_torrents_max));
  IMPOUND_CHECK(in.count_up_to(lookups_most, "max_lookups", to.lookups_max));
  IMPOUND_TRY(turn, in.duration("turn"));
  if (turn) to.turn = *turn;
  IMPOUND_TRY(patience, in.duration_or_none("patience"));
  if (patience) to.patience = *patience;
  return in.done();
}

Result<void> read_capture(Section in, Settings& to) {
  IMPOUND_CHECK(in.either("tls", "verify", "record", to.record_untrusted_tls));
  IMPOUND_CHECK(in.flag("http2", to.http2));
  IMPOUND_CHECK(in.count("max_bytes", to.capture_bytes_max));
  IMPOUND_TRY(timeout, in.duration("timeout"));
  if (timeout) to.capture_timeout = *timeout;
  return in.done();
}

Result<void> read_limits(Section in, Settings& to) {
  IMPOUND_CHECK(in.count("disk_reserve", to.disk_reserve));
  IMPOUND_CHECK(in.only("daily_bytes", ""));
  return in.done();
}

Result<void> read_source(Section in, Settings& to) {
  SourceSettings source;
  IMPOUND_CHECK(in.text("name", source.name));
  IMPOUND_CHECK(in.text("profile", source.profile));
  IMPOUND_CHECK(in.text("base_url", source.base_url));
  IMPOUND_TRY(interval, in.duration("interval"));
  if (interval) source.interval = *interval;
  IMPOUND_CHECK(in.text("route", source.route));
  std::string case_name;
  IMPOUND_CHECK(in.text("case", case_name));
  if (!case_name.empty()) {
    source.case_name = CaseName::parse(case_name);
    if (!source.case_name)
      return in.wrong(*in.table_.get("case"), "case", "must be [a-z0-9][a-z0-9._-]*, at most 64 characters");
  }
  IMPOUND_CHECK(in.choice("keep", source.keep));
  IMPOUND_CHECK(in.choice("acquire", source.acquire));
  IMPOUND_CHECK(in.flag("robots", source.robots));
  IMPOUND_CHECK(in.only("follow", ""));
  IMPOUND_CHECK(in.done());
  for (auto const& [key, value] : {std::pair{"name", &source.name}, std::pair{"profile", &source.profile}})
    if (value->empty()) return in.wrong(in.table_, key, "is missing");
  for (SourceSettings const& other : to.sources)
    if (other.name == source.name) return in.wrong(in.table_, "name", "\"" + source.name + "\" stands twice");
  to.sources.push_back(std::move(source));
  return ok();
}

Result<void> read_authority(Section in, TimestampSettings& to) {
  AuthoritySettings authority;
  IMPOUND_CHECK(in.text("name", authority.name));
  IMPOUND_CHECK(in.text("url", authority.url));
  IMPOUND_CHECK(in.text("ca_file", authority.ca_file));
  IMPOUND_CHECK(in.text("route", authority.route));
  IMPOUND_CHECK(in.done());
  for (auto const& [key, value] :
       {std::pair{"name", &authority.name}, std::pair{"url", &authority.url}, std::pair{"ca_file", &authority.ca_file}})
    if (value->empty()) return in.wrong(in.table_, key, "is missing");
  if (!authority_name_allowed(authority.name))
    return in.wrong(*in.table_.get("name"), "name", "must be [a-z0-9][a-z0-9._-]*, at most 64 characters");
  for (AuthoritySettings const& other : to.authorities)
    if (other.name == authority.name)
      return in.wrong(in.table_, "name", "\"" + authority.name + "\" stands twice");
    else if (other.url == authority.url)
      return in.wrong(in.table_, "url", "is that of \"" + other.name + "\" as well: one authority is not two");
  to.authorities.push_back(std::move(authority));
  return ok();
}

Result<void> read_timestamps(Section in, toml::node const* authorities, TimestampSettings& to) {
  IMPOUND_CHECK(in.count("required", to.required));
  IMPOUND_TRY(every, in.duration("anchor_every"));
  if (every) to.anchor_every = *every;
  IMPOUND_CHECK(in.count("anchor_entries", to.anchor_entries));
  if (authorities != nullptr) {
    toml::array const* const list = authorities->as_array();
    if (list == nullptr) return in.wrong(*authorities, "authority", "must be written [[timestamps.authority]]");
    for (toml::node const& entry : *list) {
      if (entry.as_table() == nullptr) return in.wrong(entry, "authority", "must be written [[timestamps.authority]]");
      IMPOUND_CHECK(read_authority(Section{*entry.as_table(), "timestamps.authority", in.file()}, to));
    }
  }
  in.known("authority");
  IMPOUND_CHECK(in.done());
  if (to.anchor_entries == 0) return in.wrong(*in.table_.get("anchor_entries"), "anchor_entries", "must not be 0");
  if (to.authorities.empty() && in.table_.contains("required"))
    return in.wrong(*in.table_.get("required"), "required", "needs [[timestamps.authority]], twice or more");
  if (to.authorities.empty()) return ok();
  if (to.authorities.size() < 2)
    return in.wrong(in.table_, "authority", "must stand there twice or more: one authority can be wrong, or gone");
  if (to.authorities.size() > authorities_max)
    return in.wrong(in.table_, "authority", "stands there more than " + std::to_string(authorities_max) + " times");
  toml::node const* const said = in.table_.get("required");
  if (to.required == 0 || to.required > to.authorities.size())
    return in.wrong(said == nullptr ? static_cast<toml::node const&>(in.table_) : *said, "required",
                    "must be 1 to " + std::to_string(to.authorities.size()) + ", the number of authorities");
  return ok();
}

Result<std::optional<std::string>> file_to_read(std::string const& config) {
  if (!config.empty()) return std::optional{config};
  if (char const* const named = std::getenv("IMPOUND_CONFIG"); named != nullptr && *named != '\0')
    return std::optional<std::string>{named};
  for (std::string const& place :
       {user_folder("XDG_CONFIG_HOME", ".config") + "/impound/impound.toml", std::string("/etc/impound/impound.toml")})
    if (::access(place.c_str(), F_OK) == 0) return std::optional{place};
  return std::optional<std::string>{};
}

}  // namespace

std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
  std::int64_t number = 0;
  std::size_t at = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    number = number * 10 + (text[at] - '0');
    if (number > 315'360'000) return std::nullopt;
  }
  if (at == 0) return std::nullopt;
  std::string_view const unit = text.substr(at);
  std::int64_t factor = 0;
  if (unit.empty() || unit == "s") factor = 1;
  if (unit == "m") factor = 60;
  if (unit == "h") factor = 3600;
  if (unit == "d") factor = 86'400;
  std::int64_t const seconds = number * factor;
  if (seconds <= 0 || seconds > 315'360'000) return std::nullopt;
  return std::chrono::seconds{seconds};
}

std::string user_folder(char const* variable, char const* fallback) {
  if (char const* const said = std::getenv(variable); said != nullptr && *said == '/') return said;
  char const* home = std::getenv("HOME");
  if (home == nullptr || *home != '/') {
    passwd const* const account = ::getpwuid(::getuid());
    home = account != nullptr ? account->pw_dir : "/";
  }
  return std::string(home) + "/" + fallback;
}

Result<Settings> parse_settings(std::string_view text, std::string const& file) {
  Settings to;
  toml::table table;
  try {
    table = toml::parse(text, file);
  } catch (toml::parse_error const& wrong) {
    return Error{Code::usage,
                 "the settings are not TOML: " + std::string(wrong.description()),
                 file + " line " + std::to_string(wrong.source().begin.line),
                 {}};
  }
  Section top{table, "", file};
  for (auto const& [key, node] : table) {
    std::string const name{key.str()};
    if (name == "source") {
      toml::array const* const list = node.as_array();
      if (list == nullptr) return top.wrong(node, name, "must be written [[source]]");
      for (toml::node const& entry : *list) {
        if (entry.as_table() == nullptr) return top.wrong(entry, name, "must be written [[source]]");
        IMPOUND_CHECK(read_source(Section{*entry.as_table(), "source", file}, to));
      }
      continue;
    }
    toml::table const* const part = node.as_table();
    if (name == "watch_list" || name == "deny" || name == "alert")
      return top.wrong(node, name, "is not supported by this version");
    if (part == nullptr) return top.wrong(node, name, "is not a setting");
    Section section{*part, name, file};
    if (name == "route")
      IMPOUND_CHECK(read_routes(section, to));
    else if (name == "vault")
      IMPOUND_CHECK(read_vault(section, to));
    else if (name == "network")
      IMPOUND_CHECK(read_network(section, to));
    else if (name == "torrents")
      IMPOUND_CHECK(read_torrents(section, to));
    else if (name == "capture")
      IMPOUND_CHECK(read_capture(section, to));
    else if (name == "limits")
      IMPOUND_CHECK(read_limits(section, to));
    else if (name == "timestamps")
      IMPOUND_CHECK(read_timestamps(section, part->get("authority"), to.timestamps));
    else
      return top.wrong(node, name, "is not a setting");
  }
  to.file = file;
  IMPOUND_CHECK(check_routes(to));
  return to;
}

Result<Settings> load_settings(std::string const& config) {
  IMPOUND_TRY(file, file_to_read(config));
  if (!file) return Settings{};
  std::ifstream in(*file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in || text.tellp() > 1024 * 1024)
    return Error{Code::usage, "cannot read the settings", *file, "Give another file with --config"};
  return parse_settings(text.str(), *file);
}

}  // namespace impound::agent
