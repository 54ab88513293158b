// A clock that stands still until a test moves it. 2017-05-05T18:00:00Z at first.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "evidence/system/clock.h"

namespace impound {

class FakeClock final : public Clock {
 public:
  explicit FakeClock(std::int64_t utc_us = 1'494'007'200'000'000) : utc_us_(utc_us) {}
  std::int64_t utc_us() override;
  std::int64_t boot_us() override;
  std::string boot_id() override;
  bool synchronised() override;

  void advance(std::int64_t us);     // both clocks
  void step(std::int64_t us);        // the wall clock alone, as NTP or an operator does
  void reboot(std::string boot_id);  // the boot clock starts again at 0
  void set_synchronised(bool yes);

 private:
  std::atomic<std::int64_t> utc_us_;
  std::atomic<std::int64_t> boot_us_ = 1'000'000;
  std::atomic<bool> synchronised_ = true;
  std::string boot_id_ = "b0070000-0000-4000-8000-000000000001";
};

}  // namespace impound
