// Runs one function over the numbers below `count` on some threads. Private to verify/.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace impound::evidence {

/// `threads` 0: one for each core. With one thread, all in the caller's.
inline void for_each_below(std::uint64_t count, unsigned threads, std::function<void(std::uint64_t)> const& each) {
  if (threads == 0) threads = std::thread::hardware_concurrency();
  std::atomic<std::uint64_t> next = 0;
  auto const work = [&] {
    for (std::uint64_t i = next++; i < count; i = next++) each(i);
  };
  std::vector<std::jthread> others;
  for (unsigned i = 1; i < threads && i < count; ++i) others.emplace_back(work);
  work();
}

}  // namespace impound::evidence
