// What the log says of stamping: the bodies of timestamp.attempt and timestamp.result, written and read here only.
//
//     timestamp.attempt {"size","root","checkpoint":{"file","sha256"},"required":k,
//                        "authorities":[{"name","url","roots_sha256":[…]}]}
//     timestamp.result  {"size","state":"complete|met|superseded","superseded_by",
//                        "tokens":[{"authority","file","sha256","gen_time","accuracy_us","serial","policy","tsa",
//                                   "ess":"v1|v2","chain":{"file","sha256"},"crls":[{"file","sha256"}],"crls_missing"}],
//                        "failed":[{"authority","tries","reason"}]}            `of` = the attempt
//
// complete: every authority; met: k or more, not all; superseded: fewer, and an attempt over a newer checkpoint goes
// on (`superseded_by`: its size). Empty lists are absent. The attempt carries k and the roots' digests, so that a
// verifier can enforce the policy without the settings. Pure functions, any thread; bytes of strangers get an Error.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/formats/canonical_json.h"
#include "evidence/values/authority_name.h"
#include "evidence/values/digest.h"
#include "evidence/values/result.h"

namespace impound::evidence {

/// timestamp.attempt and timestamp.result: no timestamp is asked for because of them.
inline bool is_about_timestamps(std::string_view kind) { return kind.starts_with("timestamp."); }

std::string checkpoint_file(std::uint64_t size);                               // "log/checkpoints/<size>"
std::string timestamp_folder(std::uint64_t size);                              // "timestamps/<size>"
std::string token_file(std::uint64_t size, std::string_view authority);        // "timestamps/<size>/<authority>.tsr"
std::string token_chain_file(std::uint64_t size, std::string_view authority);  // … ".chain.pem"
std::string token_crl_file(std::uint64_t size, std::string_view authority, std::size_t number);  // … ".<number>.crl"

/// Whether a name in timestamps/<size>/ is one of this authority's files, or the draft (.tmp) of one.
bool is_file_of(std::string_view name, std::string_view authority);

/// A file of the vault and the SHA-256 of its bytes.
struct KeptFile {
  std::string file;
  Sha256 sha256;
  bool operator==(KeptFile const&) const = default;
};

struct KeptToken {
  std::string authority;
  KeptFile reply;  // the whole TimeStampResp, as received
  std::int64_t gen_time_us = 0;
  std::optional<std::int64_t> accuracy_us;
  std::string serial;  // hex
  std::string policy;  // OID
  std::string tsa;     // the signer's subject
  bool ess_v2 = false;
  KeptFile chain;  // PEM, from the signer up to the root
  std::vector<KeptFile> crls;
  std::uint64_t crls_missing = 0;         // could not be fetched, or say nothing about the token
  std::vector<std::string> crl_failures;  // why, for the operator; not logged
  bool operator==(KeptToken const&) const = default;
};

struct AskedAuthority {
  std::string name;
  std::string url;  // without what a query in it says
  std::vector<Sha256> roots_sha256;
};

struct StampingAttempt {
  std::uint64_t size = 0;
  Sha256 root;
  KeptFile checkpoint;
  std::uint64_t required = 0;
  std::vector<AskedAuthority> authorities;
};

/// An authority that gave no token in `tries` tries; `reason` is the last one's.
struct FailedAuthority {
  std::string authority;
  std::uint64_t tries = 0;
  std::string reason;
};

enum class StampingState { complete, met, superseded };
std::string_view word(StampingState state);

struct StampingResult {
  std::uint64_t size = 0;
  StampingState state = StampingState::superseded;
  std::optional<std::uint64_t> superseded_by;
  std::vector<KeptToken> tokens;
  std::vector<FailedAuthority> failed;
};

Json to_json(StampingAttempt const& attempt);
/// An own bug (must) when the state is superseded and nothing is named that supersedes it.
Json to_json(StampingResult const& result);

/// Strict about what a reader acts on: sizes, digests, names, and that each file is where an authority's files lie.
Result<StampingAttempt> attempt_from_json(Json const& body);
Result<StampingResult> result_from_json(Json const& body);

}  // namespace impound::evidence
