// A swarm worker that was taken over: in the sandbox of the real one, it reaches for what is not its own.
//
// Its staging folder holds `targets`: the Landlock ABI to take at most, then one absolute path a line. It writes
// `reached` there: "verb path: errno" for each path and each way to it, errno 0 where it got in. Then it waits for its
// line's end.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <string>
#include <vector>

#include "evidence/system/child_process.h"
#include "evidence/system/sandbox.h"
#include "fetchers/torrents/worker/rights.h"

namespace {

int opened(std::string const& path, int flags) {
  int const number = ::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK, 0600);
  if (number < 0) return errno;
  ::close(number);
  return 0;
}

int done(int result) { return result == 0 ? 0 : errno; }

}  // namespace

int main() {
  impound::Descriptor const staging{::open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  std::ifstream list{"targets"};
  int abi = 0;
  list >> abi >> std::ws;
  std::vector<std::string> targets;
  for (std::string line; std::getline(list, line);) targets.push_back(line);
  pid_t const agent = ::getppid();
  auto const confined = impound::enter_sandbox(impound::fetchers::swarm_worker_rights(staging.number()), abi);
  std::ofstream report{"reached"};
  if (!confined) {
    report << "no sandbox: " << impound::line(confined.error()) << std::endl;
  } else {
    for (auto const& path : targets) {
      report << "read " << path << ": " << opened(path, O_RDONLY) << "\n";
      report << "write " << path << ": " << opened(path, O_WRONLY) << "\n";
      report << "cut " << path << ": " << opened(path, O_RDONLY | O_TRUNC) << "\n";
      report << "truncate " << path << ": " << done(::truncate(path.c_str(), 0)) << "\n";
      report << "chmod " << path << ": " << done(::chmod(path.c_str(), 0666)) << "\n";
      report << "link " << path << ": " << done(::link(path.c_str(), "linked")) << "\n";
      report << "unlink " << path << ": " << done(::unlink(path.c_str())) << "\n";
      report << "rename " << path << ": " << done(::rename(path.c_str(), "taken")) << "\n";
      report << "create " << path << ": " << opened(path + ".new", O_WRONLY | O_CREAT) << "\n";
    }
    report << "kill agent: " << done(::kill(agent, SIGTERM)) << "\n";
    report << "read environment of agent: " << opened("/proc/" + std::to_string(agent) + "/environ", O_RDONLY) << "\n";
  }
  report << "that is all" << std::endl;
  std::array<char, 4096> part;
  while (::read(impound::child_socket, part.data(), part.size()) > 0) {
  }
  return 1;
}
