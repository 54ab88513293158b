#include "agent/service/control_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "agent/service/control_socket.h"

namespace impound::agent {

namespace {

constexpr int greeting_ms = 5'000;
constexpr std::size_t unsent_bytes_max = 4u << 20;

Error gone() {
  return Error{Code::held, "the agent that holds the vault does not answer any more", {}, "See what it says itself"};
}

Result<Descriptor> connect_to(std::string const& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Error{Code::not_found, "no socket's path", path, {}};
  std::memcpy(address.sun_path, path.c_str(), path.size());
  Descriptor made{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!made) return from_errno(errno, "cannot make a socket", path);
  if (::connect(made.number(), reinterpret_cast<sockaddr const*>(&address), sizeof address) != 0)
    return from_errno(errno, "cannot reach it by its socket", path);
  return made;
}

}  // namespace

Result<ControlClient> ControlClient::reach(std::vector<std::string> const& state_folders, ControlHello const& hello,
                                           Error const& held) {
  Error why = held;
  for (std::string const& folder : state_folders) {
    auto made = connect_to(folder + "/" + control_socket_name);
    if (!made) {
      if (made.error().code == Code::read_only) why.where = "you may not order it by its socket: " + made.error().where;
      continue;
    }
    ControlClient client{FrameLine{std::move(made).value(), unsent_bytes_max}};
    // Whom the agent refuses it may have told so, and hung up, before our greeting: the answer is there all the same.
    (void)client.put(hello);
    auto answer = client.next(-1, greeting_ms);
    if (!answer) {
      why.where = "it does not answer by its socket";
      continue;
    }
    if (auto const* const failed = std::get_if<FailedOrder>(&answer.value())) return failed->error;
    auto const* const ours = std::get_if<ControlHello>(&answer.value());
    if (ours == nullptr) continue;
    client.holder_ = ours->command;
    return client;
  }
  return why;
}

Result<void> ControlClient::wait(short events, int interrupt, int timeout_ms) {
  std::array<pollfd, 2> both{{{line_.number(), events, 0}, {interrupt, POLLIN, 0}}};
  int const ready = ::poll(both.data(), both.size(), timeout_ms);
  if (ready < 0 && errno != EINTR) return from_errno(errno, "cannot wait for the agent", {});
  if (ready == 0) return gone();
  if ((both[1].revents & POLLIN) != 0) return Error{Code::cancelled, "interrupted", {}, {}};
  return ok();
}

Result<void> ControlClient::put(ControlOrder const& order) {
  if (auto const sent = line_.send(to_frame(order)); !sent) return gone();
  while (line_.unsent()) {
    IMPOUND_CHECK(wait(POLLOUT, -1, greeting_ms));
    if (auto const flushed = line_.flush(); !flushed) return gone();
  }
  return ok();
}

Result<void> ControlClient::send(ControlOrder const& order) {
  auto sent = put(order);
  if (sent) return sent;
  // It may have refused what came before, and hung up.
  auto const last = next(-1, 0);
  if (last)
    if (auto const* const failed = std::get_if<FailedOrder>(&last.value())) return failed->error;
  return sent;
}

Result<ControlAnswer> ControlClient::next(int interrupt, int timeout_ms) {
  while (true) {
    IMPOUND_TRY(frame, line_.next());
    if (frame) return control_answer_from(*frame);
    IMPOUND_CHECK(wait(POLLIN, interrupt, timeout_ms));
    auto const open = line_.receive();
    if (!open) return gone();
    if (open.value()) continue;
    IMPOUND_TRY(last, line_.next());
    if (!last) return gone();
    return control_answer_from(*last);
  }
}

Result<int> ControlClient::finish(Terminal& terminal, int interrupt) {
  while (true) {
    auto answer = next(interrupt, -1);
    if (!answer) {
      terminal.clear();
      return std::move(answer).error();
    }
    if (auto const* const said = std::get_if<Said>(&answer.value())) {
      terminal.say(said->text);
    } else if (auto const* const status = std::get_if<StatusLines>(&answer.value())) {
      terminal.status(status->lines, status->plain);
    } else if (auto const* const out = std::get_if<Out>(&answer.value())) {
      terminal.clear();
      std::fwrite(out->text.data(), 1, out->text.size(), stdout);
      std::fflush(stdout);
    } else if (auto const* const done = std::get_if<DoneOrder>(&answer.value())) {
      terminal.clear();
      return static_cast<int>(done->exit & 0xff);
    } else if (auto const* const failed = std::get_if<FailedOrder>(&answer.value())) {
      terminal.clear();
      return failed->error;
    }
  }
}

}  // namespace impound::agent
