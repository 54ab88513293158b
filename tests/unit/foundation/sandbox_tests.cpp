// Each forbidden thing fails in a child that is confined, each allowed thing works, with the kernel's own Landlock and
// with that of ABI 2 (Debian 12's). Where this machine has no Landlock, what seccomp alone holds is shown.
#include "evidence/system/sandbox.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "evidence/system/descriptor.h"

using namespace impound;

namespace {

constexpr int not_confined = 200;
constexpr int killed = -SIGSYS;

/// A folder for the confined, one file of theirs in it, and one outside.
class Place {
 public:
  Place() {
    std::string name = (std::filesystem::temp_directory_path() / "impound-sandbox-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    root_ = name;
    std::filesystem::create_directories(root_ / "own" / "sub");
    std::filesystem::create_directories(root_ / "public");
    for (auto const& file : {own(), outside(), root_ / "public" / "file"}) std::ofstream{file} << "as it was";
    folder_ = Descriptor{::open((root_ / "own").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    REQUIRE(folder_);
  }
  ~Place() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  std::filesystem::path own(char const* name = "file") const { return root_ / "own" / name; }
  std::filesystem::path outside() const { return root_ / "outside"; }
  std::filesystem::path root() const { return root_; }
  int folder() const { return folder_.number(); }
  SandboxRights rights() const {
    SandboxRights rights;
    rights.folders.push_back({folder_.number(), true});
    return rights;
  }

 private:
  std::filesystem::path root_;
  Descriptor folder_;
};

/// What `act` returns (an errno, 0 for done) in a child that was confined; the negative signal that ended it.
int in_sandbox(SandboxRights const& rights, int abi, std::function<int()> const& act) {
  pid_t const child = ::fork();
  if (child == 0) {
    ::signal(SIGABRT, SIG_DFL);  // not the test program's own
    ::_exit(enter_sandbox(rights, abi) ? act() : not_confined);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/// What `act` returns in a child that is not confined by us.
int in_child(std::function<int()> const& act) {
  pid_t const child = ::fork();
  if (child == 0) ::_exit(act());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int done(long result) { return result < 0 ? errno : 0; }

int open_and_close(std::filesystem::path const& path, int flags) {
  int const number = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (number < 0) return errno;
  ::close(number);
  return 0;
}

std::string contents(std::filesystem::path const& path) {
  std::ifstream file{path};
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// The kernel's own Landlock and ABI 2; where there is none, 0: then only for another user, and never for root.
std::vector<int> abis() {
  if (landlock_abi() >= 1) return {newest_landlock, 2, 1};
  MESSAGE("no Landlock here: that files are closed is not shown");
  return {};
}

struct Attempt {
  char const* what;
  std::function<int()> act;
  int expected;
};

void check_all(SandboxRights const& rights, std::vector<Attempt> const& attempts) {
  for (int const abi : abis()) {
    for (auto const& attempt : attempts) {
      INFO(attempt.what << ", Landlock ABI " << abi);
      CHECK(in_sandbox(rights, abi, attempt.act) == attempt.expected);
    }
  }
}

/// A listener on loopback; its address.
std::pair<Descriptor, sockaddr_in> listener() {
  Descriptor socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  ::inet_pton(AF_INET, "127.0.0.5", &address.sin_addr);
  REQUIRE(::bind(socket.number(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(socket.number(), 4) == 0);
  socklen_t size = sizeof address;
  REQUIRE(::getsockname(socket.number(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return {std::move(socket), address};
}

}  // namespace

TEST_CASE("a sandbox closes every file but its own, by whatever call") {
  Place const place;
  auto const own = place.own();
  auto const outside = place.outside();
  auto const up = "/proc/self/fd/" + std::to_string(place.folder()) + "/../outside";
  std::filesystem::create_symlink(outside, place.own("leads-out"));
  check_all(
      place.rights(),
      {
          {"read /etc/passwd", [] { return open_and_close("/etc/passwd", O_RDONLY); }, EACCES},
          {"read outside", [&] { return open_and_close(outside, O_RDONLY); }, EACCES},
          {"write outside", [&] { return open_and_close(outside, O_WRONLY); }, EACCES},
          {"cut outside", [&] { return open_and_close(outside, O_RDONLY | O_TRUNC); }, EACCES},
          {"make a file outside", [&] { return open_and_close(place.root() / "new", O_WRONLY | O_CREAT); }, EACCES},
          {"list outside", [&] { return open_and_close(place.root(), O_RDONLY | O_DIRECTORY); }, EACCES},
          {"by a link inside", [&] { return open_and_close(place.own("leads-out"), O_RDONLY); }, EACCES},
          {"by the folder's descriptor", [&] { return open_and_close(up, O_RDONLY); }, EACCES},
          {"own memory", [] { return open_and_close("/proc/self/mem", O_RDWR); }, EACCES},
          {"remove outside", [&] { return done(::unlink(outside.c_str())); }, EACCES},
          {"make a folder outside", [&] { return done(::mkdir((place.root() / "new").c_str(), 0700)); }, EACCES},
          {"truncate by path", [&] { return done(::truncate(outside.c_str(), 0)); }, ENOSYS},
          {"truncate own by path", [&] { return done(::truncate(own.c_str(), 0)); }, ENOSYS},
          {"chmod", [&] { return done(::chmod(outside.c_str(), 0666)); }, ENOSYS},
          {"fchmod", [&] { return done(::fchmod(place.folder(), 0777)); }, ENOSYS},
          {"chown", [&] { return done(::chown(outside.c_str(), 1, 1)); }, ENOSYS},
          {"link", [&] { return done(::link(outside.c_str(), place.own("new").c_str())); }, ENOSYS},
          {"linkat", [&] { return done(::linkat(AT_FDCWD, own.c_str(), AT_FDCWD, place.own("n").c_str(), 0)); },
           ENOSYS},
          {"symlink", [&] { return done(::symlink("/etc/passwd", place.own("new").c_str())); }, ENOSYS},
          {"rename", [&] { return done(::rename(own.c_str(), place.own("new").c_str())); }, ENOSYS},
          {"utimes", [&] { return done(::utimes(outside.c_str(), nullptr)); }, ENOSYS},
          {"setxattr", [&] { return done(::setxattr(outside.c_str(), "user.a", "b", 1, 0)); }, ENOSYS},
          {"mknod", [&] { return done(::mknod(place.own("fifo").c_str(), S_IFIFO | 0600, 0)); }, ENOSYS},
          {"a lease", [&] { return done(::fcntl(place.folder(), F_SETLEASE, F_WRLCK)); }, ENOSYS},
          {"memfd", [] { return done(::memfd_create("a", 0)); }, ENOSYS},
      });
  CHECK(contents(outside) == "as it was");
  CHECK(contents(own) == "as it was");
}

TEST_CASE("P6: a file that was kept open to be read is not opened again to be written, once it was taken away") {
  Place const place;
  auto const again = [](int file, int flags) { return open_and_close("/proc/self/fd/" + std::to_string(file), flags); };
  for (int const abi : abis()) {
    INFO("Landlock ABI " << abi);
    // As a payload file is sealed: written in staging, then moved into the vault while the worker still holds it.
    std::ofstream{place.own("payload")} << "sealed";
    Descriptor const kept{::open(place.own("payload").c_str(), O_RDONLY | O_CLOEXEC)};
    REQUIRE(kept);
    // The canary: without a sandbox this way leads in.
    CHECK(in_child([&] { return again(kept.number(), O_RDWR); }) == 0);
    std::filesystem::rename(place.own("payload"), place.root() / "object");
    CHECK(in_child([&] { return again(kept.number(), O_RDWR); }) == 0);
    for (int const flags : {O_RDWR, O_WRONLY, O_WRONLY | O_TRUNC, O_WRONLY | O_APPEND})
      CHECK(in_sandbox(place.rights(), abi, [&] { return again(kept.number(), flags); }) == EACCES);
    CHECK(in_sandbox(place.rights(), abi, [&] { return done(::ftruncate(kept.number(), 0)); }) == EINVAL);
    CHECK(contents(place.root() / "object") == "sealed");
  }
}

TEST_CASE("a sandbox ends or refuses whatever reaches for a program or another process") {
  Place const place;
  pid_t const parent = ::getpid();
  auto rights = place.rights();
  rights.network = true;
  check_all(
      rights,
      {
          {"execve", [] { return done(::execl("/bin/true", "true", nullptr)); }, killed},
          {"execveat", [] { return done(::syscall(SYS_execveat, AT_FDCWD, "/bin/true", nullptr, nullptr, 0)); },
           killed},
          {"ptrace", [&] { return done(::ptrace(PTRACE_SEIZE, parent, nullptr, nullptr)); }, killed},
          {"process_vm_readv", [&] { return done(::syscall(SYS_process_vm_readv, parent, 0, 0, 0, 0, 0)); }, killed},
          {"io_uring", [] { return done(::syscall(SYS_io_uring_setup, 1, nullptr)); }, killed},
          {"bpf", [] { return done(::syscall(SYS_bpf, 0, nullptr, 0)); }, killed},
          {"mount", [] { return done(::syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, nullptr)); }, killed},
          {"open_by_handle_at", [] { return done(::syscall(SYS_open_by_handle_at, 0, nullptr, 0)); }, killed},
          {"fork", [] { return done(::fork()); }, ENOSYS},
          {"kill of another", [&] { return done(::kill(parent, 0)); }, ENOSYS},
          {"tgkill of another", [&] { return done(::syscall(SYS_tgkill, parent, parent, 0)); }, ENOSYS},
          {"pidfd_open", [&] { return done(::syscall(SYS_pidfd_open, parent, 0)); }, ENOSYS},
          {"limits of another",
           [&] {
             rlimit limit{1, 1};
             return done(::syscall(SYS_prlimit64, parent, RLIMIT_NOFILE, &limit, nullptr));
           },
           ENOSYS},
          // One of datagrams could be sent to any address.
          {"socketpair AF_UNIX of datagrams",
           [] {
             std::array<int, 2> ends{};
             return done(::socketpair(AF_UNIX, SOCK_DGRAM, 0, ends.data()));
           },
           ENOSYS},
          {"a connected socketpair sent elsewhere",
           [] {
             std::array<int, 2> ends{};
             if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) return errno;
             sockaddr_un elsewhere{};
             elsewhere.sun_family = AF_UNIX;
             std::memcpy(elsewhere.sun_path + 1, "impound", 7);
             auto const* const to = reinterpret_cast<sockaddr const*>(&elsewhere);
             return done(static_cast<int>(::sendto(ends[0], "x", 1, 0, to, sizeof elsewhere)));
           },
           EISCONN},
          {"socket AF_UNIX", [] { return done(::socket(AF_UNIX, SOCK_STREAM, 0)); }, EAFNOSUPPORT},
          {"socket AF_PACKET", [] { return done(::socket(AF_PACKET, SOCK_RAW, 0)); }, ENOSYS},
          {"socket AF_NETLINK, audit", [] { return done(::socket(AF_NETLINK, SOCK_RAW, 9)); }, ENOSYS},
          {"a raw socket", [] { return done(::socket(AF_INET, SOCK_RAW, IPPROTO_RAW)); }, EPERM},
          {"another user", [] { return done(::setuid(1)); }, ENOSYS},
          {"executable memory",
           [] {
             void* const got = ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
             return got == MAP_FAILED ? errno : 0;
           },
           ENOSYS},
          {"memory made executable",
           [] {
             void* const got = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
             return done(::mprotect(got, 4096, PROT_READ | PROT_EXEC));
           },
           ENOSYS},
      });
}

TEST_CASE("a sandbox without network has no socket at all") {
  Place const place;
  check_all(place.rights(), {{"socket AF_INET", [] { return done(::socket(AF_INET, SOCK_STREAM, 0)); }, ENOSYS},
                             {"socket AF_INET6, UDP", [] { return done(::socket(AF_INET6, SOCK_DGRAM, 0)); }, ENOSYS}});
}

TEST_CASE("what a sandbox allows works") {
  Place const place;
  auto const [socket, address] = listener();
  auto rights = place.rights();
  rights.network = true;
  rights.readable = {(place.root() / "public").string(), "/etc/passwd", "/nonexistent/gai.conf"};
  rights.further_calls = {"renameat", "rename"};
  auto const write_and_read_back = [&] {
    Descriptor const file{::open(place.own("sub/new").c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
    if (!file || ::pwrite(file.number(), "abc", 3, 0) != 3 || ::ftruncate(file.number(), 2) != 0) return errno;
    if (::fdatasync(file.number()) != 0 || ::posix_fallocate(file.number(), 0, 4096) != 0) return errno;
    std::array<char, 2> back{};
    return ::pread(file.number(), back.data(), 2, 0) == 2 && back[1] == 'b' ? 0 : 1;
  };
  auto const connect = [to = address] {
    Descriptor const one{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    return done(::connect(one.number(), reinterpret_cast<sockaddr const*>(&to), sizeof to));
  };
  auto const thread = [] {
    int number = 1;
    std::thread{[&] { number = 0; }}.join();
    return number;
  };
  auto const random = [] {
    std::array<char, 16> bytes{};
    return ::getrandom(bytes.data(), bytes.size(), 0) == 16 ? 0 : errno;
  };
  auto const abort_itself = [] {
    ::abort();
    return 0;
  };
  check_all(
      rights,
      {
          {"write, read back, cut, sync", write_and_read_back, 0},
          {"list its folder", [&] { return open_and_close(place.own("sub"), O_RDONLY | O_DIRECTORY); }, 0},
          {"make and remove a folder",
           [&] { return done(::mkdir(place.own("d").c_str(), 0700)) + done(::rmdir(place.own("d").c_str())); }, 0},
          {"rename beneath, when asked for",
           [&] {
             return done(::rename(place.own("sub/new").c_str(), place.own("sub/newer").c_str())) +
                    done(::unlink(place.own("sub/newer").c_str()));
           },
           0},
          {"a rename to the outside", [&] { return done(::rename(place.own().c_str(), place.outside().c_str())); },
           EACCES},
          {"read a file named", [] { return open_and_close("/etc/passwd", O_RDONLY); }, 0},
          {"write a file named", [] { return open_and_close("/etc/passwd", O_WRONLY); }, EACCES},
          {"read beneath a folder named", [&] { return open_and_close(place.root() / "public/file", O_RDONLY); }, 0},
          {"write beneath a folder named", [&] { return open_and_close(place.root() / "public/file", O_RDWR); },
           EACCES},
          {"make beneath a folder named",
           [&] { return open_and_close(place.root() / "public/new", O_WRONLY | O_CREAT); }, EACCES},
          {"connect over TCP", connect, 0},
          {"a UDP socket", [] { return done(::socket(AF_INET6, SOCK_DGRAM, 0)); }, 0},
          {"list interfaces", [] { return done(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0)); }, 0},
          {"a thread", thread, 0},
          {"getrandom", random, 0},
          {"abort", abort_itself, -SIGABRT},
      });
}

TEST_CASE("a thread in a sandbox is as confined as the first") {
  Place const place;
  auto const read_in_thread = [] {
    int result = 0;
    std::thread{[&] { result = open_and_close("/etc/passwd", O_RDONLY); }}.join();
    return result;
  };
  check_all(place.rights(), {{"read /etc/passwd", read_in_thread, EACCES}});
}

TEST_CASE("a folder that only may be read stays as it is") {
  Place const place;
  SandboxRights rights;
  rights.folders.push_back({place.folder(), false});
  check_all(rights, {{"read", [&] { return open_and_close(place.own(), O_RDONLY); }, 0},
                     {"write", [&] { return open_and_close(place.own(), O_WRONLY); }, EACCES},
                     {"make", [&] { return open_and_close(place.own("new"), O_WRONLY | O_CREAT); }, EACCES},
                     {"remove", [&] { return done(::unlink(place.own().c_str())); }, ENOSYS}});
}

TEST_CASE("a sandbox that opens no files has no call for it") {
  Place const place;
  SandboxRights rights;
  rights.opens_files = false;
  int const reading = ::open(place.own().c_str(), O_RDONLY);
  check_all(rights, {{"open", [&] { return open_and_close(place.own(), O_RDONLY); }, ENOSYS},
                     {"open a device", [] { return open_and_close("/dev/null", O_RDWR); }, ENOSYS},
                     {"look into a folder",
                      [&] {
                        char part[256];
                        return done(::syscall(SYS_getdents64, place.folder(), part, sizeof part));
                      },
                      ENOSYS},
                     {"read what is open",
                      [&] {
                        char byte = 0;
                        return done(::pread(reading, &byte, 1, 0));
                      },
                      0}});
  ::close(reading);
}

TEST_CASE("a sandbox that reads as root reads what it names, whoever owns it, and nothing else") {
  Place const place;
  if (::geteuid() != 0) return;
  REQUIRE(::chown(place.own().c_str(), 12345, 12345) == 0);
  REQUIRE(::chmod(place.own().c_str(), 0600) == 0);
  REQUIRE(::chown(place.outside().c_str(), 12345, 12345) == 0);
  SandboxRights rights;
  rights.readable = {(place.root() / "own").string()};
  check_all(rights, {{"as it is", [&] { return open_and_close(place.own(), O_RDONLY); }, EACCES}});
  rights.reads_as_root = true;
  check_all(rights, {{"read", [&] { return open_and_close(place.own(), O_RDONLY); }, 0},
                     {"write", [&] { return open_and_close(place.own(), O_WRONLY); }, EACCES},
                     {"outside", [&] { return open_and_close(place.outside(), O_RDONLY); }, EACCES}});
}

TEST_CASE("a file that was moved out of the folder is out of reach, also by a descriptor that reads it") {
  Place const place;
  int const reading = ::open(place.own().c_str(), O_RDONLY);
  std::filesystem::rename(place.own(), place.root() / "sealed");
  auto const again = "/proc/self/fd/" + std::to_string(reading);
  check_all(place.rights(), {{"opened again", [&] { return open_and_close(again, O_WRONLY); }, EACCES},
                             {"fchmod", [&] { return done(::fchmod(reading, 0666)); }, ENOSYS}});
  ::close(reading);
}

TEST_CASE("a sandbox has no privileges, no capability and no core dump") {
  Place const place;
  for (int const abi : abis()) {
    std::array<int, 2> line{};
    REQUIRE(::pipe(line.data()) == 0);
    pid_t const child = ::fork();
    if (child == 0) {
      ::close(line[1]);
      char byte = 0;
      ::_exit(enter_sandbox(place.rights(), abi) && ::kill(0, 0) != 0 && ::read(line[0], &byte, 1) == 0 ? 0 : 1);
    }
    auto const status_of = [&] { return contents("/proc/" + std::to_string(child) + "/status"); };
    // Seccomp is the last step: once it is on, all of it is.
    std::string status;
    auto const until = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while ((status = status_of()).find("Seccomp:\t2") == std::string::npos &&
           std::chrono::steady_clock::now() < until) {
    }
    CHECK(status.find("Seccomp:\t2") != std::string::npos);
    CHECK(status.find("NoNewPrivs:\t1") != std::string::npos);
    for (char const* set : {"CapInh:", "CapPrm:", "CapEff:", "CapAmb:"}) {
      CHECK(status.find(std::string{set} + "\t0000000000000000") != std::string::npos);
    }
    auto const limits = contents("/proc/" + std::to_string(child) + "/limits");
    CHECK(limits.find("Max core file size        0                    0") != std::string::npos);
    ::close(line[1]);
    ::close(line[0]);
    int ended = 0;
    REQUIRE(::waitpid(child, &ended, 0) == child);
    CHECK(ended == 0);
  }
}

TEST_CASE("without Landlock a sandbox is refused to the agent's own user, and to root in any case") {
  Place const place;
  auto rights = place.rights();
  auto const refused = [&] {
    auto const entered = enter_sandbox(rights, 0);
    bool const said = !entered && entered.error().code == Code::refused &&
                      entered.error().what.find("no Landlock") != std::string::npos && !entered.error().hint.empty();
    // Nothing was begun: whoever gets this error may still say so.
    return said && open_and_close("/etc/passwd", O_RDONLY) == 0 ? 0 : 1;
  };
  CHECK(in_child(refused) == 0);
  rights.other_user = true;
  auto const as_another = [&] {
    // Only root can become another; whoever is not root is no root already.
    if (::geteuid() == 0 && (refused() != 0 || ::setresuid(65534, 65534, 65534) != 0)) return 2;
    auto const entered = enter_sandbox(rights, 0);
    if (!entered || entered.value() != 0) return 3;
    if (open_and_close("/etc/shadow", O_RDONLY) != EACCES) return 4;  // by permission
    return ::kill(::getppid(), 0) != 0 && errno == ENOSYS ? 0 : 5;
  };
  CHECK(in_child(as_another) == 0);
}

TEST_CASE("a sandbox is not entered beside another thread, nor with a call that does not exist") {
  Place const place;
  auto misspelt = place.rights();
  misspelt.further_calls = {"opne"};
  auto const beside = [&] {
    std::atomic<bool> end = false;
    std::thread other{[&] { end.wait(false); }};
    auto const entered = enter_sandbox(place.rights());
    end = true;
    end.notify_all();
    other.join();
    return !entered && entered.error().code == Code::refused ? 0 : 1;
  };
  auto const with_misspelt = [&] {
    auto const entered = enter_sandbox(misspelt);
    return !entered && entered.error().code == (landlock_abi() >= 1 ? Code::usage : Code::refused) ? 0 : 1;
  };
  CHECK(in_child(beside) == 0);
  CHECK(in_child(with_misspelt) == 0);
}
