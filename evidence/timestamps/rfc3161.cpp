#include "evidence/timestamps/rfc3161.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/system/randomness.h"
#include "evidence/timestamps/token_signature.h"
#include "evidence/values/must.h"
#include "evidence/values/utc_time.h"

namespace impound::evidence {

namespace {

Error malformed(std::string what) { return Error{Code::malformed, "no time-stamp: " + std::move(what), {}, {}}; }
Error other_bytes(std::string what) { return Error{Code::damaged, "the time-stamp: " + std::move(what), {}, {}}; }
Error refused(std::string what) { return Error{Code::refused, "the time-stamp: " + std::move(what), {}, {}}; }

/// A stranger's text for a message: printable ASCII, at most 200 bytes.
std::string shown(std::string_view text) {
  constexpr std::size_t bytes_max = 200;
  std::string safe{text.substr(0, bytes_max)};
  std::replace_if(
      safe.begin(), safe.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return safe;
}

std::string_view view_of(ASN1_STRING const* text) {
  return {reinterpret_cast<char const*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

template <class T>
T* from_der(T* (*read)(T**, unsigned char const**, long), std::string_view der, bool& whole) {
  auto const* at = reinterpret_cast<unsigned char const*>(der.data());
  T* const object = read(nullptr, &at, static_cast<long>(der.size()));
  whole = object != nullptr && at == reinterpret_cast<unsigned char const*>(der.data() + der.size());
  ERR_clear_error();
  return object;
}

/// PKIFailureInfo (RFC 3161 §2.4.2) in words.
std::string failure_text(ASN1_BIT_STRING const* bits) {
  constexpr std::pair<int, char const*> names[] = {{0, "badAlg"},
                                                   {2, "badRequest"},
                                                   {5, "badDataFormat"},
                                                   {14, "timeNotAvailable"},
                                                   {15, "unacceptedPolicy"},
                                                   {16, "unacceptedExtension"},
                                                   {17, "addInfoNotAvailable"},
                                                   {25, "systemFailure"}};
  std::string text;
  for (auto const& [bit, name] : names)
    if (bits != nullptr && ASN1_BIT_STRING_get_bit(bits, bit) == 1)
      text += std::string(text.empty() ? " (" : ", ") + name;
  return text.empty() ? text : text + ")";
}

Result<void> check_status(TS_RESP* reply) {
  TS_STATUS_INFO* const status = TS_RESP_get_status_info(reply);
  constexpr char const* words[] = {"granted", "granted with changes",    "rejection",
                                   "waiting", "a warning of revocation", "a notice of revocation"};
  std::int64_t number = -1;
  ASN1_INTEGER_get_int64(&number, TS_STATUS_INFO_get0_status(status));
  if (number == TS_STATUS_GRANTED || number == TS_STATUS_GRANTED_WITH_MODS) return ok();
  std::string said = number >= 0 && number < std::ssize(words) ? words[number] : "an unknown status";
  said += failure_text(TS_STATUS_INFO_get0_failure_info(status));
  STACK_OF(ASN1_UTF8STRING) const* const texts = TS_STATUS_INFO_get0_text(status);
  if (texts != nullptr && sk_ASN1_UTF8STRING_num(texts) > 0)
    said += ", \"" + shown(view_of(sk_ASN1_UTF8STRING_value(texts, 0))) + '"';
  return refused("the authority gave none: " + said);
}

/// "20261123092820.442Z": RFC 3161 §2.4.2 has seconds, UTC, and digits behind a dot at will.
std::optional<std::int64_t> gen_time_us(std::string_view text) {
  constexpr std::size_t whole_seconds = 14;
  if (text.size() < whole_seconds + 1 || text.back() != 'Z') return std::nullopt;
  std::string utc;
  for (std::size_t i = 0; i < whole_seconds; ++i) {
    if (i == 4 || i == 6) utc += '-';
    if (i == 8) utc += 'T';
    if (i == 10 || i == 12) utc += ':';
    utc += text[i];
  }
  return utc_us_from(utc.append(text.substr(whole_seconds)));
}

/// Nothing: absent, or out of what its fields may hold.
std::optional<std::int64_t> accuracy_us(TS_ACCURACY const* accuracy) {
  constexpr std::int64_t seconds_max = 1'000'000;
  if (accuracy == nullptr) return std::nullopt;
  std::int64_t us = 0;
  auto const add = [&us](ASN1_INTEGER const* part, std::int64_t unit, std::int64_t most) {
    std::int64_t number = 0;
    if (part == nullptr) return true;
    if (ASN1_INTEGER_get_int64(&number, part) != 1 || number < 0 || number > most) return false;
    us += number * unit;
    return true;
  };
  bool const fits = add(TS_ACCURACY_get_seconds(accuracy), 1'000'000, seconds_max) &&
                    add(TS_ACCURACY_get_millis(accuracy), 1'000, 999) && add(TS_ACCURACY_get_micros(accuracy), 1, 999);
  return fits ? std::optional{us} : std::nullopt;
}

std::vector<std::byte> magnitude(BIGNUM const* number) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(std::max(1, BN_num_bytes(number))));
  BN_bn2binpad(number, reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  return bytes;
}

/// Negative ones are in the world: authorities that forget the leading zero byte.
std::optional<std::string> serial_text(ASN1_INTEGER const* number) {
  constexpr int bytes_max = 64;  // RFC 3161 wants 20 to be enough
  openssl::Number const value{ASN1_INTEGER_to_BN(number, nullptr)};
  if (!value || BN_num_bytes(value.get()) > bytes_max) return std::nullopt;
  std::string const sign = BN_is_negative(value.get()) ? "-" : "";
  return sign + hex(magnitude(value.get()));
}

Result<void> check_imprint(TS_TST_INFO* facts, Sha256 const& imprint) {
  TS_MSG_IMPRINT* const said = TS_TST_INFO_get_msg_imprint(facts);
  X509_ALGOR const* const algorithm = TS_MSG_IMPRINT_get_algo(said);
  ASN1_OBJECT const* object = nullptr;
  int parameter = V_ASN1_UNDEF;
  X509_ALGOR_get0(&object, &parameter, nullptr, algorithm);
  if (OBJ_obj2nid(object) != NID_sha256 || (parameter != V_ASN1_UNDEF && parameter != V_ASN1_NULL))
    return refused("its imprint is not a SHA-256");
  std::string_view const digest = view_of(TS_MSG_IMPRINT_get_msg(said));
  if (digest != text_of(imprint.bytes))
    return other_bytes("it is over other bytes, of SHA-256 " + hex(bytes_of(digest.substr(0, 64))));
  return ok();
}

Result<void> check_nonce(TS_TST_INFO const* facts, std::array<std::byte, 8> const& nonce) {
  ASN1_INTEGER const* const said = TS_TST_INFO_get_nonce(facts);
  if (said == nullptr) return refused("it has no nonce");
  openssl::Number const value{ASN1_INTEGER_to_BN(said, nullptr)};
  auto const bytes = value && !BN_is_negative(value.get()) ? magnitude(value.get()) : std::vector<std::byte>{};
  if (!std::equal(bytes.begin(), bytes.end(), nonce.begin(), nonce.end()))
    return refused("its nonce is another than the query's");
  return ok();
}

Result<TimestampToken> read_facts(TS_TST_INFO* facts) {
  TimestampToken token;
  if (TS_TST_INFO_get_version(facts) != 1) return malformed("its version is not 1");
  auto const time = gen_time_us(view_of(TS_TST_INFO_get_time(facts)));
  if (!time) return malformed("its time is not one of RFC 3161: " + shown(view_of(TS_TST_INFO_get_time(facts))));
  token.gen_time_us = *time;
  TS_ACCURACY const* const accuracy = TS_TST_INFO_get_accuracy(facts);
  token.accuracy_us = accuracy_us(accuracy);
  if (accuracy != nullptr && !token.accuracy_us) return malformed("its accuracy is out of range");
  auto serial = serial_text(TS_TST_INFO_get_serial(facts));
  if (!serial) return malformed("its serial number is too long");
  token.serial = std::move(*serial);
  char policy[256];
  int const length = OBJ_obj2txt(policy, sizeof policy, TS_TST_INFO_get_policy_id(facts), 1);
  if (length <= 0 || length >= static_cast<int>(sizeof policy)) return malformed("its policy is no OID of sane length");
  token.policy = policy;
  return token;
}

/// What both judgements share, once the token is found.
Result<TimestampToken> judge(PKCS7* token, Sha256 const& imprint, std::array<std::byte, 8> const* nonce,
                             TrustedRoots const& roots) {
  if (PKCS7_type_is_signed(token) != 1) return malformed("its token is not signed data");
  openssl::TokenFacts const facts{PKCS7_to_TS_TST_INFO(token)};
  if (!facts) return malformed("its token holds no TSTInfo: " + openssl::complaint());
  IMPOUND_TRY(result, read_facts(facts.get()));
  IMPOUND_CHECK(check_imprint(facts.get(), imprint));
  if (nonce != nullptr) IMPOUND_CHECK(check_nonce(facts.get(), *nonce));
  IMPOUND_TRY(signer, judge_signature(token, roots, result.gen_time_us));
  result.tsa_subject = std::move(signer.subject);
  result.root_sha256 = signer.root_sha256;
  result.ess_v2 = signer.ess_v2;
  result.chain_pem = std::move(signer.chain_pem);
  unsigned char* der = nullptr;
  int const size = i2d_PKCS7(token, &der);
  if (size <= 0) return malformed("its token cannot be written again: " + openssl::complaint());
  result.der.assign(reinterpret_cast<char const*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return result;
}

Result<void> check_size(std::string_view der) {
  if (der.empty()) return malformed("the answer is empty");
  if (der.size() > timestamp_reply_bytes_max)
    return malformed("the answer has " + std::to_string(der.size()) + " bytes, at most " +
                     std::to_string(timestamp_reply_bytes_max) + " are read");
  return ok();
}

Result<openssl::Reply> read_reply(std::string_view der) {
  bool whole = false;
  openssl::Reply reply{from_der<TS_RESP>(d2i_TS_RESP, der, whole)};
  if (!reply) return malformed("the answer is no TimeStampResp");
  if (!whole) return malformed("bytes trail the TimeStampResp");
  IMPOUND_CHECK(check_status(reply.get()));
  if (TS_RESP_get_token(reply.get()) == nullptr) return malformed("granted, and no token in it");
  return reply;
}

}  // namespace

TimestampQuery make_query(Bytes stamped, Randomness& randomness) {
  // The whole of DER that there is to write: all lengths are fixed by SHA-256 and by eight bytes of nonce.
  constexpr std::string_view before_imprint{
      "\x30\x43\x02\x01\x01\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20", 24};
  constexpr std::string_view before_nonce{"\x02\x08", 2};
  constexpr std::string_view certificates_please{"\x01\x01\xff", 3};
  TimestampQuery query;
  query.imprint = sha256(stamped);
  randomness.fill(query.nonce);
  query.nonce[0] = (query.nonce[0] & std::byte{0x3f}) | std::byte{0x40};
  query.der.append(before_imprint).append(text_of(query.imprint.bytes));
  query.der.append(before_nonce).append(text_of(query.nonce)).append(certificates_please);
  return query;
}

namespace {

/// Certificates shared out: those signed by themselves are roots.
std::shared_ptr<TrustedRoots::Certificates> shared_out(STACK_OF(X509) * all) {
  auto given = std::make_shared<TrustedRoots::Certificates>();
  given->roots.reset(sk_X509_new_null());
  given->others.reset(sk_X509_new_null());
  must(given->roots && given->others);
  for (int i = 0; i < sk_X509_num(all); ++i) {
    X509* const one = sk_X509_value(all, i);
    bool const root = X509_self_signed(one, 1) == 1;
    X509_up_ref(one);
    must(sk_X509_push(root ? given->roots.get() : given->others.get(), one) != 0);
    if (root) given->sha256.push_back(fingerprint(one));
  }
  ERR_clear_error();
  return given;
}

Error unfit(std::string what) { return Error{Code::malformed, std::move(what), {}, {}}; }

Result<openssl::Certificates> read_pem(std::string_view pem) {
  if (pem.size() > roots_pem_bytes_max) return unfit("more than 1 MiB of certificates");
  auto all = openssl::certificates_from_pem(pem, static_cast<int>(roots_max));
  if (!all) return unfit("not PEM certificates, one broken among them, or more than " + std::to_string(roots_max));
  if (sk_X509_num(all->get()) == 0) return unfit("no PEM certificate (openssl x509 -inform DER makes one of DER)");
  return std::move(*all);
}

}  // namespace

Result<TrustedRoots> TrustedRoots::from_pem(std::string_view pem) {
  IMPOUND_TRY(all, read_pem(pem));
  auto given = shared_out(all.get());
  if (given->sha256.empty()) return unfit("no root among the certificates: none is signed by itself");
  TrustedRoots roots;
  roots.certificates_ = std::move(given);
  return roots;
}

Result<TrustedRoots> TrustedRoots::helped_by(std::string_view chain_pem) const {
  IMPOUND_TRY(chain, read_pem(chain_pem));
  auto const helpers = shared_out(chain.get());
  auto given = std::make_shared<Certificates>();
  given->roots.reset(X509_chain_up_ref(certificates_->roots.get()));
  given->others.reset(X509_chain_up_ref(certificates_->others.get()));
  given->sha256 = certificates_->sha256;
  must(given->roots && given->others);
  must(X509_add_certs(given->others.get(), helpers->others.get(), X509_ADD_FLAG_UP_REF | X509_ADD_FLAG_NO_DUP) == 1);
  TrustedRoots roots;
  roots.certificates_ = std::move(given);
  return roots;
}

std::vector<Sha256> const& TrustedRoots::sha256() const { return certificates_->sha256; }

Result<TimestampToken> judge_reply(std::string_view reply_der, TimestampQuery const& query, TrustedRoots const& roots) {
  IMPOUND_CHECK(check_size(reply_der));
  IMPOUND_TRY(reply, read_reply(reply_der));
  return judge(TS_RESP_get_token(reply.get()), query.imprint, &query.nonce, roots);
}

Result<TimestampToken> judge_token(std::string_view der, Bytes stamped, TrustedRoots const& roots) {
  IMPOUND_CHECK(check_size(der));
  bool whole = false;
  // A ContentInfo begins with an OID, a TimeStampResp with a SEQUENCE: none is read as the other.
  openssl::Token const token{from_der<PKCS7>(d2i_PKCS7, der, whole)};
  if (token && !whole) return malformed("bytes trail the token");
  if (token) return judge(token.get(), sha256(stamped), nullptr, roots);
  IMPOUND_TRY(reply, read_reply(der));
  return judge(TS_RESP_get_token(reply.get()), sha256(stamped), nullptr, roots);
}

}  // namespace impound::evidence
