#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "agent/settings/settings.h"

using namespace impound;
using namespace impound::agent;

namespace {

std::string error_of(std::string const& toml) {
  auto const read = parse_settings(toml, "x.toml");
  return read ? "none" : read.error().what + " @ " + read.error().where;
}

}  // namespace

TEST_CASE("settings are read with their names of the design") {
  auto const read = parse_settings(R"(
[vault]
path = "/srv/v"
operator = "desk"
passphrase_file = "/etc/impound/passphrase"
last_checkpoint_copies = ["/mnt/a/checkpoint", "/mnt/b/checkpoint"]
[network]
allow_net = ["127.0.0.0/8"]
[torrents]
metadata_timeout = "90s"
timeout = "6h"
max_bytes = 1000
[[source]]
name = "pastebin"
profile = "pastebin"
base_url = "http://127.0.0.1:8080"
interval = "2m"
case = "emleaks"
acquire = "all"
keep = "none"
)",
                                   "x.toml");
  REQUIRE(read);
  Settings const& s = read.value();
  CHECK(s.vault == "/srv/v");
  CHECK(s.passphrase_file == "/etc/impound/passphrase");
  CHECK(s.last_checkpoint_copies == std::vector<std::string>{"/mnt/a/checkpoint", "/mnt/b/checkpoint"});
  CHECK(s.allow_net == std::vector<std::string>{"127.0.0.0/8"});
  CHECK(s.metadata_timeout.count() == 90);
  CHECK(s.torrent_timeout->count() == 21'600);
  CHECK(s.torrent_bytes_max == 1000);
  REQUIRE(s.sources.size() == 1);
  CHECK(s.sources[0].interval.count() == 120);
  CHECK(s.sources[0].case_name->text() == "emleaks");
  CHECK(s.sources[0].acquire == Pick::all);
  CHECK(s.sources[0].keep == Pick::none);
}

TEST_CASE("digests are SHA-256 alone or all three, and nothing else") {
  CHECK_FALSE(parse_settings("", "x.toml").value().all_digests);
  CHECK_FALSE(parse_settings("[torrents]\ndigests = [\"sha256\"]\n", "x.toml").value().all_digests);
  auto const all = parse_settings("[torrents]\ndigests = [\"sha1\", \"sha256\", \"md5\"]\n", "x.toml");
  REQUIRE(all);
  CHECK(all.value().all_digests);
  auto const again = parse_settings(effective_text(all.value()), "again.toml");
  REQUIRE(again);
  CHECK(again.value().all_digests);
  for (char const* wrong :
       {"[]", "[\"sha1\", \"md5\"]", "[\"sha256\", \"sha256\"]", "[\"sha256\", \"md5\"]", "\"sha256\"", "[\"sha512\"]"})
    CHECK(error_of("[torrents]\ndigests = " + std::string(wrong) + "\n").find("setting torrents.digests must be") == 0);
}

TEST_CASE("a setting that is not known, or not there yet, is refused with its file, line and key") {
  CHECK(error_of("[vault]\npth = \"x\"\n") == "setting vault.pth is not a setting @ x.toml line 2");
  for (char const* wrong : {"[\"a\"]", "[\"\"]", "[\"/a/\"]", "[\"/a\", \"/a\"]"})
    CHECK(error_of("[vault]\nlast_checkpoint_copies = " + std::string(wrong) + "\n")
              .find("must name files by absolute paths, each once @ x.toml line 2") != std::string::npos);
  CHECK(error_of("[torrents]\nmax_bytes = -1\n") == "setting torrents.max_bytes must not be negative @ x.toml line 2");
  CHECK(error_of("[torrents]\ntimeout = \"soon\"\n").find("is no duration") != std::string::npos);
  for (char const* wrong : {"\"\"", "\"a/b\"", "\"..\"", "\"a\\u0000\""})
    CHECK(
        error_of("[network]\nrequire_netns = " + std::string(wrong) + "\n") ==
        "setting network.require_netns must be the name of a network namespace in /run/netns, without a slash @ x.toml "
        "line 2");
  CHECK(error_of("[[watch_list]]\nfile = \"x\"\n").find("not supported") != std::string::npos);
  CHECK(error_of("[[source]]\nname = \"a\"\n").find("source.profile is missing") != std::string::npos);
  CHECK(error_of("[[source]]\nname = \"a\"\nprofile = \"p\"\n[[source]]\nname = \"a\"\nprofile = \"p\"\n")
            .find("stands twice") != std::string::npos);
  CHECK(error_of("[vault\n").find("not TOML") != std::string::npos);
  CHECK(error_of("stray = 1\n").find("stray is not a setting") != std::string::npos);
  CHECK(error_of("source = 1\n").find("[[source]]") != std::string::npos);
}

