// impound-swarm-worker: libtorrent in a process of its own, without key, log or vault. It is started by impound with
// one socket at descriptor 3 and its staging folder as working folder; nobody else has a reason to start it.
//
// It reads messages (fetchers/torrents/swarm_messages.h), does what they say, and ends when the socket closes, when it
// is told to stop, when a message makes no sense, or when payload was sent. Exit: 0 asked to, 1 otherwise.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <libtorrent/version.hpp>

#include "evidence/system/child_process.h"
#include "evidence/system/frames.h"
#include "fetchers/torrents/worker/engine.h"

namespace {

using namespace impound;
using namespace impound::fetchers;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A torrent of 100,000 files is told in 12 MiB; what waits beyond this means that the agent has stopped reading.
constexpr std::size_t queue_bytes_max = 64u << 20;
constexpr milliseconds tick_every{500};

/// Waits for the line, for alerts, or for the next tick.
void wait(FrameLine const& line, int alerts, steady_clock::time_point until) {
  std::array<pollfd, 2> watched{
      {{line.number(), static_cast<short>(line.unsent() ? POLLIN | POLLOUT : POLLIN), 0}, {alerts, POLLIN, 0}}};
  auto const left = std::chrono::ceil<milliseconds>(until - steady_clock::now());
  ::poll(watched.data(), watched.size(), static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
  std::uint64_t count = 0;
  [[maybe_unused]] auto got = ::read(alerts, &count, sizeof count);
}

/// False: the end was asked for.
Result<bool> take_messages(FrameLine& line, Engine& engine) {
  IMPOUND_CHECK(line.flush());
  IMPOUND_TRY(open, line.receive());
  while (true) {
    IMPOUND_TRY(frame, line.next());
    if (!frame) return open;
    IMPOUND_TRY(message, to_worker_from(*frame));
    IMPOUND_TRY(go_on, engine.handle(std::move(message)));
    if (!go_on) return false;
  }
}

Result<void> run(FrameLine& line, Engine& engine, int alerts) {
  IMPOUND_CHECK(line.send(to_frame(Hello{swarm_protocol_version, std::string{"libtorrent "} + lt::version()})));
  auto next_tick = steady_clock::now();
  while (true) {
    wait(line, alerts, next_tick);
    IMPOUND_TRY(go_on, take_messages(line, engine));
    if (!go_on) return ok();
    IMPOUND_CHECK(engine.take_alerts());
    if (steady_clock::now() >= next_tick) {
      IMPOUND_CHECK(engine.tick());
      next_tick = steady_clock::now() + tick_every;
    }
  }
}

}  // namespace

int main() {
  struct stat facts {};
  if (::fstat(child_socket, &facts) != 0 || !S_ISSOCK(facts.st_mode)) {
    std::fputs("impound-swarm-worker: this program is started by impound, with a socket.\n", stderr);
    return 2;
  }
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(0077);
  ::fcntl(child_socket, F_SETFD, FD_CLOEXEC);
  // Two workers must not write into one staging folder: wait until the one before is gone.
  Descriptor const staging{::open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!staging || ::flock(staging.number(), LOCK_EX) != 0) {
    std::perror("impound-swarm-worker: cannot lock the staging folder");
    return 1;
  }
  Descriptor const alerts{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  FrameLine line{Descriptor{child_socket}, queue_bytes_max};
  Engine engine{line, alerts.number()};
  try {
    auto const ran = run(line, engine, alerts.number());
    if (ran) return 0;
    std::fprintf(stderr, "impound-swarm-worker: %s\n", impound::line(ran.error()).c_str());
    // What was said last (an incident) still goes out, as far as the socket takes it.
    (void)line.flush();
  } catch (std::exception const& problem) {  // libtorrent's; nothing of ours throws
    std::fprintf(stderr, "impound-swarm-worker: %s\n", problem.what());
  }
  return 1;
}
