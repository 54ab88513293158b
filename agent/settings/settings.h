// What the operator decided: typed, read once, never changed afterwards.
//
// Read from one TOML file: --config, else $IMPOUND_CONFIG, else $XDG_CONFIG_HOME/impound/impound.toml, else
// /etc/impound/impound.toml; without any, the defaults hold. A flag beats $IMPOUND_…, which beats the file. A key that
// is not known is an error that names file, line and key: a misspelt protection must not be a silent hole. Settings
// whose feature is not there yet are refused as well, never ignored.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "evidence/values/case_name.h"
#include "evidence/values/result.h"

namespace impound::agent {

enum class Pick { matched, all, none };  // `acquire` and `keep` of a source

inline constexpr char const* direct_route = "direct";  // no proxy; always there

struct RouteSettings {
  std::string name;
  std::string proxy;            // socks5h://ADDRESS:PORT or http://ADDRESS:PORT
  bool allow_torrents = false;  // Tor asks not to be used for them, and no proxy says that it is not Tor
};

struct SourceSettings {
  std::string name;
  std::string route;     // "" = the default
  std::string profile;   // name of a file in config/sites, or a path that ends in .toml
  std::string base_url;  // the operator's word: exempt from the address table for exactly its host and port
  std::chrono::seconds interval{60};
  std::optional<CaseName> case_name;
  Pick keep = Pick::matched;
  Pick acquire = Pick::matched;
  bool robots = false;  // what its robots.txt asks is heard
};

struct AuthoritySettings {
  std::string name;     // a file's name in the vault: [a-z0-9][a-z0-9._-]*, at most 64 characters
  std::string url;      // the operator's word: exempt from the address table for exactly its host and port
  std::string ca_file;  // PEM: the roots that its tokens may chain to
  std::string route;    // "" = the default
  /// As the log may name it: some authorities are paid for with a key in the query.
  std::string logged_url() const {
    std::size_t const query = url.find('?');
    return query == std::string::npos ? url : url.substr(0, query) + "?...";
  }
};

struct TimestampSettings {
  std::uint64_t required = 2;                       // tokens that make a checkpoint an anchored one
  std::chrono::seconds anchor_every{24 * 60 * 60};  // at the latest so long after something new was logged
  std::uint64_t anchor_entries = 1000;              // or after so many entries
  std::vector<AuthoritySettings> authorities;       // none: nothing is stamped; else two or more
};

struct Settings {
  std::string file;  // where they were read, "" for the defaults

  std::string vault;  // the vault's folder
  std::string operator_name;
  std::string authority;
  std::string key_file;         // "" = a systemd credential, else the default place beside the other keys
  std::string passphrase_file;  // its first line opens the key; "" = a systemd credential, if there is one
  std::vector<std::string> last_checkpoint_copies;  // absolute paths of files

  std::string default_route = direct_route;
  std::vector<RouteSettings> routes;
  std::vector<std::string> allow_net;  // CIDR[:PORT]
  std::string user_agent;
  std::string contact;
  std::string require_netns;  // a name in /run/netns: the agent starts nowhere else; "" = anywhere

  bool dht = true;  // "auto": on for direct routes, for torrents that are not private
  std::vector<std::string> dht_bootstrap{"dht.libtorrent.org:25401", "router.bittorrent.com:6881",
                                         "dht.transmissionbt.com:6881"};
  std::chrono::seconds metadata_timeout{600};
  std::optional<std::chrono::seconds> torrent_timeout;  // without a new byte
  std::optional<std::uint64_t> torrent_bytes_max;
  std::uint64_t torrent_files_max = 100'000;
  std::vector<std::string> include;             // patterns of files to take; none: all
  std::vector<std::string> exclude;             // and to leave; beats include
  std::optional<std::uint64_t> file_bytes_max;  // a larger file is left
  std::uint64_t active_torrents_max = 5;        // whose payload comes at the same time; the others wait
  std::uint64_t lookups_max = 50;               // whose metadata is looked for at the same time; the others wait
  std::chrono::seconds turn{600};  // a torrent that gets nothing for so long gives its place to one that waits
  std::chrono::seconds patience{7 * 24 * 3600};  // what nobody waits for is tried again for so long; 0: not at all
  bool all_digests = false;  // SHA-1 and MD5 at sealing, too; else they follow when `watch` has nothing else to do

  std::uint64_t capture_bytes_max = 16 * 1024 * 1024;
  std::chrono::seconds capture_timeout{60};
  bool record_untrusted_tls = false;  // tls = "record": a server whose certificate is not trusted is captured, and why
  bool http2 = false;                 // over TLS: its messages are reconstructions

  std::uint64_t disk_reserve = 64 * 1024 * 1024;  // free bytes that a download must leave

  TimestampSettings timestamps;

  std::vector<SourceSettings> sources;
};

/// Finds and reads the file; `config` is --config, "" when not given. Code::usage for whatever is wrong in it.
Result<Settings> load_settings(std::string const& config);

/// The settings of one TOML text; `file` is for messages.
Result<Settings> parse_settings(std::string_view toml, std::string const& file);

/// The effective settings as TOML, for the exhibit that settings.loaded names. Holds no secret.
std::string effective_text(Settings const& settings);

/// "90s", "10m", "6h", "2d", or plain seconds; nothing for anything else, for zero and for more than 10 years.
std::optional<std::chrono::seconds> parse_duration(std::string_view text);

/// $XDG_<NAME>_HOME, else the home folder with `fallback` behind it.
std::string user_folder(char const* variable, char const* fallback);

}  // namespace impound::agent
