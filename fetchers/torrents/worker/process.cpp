#include "fetchers/torrents/worker/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <libtorrent/version.hpp>

#include "evidence/system/child_process.h"
#include "evidence/system/frames.h"
#include "evidence/system/worker_start.h"
#include "fetchers/torrents/worker/engine.h"
#include "fetchers/torrents/worker/rights.h"
#include "fetchers/torrents/worker/web/web_line.h"

namespace impound::fetchers {

namespace {

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

/// The folder we were started in, for us alone: two workers must not write into one, so wait until the one before is
/// gone.
Descriptor locked_staging_folder() {
  Descriptor folder{::open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (folder && ::flock(folder.number(), LOCK_EX) != 0) folder.reset();
  return folder;
}

int work(FrameLine line) {
  Descriptor const alerts{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
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

}  // namespace

int run_worker(int landlock_abi_max) {
  if (!started_by_agent("impound-swarm-worker")) return worker_by_hand_exit;
  Descriptor const staging = locked_staging_folder();
  if (!staging) {
    std::perror("impound-swarm-worker: cannot lock the staging folder");
    return 1;
  }
  // From here on, whoever takes this process over has the staging folder and the network. libtorrent's threads come
  // with the first message, well after it.
  if (!confined(swarm_worker_rights(staging.number()), landlock_abi_max)) return worker_refused_exit;
  int const status = work(FrameLine{Descriptor{child_socket}, queue_bytes_max});
  if (WebLine::any_runs()) ::_exit(status);  // what they use is not taken down under them
  return status;
}

}  // namespace impound::fetchers
