// A reader worker that was taken over, or that fails, by some pages: those whose content type is an order. Others it
// reads as the real one does.
//
//     reach PATH…     in the real one's sandbox, reaches for files, the network and the agent, and tells each way in as
//                     a URL of a reference: "http://x.invalid/VERB-ERRNO.torrent" (errno 0 where it got in)
//     die             ends itself as a bug would
//     sleep           says nothing any more
//     lie MAGNET      tells a magnet under another's hashes
//     flood           tells references without end
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <sstream>

#include "evidence/system/child_process.h"
#include "evidence/system/worker_start.h"
#include "fetchers/reading/worker/charset.h"
#include "fetchers/reading/worker/page_reading.h"
#include "fetchers/reading/worker/rights.h"

using namespace impound;
using namespace impound::fetchers;

namespace {

FoundReference told(std::string const& verb, int number) {
  FoundReference found;
  found.reference.kind = ReferenceKind::torrent_url;
  found.reference.canonical = found.reference.url =
      "http://x.invalid/" + verb + "-" + std::to_string(number) + ".torrent";
  found.reference.text = found.reference.url;
  found.reference.rule = "torrent_url";
  return found;
}

int got(int result) { return result >= 0 ? 0 : errno; }

int opened(std::string const& path, int flags) {
  int const number = ::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK, 0600);
  if (number < 0) return errno;
  ::close(number);
  return 0;
}

FoundRows reached(std::uint64_t job, std::istream& paths, int body) {
  FoundRows rows{job, {}};
  auto const tell = [&](std::string const& verb, int number) { rows.rows.push_back(told(verb, number)); };
  for (std::string path; paths >> path;) {
    tell("read", opened(path, O_RDONLY));
    tell("write", opened(path, O_WRONLY));
    tell("create", opened(path + ".new", O_WRONLY | O_CREAT));
    tell("cut", got(::truncate(path.c_str(), 0)));
    tell("chmod", got(::chmod(path.c_str(), 0666)));
    tell("link", got(::link(path.c_str(), "linked")));
    tell("unlink", got(::unlink(path.c_str())));
    tell("rename", got(::rename(path.c_str(), "taken")));
  }
  tell("environment-of-agent", opened("/proc/" + std::to_string(::getppid()) + "/environ", O_RDONLY));
  tell("kill-agent", got(::kill(::getppid(), SIGTERM)));
  for (int const family : {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK, AF_PACKET})
    for (int const kind : {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW}) tell("socket", got(::socket(family, kind, 0)));
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(9);
  tell("connect", got(::connect(child_socket, reinterpret_cast<sockaddr*>(&where), sizeof where)));
  tell("write-body", got(static_cast<int>(::pwrite(body, "x", 1, 0))));
  tell("cut-body", got(::ftruncate(body, 0)));
  tell("map-body", ::mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, body, 0) == MAP_FAILED ? errno : 0);
  tell("make-memory", got(::memfd_create("x", 0)));
  tell("run",
       ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0);
  tell("fork", got(::fork()));
  return rows;
}

void flush(FrameLine& line) {
  while (line.unsent()) {
    pollfd waiting{line.number(), POLLOUT, 0};
    ::poll(&waiting, 1, -1);
    if (!line.flush()) ::_exit(1);
  }
}

PageFacts truly_read(FrameLine& line, ReadPage const& page, int body) {
  PageReading reading{page, [&](FoundReference found) { (void)line.send(to_frame(FoundRows{page.job, {found}})); }};
  std::string bytes(page.size, '\0');
  if (::pread(body, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size())) reading.write(bytes);
  return reading.finish();
}

void obey(FrameLine& line, ReadPage const& page, int body) {
  std::istringstream order{page.order.content_type};
  std::string verb, word;
  order >> verb;
  if (verb == "die") std::abort();
  if (verb == "sleep")
    while (true) ::pause();
  if (verb == "lie") {
    FoundReference found = told("x", 0);
    found.reference.kind = ReferenceKind::magnet;
    order >> found.reference.canonical;
    found.reference.text = found.reference.canonical;
    found.reference.url.clear();
    found.reference.hashes.v1.emplace();
    (void)line.send(to_frame(FoundRows{page.job, {found}}));
  }
  if (verb == "flood")
    for (int i = 0;; ++i) {
      (void)line.send(to_frame(FoundRows{page.job, std::vector<FoundReference>(rows_max, told("flood", i))}));
      flush(line);
    }
  if (verb == "reach") (void)line.send(to_frame(reached(page.job, order, body)));
  PageRead read{page.job, verb == "reach" ? PageFacts{} : truly_read(line, page, body)};
  ListedRows rows{page.job, read.facts.list.value_or(std::vector<ListedItem>{})};
  if (page.order.list) (void)line.send(to_frame(rows));
  (void)line.send(to_frame(read));
  flush(line);
}

}  // namespace

int main() {
  if (!started_by_agent("hostile_reader")) return worker_by_hand_exit;
  load_charsets();
  if (!confined(reader_rights(), newest_landlock)) return worker_refused_exit;
  FrameLine line{Descriptor{child_socket}, 8u << 20};
  if (!line.send(to_frame(ReaderHello{reader_protocol_version}))) return 1;
  std::vector<Descriptor> handed;
  while (true) {
    pollfd waiting{line.number(), POLLIN, 0};
    ::poll(&waiting, 1, -1);
    auto const open = line.receive(&handed);
    if (!open || !open.value()) return 0;
    auto frame = line.next();
    if (!frame) return 1;
    if (!frame.value() || handed.empty()) continue;
    auto const page = read_page_from(*frame.value());
    if (!page) return 1;
    obey(line, page.value(), handed.back().number());
    handed.clear();
  }
}
