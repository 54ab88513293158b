#include "fetchers/torrents/worker/peer_names.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace impound::fetchers {

namespace {

constexpr std::size_t addresses_max = 16;  // of one name
constexpr std::size_t names_max = 1'000;   // that wait
constexpr std::size_t threads_max = 8;     // a name that its server keeps waiting holds up few others

std::string literal_of(addrinfo const& one) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  void const* address = nullptr;
  if (one.ai_family == AF_INET) address = &reinterpret_cast<sockaddr_in const*>(one.ai_addr)->sin_addr;
  if (one.ai_family == AF_INET6) address = &reinterpret_cast<sockaddr_in6 const*>(one.ai_addr)->sin6_addr;
  if (address == nullptr || ::inet_ntop(one.ai_family, address, text.data(), text.size()) == nullptr) return {};
  return text.data();
}

std::vector<std::string> addresses_of(std::string const& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return {};
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> const owned{found, ::freeaddrinfo};
  std::vector<std::string> addresses;
  for (addrinfo const* one = found; one != nullptr && addresses.size() < addresses_max; one = one->ai_next)
    if (auto literal = literal_of(*one); !literal.empty()) addresses.push_back(std::move(literal));
  return addresses;
}

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
      auto addresses = addresses_of(one.host);
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
