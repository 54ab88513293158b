#include "tests/support/fake_clock.h"

#include <utility>

namespace impound {

std::int64_t FakeClock::utc_us() { return utc_us_; }
std::int64_t FakeClock::boot_us() { return boot_us_; }
std::string FakeClock::boot_id() { return boot_id_; }
bool FakeClock::synchronised() { return synchronised_; }

void FakeClock::advance(std::int64_t us) {
  utc_us_ += us;
  boot_us_ += us;
}
void FakeClock::step(std::int64_t us) { utc_us_ += us; }
void FakeClock::reboot(std::string boot_id) {
  boot_us_ = 0;
  boot_id_ = std::move(boot_id);
}
void FakeClock::set_synchronised(bool yes) { synchronised_ = yes; }

}  // namespace impound
