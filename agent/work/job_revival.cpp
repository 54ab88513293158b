#include "agent/work/job_revival.h"

#include <algorithm>

namespace impound::agent {

void JobRevival::begin(std::string const& job) { jobs_.emplace(job, Job{}); }

void JobRevival::end(std::string const& job, std::int64_t now_us) {
  jobs_.erase(job);
  auto const found = std::find(suspects_.begin(), suspects_.end(), job);
  if (found == suspects_.end()) return;
  if (found == suspects_.begin()) alone_since_us_ = now_us;  // the next one's time begins
  suspects_.erase(found);
}

bool JobRevival::runs(std::string const& job) const {
  return jobs_.contains(job) && (suspects_.empty() || suspects_.front() == job);
}

std::vector<std::string> JobRevival::active() const {
  std::vector<std::string> active;
  for (auto const& [name, job] : jobs_)
    if (runs(name)) active.push_back(name);
  return active;
}

JobRevival::Death JobRevival::died(std::int64_t now_us) {
  Death death{active(), {}};
  alone_since_us_ = now_us;
  for (std::string const& name : death.active) {
    std::int64_t& probation = jobs_[name].probation_us;
    probation = probation == 0 ? limits_.probation_us : std::min(2 * probation, limits_.probation_us_max);
  }
  // Dead alone: the culprit of this death, and most likely of the one before. Nobody else is suspected any more.
  suspects_.assign(death.active.begin(), death.active.end());
  if (death.active.size() != 1) return death;
  std::string const& culprit = death.active.front();
  if (++jobs_[culprit].lone_deaths < limits_.lone_deaths_max) return death;
  death.given_up = culprit;
  suspects_.clear();
  jobs_.erase(culprit);
  return death;
}

void JobRevival::pass_time(std::int64_t now_us) {
  if (suspects_.empty()) return;
  Job& first = jobs_[suspects_.front()];
  if (now_us - alone_since_us_ < first.probation_us) return;
  first.lone_deaths = 0;
  suspects_.pop_front();
  alone_since_us_ = now_us;
}

}  // namespace impound::agent
