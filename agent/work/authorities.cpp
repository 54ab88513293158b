#include "agent/work/authorities.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "agent/service/terminal.h"
#include "agent/work/past.h"
#include "evidence/formats/hex.h"
#include "evidence/values/must.h"
#include "evidence/values/utc_time.h"

namespace impound::agent {

namespace {

constexpr std::chrono::milliseconds answer_within{12'000};
constexpr std::chrono::milliseconds connect_within{6'000};
constexpr std::uint64_t memory_bytes_max = 256 * 1024;

Result<std::string> body_of(fetchers::Exchange exchange) {
  if (exchange.failed) return std::move(*exchange.failed);
  if (exchange.truncated == "length") return Error{Code::refused, "the answer is too long", exchange.url, {}};
  if (!exchange.truncated.empty())
    return Error{Code::unreachable, "the answer was cut (" + exchange.truncated + ")", exchange.url, {}};
  if (exchange.status != 200)
    return Error{Code::unreachable, "status " + std::to_string(exchange.status), exchange.url, {}};
  return std::move(exchange.body);
}

Result<evidence::TrustedRoots> roots_of(AuthoritySettings const& authority) {
  std::ifstream in(authority.ca_file, std::ios::binary);
  std::string pem(evidence::roots_pem_bytes_max + 1, '\0');
  in.read(pem.data(), static_cast<std::streamsize>(pem.size()));
  pem.resize(static_cast<std::size_t>(in.gcount()));
  if (pem.empty())
    return Error{Code::usage, "cannot read the roots of timestamps.authority \"" + authority.name + "\"",
                 authority.ca_file, "ca_file is a PEM file with the root certificates its tokens may chain to"};
  auto roots = evidence::TrustedRoots::from_pem(pem);
  if (!roots)
    return Error{Code::usage, "the roots of timestamps.authority \"" + authority.name + "\": " + roots.error().what,
                 authority.ca_file, "ca_file is a PEM file with the root certificates its tokens may chain to"};
  return roots;
}

bool share_a_root(std::vector<Sha256> const& some, std::vector<Sha256> const& others) {
  return std::find_first_of(some.begin(), some.end(), others.begin(), others.end()) != some.end();
}

/// An object of objects; empty when there is none, or it is not ours.
Json read_memory(Disk& state) {
  auto const text = read_whole(state, authorities_memory_path, memory_bytes_max);
  Json memory = text ? Json::parse(text.value(), nullptr, false) : Json();
  bool const ours =
      memory.is_object() && std::all_of(memory.begin(), memory.end(), [](Json const& one) { return one.is_object(); });
  return ours ? memory : Json::object();
}

/// A time of the memory on this boot's clock: no later than `latest_us` from now. Within the same boot that clock alone
/// counts, which nobody sets; over a restart of the machine the wall clock is all there is.
std::optional<std::int64_t> on_boot_clock(Json const& from, std::string const& field, Clock& clock,
                                          std::int64_t latest_us) {
  auto const boot_us = count_field(from, (field + "_boot_us").c_str());
  if (boot_us && text_field(from, "boot_id") == clock.boot_id())
    return std::min(static_cast<std::int64_t>(std::min<std::uint64_t>(*boot_us, INT64_MAX)),
                    clock.boot_us() + latest_us);
  auto const text = text_field(from, (field + "_utc").c_str());
  auto const utc = text ? utc_us_from(*text) : std::nullopt;
  if (!utc) return std::nullopt;
  return clock.boot_us() + std::min(*utc - clock.utc_us(), latest_us);
}

}  // namespace

Result<std::vector<evidence::TimestampAuthority>> timestamp_authorities(TimestampSettings const& settings) {
  std::vector<evidence::TimestampAuthority> authorities;
  for (AuthoritySettings const& one : settings.authorities) {
    auto const url = fetchers::Url::parse(one.url);
    if (!url)
      return Error{Code::usage, "timestamps.authority \"" + one.name + "\" has no good url: " + url.error().what,
                   one.logged_url(), "Write it as http://HOST[:PORT]/PATH or https://…"};
    IMPOUND_TRY(roots, roots_of(one));
    for (evidence::TimestampAuthority const& other : authorities)
      if (share_a_root(other.roots.sha256(), roots.sha256()))
        return Error{Code::usage, "timestamps.authority \"" + one.name + "\" shares a root with \"" + other.name + "\"",
                     one.ca_file, "A token of either could stand for both: give each a file with its own roots alone"};
    authorities.push_back({one.name, one.logged_url(), std::move(roots)});
  }
  return authorities;
}

AuthorityClient::AuthorityClient(Clock& clock, TimestampSettings const& settings, fetchers::AddressPolicy const& policy,
                                 std::string user_agent, Routes const& routes, std::function<bool()> cancelled)
    : settings_(settings), clients_(clock, policy, std::move(user_agent), routes) {
  limits_.connect_timeout = connect_within;
  limits_.timeout = answer_within;
  limits_.cancelled = std::move(cancelled);
}

AuthoritySettings const& AuthorityClient::named(evidence::TimestampAuthority const& authority) const {
  auto const found = std::find_if(settings_.authorities.begin(), settings_.authorities.end(),
                                  [&](AuthoritySettings const& one) { return one.name == authority.name; });
  must(found != settings_.authorities.end());
  return *found;
}

Result<std::string> AuthorityClient::ask(evidence::TimestampAuthority const& authority, std::string_view query_der) {
  AuthoritySettings const& settings = named(authority);
  IMPOUND_TRY(url, fetchers::Url::parse(settings.url));
  fetchers::Exemption const exempt{url.host(), url.port()};
  fetchers::HttpRequest const request{
      .url = std::move(url),
      .headers = {{"Content-Type", "application/timestamp-query"}, {"Accept", "application/timestamp-reply"}},
      .exempt = exempt};
  fetchers::HttpLimits limits = limits_;
  limits.bytes_max = evidence::timestamp_reply_bytes_max;
  auto body = body_of(clients_.by(settings.route).post(request, query_der, limits));
  if (!body) body.error().where = authority.url;
  return body;
}

Result<std::string> AuthorityClient::fetch_crl(evidence::TimestampAuthority const& authority, std::string const& text) {
  IMPOUND_TRY(url, fetchers::Url::parse(text));
  fetchers::HttpLimits limits = limits_;
  limits.bytes_max = evidence::crl_bytes_max;
  auto hops = clients_.by(named(authority).route).follow(fetchers::HttpRequest{.url = std::move(url)}, limits, 3);
  return body_of(std::move(hops.back()));
}

std::vector<AuthorityStanding> remembered(Disk& state, std::vector<evidence::TimestampAuthority> const& authorities,
                                          Clock& clock, std::int64_t gap_us_max) {
  Json const memory = read_memory(state);
  std::vector<AuthorityStanding> standings;
  for (evidence::TimestampAuthority const& authority : authorities) {
    AuthorityStanding standing{.name = authority.name};
    if (auto const found = memory.find(authority.name); found != memory.end()) {
      Json const& one = *found;
      standing.tries = static_cast<unsigned>(std::min<std::uint64_t>(count_field(one, "tries").value_or(0), 1000));
      standing.reason = shown(text_field(one, "reason").value_or(""), 500);
      standing.not_before_us = on_boot_clock(one, "not_before", clock, gap_us_max).value_or(0);
      standing.last_asked_us = on_boot_clock(one, "last_asked", clock, 0);
    }
    standings.push_back(std::move(standing));
  }
  return standings;
}

std::vector<FailingAuthority> failing_authorities(Disk& state) {
  std::vector<FailingAuthority> failing;
  Json const memory = read_memory(state);
  for (auto const& [name, one] : memory.items()) {
    std::uint64_t const tries = count_field(one, "tries").value_or(0);
    if (tries == 0) continue;
    failing.push_back({shown(name, 64), tries, shown(text_field(one, "reason").value_or("?"), 500),
                       shown(text_field(one, "not_before_utc").value_or("?"), 40)});
  }
  return failing;
}

Result<void> remember(Disk& state, std::vector<AuthorityStanding> const& authorities, Clock& clock) {
  Json memory = Json::object();
  auto const utc = [&clock](std::int64_t boot_us) {
    return utc_text(std::max<std::int64_t>(0, clock.utc_us() + boot_us - clock.boot_us()));
  };
  for (AuthorityStanding const& one : authorities) {
    if (!one.last_asked_us) continue;
    Json& entry = memory[one.name];
    entry = {{"tries", one.tries},
             {"boot_id", clock.boot_id()},
             {"last_asked_boot_us", std::max<std::int64_t>(0, *one.last_asked_us)},
             {"last_asked_utc", utc(*one.last_asked_us)},
             {"not_before_boot_us", std::max<std::int64_t>(0, one.not_before_us)},
             {"not_before_utc", utc(one.not_before_us)}};
    if (!one.reason.empty()) entry["reason"] = one.reason;
  }
  std::string const text = memory.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
  return write_whole(state, authorities_memory_path, bytes_of(text), Replace::yes);
}

}  // namespace impound::agent
