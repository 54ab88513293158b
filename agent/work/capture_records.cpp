#include "agent/work/capture_records.h"

#include <algorithm>

#include "agent/service/terminal.h"
#include "evidence/formats/base64.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/values/utc_time.h"
#include "evidence/warc/capture_end.h"
#include "evidence/warc/cipher_suite.h"

namespace impound::agent {

using evidence::iana_cipher_name;
using evidence::WarcRecord;
using fetchers::Exchange;

namespace {

std::string pem_of(std::vector<std::string> const& certificates) {
  constexpr std::size_t line = 64;
  std::string pem;
  for (std::string const& der : certificates) {
    std::string const text = base64(bytes_of(der));
    pem += "-----BEGIN CERTIFICATE-----\n";
    for (std::size_t at = 0; at < text.size(); at += line) pem.append(text, at, line).append("\n");
    pem += "-----END CERTIFICATE-----\n";
  }
  return pem;
}

/// RFC 6920: the name of these bytes.
std::string named_information(std::string const& bytes) {
  std::string digest = base64(sha256(bytes_of(bytes)).bytes);
  std::erase(digest, '=');
  std::replace(digest.begin(), digest.end(), '+', '-');
  std::replace(digest.begin(), digest.end(), '/', '_');
  return "ni:///sha-256;" + digest;
}

/// "tls/1.3" of "TLSv1.3"; "TLSv1" is 1.0.
std::string tls_word(std::string const& protocol) {
  if (!protocol.starts_with("TLSv")) return {};
  std::string const version = protocol.substr(4);
  return "tls/" + version + (version.find('.') == std::string::npos ? ".0" : "");
}

std::string http_word(std::string const& version) {
  if (version == "2" || version == "3") return "h" + version;
  return version == "1.0" ? "http/1.0" : "http/1.1";
}

void add_connection_headers(WarcRecord& record, Exchange const& hop) {
  if (!hop.remote_ip.empty()) record.headers.emplace_back("WARC-IP-Address", hop.remote_ip);
  record.headers.emplace_back("WARC-Protocol", http_word(hop.http_version));
  if (std::string tls = tls_word(hop.tls_protocol); !tls.empty())
    record.headers.emplace_back("WARC-Protocol", std::move(tls));
  if (std::string cipher = iana_cipher_name(hop.tls_cipher); !cipher.empty())
    record.headers.emplace_back("WARC-Cipher-Suite", std::move(cipher));
}

Json metadata_of(Exchange const& hop, EntryId const& attempt, Sha256 const& body) {
  Json json{
      {"attempt", attempt.text()},           {"body_bytes", hop.body.size()},           {"body_sha256", hex(body)},
      {"ended_utc", utc_text(hop.ended_us)}, {"started_utc", utc_text(hop.started_us)}, {"status", hop.status}};
  if (!hop.remote_ip.empty()) json["remote_ip"] = hop.remote_ip;
  if (hop.remote_port != 0) json["remote_port"] = hop.remote_port;
  if (hop.resolved_by_proxy) json["resolved_by"] = "proxy";
  if (!hop.truncated.empty()) json["truncated"] = hop.truncated;
  if (!hop.interim_heads.empty()) json["interim_heads_bytes"] = hop.interim_heads.size();
  if (hop.failed) json["failed"] = shown(line(*hop.failed), 500);
  if (hop.http_version == "2") json["reconstructed"] = "the messages of HTTP/2, written in the form of HTTP/1.1";
  add_connection(json, hop);
  return json;
}

/// One hop's records, packed behind those before it.
class HopRecords {
 public:
  HopRecords(Exchange const& hop, EntryId const& attempt, Randomness& randomness, evidence::PackedCapture& into)
      : hop_(hop),
        attempt_(attempt),
        randomness_(randomness),
        into_(into),
        response_id_(evidence::make_record_id(randomness)) {}

