#include "evidence/timestamps/stamping_entry.h"

#include <algorithm>
#include <set>
#include <utility>

#include "evidence/formats/hex.h"
#include "evidence/formats/text_lines.h"
#include "evidence/values/case_name.h"
#include "evidence/values/must.h"
#include "evidence/values/utc_time.h"

namespace impound::evidence {

namespace {

constexpr std::size_t crls_listed_max = 50;

Error malformed(char const* what) { return Error{Code::malformed, std::string("its body: ") + what, {}, {}}; }

// --- fields of a body, whatever stands there

std::optional<std::string> text(Json const& object, char const* key) {
  if (!object.is_object()) return std::nullopt;
  auto const found = object.find(key);
  if (found == object.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

/// As json_number writes it.
std::optional<std::uint64_t> number(Json const& object, char const* key) {
  if (!object.is_object()) return std::nullopt;
  auto const found = object.find(key);
  if (found == object.end()) return std::nullopt;
  if (found->is_number_unsigned()) return found->get<std::uint64_t>();
  if (found->is_number_integer() && found->get<std::int64_t>() >= 0) return found->get<std::uint64_t>();
  if (found->is_string()) return decimal(found->get_ref<std::string const&>(), UINT64_MAX);
  return std::nullopt;
}

/// A list of at most `count_max`; absent is empty. Nothing for another type or a longer one.
std::optional<Json> list(Json const& object, char const* key, std::size_t count_max) {
  if (!object.is_object()) return std::nullopt;
  auto const found = object.find(key);
  if (found == object.end()) return Json::array();
  if (!found->is_array() || found->size() > count_max) return std::nullopt;
  return *found;
}

std::optional<Sha256> digest(Json const& object, char const* key) {
  auto const digits = text(object, key);
  return digits ? digest_from_hex<Sha256>(*digits) : std::nullopt;
}

/// What went wrong, in strangers' words perhaps: printable ASCII, at most 500 bytes, never empty.
std::string reason_text(std::string_view reason) {
  constexpr std::size_t bytes_max = 500;
  std::string text{reason.substr(0, bytes_max)};
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return text.empty() ? "unknown" : text;
}

Json json_of(KeptFile const& kept) { return {{"file", kept.file}, {"sha256", hex(kept.sha256)}}; }

/// The file must be the one that its place in the entry demands: no entry reaches elsewhere.
std::optional<KeptFile> kept_file(Json const& object, std::string const& expected) {
  auto const file = text(object, "file");
  auto const sha256 = digest(object, "sha256");
  if (!file || *file != expected || !sha256) return std::nullopt;
  return KeptFile{*file, *sha256};
}

Json json_of(KeptToken const& token) {
  Json json{{"authority", token.authority},
            {"file", token.reply.file},
            {"sha256", hex(token.reply.sha256)},
            {"gen_time", utc_text(token.gen_time_us)},
            {"serial", token.serial},
            {"policy", token.policy},
            {"tsa", token.tsa},
            {"ess", token.ess_v2 ? "v2" : "v1"},
            {"chain", json_of(token.chain)},
            {"crls_missing", token.crls_missing}};
  if (token.accuracy_us) json["accuracy_us"] = *token.accuracy_us;
  for (KeptFile const& crl : token.crls) json["crls"].push_back(json_of(crl));
  return json;
}

Result<KeptToken> token_from(Json const& json, std::uint64_t size) {
  KeptToken token;
  auto const authority = text(json, "authority");
  if (!authority || !authority_name_allowed(*authority)) return malformed("a token without its authority");
  token.authority = *authority;
  auto const reply = kept_file(json, token_file(size, token.authority));
  auto const chain =
      json.contains("chain") ? kept_file(json["chain"], token_chain_file(size, token.authority)) : std::nullopt;
  auto const gen_time = text(json, "gen_time");
  auto const time = gen_time ? utc_us_from(*gen_time) : std::nullopt;
  auto const ess = text(json, "ess");
  if (!reply || !chain || !time || !ess || (*ess != "v1" && *ess != "v2"))
    return malformed("a token without its file, chain, time or ESS id");
  token.reply = *reply;
  token.chain = *chain;
  token.gen_time_us = *time;
  token.ess_v2 = *ess == "v2";
  token.serial = text(json, "serial").value_or("");
  token.policy = text(json, "policy").value_or("");
  token.tsa = text(json, "tsa").value_or("");
  if (auto const accuracy = number(json, "accuracy_us"); accuracy && *accuracy <= json_integer_max)
    token.accuracy_us = static_cast<std::int64_t>(*accuracy);
  token.crls_missing = number(json, "crls_missing").value_or(0);
  auto const crls = list(json, "crls", crls_listed_max);
  if (!crls) return malformed("the CRLs of a token");
  for (Json const& one : *crls) {
    auto const crl = kept_file(one, token_crl_file(size, token.authority, token.crls.size()));
    if (!crl) return malformed("a CRL of a token");
    token.crls.push_back(*crl);
  }
  return token;
}

Result<AskedAuthority> authority_from(Json const& json) {
  AskedAuthority authority;
  auto const name = text(json, "name");
  auto const url = text(json, "url");
  auto const roots = list(json, "roots_sha256", 100);
  if (!name || !authority_name_allowed(*name) || !url || !roots || roots->empty())
    return malformed("an authority without name, url or roots");
  authority.name = *name;
  authority.url = *url;
  for (Json const& root : *roots) {
    auto const sha256 = root.is_string() ? digest_from_hex<Sha256>(root.get_ref<std::string const&>()) : std::nullopt;
    if (!sha256) return malformed("the digest of a root");
    authority.roots_sha256.push_back(*sha256);
  }
  return authority;
}

}  // namespace

std::string checkpoint_file(std::uint64_t size) { return "log/checkpoints/" + std::to_string(size); }
std::string timestamp_folder(std::uint64_t size) { return "timestamps/" + std::to_string(size); }
std::string token_file(std::uint64_t size, std::string_view authority) {
  return timestamp_folder(size) + "/" + std::string(authority) + ".tsr";
}
std::string token_chain_file(std::uint64_t size, std::string_view authority) {
  return timestamp_folder(size) + "/" + std::string(authority) + ".chain.pem";
}
std::string token_crl_file(std::uint64_t size, std::string_view authority, std::size_t number) {
  return timestamp_folder(size) + "/" + std::string(authority) + "." + std::to_string(number) + ".crl";
}

bool is_file_of(std::string_view name, std::string_view authority) {
  constexpr std::string_view draft = ".tmp";
  constexpr std::string_view crl = ".crl";
  if (name.ends_with(draft)) name.remove_suffix(draft.size());
  if (!name.starts_with(authority)) return false;
  name.remove_prefix(authority.size());
  if (name == ".tsr" || name == ".chain.pem") return true;
  if (!name.starts_with('.') || !name.ends_with(crl)) return false;
  name.remove_prefix(1);
  name.remove_suffix(std::min(name.size(), crl.size()));
  return decimal(name, crls_listed_max).has_value();
}

std::string_view word(StampingState state) {
  switch (state) {
    case StampingState::complete: return "complete";
    case StampingState::met: return "met";
    case StampingState::superseded: return "superseded";
  }
  return "superseded";
}

Json to_json(StampingAttempt const& attempt) {
  Json authorities = Json::array();
  for (AskedAuthority const& authority : attempt.authorities) {
    Json roots = Json::array();
    for (Sha256 const& root : authority.roots_sha256) roots.push_back(hex(root));
    authorities.push_back({{"name", authority.name}, {"url", authority.url}, {"roots_sha256", std::move(roots)}});
  }
  return {{"size", json_number(attempt.size)},
          {"root", hex(attempt.root)},
          {"checkpoint", json_of(attempt.checkpoint)},
          {"required", attempt.required},
          {"authorities", std::move(authorities)}};
}

Json to_json(StampingResult const& result) {
  Json json{{"size", json_number(result.size)}, {"state", word(result.state)}};
  if (result.state == StampingState::superseded) {
    must(result.superseded_by.has_value());
    json["superseded_by"] = json_number(*result.superseded_by);
  }
  for (KeptToken const& token : result.tokens) json["tokens"].push_back(json_of(token));
  for (FailedAuthority const& failed : result.failed)
    json["failed"].push_back(
        {{"authority", failed.authority}, {"tries", failed.tries}, {"reason", reason_text(failed.reason)}});
  return json;
}

Result<StampingAttempt> attempt_from_json(Json const& body) {
  StampingAttempt attempt;
  auto const size = number(body, "size");
  auto const root = digest(body, "root");
  auto const required = number(body, "required");
  auto const authorities = list(body, "authorities", authorities_max);
  if (!size || *size == 0 || !root || !required || !authorities)
    return malformed("size, root, required or authorities");
  auto const checkpoint =
      body.contains("checkpoint") ? kept_file(body["checkpoint"], checkpoint_file(*size)) : std::nullopt;
  if (!checkpoint) return malformed("the checkpoint's file and digest");
  if (*required == 0 || *required > authorities->size())
    return malformed("more tokens required than asked for, or none");
  attempt.size = *size;
  attempt.root = *root;
  attempt.checkpoint = *checkpoint;
  attempt.required = *required;
  std::set<std::string> names;
  for (Json const& json : *authorities) {
    IMPOUND_TRY(authority, authority_from(json));
    if (!names.insert(authority.name).second) return malformed("two authorities of one name");
    attempt.authorities.push_back(std::move(authority));
  }
  return attempt;
}

Result<StampingResult> result_from_json(Json const& body) {
  StampingResult result;
  auto const size = number(body, "size");
  auto const state = text(body, "state");
  auto const tokens = list(body, "tokens", authorities_max);
  auto const failed = list(body, "failed", authorities_max);
  if (!size || !state || !tokens || !failed) return malformed("size, state, tokens or failed");
  result.size = *size;
  constexpr StampingState states[] = {StampingState::complete, StampingState::met, StampingState::superseded};
  auto const* const found =
      std::find_if(std::begin(states), std::end(states), [&](StampingState s) { return word(s) == *state; });
  if (found == std::end(states)) return malformed("an unknown state");
  result.state = *found;
  result.superseded_by = number(body, "superseded_by");
  if (result.state == StampingState::superseded && (!result.superseded_by || *result.superseded_by <= result.size))
    return malformed("superseded, and not by a newer checkpoint");
  for (Json const& json : *tokens) {
    IMPOUND_TRY(token, token_from(json, result.size));
    result.tokens.push_back(std::move(token));
  }
  for (Json const& json : *failed)
    result.failed.push_back(
        {text(json, "authority").value_or(""), number(json, "tries").value_or(0), text(json, "reason").value_or("")});
  return result;
}

}  // namespace impound::evidence
