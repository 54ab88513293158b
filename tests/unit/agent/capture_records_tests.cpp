#include "agent/work/capture_records.h"

#include <doctest/doctest.h>

#include "agent/work/capture_result.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/warc/capture_end.h"
#include "evidence/warc/cipher_suite.h"
#include "evidence/warc/reader.h"
#include "tests/support/fake_clock.h"
#include "tests/support/seeded_randomness.h"
#include "tests/support/simulated_disk.h"

using namespace impound;
using namespace impound::agent;
using fetchers::Exchange;

namespace {

struct Read {
  evidence::WarcMember member;
  std::string block;
  std::vector<std::string> all(std::string_view name) const {
    std::vector<std::string> found;
    for (auto const& [key, value] : member.headers)
      if (key == name) found.push_back(value);
    return found;
  }
};

struct Desk {
  FakeClock clock;
  SeededRandomness randomness{5};
  EntryId attempt = EntryId::make(clock, randomness);
  evidence::PackedCapture packed;

  std::vector<Read> pack(std::vector<Exchange> const& hops, Json const& result = {{"outcome", "captured"}}) {
    auto made = pack_capture(hops, body_digests(hops), attempt, result, randomness);
    REQUIRE(made);
    packed = std::move(made).value();
    SimulatedDisk disk;
    disk.put_file("x", packed.members);
    auto reader = evidence::WarcReader::open(disk, "x", {});
    REQUIRE(reader);
    std::vector<Read> records;
    for (;;) {
      Read one;
      auto member = reader.value()->next([&](Bytes bytes) { one.block += text_of(bytes); });
      REQUIRE(member);
      if (!member.value()) return records;
      one.member = *member.value();
      records.push_back(one);
    }
  }
  Exchange answered(std::string url) {
    Exchange hop;
    hop.url = std::move(url);
    hop.request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    hop.response_head = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
    hop.response_body = hop.body = "page";
    hop.status = 200;
    hop.http_version = "1.1";
    hop.remote_ip = "192.0.2.7";
    hop.remote_port = 443;
    hop.started_us = clock.utc_us();
    hop.ended_us = clock.utc_us() + 1'500'000;
    return hop;
  }
};

}  // namespace

TEST_CASE("a hop becomes a request, a response and a metadata record that ends the capture") {
  Desk desk;
  auto const records = desk.pack({desk.answered("http://x/")}, {{"outcome", "captured"}, {"status", 200}});
  REQUIRE(records.size() == 3);
  CHECK(records[0].block == "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(records[1].block == "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage");
  CHECK(records[1].member.header("WARC-Payload-Digest") == "sha256:" + hex(sha256(bytes_of("page"))));
  CHECK(records[1].all("WARC-Protocol") == std::vector<std::string>{"http/1.1"});
  CHECK_FALSE(records[1].member.header("WARC-Cipher-Suite"));
  for (int const beside : {0, 2})
    CHECK(records[static_cast<std::size_t>(beside)].member.header("WARC-Concurrent-To") ==
          records[1].member.header("WARC-Record-ID"));
  for (Read const& one : records) CHECK(one.member.header("WARC-Date") == "2017-05-05T18:00:00.000000Z");
  auto const end = evidence::capture_end_from(records[2].block);
  REQUIRE(end);
  CHECK(end->attempt == desk.attempt);
  CHECK(end->records == 3);
  CHECK(end->result == Json{{"outcome", "captured"}, {"status", 200}});
  Json const said = read_canonical(records[2].block).value();
  CHECK(said["body_sha256"] == hex(sha256(bytes_of("page"))));
  CHECK(said["ended_utc"] == "2017-05-05T18:00:01.500000Z");
  CHECK_FALSE(said.contains("tls"));
  CHECK(desk.packed.once_a_file.empty());
}

TEST_CASE("of a chain of redirects only the last hop that was answered ends the capture") {
  Desk desk;
  Exchange refused = desk.answered("http://10.0.0.1/");
  refused.request.clear();
  refused.response_head.clear();
  refused.failed = Error{Code::refused, "a private address", {}, {}};
  auto const records = desk.pack({desk.answered("http://x/1"), desk.answered("http://x/2"), refused});
  REQUIRE(records.size() == 6);
  CHECK_FALSE(evidence::capture_end_from(records[2].block));
  CHECK(evidence::capture_end_from(records[5].block)->records == 6);
  CHECK(desk.pack({refused}).empty());
}

TEST_CASE("TLS is told by the names of the IANA, with the connection's own chain, named by its digest") {
  Desk desk;
  Exchange hop = desk.answered("https://x/");
  hop.tls_protocol = "TLSv1.2";
  hop.tls_cipher = "ECDHE-RSA-AES256-GCM-SHA384";
  hop.certificates = {std::string(100, 'a'), "issuer"};
  auto const records = desk.pack({hop, hop});
  REQUIRE(records.size() == 6);
  CHECK(records[1].all("WARC-Protocol") == std::vector<std::string>{"http/1.1", "tls/1.2"});
  CHECK(records[1].member.header("WARC-Cipher-Suite") == "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384");
  Json const said = read_canonical(records[2].block).value();
  CHECK(said["tls"]["certificates"][0] == hex(sha256(bytes_of(hop.certificates[0]))));
  REQUIRE_FALSE(desk.packed.once_a_file.empty());
  evidence::WarcRecord const& chain = desk.packed.once_a_file[0];
  CHECK(chain.target_uri == said["tls"]["chain"]);
  CHECK(chain.target_uri.starts_with("ni:///sha-256;"));
  CHECK(chain.target_uri.find_first_of("+=") == std::string::npos);
  CHECK(chain.block ==
        "-----BEGIN CERTIFICATE-----\n"
        "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh\n"
        "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh\n"
        "YWFhYQ==\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\naXNzdWVy\n-----END CERTIFICATE-----\n");
  CHECK(evidence::iana_cipher_name("TLS_AES_128_GCM_SHA256") == "TLS_AES_128_GCM_SHA256");
  CHECK(evidence::iana_cipher_name("no such").empty());
}

TEST_CASE("HTTP/2, an old TLS, a chunked and a cut body are told as what they are") {
  Desk desk;
  Exchange hop = desk.answered("https://x/");
  hop.http_version = "2";
  hop.tls_protocol = "TLSv1";
  hop.truncated = "length";
  auto records = desk.pack({hop});
  CHECK(records[1].all("WARC-Protocol") == std::vector<std::string>{"h2", "tls/1.0"});
  CHECK(records[1].member.header("WARC-Truncated") == "length");
  CHECK_FALSE(records[0].member.header("WARC-Truncated"));
  Json said = read_canonical(records[2].block).value();
  CHECK(said["reconstructed"].get<std::string>().find("HTTP/2") != std::string::npos);
  CHECK(said["truncated"] == "length");

  hop = desk.answered("http://x/");
  hop.chunked = true;
  hop.response_body = "4\r\npage\r\n0\r\n\r\n";
  hop.interim_heads = "HTTP/1.1 100 Continue\r\n\r\n";
  hop.resolved_by_proxy = true;
  records = desk.pack({hop});
  CHECK_FALSE(records[1].member.header("WARC-Payload-Digest"));
  CHECK(records[1].block.ends_with("0\r\n\r\n"));
  said = read_canonical(records[2].block).value();
  CHECK(said["body_sha256"] == hex(sha256(bytes_of("page"))));
  CHECK(said["interim_heads_bytes"] == 25);
  CHECK(said["resolved_by"] == "proxy");
  CHECK_FALSE(said.contains("reconstructed"));
}
