#include "agent/work/anchoring.h"

#include <poll.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>

#include <algorithm>

#include "agent/service/terminal.h"
#include "evidence/checkpoint.h"
#include "evidence/custody_log.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/values/utc_time.h"

namespace impound::agent {

using evidence::EntryDraft;

namespace {

// How often the number of new entries is looked at, for anchor_entries.
constexpr std::chrono::seconds look_every{5};
constexpr std::int64_t pause_after_error_us = 60'000'000;

AnchorRules rules_of(TimestampSettings const& settings) {
  return {.required = static_cast<std::size_t>(settings.required),
          .every_us = std::chrono::microseconds{settings.anchor_every}.count(),
          .entries = settings.anchor_entries};
}

/// Whether an attempt of an earlier run asks the same authorities, under the same names, URLs and roots, for as many
/// tokens.
bool same_policy(evidence::StampingAttempt const& attempt, TimestampSettings const& settings,
                 std::vector<evidence::TimestampAuthority> const& authorities) {
  return attempt.required == settings.required &&
         std::equal(attempt.authorities.begin(), attempt.authorities.end(), authorities.begin(), authorities.end(),
                    [](evidence::AskedAuthority const& asked, evidence::TimestampAuthority const& now) {
                      return asked.name == now.name && asked.url == now.url && asked.roots_sha256 == now.roots.sha256();
                    });
}

}  // namespace

Anchoring::Anchoring(Session& session, Settings const& settings, std::vector<evidence::TimestampAuthority> authorities,
                     fetchers::AddressPolicy const& policy, Routes const& routes)
    : session_(session),
      settings_(settings.timestamps),
      authorities_(std::move(authorities)),
      client_(session.clock(), settings.timestamps, policy, settings.user_agent, routes,
              [this] { return stopping_.load(); }),
      told_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      schedule_(rules_of(settings.timestamps),
                remembered(session.state(), authorities_, session.clock(), AnchorRules{}.gap_us_max)) {
  if (!configured()) return;
  Unanchored const left = session_.past().unanchored();
  before_ = left.entries;
  if (auto const anchored = session_.past().stamping().anchored()) anchored_size_ = anchored->size;
  std::int64_t const now = session_.clock().boot_us();
  std::int64_t const since = utc_us_from(left.since_utc).value_or(session_.clock().utc_us());
  schedule_.fresh(fresh(), now - std::max<std::int64_t>(0, session_.clock().utc_us() - since));
  if (left.result) schedule_.want(now, false);
  thread_ = std::thread([this] { run(); });
  ::pthread_setname_np(thread_.native_handle(), "timestamps");
}

Anchoring::~Anchoring() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  {
    std::lock_guard const hold{lock_};
    changed_.notify_all();
  }
  thread_.join();
}

void Anchoring::want(bool by_person) {
  if (!configured()) return;
  std::lock_guard const hold{lock_};
  ++wanted_;
  std::int64_t const now = session_.clock().boot_us();
  schedule_.fresh(fresh(), now);
  schedule_.want(now, by_person);
  changed_.notify_all();
}

void Anchoring::tell() {
  std::uint64_t const one = 1;
  (void)!::write(told_.number(), &one, sizeof one);
}

Anchoring::Standing Anchoring::standing() const {
  Standing now;
  now.anchored = served_ >= wanted_;
  now.size = now.anchored ? anchored_size_ : asked_size_;
  now.tokens = schedule_.tokens();
  now.required = static_cast<std::size_t>(settings_.required);
  for (AuthorityStanding const& one : schedule_.authorities())
    if (!one.reason.empty()) now.failing.push_back(one.name + ": " + one.reason);
  return now;
}

std::optional<Anchoring::Standing> Anchoring::settled(std::chrono::milliseconds longest) {
  std::lock_guard const hold{lock_};
  Standing const now = standing();
  if (!configured() || now.anchored || failed_ >= wanted_ || longest.count() <= 0) return now;
  std::int64_t const boot = session_.clock().boot_us(), until = boot + longest.count() * 1000;
  auto const step = schedule_.next(boot);
  bool const rests = step.kind == AnchorSchedule::Step::wait && (!step.wake_us || *step.wake_us > until);
  return !working_ && (rests || not_before_us_ > until) ? std::optional{now} : std::nullopt;
}

