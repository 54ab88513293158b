// RFC 3161 replies, tokens and CRLs, good and bad, made by an authority of the test's own and by others.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/timestamps/revocation.h"
#include "evidence/timestamps/rfc3161.h"
#include "evidence/values/utc_time.h"
#include "tests/support/counts.h"
#include "tests/support/seeded_randomness.h"
#include "tests/support/test_authority.h"

namespace impound::evidence {
namespace {

constexpr std::string_view stamped = "what is stamped\n";

struct Exchange {
  TestAuthority authority;
  SeededRandomness randomness{5};
  TimestampQuery query;

  explicit Exchange(TestCertificates const& certificates = {})
      : authority("one", certificates), query(make_query(bytes_of(stamped), randomness)) {}
  TrustedRoots roots() const {
    auto read = TrustedRoots::from_pem(authority.root_pem());
    REQUIRE(read);
    return std::move(read).value();
  }
  std::string reply() { return authority.reply(query.der); }
  Result<TimestampToken> judged() { return judge_reply(reply(), query, roots()); }
  TimestampToken good() {
    auto token = judged();
    if (!token) FAIL(line(token.error()));
    return std::move(token).value();
  }
};

TestCertificates with_crl(std::string url) {
  TestCertificates wanted;
  wanted.crl_url = std::move(url);
  return wanted;
}
TestCertificates with_intermediate(std::string crl_url = "") {
  TestCertificates wanted = with_crl(std::move(crl_url));
  wanted.with_intermediate = true;
  return wanted;
}
TestCertificates with_usage(std::string usage) {
  TestCertificates wanted;
  wanted.usage = std::move(usage);
  return wanted;
}

/// Refused, and the message says why.
void refused_as(Result<TimestampToken> const& token, Code code, std::string_view why) {
  REQUIRE_FALSE(token);
  INFO(line(token.error()));
  CHECK(token.error().code == code);
  CHECK(token.error().what.find(why) != std::string::npos);
}

std::string data(std::string const& name) {
  std::ifstream in(std::string(TEST_DATA) + "/timestamps/" + name, std::ios::binary);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

TrustedRoots roots_in(std::string const& name) {
  auto roots = TrustedRoots::from_pem(data(name));
  REQUIRE(roots);
  return std::move(roots).value();
}

bool same_facts(TimestampToken const& a, TimestampToken const& b) {
  return a.gen_time_us == b.gen_time_us && a.accuracy_us == b.accuracy_us && a.serial == b.serial &&
         a.policy == b.policy && a.tsa_subject == b.tsa_subject && a.root_sha256 == b.root_sha256 &&
         a.ess_v2 == b.ess_v2 && a.chain_pem == b.chain_pem;
}

}  // namespace

TEST_CASE("P7: a query is the 69 bytes of the specification, with a nonce of eight bytes") {
  SeededRandomness randomness(1);
  for (int i = 0; i < 64; ++i) {
    TimestampQuery const query = make_query(bytes_of(stamped), randomness);
    CHECK(query.imprint == sha256(bytes_of(stamped)));
    CHECK(hex(bytes_of(query.der)) ==
          "3043020101"
          "3031300d06096086480165030402010500"
          "0420" +
              hex(query.imprint) + "0208" + hex(query.nonce) + "0101ff");
    CHECK(query.der.size() == 69);
    CHECK((query.nonce[0] & std::byte{0xc0}) == std::byte{0x40});
  }
}

TEST_CASE("P7: a good reply is taken, with what it says") {
  Exchange exchange;
  TimestampToken const token = exchange.good();
  CHECK(utc_text(token.gen_time_us) == "2017-05-05T18:00:00.442000Z");
  CHECK(token.accuracy_us == 1'500'100);
  CHECK(token.policy == "1.3.6.1.4.1.99999.1");
  CHECK(token.tsa_subject == "CN=Authority one,O=impound tests");
  CHECK(token.root_sha256 == exchange.roots().sha256().front());
  CHECK(token.ess_v2);
  CHECK(token.chain_pem == exchange.authority.signer_pem() + exchange.authority.root_pem());
  CHECK_FALSE(token.serial.empty());

  SUBCASE("also as a bare token, and without its query") {
    auto const again = judge_token(token.der, bytes_of(stamped), exchange.roots());
    REQUIRE(again);
    CHECK(same_facts(again.value(), token));
    CHECK(judge_token(exchange.reply(), bytes_of(stamped), exchange.roots()));
  }
  SUBCASE("also with RFC 2634's id of the certificate") {
    exchange.authority.ess_sha1 = true;
    CHECK_FALSE(exchange.good().ess_v2);
  }
  SUBCASE("also when the authority says nothing of its accuracy") {
    exchange.authority.with_accuracy = false;
    CHECK_FALSE(exchange.good().accuracy_us);
  }
}

TEST_CASE("P7: the chain is kept whole, whether its middle came in the token or beside the roots") {
  Exchange exchange(with_intermediate());
  TimestampToken const token = exchange.good();
  std::string const chain = token.chain_pem;
  std::size_t certificates = 0;
  for (std::size_t at = 0; (at = chain.find("BEGIN CERTIFICATE", at)) != std::string::npos; ++at) ++certificates;
  CHECK(certificates == 3);
  exchange.authority.with_certificates = false;
  refused_as(exchange.judged(), Code::refused, "unable to get");
  auto const helped = exchange.roots().helped_by(chain);
  REQUIRE(helped);
  CHECK(helped.value().sha256() == exchange.roots().sha256());
  auto const again = judge_reply(exchange.reply(), exchange.query, helped.value());
  REQUIRE(again);
  CHECK(again.value().chain_pem == chain);
  // A root that only comes along as help is not trusted by it.
  TestAuthority other("two");
  auto const others = TrustedRoots::from_pem(other.root_pem());
  REQUIRE(others);
  refused_as(judge_reply(exchange.reply(), exchange.query, others.value().helped_by(chain).value()), Code::refused,
             "certificates do not hold");
}

TEST_CASE("P7: an answer to another query is refused: nonce, bytes, none at all") {
  Exchange exchange;
  TimestampQuery other = make_query(bytes_of(stamped), exchange.randomness);
  refused_as(judge_reply(exchange.reply(), other, exchange.roots()), Code::refused, "nonce is another");
  other = make_query(bytes_of("other bytes"), exchange.randomness);
  other.nonce = exchange.query.nonce;
  refused_as(judge_reply(exchange.reply(), other, exchange.roots()), Code::damaged, "other bytes");
  refused_as(judge_token(exchange.reply(), bytes_of("other bytes"), exchange.roots()), Code::damaged, "other bytes");
  std::string bare = exchange.query.der.substr(0, 2 + 3 + 51) + exchange.query.der.substr(69 - 3);
  bare[1] = static_cast<char>(bare.size() - 2);
  refused_as(judge_reply(exchange.authority.reply(bare), exchange.query, exchange.roots()), Code::refused, "no nonce");
}

TEST_CASE("P7: a rejection is told in the authority's words, made harmless") {
  auto const rejected = from_hex(
      "30373035020102302c0c2a4d6573736167652064696765737420616c676f726974686d206973206e6f7420737570706f727465642e"
      "03020780");
  REQUIRE(rejected);
  Exchange exchange;
  std::string bytes{text_of(*rejected)};
  refused_as(judge_reply(bytes, exchange.query, exchange.roots()), Code::refused,
             "rejection (badAlg), \"Message digest algorithm is not supported.\"");
  bytes[11] = '\x1b';
  bytes[12] = '\n';
  auto const shown = judge_reply(bytes, exchange.query, exchange.roots());
  CHECK(shown.error().what.find("\"??") != std::string::npos);
}

TEST_CASE("P7: the chain is judged when the token was made, not today") {
  SUBCASE("in 2017, under certificates that have run out long ago") { CHECK(Exchange().judged()); }
  SUBCASE("an hour after they ran out, and before they began") {
    Exchange exchange;
    exchange.authority.now_s = test_time_s + test_year_s + 3'600;
    refused_as(exchange.judged(), Code::refused, "certificate has expired");
    exchange.authority.now_s = test_time_s - test_year_s - 3'600;
    refused_as(exchange.judged(), Code::refused, "not yet valid");
  }
  SUBCASE("somebody else's, whose certificates ran out in 2024") {
    auto const token =
        judge_token(data("sigstore-expired.tsr"), bytes_of(data("sigstore-payload")), roots_in("sigstore-chain.pem"));
    if (!token) FAIL(line(token.error()));
    CHECK(utc_text(token.value().gen_time_us) == "2023-02-01T00:00:00.000000Z");
    CHECK(token.value().serial == "-21524111");
  }
}

TEST_CASE("P7: the signer may do nothing but stamp times, and that critically") {
  for (auto const& [usage, why] :
       {std::pair{"timeStamping", "not critical"},
        std::pair{"critical,timeStamping,clientAuth", "not timeStamping alone"},
        std::pair{"critical,timeStamping,1.3.6.1.4.1.99999.7", "not timeStamping alone"},
        std::pair{"critical,codeSigning", "not timeStamping alone"}, std::pair{"", "no extended key usage"}}) {
    CAPTURE(usage);
    refused_as(Exchange(with_usage(usage)).judged(), Code::refused, why);
  }
}

TEST_CASE("P7: a root of somebody else, a weak digest, and imprints that are no SHA-256 are refused") {
  Exchange exchange;
  TestAuthority other("one");  // the same names, other keys
  auto const roots = TrustedRoots::from_pem(other.root_pem());
  refused_as(judge_reply(exchange.reply(), exchange.query, roots.value()), Code::refused, "certificates do not hold");
  exchange.authority.signer_digest = EVP_sha1();
  refused_as(exchange.judged(), Code::refused, "digest other than");
  for (auto const& [reply, chain] :
       {std::pair{"sha512.tsr", "sha512-chain.pem"}, std::pair{"injected-certificates.tsr", "sha512-chain.pem"},
        std::pair{"identrust-sha512.tsr", "sha512-chain.pem"}})
    refused_as(judge_token(data(reply), bytes_of("hello"), roots_in(chain)), Code::refused, "not a SHA-256");
}

TEST_CASE("P6: what is no reply is refused: cut, longer, garbage, empty, too big") {
  Exchange exchange;
  std::string const reply = exchange.reply();
  for (std::size_t size = 0; size < reply.size(); ++size) {
    auto const cut = judge_reply(std::string_view(reply).substr(0, size), exchange.query, exchange.roots());
    REQUIRE_FALSE(cut);
  }
  refused_as(judge_reply(reply + '\0', exchange.query, exchange.roots()), Code::malformed, "trail");
  std::string const token = exchange.good().der;
  refused_as(judge_token(token + '\0', bytes_of(stamped), exchange.roots()), Code::malformed, "trail");
  refused_as(judge_reply(std::string(timestamp_reply_bytes_max + 1, '0'), exchange.query, exchange.roots()),
             Code::malformed, "at most 65536");
  SeededRandomness random(9);
  for (int i = 0; i < 200; ++i) {
    std::string garbage(random.below(600), '\0');
    random.fill(std::as_writable_bytes(std::span{garbage}));
    if (garbage.size() > 2) garbage[0] = 0x30;
    CHECK_FALSE(judge_reply(garbage, exchange.query, exchange.roots()));
  }
}

TEST_CASE("P2: a reply with a bit changed is refused, or says the same: what is not signed says nothing") {
  Exchange exchange(with_intermediate());
  TrustedRoots const roots = exchange.roots();
  std::string const reply = exchange.reply();
  auto const good = judge_reply(reply, exchange.query, roots);
  REQUIRE(good);
  std::size_t const stride = full_counts() ? 1 : 11;
  std::size_t changed = 0;
  std::size_t taken = 0;
  for (std::size_t bit = 0; bit < reply.size() * 8; bit += stride, ++changed) {
    std::string other = reply;
    other[bit / 8] = static_cast<char>(static_cast<unsigned char>(other[bit / 8]) ^ (1u << (bit % 8)));
    auto const token = judge_reply(other, exchange.query, roots);
    if (!token) continue;
    ++taken;
    CAPTURE(bit);
    CHECK(same_facts(token.value(), good.value()));
  }
  MESSAGE("bits changed: ", changed, ", of which unsigned ones: ", taken);
  CHECK(changed * stride >= reply.size() * 8);
  CHECK(taken * 20 < changed);
}

TEST_CASE("roots are PEM certificates, and at least one is signed by itself") {
  Exchange exchange;
  CHECK(TrustedRoots::from_pem("some words\n" + exchange.authority.root_pem()));
  std::string const root = exchange.authority.root_pem();
  auto const both = TrustedRoots::from_pem(exchange.authority.signer_pem() + root);
  REQUIRE(both);
  CHECK(both.value().sha256() == exchange.roots().sha256());
  for (std::string const& pem : {std::string(), std::string("garbage"), data("identrust-root.der"),
                                 exchange.authority.signer_pem(), root.substr(0, root.size() / 2),
                                 root + root.substr(0, root.size() / 2), std::string(roots_pem_bytes_max + 1, ' ')}) {
    auto const roots = TrustedRoots::from_pem(pem);
    REQUIRE_FALSE(roots);
    CHECK(roots.error().code == Code::malformed);
  }
  std::string many;
  for (std::size_t i = 0; i <= roots_max; ++i) many += root;
  CHECK_FALSE(TrustedRoots::from_pem(many));
}

TEST_CASE("P6: of a chain's CRLs only those are named that can be fetched, once each") {
  CHECK(crl_urls(Exchange(with_crl("http://crl.example/1")).good()) ==
        std::vector<std::string>{"http://crl.example/1"});
  CHECK(crl_urls(Exchange(with_intermediate("http://crl.example/1")).good()).size() == 1);
  CHECK(crl_urls(Exchange().good()).empty());
  CHECK(crl_urls(Exchange(with_crl("file:///etc/passwd")).good()).empty());
  CHECK(crl_urls(Exchange(with_crl("http://crl.example/a b")).good()).empty());
  CHECK(crl_urls(Exchange(with_crl("http://crl.example/" + std::string(1'000, 'x'))).good()).empty());
}

TEST_CASE("P7: a revocation harms a token as RFC 3161 has it") {
  using Whom = TestAuthority::Revoked::Whom;
  constexpr std::int64_t day = 86'400;
  Exchange exchange(with_intermediate());
  TimestampToken const token = exchange.good();
  struct Case {
    Whom whom;
    std::int64_t at_s;
    int reason;
    bool harms;
  };
  for (Case const& one : {Case{Whom::signer, test_time_s - day, CRL_REASON_SUPERSEDED, true},
                          Case{Whom::signer, test_time_s, CRL_REASON_CESSATION_OF_OPERATION, true},  // .442 s before
                          Case{Whom::signer, test_time_s + 1, CRL_REASON_SUPERSEDED, false},
                          Case{Whom::signer, test_time_s + day, CRL_REASON_UNSPECIFIED, false},
                          Case{Whom::signer, test_time_s + day, CRL_REASON_AFFILIATION_CHANGED, false},
                          Case{Whom::signer, test_time_s + day, CRL_REASON_CESSATION_OF_OPERATION, false},
                          Case{Whom::signer, test_time_s + day, -1, true},
                          Case{Whom::signer, test_time_s + day, CRL_REASON_KEY_COMPROMISE, true},
                          Case{Whom::signer, test_time_s + day, CRL_REASON_PRIVILEGE_WITHDRAWN, true},
                          Case{Whom::intermediate, test_time_s - day, CRL_REASON_SUPERSEDED, true},
                          Case{Whom::intermediate, test_time_s + day, CRL_REASON_SUPERSEDED, false},
                          Case{Whom::intermediate, test_time_s + day, CRL_REASON_CA_COMPROMISE, true}}) {
    CAPTURE(one.at_s - test_time_s);
    CAPTURE(one.reason);
    TestAuthority::Revoked const revoked{one.whom, one.at_s, one.reason};
    auto const found = judge_crl(exchange.authority.crl(test_time_s, test_time_s + 7 * day, &revoked), token);
    if (!found) FAIL(line(found.error()));
    CHECK(found.value().revoked.size() == (one.harms ? 1 : 0));
    CHECK(found.value().later.size() == (one.harms ? 0 : 1));
  }
}

TEST_CASE("P7: a CRL counts only when it can say something about the token") {
  constexpr std::int64_t day = 86'400;
  Exchange exchange;
  TimestampToken const token = exchange.good();
  std::string const crl = exchange.authority.crl(test_time_s - day, test_time_s + day);
  auto const good = judge_crl(crl, token);
  REQUIRE(good);
  CHECK(good.value().revoked.empty());
  CHECK(good.value().this_update_us == (test_time_s - day) * 1'000'000);
  CHECK(good.value().issuer == "CN=Root of one,O=impound tests");
  CHECK(judge_crl(exchange.authority.crl(test_time_s - 7 * day, test_time_s - 1), token).error().code == Code::refused);
  CHECK(judge_crl(TestAuthority("one").crl(test_time_s, test_time_s + day), token).error().code == Code::refused);
  CHECK(judge_crl(crl + "x", token).error().code == Code::malformed);
  CHECK(judge_crl("", token).error().code == Code::malformed);
  CHECK(judge_crl("<html>404</html>", token).error().code == Code::malformed);
  for (std::size_t bit = 0; bit < crl.size() * 8; bit += 13) {
    std::string other = crl;
    other[bit / 8] = static_cast<char>(static_cast<unsigned char>(other[bit / 8]) ^ (1u << (bit % 8)));
    CAPTURE(bit);
    CHECK_FALSE(judge_crl(other, token));
  }
}

TEST_CASE("P7: a CRL of another scope, without an end, or weakly signed clears nobody") {
  constexpr std::int64_t day = 86'400;
  constexpr char const* url = "http://crl.example/one.crl";
  TestCertificates certificates;
  certificates.crl_url = url;
  Exchange exchange{certificates};
  TimestampToken const token = exchange.good();
  auto const judged = [&](TestAuthority::CrlShape const& shape, std::int64_t from) {
    return judge_crl(exchange.authority.crl(from, test_time_s + day, nullptr, shape), token);
  };
  std::int64_t const before = test_time_s - day;
  CHECK(judged({}, before));
  CHECK(judged({.scope = "critical,onlyuser:TRUE"}, before));
  CHECK(judged({.scope = std::string("critical,fullname:URI:") + url}, before));
  for (char const* scope :
       {"critical,onlyCA:TRUE", "critical,onlyAA:TRUE", "critical,indirectCRL:TRUE",
        "critical,onlysomereasons:keyCompromise", "critical,fullname:URI:http://crl.example/two.crl"}) {
    CAPTURE(std::string(scope));
    CHECK_FALSE(judged({.scope = scope}, before));
  }
  CHECK_FALSE(judged({.with_next_update = false}, before));
  CHECK(judged({.with_next_update = false}, test_time_s + 1));
  CHECK_FALSE(judged({.digest = EVP_sha1()}, before));
}

}  // namespace impound::evidence