  /// `body`: its digest; `result`: of the capture, when this hop is its last.
  Result<void> pack(Sha256 const& body, Json const* result) {
    IMPOUND_CHECK(evidence::pack(request(), into_));
    IMPOUND_CHECK(evidence::pack(response(body), into_));
    Json json = metadata_of(hop_, attempt_, body);
    if (!hop_.certificates.empty()) json["tls"]["chain"] = add_chain();
    if (result != nullptr) evidence::add_capture_end(json, {attempt_, into_.records.size() + 1, *result});
    WarcRecord metadata = beside_response("metadata", "application/json");
    IMPOUND_TRY(text, canonical(json));
    metadata.block = std::move(text);
    return evidence::pack(metadata, into_);
  }

 private:
  WarcRecord record(char const* type, std::string id, char const* media_type) {
    return {type, std::move(id), hop_.url, hop_.started_us, {{"Content-Type", media_type}}, {}, {}};
  }
  WarcRecord beside_response(char const* type, char const* media_type) {
    WarcRecord made = record(type, evidence::make_record_id(randomness_), media_type);
    made.headers.emplace_back("WARC-Concurrent-To", "<" + response_id_ + ">");
    return made;
  }
  WarcRecord request() {
    WarcRecord made = beside_response("request", "application/http; msgtype=request");
    add_connection_headers(made, hop_);
    made.rest = hop_.request;
    return made;
  }
  WarcRecord response(Sha256 const& body) {
    WarcRecord made = record("response", response_id_, "application/http; msgtype=response");
    add_connection_headers(made, hop_);
    if (!hop_.truncated.empty()) made.headers.emplace_back("WARC-Truncated", hop_.truncated);
    made.block = hop_.response_head;
    made.rest = hop_.response_body;
    // Without transfer coding the body is the payload, and is hashed once.
    if (!hop_.chunked && hop_.body.size() == hop_.response_body.size()) made.payload_sha256 = body;
    return made;
  }
  /// The chain's name.
  std::string add_chain() {
    WarcRecord chain = beside_response("resource", "application/pem-certificate-chain");
    if (!hop_.remote_ip.empty()) chain.headers.emplace_back("WARC-IP-Address", hop_.remote_ip);
    chain.block = pem_of(hop_.certificates);
    chain.payload_offset = 0;
    chain.target_uri = named_information(chain.block);
    std::string name = chain.target_uri;
    into_.once_a_file.push_back(std::move(chain));
    return name;
  }

  Exchange const& hop_;
  EntryId const& attempt_;
  Randomness& randomness_;
  evidence::PackedCapture& into_;
  std::string response_id_;
};

}  // namespace

void add_connection(Json& body, Exchange const& hop) {
  if (!hop.http_version.empty()) body["http_version"] = shown(hop.http_version, 20);
  if (hop.tls_protocol.empty()) return;
  Json tls{{"protocol", shown(hop.tls_protocol, 20)}};
  if (std::string const cipher = iana_cipher_name(hop.tls_cipher); !cipher.empty()) tls["cipher"] = cipher;
  Json certificates = Json::array();
  for (std::string const& der : hop.certificates) certificates.push_back(hex(sha256(bytes_of(der))));
  if (!certificates.empty()) tls["certificates"] = std::move(certificates);
  if (!hop.tls_problem.empty()) tls["problem"] = shown(hop.tls_problem, 200);
  body["tls"] = std::move(tls);
}

Result<evidence::PackedCapture> pack_capture(std::vector<Exchange> const& hops, std::vector<Sha256> const& digests,
                                             EntryId const& attempt, Json const& result, Randomness& randomness) {
  evidence::PackedCapture packed;
  auto const answered = [](Exchange const& hop) { return !hop.response_head.empty(); };
  auto const last = std::find_if(hops.rbegin(), hops.rend(), answered);
  for (std::size_t i = 0; i < hops.size(); ++i) {
    Exchange const& hop = hops[i];
    if (!answered(hop)) continue;
    if (packed.records.empty()) packed.date_us = hop.started_us;
    IMPOUND_CHECK(HopRecords(hop, attempt, randomness, packed).pack(digests.at(i), &hop == &*last ? &result : nullptr));
  }
  return packed;
}

}  // namespace impound::agent
