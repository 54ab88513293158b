// A time-stamping authority inside a test: certificates made now, tokens at whatever time the test wants. Written over
// libcrypto's TS_RESP_CTX, which judges nothing that the code under test judges.
#pragma once

#include <openssl/ts.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace impound {

/// Seconds since 1970.
constexpr std::int64_t test_time_s = 1'494'007'200;  // FakeClock's beginning, 2017-05-05T18:00:00Z
constexpr std::int64_t test_year_s = 365 * 86'400;

struct TestCertificates {
  std::int64_t from_s = test_time_s - test_year_s;
  std::int64_t until_s = test_time_s + test_year_s;
  std::string usage = "critical,timeStamping";  // extended key usage, "" for none
  std::string crl_url;                          // "" for none
  bool with_intermediate = false;
};

class TestAuthority {
 public:
  explicit TestAuthority(std::string name, TestCertificates const& certificates = {});

  std::string root_pem() const;
  std::string signer_pem() const;

  // --- how the next replies are made
  std::int64_t now_s = test_time_s;
  long now_us = 442'000;
  bool ess_sha1 = false;
  bool with_accuracy = true;
  bool with_certificates = true;  // the intermediate in the token
  EVP_MD const* signer_digest = EVP_sha256();

  /// The whole TimeStampResp to a query; "" when libcrypto makes none.
  std::string reply(std::string_view query_der);

  struct Revoked {
    enum class Whom { signer, intermediate } whom = Whom::signer;
    std::int64_t at_s = 0;
    int reason = -1;  // CRLReason; -1: none given
  };
  struct CrlShape {
    bool with_next_update = true;
    std::string scope{};  // as openssl.cnf writes issuingDistributionPoint, e.g. "critical,onlyuser:TRUE"
    EVP_MD const* digest = EVP_sha256();
  };
  /// DER, by whoever issued the signer's certificate (or the root, for the intermediate's), revoking `revoked`, if any.
  std::string crl(std::int64_t this_update_s, std::int64_t next_update_s, Revoked const* revoked = nullptr) const {
    return crl(this_update_s, next_update_s, revoked, CrlShape{});
  }
  std::string crl(std::int64_t this_update_s, std::int64_t next_update_s, Revoked const* revoked,
                  CrlShape const& shape) const;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace impound