Anchoring::Standing Anchoring::wait(std::chrono::milliseconds longest, int wake_descriptor) {
  auto const deadline = std::chrono::steady_clock::now() + longest;
  for (;;) {
    auto const left = std::chrono::floor<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (auto const now = settled(left)) return *now;
    pollfd both[] = {{told_.number(), POLLIN, 0}, {wake_descriptor, POLLIN, 0}};
    ::poll(both, 2, static_cast<int>(left.count()));
    std::uint64_t seen = 0;
    (void)!::read(told_.number(), &seen, sizeof seen);
    if ((both[1].revents & POLLIN) != 0) {
      std::lock_guard const hold{lock_};
      return standing();
    }
  }
}

void Anchoring::run() {
  bool taken_up = false;
  std::unique_lock hold{lock_};
  while (!stopping_) {
    std::int64_t const now = session_.clock().boot_us();
    schedule_.fresh(fresh(), now);
    AnchorSchedule::Step const step = now < not_before_us_ ? AnchorSchedule::Step{} : schedule_.next(now);
    bool const take_up_now = !taken_up && now >= not_before_us_;
    bool const settle_now = unsettled_ && now >= not_before_us_;
    if (step.kind == AnchorSchedule::Step::wait && !take_up_now && !settle_now) {
      std::chrono::microseconds sleep = look_every;
      if (step.wake_us)
        sleep = std::min(sleep, std::chrono::microseconds{std::max<std::int64_t>(0, *step.wake_us - now)});
      unsigned const wanted = wanted_;
      changed_.wait_for(hold, sleep, [&] { return stopping_ || wanted_ != wanted; });
      continue;
    }
    working_ = true;
    hold.unlock();
    Result<void> const done = take_up_now                                ? take_up()
                              : settle_now                               ? settle_round()
                              : step.kind == AnchorSchedule::Step::begin ? begin()
                                                                         : ask(step.authorities);
    if (take_up_now && done) taken_up = true;
    bool const wrong = !done && !stopping_;
    if (wrong) spdlog::error("timestamps: {}", line(done.error()));
    hold.lock();
    working_ = false;
    if (wrong) {
      not_before_us_ = session_.clock().boot_us() + pause_after_error_us;
      failed_ = wanted_;
    }
    tell();
  }
}

Result<void> Anchoring::set_token_aside(std::uint64_t size, std::string const& authority, std::string const& why) {
  IMPOUND_CHECK(evidence::set_token_aside(session_.disk(), authority, size));
  Json body{{"what", "a timestamp was set aside"}, {"where", evidence::token_file(size, authority)}, {"detail", why}};
  IMPOUND_CHECK(session_.recorder().record(EntryDraft{"incident.raised", std::move(body), {}, {}, {}, {}, {}}));
  return ok();
}

/// The tokens of an attempt of an earlier run, judged anew; what does not pass is set aside and told.
Result<std::vector<std::optional<evidence::KeptToken>>> Anchoring::tokens_there(
    evidence::StampingAttempt const& attempt, std::string const& note) {
  std::vector<std::optional<evidence::KeptToken>> tokens;
  for (evidence::AskedAuthority const& asked : attempt.authorities) {
    bool const known =
        std::any_of(authorities_.begin(), authorities_.end(), [&](auto const& one) { return one.name == asked.name; });
    // Nobody can judge it any more, and the result will not name it.
    if (!known && session_.disk().facts_of(evidence::token_file(attempt.size, asked.name)))
      IMPOUND_CHECK(set_token_aside(attempt.size, asked.name, "its authority is no longer in the settings"));
  }
  for (evidence::TimestampAuthority const& authority : authorities_) {
    auto const asked = std::any_of(attempt.authorities.begin(), attempt.authorities.end(),
                                   [&](auto const& one) { return one.name == authority.name; });
    auto token = asked ? evidence::kept_token(session_.disk(), authority, attempt.size, note)
                       : Result<std::optional<evidence::KeptToken>>(std::optional<evidence::KeptToken>{});
    if (!token && token.error().code != Code::damaged) return token.error();
    if (!token) IMPOUND_CHECK(set_token_aside(attempt.size, authority.name, token.error().what));
    tokens.push_back(token ? std::move(token).value() : std::nullopt);
  }
  return tokens;
}

