#include "evidence/verify/timestamp_check.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "evidence/checkpoint.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/timestamps/revocation.h"
#include "evidence/timestamps/rfc3161.h"
#include "evidence/values/utc_time.h"
#include "evidence/verify/parallel.h"

namespace impound::evidence {

namespace {

constexpr std::int64_t accuracy_if_unsaid_us = 1'000'000;
constexpr std::int64_t synchronised_error_max_us = 16'000'000;
constexpr std::size_t chain_pem_bytes_max = 256 * 1024;

/// When a token says its bytes existed, at the latest.
struct Witness {
  std::int64_t gen_time_us = 0;
  std::int64_t error_us = 0;
};

/// What came of one stamping; told in the log's order, whichever thread found it.
struct Findings {
  std::vector<Problem> problems;
  std::vector<Witness> good;
  std::uint64_t crls_missing = 0;
  bool by_kept_roots = false;
  bool no_root_to_compare = false;
  void add(What what, std::string where, std::string detail) {
    problems.push_back({what, std::move(where), std::move(detail)});
  }
};

/// What an Error of judging says about a kept file.
What what_of(Error const& error) {
  if (error.code == Code::damaged) return What::forked;  // it vouches for another checkpoint of this size
  return error.code == Code::refused ? What::untrusted : What::malformed;
}

/// One attempt and its result.
class StampingCheck {
 public:
  StampingCheck(Disk& vault, LogCheck const& log, VerifyOptions const& options,
                std::optional<TrustedRoots> const& given, NamedStamping const& stamping, Findings& findings)
      : vault_(vault), log_(log), options_(options), given_(given), stamping_(stamping), findings_(findings) {}

  void run() {
    auto const note = kept(stamping_.attempt.checkpoint, note_bytes_max);
    if (note) check_root(*note);
    if (!stamping_.result || options_.log_only) return;
    check_agreement();
    for (KeptToken const& token : stamping_.result->tokens) check_token(token, note);
    // Without the bytes that were stamped no token could be judged; that they are gone is said already.
    if (note) check_count();
  }

 private:
  std::string entry(std::uint64_t index) const { return "entry " + std::to_string(index); }
  std::string attempt() const { return entry(stamping_.attempt_index); }
  std::string result() const { return entry(stamping_.result_index); }

  /// The bytes of a named file, if they are those that the log names.
  std::optional<std::string> kept(KeptFile const& named, std::size_t bytes_max) {
    auto bytes = read_whole(vault_, named.file, bytes_max);
    if (!bytes) {
      bool const gone = bytes.error().code == Code::not_found;
      findings_.add(gone ? What::missing : What::altered, named.file, gone ? "an entry names it" : line(bytes.error()));
      return std::nullopt;
    }
    Sha256 const found = sha256(bytes_of(bytes.value()));
    if (found == named.sha256) return std::move(bytes).value();
    findings_.add(What::altered, named.file, "its bytes hash to " + hex(found));
    return std::nullopt;
  }

  /// That the note is signed and of this log's history is judged for every kept checkpoint; here, that the entry says
  /// the same.
  void check_root(std::string const& note) {
    auto const parsed = parse_note(note);
    auto const said = parsed ? checkpoint_from_text(parsed.value().text) : Result<Checkpoint>(parsed.error());
    if (said && (said.value().root != stamping_.attempt.root || said.value().size != stamping_.attempt.size))
      findings_.add(What::malformed, attempt(), "the checkpoint it names has another root or size than it says");
    auto const root = log_.root_at(stamping_.attempt.size);
    findings_.no_root_to_compare = !root;
    if (root && *root != stamping_.attempt.root)
      findings_.add(What::forked, attempt(),
                    "it says another root at " + std::to_string(stamping_.attempt.size) + " entries than this log has");
  }

  AskedAuthority const* asked(std::string const& name) const {
    for (AskedAuthority const& authority : stamping_.attempt.authorities)
      if (authority.name == name) return &authority;
    return nullptr;
  }

  /// What the two entries say of each other, whatever the files are.
  void check_agreement() {
    StampingResult const& said = *stamping_.result;
    std::size_t const all = stamping_.attempt.authorities.size();
    std::set<std::string> names;
    for (KeptToken const& token : said.tokens) {
      if (asked(token.authority) == nullptr)
        findings_.add(What::malformed, result(), "it has a token of " + token.authority + ", which was not asked");
      if (!names.insert(token.authority).second)
        findings_.add(What::malformed, result(), "it has two tokens of " + token.authority);
    }
    StampingState const fits = names.size() >= all                          ? StampingState::complete
                               : names.size() >= stamping_.attempt.required ? StampingState::met
                                                                            : StampingState::superseded;
    if (fits != said.state)
      findings_.add(What::malformed, result(),
                    "it says " + std::string(word(said.state)) + " with " + tokens_text(names.size()));
  }

