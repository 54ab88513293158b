// What time it is, handed in from main so that tests can say it. May be asked from any thread.
#pragma once

#include <cstdint>
#include <string>

namespace impound {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t utc_us() = 0;   // microseconds since 1970-01-01T00:00:00Z
  virtual std::int64_t boot_us() = 0;  // CLOCK_BOOTTIME: never steps back
  virtual std::string boot_id() = 0;   // /proc/sys/kernel/random/boot_id
  virtual bool synchronised() = 0;     // adjtimex(2) does not say TIME_ERROR / STA_UNSYNC
};

class SystemClock final : public Clock {
 public:
  std::int64_t utc_us() override;
  std::int64_t boot_us() override;
  std::string boot_id() override;
  bool synchronised() override;
};

}  // namespace impound