/// Of the attempts that earlier runs left open the newest goes on, if the settings still say what it says. What went
/// wrong is tried again later, so it begins afresh.
Result<void> Anchoring::take_up() {
  round_.reset();
  left_over_.clear();
  for (auto const& [id, attempt] : session_.past().stamping().open()) {
    if (closed_.contains(id)) continue;
    auto note = read_whole(session_.disk(), attempt.checkpoint.file, note_bytes_max);
    bool const whole = note && sha256(bytes_of(note.value())) == attempt.checkpoint.sha256;
    Round round{id, attempt, whole ? std::move(note).value() : std::string(), {}};
    round.tokens.resize(authorities_.size());
    if (whole) {
      IMPOUND_TRY(tokens, tokens_there(attempt, round.note));
      round.tokens = std::move(tokens);
    }
    if (round_) left_over_.push_back(std::move(*round_));
    round_.reset();
    if (whole && same_policy(attempt, settings_, authorities_))
      round_ = std::move(round);
    else
      left_over_.push_back(std::move(round));
  }
  if (!round_) return ok();
  std::vector<bool> has_token;
  for (auto const& token : round_->tokens) has_token.push_back(token.has_value());
  {
    std::lock_guard const hold{lock_};
    schedule_.taken_up(has_token);
    asked_size_ = round_->body.size;
  }
  IMPOUND_CHECK(supersede_left_over(round_->body.size));
  return settle_round();
}

Result<void> Anchoring::begin() {
  std::uint64_t covered = 0;
  unsigned wanted = 0;
  {
    std::lock_guard const hold{lock_};
    covered = session_.recorder().recorded();  // before the publish: what comes in between is fresh again
    wanted = wanted_;
  }
  IMPOUND_CHECK(session_.recorder().publish());
  IMPOUND_TRY(note, read_whole(session_.disk(), evidence::log_checkpoint_path, note_bytes_max));
  IMPOUND_TRY(parsed, parse_note(note));
  IMPOUND_TRY(checkpoint, evidence::checkpoint_from_text(parsed.text));
  if (round_) {
    IMPOUND_CHECK(finish(checkpoint.size));
  }
  IMPOUND_CHECK(supersede_left_over(checkpoint.size));
  // log/checkpoints/<size> is there before the entry that names it, and nothing asks for a token before the entry.
  IMPOUND_CHECK(evidence::keep_checkpoint(session_.disk(), checkpoint.size, note));
  Json body = evidence::attempt_body(checkpoint.size, checkpoint.root, note, settings_.required, authorities_);
  IMPOUND_TRY(attempt, evidence::attempt_from_json(body));
  IMPOUND_TRY(id, session_.recorder().record(EntryDraft{"timestamp.attempt", std::move(body), {}, {}, {}, {}, {}}));
  round_ = Round{id, std::move(attempt), std::move(note), {}};
  round_->tokens.resize(authorities_.size());
  std::lock_guard const hold{lock_};
  before_ = 0;
  covered_ = covered;
  begun_ = wanted;
  asked_size_ = checkpoint.size;
  std::int64_t const now = session_.clock().boot_us();
  schedule_.begun(now);
  if (wanted_ != wanted) schedule_.want(now, false);  // a wish that came meanwhile may be behind the checkpoint
  return ok();
}

void Anchoring::ask_one(std::size_t index) {
  evidence::TimestampAuthority const& authority = authorities_[index];
  auto token = evidence::stamp(
      session_.disk(), authority, round_->body.size, round_->note,
      [this](evidence::TimestampAuthority const& who, std::string_view query) { return client_.ask(who, query); },
      [this](evidence::TimestampAuthority const& who, std::string const& url) { return client_.fetch_crl(who, url); },
      session_.randomness());
  if (!token && stopping_) return;  // cut by our own end: nobody's failure
  std::byte jitter{};
  session_.randomness().fill({&jitter, 1});
  std::lock_guard const hold{lock_};
  std::int64_t const now = session_.clock().boot_us();
  if (!token) {
    std::string const why = line(token.error());
    spdlog::warn("timestamps: authority={} size={} failed: {}", authority.name, round_->body.size, why);
    schedule_.failed(index, why, now, static_cast<std::uint8_t>(jitter));
    return;
  }
  for (std::string const& why : token.value().crl_failures)
    spdlog::warn("timestamps: authority={} a CRL is missing: {}", authority.name, why);
  schedule_.got_token(index, now);
  round_->tokens[index] = std::move(token).value();
}

Result<void> Anchoring::ask(std::vector<std::size_t> const& authorities) {
  if (!round_) return ok();
  {
    std::lock_guard const hold{lock_};
    for (std::size_t index : authorities) schedule_.asking(index, session_.clock().boot_us());
  }
  keep_memory();  // before anybody is asked: who starts again and again asks no more often for that
  for (std::size_t index : authorities) {
    if (stopping_) return ok();
    ask_one(index);
  }
  keep_memory();
  return settle_round();
}