  std::string tokens_text(std::size_t count) const {
    return std::to_string(count) + " of " + std::to_string(stamping_.attempt.authorities.size()) + " tokens, " +
           std::to_string(stamping_.attempt.required) + " required";
  }

  /// The roots to judge by: what the verifier brought, else what lies beside the token; the log pins those.
  Result<TrustedRoots> roots(std::string const& chain_pem) {
    if (given_) return given_->helped_by(chain_pem);
    findings_.by_kept_roots = true;
    return TrustedRoots::from_pem(chain_pem);
  }

  /// `note`: what was stamped. Without it the files are still those that the log names, or not.
  void check_token(KeptToken const& named, std::optional<std::string> const& note) {
    auto const reply = kept(named.reply, timestamp_reply_bytes_max);
    auto const chain = kept(named.chain, chain_pem_bytes_max);
    std::vector<std::string> crls;
    for (KeptFile const& crl : named.crls)
      if (auto bytes = kept(crl, crl_bytes_max)) crls.push_back(std::move(*bytes));
    AskedAuthority const* const authority = asked(named.authority);
    if (!note || !reply || !chain || crls.size() != named.crls.size() || authority == nullptr) return;
    auto const roots_here = roots(*chain);
    if (!roots_here) return findings_.add(What::malformed, named.chain.file, line(roots_here.error()));
    auto const token = judge_token(*reply, bytes_of(*note), roots_here.value());
    if (!token) return findings_.add(what_of(token.error()), named.reply.file, line(token.error()));
    auto const& pinned = authority->roots_sha256;
    if (std::find(pinned.begin(), pinned.end(), token.value().root_sha256) == pinned.end())
      return findings_.add(
          What::untrusted, named.reply.file,
          "its chain ends at a root that " + attempt() + " does not name: " + hex(token.value().root_sha256));
    if (check_crls(named, token.value(), crls) && says_the_same(named, token.value())) {
      findings_.crls_missing += named.crls_missing;
      findings_.good.push_back({token.value().gen_time_us, token.value().accuracy_us.value_or(accuracy_if_unsaid_us)});
    }
  }

  bool check_crls(KeptToken const& named, TimestampToken const& token, std::vector<std::string> const& crls) {
    std::size_t const before = findings_.problems.size();
    for (std::size_t i = 0; i < crls.size(); ++i) {
      auto const found = judge_crl(crls[i], token);
      if (!found)
        findings_.add(what_of(found.error()), named.crls[i].file, line(found.error()));
      else if (!found.value().revoked.empty())
        findings_.add(What::untrusted, named.reply.file, found.value().revoked.front());
    }
    return findings_.problems.size() == before;
  }

  bool says_the_same(KeptToken const& named, TimestampToken const& token) {
    bool const same = named.gen_time_us == token.gen_time_us && named.accuracy_us == token.accuracy_us &&
                      named.serial == token.serial && named.policy == token.policy && named.tsa == token.tsa_subject &&
                      named.ess_v2 == token.ess_v2;
    if (!same)
      findings_.add(What::malformed, result(),
                    "it says other things of the token of " + named.authority + " than the token itself");
    return same;
  }

  void check_count() {
    std::size_t const good = findings_.good.size();
    StampingState const said = stamping_.result->state;
    bool const too_few = (said == StampingState::complete && good < stamping_.attempt.authorities.size()) ||
                         (said == StampingState::met && good < stamping_.attempt.required);
    if (too_few)
      findings_.add(What::missing, result(),
                    "it says " + std::string(word(said)) + ", and good are " + tokens_text(good));
  }