TEST_CASE("P4: a route that is named is there, or nothing starts") {
  std::string const tor = "[route.tor]\nproxy = \"socks5h://127.0.0.1:9050\"\n";
  auto const read = parse_settings("[network]\ndefault_route = \"tor\"\n" + tor +
                                       "[route.vpn]\nproxy = \"http://[::1]:80\"\nallow_torrents = true\n" +
                                       "[[source]]\nname = \"s\"\nprofile = \"p\"\nroute = \"vpn\"\n",
                                   "x.toml");
  REQUIRE_MESSAGE(read, (read ? "" : line(read.error())));
  CHECK(read.value().default_route == "tor");
  REQUIRE(read.value().routes.size() == 2);
  CHECK_FALSE(read.value().routes[0].allow_torrents);
  CHECK(read.value().routes[1].allow_torrents);
  CHECK(read.value().sources[0].route == "vpn");
  auto const again = parse_settings(effective_text(read.value()), "again.toml");
  REQUIRE_MESSAGE(again, (again ? "" : line(again.error())));
  CHECK(effective_text(again.value()) == effective_text(read.value()));
  CHECK(error_of("[network]\ndefault_route = \"tor\"\n").find("names the route \"tor\", which is not there") !=
        std::string::npos);
  CHECK(
      error_of("[[source]]\nname = \"s\"\nprofile = \"p\"\nroute = \"gone\"\n").find("source \"s\" names the route") !=
      std::string::npos);
  CHECK(error_of("[route.tor]\nallow_torrents = true\n").find("route.tor.proxy is missing") != std::string::npos);
  CHECK(error_of("[route.tor]\nproxi = \"x\"\n").find("route.tor.proxi is not a setting") != std::string::npos);
  CHECK(error_of("[route.direct]\nproxy = \"socks5h://127.0.0.1:1\"\n").find("not \"direct\"") != std::string::npos);
  CHECK(error_of("[route]\ntor = \"x\"\n").find("must be written [route.NAME]") != std::string::npos);
}

TEST_CASE("authorities that are one, and a number of tokens that cannot be had, are refused") {
  auto const authority = [](std::string const& name, std::string const& url) {
    return "[[timestamps.authority]]\nname = \"" + name + "\"\nurl = \"" + url + "\"\nca_file = \"/" + name + "\"\n";
  };
  std::string const two = authority("a", "http://a/tsr?key=1") + authority("b", "http://b/");
  CHECK(error_of(two) == "none");
  CHECK(error_of(two + authority("a", "http://c/")).find("stands twice") != std::string::npos);
  CHECK(error_of(two + authority("c", "http://b/")).find("url is that of \"b\" as well") != std::string::npos);
  CHECK(error_of(authority("a", "http://a/")).find("twice or more") != std::string::npos);
  CHECK(error_of("[timestamps]\nrequired = 3\n" + two).find("must be 1 to 2") != std::string::npos);
  CHECK(error_of("[timestamps]\nrequired = 1\n").find("needs [[timestamps.authority]]") != std::string::npos);
  std::string const sealed = effective_text(parse_settings(two, "x.toml").value());
  CHECK(sealed.find("key=1") == std::string::npos);
  CHECK(sealed.find("http://a/tsr?...") != std::string::npos);
}

TEST_CASE("the shipped settings are valid, also with every comment taken away") {
  std::ifstream in(SOURCE_ROOT "/config/impound.toml");
  std::ostringstream shipped;
  shipped << in.rdbuf();
  REQUIRE(parse_settings(shipped.str(), "impound.toml"));
  std::istringstream lines(shipped.str());
  std::string all;
  bool settings_begun = false;
  for (std::string text; std::getline(lines, text);) {
    settings_begun = settings_begun || text.starts_with("[");
    if (settings_begun && text.starts_with("# ") && (text.find(" = ") != std::string::npos || text.starts_with("# [")))
      text.erase(0, 2);
    all += text + "\n";
  }
  auto const read = parse_settings(all, "impound.toml");
  REQUIRE_MESSAGE(read, (read ? "" : line(read.error())));
  CHECK(read.value().sources.size() == 1);
}

TEST_CASE("the effective settings read back as what they are") {
  auto const read = parse_settings(
      "[vault]\npassphrase_file = \"p\"\nlast_checkpoint_copies = [\"/a\", \"/b\"]\noperator = \"A \\\"B\\\" \\\\ "
      "C\"\n[network]\nallow_net = [\"10.0.0.0/8\", "
      "\"::1/128\"]\nrequire_netns = \"vpn\"\n[[source]]\nname = \"s\"\nprofile = \"p\"\n",
      "x.toml");
  REQUIRE(read);
  auto const again = parse_settings(effective_text(read.value()), "again.toml");
  REQUIRE_MESSAGE(again, (again ? "" : line(again.error())));
  CHECK(again.value().operator_name == "A \"B\" \\ C");
  CHECK(again.value().allow_net.size() == 2);
  CHECK(again.value().require_netns == "vpn");
  CHECK(effective_text(again.value()) == effective_text(read.value()));
}

TEST_CASE("patience is a duration, 7 days where nobody says one, and may be none") {
  auto const patience = [](std::string const& text) {
    auto const read = parse_settings("[torrents]\n" + text, "x.toml");
    REQUIRE(read);
    auto const again = parse_settings(effective_text(read.value()), "again.toml");
    REQUIRE(again);
    CHECK(again.value().patience == read.value().patience);
    return read.value().patience;
  };
  CHECK(patience("") == std::chrono::hours{7 * 24});
  CHECK(patience("patience = \"36h\"\n") == std::chrono::hours{36});
  CHECK(patience("patience = \"0s\"\n") == std::chrono::seconds{0});
  CHECK(error_of("[torrents]\npatience = \"soon\"\n").find("torrents.patience is no duration") != std::string::npos);
  CHECK(error_of("[torrents]\npatience = 0\n").find("torrents.patience has the wrong type") != std::string::npos);
  // Elsewhere a duration of nothing is a mistake still.
  CHECK(error_of("[torrents]\nturn = \"0s\"\n").find("torrents.turn is no duration") != std::string::npos);
}

TEST_CASE("durations have a unit, an end and a beginning") {
  CHECK(parse_duration("90") == std::chrono::seconds{90});
  CHECK(parse_duration("10m") == std::chrono::seconds{600});
  CHECK(parse_duration("2d") == std::chrono::seconds{172'800});
  for (char const* wrong : {"", "0", "m", "1w", "-1s", "1 m", "99999999999999999999s", "400000d"})
    CHECK_FALSE(parse_duration(wrong));
}