void Anchoring::keep_memory() {
  std::vector<AuthorityStanding> standings;
  {
    std::lock_guard const hold{lock_};
    standings = schedule_.authorities();
  }
  if (auto kept = remember(session_.state(), standings, session_.clock()); !kept)
    spdlog::warn("timestamps: what is known of the authorities is not kept: {}", line(kept.error()));
}

/// After the authorities were asked: the round is over, or its failure is told to who waits. A result that could not be
/// written is tried again.
Result<void> Anchoring::settle_round() {
  unsettled_ = false;
  bool met = false;
  {
    std::lock_guard const hold{lock_};
    met = schedule_.met();
    if (fresh() == 0) begun_ = wanted_;  // the round covers whatever was wanted since
    if (schedule_.hopeless()) failed_ = begun_;
  }
  if (!met) return ok();
  std::uint64_t const size = round_->body.size;
  unsettled_ = true;
  IMPOUND_CHECK(finish({}));
  unsettled_ = false;
  std::lock_guard const hold{lock_};
  anchored_size_ = std::max(anchored_size_, size);
  served_ = begun_;
  return ok();
}

Result<void> Anchoring::supersede_left_over(std::uint64_t by) {
  for (; !left_over_.empty(); left_over_.erase(left_over_.begin())) IMPOUND_CHECK(write_result(left_over_.front(), by));
  return ok();
}

Result<void> Anchoring::finish(std::optional<std::uint64_t> superseded_by) {
  IMPOUND_CHECK(write_result(*round_, superseded_by));
  round_.reset();
  std::lock_guard const hold{lock_};
  schedule_.ended();  // also when what comes after it goes wrong: without a round nobody is asked
  return ok();
}

Result<void> Anchoring::write_result(Round const& round, std::optional<std::uint64_t> superseded_by) {
  std::vector<evidence::KeptToken> tokens;
  std::vector<evidence::FailedAuthority> failed;
  {
    std::lock_guard const hold{lock_};
    for (evidence::AskedAuthority const& asked : round.body.authorities) {
      auto const known = std::find_if(authorities_.begin(), authorities_.end(),
                                      [&](auto const& one) { return one.name == asked.name; });
      if (known == authorities_.end()) {
        failed.push_back({asked.name, 0, "no longer in the settings"});
        continue;
      }
      auto const index = static_cast<std::size_t>(known - authorities_.begin());
      AuthorityStanding const& standing = schedule_.authorities()[index];
      if (round.tokens[index])
        tokens.push_back(*round.tokens[index]);
      else
        failed.push_back(
            standing.failed_here > 0
                ? evidence::FailedAuthority{asked.name, standing.failed_here, standing.reason}
                : evidence::FailedAuthority{
                      asked.name, 0,
                      "not asked in the run that writes this: its minute, or its gap after failures, was not over"});
    }
  }
  Json body = evidence::result_body(round.body, std::move(tokens), std::move(failed), superseded_by);
  IMPOUND_CHECK(
      session_.recorder().record(EntryDraft{"timestamp.result", std::move(body), {}, {}, round.attempt, {}, {}}));
  closed_.insert(round.attempt);
  return ok();
}

void say_if_due(Session& session, TimestampSettings const& settings, bool quiet, bool result) {
  if (settings.authorities.empty()) return;
  Unanchored const left = session.past().unanchored();
  std::int64_t const now = session.clock().utc_us();
  std::int64_t const since = utc_us_from(left.since_utc).value_or(now);
  bool const old = now - since >= std::chrono::microseconds{settings.anchor_every}.count();
  if (old || result || left.result || left.entries + session.recorder().recorded() >= settings.anchor_entries)
    Terminal{quiet}.say("timestamp due: the next fetch, watch, export or timestamp asks for it");
}

std::string text(Anchoring::Standing const& standing) {
  if (standing.anchored)
    return "anchored    checkpoint " + std::to_string(standing.size) + " by " + std::to_string(standing.tokens) +
           " timestamp(s)";
  std::string text = "timestamp pending: " + std::to_string(standing.tokens) + " of " +
                     std::to_string(standing.required) + " needed; the next fetch, watch, export or timestamp goes on";
  for (std::string const& why : standing.failing) text += "\n            " + why;
  return text;
}

}  // namespace impound::agent
