// The settings in force as one TOML text, which reads back as what they are.
#include <toml++/toml.h>
#include <sstream>

#include "agent/settings/settings.h"

namespace impound::agent {

namespace {

std::string quoted(std::string const& text) {
  std::ostringstream out;
  out << toml::value<std::string>{text};
  return out.str();
}

std::string list(std::vector<std::string> const& texts) {
  std::string all;
  for (std::string const& text : texts) all += (all.empty() ? "" : ", ") + quoted(text);
  return "[" + all + "]";
}

char const* word_of(Pick pick) { return pick == Pick::all ? "all" : pick == Pick::none ? "none" : "matched"; }

void add_timestamps(std::ostringstream& out, TimestampSettings const& timestamps) {
  out << "\n[timestamps]\n";
  if (!timestamps.authorities.empty()) out << "required = " << timestamps.required << "\n";
  out << "anchor_every = \"" << timestamps.anchor_every.count() << "s\"\nanchor_entries = " << timestamps.anchor_entries
      << "\n";
  for (AuthoritySettings const& authority : timestamps.authorities)
    out << "\n[[timestamps.authority]]\nname = " << quoted(authority.name)
        << "\nurl = " << quoted(authority.logged_url()) << "\nca_file = " << quoted(authority.ca_file)
        << "\nroute = " << quoted(authority.route) << "\n";
}

}  // namespace

std::string effective_text(Settings const& s) {
  std::ostringstream out;
  out << "[vault]\npath = " << quoted(s.vault) << "\noperator = " << quoted(s.operator_name)
      << "\nauthority = " << quoted(s.authority) << "\nkey = " << quoted(s.key_file)
      << "\npassphrase_file = " << quoted(s.passphrase_file)
      << "\nlast_checkpoint_copies = " << list(s.last_checkpoint_copies)
      << "\n\n[network]\ndefault_route = " << quoted(s.default_route) << "\nallow_net = " << list(s.allow_net)
      << "\nuser_agent = " << quoted(s.user_agent) << "\ncontact = " << quoted(s.contact);
  if (!s.require_netns.empty()) out << "\nrequire_netns = " << quoted(s.require_netns);
  out << "\n\n[torrents]\ndht = " << (s.dht ? "\"auto\"" : "\"off\"") << "\ndht_bootstrap = " << list(s.dht_bootstrap)
      << "\nmetadata_timeout = \"" << s.metadata_timeout.count() << "s\"\n";
  if (s.torrent_timeout) out << "timeout = \"" << s.torrent_timeout->count() << "s\"\n";
  if (s.torrent_bytes_max) out << "max_bytes = " << *s.torrent_bytes_max << "\n";
  if (!s.include.empty()) out << "include = " << list(s.include) << "\n";
  if (!s.exclude.empty()) out << "exclude = " << list(s.exclude) << "\n";
  if (s.file_bytes_max) out << "max_file_bytes = " << *s.file_bytes_max << "\n";
  out << "max_files = " << s.torrent_files_max << "\nmax_active = " << s.active_torrents_max
      << "\nmax_lookups = " << s.lookups_max << "\nturn = \"" << s.turn.count() << "s\""
      << "\npatience = \"" << s.patience.count() << "s\""
      << "\ndigests = [\"sha256\"" << (s.all_digests ? ", \"sha1\", \"md5\"" : "") << "]\n\n[capture]\ntls = \""
      << (s.record_untrusted_tls ? "record" : "verify") << "\"\nhttp2 = " << (s.http2 ? "true" : "false")
      << "\nmax_bytes = " << s.capture_bytes_max << "\ntimeout = \"" << s.capture_timeout.count()
      << "s\"\n\n[limits]\ndisk_reserve = " << s.disk_reserve << "\n";
  for (RouteSettings const& route : s.routes)
    out << "\n[route." << quoted(route.name) << "]\nproxy = " << quoted(route.proxy)
        << "\nallow_torrents = " << (route.allow_torrents ? "true" : "false") << "\n";
  add_timestamps(out, s.timestamps);
  for (SourceSettings const& source : s.sources) {
    out << "\n[[source]]\nname = " << quoted(source.name) << "\nprofile = " << quoted(source.profile)
        << "\nbase_url = " << quoted(source.base_url) << "\ninterval = \"" << source.interval.count() << "s\"\n";
    if (!source.route.empty()) out << "route = " << quoted(source.route) << "\n";
    if (source.case_name) out << "case = " << quoted(source.case_name->text()) << "\n";
    out << "keep = \"" << word_of(source.keep) << "\"\nacquire = \"" << word_of(source.acquire)
        << "\"\nrobots = " << (source.robots ? "true" : "false") << "\n";
  }
  return out.str();
}

}  // namespace impound::agent
