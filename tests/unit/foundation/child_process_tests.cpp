#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <filesystem>

#include "evidence/system/child_process.h"

using namespace impound;
using namespace std::chrono_literals;

namespace {

std::unique_ptr<ChildProcess> shell(std::string script, int folder = -1) {
  auto child = ChildProcess::start({"/bin/sh", {"-c", std::move(script)}, folder});
  REQUIRE_MESSAGE(child, child.error().what);
  return std::move(child).value();
}

/// All the child says on its socket until it closes it.
std::string said(ChildProcess& child) {
  std::string all;
  std::array<char, 4096> part;
  while (true) {
    pollfd line{child.socket().number(), POLLIN, 0};
    REQUIRE(::poll(&line, 1, 20'000) == 1);
    ssize_t const got = ::recv(line.fd, part.data(), part.size(), 0);
    if (got <= 0) return all;
    all.append(part.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

TEST_CASE("a child has its socket at 3, an empty environment and no other descriptor of ours") {
  Descriptor const stray{::open("/proc/version", O_RDONLY)};  // not closed on exec, on purpose
  REQUIRE(stray);
  ::setenv("IMPOUND_SECRET", "x", 1);
  auto child = shell("cat /proc/self/environ >&3; ls -l /proc/self/fd >&3");
  auto const all = said(*child);
  CHECK(all.find("IMPOUND_SECRET") == std::string::npos);
  CHECK(all.find("PATH=/usr/bin:/bin") != std::string::npos);
  CHECK(all.find("LANG=C.UTF-8") != std::string::npos);
  CHECK(all.find("3 -> socket:") != std::string::npos);
  CHECK(all.find("/proc/version") == std::string::npos);
  CHECK(child->wait(20s) == Ending{false, 0});
}

TEST_CASE("a child works in the folder it was handed") {
  Descriptor const folder{::open("/proc/sys", O_PATH | O_DIRECTORY)};
  auto child = shell("pwd >&3", folder.number());
  CHECK(said(*child) == "/proc/sys\n");
}

TEST_CASE("a program that does not exist is an error, not a child") {
  auto const child = ChildProcess::start({"/nonexistent/worker", {}, -1});
  REQUIRE_FALSE(child);
  CHECK(child.error().code == Code::not_found);
  CHECK(ChildProcess::start({"/etc/passwd", {}, -1}).has_error());
}

TEST_CASE("how a child ended is told, and its last words are kept") {
  auto child = shell("echo some trouble >&2; exit 7");
  CHECK(child->wait(20s) == Ending{false, 7});
  CHECK(child->error_tail() == "some trouble\n");
  CHECK(text(*child->ended()) == "exit status 7");
}

TEST_CASE("standard error is kept to its end and never blocks the child") {
  auto child = shell("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done >&2 2>/dev/null; exit 0");
  CHECK(child->wait(30s) == Ending{false, 0});
  CHECK(child->error_tail().size() <= 4096);
}

TEST_CASE("a killed child leaves no zombie") {
  pid_t id = 0;
  {
    auto child = shell("exec sleep 1000");
    id = child->id();
    CHECK_FALSE(child->ended());
    CHECK(child->kill() == Ending{true, SIGKILL});
    CHECK(text(*child->ended()).starts_with("signal 9"));
  }
  CHECK_FALSE(std::filesystem::exists(std::string{"/proc/"} + std::to_string(id)));
  {
    auto child = shell("exec sleep 1000");
    id = child->id();
  }
  CHECK_FALSE(std::filesystem::exists(std::string{"/proc/"} + std::to_string(id)));
}

TEST_CASE("a wait that is too short says so") {
  auto child = shell("exec sleep 1000");
  CHECK_FALSE(child->wait(10ms));
}

TEST_CASE("a child dies with the process that started it") {
  // A process in between starts the child and is killed. The child holds our pipe: its end is the pipe's end.
  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);
  Descriptor const read_end{pipe[0]};
  Descriptor write_end{pipe[1]};
  pid_t const between = ::fork();
  if (between == 0) {
    auto child = ChildProcess::start({"/bin/sh", {"-c", "exec sleep 1000"}, -1});
    if (!child) ::_exit(1);
    pid_t const id = child.value()->id();
    [[maybe_unused]] auto written = ::write(write_end.number(), &id, sizeof id);
    ::pause();
    ::_exit(0);
  }
  pid_t grandchild = 0;
  REQUIRE(::read(read_end.number(), &grandchild, sizeof grandchild) == static_cast<ssize_t>(sizeof grandchild));
  REQUIRE(grandchild > 0);
  ::kill(between, SIGKILL);
  ::waitpid(between, nullptr, 0);
  // Gone, or a zombie that only its new parent has not reaped yet.
  bool gone = false;
  for (int round = 0; round < 2000 && !gone; ++round) {
    std::error_code error;
    auto const link = std::filesystem::read_symlink(std::string{"/proc/"} + std::to_string(grandchild) + "/exe", error);
    gone = static_cast<bool>(error) || link.empty();
    if (!gone) ::poll(nullptr, 0, 5);
  }
  CHECK(gone);
}
