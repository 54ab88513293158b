#include "fetchers/torrents/worker/peer_names.h"

#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "fetchers/name_lookup.h"

namespace impound::fetchers {

namespace {

constexpr std::size_t names_max = 1'000;  // that wait
constexpr std::size_t threads_max = 8;    // a name that its server keeps waiting holds up few others

}  // namespace

struct PeerNames::Shared {
  struct Asked {
    std::string job;
    std::string host;
    std::uint16_t port = 0;
  };

  explicit Shared(int wake) : wake_descriptor(wake) {}

  void look_up_all() {
    std::unique_lock lock{mutex};
    while (true) {
      changed.wait(lock, [this] { return over || !asked.empty(); });
      if (over) return;
      Asked const one = std::move(asked.front());
      asked.pop_front();
      ++busy;
      lock.unlock();
      std::vector<std::string> addresses;
      for (IpAddress const& address : addresses_of(one.host)) addresses.push_back(address.text());
      lock.lock();
      --busy;
      if (over) return;  // the descriptor may be another's by now
      found.push_back({one.job, std::move(addresses), one.port});
      std::uint64_t const count = 1;
      [[maybe_unused]] auto const written = ::write(wake_descriptor, &count, sizeof count);
    }
  }

  int const wake_descriptor;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Asked> asked;
  std::vector<Found> found;
  std::size_t threads = 0;
  std::size_t busy = 0;  // of them, in the middle of a look-up
  bool over = false;
};

PeerNames::PeerNames(int wake_descriptor) : shared_(std::make_shared<Shared>(wake_descriptor)) {}

PeerNames::~PeerNames() {
  std::lock_guard const lock{shared_->mutex};
  shared_->over = true;
  shared_->changed.notify_all();
}

bool PeerNames::ask(std::string job, std::string host, std::uint16_t port) {
  std::lock_guard const lock{shared_->mutex};
  if (shared_->asked.size() >= names_max) return false;
  // Most workers never need one. getaddrinfo cannot be interrupted, so nobody waits for a thread's end.
  if (shared_->busy + shared_->asked.size() >= shared_->threads && shared_->threads < threads_max) {
    ++shared_->threads;
    std::thread{[shared = shared_] { shared->look_up_all(); }}.detach();
  }
  shared_->asked.push_back({std::move(job), std::move(host), port});
  shared_->changed.notify_all();
  return true;
}

std::vector<PeerNames::Found> PeerNames::take() {
  std::lock_guard const lock{shared_->mutex};
  return std::exchange(shared_->found, {});
}

}  // namespace impound::fetchers
