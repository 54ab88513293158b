#include "evidence/system/clock.h"

#include <sys/timex.h>
#include <time.h>

#include <fstream>

namespace impound {

namespace {

std::int64_t now_us(clockid_t which) {
  timespec now{};
  ::clock_gettime(which, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1'000;
}

}  // namespace

std::int64_t SystemClock::utc_us() { return now_us(CLOCK_REALTIME); }
std::int64_t SystemClock::boot_us() { return now_us(CLOCK_BOOTTIME); }

std::string SystemClock::boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id.empty() ? "unknown" : id;
}

bool SystemClock::synchronised() {
  timex state{};
  int const said = ::adjtimex(&state);
  return said >= 0 && said != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
}

}  // namespace impound
