#include <doctest/doctest.h>

#include "agent/service/terminal.h"
#include "agent/work/addresses.h"

using namespace impound::agent;

TEST_CASE("foreign text cannot move the cursor, turn the line, or break it") {
  CHECK(shown("plain ünï-файл 日本") == "plain ünï-файл 日本");
  CHECK(shown("a\x1b[2Jb\r\n\tc") == "a?[2Jb???c");
  CHECK(shown("a\xc2\x9b"
              "1mb") == "a?1mb");                             // C1 control sequence introducer
  CHECK(shown("evil\xe2\x80\xaetxt.exe") == "evil?txt.exe");  // right-to-left override
  CHECK(shown("bad\xff\xc3") == "bad??");
  CHECK(shown("abcdef", 3) == "abc…");
}

TEST_CASE("sizes are told in decimal units") {
  CHECK(bytes_text(0) == "0 B");
  CHECK(bytes_text(999) == "999 B");
  CHECK(bytes_text(67'108'864) == "67.1 MB");
  CHECK(bytes_text(9'664'210'118) == "9.7 GB");
}

TEST_CASE("HOST:PORT is read in its three spellings and nothing else") {
  CHECK(parse_host_port("192.0.2.1:6881").value().port == 6881);
  CHECK(parse_host_port("[2001:db8::1]:1").value().host == "2001:db8::1");
  CHECK(parse_host_port("peer.example:65535").value().host == "peer.example");
  for (char const* wrong :
       {"", "peer", ":1", "peer:", "peer:0", "peer:65536", "2001:db8::1:1", "[x:1", "a b:1", "peer:1x", "user@peer:1"})
    CHECK_FALSE(parse_host_port(wrong));
}

TEST_CASE("a peer's name is what the DNS may have, and nothing that is an address in any spelling") {
  CHECK(name_of_peer("Peer-1.example:6881") == impound::fetchers::PeerAddress{"Peer-1.example", 6881, false});
  for (std::string const wrong :
       {"127.0.0.1:6881", "2130706433:6881", "[::1]:6881", "peer", "p\xc3\xa9.example:1", "a%b:1"})
    CHECK_FALSE(name_of_peer(wrong));
  CHECK_FALSE(name_of_peer(std::string(254, 'a') + ":1"));
}

TEST_CASE("P5: what an operator names is exempt, what content names is not") {
  auto const policy = address_policy({}).value();
  CHECK(resolve_peer("127.0.0.1:6881", policy, true).size() == 1);
  CHECK(resolve_peer("127.0.0.1:6881", policy, false).empty());
  CHECK(resolve_peer("2130706433:6881", policy, false).empty());
  CHECK_FALSE(tracker_allowed("udp://127.0.0.1:80/announce", policy));
  CHECK_FALSE(tracker_allowed("http://[::ffff:10.0.0.1]/announce", policy));
  CHECK_FALSE(tracker_allowed("file:///etc/passwd", policy));
  CHECK(tracker_allowed("http://tracker.example/announce", policy));
  auto const opened = address_policy({"127.0.0.0/8:6881"}).value();
  CHECK(resolve_peer("127.0.0.1:6881", opened, false).size() == 1);
  CHECK(resolve_peer("127.0.0.1:6882", opened, false).empty());
  CHECK(address_policy({"127.0.0.0/33"}).error().code == impound::Code::usage);
}
