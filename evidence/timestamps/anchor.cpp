#include "evidence/timestamps/anchor.h"

#include <algorithm>
#include <utility>

#include "evidence/checkpoint.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/timestamps/revocation.h"
#include "evidence/torn.h"
#include "evidence/values/must.h"

namespace impound::evidence {

namespace {

constexpr std::uint32_t read_only = 0400;
constexpr std::size_t chain_pem_bytes_max = 256 * 1024;
constexpr std::size_t folder_entries_max = 10'000;
constexpr std::string_view draft_suffix = ".tmp";

/// A file that never changes again: durable under its name on return, or not there.
Result<KeptFile> write_kept(Disk& vault, std::string const& path, std::string_view bytes) {
  std::string const draft = path + std::string(draft_suffix);
  if (auto gone = vault.remove(draft); !gone && gone.error().code != Code::not_found) return std::move(gone).error();
  {
    IMPOUND_TRY(file, DiskFile::open(vault, draft, Open::create));
    IMPOUND_CHECK(file.write(0, bytes_of(bytes)));
    IMPOUND_CHECK(file.set_mode(read_only));
    IMPOUND_CHECK(file.sync());
  }
  IMPOUND_CHECK(vault.rename(draft, path, Replace::no));
  IMPOUND_CHECK(vault.sync_folder(folder_of(path)));
  return KeptFile{path, sha256(bytes_of(bytes))};
}

Result<std::vector<std::string>> files_of(Disk& vault, std::string_view authority, std::uint64_t size) {
  std::vector<std::string> paths;
  auto names = vault.list(timestamp_folder(size), folder_entries_max);
  if (!names) return names.error().code == Code::not_found ? Result<std::vector<std::string>>(paths) : names.error();
  for (FolderEntry const& entry : names.value())
    if (entry.type == FileFacts::Type::file && is_file_of(entry.name, authority))
      paths.push_back(timestamp_folder(size) + "/" + entry.name);
  return paths;
}

/// What a try that never got to its .tsr has left: certificates and lists that anybody can have again.
Result<void> remove_half(Disk& vault, std::string_view authority, std::uint64_t size) {
  IMPOUND_TRY(paths, files_of(vault, authority, size));
  for (std::string const& path : paths) IMPOUND_CHECK(vault.remove(path));
  if (!paths.empty()) IMPOUND_CHECK(vault.sync_folder(timestamp_folder(size)));
  return ok();
}

KeptToken kept_from(TimestampToken const& token, std::string const& authority) {
  KeptToken kept;
  kept.authority = authority;
  kept.gen_time_us = token.gen_time_us;
  kept.accuracy_us = token.accuracy_us;
  kept.serial = token.serial;
  kept.policy = token.policy;
  kept.tsa = token.tsa_subject;
  kept.ess_v2 = token.ess_v2;
  return kept;
}

/// The CRLs that say something about the token. One that says "revoked" is an error; one that cannot be had is counted.
Result<std::vector<std::string>> fetch_crls(TimestampAuthority const& authority, TimestampToken const& token,
                                            FetchCrl const& fetch, KeptToken& kept) {
  std::vector<std::string> crls;
  for (std::string const& url : crl_urls(token)) {
    auto crl =
        fetch ? fetch(authority, url) : Result<std::string>(Error{Code::refused, "CRLs are not fetched", {}, {}});
    auto findings = crl ? judge_crl(crl.value(), token) : Result<CrlFindings>(crl.error());
    if (!findings) {
      ++kept.crls_missing;
      kept.crl_failures.push_back(url + ": " + line(findings.error()));
    } else if (!findings.value().revoked.empty()) {
      return Error{Code::refused, "the time-stamp: " + findings.value().revoked.front(), authority.name, {}};
    } else {
      crls.push_back(std::move(crl).value());
    }
  }
  return crls;
}

Result<void> write_token(Disk& vault, std::uint64_t size, TimestampToken const& token, std::string_view reply,
                         std::vector<std::string> const& crls, KeptToken& kept) {
  IMPOUND_CHECK(make_folders(vault, timestamp_folder(size)));
  IMPOUND_CHECK(remove_half(vault, kept.authority, size));
  IMPOUND_TRY(chain, write_kept(vault, token_chain_file(size, kept.authority), token.chain_pem));
  kept.chain = std::move(chain);
  for (std::string const& bytes : crls) {
    IMPOUND_TRY(crl, write_kept(vault, token_crl_file(size, kept.authority, kept.crls.size()), bytes));
    kept.crls.push_back(std::move(crl));
  }
  // Beyond this line the token is kept: its name says that all the rest is there.
  IMPOUND_TRY(written, write_kept(vault, token_file(size, kept.authority), reply));
  kept.reply = std::move(written);
  return ok();
}

Error damaged(std::string const& path, std::string what) {
  return Error{Code::damaged, std::move(what), path, "It can be set aside, and another token asked for"};
}

/// The chain and the CRLs beside a token that passed.
Result<void> read_beside(Disk& vault, std::uint64_t size, TimestampToken const& token, KeptToken& kept) {
  std::string const chain = token_chain_file(size, kept.authority);
  auto const pem = read_whole(vault, chain, chain_pem_bytes_max);
  if (!pem) return damaged(chain, "the chain of the token cannot be read: " + line(pem.error()));
  if (pem.value() != token.chain_pem) return damaged(chain, "another chain than the token's");
  kept.chain = {chain, sha256(bytes_of(pem.value()))};
  for (;;) {
    std::string const path = token_crl_file(size, kept.authority, kept.crls.size());
    auto const crl = read_whole(vault, path, crl_bytes_max);
    if (!crl && crl.error().code == Code::not_found) break;
    auto const findings = crl ? judge_crl(crl.value(), token) : Result<CrlFindings>(crl.error());
    if (!findings) return damaged(path, line(findings.error()));
    if (!findings.value().revoked.empty()) return damaged(path, findings.value().revoked.front());
    kept.crls.push_back({path, sha256(bytes_of(crl.value()))});
  }
  // A CRL covers one URL; those that had none were counted when it was stamped, and are the rest.
  std::size_t const urls = crl_urls(token).size();
  kept.crls_missing = urls - std::min(urls, kept.crls.size());
  IMPOUND_TRY(files, files_of(vault, kept.authority, size));
  if (files.size() != 2 + kept.crls.size())
    return damaged(token_file(size, kept.authority), "files that do not belong to it lie beside the token");
  return ok();
}

}  // namespace

Result<void> keep_checkpoint(Disk& vault, std::uint64_t size, std::string_view note) {
  std::string const path = checkpoint_file(size);
  auto const present = read_whole(vault, path, note_bytes_max);
  if (!present && present.error().code == Code::not_found) {
    IMPOUND_CHECK(write_kept(vault, path, note));
    return ok();
  }
  if (!present) return present.error();
  if (present.value() != note)
    return Error{Code::damaged, "another checkpoint of this size is kept already", path, "impound verify tells more"};
  return vault.sync_folder(folder_of(path));  // present is not durable
}

Result<KeptToken> stamp(Disk& vault, TimestampAuthority const& authority, std::uint64_t size, std::string_view note,
                        AskAuthority const& ask, FetchCrl const& fetch_crl, Randomness& randomness) {
  must(authority_name_allowed(authority.name));
  std::string const path = token_file(size, authority.name);
  if (vault.facts_of(path)) return Error{Code::exists, "this authority's token is there already", path, {}};
  TimestampQuery const query = make_query(bytes_of(note), randomness);
  IMPOUND_TRY(reply, ask(authority, query.der));
  IMPOUND_TRY(token, judge_reply(reply, query, authority.roots));
  KeptToken kept = kept_from(token, authority.name);
  IMPOUND_TRY(crls, fetch_crls(authority, token, fetch_crl, kept));
  auto written = write_token(vault, size, token, reply, crls, kept);
  if (!written) {
    // Not to leave a half: no entry will name it. What cannot be removed either, the next start removes.
    if (!vault.facts_of(path)) (void)remove_half(vault, authority.name, size);
    return std::move(written).error();
  }
  return kept;
}

Result<std::optional<KeptToken>> kept_token(Disk& vault, TimestampAuthority const& authority, std::uint64_t size,
                                            std::string_view note) {
  std::string const path = token_file(size, authority.name);
  auto const reply = read_whole(vault, path, timestamp_reply_bytes_max);
  if (!reply && reply.error().code == Code::not_found) return std::optional<KeptToken>{};
  if (!reply && reply.error().code != Code::refused) return reply.error();
  if (!reply) return damaged(path, line(reply.error()));
  auto const token = judge_token(reply.value(), bytes_of(note), authority.roots);
  if (!token) return damaged(path, line(token.error()));
  KeptToken kept = kept_from(token.value(), authority.name);
  kept.reply = {path, sha256(bytes_of(reply.value()))};
  IMPOUND_CHECK(read_beside(vault, size, token.value(), kept));
  IMPOUND_CHECK(make_folders(vault, timestamp_folder(size)));  // present is not durable: syncs those above
  IMPOUND_CHECK(vault.sync_folder(timestamp_folder(size)));
  return std::optional{std::move(kept)};
}

Result<std::vector<std::string>> set_token_aside(Disk& vault, std::string_view authority, std::uint64_t size) {
  IMPOUND_TRY(paths, files_of(vault, authority, size));
  if (paths.empty()) return paths;
  IMPOUND_CHECK(make_folders(vault, "staging/torn"));
  for (std::string const& path : paths) {
    std::string name = path;
    std::replace(name.begin(), name.end(), '/', '-');
    IMPOUND_CHECK(set_aside(vault, path, name));
  }
  IMPOUND_CHECK(vault.sync_folder("staging/torn"));
  IMPOUND_CHECK(vault.sync_folder(timestamp_folder(size)));
  return paths;
}

Json attempt_body(std::uint64_t size, Sha256 const& root, std::string_view note, std::uint64_t required,
                  std::span<TimestampAuthority const> authorities) {
  must(required > 0 && required <= authorities.size() && authorities.size() <= authorities_max);
  StampingAttempt attempt{size, root, {checkpoint_file(size), sha256(bytes_of(note))}, required, {}};
  for (TimestampAuthority const& authority : authorities)
    attempt.authorities.push_back({authority.name, authority.url, authority.roots.sha256()});
  return to_json(attempt);
}

Json result_body(StampingAttempt const& attempt, std::vector<KeptToken> tokens, std::vector<FailedAuthority> failed,
                 std::optional<std::uint64_t> superseded_by) {
  StampingResult result{attempt.size, StampingState::superseded, {}, std::move(tokens), std::move(failed)};
  if (result.tokens.size() >= attempt.authorities.size())
    result.state = StampingState::complete;
  else if (result.tokens.size() >= attempt.required)
    result.state = StampingState::met;
  else
    result.superseded_by = superseded_by;
  return to_json(result);
}

}  // namespace impound::evidence
