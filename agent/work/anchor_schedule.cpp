#include "agent/work/anchor_schedule.h"

#include <algorithm>

namespace impound::agent {

namespace {

constexpr unsigned doublings_max = 20;

void earliest(std::optional<std::int64_t>& time, std::int64_t other) { time = time ? std::min(*time, other) : other; }

}  // namespace

AnchorSchedule::AnchorSchedule(AnchorRules rules, std::vector<AuthorityStanding> authorities)
    : rules_(rules), authorities_(std::move(authorities)) {}

void AnchorSchedule::want(std::int64_t now_us, bool by_person) {
  if (fresh_ == 0) fresh_since_us_ = now_us;
  wanted_ = true;
  person_waits_ = person_waits_ || by_person;
}

void AnchorSchedule::fresh(std::uint64_t entries, std::int64_t since_us) {
  if (fresh_ == 0 && entries > 0) fresh_since_us_ = since_us;
  fresh_ = entries;
}

bool AnchorSchedule::due(std::int64_t now_us) const {
  if (fresh_ == 0) return false;
  return wanted_ || fresh_ >= rules_.entries || now_us >= fresh_since_us_ + rules_.every_us;
}

std::int64_t AnchorSchedule::may_ask_us(AuthorityStanding const& authority) const {
  if (!person_waits_) return authority.not_before_us;
  return authority.last_asked_us ? std::min(authority.not_before_us, *authority.last_asked_us + rules_.gap_us) : 0;
}

AnchorSchedule::Step AnchorSchedule::next(std::int64_t now_us) const {
  Step step;
  bool const newer = due(now_us);
  bool anybody = false;  // may be asked now, whether for this round or for a new one
  for (std::size_t i = 0; i < authorities_.size(); ++i) {
    AuthorityStanding const& one = authorities_[i];
    std::int64_t const may = may_ask_us(one);
    bool const missing = open_ && !one.has_token;
    if (may <= now_us) {
      anybody = true;
      if (missing) step.authorities.push_back(i);
    } else if (missing || newer) {
      earliest(step.wake_us, may);
    }
  }
  if (!newer && fresh_ > 0) earliest(step.wake_us, fresh_since_us_ + rules_.every_us);
  // The first asking of an open round is not put off by what was logged since it began.
  bool const first = open_ && std::any_of(step.authorities.begin(), step.authorities.end(),
                                          [this](std::size_t i) { return !authorities_[i].asked; });
  bool const stale = open_ && !step.authorities.empty() && fresh_ > 0 && !first;
  if (stale || (newer && anybody && !first)) {
    step.kind = Step::begin;
    step.authorities.clear();
  } else if (!step.authorities.empty()) {
    step.kind = Step::ask;
  }
  return step;
}

void AnchorSchedule::begun(std::int64_t now_us) {
  open_ = true;
  wanted_ = false;
  fresh_ = 0;
  fresh_since_us_ = now_us;
  for (AuthorityStanding& one : authorities_) {
    one.has_token = one.asked = false;
    one.failed_here = 0;
  }
}

void AnchorSchedule::taken_up(std::vector<bool> const& has_token) {
  open_ = true;
  for (std::size_t i = 0; i < authorities_.size(); ++i) {
    authorities_[i].has_token = has_token[i];
    authorities_[i].asked = true;  // by the earlier run: a newer checkpoint may take the round's place at once
  }
}

void AnchorSchedule::asking(std::size_t authority, std::int64_t now_us) {
  AuthorityStanding& one = authorities_[authority];
  one.last_asked_us = now_us;
  one.not_before_us = std::max(one.not_before_us, now_us + rules_.gap_us);
}

void AnchorSchedule::got_token(std::size_t authority, std::int64_t now_us) {
  AuthorityStanding& one = authorities_[authority];
  one.has_token = one.asked = true;
  one.tries = 0;
  one.reason.clear();
  one.last_asked_us = now_us;
  one.not_before_us = now_us + rules_.gap_us;
}

void AnchorSchedule::failed(std::size_t authority, std::string reason, std::int64_t now_us, std::uint8_t jitter) {
  AuthorityStanding& one = authorities_[authority];
  std::int64_t const gap = std::min(rules_.gap_us << std::min(one.tries, doublings_max), rules_.gap_us_max);
  one.asked = true;
  ++one.tries;
  ++one.failed_here;
  one.reason = std::move(reason);
  one.last_asked_us = now_us;
  one.not_before_us = now_us + gap + gap / 4 * jitter / 255;
  // Whoever waited has had this try; the next one is nobody's who sits before it.
  person_waits_ = false;
}

bool AnchorSchedule::met() const {
  bool const nobody_left = std::all_of(authorities_.begin(), authorities_.end(),
                                       [](AuthorityStanding const& one) { return one.has_token || one.tries > 0; });
  return open_ && nobody_left && tokens() >= rules_.required;
}

bool AnchorSchedule::hopeless() const {
  // For who waits, also one that failed before and whose minute is not over yet.
  auto const could = std::count_if(authorities_.begin(), authorities_.end(), [this](AuthorityStanding const& one) {
    return one.has_token || one.tries == 0 || (person_waits_ && !one.asked);
  });
  return open_ && static_cast<std::size_t>(could) < rules_.required;
}

void AnchorSchedule::ended() {
  open_ = false;
  person_waits_ = person_waits_ && wanted_;
}

std::size_t AnchorSchedule::tokens() const {
  return static_cast<std::size_t>(std::count_if(authorities_.begin(), authorities_.end(),
                                                [](AuthorityStanding const& one) { return one.has_token; }));
}

}  // namespace impound::agent