  Disk& vault_;
  LogCheck const& log_;
  VerifyOptions const& options_;
  std::optional<TrustedRoots> const& given_;
  NamedStamping const& stamping_;
  Findings& findings_;
};

/// Both comparisons of the header; `stampings` and `all` have the same order.
void check_times(std::vector<NamedStamping> const& stampings, std::vector<Findings> const& all,
                 EntryCheck const& entries, Verdict& verdict) {
  for (std::size_t i = 0; i < stampings.size(); ++i) {
    std::uint64_t const newest = stampings[i].attempt.size - 1;
    auto const said_us = entries.synchronised_time_of(newest);
    for (Witness const& witness : all[i].good)
      if (said_us && *said_us > witness.gen_time_us + witness.error_us + synchronised_error_max_us)
        verdict.add(
            What::time, "entry " + std::to_string(newest),
            "it says " + utc_text(*said_us) + ", and a time-stamp says it existed at " + utc_text(witness.gen_time_us));
  }
  // Results in the log's order, their latest "no earlier than"; checkpoints by size. Each later checkpoint is held
  // against all results below it.
  std::vector<std::size_t> by_result;
  std::vector<std::size_t> by_size;
  for (std::size_t i = 0; i < stampings.size(); ++i)
    if (!all[i].good.empty()) by_result.push_back(i), by_size.push_back(i);
  std::sort(by_result.begin(), by_result.end(),
            [&](std::size_t a, std::size_t b) { return stampings[a].result_index < stampings[b].result_index; });
  std::sort(by_size.begin(), by_size.end(),
            [&](std::size_t a, std::size_t b) { return stampings[a].attempt.size < stampings[b].attempt.size; });
  std::optional<std::int64_t> not_before_us;
  std::size_t next = 0;
  for (std::size_t const i : by_size) {
    for (; next < by_result.size() && stampings[by_result[next]].result_index < stampings[i].attempt.size; ++next)
      for (Witness const& witness : all[by_result[next]].good)
        not_before_us = std::max(not_before_us.value_or(INT64_MIN), witness.gen_time_us - witness.error_us);
    for (Witness const& witness : all[i].good)
      if (not_before_us && witness.gen_time_us + witness.error_us < *not_before_us)
        verdict.add(What::time, "entry " + std::to_string(stampings[i].result_index),
                    "a token of " + utc_text(witness.gen_time_us) + " over a checkpoint that covers a token of " +
                        utc_text(*not_before_us) + " or later");
  }
}

std::optional<TrustedRoots> given_roots(VerifyOptions const& options, Verdict& verdict) {
  if (options.tsa_roots_pem.empty()) return std::nullopt;
  std::string pem;
  for (std::string const& one : options.tsa_roots_pem) pem += one + "\n";
  auto roots = TrustedRoots::from_pem(pem);
  if (roots) return std::move(roots).value();
  verdict.add(What::untrusted, "timestamps", "the roots that were given cannot be used: " + line(roots.error()));
  return std::nullopt;
}

void note_the_rest(NamedStampings const& named, std::vector<Findings> const& all, Verdict& verdict) {
  std::vector<NamedStamping> const& stampings = named.all();
  bool by_kept_roots = false;
  std::uint64_t crls_missing = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    by_kept_roots = by_kept_roots || all[i].by_kept_roots;
    crls_missing += all[i].crls_missing;
    std::string const size = std::to_string(stampings[i].attempt.size);
    if (!stampings[i].result)
      verdict.notes.push_back("entry " + std::to_string(stampings[i].attempt_index) + " asked for time-stamps over " +
                              size + " entries, and has no result yet");
    auto const by = stampings[i].result ? stampings[i].result->superseded_by : std::nullopt;
    if (by && !named.has_size(*by))
      verdict.notes.push_back("entry " + std::to_string(stampings[i].result_index) +
                              " leaves its time-stamps to a checkpoint of " + std::to_string(*by) +
                              " entries, and nobody asked for those yet");
    if (all[i].no_root_to_compare)
      verdict.not_checked.push_back("the root at " + size + " entries: kept while this was verified");
  }
  if (by_kept_roots)
    verdict.notes.emplace_back(
        "No root of a time-stamping authority was given (--tsa-ca): tokens were judged by the roots kept beside them, "
        "whose digests the log names");
  if (crls_missing > 0)
    verdict.notes.push_back(std::to_string(crls_missing) +
                            " revocation lists of time-stamps could not be had at the time");
}

}  // namespace

void check_timestamps(Disk& vault, LogCheck& log, VerifyOptions const& options, Verdict& verdict) {
  std::vector<NamedStamping> const& stampings = log.entries().named().stampings.all();
  std::optional<TrustedRoots> const given = given_roots(options, verdict);
  std::vector<Findings> all(stampings.size());
  for_each_below(stampings.size(), options.threads, [&](std::uint64_t i) {
    auto const at = static_cast<std::size_t>(i);
    StampingCheck(vault, log, options, given, stampings[at], all[at]).run();
  });
  for (Findings const& findings : all) {
    verdict.timestamps += findings.good.size();
    for (Problem const& problem : findings.problems) verdict.add(problem.what, problem.where, problem.detail);
  }
  check_times(stampings, all, log.entries(), verdict);
  note_the_rest(log.entries().named().stampings, all, verdict);
}

}  // namespace impound::evidence
